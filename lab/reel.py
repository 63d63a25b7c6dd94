"""Shots of the archive as a video to post: one after another, or many at once in a grid.

Either is silent and has 25 frames a second; each shows what is on screen in the film at that
moment of the shot, and nothing from beyond the shot.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import closing
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from lab import LabError
from lab.canvas import blank, centre, even, fit, open_panel, paste, pixels
from lab.films import named
from lab.language import clock
from lab.lettering import inscribe, letters
from lab.render import QUALITY, Rendered
from lab.video import Writer, probe

if TYPE_CHECKING:
    import pandas as pd

RATE = 25  # frames a second
GAP = 4  # pixels between the cells of a grid
LONGEST = 12  # seconds that a grid lasts at most, unless more is asked for
HELD = LONGEST * RATE // 2  # pictures of a shot kept to be shown again; if more, it is read again


class ReelError(LabError):
    """A selection that makes no reel: one sentence on why and what to do."""


class _Take(NamedTuple):
    """A shot ready to be shown: where it lies, how many pictures it gives, its caption."""

    path: str
    crop: tuple[float, float, float, float]
    start: float
    count: int
    words: str


def reel(
    films: pd.DataFrame,
    shots: pd.DataFrame,
    out,
    *,
    titles: bool = False,
    longest: float = math.inf,
    width: int = 1280,
) -> Rendered:
    """Show shots one after another, as a silent H.264 MP4 of 25 frames a second.

    Parameters
    ----------
    films : DataFrame
        Films table that holds the films of all shots.
    shots : DataFrame
        Rows of the shots table, in the order to be shown. A shot is shown from `clean_start`
        to `clean_end`, without its dissolves and fades: ``round(25 * seconds)`` frames, one at
        least.
    out : path-like
        The video appears under this name only when complete.
    titles : bool
        Write title, year and the second at which the shot begins into its lower left.
    longest : float
        Seconds that a shot lasts at most; of a longer one, the middle is shown.
    width : int
        Pixels; pictures are fitted into 16:9, with bars where their shape is another.

    Raises
    ------
    ReelError
        If there is no shot, its film is not in `films`, or `out` is one of the films.
    FilmError, WriteError

    Examples
    --------
    >>> archive = load_archive(Workspace("data"))  # doctest: +SKIP
    >>> close = archive.shots[archive.shots.framing == "close-up"]  # doctest: +SKIP
    >>> reel(archive.films, close, "data/out/close.mp4", titles=True)  # doctest: +SKIP
    """
    takes, size = _takes(films, shots, out, longest), _screen(width, 1, 1)
    total = sum(take.count for take in takes)
    return _write(_in_turn(takes, size, titles), total, size, out, "reel")


def grid(
    films: pd.DataFrame,
    shots: pd.DataFrame,
    out,
    *,
    columns: int = 3,
    rows: int = 3,
    seconds: float | None = None,
    width: int = 1920,
) -> Rendered:
    """Show the first shots at once, each over and over, as a silent H.264 MP4.

    Parameters
    ----------
    films, shots, out
        As of `reel`; of the shots, the first ``columns * rows``, row by row.
    columns, rows : int
        Cells of 16:9; those without a shot stay black.
    seconds : float, optional
        By default as long as the longest shot, but 12 seconds at most. What is shown again is
        kept: up to 6 seconds of every shot, about 0.5 GB for full grids 1920 pixels wide.
    width : int
        Of the whole, in pixels.

    Raises
    ------
    ReelError, FilmError, WriteError
        As of `reel`.
    """
    takes = _takes(films, shots.head(columns * rows), out)
    if seconds is None:
        seconds = min(LONGEST, max(take.count for take in takes) / RATE)
    total, size = max(1, round(seconds * RATE)), _screen(width, columns, rows)
    pictures = islice(_at_once(takes, size, columns, rows, total), total)
    return _write(pictures, total, size, out, "grid")


def _takes(films: pd.DataFrame, shots: pd.DataFrame, out, longest=math.inf) -> list[_Take]:
    """The shots, once it is sure that all of them can be shown."""
    if not len(shots):
        raise ReelError("there is no shot to show; choose one at least, or search more widely.")
    known = {film.film_id: film for film in films.itertuples()}
    for film_id in shots.film_id.unique():
        if film_id not in known:
            raise ReelError(f"{film_id}: is not among the films given; add the film of this shot.")
        path = known[film_id].path
        probe(path)  # a film that is gone is told before the work, not in the midst of it
        if Path(path).resolve() == Path(out).resolve():
            raise ReelError(f"{out}: is one of the films; give the video another name.")
    return [_take(known[shot.film_id], shot, longest) for shot in shots.itertuples()]


def _take(film, shot, longest: float = math.inf) -> _Take:
    whole = shot.clean_end - shot.clean_start
    lasts = min(whole, longest)
    start, count = shot.clean_start + (whole - lasts) / 2, max(1, round(lasts * RATE))
    words = f"{named(film)}  {clock(start)}"
    return _Take(film.path, tuple(film.crop), start, count, words)


def _screen(width: int, columns: int, rows: int) -> tuple[int, int]:
    """Even size of so many panels of 16:9, `width` pixels wide together."""
    return fit(16 * columns, 9 * rows, (width // 2 * 2, width * rows))


def _pictures(take: _Take, panel: tuple[int, int]) -> Iterator[np.ndarray]:
    """A shot's pictures, 25 a second, each in the middle of a panel."""
    with closing(open_panel(take.path, take.start, take.crop, panel)) as player:
        for index in range(take.count):
            yield centre(pixels(player.at(take.start + index / RATE).picture), panel)


def _in_turn(takes: list[_Take], panel: tuple[int, int], titles: bool) -> Iterator[np.ndarray]:
    for take in takes:
        high = even(panel[1] / 20)
        words = letters(take.words, high, panel[0] - 2 * high) if titles else None
        for picture in _pictures(take, panel):
            if words:
                inscribe(picture, words, high // 4 * 2, panel[1] - high * 3 // 4 * 2)
            yield picture


def _at_once(
    takes: list[_Take], size: tuple[int, int], columns: int, rows: int, total: int
) -> Iterator[np.ndarray]:
    room = (size[0] // columns - GAP) // 2 * 2, (size[1] // rows - GAP) // 2 * 2
    cell = fit(16, 9, room)
    step = cell[0] + GAP, cell[1] + GAP
    cells = blank((step[0] * columns - GAP, step[1] * rows - GAP))
    for pictures in zip(*(_loop(take, cell, total) for take in takes), strict=True):
        for number, picture in enumerate(pictures):
            row, column = divmod(number, columns)
            paste(cells, picture, step[0] * column, step[1] * row)
        yield centre(cells, size)


def _loop(take: _Take, panel: tuple[int, int], total: int) -> Iterator[np.ndarray]:
    """A shot's pictures over and over, `total` of them at least."""
    again = min(take.count, total - take.count)  # so many are shown more than once
    while again > HELD:
        yield from _pictures(take, panel)
    held = []
    for picture in _pictures(take, panel):
        if len(held) < again:
            held.append(picture)
        yield picture
    yield from cycle(held)


def _write(
    pictures: Iterable[np.ndarray], total: int, size: tuple[int, int], out, name: str
) -> Rendered:
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    with Writer(out, size, RATE, options=QUALITY) as writer:
        for index, picture in enumerate(tqdm(pictures, name, total, unit="frame")):
            writer.write(picture, Fraction(index, RATE))
    return Rendered(Path(out), total, None)
