"""Set-ups and sequences: which shots of a film share a camera's place, and which belong together.

A set-up is a camera's place to which a film comes back, as in shot and reverse shot; shots of it
look alike and are near in time (time-constrained clustering, Yeung & Yeo 1996). A sequence is the
stretch that set-ups share which take turns, or whose shots are still akin.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lab.channels import Calibration, unit
from lab.flags import CARDS

NEAR = 60.0  # seconds within which a film comes back to a set-up
SAME, AKIN = 0.7, 0.4  # likeness from which shots are of one set-up, and of one sequence
NOWHERE = "|".join(("black", "flat", *CARDS))  # all alike, and of no camera's place
SEES = {"subject": 0.6, "composition": 0.2, "colour": 0.2}  # what likeness is made of


def find_setups(
    shots: pd.DataFrame,
    moments: pd.DataFrame,
    vectors: Mapping[str, np.ndarray],
    calibration: Calibration,
) -> tuple[np.ndarray, np.ndarray]:
    """Set-ups and sequences of films' shots.

    Parameters
    ----------
    shots, moments : DataFrame
    vectors : mapping of ndarray of float32, shape (moments, d)
        Raw channels.
    calibration : Calibration

    Returns
    -------
    setup, sequence : ndarray of int, shape (shots,)
        Numbers that count through all films; shots of different films never share one.
    """
    setup, sequence = np.zeros(len(shots), int), np.zeros(len(shots), int)
    row = pd.Series(np.arange(len(shots)), shots.shot_id)
    owner = row.reindex(moments.shot_id, fill_value=-1).to_numpy()
    order = np.argsort(owner, kind="stable")  # -1, of moments of no shot, comes first
    shown = ~shots["flags"].str.contains(NOWHERE).to_numpy(bool)
    films, first = shots.film_id.to_numpy(), shots.start.to_numpy()
    begin = 0
    for end in [*(np.flatnonzero(films[1:] != films[:-1]) + 1), len(shots)]:
        here, (left, right) = slice(begin, end), np.searchsorted(owner, (begin, end), sorter=order)
        own = order[left:right]
        alike = 0.0
        for name, share in SEES.items():
            ready = calibration.apply({name: vectors[name][own]})[name]
            means = _means(ready, owner[own] - begin, end - begin)
            alike = alike + share * means @ means.T
        near = np.abs(first[here][:, None] - first[here]) <= NEAR
        alike = np.where(near & shown[here] & shown[here][:, None], alike, -1)
        np.fill_diagonal(alike, 1)
        setup[here] = setup[:begin].max(initial=-1) + 1 + _chained(alike >= SAME)
        linked = (alike >= AKIN) | (setup[here][:, None] == setup[here])
        sequence[here] = sequence[:begin].max(initial=-1) + 1 + _spanned(linked)
        begin = end
    return setup, sequence


def _means(ready: np.ndarray, owner: np.ndarray, count: int) -> np.ndarray:
    """The mean of each shot's moments, which stand shot by shot, as unit vectors."""
    means = np.zeros((count, ready.shape[1]), np.float32)
    if len(owner):
        shown, first = np.unique(owner, return_index=True)
        means[shown] = np.add.reduceat(ready, first)
    return unit(means)


def _chained(alike: np.ndarray) -> np.ndarray:
    """Groups of shots, each alike to an earlier one of its group: the one most lately begun."""
    groups = np.arange(len(alike))
    for shot in range(len(alike)):
        before = np.flatnonzero(alike[shot, :shot])
        if len(before):
            groups[shot] = groups[before[-1]]
    return np.unique(groups, return_inverse=True)[1]


def _spanned(linked: np.ndarray) -> np.ndarray:
    """Stretches that no link leads out of."""
    reach = np.array([np.flatnonzero(row)[-1] for row in linked])
    furthest = np.maximum.accumulate(reach)
    ends = furthest[:-1] < np.arange(1, len(linked))
    return np.concatenate([[0], np.cumsum(ends)])
