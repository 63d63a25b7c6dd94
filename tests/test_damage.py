"""Whatever is in a folder of films: what can be read is read, and the rest is told."""

import contextlib
import hashlib
import os
import tempfile
from collections import Counter
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from damage import FORMATS, FRAMES, NAMES, make_corpus

from lab import apart, cli, ingest, tables, video
from lab.films import Register, find_films, legible
from lab.ingest import load_problems
from lab.sample import numbered_film, read_number
from lab.store import Workspace
from lab.tables import load_films, load_frames
from lab.video.gaps import lost

END = Fraction(FRAMES, 25)
# Files whose index is in front and tells how long they are: what is cut off is known.
TELLING = {"h264-front.mp4", "h264.3gp", "prores.mov", "h264-open.mkv", "hevc.mkv", "ffv1.mkv"}
TELLING |= {"vp8.webm", "vp9.mkv", "av1.webm", "mpeg4.avi", "mjpeg.avi", "mpeg2.mxf"}


def test_gaps_are_told_by_the_times_of_what_came():
    steady = np.arange(0, 10, 0.04)
    assert lost(steady, 0.04) == []
    assert lost(steady, 0.04, trouble=[3.0], promised=10.0) == []
    holed = np.delete(steady, slice(50, 60))  # 2.00 to 2.40 s
    assert lost(holed, 0.04) == [(2.0, 2.4)]
    few = np.delete(steady, [50, 51])  # two frames that a decoder may have dropped, or nobody made
    assert lost(few, 0.04) == [] and lost(few, 0.04, trouble=[2.5]) == [(2.0, 2.08)]
    assert lost(few, 0.04, trouble=[7.5]) == []
    assert lost(steady, 0.04, promised=12.5) == [(10.0, 12.5)]
    # a film of variable rate has gaps of its own
    uneven = np.cumsum(np.random.default_rng(0).uniform(0.02, 0.6, 200))
    assert lost(uneven, 0.3) == []
    assert lost(np.array([1.0]), 0.04) == []


def test_whole_films_have_no_problems(film, tmp_path):
    kinds = ["variable.mp4", "h264-open.mkv", "mpeg4.avi"]
    report = ingest.ingest([film(kind) for kind in kinds], Workspace(tmp_path), jobs=0)
    assert len(report.made) == len(kinds) and not len(report.problems)


def all_told(folder, paths, workspace):
    """Ingest all of a corpus; every file has its row, in one table or in both."""
    before = digests(folder)
    found = find_films([folder])
    assert set(found) == set(paths)
    report = ingest.ingest(found, workspace, jobs=2)
    register, table = Register(workspace), load_films(workspace)
    problems = load_problems(workspace)
    read = {path for path in found if register.known(path) in set(table.film_id)}
    assert {*map(legible, read), *problems.path} == {*map(legible, found)}
    for row in problems.itertuples():
        assert row.what.endswith(".") and "\n" not in row.what and len(row.what) < 200
        assert "cannot be worked on" not in row.what  # nothing died, nothing hung
    assert set(report.made) == set(table.film_id)
    assert max(map(size_of, workspace.work.glob("film/*"))) < 2e6  # no file of 1 MB fills the disk
    assert digests(folder) == before
    return read, problems.set_index("path")


def size_of(folder):
    return sum(file.stat().st_size for file in folder.iterdir())


def digests(folder):
    return {
        path: hashlib.sha256(path.read_bytes()).digest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def what_was_cut_off_is_known(folder, formats, tenths, workspace, problems):
    """The seconds on record are those for which no frame came."""
    for name in TELLING & set(formats):
        kind, suffix = os.path.splitext(name)
        for tenth in tenths:
            path = folder / f"{kind}-{tenth}0%{suffix}"
            film_id = Register(workspace).known(path)
            if film_id not in set(load_films(workspace).film_id):
                continue  # not a frame of it was left
            times = load_frames(workspace, film_id)["times"]
            assert len(times) < FRAMES
            step = np.median(np.diff(times)) if len(times) > 1 else 0.04
            if END - times[-1] - step < 0.15:
                continue  # so little that a file may promise it
            begin, end = problems.lost[str(path)][-1]
            assert end == pytest.approx(float(END), abs=1e-3)
            assert begin == pytest.approx(times[-1] + step, abs=2e-3)
            assert f"{begin:.2f} to {end:.2f} s" in problems.what[str(path)]


@pytest.mark.long
def test_a_sample_of_what_archives_hold(tmp_path):
    formats, tenths = ("h264-front.mp4",), (1, 5)
    folder, workspace = tmp_path / "corpus", Workspace(tmp_path / "data")
    read, problems = all_told(folder, make_corpus(folder, formats, tenths), workspace)
    what_was_cut_off_is_known(folder, formats, tenths, workspace, problems)
    assert {folder / name for name in NAMES[:-1]} <= read
    assert "rename it" in problems.what[legible(folder / NAMES[-1])]
    for name, why in {
        "empty.mp4": "0 bytes",
        "text.mp4": "is a text",
        "page.avi": "is a text",
        "zeros.mov": "is not a film",
        "sound.mp4": "holds no video",
        "folder.mp4": "is a folder without films",
        "loop.mp4": "Too many levels of symbolic links",
        "round.mkv": "Too many levels of symbolic links",
        "dangling.mov": "No such file",
        "h264-front-no-index.mp4": "is cut off: the index",
        "archive.mp4": "is not a film",
    }.items():
        assert why in problems.what[str(folder / name)], name
        assert folder / name not in read


@pytest.mark.long
def test_three_hundred_damaged_files(tmp_path):
    folder, workspace = tmp_path / "corpus", Workspace(tmp_path / "data")
    paths = make_corpus(folder)
    assert len(paths) >= 300
    read, problems = all_told(folder, paths, workspace)
    what_was_cut_off_is_known(folder, FORMATS, range(1, 10), workspace, problems)
    ways = Counter(path.stem.rpartition("-")[2] for path in read)
    for way in ("flipped", "hole", "50%"):  # most of what is damaged can be read
        assert ways[way] > 0.7 * len(FORMATS)


def test_what_came_of_a_film_with_a_hole_is_right(tmp_path):
    numbered_film(tmp_path / "whole.avi", [50, 50], codec="mjpeg", pix_fmt="yuvj420p")
    with av.open(str(tmp_path / "whole.avi")) as whole:
        packets = [(p.pos, p.size) for p in whole.demux() if p.size][30:50]
    data = bytearray((tmp_path / "whole.avi").read_bytes())
    for at, size in packets:
        data[at : at + size] = bytes(size)
    path, workspace = tmp_path / "holed.avi", Workspace(tmp_path / "data")
    path.write_bytes(data)
    film_id = ingest.ingest([path], workspace, jobs=0).made[0]
    times = load_frames(workspace, film_id)["times"]
    frames = video.proxy_frames(tables.proxy_path(workspace, film_id), range(len(times)))
    came = [*range(30), *range(50, 100)]
    assert [read_number(frame) for frame in frames] == came
    assert np.allclose(times, np.array(came) / 24)
    problem = load_problems(workspace).iloc[0]
    assert np.allclose(problem.lost, [(30 / 24, 50 / 24)], atol=1e-3)
    assert "no picture from 1.25 to 2.08 s" in problem.what
    # what stands already is still told of
    again = ingest.ingest([path], workspace, jobs=0)
    assert len(again.problems) == len(load_problems(workspace)) == 1


def test_a_timestamp_that_leaps_neither_fills_the_disk_nor_the_memory(tmp_path):
    times = [Fraction(i, 24) + (10**6 if i >= 30 else 0) for i in range(60)]
    numbered_film(tmp_path / "leap.mkv", [60], times=times)
    held = [Fraction(i, 24) + (3000 if i >= 10 else 0) for i in range(20)]
    numbered_film(tmp_path / "held.mkv", [20], times=held)  # a still, held for 50 minutes
    workspace = Workspace(tmp_path / "data")
    report = ingest.ingest([tmp_path / "leap.mkv", tmp_path / "held.mkv"], workspace, jobs=0)
    leap, held = (load_frames(workspace, film_id)["times"] for film_id in report.made)
    assert (len(leap), len(held)) == (60, 20)
    assert leap[-1] < 3 and held[-1] == pytest.approx(3000 + 19 / 24, abs=1e-3)
    assert len(tables.load_archive(workspace).moments) <= 1 + 20


@pytest.mark.parametrize("form", ["fltp", "u8"])
def test_long_gaps_in_the_sound_are_silence_made_in_pieces(monkeypatch, form):
    kind, value = (np.float32, 0.25) if form == "fltp" else (np.uint8, 160)

    def decoded(path, begin):
        """A tenth of a second of sound at 0, at 100 s, and at 100 hours."""
        for start in (0, 100, 360_000):
            shape = (2, 4800) if form == "fltp" else (1, 9600)
            frame = av.AudioFrame.from_ndarray(np.full(shape, value, kind), form, "stereo")
            frame.sample_rate, frame.time_base = 48000, Fraction(1, 48000)
            frame.pts = (start + 7) * 48000
            yield frame

    monkeypatch.setattr(video.sound, "_decoded", decoded)
    blocks = list(video.samples("film", Fraction(7)))
    sound = np.concatenate(blocks, axis=1)
    assert max(block.shape[1] for block in blocks) <= 20 * 48000 + 4800
    assert sound.shape == (2, 100 * 48000 + 4800)
    heard = np.abs(sound - 0.25).max(axis=0) < 1e-3
    assert heard[:4800].mean() > 0.99 and heard[-4800:].mean() > 0.99
    assert np.abs(sound[:, 4900 : 100 * 48000 - 100]).max() < 1e-3


def test_sound_that_changes_in_mid_film_goes_on(monkeypatch):
    kinds = ((48000, 2, "stereo"), (44100, 1, "mono"), (32000, 6, "5.1"), (48000, 2, "stereo"))

    def decoded(path, begin):
        for second, (rate, channels, layout) in enumerate(kinds):
            for tenth in range(10):
                samples = np.full((channels, rate // 10), 0.1 + 0.1 * second, np.float32)
                frame = av.AudioFrame.from_ndarray(samples, "fltp", layout)
                frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
                frame.pts = second * rate + tenth * (rate // 10)
                yield frame

    monkeypatch.setattr(video.sound, "_decoded", decoded)
    sound = np.concatenate(list(video.samples("film", Fraction(0))), axis=1)
    assert sound.shape[1] == pytest.approx(4 * 48000, abs=100)
    for second, level in ((0, 0.1), (1, 0.2), (3, 0.4)):  # five channels are mixed down
        middle = sound[:, second * 48000 + 2000 : (second + 1) * 48000 - 2000]
        assert np.abs(np.abs(middle) - level).max() < 0.07, second


@contextlib.contextmanager
def nobody():
    """As a user who owns nothing, where this is root's session."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_what_may_not_be_read_is_told(tmp_path):
    for path in (tmp_path, *tmp_path.parents):
        if Path(tempfile.gettempdir()) in path.parents:  # pytest's own folders are closed to others
            path.chmod(0o755)
    numbered_film(tmp_path / "mine.mp4", [4])
    closed = tmp_path / "closed"
    closed.mkdir()
    numbered_film(closed / "inside.mp4", [4])
    (tmp_path / "mine.mp4").chmod(0)
    closed.chmod(0)
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o777)
    try:
        with nobody():
            report = ingest.ingest(find_films([tmp_path]), Workspace(tmp_path / "data"), jobs=0)
    finally:
        closed.chmod(0o755)
    told = report.problems.set_index("path").what
    assert "cannot be read (Permission denied)" in told[str(tmp_path / "mine.mp4")]
    assert "cannot be read (Permission denied)" in told[str(closed)]
    assert len(told) == 2


def test_a_pipe_is_no_film_and_nobody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    report = ingest.ingest([tmp_path / "pipe.mp4"], Workspace(tmp_path / "data"), jobs=0)
    assert "is no file" in report.problems.what[0]
    with pytest.raises(video.FilmError, match="is no file"):
        video.probe(tmp_path / "pipe.mp4")


def test_each_copy_of_a_file_that_cannot_be_read_has_its_row(tmp_path):
    paths = [tmp_path / name for name in ("a.mp4", "b.mov", "c.mkv")]
    for path in paths:
        path.write_text("the same letter")
    report = ingest.ingest(paths, Workspace(tmp_path / "data"), jobs=0)
    assert report.problems.path.tolist() == list(map(str, paths))


def test_a_name_that_is_no_text_is_told_legibly(tmp_path, capsys):
    raw = os.fsencode(tmp_path) + b"/caf\xe9.mp4"
    numbered_film(tmp_path / "film.mp4", [4])
    os.rename(tmp_path / "film.mp4", raw)
    words = ("--work", str(tmp_path / "data"))
    assert cli.main(["ingest", os.fsdecode(raw), *words]) == 1
    assert cli.main(["problems", *words]) == 0
    assert r"caf\xe9.mp4 has a name that is no UTF-8; rename it." in capsys.readouterr().out
    assert cli.main(["ingest", "--status", os.fsdecode(raw), *words]) == 0
    assert "1 that cannot be used" in capsys.readouterr().out


DYING = """
import os
import lab.video.reading as reading

pictures = reading.Reader._pictures

def dying(self, *args):
    for number, picture in enumerate(pictures(self, *args)):
        if number == 20 and "crashes" in str(self.path):
            os.kill(os.getpid(), 11)
        while number == 20 and "hangs" in str(self.path):
            pass
        yield picture

reading.Reader._pictures = dying
import lab.stages
lab.stages.PATIENCE = 8.0
"""


@pytest.mark.long
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_decoder_that_dies_or_hangs_takes_only_its_own_film(tmp_path, monkeypatch, jobs):
    # A stand-in for a broken decoder, which every fresh process finds.
    (tmp_path / "sitecustomize.py").write_text(DYING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(apart, "_free", [])
    names = ["crashes.mp4", "fine.mp4", "hangs.mp4", "well.mp4"]
    for number, name in enumerate(names):
        numbered_film(tmp_path / name, [40], looks=[number], first=None)
    workspace = Workspace(tmp_path / "data")
    report = ingest.ingest([tmp_path / name for name in names], workspace, jobs=jobs)
    assert sorted(Path(path).name for path in load_films(workspace).path) == names[1::2]
    told = {Path(row.path).name: row for row in report.problems.itertuples()}
    assert set(told) == {"crashes.mp4", "hangs.mp4"}
    assert "crashed (SIGSEGV)" in told["crashes.mp4"].what
    assert "got no further" in told["hangs.mp4"].what
    assert {row.stage for row in told.values()} == {"decode"}
    assert not list(workspace.work.glob("*/.*"))  # and leaves nothing half done
    for helper in apart._free:
        helper.end()
