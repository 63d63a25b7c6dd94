"""Footage to begin with, and films with known answers.

`numbered_film` writes a film of which every frame tells its number, whatever the codec did to
it: what it shows is known, so what is read from it can be checked.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice, pairwise
from math import lcm
from pathlib import Path
from typing import Literal

import av
import numpy as np
import pandas as pd
import yaml
from av.codec.context import Flags
from PIL import Image
from pydantic import BaseModel, ConfigDict
from tqdm.auto import tqdm

from lab import LabError
from lab.films import CREDITS, Credit
from lab.store import Workspace, write_whole
from lab.video import excerpt

CODE_SIDE = 0.6  # side of the code's square, as a part of the picture's shorter side


class SampleError(LabError):
    """Sample footage that cannot be had: one sentence with the cause and what to do."""


class Sample(BaseModel):
    """A film inside a package; see ``sample.yaml`` for what the fields mean."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    inside: str
    role: Literal["archive", "trailer"] = "archive"
    excerpt: tuple[float, float] | None = None
    title: str = ""
    year: str = ""
    source: str = ""
    licence: str = ""


class Package(BaseModel):
    """A package that carries film, pinned by the hash of its archive."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    sha256: str
    source_only: bool = False
    films: tuple[Sample, ...]


def packages() -> list[Package]:
    """The packages that ``sample.yaml`` names."""
    listed = yaml.safe_load(Path(__file__).with_name("sample.yaml").read_text(encoding="utf-8"))
    return [Package.model_validate(package) for package in listed]


def fetch_samples(workspace: Workspace) -> tuple[Path, list[Path]]:
    """Bring the sample footage into a workspace; what is there already is not fetched again.

    The trailer is an excerpt of *Big Buck Bunny*; the archive is live action from other
    packages. Licences and sources are written to ``credits.csv`` beside the films.

    Returns
    -------
    trailer : Path
    archive : list of Path

    Raises
    ------
    SampleError
        If the package index cannot be reached or a package is not what it was.
    """
    folders = {"trailer": workspace.trailers, "archive": workspace.archive}
    films = {"trailer": [], "archive": []}
    for package in tqdm(packages(), desc="samples", unit="package"):
        places = {film: folders[film.role] / film.file for film in package.films}
        for film, place in places.items():
            place.parent.mkdir(parents=True, exist_ok=True)
            films[film.role].append(film)
        if not all(place.exists() for place in places.values()):
            _unpack(package, places)
    for role, folder in folders.items():
        _write_credits(folder, films[role])
    paths = {role: [folders[role] / film.file for film in films[role]] for role in folders}
    return paths["trailer"][0], paths["archive"]


def _unpack(package: Package, places: dict[Sample, Path]) -> None:
    folder = next(iter(places.values())).parent
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as scratch:
        archive = _download(package, Path(scratch))
        for film, place in places.items():
            whole = Path(scratch) / film.file
            whole.write_bytes(_member(archive.read_bytes(), archive.name, film.inside))
            if film.excerpt:
                excerpt(whole, place, *film.excerpt)
            else:
                whole.replace(place)


def _download(package: Package, folder: Path) -> Path:
    """A package's archive, fetched by pip and checked against its hash."""
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--no-binary", package.name] if package.source_only else []
    command += ["--dest", str(folder / "archive"), "--requirement", str(wanted)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        cause = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SampleError(
            f"{package.name} {package.version} could not be fetched ({cause}); check the network "
            "and run it again, or use films of your own."
        )
    return next((folder / "archive").iterdir())


def _member(data: bytes, name: str, inside: str) -> bytes:
    """A file in a zip or tar archive, or in an archive in it."""
    first, _, rest = inside.partition("!")
    if name.endswith(".tar.gz"):
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            found = archive.extractfile(first).read()
    else:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = archive.read(first)
    return _member(found, first, rest) if rest else found


def _write_credits(folder: Path, films: list[Sample]) -> None:
    fields = ["file", *Credit.__dataclass_fields__]
    text = pd.DataFrame([film.model_dump(include=set(fields)) for film in films])[fields]
    write_whole(folder / CREDITS, text.to_csv(index=False))


@contextmanager
def _own_priority() -> Iterator[None]:
    """Be scheduled as before: SVT-AV1 makes who runs it as root real-time, and what that starts."""
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, *before)


@_own_priority()
def numbered_film(
    path,
    shots: Sequence[int] = (24, 24, 24),
    *,
    looks: Sequence[int] | None = None,
    first: int | None = 0,
    size: tuple[int, int] = (320, 192),
    rate: Fraction = Fraction(24),
    times: Sequence[Fraction] | None = None,
    dissolve: int = 0,
    fade: int = 0,
    bars: tuple[int, int] = (0, 0),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    rotation: int = 0,
    sar: Fraction = Fraction(1),
    fields: Literal["top", "bottom"] | None = None,
    telecine: bool = False,
    sound: str | None = None,
    into: dict[str, str] | None = None,
) -> list[int]:
    """Write a film with known cuts whose frames carry their numbers.

    Parameters
    ----------
    path : path-like
        The suffix names the container: anything PyAV can write.
    shots : sequence of int
        Length of each shot, in frames.
    looks : sequence of int, optional
        Seed of each shot's picture; equal seeds look alike. By default all differ.
    first : int or None
        Number of the first frame (below 4096 - frames); None leaves the code away.
    size : (int, int)
        Width and height of the upright picture, in pixels.
    rate : Fraction
        Frames a second, for a film of constant rate.
    times : sequence of Fraction, optional
        Seconds of every frame instead, for a variable rate or a late start.
    dissolve, fade : int
        Frames at the start of every shot but the first that mix in the one before, or that
        come up from black (as many at the end of a shot go down).
    bars : (int, int)
        Height of black bars above and below, and width of those left and right, in pixels.
    codec, pix_fmt, options
        As PyAV names them; ``{"open_gop": ...}`` and the like go into `options`.
    rotation : int
        Degrees anticlockwise in the header: the stored picture is turned the other way.
    sar : Fraction
        Sample aspect ratio in the header.
    fields : str, optional
        Encode in fields, the named one first; both show the same number.
    telecine : bool
        Spread every four pictures over the ten fields of five frames (3:2 pulldown), as film was
        for American television: of pictures A B C D come the frames AA BB BC CD DD, the field
        that is shown first named first. `shots` count pictures, a multiple of four together;
        `times` and `rate` are the frames'.
    sound : str, optional
        Audio codec; a tone that rises with every shot.
    into : dict of str
        Options of the container, such as ``{"movflags": "+faststart"}``.

    Returns
    -------
    list of int
        Index of the first frame (with `telecine`, picture) of every shot but the first.
    """
    total = sum(shots) * 5 // 4 if telecine else sum(shots)
    starts = [int(start) for start in np.cumsum(shots)[:-1]]
    times = list(times) if times is not None else [Fraction(i) / rate for i in range(total)]
    pictures = _pictures(shots, looks or range(len(shots)), size, dissolve, fade, bars)
    if first is not None:
        pictures = (_stamp(rgb, first + index) for index, rgb in enumerate(pictures))
    if telecine:
        pictures = _pulled_down(pictures, fields)
    with av.open(str(path), "w", options=dict(into or {})) as output:
        stream = output.add_stream(codec, rate=rate, options=dict(options or {}))
        stored = size[::-1] if rotation in (90, 270) else size
        stream.width, stream.height, stream.pix_fmt = *stored, pix_fmt
        stream.codec_context.sample_aspect_ratio = sar
        tick = stream.time_base = _tick(times, rate)
        stream.codec_context.time_base = 1 / Fraction(rate)
        if rotation:
            stream.set_display_rotation(rotation)
        if fields:
            stream.codec_context.flags |= Flags.interlaced_dct | Flags.interlaced_me
        track = output.add_stream(sound, rate=48000) if sound else None
        if track:
            track.codec_context.layout = "stereo"
        for index, rgb in zip(range(total), pictures, strict=True):
            rgb = np.ascontiguousarray(np.rot90(rgb, -rotation // 90))
            picture = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            picture = _in_fields(picture.reformat(format=pix_fmt), fields)
            picture.pts, picture.time_base = index, 1 / Fraction(rate)
            output.mux(_timed(packet, times, rate, tick) for packet in stream.encode(picture))
        output.mux(_timed(packet, times, rate, tick) for packet in stream.encode(None))
        if track:
            _tone(output, track, times, [0, *starts, total], rate)
    return starts


def read_number(picture: np.ndarray) -> int | None:
    """The number in a picture of a `numbered_film`, or None where there is no code.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width, 3)
        Upright, square pixels, bars and all; any size from about 60 pixels.

    Examples
    --------
    >>> read_number(_stamp(np.full((120, 200, 3), 90, np.uint8), 1234))
    1234
    """
    top, left, cell = _code_place(picture.shape[1], picture.shape[0])
    bits = []
    for row in range(4):
        for column in range(4):
            y, x = top + (row + 0.5) * cell, left + (column + 0.5) * cell
            reach = cell * 0.25
            patch = picture[
                int(y - reach) : int(y + reach) + 1, int(x - reach) : int(x + reach) + 1
            ]
            bits.append(int(patch.mean() > 127))
    word = int("".join(map(str, bits)), 2)
    return word >> 4 if _word(word >> 4) == word else None


def _word(number: int) -> int:
    """Twelve bits of number and four to check them."""
    check = (number ^ (number >> 4) ^ (number >> 8) ^ 0b0101) & 0xF
    return (number & 0xFFF) << 4 | check


def _code_place(width: int, height: int) -> tuple[float, float, float]:
    side = CODE_SIDE * min(width, height)
    return (height - side) / 2, (width - side) / 2, side / 4


def _stamp(rgb: np.ndarray, number: int) -> np.ndarray:
    rgb = rgb.copy()
    top, left, cell = _code_place(rgb.shape[1], rgb.shape[0])
    for place in range(16):
        value = 235 if _word(number) >> (15 - place) & 1 else 16
        row, column = divmod(place, 4)
        y, x = round(top + row * cell), round(left + column * cell)
        rgb[y : round(top + (row + 1) * cell), x : round(left + (column + 1) * cell)] = value
    return rgb


def _pictures(shots, looks, size, dissolve, fade, bars):
    before = None
    for number, (length, look) in enumerate(zip(shots, looks, strict=True)):
        scene = _Scene(look, size)
        for index in range(length):
            rgb = scene.at(index)
            if before is not None and index < dissolve:
                share = (index + 1) / (dissolve + 1)
                rgb = rgb * share + before.at(before.length + index) * (1 - share)
            if number and index < fade:
                rgb = rgb * (index / fade)
            if number < len(shots) - 1 and length - index <= fade:
                rgb = rgb * ((length - index - 1) / fade)
            rgb = rgb.astype(np.uint8)
            if bars[0]:
                rgb[: bars[0]] = rgb[-bars[0] :] = 0
            if bars[1]:
                rgb[:, : bars[1]] = rgb[:, -bars[1] :] = 0
            yield rgb
        before = scene
        before.length = length


def _pulled_down(pictures: Iterator[np.ndarray], fields: str) -> Iterator[np.ndarray]:
    """Five frames for every four pictures, of which two are of a field each of two pictures."""
    late = int(fields == "top")  # the row on which the field begins that is shown second
    for four in iter(lambda: list(islice(pictures, 4)), []):
        for early, then in ((0, 0), (1, 1), (1, 2), (2, 3), (3, 3)):
            woven = four[early].copy()
            woven[late::2] = four[then][late::2]
            yield woven


def _in_fields(picture: av.VideoFrame, fields: str | None) -> av.VideoFrame:
    """A picture that says of itself which field comes first; only a filter can set that."""
    if not fields:
        return picture
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=picture.width, height=picture.height, format=picture.format, time_base=Fraction(1)
    )
    named = graph.add("setfield", {"top": "tff", "bottom": "bff"}[fields])
    graph.link_nodes(source, named, graph.add("buffersink")).configure()
    graph.vpush(picture)
    return graph.vpull()


class _Scene:
    """A soft coloured pattern that drifts: like a shot, and unlike any other seed's."""

    def __init__(self, look: int, size: tuple[int, int]):
        rng = np.random.default_rng(look)
        width, height = size
        small = rng.integers(0, 256, (4, 6, 3)) * 0.6 + rng.integers(0, 256, 3) * 0.4
        wide = Image.fromarray(small.astype(np.uint8)).resize((width * 2, height), Image.BICUBIC)
        self.wide, self.width = np.asarray(wide, dtype=np.float32), width
        self.speed = int(rng.integers(1, 4))
        self.length = 0

    def at(self, index: int) -> np.ndarray:
        shift = index * self.speed % self.width
        return self.wide[:, shift : shift + self.width].copy()


def _tick(times, rate: Fraction) -> Fraction:
    """The coarsest tick that holds every time, or 1/90000 s."""
    tick = 1 / Fraction(rate)
    if all((time / tick).denominator == 1 for time in times):
        return tick
    fine = lcm(*(Fraction(time).denominator for time in times))
    return Fraction(1, fine if fine <= 10**6 else 90000)


def _timed(packet: av.Packet, times, rate: Fraction, tick: Fraction) -> av.Packet:
    """A packet of a film that was encoded at a constant rate, at the times that it is to have.

    Encoders of MPEG would take a fine tick for the rate.
    """
    shown, due = packet.pts, packet.dts
    follows = times[shown + 1] if shown + 1 < len(times) else times[shown] + 1 / Fraction(rate)
    packet.pts = round(times[shown] / tick)
    packet.dts = round((times[due] if due >= 0 else times[0] + due / Fraction(rate)) / tick)
    packet.duration, packet.time_base = round((follows - times[shown]) / tick), tick
    return packet


def _tone(output, track, times, bounds, rate) -> None:
    step = float(1 / Fraction(rate))
    seconds = [float(time - times[0]) for time in times] + [float(times[-1] - times[0]) + step]
    pitch = np.zeros(int(seconds[-1] * 48000))
    for number, (start, stop) in enumerate(pairwise(bounds)):
        pitch[int(seconds[start] * 48000) : int(seconds[stop] * 48000)] = 220 + 55 * number
    wave = 0.3 * np.sin(np.cumsum(pitch) * 2 * np.pi / 48000)
    samples = np.stack([wave, wave]).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
    frame.sample_rate, frame.pts = 48000, round(times[0] * 48000)
    frame.time_base = Fraction(1, 48000)
    # A codec takes samples in its own format, `frame_size` at a time.
    context = track.codec_context
    resampler = av.AudioResampler(context.format, context.layout, 48000, context.frame_size or 1024)
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        output.mux(track.encode(piece))
    output.mux(track.encode(None))
