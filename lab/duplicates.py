"""Near-duplicates: the same stretch of film twice, in two films or in one.

Compared are the layouts of brightness (`lab.channels.trace`) that are kept of every frame, ten
a second: they survive recompression, loss of colour, a small crop or logo. Two shots of one
set-up have the same layout too; only the same stretch also *changes* in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from lab.channels import unit
from lab.video import shown_at

VERSION = 3
RATE = 10.0  # looks a second
PAUSE = 2  # looks between which change is measured
CROPS = (1.0, 0.94, 0.88)  # parts of the other's picture that one may show
SHORTEST = 6  # looks that two shots must have in common
RIVALS = 12  # shots most alike in the mean that are looked at closely
LIKE = 0.75  # likeness of mean layouts from which it is worth a look
LAYOUT, CHANGE, STILL = 0.85, 0.6, 0.99  # likeness of layouts; of changes; where nothing moves
MOST = 2.5  # mean deviations of brightness beyond which a part of a picture counts for no more
MOVING = 0.02  # length of the change of a unit layout, a look, from which something moves
SHIFTS = 8  # places at which layouts agree best, at which changes are compared
BLOCK = 1024  # rows compared at once
OVERLAP = 0.7  # of the shorter shot that must be found in the longer


def find_duplicates(
    shots: pd.DataFrame, frames: Callable[[str], dict[str, np.ndarray]]
) -> dict[str, str]:
    """Shots that show again what an earlier row of the table shows.

    Parameters
    ----------
    shots : DataFrame
        Shots of one film or many; black and single-coloured ones are passed over.
    frames : callable
        Gives ``times`` and ``trace`` of every frame of a film, by `film_id`.

    Returns
    -------
    dict
        The earlier `shot_id` by the later one. The longer of two is the one kept where one is
        only part of the other.

    Examples
    --------
    >>> nothing = pd.DataFrame(columns=["shot_id", "film_id", "clean_start", "clean_end", "flags"])
    >>> find_duplicates(nothing, {}.get)
    {}
    """
    empty = shots["flags"].str.contains("black|flat") if len(shots) else []
    shots = shots[~np.asarray(empty, bool)]
    shots = shots.sort_values("film_id", kind="stable").reset_index(drop=True)
    looks = []
    for film_id, part in shots.groupby("film_id", sort=False):
        known = frames(film_id)
        looks += [_looks(shot, known) for shot in part.itertuples()]
    if len(looks) < 2:
        return {}
    # The longest first, so that the longer of two is the one kept.
    order = np.argsort([-len(look) for look in looks], kind="stable")
    means = unit(_flat(np.stack([looks[at].mean(axis=0) for at in order])))
    first: dict[int, int] = {}
    kept = np.ones(len(order), bool)
    with tqdm(total=len(order), desc="repeats", unit="shot", disable=len(order) < 200) as bar:
        for place, likes in enumerate(_likes_of_earlier(means)):
            bar.update()
            at = order[place]
            if len(looks[at]) < SHORTEST:
                continue
            worth = np.flatnonzero((likes > LIKE) & kept[:place])
            for rival in order[worth[np.argsort(-likes[worth], kind="stable")[:RIVALS]]]:
                if same(looks[rival], looks[at]):
                    first[at], kept[place] = rival, False
                    break
    return {shots.shot_id[at]: shots.shot_id[rival] for at, rival in first.items()}


def _likes_of_earlier(means: np.ndarray) -> Iterator[np.ndarray]:
    """Likeness of every row to all rows before it, worked out in blocks."""
    for begin in range(0, len(means), BLOCK):
        rows = means[begin : begin + BLOCK]
        for place, likes in enumerate(rows @ means[: begin + len(rows)].T, begin):
            yield likes[:place]


def same(longer: np.ndarray, shorter: np.ndarray) -> bool:
    """Whether one run of layouts is part of another, cropped or not.

    Parameters
    ----------
    longer, shorter : ndarray, shapes (n, 9, 16) and (m, 9, 16), m no greater than n
        Layouts of brightness, one a look.
    """
    for crop in CROPS:
        if _within(_flat(_inner(longer, crop)), _flat(shorter)):
            return True
        if crop < 1 and _within(_flat(longer), _flat(_inner(shorter, crop))):
            return True
    return False


def _within(longer: np.ndarray, shorter: np.ndarray) -> bool:
    least = max(SHORTEST, int(np.ceil(OVERLAP * len(shorter))))
    shifts = np.arange(least - len(shorter), len(longer) - least + 1)
    likes = _likes_by_shift(longer, shorter)[shifts + len(shorter) - 1]
    best = np.argsort(-likes, kind="stable")[:SHIFTS]
    for shift in shifts[best[likes[best] > LAYOUT]]:
        begin, end = max(0, shift), min(len(longer), shift + len(shorter))
        if _changes_alike(longer[begin:end], shorter[begin - shift : end - shift]):
            return True
    return False


def _likes_by_shift(longer: np.ndarray, shorter: np.ndarray) -> np.ndarray:
    """Mean likeness of what lies side by side when `shorter` begins at look 1 - m, ..., n - 1."""
    count, size = len(longer) + len(shorter) - 1, len(shorter)
    total, number = np.zeros(count), np.zeros(count)
    for begin in range(0, len(longer), BLOCK):
        likes = longer[begin : begin + BLOCK] @ shorter.T
        places = np.arange(begin, begin + len(likes))[:, None] + np.arange(size - 1, -1, -1)
        total += np.bincount(places.ravel(), likes.ravel(), count)
        number += np.bincount(places.ravel(), minlength=count)
    return total / number


def _changes_alike(one: np.ndarray, other: np.ndarray) -> bool:
    first, second = one[PAUSE:] - one[:-PAUSE], other[PAUSE:] - other[:-PAUSE]
    sizes = [float(np.sqrt((change * change).sum(axis=1).mean())) for change in (first, second)]
    if min(sizes) > MOVING:
        return (first * second).sum(axis=1).mean() > CHANGE * sizes[0] * sizes[1]
    return max(sizes) < 2 * MOVING and (one * other).sum(axis=1).mean() > STILL


def _inner(layouts: np.ndarray, part: float) -> np.ndarray:
    """The middle of layouts, brought back to their size."""
    if part == 1:
        return layouts
    for axis in (1, 2):
        size = layouts.shape[axis]
        at = (np.arange(size) + 0.5 - size / 2) * part + size / 2 - 0.5
        low = np.floor(at).astype(int)
        share = (at - low).reshape([-1, 1] if axis == 1 else [1, -1])
        layouts = layouts.take(low, axis) * (1 - share) + layouts.take(low + 1, axis) * share
    return layouts


def _flat(layouts: np.ndarray) -> np.ndarray:
    """Layouts as unit vectors without their mean, (n, 144).

    Nothing stands out by more than some mean deviations, or a channel's mark would outweigh a
    dark picture.
    """
    flat = layouts.reshape(len(layouts), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    flat = np.clip(flat / (np.abs(flat).mean(axis=1, keepdims=True) + 2), -MOST, MOST)
    return unit(flat - flat.mean(axis=1, keepdims=True)).astype(np.float32)


def _looks(shot, frames: dict[str, np.ndarray]) -> np.ndarray:
    """A shot's layouts of brightness at `RATE`, uint8 (n, 9, 16)."""
    count = max(1, int((shot.clean_end - shot.clean_start) * RATE))
    seconds = shot.clean_start + (np.arange(count) + 0.5) / RATE
    at = shown_at(frames["times"], np.minimum(seconds, shot.clean_end))
    return frames["trace"][at]
