"""From which frame on, and how fast, an archive shot runs most like a trailer shot.

In two steps: traces of composition and movement, about twelve a second and low in dimension, tell
which of many candidates can be laid beside a shot so that movements peak together; the one that
is chosen is then laid to the exact frame.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lab.channels import TRACE, unit
from lab.motion import LEAST, between_cells, inside, within
from lab.video import EPSILON, Box, shown_at

ZOOMS = (1.0, 0.9, 0.8, 0.7)  # parts of the answer's picture that the trailer's may be
FRAMES = 96  # frames of a shot that are compared at every in-point
SPEEDS = 5  # speeds that are tried, the shot's own among them
LAYOUT, MOVEMENT, ENDS = 0.4, 0.4, 0.2  # what counts in laying one shot beside another
BENT = 0.1  # what a doubling or halving of the speed costs
SEEN = 0.5  # part of a cell of the layout that is no bar, from which it is read
HARDLY = 0.01  # picture widths a second below which movement says nothing


class Traces(NamedTuple):
    """What a stretch of film is laid beside another by, a row about a twelfth of a second.

    Attributes
    ----------
    times : ndarray of float64, shape (n,)
        Seconds.
    layout : ndarray of float32, shape (n, 144)
        Where it is light and dark; unit vectors.
    movement : ndarray of float32, shape (n, 24)
        Flow on a grid of 3 x 4, to the right and down, picture widths a second.
    """

    times: np.ndarray
    layout: np.ndarray
    movement: np.ndarray

    @classmethod
    def of(cls, frames: dict[str, np.ndarray], start: float, end: float) -> Traces:
        """Traces from `start` to `end` (seconds) of a film, of what the one pass kept of it."""
        here = within(frames["flow_times"], start, end)
        begins = frames["flow_times"][here, 0]
        at = shown_at(frames["times"], begins + EPSILON)
        light = _window(frames, frames["trace"][at])
        flow = inside(frames["flow"][here], Box(*frames["box"])).astype(np.float32)
        flow = flow[..., :2] * flow[..., 2:]
        flow = flow.reshape(len(flow), 3, 2, 4, 2, 2).mean(axis=(2, 4))
        return cls(begins, _layouts(_flat(light)), flow.reshape(len(flow), 24))

    def mirrored(self) -> Traces:
        """The same stretch seen in a mirror."""
        layout = self.layout.reshape(-1, *TRACE[::-1])[:, :, ::-1].reshape(self.layout.shape)
        turned = self.movement.reshape(-1, 3, 4, 2)[:, :, ::-1] * np.float32([-1, 1])
        return self._replace(layout=layout, movement=turned.reshape(self.movement.shape))


class Timing(NamedTuple):
    """How well one shot can be laid beside another, and at which speed; doubles score 1."""

    alike: float
    speed: float


def timing(ours: Traces, theirs: Traces, window: tuple[float, float], speeds: np.ndarray) -> Timing:
    """The best that sliding one shot along another comes to.

    Parameters
    ----------
    ours, theirs : Traces
        Of the trailer's shot, and of the answer's, mirrored if it is to be shown so.
    window : tuple of float
        Seconds of the answer's film in which the in-point lies.
    speeds : ndarray
        Speeds to try, the usual one first.

    Returns
    -------
    Timing
        ``alike`` is 0 where a shot is too short to tell.
    """
    best = Timing(0.0, float(speeds[0]))
    if min(len(ours.times), len(theirs.times)) < LEAST:
        return best
    # Every step of theirs, and the middle between it and the next, on our first one.
    steps, beat = theirs.times, ours.times - ours.times[0]
    begins = np.sort(np.concatenate([steps, (steps[1:] + steps[:-1]) / 2]))
    begins = begins[(begins >= window[0] - EPSILON) & (begins < window[1])]
    for speed in speeds:
        fits = begins[begins + beat[-1] * speed <= steps[-1] + EPSILON]
        if len(fits):
            layout, movement = _between(theirs, fits[:, None] + beat * speed)
            score = _laid(ours, layout, movement * np.float32(speed))
            score -= BENT * abs(np.log2(speed / speeds[0]))
            best = max(best, Timing(float(score.max()), float(speed)))
    return best


def _between(traces: Traces, when: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Layouts and movements at any seconds, read between the steps that are known."""
    exact = np.interp(when, traces.times, np.arange(len(traces.times)))
    first = np.minimum(exact.astype(int), len(traces.times) - 2)
    share = (exact - first)[..., None].astype(np.float32)
    layout, movement = (
        known[first] * (1 - share) + known[first + 1] * share
        for known in (traces.layout, traces.movement)
    )
    return layout, movement


def _laid(ours: Traces, layout: np.ndarray, movement: np.ndarray) -> np.ndarray:
    """How alike a run and many others are, (in-points,), of (in-points, steps, d)."""
    layouts = np.einsum("td,btd->bt", ours.layout, layout)
    ends, layout = (layouts[:, 0] + layouts[:, -1]) / 2, layouts.mean(axis=1)
    dots = np.einsum("td,btd->b", ours.movement, movement)
    lengths = np.linalg.norm(ours.movement), np.linalg.norm(movement, axis=(1, 2))
    hardly = HARDLY * np.sqrt(len(ours.movement))
    # Where neither moves, movement says no more than layout; where only one does, they disagree.
    apart = np.abs(lengths[0] - lengths[1])
    moved = dots + hardly**2 * layout
    moved /= lengths[0] * lengths[1] + hardly * (hardly + apart)
    return LAYOUT * layout + MOVEMENT * moved + ENDS * ends


def align(
    frames: Callable,
    query,
    answer,
    window: tuple[float, float],
    speed: float,
    mirror: bool = False,
) -> float:
    """The in-point at which an archive shot runs most like the trailer shot.

    Compared are the layouts of brightness, frame by frame, and how they change: at every
    archive frame inside `window` (seconds) from which the shot still lasts long enough.

    Returns
    -------
    float
        Seconds: the time of a frame of the archive film.
    """
    theirs, ours = frames(answer.film_id), frames(query.film_id)
    at = _clean(ours["times"], query)
    if len(at) > FRAMES:
        at = at[np.linspace(0, len(at) - 1, FRAMES).round().astype(int)]
    beat = (ours["times"][at] - query.start) * speed
    start, end = stretch(query, answer)
    shot = np.arange(answer.start_frame, answer.end_frame)
    times = theirs["times"][shot]
    lasts = (ours["times"][query.end_frame - 1] - query.start) * speed
    begins = shot[(times >= start - EPSILON) & (times + lasts < end - EPSILON)]
    if not len(begins):
        return float(start)
    times = theirs["times"][begins] + beat[0]
    fits = begins[(times >= window[0] - EPSILON) & (times < window[1] - EPSILON)]
    begins = fits if len(fits) else begins[-1:]
    model = _Run.of(_window(ours, ours["trace"][at]))
    when = theirs["times"][begins][:, None] + beat + EPSILON
    seen = theirs["trace"][shown_at(theirs["times"], when)]
    seen = seen[..., ::-1] if mirror else seen
    # The trailer's picture may be a part of the other one: a double that was cropped.
    likeness = [model.like(_Run.of(_window(theirs, seen, zoom))) for zoom in ZOOMS]
    return float(theirs["times"][begins[int(np.max(likeness, axis=0).argmax())]])


def _clean(times: np.ndarray, shot) -> np.ndarray:
    """A shot's frames on which no transition is seen."""
    at = np.arange(shot.start_frame, shot.end_frame)
    inside = (times[at] >= shot.clean_start - EPSILON) & (times[at] < shot.clean_end - EPSILON)
    return at[inside]


def stretch(query, answer) -> tuple[float, float]:
    """Seconds of an archive shot that may be shown: no transition, but where it answers itself.

    Parameters
    ----------
    query, answer
        Rows of a shots table.
    """
    if query.shot_id == answer.shot_id:
        return answer.start, answer.end
    return answer.clean_start, answer.clean_end


class _Run(NamedTuple):
    """Runs of brightness layouts (..., n, 144), and all the changes of each as one vector."""

    layouts: np.ndarray
    changes: np.ndarray

    @classmethod
    def of(cls, light: np.ndarray) -> _Run:
        flat = _flat(light)
        return cls(_layouts(flat), unit(_flat(np.diff(flat, axis=-2))))

    def like(self, others: _Run) -> np.ndarray:
        """Likeness with each of many runs; greatest where they are the same."""
        layouts = np.einsum("td,btd->bt", self.layouts, others.layouts)
        ends = ENDS * (layouts[:, 0] + layouts[:, -1]) / 2
        still = ~others.changes.any(axis=1) & ~self.changes.any()
        return layouts.mean(axis=1) + others.changes @ self.changes + still + ends


def _flat(values: np.ndarray) -> np.ndarray:
    """The last two axes as one."""
    return values.reshape(*values.shape[:-2], values.shape[-2] * values.shape[-1])


def _layouts(flat: np.ndarray) -> np.ndarray:
    """Where it is light and dark, however light it is: unit vectors, float32."""
    return unit(flat - flat.mean(axis=-1, keepdims=True)).astype(np.float32)


def _window(frames: dict[str, np.ndarray], light: np.ndarray, zoom: float = 1.0) -> np.ndarray:
    """Layouts (..., 9, 16) of the picture inside its bars, or of the middle of it, float32.

    They are read between their cells; of those that are partly bar, only what is seen counts.
    """
    box = Box(*frames["box"])
    rows, columns = light.shape[-2:]
    down = _part(rows, box.top, box.bottom, zoom)
    across = _part(columns, box.left, box.right, zoom)
    return (down @ light.astype(np.float32)) @ across.T


def _part(count: int, start: float, end: float, zoom: float) -> np.ndarray:
    off = (end - start) * (1 - zoom) / 2
    return between_cells(count, start + off, end - off, (start, end), SEEN)
