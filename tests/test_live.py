"""Looking live: what is asked for is done, newest first, and kept; in a real browser too."""

import json
import queue
import time

import cv2
import numpy as np
import pytest
import torch
from test_see import flat, stills
from test_widgets import lab, run_all  # noqa: F401 (fixtures)

from lab.sample import numbered_film
from lab.see import Camera, Looking, Model, Playing, Recipe, Recording, SeeError, Session, Slides
from lab.see.session import fields, open_session
from lab.see.sources import openers
from lab.store import Workspace
from lab.video import Reader


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


def test_controls_are_made_from_the_settings():
    made = {field["name"]: field for field in fields(Looking)}
    assert set(made) == set(Looking.model_fields)
    assert made["flip"]["kind"] == "switch" and made["mix"]["kind"] == "slider"
    assert (made["crop"]["least"], made["crop"]["most"]) == (0.1, 1)
    assert all(field["help"] for field in made.values())


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
    found = openers([tmp_path / "pictures", tmp_path / "films"])
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
    frames = list(Reader(video))
    assert [round(float(frame.time), 3) for frame in frames] == [0, 0.1, 0.4, 1.0]
    assert [round(frame.picture.to_ndarray()[:64].mean()) for frame in frames[:2]] == [
        pytest.approx(16 + 219 * 0.2126 * value / 255, abs=3) for value in (200, 100)
    ]
    looked = json.loads(video.with_suffix(".json").read_text())["looked"]
    assert [(one["second"], one["through"]) for one in looked] == [(0, "red"), (0.4, "blue")]
    assert looked[0]["settings"]["size"] == 64 and looked[1]["model"] == {"of": [0, 0, 1]}


def test_pictures_of_another_shape_are_fitted_into_a_recording(tmp_path):
    recording = Recording(tmp_path / "kept.mp4", flat(255, 64), 0)
    recording.add(np.full((64, 128, 3), 255, np.uint8), 1)
    recording.finish(2)
    frames = [frame.picture.to_ndarray()[:64] for frame in Reader(tmp_path / "kept.mp4")]
    assert [frame.shape for frame in frames] == [(64, 64)] * 3
    assert frames[0].mean() > 230 and frames[1][32].mean() > 230 and frames[1][4].mean() < 20


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
