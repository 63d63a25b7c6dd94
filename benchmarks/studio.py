"""How quickly a match follows a slider, a pin, a rejection; beside scipy's assignment.

The shots of a workspace's archive, jittered to as many as are asked for, answer trailer shots made
in the same way. Timed are, on the same numbers:

- *slider*: candidates reweighed and every shot answered once (nothing else asked for);
- *re-solve*: the same with pins, rejections, and shots that may answer twice, some seconds apart;
- *full*: the whole archive reweighed and answered, exactly;
- *scipy*: `linear_sum_assignment` on the full matrix, which is reweighed as *full* does.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from lab.candidates import Hand, gather
from lab.channels import CHANNELS, Calibration
from lab.likeness import Likeness, Weights, lowered, shares
from lab.search import open_archive
from lab.solve import NEVER, Rules, Task, solve
from lab.stages import IngestSettings
from lab.store import Workspace

DISTINCT = 0.5  # as matching begins
JITTER = 0.7  # of a vector's length
MOMENTS = (1, 1, 1, 2)  # of a shot, at random


def made(workspace: Workspace, rows: int, columns: int, seed: int) -> Likeness:
    """A trailer and an archive of jittered real vectors."""
    archive = open_archive(workspace, IngestSettings())
    ready = Calibration.fit(archive.vectors).apply(archive.vectors)
    rng = np.random.default_rng(seed)
    counts = [rng.choice(MOMENTS, count) for count in (rows, columns)]
    total = [int(count.sum()) for count in counts]
    firsts = [np.cumsum(count) - count for count in counts]
    later = np.arange(total[1]) - np.repeat(firsts[1], counts[1])
    order = np.argsort(later, kind="stable")
    scores = np.empty((len(CHANNELS), *total), np.float32)
    for number, name in enumerate(CHANNELS):
        some = [ready[name][rng.integers(0, len(ready[name]), count)] for count in total]
        some = [v + JITTER / v.shape[1] ** 0.5 * rng.normal(size=v.shape) for v in some]
        ours, theirs = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in some)
        scores[number] = ours @ theirs[order].T
    places = np.empty(total[1], int)
    places[order] = np.arange(total[1])
    return Likeness(scores, None, *firsts, rng.uniform(1, 4, total[0]), places)


def timed(run, count: int) -> np.ndarray:
    """Milliseconds of every run, the first left out."""
    took = []
    for number in range(count + 1):
        begin = time.perf_counter()
        run(number)
        took.append(1000 * (time.perf_counter() - begin))
    return np.array(took[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="workspace with an archive")
    parser.add_argument("--rows", type=int, default=150)
    parser.add_argument("--columns", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    likeness = made(Workspace(args.work), args.rows, args.columns, args.seed)
    rng, plain = np.random.default_rng(args.seed), Rules()
    weights = [Weights(**dict(zip(CHANNELS, rng.random(5).tolist(), strict=True)))
               for _ in range(args.runs + 1)]  # fmt: skip
    nothing = np.zeros((1, 1), np.float32)
    begin = time.perf_counter()
    pool = gather(likeness, lambda _: np.broadcast_to(nothing, (args.rows, args.columns)))
    told = f"{pool.known.sum(1).mean():.0f} a shot, recall {pool.recall:.4f}"
    print(f"candidates: {time.perf_counter() - begin:.1f} s, {told}")
    films = np.sort(rng.integers(0, 200, args.columns))
    task = Task(
        pool.columns, np.zeros(pool.columns.shape, np.float32), np.arange(args.rows) * 1.0,
        np.full(args.rows, -1), films, films, np.full(args.rows, -1),
    )  # fmt: skip
    lost = []

    sames = rng.random((args.columns, len(CHANNELS)), np.float32) * 0.1
    hand = Hand(
        pool, *np.broadcast_arrays(nothing, np.ones((args.rows, args.columns), bool)), sames
    )

    def slider(number: int, rules: Rules = plain, held: np.ndarray = task.fixed, no=None):
        values = hand.values(weights[number], DISTINCT)
        if no is not None:
            values[no] = NEVER
        return solve(replace(task, values=values, fixed=held), rules)

    held = task.fixed.copy()
    pinned = rng.choice(args.rows, args.rows // 10, replace=False)
    held[pinned] = pool.columns[pinned, 0]
    no = rng.random(pool.columns.shape) < 0.02
    twice = Rules(uses=2, apart=5.0)

    def full(number: int):
        score, _ = likeness.shots(weights[number])
        lowered(score, DISTINCT * (sames @ shares(weights[number])))
        return solve(replace(task, columns=None, values=score), plain)

    def scipy(number: int):
        score, _ = likeness.shots(weights[number])
        lowered(score, DISTINCT * (sames @ shares(weights[number])))
        return score[linear_sum_assignment(score, maximize=True)].sum()

    for name, run in {
        "slider": slider,
        "re-solve": lambda number: slider(number, twice, held, no),
        "full": full,
        "scipy": scipy,
    }.items():
        took = timed(run, args.runs if name != "scipy" else 5)
        usual, most = np.quantile(took, [0.5, 0.95])
        print(f"{name}: median {usual:.1f} ms, 95 in 100 below {most:.1f}")
    for number in range(min(args.runs, 10)):
        best = scipy(number)
        lost += [1 - slider(number).value / best, 1 - full(number).value / best]
    print("lost against scipy's optimum, slider and full:", max(lost[::2]), max(lost[1::2]))


if __name__ == "__main__":
    main()
