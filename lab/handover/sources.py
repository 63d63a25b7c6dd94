"""What clips are cut from: an edit's films as editing programs see them.

Rates as exact fractions, timecode, reel names, and where a film lies seen from a timeline's file.
"""

from __future__ import annotations

import contextlib
import os
import re
import unicodedata
from fractions import Fraction
from functools import cached_property
from pathlib import Path, PureWindowsPath
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

import opentimelineio as otio

from lab.edit import Edit, EditError
from lab.video import probe, timecode

NTSC = Fraction(1000, 1001)
# What editing programs offer as a timeline's rate.
RATES = (24 * NTSC, *map(Fraction, (24, 25)), 30 * NTSC, Fraction(30), Fraction(50), 60 * NTSC)
RATES += (Fraction(60),)


def exact_rate(fps: float) -> Fraction:
    """A rate as a fraction, however many digits it was written with.

    >>> exact_rate(23.98), exact_rate(29.97), exact_rate(16)
    (Fraction(24000, 1001), Fraction(30000, 1001), Fraction(16, 1))
    """
    near = next((rate for rate in RATES if abs(fps / float(rate) - 1) < 2e-4), None)
    return near or Fraction(fps).limit_denominator(1001)


def timeline_rate(fps: float) -> Fraction:
    """The rate of a film's timeline: its own, or the next that editing programs offer.

    >>> timeline_rate(25), timeline_rate(18)
    (Fraction(25, 1), Fraction(24000, 1001))
    """
    return next((rate for rate in RATES if rate >= exact_rate(fps)), RATES[-1])


def drops(rate: Fraction) -> bool:
    """Whether timecode of a rate drops numbers to keep up with the clock."""
    return rate in (30 * NTSC, 60 * NTSC)


class Source(NamedTuple):
    """What clips are cut from: a film, or the conformed copy of a stretch of one.

    `path` is the film's file, `url` how the timeline names the source. `first` is the timecode
    of its first frame, counted in frames; that frame is the film's at `t0` seconds, and every
    second of the source is `pace` seconds of the film. `row` is the row a copy was made for.
    """

    film: str
    path: Path
    url: str
    name: str
    reel: str
    rate: Fraction
    first: int
    length: int
    t0: float
    size: tuple[int, int]
    sound: bool
    pace: float = 1.0
    row: int | None = None

    def frame(self, seconds: float) -> int:
        """The frame, in timecode, that is nearest to a second of the film."""
        return self.first + round((seconds - self.t0) / self.pace * self.rate)

    def seconds(self, frame: int) -> float:
        """The second of the film at which a frame, in timecode, begins."""
        return self.t0 + float((frame - self.first) / self.rate) * self.pace

    @property
    def end(self) -> float:
        """The second of the film at which it ends."""
        return self.seconds(self.first + self.length)


class Films(dict):
    """The films of an edit as sources by film_id, looked at when they are asked for.

    Parameters
    ----------
    edit : Edit
    folder : Path
        The folder of the timeline's file: films are named relative to it.
    """

    def __init__(self, edit: Edit, folder: Path):
        super().__init__()
        self.edit, self.folder, self.reels = edit, folder.resolve(), reels(edit)

    def __missing__(self, film_id: str) -> Source:
        path = self.edit.path(film_id)
        info, entry = probe(path), self.edit.films[film_id]
        # Films count in frames of their own; the trailer in the timeline's, whatever its rate.
        rate = timeline_rate(info.fps) if film_id == self.edit.trailer else exact_rate(info.fps)
        self[film_id] = Source(
            film=film_id,
            path=path,
            url=relative_url(path, self.folder),
            name=plain(entry.title) or plain(path.stem),
            reel=self.reels[film_id],
            rate=rate,
            first=_first(timecode(path), rate),
            length=round(Fraction(info.duration) * rate),
            t0=info.t0,
            size=(info.width, info.height),
            sound=info.has_audio,
        )
        return self[film_id]

    @cached_property
    def places(self) -> dict[str, Path]:
        """Where those films lie that are there."""
        places = {}
        for film_id in self.edit.films:
            with contextlib.suppress(EditError):
                places[film_id] = self.edit.path(film_id).resolve()
        return places

    def folders(self) -> set[Path]:
        """The folders in which a film may be looked for."""
        return {self.folder, *(place.parent for place in self.places.values())}

    def named(self, path: Path) -> str | None:
        """The film that a file is; by its name alone where it lay on another machine."""
        places = self.places
        same = [film_id for film_id, place in places.items() if place == path.resolve()]
        like = [film_id for film_id, place in places.items() if place.name == path.name]
        return next(iter(same), None) or (like[0] if len(like) == 1 else None)


def _first(start: str, rate: Fraction) -> int:
    """A timecode as a count of frames; 0 where a film has none, or one that is none."""
    try:
        return round(otio.opentime.from_timecode(start, float(rate)).value) if start else 0
    except ValueError:
        return 0


def plain(text: str) -> str:
    """A name on one line, without what XML or an EDL cannot hold.

    >>> plain("Der müde Tod:\\n Ein Volkslied\\x00")
    'Der müde Tod: Ein Volkslied'
    """
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def reels(edit: Edit) -> dict[str, str]:
    """Reel names as an EDL takes them: eight of A-Z and 0-9 at most, every film its own."""
    names: dict[str, str] = {}
    for film_id, entry in edit.films.items():
        letters = unicodedata.normalize("NFKD", entry.title or Path(entry.path).stem).upper()
        whole = re.sub("[^A-Z0-9]", "", letters)[:8] or "FILM"
        name, count = whole, 1
        while name in names.values():
            count += 1
            name = f"{whole[: 8 - len(str(count))]}{count}"
        names[film_id] = name
    return names


def relative_url(path: Path, folder: Path) -> str:
    """Where a file lies, seen from a folder, as a URL; absolute where they share no drive."""
    path, folder = path.resolve(), folder.resolve()
    try:
        return quote(Path(os.path.relpath(path, folder)).as_posix())
    except ValueError:
        return path.as_uri()


def local_path(url: str, folder: Path) -> Path | None:
    """The file that a URL, as editing programs write it, names; None if it is on no disk here."""
    if re.match(r"[A-Za-z]:[\\/]", url):  # a path of Windows, and no URL
        url = PureWindowsPath(url).as_uri()
    parts = urlsplit(url)
    if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost"):
        return None
    path = unquote(parts.path)
    return None if "\0" in path else Path(os.path.normpath(folder / path))
