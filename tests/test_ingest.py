"""Films in, tables and vectors out: once, resumably, and whatever the films are like."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import contents

from lab import films as films_room
from lab import ingest, looks, stages, tables, video
from lab.encoders import EncoderError
from lab.films import Register
from lab.ingest import load_problems
from lab.inventory import prune
from lab.rules import MatchSettings, without_useless
from lab.sample import numbered_film, read_number
from lab.stages import IngestSettings
from lab.store import Workspace
from lab.tables import load_archive, load_films, load_frames
from lab.video import WriteError


class CountingEncoder:
    """Counts the pictures it is shown; its features are their mean colours, on a grid of 4."""

    name, encode_text, frames = "counting", None, 1

    def __init__(self):
        self.seen = 0

    def encode(self, pictures):
        from lab.encoders import Features

        self.seen += len(pictures)
        height, width = pictures.shape[1] // 4, pictures.shape[2] // 4
        whole = pictures[:, : height * 4, : width * 4].astype(np.float32)
        grid = whole.reshape(-1, 4, height, 4, width, 3).mean(axis=(2, 4)).transpose(0, 3, 1, 2)
        return Features(grid.mean(axis=(2, 3)), grid)


@pytest.fixture
def counting(monkeypatch):
    encoder = CountingEncoder()
    monkeypatch.setattr(looks, "load_encoder", lambda name: encoder)
    return encoder


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Three films with sound and known cuts: 4, 3 and 2 shots."""
    folder = tmp_path_factory.mktemp("archive")
    for name, shots, first in (("a", 4, 10), ("b", 3, 20), ("c", 2, 30)):
        path = folder / f"{name}.mp4"
        seeds = range(first, first + shots)
        numbered_film(path, [36] * shots, looks=seeds, first=None, sound="aac")
    return folder


def test_tables_vectors_and_thumbnails_stand_after_one_pass(films, tmp_path, counting):
    workspace = Workspace(tmp_path)
    report = ingest.ingest(sorted(films.glob("*.mp4")), workspace, jobs=0)
    assert len(report.made) == 3 and not len(report.problems)
    archive = load_archive(workspace)
    assert archive.shots.groupby("film_id", sort=False).size().tolist() == [4, 3, 2]
    assert archive.shots.start_frame.tolist() == [0, 36, 72, 108, 0, 36, 72, 0, 36]
    assert archive.shots.end.tolist()[:4] == [1.5, 3.0, 4.5, 6.0]
    assert counting.seen == 9 * 3  # three looks at each moment, every shot one moment
    for vectors in archive.vectors.values():
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    row = archive.films.iloc[0]
    assert (row.width, row.height, row.fps, row.frames) == (320, 192, 24, 144)
    assert row.duration == pytest.approx(6) and row.has_audio and not row.vfr
    for film_id, index in zip(archive.shots.film_id, archive.shots["index"], strict=True):
        assert tables.thumbnail_path(workspace, film_id, index).exists()


def test_the_proxy_starts_at_zero_and_keeps_the_differences(tmp_path, counting):
    times = [Fraction(2) + Fraction(i, 24) + Fraction(i % 3, 90) for i in range(60)]
    numbered_film(tmp_path / "late.mp4", (60,), times=times, sound="aac")
    workspace = Workspace(tmp_path)
    film_id = ingest.ingest([tmp_path / "late.mp4"], workspace, jobs=0).made[0]
    stored = load_frames(workspace, film_id)["times"]
    assert np.abs(stored - np.array(times, float)).max() < 2e-5
    proxy = tables.proxy_path(workspace, film_id)
    shown = [float(frame.time) for frame in video.Reader(proxy)]
    assert np.abs(np.array(shown) - (stored - stored[0])).max() < 2e-5
    assert load_films(workspace).vfr.tolist() == [True]
    pictures = video.proxy_frames(proxy, [0, 17, 59])
    assert [read_number(picture) for picture in pictures] == [0, 17, 59]


def test_a_second_ingest_does_nothing_and_a_new_film_costs_only_itself(films, tmp_path, counting):
    workspace, paths = Workspace(tmp_path), sorted(films.glob("*.mp4"))
    ingest.ingest(paths[:2], workspace, jobs=0)
    before, seen = contents(workspace.work), counting.seen
    again = ingest.ingest(paths[:2], workspace, jobs=0)
    assert (again.made, len(again.stood)) == ([], 2)
    assert contents(workspace.work) == before and counting.seen == seen
    third = ingest.ingest(paths, workspace, jobs=0)
    assert len(third.made) == 1 and counting.seen == seen + 2 * 3
    after = contents(workspace.work)
    kept = {name: digest for name, digest in before.items() if "/" in name}
    assert kept.items() <= after.items()


def test_a_moved_film_is_known_again(films, tmp_path, counting):
    workspace, moved = Workspace(tmp_path / "work"), tmp_path / "my film.mp4"
    ingest.ingest([films / "c.mp4"], workspace, jobs=0)
    moved.write_bytes((films / "c.mp4").read_bytes())
    report = ingest.ingest([moved], workspace, jobs=0)
    assert report.made == [] and load_films(workspace).path.tolist() == [str(moved)]


def test_another_encoder_redoes_only_the_looks(films, tmp_path, counting):
    workspace = Workspace(tmp_path)
    ingest.ingest([films / "c.mp4"], workspace, jobs=0)
    before = contents(workspace.work)
    ingest.ingest([films / "c.mp4"], workspace, IngestSettings(encoder="another"), jobs=0)
    new = set(contents(workspace.work)) - set(before)
    assert new and all(name.startswith("looks/") for name in new)


def test_another_encoder_never_opens_the_film(films, tmp_path, counting, monkeypatch):
    workspace, film = Workspace(tmp_path / "data"), tmp_path / "film.mp4"
    film.write_bytes((films / "a.mp4").read_bytes())
    film_id = ingest.ingest([film], workspace, jobs=0).made[0]
    film.unlink()
    opened = []
    monkeypatch.setattr(video, "Reader", lambda path, **more: opened.append(path))
    another = IngestSettings(encoder="another")
    assert stages.ingest_film(film, film_id, workspace.root, another) == (True, [])
    assert stages.ingest_film(film, film_id, workspace.root, another) == (False, [])
    assert stages.complete(workspace, film_id, another)
    assert not opened and counting.seen == 2 * 4 * 3
    assert len(load_archive(workspace, another).shots) == 4


class ClipReader:
    """A video encoder of 4 frames that writes down the numbers painted on them."""

    name, encode_text, frames = "clips", None, 4

    def __init__(self):
        self.clips = []

    def encode(self, pictures):
        from lab.encoders import Features

        assert len(pictures) % 4 == 0
        numbers = np.array([read_number(picture) for picture in pictures]).reshape(-1, 4)
        self.clips += numbers.tolist()
        grid = numbers[:, :, None, None].astype(np.float32)
        return Features(numbers.astype(np.float32), grid)


def test_a_video_encoder_is_given_whole_moments(tmp_path, monkeypatch):
    # A long take has several moments; of 7 pictures held at once, 4 make a clip.
    numbered_film(tmp_path / "long.mp4", [36, 144, 40])
    encoder, workspace = ClipReader(), Workspace(tmp_path / "data")
    monkeypatch.setattr(looks, "load_encoder", lambda name: encoder)
    monkeypatch.setattr(looks, "BATCH", 7)
    ingest.ingest([tmp_path / "long.mp4"], workspace, jobs=0)
    archive = load_archive(workspace)
    times = load_frames(workspace, archive.films.film_id[0])["times"]
    assert len(archive.moments) == 4
    for moment, clip in zip(archive.moments.itertuples(), encoder.clips, strict=True):
        parts = np.array([1, 3, 5, 7]) / 8  # middles of four equal stretches
        seconds = moment.start + (moment.end - moment.start) * parts
        assert clip == (np.searchsorted(times, seconds, side="right") - 1).tolist()
    for moment, seen in zip(encoder.clips, archive.vectors["subject"], strict=True):
        np.testing.assert_allclose(seen, moment / np.linalg.norm(moment), atol=1e-5)


def test_bad_films_are_rows_and_the_rest_goes_on(films, tmp_path, counting):
    (tmp_path / "text.mp4").write_text("not a film " * 500)
    (tmp_path / "empty.mov").touch()
    whole = (films / "a.mp4").read_bytes()
    (tmp_path / "head.mp4").write_bytes(whole[:2000])
    paths = [*sorted(tmp_path.glob("*.m*")), films / "c.mp4"]
    workspace = Workspace(tmp_path / "data")
    report = ingest.ingest(paths, workspace, jobs=0)
    assert len(report.made) == 1
    problems = load_problems(workspace).set_index("path").what
    assert set(problems.index) == {str(path) for path in paths[:3]}
    assert "0 bytes" in problems[str(tmp_path / "empty.mov")]
    assert "not a film" in problems[str(tmp_path / "text.mp4")]
    # mended, it is no problem any more
    (tmp_path / "text.mp4").write_bytes(whole)
    ingest.ingest([tmp_path / "text.mp4"], workspace, jobs=0)
    assert len(load_problems(workspace)) == 2


def test_damage_in_mid_film_is_told_and_the_rest_used(films, tmp_path, counting):
    data = bytearray((films / "a.mp4").read_bytes())
    media = data.index(b"mdat")
    for at in np.random.default_rng(3).integers(media + 9000, len(data) - 9000, 60):
        data[at] ^= 0xFF
    (tmp_path / "hurt.mp4").write_bytes(data)
    report = ingest.ingest([tmp_path / "hurt.mp4"], Workspace(tmp_path / "data"), jobs=0)
    assert len(report.made) == 1


@pytest.mark.long
def test_two_processes_make_the_same_store_as_one(films, tmp_path):
    paths = sorted(films.glob("*.mp4"))
    one, two = Workspace(tmp_path / "one"), Workspace(tmp_path / "two")
    ingest.ingest(paths, one)
    ingest.ingest(paths, two, jobs=2)
    for name in ("shots", "moments"):
        tables = [getattr(load_archive(w), name) for w in (one, two)]
        order = [t.sort_values(list(t.columns[:2])).reset_index(drop=True) for t in tables]
        pd.testing.assert_frame_equal(*order)


def test_a_full_disk_ends_with_one_sentence_and_no_half_part(
    films, tmp_path, counting, monkeypatch
):
    workspace = Workspace(tmp_path)
    write = video.Writer.write

    def full(self, picture, at):
        if at > 1:
            raise WriteError(self.path, "could not be written (No space left on device).")
        write(self, picture, at)

    monkeypatch.setattr(video.Writer, "write", full)
    with pytest.raises(WriteError, match="No space left"):
        ingest.ingest([films / "a.mp4"], workspace, jobs=0)
    assert not [path for path in workspace.work.glob("*/*") if path.is_dir()]
    monkeypatch.setattr(video.Writer, "write", write)
    assert len(ingest.ingest([films / "a.mp4"], workspace, jobs=0).made) == 1


@pytest.mark.long
def test_stopped_at_any_moment_and_run_again_the_store_is_the_same(films, tmp_path):
    command = [sys.executable, "-m", "lab.cli", "ingest", str(films), "--work"]
    subprocess.run([*command, str(tmp_path / "calm")], check=True, capture_output=True)
    calm = contents(tmp_path / "calm" / "work")
    rng, work = np.random.default_rng(7), tmp_path / "stopped"
    for kind in (signal.SIGINT, signal.SIGKILL, signal.SIGINT):
        process = subprocess.Popen(
            [*command, str(work)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        # From the first imports to the last part: wherever it happens to be.
        time.sleep(rng.uniform(1.5, 9))
        process.send_signal(kind)
        process.wait(timeout=60)
    subprocess.run([*command, str(work)], check=True, capture_output=True)
    assert contents(work / "work") == calm
    assert not list((work / "work").glob("*/.*"))


@pytest.mark.parametrize("finishes", [True, False])
def test_what_another_is_at_work_on_comes_last_and_is_not_done_twice(
    finishes, films, tmp_path, counting, monkeypatch
):
    workspace, paths = Workspace(tmp_path), sorted(films.glob("*.mp4"))
    held, told, said = threading.Event(), threading.Event(), []
    first = Register(workspace).identify(paths[0])

    def another():
        with workspace.alone(first):
            held.set()
            told.wait(60)
            if finishes:
                stages._worked(paths[0], first, workspace, IngestSettings(), lambda *_: None)

    def tell(sentence, **_):
        said.append((sentence, [*workspace.work.glob(f"film/{first}*")], counting.seen))
        told.set()

    monkeypatch.setattr(ingest.tqdm, "write", tell)
    thread = threading.Thread(target=another)
    thread.start()
    assert held.wait(60)
    report = ingest.ingest(paths, workspace, jobs=0)
    thread.join()
    # By then the others were made, and this one was not begun.
    assert said == [("another ingest is at work on 1 film; waiting for it", [], (3 + 2) * 3)]
    assert (report.stood, len(report.made)) == (([first], 2) if finishes else ([], 3))
    assert counting.seen == (4 + 3 + 2) * 3 and len(load_archive(workspace).films) == 3
    assert not list(workspace.work.rglob(".*"))


ALL = {"film", "shots", "looks"}


@pytest.mark.parametrize(
    ("where", "what", "value", "renewed"),
    [
        ("lab.stages", "VERSION", 1000, ALL),
        ("lab.cuts", "VERSION", 1000, ALL),
        ("lab.motion", "VERSION", 1000, ALL),
        ("lab.stages", "PROXY", stages.PROXY | {"crf": "30"}, ALL),
        ("lab.shots", "VERSION", 1000, {"shots", "looks"}),
        ("lab.looks", "VERSIONS", (*looks.VERSIONS, 1000), {"looks"}),
    ],
)
def test_what_is_made_otherwise_now_is_made_again_and_nothing_else(
    where, what, value, renewed, films, tmp_path, counting, monkeypatch
):
    workspace = Workspace(tmp_path)
    ingest.ingest([films / "c.mp4"], workspace, jobs=0)
    before = contents(workspace.work)
    monkeypatch.setattr(f"{where}.{what}", value)
    report = ingest.ingest([films / "c.mp4"], workspace, jobs=0)
    after = contents(workspace.work)
    assert len(report.made) == 1 and before.items() <= after.items()
    assert {name.partition("/")[0] for name in after.keys() - before.keys()} == renewed
    assert counting.seen == 2 * 2 * 3
    monkeypatch.undo()  # and back: both stand
    assert ingest.ingest([films / "c.mp4"], workspace, jobs=0).made == []
    assert contents(workspace.work) == after


def test_a_film_that_changed_is_made_anew_and_no_other(films, tmp_path, counting):
    for name in "ab":
        shutil.copy(films / f"{name}.mp4", tmp_path)
    workspace, paths = Workspace(tmp_path / "data"), sorted(tmp_path.glob("*.mp4"))
    old, other = ingest.ingest(paths, workspace, jobs=0).made
    before, seen = contents(workspace.work), counting.seen
    shutil.copy(films / "c.mp4", paths[0])
    report = ingest.ingest(paths, workspace, jobs=0)
    assert report.stood == [other] and len(report.made) == 1 and report.made != [old]
    assert counting.seen == seen + 2 * 3
    after = contents(workspace.work)
    new = {name for name in after.keys() - before.keys()}
    assert new and all(report.made[0] in name for name in new)
    kept = {name: digest for name, digest in before.items() if "/" in name}
    assert kept.items() <= after.items()
    assert set(prune(workspace).film_id) == {old}  # what was, nobody needs any more


def test_a_corrected_cut_sees_that_film_anew_and_decodes_nothing(films, tmp_path, counting):
    workspace, paths = Workspace(tmp_path), [films / "b.mp4", films / "c.mp4"]
    film_id, _ = ingest.ingest(paths, workspace, jobs=0).made
    before = contents(workspace.work)
    ingest.recut(workspace, film_id, [0.0, 1.5])
    new = contents(workspace.work).keys() - before.keys()
    assert {name[: name.index("-")] for name in new} == {f"shots/{film_id}", f"looks/{film_id}"}


def test_leftovers_by_this_number_of_a_process_before_go_with_the_film(films, tmp_path, counting):
    # In a container every process has the number that it had before it was killed.
    workspace, path = Workspace(tmp_path), films / "c.mp4"
    film_id = Register(workspace).identify(path)
    left = workspace.work / "film" / f".{film_id}-12345678.{os.getpid()}-abcdef"
    left.mkdir(parents=True)
    (left / "half").touch()
    assert len(ingest.ingest([path], workspace, jobs=0).made) == 1
    assert not left.exists()


def test_leftovers_of_the_living_are_left_alone(tmp_path):
    workspace = Workspace(tmp_path)
    with workspace.making("film", "abc", "12345678") as scratch:
        workspace.sweep()
        assert scratch.exists()
    assert workspace.part("film", "abc", "12345678").exists()


def test_archive_films_stay_archive_when_used_as_trailers(films, tmp_path, counting):
    workspace = Workspace(tmp_path)
    film_id = ingest.ingest([films / "c.mp4"], workspace, jobs=0).made[0]
    ingest.ingest([films / "c.mp4"], workspace, role="trailer", jobs=0)
    assert Register(workspace).films[film_id]["role"] == "archive"
    assert os.path.exists(load_films(workspace).path[0])


def test_how_far_a_film_is_counts_what_is_seen_as_well(films, tmp_path, counting, monkeypatch):
    monkeypatch.setattr(looks, "BATCH", 3)  # of four shots, a moment at a time
    workspace, film, told = Workspace(tmp_path), films / "a.mp4", []
    film_id = Register(workspace).identify(film)
    done = partial(stages.ingest_film, film, film_id, workspace.root)
    done(IngestSettings(), lambda *words: told.append(words))
    names, shares = zip(*told, strict=True)
    assert list(dict.fromkeys(names)) == ["decode", "shots", "looks"]
    assert shares[0] == 0 and list(shares) == sorted(shares) and shares[-1] < 1
    first = {name: shares[names.index(name)] for name in stages.TAKES}
    assert first["shots"] == pytest.approx(stages.TAKES["decode"])
    assert len({share for share in shares if share > first["looks"]}) > 4
    # What stands is no part of what is still to be done.
    told.clear()
    done(IngestSettings(encoder="another"), lambda *words: told.append(words))
    assert told[0] == ("looks", 0) and {name for name, _ in told} == {"looks"}
    told.clear()
    done(IngestSettings(encoder="another"), lambda *words: told.append(words))
    assert not told


def test_films_in_work_are_shown_each_and_all_together(films, tmp_path, monkeypatch, capsys):
    """On a terminal; a log has one line."""
    for terminal in (True, False):
        workspace = Workspace(tmp_path / str(terminal))
        monkeypatch.setattr(sys.stderr, "isatty", lambda here=terminal: here)
        ingest.ingest(sorted(films.glob("*.mp4")), workspace, jobs=2)
        said = capsys.readouterr().err
        assert "ingest 3 films, 2 at once: 100%" in said and "left" in said
        for name in ("a.mp4", "b.mp4", "c.mp4"):
            assert (f"{name} (decode)" in said) == terminal


def test_what_was_read_of_files_is_kept_when_it_is_stopped(films, tmp_path, monkeypatch):
    def stopped(function, pieces, jobs):
        yield 1, "told", ("open", 0.01)
        yield 1, "told", ("known", "0123456789ab", *stamp)
        raise KeyboardInterrupt

    told = (films / "b.mp4").stat()
    stamp, paths = (told.st_size, told.st_mtime_ns), sorted(films.glob("*.mp4"))
    monkeypatch.setattr(ingest, "spread", stopped)
    with pytest.raises(KeyboardInterrupt):
        ingest.ingest(paths, Workspace(tmp_path))
    known = map(Register(Workspace(tmp_path)).known, paths)
    assert list(known) == [None, "0123456789ab", None]


def test_films_share_the_threads_with_those_that_are_at_work_beside_them(
    films, tmp_path, monkeypatch
):
    """As many as there are cores, unless told; what is alone has all threads.

    Not what is left alone: it would be seen with other last bits than if nothing had stood.
    """
    monkeypatch.setattr(ingest, "affordable", lambda memory: 2)
    paths, shares = sorted(films.glob("*.mp4")), []

    def spread(function, pieces, jobs):
        shares.append((jobs, {piece.jobs for piece in pieces.values()}))
        for at in pieces:
            yield at, "failed", ingest.DiedError("crashed")

    monkeypatch.setattr(ingest, "spread", spread)
    for few, jobs in ((paths, None), (paths[:1], None), (paths, 3), (paths[:2], 8), (paths, 1)):
        ingest.ingest(few, Workspace(tmp_path), jobs=jobs)
    assert shares[::2] == [(2, {2}), (1, {1}), (3, {3}), (2, {2}), (1, {1})]
    monkeypatch.setattr(ingest, "_stands", lambda workspace, film_id, settings: True)
    monkeypatch.setattr(Register, "known", lambda self, path: path == paths[0] and "0123456789ab")
    ingest.ingest(paths, Workspace(tmp_path))
    assert shares[-2] == (2, {2})


def test_who_was_killed_is_told_to_do_fewer_at_once(films, tmp_path, monkeypatch):
    def killed(function, pieces, jobs):
        for at in pieces:
            yield at, "failed", ingest.KilledError("was killed")

    monkeypatch.setattr(ingest, "spread", killed)
    problems = ingest.ingest([films / "a.mp4"], Workspace(tmp_path)).problems
    mend = "try fewer at once (`--jobs 1`), or leave it out."
    assert problems.what.tolist() == [f"cannot be worked on (its process was killed); {mend}"]


@pytest.mark.parametrize("jobs", [0, 1, 2])
def test_a_film_that_lies_there_twice_is_made_once(jobs, films, tmp_path, capsys):
    workspace, folder = Workspace(tmp_path / "data"), tmp_path / "films"
    folder.mkdir()
    for name in ("2.mp4", "1.mp4"):
        shutil.copy(films / "c.mp4", folder / name)
    (folder / "3.mp4").write_text("no film")
    report = ingest.ingest(sorted(folder.glob("*.mp4")), workspace, jobs=jobs)
    assert len(report.made) == 1 and not report.stood
    assert report.problems.path.tolist() == [str(folder / "3.mp4")]
    register = Register(workspace)
    assert [path.name for path in register.places(report.made[0])] == ["1.mp4", "2.mp4"]
    assert "another ingest" not in capsys.readouterr().err
    again = ingest.ingest(sorted(folder.glob("*.mp4")), workspace, jobs=jobs)
    assert (again.made, again.stood) == ([], report.made)


def test_copies_of_a_film_that_kills_its_process_are_rows_each(films, tmp_path, monkeypatch):
    """And nobody else is said to be at work on it; one that died once it was known was decoded."""
    (tmp_path / "films").mkdir()
    paths = [tmp_path / "films" / f"{name}.mp4" for name in "ab"]
    for path in paths:
        shutil.copy(films / "c.mp4", path)
    read, said = films_room.read_film(paths[0]), []

    def dies(function, pieces, jobs):
        for at, piece in pieces.items():
            yield at, "told", ("open", 0.01)
            yield at, "told", ("known", *read)
            busy = at and not piece.read  # the second time, the first has died
            yield at, "failed", ingest.BusyError(read) if busy else ingest.DiedError("crashed")

    monkeypatch.setattr(ingest, "spread", dies)
    monkeypatch.setattr(ingest.tqdm, "write", lambda sentence, **_: said.append(sentence))
    report = ingest.ingest(paths, Workspace(tmp_path), jobs=2)
    assert report.problems[["path", "stage"]].values.tolist() == [
        [str(path), "decode"] for path in paths
    ]
    assert not said and not report.made and not report.stood


def test_work_begins_before_all_files_are_read(films, tmp_path, counting, monkeypatch):
    """Of many films the first is done before the last is known; none is read twice."""
    workspace, read, real = Workspace(tmp_path), [], films_room.fingerprint

    def reading(path, tell):
        read.append((path.name, counting.seen))
        return real(path, tell)

    monkeypatch.setattr(films_room, "fingerprint", reading)
    for _ in range(2):
        ingest.ingest(sorted(films.glob("*.mp4")), workspace, jobs=0)
    assert read == [("a.mp4", 0), ("b.mp4", 4 * 3), ("c.mp4", (4 + 3) * 3)]


def test_a_model_that_cannot_be_had_is_told_before_a_film_is_decoded(films, tmp_path):
    workspace, wrong = Workspace(tmp_path / "data"), IngestSettings(encoder=str(tmp_path))
    with pytest.raises(EncoderError, match="is not a vision model that can be loaded"):
        ingest.ingest([films / "a.mp4"], workspace, wrong, jobs=0)
    assert not [*workspace.work.glob("film/*")]
    (tmp_path / "no film.mp4").write_text("no film")  # needs no model to be told as that
    report = ingest.ingest([tmp_path / "no film.mp4"], workspace, wrong, jobs=0)
    assert "is a text" in report.problems.what[0]


def test_it_does_not_matter_which_film_was_ready_first(films, tmp_path, counting):
    read = []
    for names in ("abc", "cab"):
        workspace = Workspace(tmp_path / names)
        for name in names:
            ingest.ingest([films / f"{name}.mp4"], workspace, jobs=0)
        read.append(load_archive(workspace))
    one, other = read
    assert [Path(path).name for path in other.films.path] == ["a.mp4", "b.mp4", "c.mp4"]
    pd.testing.assert_frame_equal(one.shots, other.shots)
    pd.testing.assert_frame_equal(one.moments, other.moments)
    for name, vectors in one.vectors.items():
        np.testing.assert_array_equal(vectors, other.vectors[name])


def test_shots_that_lack_seconds_are_flagged(films, tmp_path, counting):
    """As soon as they are read, without making anything anew; a frame or two are no matter."""
    workspace = Workspace(tmp_path)
    (film_id,) = ingest.ingest([films / "a.mp4"], workspace, jobs=0).made
    whole = load_archive(workspace).shots
    assert not whole["flags"].str.contains("lost").any()
    row = workspace.part("film", film_id, stages.film_key()) / "film.json"
    first, second, third, _ = whole.itertuples()
    lost = [[first.end - 0.4, first.end], [second.end - 0.1, third.start + 0.1]]
    row.write_text(json.dumps(json.loads(row.read_text()) | {"lost": lost}))
    flagged = load_archive(workspace).shots
    assert flagged["flags"].str.contains("lost").tolist() == [True, False, False, False]
    settings = MatchSettings()
    allowed = np.ones((1, 4), bool)
    query = flagged[3:].assign(shot_id="another", flags="")
    left, _ = without_useless(allowed, query, flagged, settings)
    assert left.tolist() == [[False, True, True, True]]
