"""Damaged films: some hundred small files of many kinds, each broken in a known way.

`make_corpus` breaks the same files in the same way every time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from conftest import CLOSED, OPEN
from PIL import Image

from lab.sample import numbered_film

MPEG = {"g": "12", "bf": "2", "b": "600k"}
FRAMES = 48  # of every film, in two shots
# Container and codec of each; `into` holds options of the container. Theora, in Ogg, is read and
# cannot be written here.
FORMATS = {
    "h264.mp4": {"options": CLOSED, "sound": "aac"},
    "h264-front.mp4": {"options": CLOSED, "sound": "aac", "into": {"movflags": "+faststart"}},
    "h264-pieces.mp4": {"options": CLOSED, "into": {"movflags": "+frag_keyframe+empty_moov"}},
    "h264-open.mkv": {"options": OPEN, "sound": "flac"},
    "h264.ts": {"options": CLOSED, "sound": "aac"},
    "h264.3gp": {"options": CLOSED, "sound": "aac", "into": {"movflags": "+faststart"}},
    "h264.flv": {"options": CLOSED, "sound": "aac"},
    "hevc.mkv": {"codec": "libx265", "options": {"x265-params": "keyint=12:log-level=none"}},
    "prores.mov": {"codec": "prores_ks", "pix_fmt": "yuv422p10le", "sound": "pcm_s16le"}
    | {"into": {"movflags": "+faststart"}},
    "mjpeg.mov": {"codec": "mjpeg", "pix_fmt": "yuvj420p", "sound": "pcm_s16le"},
    "mpeg4.avi": {"codec": "mpeg4", "options": MPEG, "sound": "libmp3lame"},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p", "sound": "pcm_s16le"},
    "ffv1.mkv": {"codec": "ffv1"},
    "mpeg2.mpg": {"codec": "mpeg2video", "options": MPEG, "sound": "mp2"},
    "mpeg2.ts": {"codec": "mpeg2video", "options": MPEG, "sound": "mp2"},
    "mpeg1.mpg": {"codec": "mpeg1video", "options": MPEG, "sound": "mp2"},
    "mpeg2.mxf": {"codec": "mpeg2video", "options": {"g": "12", "b": "600k"}},
    "vp8.webm": {"codec": "libvpx", "options": {"deadline": "realtime", "cpu-used": "8"}}
    | {"sound": "libopus"},
    "vp9.mkv": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "av1.webm": {"codec": "libsvtav1", "options": {"preset": "12"}},
    "dnxhr.mov": {"codec": "dnxhd", "options": {"profile": "dnxhr_lb"}, "pix_fmt": "yuv422p"},
    "flv1.flv": {"codec": "flv", "options": {"g": "12", "b": "600k"}},
    "wmv2.asf": {"codec": "wmv2", "options": {"g": "12", "b": "600k"}},
}
NAMES = [
    "two  spaces.mp4",
    'quote\'s "both" `kinds`.mp4',
    "line\nbreak.mp4",
    "emoji 🎬🎞.mp4",
    "עברית والعربية.mp4",
    "-dash $HOME; rm.mp4",
    "percent%20&#.mp4",
    b"latin-\xe9t\xe9.mp4".decode("utf-8", "surrogateescape"),
]


def whole_film(folder: Path, name: str) -> Path:
    """A film of `FORMATS` as it should be."""
    path = folder / name
    numbered_film(path, [FRAMES // 2] * 2, size=(256, 128), rate=Fraction(25), **FORMATS[name])
    return path


def cut_short(path: Path, tenths: int) -> bytes:
    """The first tenths of a file."""
    data = path.read_bytes()
    return data[: len(data) * tenths // 10]


def flipped(path: Path, share: float, seed: int) -> bytes:
    """A file with a byte turned over in a share of its packets, three at least."""
    rng, data = np.random.default_rng(seed), bytearray(path.read_bytes())
    with av.open(str(path)) as film:
        packets = [(p.pos, p.size) for p in film.demux() if p.pos is not None and p.size > 8]
    for place in rng.choice(len(packets), max(3, round(share * len(packets))), replace=False):
        start, size = packets[place]
        at = start + int(rng.integers(size // 4, size))
        data[min(at, len(data) - 1)] ^= int(rng.integers(1, 256))
    return bytes(data)


def scattered(path: Path, count: int, seed: int) -> bytes:
    """A file with bytes turned over anywhere after its first thousand."""
    rng, data = np.random.default_rng(seed), bytearray(path.read_bytes())
    for at in rng.integers(1000, len(data), count):
        data[at] ^= int(rng.integers(1, 256))
    return bytes(data)


def with_a_hole(path: Path, seed: int) -> bytes:
    """A file of which a twentieth in its middle is zero, as a failing disk leaves it."""
    data = bytearray(path.read_bytes())
    size = len(data) // 20
    start = len(data) // 2 + int(np.random.default_rng(seed).integers(size))
    data[start : start + size] = bytes(size)
    return bytes(data)


def make_corpus(folder: Path, formats=tuple(FORMATS), tenths=range(1, 10)) -> list[Path]:
    """Write the corpus; gives the paths that an ingest is to name."""
    films = folder / "whole"
    films.mkdir(parents=True)
    for number, name in enumerate(formats):
        path = whole_film(films, name)
        kind, suffix = path.stem, path.suffix
        for tenth in tenths:
            (folder / f"{kind}-{tenth}0%{suffix}").write_bytes(cut_short(path, tenth))
        for way, data in (
            ("flipped", flipped(path, 0.01, number)),
            ("flipped-more", flipped(path, 0.1, number + 100)),
            ("scattered", scattered(path, 20, number)),
            ("hole", with_a_hole(path, number)),
        ):
            (folder / f"{kind}-{way}{suffix}").write_bytes(data)
    for name, data in itertools.chain(_indexless(films), _no_films(films)):
        (folder / name).write_bytes(data)
    _sound_only(folder / "sound.mp4")
    Image.new("RGB", (64, 48), "red").save(folder / "still.png")
    (folder / "still.png").rename(folder / "still.mp4")
    Image.new("RGB", (64, 48), "blue").save(folder / "photograph.jpg")
    (folder / "photograph.jpg").rename(folder / "photograph.mov")
    (folder / "folder.mp4").mkdir()
    (folder / "loop.mp4").symlink_to("loop.mp4")
    (folder / "round.mkv").symlink_to("about.mkv")
    (folder / "about.mkv").symlink_to("round.mkv")
    (folder / "dangling.mov").symlink_to("nowhere.mov")
    (folder / "self").symlink_to(".")
    whole = (films / formats[0]).read_bytes()
    for number, name in enumerate(NAMES):  # each its own content: a film is known by it
        (folder / name).write_bytes(whole + bytes([number]))
    return sorted(p for p in folder.rglob("*") if p.suffix and p.name != "self")


def _indexless(films: Path) -> Iterator[tuple[str, bytes]]:
    for path in films.iterdir():
        data = path.read_bytes()
        for mark, before in ((b"moov", 4), (b"idx1", 0), (b"\x1c\x53\xbb\x6b", 0)):
            at = data.rfind(mark)
            if at > 0:
                yield f"{path.stem}-no-index{path.suffix}", data[: at - before]


def _no_films(films: Path) -> Iterator[tuple[str, bytes]]:
    yield "empty.mp4", b""
    yield "empty too.mkv", b""
    yield "text.mp4", b"This is a letter, not a film.\n" * 40
    yield "page.avi", b"<!DOCTYPE html><html><body>404 Not Found</body></html>\n"
    yield "zeros.mov", bytes(50_000)
    yield "noise.mpg", np.random.default_rng(0).bytes(50_000)
    yield "noise.ts", np.random.default_rng(1).bytes(50_000)
    yield "archive.mp4", b"PK\x03\x04" + np.random.default_rng(2).bytes(4000)
    yield "one byte.mp4", b"\0"
    for path, other in zip(sorted(films.iterdir()), (".avi", ".mp4", ".mpg", ".mkv"), strict=False):
        yield f"really-{path.name}{other}", path.read_bytes() + b"\0"


def _sound_only(path: Path) -> None:
    with av.open(str(path), "w") as out:
        track = out.add_stream("aac", rate=48000)
        wave = np.sin(np.arange(48000) / 20).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate = 48000
        out.mux(track.encode(frame))
        out.mux(track.encode(None))
