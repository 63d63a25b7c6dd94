"""From which frame on an archive shot runs most like a trailer shot."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lab.channels import unit
from lab.video import EPSILON

FRAMES = 96  # frames of a shot that are compared at every in-point


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
    inside = begins[(times >= window[0] - EPSILON) & (times < window[1] - EPSILON)]
    begins = inside if len(inside) else begins[-1:]
    model = ours["trace"][at].astype(np.float32)
    scores = []
    for begin in begins:
        when = theirs["times"][begin] + beat + EPSILON
        seen = theirs["trace"][np.searchsorted(theirs["times"], when, side="right") - 1]
        seen = seen.astype(np.float32)
        scores.append(_alike(model, seen[:, :, ::-1] if mirror else seen))
    return float(theirs["times"][begins[int(np.argmax(scores))]])


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


def _alike(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Likeness of two runs of brightness layouts (n, 9, 16); 2 where they are the same."""
    flat = [run.reshape(len(run), -1) for run in (ours, theirs)]
    layouts = [unit(run - run.mean(axis=1, keepdims=True)) for run in flat]
    changes = [unit(np.diff(run, axis=0).reshape(1, -1)) for run in flat]
    still = float(not changes[0].any() and not changes[1].any())
    layout = (layouts[0] * layouts[1]).sum(axis=1).mean()
    return float(layout + still + (changes[0] * changes[1]).sum())
