"""Looking live: what is asked for is done, newest first, and kept; in a real browser too."""

import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from test_answering import frames, house  # noqa: F401 (fixtures)
from test_see import flat, stills
from test_widgets import lab, run_all  # noqa: F401 (fixtures)

from lab.sample import numbered_film
from lab.see import (
    Answering,
    Camera,
    Looking,
    Model,
    Playing,
    Recipe,
    Recording,
    SeeError,
    Session,
    Slides,
)
from lab.see.checkpoints import VERSION, write_model
from lab.see.networks import Generator
from lab.see.session import fields, open_session
from lab.see.sources import openers
from lab.store import Workspace
from lab.tables import load_archive
from lab.video import Reader, probe


class Glass(torch.nn.Module):
    """Coloured glass: light, of which only some colours pass."""

    def __init__(self, *colour):
        super().__init__()
        self.colour = torch.tensor(colour).view(1, 3, 1, 1)

    def forward(self, given):
        return given.expand(-1, 3, -1, -1) * self.colour


def glass(*colour):
    return Model(Glass(*colour), Recipe(reduction=1), {"of": list(colour)}, torch.device("cpu"))


class Clock:
    """A clock that is set by hand, and moves when one waits."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds


PLAIN = Looking(size=64, before=0, after=0)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def session(tmp_path, clock):
    models = {"red": glass(1.0, 0.0, 0.0), "blue": glass(0.0, 0.0, 1.0)}
    return Session(models, out=tmp_path / "out", looking=PLAIN, clock=clock)


def write_network(folder, colour=(0, 0, 0)):
    """A network as a training writes it, that adds a colour to the light."""
    network = Generator()
    with torch.no_grad():
        network.colours.bias[:] = torch.tensor(colour)
    card = {"version": VERSION, "settings": Recipe(reduction=1).model_dump()}
    write_model(folder, network.state_dict(), card)


def jpeg(picture):
    return cv2.imencode(".png", picture[..., ::-1])[1].tobytes()


def colours(picture):
    """Mean of red, green and blue of an encoded picture."""
    return cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].mean((0, 1))


def seen(session, value, panes=("seen",)):
    asked = {"do": "see", "number": 1, "panes": list(panes)}
    return session.act(asked, [jpeg(flat(value))])


# A session.


def test_what_is_sent_is_seen_and_every_pane_is_what_it_says(session):
    answer, pictures = seen(session, 200, ("camera", "processed", "seen"))
    assert answer["number"] == 1 and answer["panes"] == ["camera", "processed", "seen"]
    for picture, colour in zip(
        pictures, [(200, 200, 200), (200, 200, 200), (200, 0, 0)], strict=True
    ):
        np.testing.assert_allclose(colours(picture), colour, atol=3)
    assert len(seen(session, 100, ("processed",))[1]) == 1


def test_another_model_sees_at_once_and_settings_hold(session):
    told = session.act({"do": "through", "name": "blue"})[0]["told"]
    assert told["through"] == "blue" and told["choices"] == ["red", "blue"]
    np.testing.assert_allclose(colours(seen(session, 120)[1][0]), (0, 0, 120), atol=3)
    told = session.act({"do": "set", "name": "threshold", "value": 0.3})[0]["told"]
    assert told["settings"]["threshold"] == 0.3
    np.testing.assert_allclose(colours(seen(session, 120)[1][0]), (0, 0, 255), atol=3)
    session.act({"do": "through", "name": "red"})
    np.testing.assert_allclose(colours(seen(session, 120)[1][0]), (255, 0, 0), atol=3)


def test_frozen_it_stays(session):
    seen(session, 200)
    session.act({"do": "set", "name": "freeze", "value": True})
    np.testing.assert_allclose(colours(seen(session, 20)[1][0]), (200, 0, 0), atol=3)
    session.act({"do": "set", "name": "freeze", "value": False})
    np.testing.assert_allclose(colours(seen(session, 20)[1][0]), (20, 0, 0), atol=3)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"do": "set", "name": "mix", "value": 7}, "less than or equal to 1"),
        ({"do": "set", "name": "nonsense", "value": 7}, "not permitted"),
        ({"do": "through", "name": "green"}, "there is red, blue"),
        ({"do": "at", "name": "moon"}, "the browser's camera"),
        ({"do": "see", "number": 3, "panes": []}, "sent no picture"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_changes_nothing(session, asked, said):
    before = session.told()
    answer, pictures = session.act(asked)
    assert said in answer["said"] and answer["wrong"] and not pictures
    assert session.told() == before and answer.get("number") == asked.get("number")


def test_what_is_no_picture_is_told(session):
    answer, _ = session.act({"do": "see", "number": 2, "panes": ["seen"]}, [b"no picture"])
    assert "is no picture" in answer["said"]


def test_an_archive_answers_in_the_same_session(house, frames, tmp_path, clock):  # noqa: F811
    write_network(tmp_path / "models" / "glass")
    session = open_session(tmp_path / "models", house, looking=PLAIN)
    session.clock = clock
    assert session.choices == ["glass", "the archive"]
    told = session.act({"do": "through", "name": "the archive"})[0]["told"]
    assert not told["network"] and {one["name"] for one in told["fields"]} == set(
        Answering.model_fields
    )
    session.act({"do": "set", "name": "grid", "value": False})
    asked = {"do": "see", "number": 1, "panes": ["camera", "processed", "seen"]}
    for clock.now in (0.0, 0.1):
        answer, pictures = session.act(asked, [jpeg(frames["two.mp4"][36])])
    assert answer["panes"] == ["camera", "seen"] and len(pictures) == 2
    assert answer["captions"][0].startswith("two, 0:0")
    told = session.act({"do": "through", "name": "glass"})[0]["told"]
    assert told["network"] and told["settings"]["size"] == 64
    assert session.act(asked, [jpeg(flat(100))])[0]["captions"] == []


def test_a_shot_of_the_archive_can_be_looked_at(house, frames):  # noqa: F811
    seen = load_archive(house)
    shot = seen.shots[seen.shots["index"] == 2].iloc[0]
    name = Path(seen.films.set_index("film_id").path[shot.film_id]).name
    source = openers([shot.shot_id], house)[shot.shot_id]()
    np.testing.assert_array_equal(source.newest(), frames[name][48])
    with pytest.raises(SeeError, match="nor a shot"):
        openers(["0123456789ab-0-100"], house)


def test_controls_are_made_from_the_settings():
    made = {field["name"]: field for field in fields(Looking)}
    assert set(made) == set(Looking.model_fields)
    assert made["flip"]["kind"] == "switch" and made["mix"]["kind"] == "slider"
    assert (made["crop"]["least"], made["crop"]["most"]) == (0.1, 1)
    assert all(field["help"] for field in made.values())


@pytest.mark.parametrize("settings", [Looking, Answering])
def test_sliders_can_stand_where_settings_begin(settings):
    for field in fields(settings):
        if field["kind"] == "slider":
            steps = (settings.model_fields[field["name"]].default - field["least"]) / field["step"]
            assert steps == pytest.approx(round(steps)), field["name"]
            assert 10 <= (field["most"] - field["least"]) / field["step"] <= 200


def test_answers_freeze_and_go_on(house, frames, clock):  # noqa: F811
    session = open_session(None, house)
    session.clock = clock
    session.act({"do": "set", "name": "size", "value": 64})
    asked, shown = {"do": "see", "number": 1, "panes": ["seen"]}, []
    for clock.now in (0.0, 0.5, 9.0, 18.0):
        shown.append(session.act(asked, [jpeg(frames["two.mp4"][36])]))
        session.act({"do": "set", "name": "freeze", "value": 0.5 <= clock.now < 9.0})
    (_, [one]), (_, [held]), (_, [still]), (_, [later]) = shown
    assert still == held and later != held and shown[2][0]["captions"] == shown[1][0]["captions"]
    assert one != held


def test_a_session_needs_something_to_look_through(tmp_path):
    with pytest.raises(SeeError, match="lab see train"):
        open_session(None, Workspace(tmp_path))
    with pytest.raises(SeeError, match="holds no model"):
        open_session(tmp_path, Workspace(tmp_path))
    assert not list(tmp_path.iterdir())


# Sources.


def test_a_film_plays_at_its_pace_passes_over_what_is_missed_and_begins_again(tmp_path, clock):
    numbered_film(tmp_path / "film.mp4", [12, 12], rate=24)
    film = Playing(tmp_path / "film.mp4", clock=clock, wait=clock.wait)
    reader = Reader(tmp_path / "film.mp4", size=(320, 192), pixels="rgb24")
    pictures = [frame.picture.to_ndarray() for frame in reader]
    for clock.now, number in ((0, 0), (0.30, 7), (0.31, 8), (0.99, 23), (1.0, 0), (1.5, 12)):
        newest = film.newest().astype(int)
        apart = [np.abs(newest - one).mean() for one in pictures]
        assert np.argmin(apart) == number
    film.close()


def test_a_stretch_of_a_film_plays_by_itself(tmp_path, clock):
    numbered_film(tmp_path / "film.mp4", [12, 12], looks=(1, 2), first=None)
    film = Playing(tmp_path / "film.mp4", 0.5, 0.75, clock=clock, wait=clock.wait)
    first = film.newest()
    for _ in range(5):
        film.newest()
    assert clock.now == pytest.approx(5 / 24, abs=1e-3)  # a frame at a time
    np.testing.assert_array_equal(film.newest(), first)  # and again


def test_the_pictures_of_a_folder_take_turns(tmp_path, clock):
    slides = Slides(stills(tmp_path / "in", 3), each=2, clock=clock, wait=clock.wait)
    found = []
    for clock.now in (0, 1, 2.1, 4.1, 6.1):
        found.append(slides.newest())
    assert (found[0] == found[1]).all() and (found[0] == found[4]).all()
    assert (found[0] != found[2]).any() and (found[2] != found[3]).any()


def test_inputs_are_found_by_name(tmp_path, clock):
    stills(tmp_path / "pictures", 2)
    (tmp_path / "films").mkdir()
    for name in "ab":
        numbered_film(tmp_path / "films" / f"{name}.mp4", [12])
    found = openers([tmp_path / "pictures", tmp_path / "films"], Workspace(tmp_path))
    assert list(found) == ["pictures", "a.mp4", "b.mp4"]
    assert isinstance(found["pictures"](), Slides) and isinstance(found["b.mp4"](), Playing)


class Device:
    """A camera that gives the pictures that it is handed, in OpenCV's order of colours."""

    def __init__(self, number):
        self.pictures, self.given, self.released = queue.Queue(), 0, False

    def isOpened(self):
        return True

    def read(self):
        picture = self.pictures.get()
        self.given += picture is not None
        return picture is not None, picture

    def release(self):
        self.released = True


def test_this_machines_camera_gives_its_newest_picture(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", Device)
    camera = Camera(0)
    for value in (10, 20, 30):
        camera.capture.pictures.put(flat((0, 0, value)))
    while camera.capture.pictures.qsize() or not (camera.picture == flat((0, 0, 30))).all():
        time.sleep(0.001)
    np.testing.assert_array_equal(camera.newest(), flat((30, 0, 0)))
    camera.capture.pictures.put(None)  # it was pulled out
    with pytest.raises(SeeError, match="gives no pictures any more"):
        camera.newest()
    camera.close()
    assert camera.capture.released


def test_a_camera_that_is_not_there_is_told(session):
    answer, _ = session.act({"do": "at", "name": "this machine's camera"})
    assert "said" not in answer
    answer, _ = session.act({"do": "see", "number": 4, "panes": ["seen"]})
    assert answer["wrong"] and "connect it" in answer["said"] and answer["number"] == 4


# Recordings.


def test_a_recording_has_the_times_the_settings_and_the_card(session, clock):
    session.act({"do": "record"})
    for clock.now, value in ((5.0, 200), (5.1, 100), (5.4, 50)):
        seen(session, value)
    session.act({"do": "through", "name": "blue"})
    clock.now = 6.0
    answer, _ = session.act({"do": "keep"})
    assert not answer["told"]["recording"]
    (video,) = session.out.glob("seen *.mp4")
    assert answer["kept"] == str(video) and str(video) in answer["said"]
    shown = list(Reader(video))
    assert [round(float(frame.time), 3) for frame in shown] == [0, 0.1, 0.4, 1.0]
    assert [round(frame.picture.to_ndarray()[:64].mean()) for frame in shown[:2]] == [
        pytest.approx(16 + 219 * 0.2126 * value / 255, abs=3) for value in (200, 100)
    ]
    looked = json.loads(video.with_suffix(".json").read_text())["looked"]
    assert [(one["second"], one["through"]) for one in looked] == [(0, "red"), (0.4, "blue")]
    assert looked[0]["settings"]["size"] == 64 and looked[1]["model"] == {"of": [0, 0, 1]}


def test_pictures_of_another_shape_are_fitted_into_a_recording(tmp_path):
    recording = Recording(tmp_path / "kept.mp4", flat(255, 64), 0)
    recording.add(np.full((64, 128, 3), 255, np.uint8), 1)
    recording.finish(2)
    shown = [frame.picture.to_ndarray()[:64] for frame in Reader(tmp_path / "kept.mp4")]
    assert [picture.shape for picture in shown] == [(64, 64)] * 3
    assert shown[0].mean() > 230 and shown[1][32].mean() > 230 and shown[1][4].mean() < 20


def test_a_recording_that_cannot_be_written_is_told_and_looking_goes_on(session, tmp_path):
    session.out = tmp_path / "file"
    session.out.write_text("no folder")
    session.act({"do": "record"})
    answer, _ = seen(session, 200)
    assert answer["wrong"] and str(session.out) in answer["said"]
    assert not answer["told"]["recording"] and len(seen(session, 200)[1]) == 1


def test_nothing_is_recorded_unasked(session):
    seen(session, 200)
    assert "Nothing was recorded" in session.act({"do": "keep"})[0]["said"]
    assert not session.out.exists()


# In a real browser, with a camera that is a file.


def camera_file(path, seconds=(1, 1), rate=20):
    """A camera's pictures, grey without end: dark for some seconds, then light, and so on."""
    with av.open(str(path), "w", format="yuv4mpegpipe") as out:
        stream = out.add_stream("rawvideo", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for value, span in zip((40, 200), seconds, strict=True):
            picture = np.full((360, 320), 128, np.uint8)
            picture[:240] = value
            for _ in range(span * rate):
                out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "yuv420p")))
        out.mux(stream.encode(None))
    return path


@contextmanager
def browser(*flags):
    """A page of Debian's chromium that has a camera, or has none, as the flags say."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    assert program, "install chromium (apt-get install chromium): widgets are tried in a browser"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", *flags]
        )
        yield chromium.new_page(viewport={"width": 1400, "height": 1100})
        chromium.close()


def watching(path):
    """Flags for a camera that shows a file, and is allowed."""
    asked = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    return [*asked, f"--use-file-for-fake-video-capture={path}"]


@contextmanager
def stage(folder, *inputs):
    """`lab see live` on models that are written here; its page's address, and the process."""
    write_network(folder / "models" / "first", [0.3, 0, 0])
    write_network(folder / "models" / "second", [0, 0, 0.3])
    words = ["see", "live", "--no-browser", "--model", str(folder / "models")]
    words += ["--work", str(folder / "data"), "--size", "96", "--before", "0", "--after", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "lab.cli", *words, *map(str, inputs)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    try:
        address = re.search(r"http://\S+", process.stderr.readline()).group()
        yield address, process
    finally:
        process.kill()
        process.communicate()


SEEN = """() => {
  const canvas = document.querySelector('.live figure.seen canvas');
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const mean = [0, 0, 0];
  for (let k = 0; k < data.length; k += 4) for (let c = 0; c < 3; c++) mean[c] += data[k + c];
  return mean.map((sum) => sum / (data.length / 4));
}"""
# Light adds its own to all three colours; the models add 0.3 to one.
RED, BLUE = "([r, g, b]) => r > g + 30 && b < g + 30", "([r, g, b]) => b > g + 30 && r < g + 30"
DARK, LIGHT = "([, g]) => g < 90", "([, g]) => g > 150"


def sees(page, what):
    page.wait_for_function(f"() => ({what})(({SEEN})())", timeout=20_000)


def says(page, words):
    page.wait_for_selector(f".live .says:has-text('{words}')", timeout=20_000)


@pytest.mark.long
def test_a_camera_is_seen_live_in_a_browser(tmp_path):
    camera = camera_file(tmp_path / "camera.y4m")
    with stage(tmp_path) as (address, process), browser(*watching(camera)) as page:
        wrong = []
        page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(address)
        page.click("button:text('Start')")
        for what in (DARK, LIGHT, DARK):  # it changes as the camera does
            sees(page, what)
        sees(page, RED)
        page.wait_for_selector(".live .rate:has-text('pictures/s')")
        assert page.evaluate(NAMELESS) == []

        # Another network at once, and settings by keys.
        page.select_option("select[aria-label='Look through']", "second")
        sees(page, BLUE)
        page.focus("input[data-name=threshold]")
        page.keyboard.press("Home")
        for _ in range(30):
            page.keyboard.press("ArrowRight")
        assert float(page.input_value("input[data-name=threshold]")) == pytest.approx(0.3)
        sees(page, "([, g]) => g < 5")
        sees(page, "([, g]) => g > 240")
        page.focus("input[data-name=threshold]")
        page.keyboard.press("Home")

        # Frozen, it stays as it is for longer than the camera stays dark.
        sees(page, DARK)
        page.click("button:text('Freeze')")
        page.wait_for_selector("button:text('Go on')")
        sees(page, "() => true")
        frozen = page.evaluate(SEEN)
        drawn = int(page.get_attribute("#live", "data-drawn"))
        page.wait_for_function(
            f"() => Number(document.querySelector('#live').dataset.drawn) > {drawn + 25}"
        )
        assert page.evaluate(SEEN) == frozen
        page.click("button:text('Go on')")
        sees(page, LIGHT)

        # A recording plays, and is as long as it took.
        page.click("button:text('Record')")
        page.wait_for_selector("button.recording")
        begun = time.monotonic()
        sees(page, DARK)
        sees(page, LIGHT)
        sees(page, DARK)
        took = time.monotonic() - begun
        page.click("button.recording")
        says(page, "Kept")
        page.wait_for_function(
            "() => document.querySelector('.kept video')?.readyState >= 1", timeout=20_000
        )
        lasts = page.evaluate("() => document.querySelector('.kept video').duration")
        (video,) = (tmp_path / "data" / "out").glob("seen *.mp4")
        assert lasts == pytest.approx(probe(video).duration, abs=0.1)
        assert lasts == pytest.approx(took, abs=0.5 + 0.2 * took)
        lights = [frame.picture.to_ndarray().mean() for frame in Reader(video)]
        assert min(lights) < 100 < 140 < max(lights)
        looked = json.loads(video.with_suffix(".json").read_text())["looked"]
        assert looked[0]["through"] == "second" and looked[0]["settings"]["size"] == 96
        # From a camera that is not there back to the one that is.
        page.select_option("select[aria-label='Look at']", "this machine's camera")
        says(page, "connect it")
        page.select_option("select[aria-label='Look at']", "the browser's camera")
        sees(page, LIGHT)
        sees(page, DARK)
        page.click("button:text('Stop')")
        assert wrong == []
        process.send_signal(signal.SIGINT)
        assert "recorded " in process.communicate(timeout=20)[0]


@pytest.mark.long
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--use-fake-device-for-media-stream"], "The camera was refused"),
        (["--use-fake-ui-for-media-stream"], "No camera was found"),
    ],
)
def test_without_a_camera_it_is_told_and_a_film_can_be_seen(flags, said, tmp_path):
    numbered_film(tmp_path / "film.mp4", [24, 24], looks=(1, 2), first=None)
    shown = "() => Number(document.querySelector('#live').dataset.drawn) > {}"
    with stage(tmp_path, tmp_path / "film.mp4") as (address, process), browser(*flags) as page:
        page.goto(address)
        says(page, "Press Start")
        assert page.text_content("figure.camera figcaption") == "film.mp4"  # it was named
        page.click("button:text('Start')")
        page.wait_for_function(shown.format(5))
        page.select_option("select[aria-label='Look at']", "the browser's camera")
        says(page, said)
        page.wait_for_selector("button:text('Start')")
        page.select_option("select[aria-label='Look at']", "this machine's camera")
        says(page, "connect it")
        page.select_option("select[aria-label='Look at']", "film.mp4")
        page.wait_for_function(shown.format(30))
        sees(page, RED)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20) == ("ended\n", "")


@pytest.mark.long
def test_the_notebook_sees_a_camera_live(lab, tmp_path):  # noqa: F811
    camera = camera_file(tmp_path / "camera.y4m")
    with browser(*watching(camera)) as page:
        run_all(page, lab, "05_learning_to_see.ipynb")
        page.wait_for_selector(".live select", timeout=280_000)
        page.evaluate("() => document.querySelector('.live').scrollIntoView()")
        page.click(".live button:text('Start')")
        page.wait_for_function(
            "() => Number(document.querySelector('.live').dataset.drawn) > 30", timeout=60_000
        )
        page.select_option(".live select[aria-label='Look through']", "the archive")
        page.wait_for_selector(".live figcaption:has-text(':')", timeout=60_000)
        page.wait_for_selector(".live input[data-name=composition]")
        page.focus(".live input[data-name=composition]")
        before = page.input_value(".live input[data-name=composition]")
        page.keyboard.press("ArrowRight")  # moves the slider, not JupyterLab
        assert float(page.input_value(".live input[data-name=composition]")) > float(before)
        page.click(".live button:text('Stop')")


NAMELESS = """() => {
  const every = document.querySelectorAll('.live :is(button, input, select, video, canvas)');
  const named = (one) => one.getAttribute('aria-label') || one.textContent.trim()
    || one.closest('label')?.textContent.trim();
  return [...every].filter((one) => !named(one)).map((one) => one.outerHTML.slice(0, 80));
}"""
