"""Every format, frame for frame: the numbers that the pictures show, and their times."""

import os
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.codec.codec import UnknownCodecError
from formats import (
    AV1,
    CLOSED,
    CODECS,
    CONTAINERS,
    MPEG,
    OPEN,
    VPX,
    X265,
    Film,
    matrix,
    meetings,
    pairs,
)
from oddities import ODDITIES, SIZE, STEADY, edited

from lab import cuts, ingest, looks, tables, video
from lab.encoders import Features
from lab.sample import numbered_film, read_number
from lab.store import Workspace
from lab.tables import load_films, load_frames
from lab.video import FilmError

FILMS = list(matrix())
QUICK = {next(film for film in FILMS if film.container == c) for c in CONTAINERS}
# What PyAV's build reads and cannot write. Theora is read from a file of 24 numbered frames that
# FFmpeg 9.0 made with libtheora: `-c:v libtheora -q:v 5 -g 12 -pix_fmt yuv420p -bitexact`.
READ_ONLY = "theora vp3 vp5 vp6 vp6f vp7 vc1 wmv3 msmpeg4v1 rv30 rv40 svq3 indeo3 indeo4 indeo5 "
READ_ONLY += "cavs vvc apv prores_raw hap lagarith fraps dxtory aic mjpegb clearvideo truemotion1"
# What it writes and is left out: where small pictures share a packet of a program stream, only the
# first has a stamp, and of these codecs FFmpeg may give it to another. See `oddities.LARGE`.
SHARED = ("mpeg4", "h264-closed", "h264-open", "h264-444", "hevc", "hevc-444")
UNUSED = {(codec, into) for codec in SHARED for into in ("mpg", "vob")}
LONG = 150  # frames


class BlindEncoder:
    """Sees nothing: what is asked here is which frame is where."""

    name, encode_text, frames = "blind", None, 1

    def encode(self, pictures):
        return Features(np.ones((len(pictures), 3)), np.ones((len(pictures), 4, 4, 3)))


@pytest.fixture(autouse=True)
def blind(monkeypatch):
    monkeypatch.setenv("SVT_LOG", "1")  # AV1's encoder tells all it does
    monkeypatch.setattr(looks, "load_encoder", lambda name: BlindEncoder())
    monkeypatch.setattr(cuts, "look", lambda strip: np.zeros((2, len(strip)), np.float32))


def number_in(picture, size):
    """The number in an upright picture, brought to the size at which it was drawn."""
    return read_number(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


def read(path, size):
    """Numbers and times of all frames."""
    frames = list(video.Reader(path, pixels="rgb24"))
    return [number_in(f.picture.to_ndarray(), size) for f in frames], [f.time for f in frames]


def ingested(path, size, folder):
    """Numbers of all frames of the proxy, the times that were kept, problems, and the row."""
    workspace = Workspace(folder)
    report = ingest.ingest([path], workspace, jobs=0)
    times = load_frames(workspace, report.made[0])["times"]
    proxy = tables.proxy_path(workspace, report.made[0])
    shown = video.proxy_frames(proxy, range(len(times)))
    numbers = [number_in(picture, size) for picture in shown]
    return numbers, times.tolist(), report.problems, load_films(workspace).iloc[0]


def furthest(times, others):
    return max(abs(a - b) for a, b in zip(times, others, strict=True))


def marked(film):
    return pytest.param(film, id=film.name, marks=[] if film in QUICK else pytest.mark.long)


@pytest.mark.parametrize("film", map(marked, FILMS))
def test_every_frame_and_its_time(film, tmp_path):
    path, (wanted, due) = tmp_path / film.name, zip(*film.answer, strict=True)
    film.write(path)
    numbers, times = read(path, film.size)
    assert numbers == list(wanted)
    assert furthest(times, due) <= CONTAINERS[film.container].tick
    shown, kept, problems, row = ingested(path, film.size, tmp_path / "data")
    assert shown == numbers and kept == list(map(float, times))
    assert (row.width, row.height, row.rotation) == (*film.upright, film.turn)
    assert row.interlaced == (film.fields != "none")
    assert ["no picture" in what for what in problems.what] == [True] * (film.timing == "gap")


def test_all_that_can_go_together_meets():
    met = {pair for film in FILMS for pair in pairs(film)}
    for name, axis, value, into in meetings():
        assert {(name, axis, value), *((container, axis, value) for container in into)} <= met


@pytest.mark.long
@pytest.mark.parametrize("name", CODECS)
def test_what_the_matrix_lacks_cannot_be_written(name, tmp_path):
    """No container is left out that takes a codec, but for those listed."""
    codec = CODECS[name]
    first = {axis: values[0] for axis, values in codec.axes().items()}
    alike = [other for other in CODECS.values() if other.encoder == codec.encoder]
    taken = {container for other in alike for container in other.containers.split()}
    for container in set(CONTAINERS) - taken - {into for of, into in UNUSED if of == name}:
        path = tmp_path / f"film.{container}"
        with pytest.raises((av.FFmpegError, ValueError, FilmError)):
            Film(**first | {"codec": name, "container": container}).write(path)
            list(video.Reader(path))


def test_what_cannot_be_written_is_listed():
    for name in READ_ONLY.split():
        assert av.Codec(name, "r").type == "video"
        with pytest.raises(UnknownCodecError):
            av.Codec(name, "w")  # if it can, it belongs into the matrix
    for codec in CODECS.values():
        assert av.Codec(codec.encoder, "w").type == "video"


def test_theora_is_read_from_a_file(tmp_path):
    path, wanted = Path(__file__).with_name("theora.ogv"), list(zip(*STEADY, strict=True))
    assert read(path, SIZE) == tuple(map(list, wanted))
    shown, kept, problems, _ = ingested(path, SIZE, tmp_path)
    assert shown == list(wanted[0]) and kept == list(map(float, wanted[1])) and not len(problems)


@pytest.mark.long
@pytest.mark.parametrize("name", ODDITIES)
def test_odd_films(name, tmp_path):
    path = tmp_path / name
    wanted, due = zip(*ODDITIES[name](path), strict=True)
    with av.open(str(path)) as film:
        size = film.streams.video[0].width, film.streams.video[0].height
    numbers, times = read(path, size)
    assert numbers == list(wanted)
    since = [time - times[0] for time in times], [time - due[0] for time in due]
    assert furthest(*since) <= CONTAINERS[path.suffix[1:]].tick
    shown, kept, problems, row = ingested(path, size, tmp_path / "data")
    assert shown == numbers and kept == list(map(float, times)) and not len(problems)
    assert row.interlaced == (name.startswith(("telecined", "broadcast", "camera-fields")))


def test_stretches_of_an_edit_list_meet_within_two_frames(tmp_path):
    """FFmpeg joins them by decoding time: with B frames, a stretch stands as far off as those are
    moved. Every frame comes, in order; no picture is wrong."""
    path = tmp_path / "edited.mp4"
    wanted, due = zip(*edited(path, [(7, 20), (31, 44)], options=OPEN), strict=True)
    numbers, times = read(path, SIZE)
    assert numbers == list(wanted)
    assert 0 < furthest(times, due) <= 2 / Fraction(25) + Fraction(1, 1000)


def longer(options):
    """An encoder's options with groups of 30 pictures."""
    return {name: value.replace("12", "30") for name, value in options.items()}


# Containers with an index, which are sought; groups of pictures are open, or begin nowhere.
GROUPS = {
    "h264-open.mkv": {"options": longer(OPEN)},
    "h264-fields.mp4": {"options": longer(OPEN), "fields": "top"},
    "h264-refreshed.mkv": {"options": {"x264-params": "keyint=30:intra-refresh=1:scenecut=0"}},
    "hevc-open.mp4": {"codec": "libx265", "options": longer(X265)},
    "hevc-open.mkv": {"codec": "libx265", "options": longer(X265)},
    "mpeg2.mkv": {"codec": "mpeg2video", "options": longer(MPEG)},
    "mpeg2.mov": {"codec": "mpeg2video", "options": longer(MPEG)},
    "mpeg4.mp4": {"codec": "mpeg4", "options": longer(MPEG)},
    "vp9.webm": {"codec": "libvpx-vp9", "options": VPX | {"g": "30"}},
    "av1.mkv": {"codec": "libsvtav1", "options": AV1 | {"g": "30"}},
    "prores.mov": {"codec": "prores_ks", "pix_fmt": "yuv422p10le"},
    "variable.mkv": {"options": CLOSED}
    | {"times": [Fraction(i, 24) + Fraction(i % 3, 90) for i in range(LONG)]},
}


@pytest.mark.long
@pytest.mark.parametrize("name", GROUPS)
def test_reading_from_the_middle_is_exact(name, tmp_path):
    numbered_film(tmp_path / name, [LONG], size=SIZE, **GROUPS[name])
    numbers, times = read(tmp_path / name, SIZE)
    assert numbers == list(range(LONG))
    for number in np.random.default_rng(0).integers(75, LONG - 3, 6):
        frames = iter(video.Reader(tmp_path / name, pixels="rgb24", start=float(times[number])))
        for reached in range(number, number + 3):
            frame = next(frames)
            assert read_number(frame.picture.to_ndarray()) == reached
            assert frame.time == times[reached]
        frames.close()


def test_no_encoder_changes_how_this_process_is_scheduled(tmp_path):
    if hasattr(os, "sched_getscheduler"):  # of Linux
        before = os.sched_getscheduler(0)
        numbered_film(tmp_path / "film.webm", [4], codec="libsvtav1", options={"preset": "12"})
        assert os.sched_getscheduler(0) == before
