"""What it takes to begin a match with a large archive: room beside its vectors, and time.

    python benchmarks/desk.py [--moments 60000] [--rows 150]

Vectors are random, as wide as the packaged encoder's, and films have as many shots as films of 90
minutes (docs/SCALE.md). The archive is looked at in blocks of moments, as the lab does it, and for
comparison as one block. Each runs in a process of its own, whose largest size is told, less its
size when there was nothing but tables and vectors.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time

import numpy as np
import pandas as pd
import psutil

from lab import channels
from lab.language import WORDS
from lab.match import open_desk
from lab.tables import Archive

WIDTHS = {"subject": 1280, "composition": 384, "colour": 120, "motion": 49, "framing": 27}
SHOTS, MOMENTS, SECONDS, RATE = 1270, 2420, 4.25, 24  # of a film; of a shot; frames a second


def made(films: list[str], shots: int, count: int, seed: int) -> Archive:
    """Films of so many shots and moments each."""
    rng, tables, moments = np.random.default_rng(seed), [], []
    start = np.arange(shots) * SECONDS
    for film in films:
        names = np.array([f"{film}-{number}" for number in range(shots)], object)
        table = pd.DataFrame({"shot_id": names, "film_id": film, "flags": "", "start": start})
        table = table.assign(end=start + SECONDS, **dict.fromkeys(WORDS, ""))
        tables.append(table.assign(clean_start=table.start, clean_end=table.end))
        own = np.sort(np.append(np.arange(shots), rng.integers(0, shots, count - shots)))
        moments.append(pd.DataFrame({"shot_id": names[own], "start": start[own]}))
    table, total = pd.concat(tables, ignore_index=True), count * len(films)
    table["start_frame"] = (table.start * RATE).round().astype(int)
    table["end_frame"] = (table.end * RATE).round().astype(int)
    moment = pd.concat(moments, ignore_index=True)
    vectors = {name: rng.standard_normal((total, d), np.float32) for name, d in WIDTHS.items()}
    told = pd.DataFrame({"film_id": films, "title": films, "path": films, "width": 16, "height": 9})
    told["crop"] = [(0, 0, 1, 1)] * len(films)
    return Archive(told, table, moment.assign(end=moment.start + SECONDS / 2), vectors)


def begun(moments: int, rows: int, block: int | None) -> tuple[float, float]:
    """Seconds that a match takes to begin, and bytes a moment that it takes at most."""
    channels.BLOCK = block or channels.BLOCK
    archive = made([f"f{k}" for k in range(moments // MOMENTS)], SHOTS, MOMENTS, 0)
    trailer = made(["trailer"], rows, round(rows * 1.25), 1)
    times = np.arange(rows * SECONDS * RATE + RATE) / RATE
    before, begin = psutil.Process().memory_info().rss, time.perf_counter()
    open_desk(trailer, archive, lambda film: {"times": times})
    took = time.perf_counter() - begin
    most = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return took, (most - before) / len(archive.moments)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--moments", type=int, default=60_000)
    parser.add_argument("--rows", type=int, default=150, help="the trailer's shots")
    args = parser.parse_args()
    found = {}
    for name, block in (("in blocks", None), ("all at once", args.moments)):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found[name] = pool.apply(begun, (args.moments, args.rows, block))
        took, most = found[name]
        print(f"{name:<12} {took:6.1f} s, {most / 1000:5.1f} kB a moment beside its vectors")
    took, most = np.divide(found["in blocks"], found["all at once"])
    print(f"in blocks / all at once: time {took:.2f}, room {most:.2f}")


if __name__ == "__main__":
    main()
