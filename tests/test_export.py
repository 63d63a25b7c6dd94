"""What is exported plays in a browser, and whatever goes wrong leaves nothing half done."""

import io
import resource
import signal
import subprocess
import sys
import time
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image
from test_render import edit_of

from lab.edit import load_edit
from lab.presets import PRESETS, RenderSettings
from lab.render import render
from lab.sample import numbered_film, read_number
from lab.store import Workspace
from lab.video import Reader, WriteError, Writer

QUICK = RenderSettings(speed="ultrafast", crf=23)


@pytest.fixture(scope="module")
def edit(tmp_path_factory):
    """An edit of eight shots, saved beside its films."""
    folder = tmp_path_factory.mktemp("export")
    trailer, archive = folder / "trailer.mp4", folder / "archive.mp4"
    numbered_film(trailer, [12] * 8, rate=Fraction(24), sound="aac")
    numbered_film(archive, [60] * 4, first=1000, looks=range(20, 24), rate=Fraction(24))
    shots = [(k / 2, k / 2 + 0.5, "archive.mp4", k / 4, {}) for k in range(8)]
    made = edit_of(folder, trailer, shots, [trailer, archive])
    made.save(folder / "edit.yaml")
    return folder / "edit.yaml"


def pictures(path):
    return [(frame.time, frame.picture.to_ndarray()) for frame in Reader(path)]


def same(one, other):
    return len(one) == len(other) and all(
        a[0] == b[0] and np.array_equal(a[1], b[1]) for a, b in zip(one, other, strict=True)
    )


@pytest.mark.long
@pytest.mark.parametrize("preset", PRESETS)
def test_it_plays_and_seeks_in_a_browser(preset, edit, page, tmp_path):
    out = render(load_edit(edit), tmp_path / "out.mp4", preset, QUICK).path
    (tmp_path / "page.html").write_text(
        f'<video id="v" src="{out.name}" muted preload="auto" style="display:block"></video>'
    )
    page.goto(f"file://{tmp_path}/page.html")
    page.wait_for_function("() => document.querySelector('#v').readyState === 4")
    size = page.evaluate("() => { const v = document.querySelector('#v');"
                         " return [v.videoWidth, v.videoHeight, v.duration]; }")  # fmt: skip
    whole = next(iter(Reader(out))).picture
    assert size[:2] == [whole.width, whole.height] and abs(size[2] - 4) < 0.1
    page.evaluate("""() => new Promise((done) => { const v = document.querySelector('#v');
        v.addEventListener('seeked', () => requestAnimationFrame(() => requestAnimationFrame(done)),
                           { once: true }); v.currentTime = 2.02; })""")
    page.set_viewport_size({"width": whole.width + 40, "height": whole.height + 40})
    shown = np.asarray(Image.open(io.BytesIO(page.query_selector("#v").screenshot())))[:, :, :3]
    frame = next(f for f in Reader(out, pixels="rgb24", start=2.01)).picture.to_ndarray()
    assert np.abs(shown.astype(int) - frame).mean() < 6
    page.evaluate("() => { const v = document.querySelector('#v'); v.currentTime = 3; v.play(); }")
    page.wait_for_function("() => document.querySelector('#v').ended", timeout=15_000)


@pytest.mark.long
def test_killed_at_any_moment_and_run_again_it_is_the_same(edit, tmp_path):
    command = [sys.executable, "-m", "lab.cli", "render", str(edit), "--preset", "side-by-side",
               "--title", "A title", "--work", str(tmp_path / "data"), "--out"]  # fmt: skip
    subprocess.run([*command, str(tmp_path / "calm.mp4")], check=True, capture_output=True)
    calm, rng = pictures(tmp_path / "calm.mp4"), np.random.default_rng(5)
    for number in range(3):
        command[-2] = str(tmp_path / f"data{number}")
        out = tmp_path / f"killed{number}" / "out.mp4"
        for kind in (signal.SIGKILL, signal.SIGINT, signal.SIGKILL):
            process = subprocess.Popen(
                [*command, str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(rng.uniform(2, 6))
            process.send_signal(kind)
            process.wait(timeout=60)
            assert not out.exists() or same(pictures(out), calm)
        subprocess.run([*command, str(out)], check=True, capture_output=True)
        assert same(pictures(out), calm)
        assert [path.name for path in out.parent.iterdir()] == ["out.mp4"]
        assert not list((tmp_path / f"data{number}" / "work" / "render").glob(".*"))


@pytest.mark.parametrize("limit", [20_000, 300_000])
def test_a_disk_that_fills_up_is_one_sentence(limit, edit, tmp_path):
    """Files may grow to a limit only: a shot does not fit, or the whole does not."""
    out = tmp_path / "out" / "out.mp4"
    command = [sys.executable, "-m", "lab.cli", "render", str(edit), "--preset", "strip",
               "--work", str(tmp_path / "data"), "--crf", "0", "--out", str(out)]  # fmt: skip
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    told = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and told.startswith("lab: ") and "could not be written" in told
    assert not list(out.parent.glob("*")) and not list(out.parent.glob(".*"))


def test_what_was_made_before_the_disk_was_full_stands(edit, tmp_path, monkeypatch):
    write, count = Writer.write, 0

    def full(self, picture, at):
        nonlocal count
        count += 1
        if count > 40:
            raise WriteError(self.path, "could not be written (No space left on device).")
        write(self, picture, at)

    workspace, made = Workspace(tmp_path / "data"), load_edit(edit)
    monkeypatch.setattr(Writer, "write", full)
    with pytest.raises(WriteError, match="No space left"):
        render(made, tmp_path / "out.mp4", "strip", QUICK, workspace=workspace)
    assert not (tmp_path / "out.mp4").exists()
    monkeypatch.setattr(Writer, "write", write)
    done = render(made, tmp_path / "out.mp4", "strip", QUICK, workspace=workspace)
    assert (done.frames, done.made) == (96, 60)  # three shots of twelve stood


def test_a_damaged_piece_is_made_again(edit, tmp_path):
    workspace, made = Workspace(tmp_path / "data"), load_edit(edit)
    whole = render(made, tmp_path / "whole.mp4", "strip", QUICK, workspace=workspace)
    piece = sorted((workspace.work / "render").glob("*/video.mp4"))[0]
    piece.write_bytes(piece.read_bytes()[:500])
    done = render(made, tmp_path / "again.mp4", "strip", QUICK, workspace=workspace)
    assert done.made == 12
    assert same(pictures(whole.path), pictures(done.path))


def test_the_store_of_pieces_does_not_grow_without_end(edit, tmp_path, monkeypatch):
    monkeypatch.setattr("lab.render.KEPT", 300_000)
    workspace, made = Workspace(tmp_path / "data"), load_edit(edit)
    for crf in (18, 20, 22, 24):
        settings = QUICK.model_copy(update={"crf": crf})
        render(made, tmp_path / "out.mp4", "strip", settings, workspace=workspace)
    kept = list((workspace.work / "render").glob("*/video.mp4"))
    assert sum(path.stat().st_size for path in kept) <= 300_000 or len(kept) == 8
    last = render(made, tmp_path / "out.mp4", "strip", settings, workspace=workspace)
    assert last.made == 0  # what was used last stays


@pytest.mark.parametrize(
    ("kind", "left", "width"),
    [
        ("interlaced.mpg", 960, 960),
        ("rotated.mp4", 960 + 306, 346),  # 192 x 320 in a panel of 960 x 576
        ("anamorphic.mp4", 960, 960),
        ("prores.mov", 960, 960),
    ],
)
def test_films_of_every_kind_stand_upright_in_their_panel(kind, left, width, film, tmp_path):
    trailer = tmp_path / "trailer.mp4"
    numbered_film(trailer, (24,), rate=Fraction(24), first=None)
    source = film(kind)
    theirs = [float(frame.time) for frame in Reader(source)]
    begin = theirs[0] + 0.5
    made = edit_of(tmp_path, trailer, [(0, 1, kind, begin, {})], [trailer])
    made.films[kind] = made.films["trailer.mp4"].model_copy(update={"path": str(source)})
    done = render(made, tmp_path / "out.mp4", "side-by-side", QUICK)
    expected = [sum(t <= begin + k / 24 + 6e-4 for t in theirs) - 1 for k in range(24)]
    found = [
        read_number(frame.picture.to_ndarray()[252:828, left : left + width])
        for frame in Reader(done.path, pixels="rgb24")
    ]
    assert found == expected
