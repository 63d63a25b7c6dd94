"""The solver against every answer there is, on tasks small enough to try them all."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab import solve as room
from lab.solve import NEVER, Infeasible, Rules, Task, assign, solve, value_of


def task_of(seed, rows, columns, *, pins=0, holes=0.0):
    """A task of which every candidate is known: two or three films, sequences, set-ups."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.1, 1, (rows, columns))
    values[rng.random(values.shape) < holes] = NEVER
    fixed = np.full(rows, -1)
    for row in rng.permutation(rows)[:pins]:
        fixed[row] = rng.choice([-2, rng.integers(columns)])
    return Task(
        columns=np.stack([rng.permutation(columns) for _ in range(rows)]),
        values=values,
        times=np.sort(rng.uniform(0, 10, rows)),
        fixed=fixed,
        films=np.sort(rng.integers(0, 3, columns)),
        sequences=np.sort(rng.integers(0, 4, columns)),
        setups=rng.integers(-1, 2, rows),
    )


def keeps(columns, task, rules):
    """Whether an answer keeps to the rules: said again, row by row."""
    free = [row for row in range(len(columns)) if task.fixed[row] == -1]
    most = max(1, int(rules.share * len(columns) + 1e-6))
    for row in free:
        column = columns[row]
        same = [other for other in range(len(columns)) if columns[other] == column]
        film = [o for o in range(len(columns)) if columns[o] >= 0]
        film = [o for o in film if task.films[columns[o]] == task.films[column]]
        if len(same) > rules.uses or len(film) > most:
            return False
        for other in same:
            if other != row and abs(task.times[row] - task.times[other]) < rules.apart - 1e-6:
                return False
    return True


def brute(task, rules):
    """The greatest value of all answers that keep to the rules; None where none does."""
    choices = [
        [task.fixed[row]] if task.fixed[row] != -1
        else [c for c, v in zip(task.columns[row], task.values[row], strict=True) if v > NEVER / 2]
        for row in range(len(task.fixed))
    ]  # fmt: skip
    best = None
    for answer in product(*choices):
        columns = np.where(np.array(answer) < 0, -1, answer)
        if keeps(columns, task, rules):
            value = worth(columns, task, rules)
            best = value if best is None else max(best, value)
    return best


def worth(columns, task, rules):
    """`value_of`, worked out in another way: with the free rows' answers less without them."""
    total = 0.0
    for row in np.flatnonzero(task.fixed == -1):
        total += task.values[row][list(task.columns[row]).index(columns[row])]

    def taken(columns):
        said, counts = 0.0, {}
        for column in columns:
            if column >= 0:
                film = task.films[column]
                said -= rules.variety * counts.get(film, 0) / len(columns)
                counts[film] = counts.get(film, 0) + 1
        for setup in (0, 1):
            seen = [task.sequences[c] for c, s in zip(columns, task.setups, strict=True)
                    if s == setup and c >= 0]  # fmt: skip
            if seen:
                said += rules.echo * (max(seen.count(one) for one in seen) - 1)
        return said

    return total + taken(columns) - taken(np.where(task.fixed >= 0, task.fixed, -1))


RULES = st.builds(
    Rules,
    uses=st.integers(1, 2),
    apart=st.sampled_from([0.0, 1.0, 4.0]),
    share=st.sampled_from([1.0, 0.6, 0.34]),
    variety=st.sampled_from([0.0, 0.3, 1.0]),
    echo=st.sampled_from([0.0, 0.2, 0.6]),
)


@settings(max_examples=300)
@given(
    st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 6), st.integers(0, 2),
    st.sampled_from([0.0, 0.3]), RULES,
)  # fmt: skip
def test_no_answer_is_better_and_the_bound_is_true(seed, rows, columns, pins, holes, rules):
    task = task_of(seed, rows, columns, pins=min(pins, rows), holes=holes)
    best = brute(task, rules)
    if best is None:
        with pytest.raises(Infeasible):
            solve(task, rules)
        return
    found = solve(task, rules)
    assert keeps(found.columns, task, rules)
    assert (found.columns[task.fixed >= 0] == task.fixed[task.fixed >= 0]).all()
    assert (found.columns[task.fixed == -2] == -1).all()
    assert found.value == pytest.approx(worth(found.columns, task, rules))
    assert value_of(found.columns, task, rules) == pytest.approx(found.value)
    assert best - 0.01 * abs(best) - 1e-6 <= found.value <= best + 1e-6
    assert found.bound >= best - 1e-6 and found.gap <= 0.05


def test_gaps_are_small_on_the_whole():
    gaps, lost = [], []
    for seed in range(120):
        task = task_of(seed, 4, 6, pins=seed % 2)
        rules = Rules(1 + seed % 2, (seed % 3) * 2.0, (1, 0.6)[seed % 2], 0.3 * (seed % 3), 0.3)
        best = brute(task, rules)
        if best is None:
            continue
        found = solve(task, rules)
        gaps.append(found.gap)
        lost.append((best - found.value) / abs(best))
    assert len(gaps) > 90
    assert np.median(gaps) <= 0.01 and max(gaps) <= 0.05
    assert max(lost) <= 0.01 and np.median(lost) < 1e-9


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 3))
def test_plain_assignment_is_the_optimum_however_few_candidates_it_looks_at(seed, rows, uses):
    from scipy.optimize import linear_sum_assignment

    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, 120)) + 2 * rng.normal(size=120)  # all want the same
    columns = np.arange(120)[None].repeat(rows, axis=0)
    chosen, worth = assign(columns, values, np.full(120, uses))
    full = np.repeat(values, uses, axis=1)
    best = linear_sum_assignment(full, maximize=True)
    assert worth == pytest.approx(full[best].sum())
    assert np.bincount(chosen).max() <= uses
    assert values[np.arange(rows), chosen].sum() == pytest.approx(worth)


def test_a_pool_that_is_too_small_grows(monkeypatch):
    monkeypatch.setattr(room, "POOL", 2)
    monkeypatch.setattr(room, "FIRST", 1)
    for seed in range(40):
        task, rules = task_of(seed, 4, 6), Rules(1, 0, 0.5, 0.4, 0.3)
        best = brute(task, rules)
        if best is not None:
            found = solve(task, rules)
            assert found.bound >= best - 1e-6
            assert found.value <= best + 1e-6


def test_the_same_task_has_the_same_answer():
    task, rules = task_of(3, 4, 6), Rules(2, 1.0, 0.6, 0.3, 0.3)
    first = solve(task, rules)
    assert all((solve(task, rules).columns == first.columns).all() for _ in range(3))
