"""A film's shots: from cuts, dissolves and fades to a table; black, single colours, bars.

`lab.cuts` says how likely every frame is a cut or part of a slow transition; brightness tells
fades and black from the rest.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.ndimage import binary_closing

from lab.cuts import EMPTY, NEAR, beside_a_cut, peaks, runs
from lab.video import WHOLE, Box

VERSION = 6
CUT = 0.3  # likelihood from which a cut is believed (measured: 0.5 misses some, finds none less)
GRADUAL = 0.5  # likelihood from which a frame is part of a transition that takes time
SLOW = 5  # such a transition over this many frames or more is no cut
BLACK = 24.0  # mean (0-255) below which an empty frame is black: no title in it
FLAT = 6.0  # spread below which a frame is of one colour
BLACK_FRAMES = 4  # black that lasts this long stands as a shot of its own,
BLOT = 2  # half of the frames, at most, for which dirt may show on black
HELD = 12  # and this long if it was faded to and from
BAR = 34  # luma (limited range, black is 16) that a row or column of a bar does not exceed
LEFT = 0.25  # part of a shot that must be left beside its fades, or half of them is taken too
MOMENT = 3.0  # seconds that a moment lasts at most

SHOTS = {
    "shot_id": str,
    "film_id": str,
    "index": int,
    "start": float,
    "end": float,
    "start_frame": int,
    "end_frame": int,
    "transition_in": str,
    "clean_start": float,
    "clean_end": float,
    "key": float,
    "flags": str,
}


class Transition(NamedTuple):
    """Where a shot begins, and how.

    Attributes
    ----------
    begin : int
        First frame of the new shot: of a dissolve, the middle; of a fade, the middle of the
        black, or what follows it if the black is a shot of its own.
    kind : str
        ``cut``, ``dissolve`` or ``fade``.
    first, last : int
        Frames that show both shots, or a fading one; `last` before `first` if there are none.
    """

    begin: int
    kind: str
    first: int
    last: int


def find_shots(
    film_id: str,
    times: np.ndarray,
    end: float,
    cuts: np.ndarray,
    light: np.ndarray,
    corrected: list[int] | None = None,
) -> pd.DataFrame:
    """A film's shots table.

    Parameters
    ----------
    film_id : str
    times : ndarray of float64, shape (n,)
        Every frame's PTS, in seconds.
    end : float
        Second at which the last frame ends.
    cuts : ndarray of float32, shape (n, 2)
        From `lab.cuts.CutFinder`.
    light : ndarray, shape (n, 2)
        Mean brightness and its spread (standard deviation), 0 to 255, of every frame.
    corrected : list of int, optional
        First frames of shots, said by a person; what was found then tells only the kinds.

    Returns
    -------
    DataFrame
        Columns as in `SHOTS`. From `clean_start` to `clean_end` (seconds) no transition is on
        screen; the key frame lies there. `flags` holds words divided by spaces: ``black``,
        ``flat``.
    """
    count = len(times)
    dark = _dark(light)
    found = find_transitions(cuts, light)
    if corrected is not None:
        found = _correct(found, corrected, count)
    opening = [t for t in found if t.begin == 0] or [Transition(0, "cut", 0, -1)]
    closing = [t for t in found if t.begin == count] or [Transition(count, "cut", count, count)]
    inner = [t for t in found if 0 < t.begin < count]
    stamps = np.append(times, end)
    rows = []
    for index, (entry, leave) in enumerate(pairwise([opening[0], *inner, closing[0]])):
        first, after = entry.begin, leave.begin
        clean, spoilt = _clean(entry, leave)
        if clean >= spoilt:  # all of it is transition
            clean = min(max(first, (clean + spoilt) // 2), after - 1)
            spoilt = clean + 1
        start, stop = stamps[first], stamps[after]
        shot_id = f"{film_id}-{round(start * 1000)}-{round(stop * 1000)}"
        place = shot_id, film_id, index, start, stop, first, after, entry.kind
        key = stamps[clean + (spoilt - clean) // 2]
        flags = _flags(light[first:after], dark[first:after])
        rows.append((*place, stamps[clean], stamps[spoilt], key, flags))
    return pd.DataFrame(rows, columns=list(SHOTS)).astype(SHOTS)


def _clean(entry: Transition, leave: Transition) -> tuple[int, int]:
    """First frame of a shot on which no transition is seen, and the first on which one is again.

    A fade shows no other shot: where hardly anything is left beside fades, their lighter half is
    taken too.
    """
    first, after = entry.begin, leave.begin
    clean, spoilt = max(first, entry.last + 1), min(after, leave.first)
    if spoilt - clean < LEFT * (after - first):
        if entry.kind == "fade":
            clean = min(clean, (first + entry.last + 1) // 2)
        if leave.kind == "fade":
            spoilt = max(spoilt, (leave.first + after + 1) // 2)
    return clean, spoilt


def find_transitions(cuts: np.ndarray, light: np.ndarray) -> list[Transition]:
    """Where shots begin, in order; arguments as in `find_shots`.

    A fade with which the film opens or closes begins no shot: its `begin` is 0 or the number
    of frames.
    """
    count, dark = len(cuts), _dark(light)
    jumps = peaks(cuts[:, 0], CUT)
    spans = _spans(cuts[:, 1] > GRADUAL, dark)
    # What jumps is a cut, whatever moves beside it, unless it is only the edge of a long change.
    spans = [span for span in spans if not beside_a_cut(cuts[:, 0], *span)]
    found = []
    for first, last in _black(dark, spans):
        before = [span for span in spans if 0 <= first - 1 - span[1] <= NEAR]
        after = [span for span in spans if 0 <= span[0] - last - 1 <= NEAR]
        sharp = [any(abs(jump - at) <= 1 for jump in jumps) for at in (first, last + 1)]
        if not (before or after or any(sharp)) and last - first + 1 < HELD:
            continue  # dark for a moment: night, or strobe
        kinds = [
            "cut" if yes and not slow else "fade"
            for yes, slow in zip(sharp, (before, after), strict=True)
        ]
        found.append(Transition(first, kinds[0], before[0][0] if before else first, first - 1))
        found.append(Transition(last + 1, kinds[1], last + 1, after[0][1] if after else last))
        spans = [span for span in spans if span not in before + after]
        jumps = [jump for jump in jumps if not first - SLOW < jump <= last + SLOW]
    for first, last in spans:
        found.append(_gradual(first, last, dark, light))
    for jump in jumps:
        if not any(
            t.first - 2 <= jump <= t.last + 2 for t in found if t.last - t.first + 1 >= SLOW
        ):
            mixed = [run for run in runs(cuts[:, 1] > GRADUAL) if run[0] - 1 <= jump <= run[1] + 1]
            found.append(Transition(jump, "cut", *(mixed[0] if mixed else (jump, jump - 1))))
    return sorted({t.begin: t for t in found if 0 <= t.begin <= count}.values())


def _spans(gradual: np.ndarray, dark: np.ndarray) -> list[tuple[int, int]]:
    """First and last frames of slow transitions; both halves of a dip to black are one."""
    slow = np.zeros(len(gradual), bool)
    for first, last in runs(gradual):
        slow[first : last + 1] = last - first + 1 >= SLOW
    for first, last in runs(dark):
        around = slice(max(0, first - NEAR), last + NEAR + 1)
        sides = slow[around.start : first].any(), slow[last + 1 : around.stop].any()
        length = last - first + 1
        if slow[around].any() and length < (HELD if all(sides) else BLACK_FRAMES):
            slow[around] = True
        elif length >= BLACK_FRAMES:
            slow[first : last + 1] = False
    return runs(slow)


def _gradual(first: int, last: int, dark: np.ndarray, light: np.ndarray) -> Transition:
    """A slow transition: out of a look, of a colour or of black, into another."""
    count, inside = len(dark), slice(first, last + 1)
    empty = runs(dark[inside]) or runs(light[inside, 1] < FLAT)
    begin = first + (sum(empty[0]) // 2 + 1 if empty else (last + 1 - first) // 2)
    if first <= 1 and (dark[:2].any() or light[0, 1] < FLAT):
        begin = 0
    if last >= count - 2 and (dark[-2:].any() or light[-1, 1] < FLAT):
        begin = count
    return Transition(begin, "fade" if empty else "dissolve", first, last)


def _correct(found: list[Transition], begins: list[int], count: int) -> list[Transition]:
    """Transitions where a person says that shots begin, of the kind that was found there."""
    result = [t for t in found if t.begin in (0, count)]
    for begin in sorted(set(begins)):
        near = [t for t in found if t.first - 1 <= begin <= max(t.last, t.begin) + 1]
        plain = Transition(begin, "cut", begin, begin - 1)
        result.append(near[0]._replace(begin=begin) if near else plain)
    return sorted({t.begin: t for t in result}.values())


def _black(dark: np.ndarray, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Stretches of black that stand as shots of their own: no dip inside a transition."""
    return [
        (first, last)
        for first, last in runs(dark)
        if last - first + 1 >= BLACK_FRAMES and not any(a <= first and last <= b for a, b in spans)
    ]


def _dark(light: np.ndarray) -> np.ndarray:
    """Frames that are black; dirt that shows on black for some frames does not end it."""
    dim = light[:, 0] < BLACK
    dark = dim & (light[:, 1] < EMPTY)
    return dark | (dim & binary_closing(dark, iterations=BLOT))


def _flags(light: np.ndarray, dark: np.ndarray) -> str:
    if dark.mean() > 0.9:
        return "black"
    flat = (light[:, 0] >= BLACK).any() and (light[:, 1] < FLAT).mean() > 0.9
    return "flat" if flat else ""


def find_moments(shots: pd.DataFrame) -> pd.DataFrame:
    """Divide what is clean of shots into moments of at most 3 seconds, equal within a shot.

    No shot has more of them than frames: a still that is held for an hour is seen once.

    Returns
    -------
    DataFrame
        `moment_id`, `shot_id`, `start`, `end` (seconds).
    """
    rows = []
    for shot in shots.itertuples():
        parts = int(np.ceil((shot.clean_end - shot.clean_start) / MOMENT - 1e-6))
        parts = max(1, min(parts, shot.end_frame - shot.start_frame))
        bounds = np.linspace(shot.clean_start, shot.clean_end, parts + 1)
        for number, (start, end) in enumerate(pairwise(bounds)):
            rows.append((f"{shot.shot_id}.{number}", shot.shot_id, start, end))
    return pd.DataFrame(rows, columns=["moment_id", "shot_id", "start", "end"])


class BarFinder:
    """Finds the picture inside black bars, from frames taken here and there in a film."""

    def __init__(self):
        self.rows = self.columns = None

    def push(self, luma: np.ndarray) -> None:
        """Take a frame's luma, uint8 (height, width), limited range."""
        # The 90th percentile passes over a channel's logo that sits in a bar.
        rows, columns = (np.percentile(luma, 90, axis=axis) for axis in (1, 0))
        if self.rows is None:
            self.rows, self.columns = rows, columns
        np.maximum(self.rows, rows, out=self.rows)
        np.maximum(self.columns, columns, out=self.columns)

    def finish(self) -> Box:
        """The picture's place; the whole frame where no bar is found."""
        if self.rows is None:
            return WHOLE
        top, bottom = _inside(self.rows)
        left, right = _inside(self.columns)
        return Box(left, top, right, bottom)


def _inside(light: np.ndarray) -> tuple[float, float]:
    """Part of a line that is brighter than a bar, with bars of less than 1.5 % left alone."""
    lit = np.flatnonzero(light > BAR)
    size = len(light)
    if not len(lit) or lit[-1] - lit[0] + 1 < 0.4 * size:
        return 0.0, 1.0  # a dark film, not a slit
    first, last = lit[0] / size, (lit[-1] + 1) / size
    return (first if first > 0.015 else 0.0), (last if last < 0.985 else 1.0)
