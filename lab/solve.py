"""The best way to answer every shot, where answers may get in each other's way.

Pure numbers: what each candidate is worth to each trailer shot, and rules on what may be used how
often, how near, and from where. Plain assignment is solved exactly (Jonker & Volgenant 1987) on as
few candidates as can be shown to suffice; what ties choices together goes to HiGHS, a solver of
linear programs with whole numbers (Huangfu & Hall 2018), and comes with a bound on what a perfect
answer could be worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linear_sum_assignment, linprog, milp
from scipy.sparse import csr_array

FIRST = 8  # candidates of a row that are looked at first
POOL = 40  # best candidates of a row among which rules that tie choices together are met first
ROUNDS = 4  # times that this pool may grow
SECONDS = 3.0  # that a solution may take before the best one found has to do
CLOSE = 1e-4  # gap at which a solution is good enough
MANY = 1_000_000  # values from which torch finds the greatest faster than numpy
NEAR = 1e-6  # worth that makes no difference
NEVER = -1e9  # what a candidate is worth that is none


@dataclass(frozen=True)
class Rules:
    """What choices must keep to, and what is wished for.

    Attributes
    ----------
    uses : int
        Times a shot may answer, at most.
    apart : float
        Seconds of the trailer between the beginnings of shots that it answers, at least.
    share : float
        Part of the trailer's shots that one film may answer, at most; one shot it always may.
    variety : float
        What a film's next answer loses against its first: the k-th of n loses ``(k - 1) / n`` of
        this.
    echo : float
        What each further shot of a set-up gains that is answered from the same sequence.
    """

    uses: int = 1
    apart: float = 0.0
    share: float = 1.0
    variety: float = 0.0
    echo: float = 0.0


@dataclass(frozen=True)
class Task:
    """What is to be answered, and by what.

    Attributes
    ----------
    columns : ndarray of int, shape (n, k), or None
        Candidates of every row, no shot twice in a row; None: candidate k is column k.
    values : ndarray of float, shape (n, k)
        What they are worth, higher is better; `NEVER` where one may not answer.
    times : ndarray of float, shape (n,)
        Seconds at which the trailer's shots begin.
    fixed : ndarray of int, shape (n,)
        The column that answers a row whatever the rules say; -1: it is free, -2: the row is
        answered by nothing.
    films, sequences : ndarray of int, shape (columns,)
        Film and sequence of every shot of the archive.
    setups : ndarray of int, shape (n,)
        Set-up of every row, -1 for none.
    """

    columns: np.ndarray | None
    values: np.ndarray
    times: np.ndarray
    fixed: np.ndarray
    films: np.ndarray
    sequences: np.ndarray
    setups: np.ndarray


class Solution(NamedTuple):
    """An answer to every row.

    Attributes
    ----------
    columns : ndarray of int, shape (n,)
        -1 where nothing answers.
    value : float
        What the free rows' answers are worth by the rules.
    bound : float
        What no answer could be worth more than.
    """

    columns: np.ndarray
    value: float
    bound: float

    @property
    def gap(self) -> float:
        """How far it may be from the best, in parts of the best: 0 is proven to be best."""
        return max(0.0, self.bound - self.value) / max(abs(self.bound), NEAR)


class Infeasible(Exception):
    """No answer keeps to the rules."""


def solve(task: Task, rules: Rules) -> Solution:
    """Answer every free row so that the sum of values, less what the rules take, is greatest.

    Parameters
    ----------
    task : Task
    rules : Rules

    Returns
    -------
    Solution
        Proven to be the best (gap 0) where no rule ties choices together.

    Raises
    ------
    Infeasible
    """
    free = np.flatnonzero(task.fixed == -1)
    columns = np.where(task.fixed < 0, -1, task.fixed)
    if not len(free):
        return Solution(columns, 0.0, 0.0)
    values = _open(task, rules, free)
    if (values.max(axis=1) <= NEVER / 2).any():
        raise Infeasible
    candidates = None if task.columns is None else task.columns[free]
    columns[free], worth = assign(candidates, values, _left(task, rules))
    # What is best without the other rules and keeps to them is best with them.
    if not (rules.variety or rules.echo) and _keeps(columns, task, rules):
        return Solution(columns, worth, worth)
    return _Program(task, rules, free, values).solve()


def value_of(columns: np.ndarray, task: Task, rules: Rules) -> float:
    """What answers to the free rows are worth by the rules; the rules' limits are not checked."""
    free = task.fixed == -1
    total = task.values[free][_candidates(task, np.flatnonzero(free)) == columns[free, None]].sum()
    answered = columns >= 0
    film = task.films[columns[answered]]
    counts, given = np.bincount(film), np.bincount(task.films[task.fixed[task.fixed >= 0]])
    given = np.pad(given, (0, len(counts) - len(given)))
    lost = (counts * (counts - 1) - given * (given - 1)).sum() / 2 / len(columns)
    gained = 0
    for setup in set(task.setups[free]) - {-1}:
        mine = (task.setups == setup) & answered
        if mine.any():
            gained += max(0, np.bincount(task.sequences[columns[mine]]).max() - 1)
            held = task.fixed[mine & ~free]
            gained -= max(0, np.bincount(task.sequences[held]).max() - 1) if len(held) else 0
    return float(total - rules.variety * lost + rules.echo * gained)


def assign(
    columns: np.ndarray | None, values: np.ndarray, uses: np.ndarray
) -> tuple[np.ndarray, float]:
    """The columns that answer the rows with the greatest sum of values; exact.

    Only a row's best candidates are looked at: as many as the prices of the columns (the dual
    solution) prove to suffice.

    Parameters
    ----------
    columns : ndarray of int, shape (n, k), or None
        None: candidate k is column k.
    values : ndarray of float, shape (n, k)
        `NEVER` where a candidate may not answer.
    uses : ndarray of int, shape (columns,)
        Times that each column may answer.

    Returns
    -------
    chosen : ndarray of int, shape (n,)
    worth : float

    Raises
    ------
    Infeasible
    """
    count, every = values.shape
    depth = min(FIRST, every)
    while True:
        best = foremost(values, depth)
        worth = np.take_along_axis(values, best, axis=1)
        some = best if columns is None else np.take_along_axis(columns, best, axis=1)
        pool, place = np.unique(some, return_inverse=True)
        dense = np.full((count, len(pool)), NEVER)
        dense[np.arange(count)[:, None], place.reshape(some.shape)] = worth
        copies = np.repeat(np.arange(len(pool)), np.minimum(uses[pool], count))
        if len(copies) >= count:
            rows, taken = linear_sum_assignment(dense[:, copies], maximize=True)
            got = dense[rows, copies[taken]]
            if got.min() > NEVER / 2:
                lowest = worth.min(axis=1) if depth < every else np.full(count, NEVER)
                if (_profits(dense[:, copies[taken]]) >= lowest - NEAR / count).all():
                    return pool[copies[taken]], float(got.sum())
        if depth == every:
            raise Infeasible
        depth = min(2 * depth, every)


def _profits(square: np.ndarray) -> np.ndarray:
    """What each row keeps when columns cost as little as they may, row k having column k."""
    own, price = square.diagonal(), np.zeros(len(square))
    for _ in range(len(square)):
        dearer = np.maximum(price, (price[:, None] + square - own[:, None]).max(axis=0))
        if (dearer <= price + 1e-12).all():
            break
        price = dearer
    return own - price


def _left(task: Task, rules: Rules) -> np.ndarray:
    """Times that each column may still answer."""
    given = np.bincount(task.fixed[task.fixed >= 0], minlength=len(task.films))
    return np.maximum(0, rules.uses - given)


def _most(task: Task, rules: Rules) -> np.ndarray:
    """Times that each film may still answer."""
    most = max(1, int(rules.share * len(task.fixed) + NEAR))
    held = task.films[task.fixed[task.fixed >= 0]]
    return np.maximum(0, most - np.bincount(held, minlength=task.films.max(initial=0) + 1))


def _open(task: Task, rules: Rules, free: np.ndarray) -> np.ndarray:
    """What candidates are worth to the free rows, `NEVER` where pins leave no room for them."""
    pinned = np.flatnonzero(task.fixed >= 0)
    if not len(pinned):
        return task.values[free] if len(free) < len(task.fixed) else task.values
    values = task.values[free]  # a copy
    shut = np.flatnonzero((_left(task, rules) < 1) | (_most(task, rules) < 1)[task.films])
    if task.columns is None:
        values[:, shut] = NEVER
    else:
        values[np.isin(task.columns[free], shut)] = NEVER
    for row in pinned if rules.apart else ():
        near = np.abs(task.times[free] - task.times[row]) < rules.apart - NEAR
        values[near[:, None] & (_candidates(task, free) == task.fixed[row])] = NEVER
    return values


def _candidates(task: Task, rows: np.ndarray) -> np.ndarray:
    """Candidates of some rows, (rows, k)."""
    if task.columns is not None:
        return task.columns[rows]
    return np.broadcast_to(np.arange(task.values.shape[1]), (len(rows), task.values.shape[1]))


def _keeps(columns: np.ndarray, task: Task, rules: Rules) -> bool:
    """Whether free rows keep to what an assignment does not know of."""
    free = np.flatnonzero(task.fixed == -1)
    counts = np.bincount(task.films[columns[free]], minlength=task.films.max(initial=0) + 1)
    if (counts > _most(task, rules)).any():
        return False
    for column in np.unique(columns[free]) if rules.apart and rules.uses > 1 else ():
        times = np.sort(task.times[free[columns[free] == column]])
        if (np.diff(times) < rules.apart - NEAR).any():
            return False
    return True


class _Program:
    """The choice as a linear program: which candidate of which row, and what the rules add."""

    def __init__(self, task: Task, rules: Rules, free: np.ndarray, values: np.ndarray):
        self.task, self.rules, self.free, self.values = task, rules, free, values
        self.allowed = values > NEVER / 2
        self.inside = self.allowed & _among(values, POOL)

    def solve(self) -> Solution:
        bound, worthy = self._relaxed()
        rounds = 0
        while worthy.any() and (rounds < ROUNDS or not np.isfinite(bound)):
            self.inside |= worthy
            bound, worthy = self._relaxed()
            rounds += 1
        columns, value, proven = self._whole()
        if self.inside.sum() == self.allowed.sum():
            bound = min(bound, proven) if np.isfinite(bound) else proven
        return Solution(columns, value, max(bound, value))

    def _relaxed(self) -> tuple[float, np.ndarray]:
        """A bound on every answer's worth; candidates outside the pool that might do better."""
        parts = self._parts()
        outside = self.allowed & ~self.inside
        found = linprog(
            -parts.worth,
            parts.most,
            parts.limits,
            parts.once,
            parts.ones,
            bounds=np.stack([np.zeros(len(parts.upper)), parts.upper], axis=1),
            method="highs",
        )
        if found.status != 0:  # not among these
            return np.inf, outside & _among(np.where(outside, self.values, NEVER), POOL)
        price = -found.eqlin.marginals
        film = np.zeros(self.task.films.max() + 1)
        film[parts.films] = -found.ineqlin.marginals[: len(parts.films)]
        gain = self.values + self.rules.echo - price[:, None]
        gain -= film[self.task.films[_candidates(self.task, self.free)]]
        gain = np.where(outside, gain, 0)
        worthy = (gain > NEAR) & _among(gain, POOL)
        return float(-found.fun + np.maximum(0, gain.max(axis=1)).sum()), worthy

    def _whole(self) -> tuple[np.ndarray, float, float]:
        """The best whole answer among the pool, what it is worth, and the pool's bound."""
        parts = self._parts()
        limits = [LinearConstraint(parts.once, parts.ones, parts.ones)]
        limits += [LinearConstraint(parts.most, -np.inf, parts.limits)]
        found = milp(
            -parts.worth,
            integrality=parts.whole,
            bounds=Bounds(0, parts.upper),
            constraints=limits,
            options={"time_limit": SECONDS, "mip_rel_gap": CLOSE},
        )
        if found.x is None:
            raise Infeasible
        rows, places = np.nonzero(self.inside)
        taken = found.x[: len(rows)] > 0.5
        columns = np.where(self.task.fixed < 0, -1, self.task.fixed)
        chosen = _candidates(self.task, self.free)[rows[taken], places[taken]]
        columns[self.free[rows[taken]]] = chosen
        bound = -found.mip_dual_bound if found.mip_dual_bound is not None else -found.fun
        return columns, value_of(columns, self.task, self.rules), float(bound)

    def _parts(self) -> _Parts:
        return _Parts.of(self.task, self.rules, self.free, self.values, self.inside)


class _Parts(NamedTuple):
    """A program's numbers: first a variable a candidate, then those of the rules.

    ``most @ x <= limits``, the first of them a row for each of `films`; ``once @ x == ones``.
    """

    worth: np.ndarray
    upper: np.ndarray
    whole: np.ndarray
    most: csr_array
    limits: np.ndarray
    once: csr_array
    ones: np.ndarray
    films: np.ndarray

    @classmethod
    def of(cls, task: Task, rules: Rules, free, values, inside) -> _Parts:
        rows, places = np.nonzero(inside)
        columns = _candidates(task, free)[rows, places]
        book = _Book(values[inside])
        films, film = np.unique(task.films[columns], return_inverse=True)
        given = np.bincount(task.films[task.fixed[task.fixed >= 0]], minlength=task.films.max() + 1)
        most = _most(task, rules)[films]
        for f in range(len(films)):
            terms = [(x, 1.0) for x in np.flatnonzero(film == f)]
            if rules.variety:  # each answer of the film takes up one more charge, as far as it may
                orders = given[films[f]] + np.arange(min(len(free), most[f]))
                charges = book.add(-rules.variety * orders / len(task.fixed), 1.0)
                book.limit([*terms, *((x, -1.0) for x in charges)], 0)
            else:
                book.limit(terms, most[f])
        cls._uses(book, task, rules, free[rows], columns)
        if rules.echo:
            cls._echo(book, task, rules, free[rows], columns)
        once = csr_array((np.ones(len(rows)), (rows, np.arange(len(rows)))), (len(free), book.size))
        return cls(*book.close(), once, np.ones(len(free)), films)

    @staticmethod
    def _uses(book: _Book, task: Task, rules: Rules, rows, columns) -> None:
        left = _left(task, rules)
        for column in np.unique(columns):
            mine = np.flatnonzero(columns == column)
            if len(mine) > left[column]:
                book.limit([(x, 1.0) for x in mine], left[column])
            if rules.apart and left[column] > 1:
                times = task.times[rows[mine]]
                for begin in np.unique(times):
                    near = mine[(times >= begin) & (times < begin + rules.apart - NEAR)]
                    if len(near) > 1:
                        book.limit([(x, 1.0) for x in near], 1)

    @staticmethod
    def _echo(book: _Book, task: Task, rules: Rules, rows, columns) -> None:
        """A set-up has at most one sequence of its own; each answer from it after one gains."""
        sequence = task.sequences[columns]
        for setup in set(task.setups[rows]) - {-1}:
            mine = np.flatnonzero(task.setups[rows] == setup)
            held = task.fixed[(task.setups == setup) & (task.fixed >= 0)]
            before = np.bincount(task.sequences[held]) if len(held) else np.zeros(1, int)
            owns = []
            for one in np.unique(sequence[mine]):
                here = mine[sequence[mine] == one]
                already = before[one] if one < len(before) else 0
                if len(np.unique(rows[here])) + already < 2:
                    continue
                own = book.add([rules.echo * (already - 1)], 1.0, whole=True)[0]
                owns.append((own, 1.0))
                for row in np.unique(rows[here]):
                    gain = book.add([rules.echo], 1.0)[0]
                    book.limit([(gain, 1.0), (own, -1.0)], 0)
                    book.limit([(gain, 1.0), *((x, -1.0) for x in here[rows[here] == row])], 0)
            if owns:
                book.limit(owns, 1)
            if before.max() > 1:  # what pins have among themselves is not gained anew
                for own, _ in owns:
                    book.worth[own] -= rules.echo * (before.max() - 1)


class _Book:
    """Variables and limits of a program, as they are written down."""

    def __init__(self, worth: np.ndarray):
        self.worth, self.upper, self.whole = list(worth), [1.0] * len(worth), [True] * len(worth)
        self.terms: list[tuple[int, int, float]] = []
        self.limits: list[float] = []

    @property
    def size(self) -> int:
        return len(self.worth)

    def add(self, worth, upper: float, whole: bool = False) -> range:
        first = self.size
        self.worth += list(worth)
        self.upper += [upper] * len(worth)
        self.whole += [whole] * len(worth)
        return range(first, self.size)

    def limit(self, terms, most: float) -> None:
        self.terms += [(len(self.limits), variable, factor) for variable, factor in terms]
        self.limits.append(most)

    def close(self):
        rows, variables, factors = np.array(self.terms).T if self.terms else np.zeros((3, 0))
        shape = len(self.limits), self.size
        most = csr_array((factors, (rows.astype(int), variables.astype(int))), shape)
        return (*map(np.array, (self.worth, self.upper, self.whole)), most, np.array(self.limits))


def foremost(values: np.ndarray, count: int) -> np.ndarray:
    """Where the greatest `count` of each row stand, in no order: (n, count)."""
    count = min(count, values.shape[1])
    if values.size < MANY:
        return np.argpartition(values, -count, axis=1)[:, -count:]
    import torch  # slow: not for who only reads settings

    return torch.from_numpy(values).topk(count, dim=1, sorted=False).indices.numpy()


def _among(values: np.ndarray, count: int) -> np.ndarray:
    """Which are among the greatest `count` of their row."""
    found = np.zeros(values.shape, bool)
    np.put_along_axis(found, foremost(values, count), True, axis=1)
    return found
