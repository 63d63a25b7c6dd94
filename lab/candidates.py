"""Candidates: the few archive shots that could answer a trailer shot under any weights.

Under each of several hundred sampled weightings a shot's best answers are gathered (the best of
each channel alone are not enough: what is second in all may be first together). Their moments'
scores are kept, so that a slider reweighs thousands of numbers instead of millions.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from tqdm.auto import tqdm

from lab.channels import CHANNELS
from lab.likeness import Likeness, Weights, shares
from lab.solve import NEVER, Infeasible, assign, foremost

SAMPLES, COARSE = 300, 24  # weightings sampled; of these, by which the whole archive is looked at
BROAD, DEEP = 200, 12  # best answers gathered under each coarse weighting, and under each of all
CHECKS, RECALL, DEPTH = 8, 0.99, 3  # weightings by which a pool is tried, and what it must hold
GROWTH = 3  # times that a pool may double until it does


@dataclass(frozen=True)
class Pool:
    """Candidates and what is known of them.

    Attributes
    ----------
    columns : ndarray of int, shape (trailer shots, k)
        Candidates; rows that have fewer are filled up with their first.
    known : ndarray of bool, same shape
        False where a row is filled up.
    scores : ndarray of float32, shape (sides, channels, moment pairs)
        Pair by pair of shots, for every trailer moment all moments of the candidate.
    runs, pairs : ndarray of int
        Where in `scores` each trailer moment of a pair begins; where in these each pair begins.
    parts : ndarray of float32
        Each run's part of its shot's length.
    recall : float
        Part of the best answers under fresh weightings, one by one and as a whole, that it holds.
    """

    columns: np.ndarray
    known: np.ndarray
    scores: np.ndarray
    runs: np.ndarray
    pairs: np.ndarray
    parts: np.ndarray
    recall: float = 0.0

    def shots(self, weights: Weights) -> tuple[np.ndarray, np.ndarray]:
        """Scores of the candidates, as `Likeness.shots` has them: (trailer shots, k), and sides."""
        sides = [self._brought(shares(weights) @ side) for side in self.scores]
        if len(sides) == 1:
            return sides[0], np.broadcast_to(False, sides[0].shape)
        return np.maximum(*sides), sides[1] > sides[0]

    def _brought(self, score: np.ndarray) -> np.ndarray:
        """Scores of moment pairs, brought together to pairs of shots."""
        best = np.maximum.reduceat(score, self.runs) if len(score) > len(self.runs) else score
        best *= self.parts
        if len(self.runs) > len(self.pairs):
            best = np.add.reduceat(best, self.pairs)
        return best.take(self._places)

    @cached_property
    def _places(self) -> np.ndarray:
        """Which pair stands where in `columns`."""
        places = np.cumsum(self.known.ravel()).reshape(self.known.shape) - 1
        return np.where(self.known, places, places[:, :1])


class Hand:
    """What a slider needs of a whole desk: the candidates' part of it.

    Parameters
    ----------
    pool : Pool
    plain : ndarray, shape (trailer shots, archive shots)
        What answers lose whatever the weights.
    may : ndarray of bool, same shape
        Which may answer which.
    sames : ndarray, shape (archive shots, channels)
        How far each is a little like everything.
    """

    def __init__(self, pool: Pool, plain: np.ndarray, may: np.ndarray, sames: np.ndarray):
        rows = np.arange(len(pool.columns))[:, None]
        self.pool, self.plain = pool, plain[rows, pool.columns]
        self.may = pool.known & may[rows, pool.columns]
        self.sames = sames[pool.columns]

    def values(self, weights: Weights, distinct: float) -> np.ndarray:
        """Of every candidate, its score less what it loses: (trailer shots, k)."""
        score, _ = self.pool.shots(weights)
        lost = self.plain
        if distinct:
            lost = lost + distinct * (self.sames @ shares(weights))
        return np.where(self.may, score - lost, np.float32(NEVER))


def gather(
    likeness: Likeness, lost: Callable[[Weights], np.ndarray], *, seed: int = 0, quiet: bool = False
) -> Pool:
    """The candidates of every trailer shot.

    Parameters
    ----------
    likeness : Likeness
    lost : callable
        What archive shots lose under some weights in being chosen, (trailer shots, archive shots).
    seed : int
    quiet : bool
        Show no progress.
    """
    rng, broad, deep = np.random.default_rng(seed), BROAD, DEEP
    tried = [*_corners(), *(_sampled(rng) for _ in range(SAMPLES))]
    checks = [_sampled(rng) for _ in range(CHECKS)]
    total = COARSE + len(tried) + CHECKS
    with tqdm(total=total, desc="candidates", unit="weighting", disable=quiet) as bar:
        best = [_wanted(likeness.shots(w)[0] - lost(w)) for w in _seen(bar, checks)]
        for _ in range(GROWTH):
            found = _near(likeness, lost, _seen(bar, tried[:COARSE]), broad)
            pool = _pool(likeness, found)
            kept = _deep(pool, lost, _seen(bar, tried), deep)
            pool = _pool(likeness, kept)
            recall = float(np.mean([_held(kept, some) for some in best]))
            if recall >= RECALL:
                break
            broad, deep = 2 * broad, 2 * deep
            bar.total += COARSE + len(tried)
    return Pool(**{**vars(pool), "recall": recall})


def _seen(bar, weightings):
    for weights in weightings:
        yield weights
        bar.update()


def _corners() -> list[Weights]:
    """Every channel alone, all alike, and as matching begins."""
    alone = [Weights(**{name: float(name == one) for name in CHANNELS}) for one in CHANNELS]
    return [*alone, Weights(**dict.fromkeys(CHANNELS, 1.0)), Weights()]


def _sampled(rng: np.random.Generator) -> Weights:
    """Sliders anywhere, some at zero."""
    values = rng.random(len(CHANNELS)) * (rng.random(len(CHANNELS)) < 0.75)
    values[rng.integers(len(CHANNELS))] = 1
    return Weights(**dict(zip(CHANNELS, values.tolist(), strict=True)))


def _wanted(score: np.ndarray) -> np.ndarray:
    """What a pool must hold of each row: its best answers, and its answer in the best whole."""
    found = [foremost(score, DEPTH)]
    with suppress(Infeasible):  # too few shots may answer: then each row's own best must do
        found.append(assign(None, score, np.ones(score.shape[1], int))[0][:, None])
    return np.concatenate(found, axis=1)


def _held(kept: list[np.ndarray], wanted: np.ndarray) -> float:
    """Part of what is wanted that is kept."""
    return float(np.mean([np.isin(row, has) for row, has in zip(wanted, kept, strict=True)]))


def _near(likeness: Likeness, lost, weightings, broad: int) -> list[np.ndarray]:
    parts = [foremost(likeness.shots(weights)[0] - lost(weights), broad) for weights in weightings]
    return [np.unique(row) for row in np.concatenate(parts, axis=1)]


def _deep(pool: Pool, lost, weightings, deep: int) -> list[np.ndarray]:
    rows = np.arange(len(pool.columns))[:, None]
    chosen = np.zeros(pool.columns.shape, bool)
    for weights in weightings:
        score = pool.shots(weights)[0] - lost(weights)[rows, pool.columns]
        best = foremost(np.where(pool.known, score, -np.inf), deep)
        np.put_along_axis(chosen, best, True, axis=1)
    chosen &= pool.known
    return [columns[some] for columns, some in zip(pool.columns, chosen, strict=True)]


def _pool(likeness: Likeness, found: list[np.ndarray]) -> Pool:
    """A pool of the given candidates, row by row."""
    most = max(map(len, found))
    columns = np.stack([np.pad(row, (0, most - len(row)), constant_values=row[0]) for row in found])
    known = np.arange(most) < np.array([len(row) for row in found])[:, None]
    row, column = np.nonzero(known)[0], columns[known]
    ours = np.diff([*likeness.left, len(likeness.lengths)])[row]
    theirs = np.diff([*likeness.right, len(likeness.columns)])[column]
    # Every pair has a run for each of our moments; every run an entry for each of theirs.
    pair = np.repeat(np.arange(len(row)), ours)
    moment = likeness.left[row][pair] + _counted(ours)
    entry = np.repeat(np.arange(len(pair)), theirs[pair])
    other = likeness.columns[likeness.right[column][pair][entry] + _counted(theirs[pair])]
    sides = [side for side in (likeness.straight, likeness.turned) if side is not None]
    scores = [side[:, moment[entry], other] for side in sides]
    begins = np.cumsum(ours) - ours, np.cumsum(theirs[pair]) - theirs[pair]
    parts = likeness.parts[moment]
    return Pool(columns, known, np.array(scores, np.float32), begins[1], begins[0], parts)


def _counted(lengths: np.ndarray) -> np.ndarray:
    """0, 1, ... for each of the lengths, one after the other."""
    return np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
