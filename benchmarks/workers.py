"""How much sooner many films are done by two than by one: two jobs, two Dask workers.

    python benchmarks/workers.py [FILM ...] [--films 8] [--seconds 60] [--repeats 1]
                                 [--ways jobs dask]

Every way ingests the same films into an empty workspace, by the `lab` command in a fresh process,
all in turn; what is printed is its wall time, its start included, and the ratio of one to two: once
as it is, and once less what a film of a second takes by one, which is nearly all start. Of films of
minutes the start is a part that of an archive it is not. A Dask worker has one thread
and is held to a core of its own (Linux), so that two have the same each as one has; a job is free
to use what there is, as a user's is, and once more held to one core. The machine's own limit is
told beside: two that know nothing of each other, half of the films and a core each.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain
from pathlib import Path

from lab.sample import numbered_film

SHOT_SECONDS, RATE, SIZE = 4, 24, (1280, 720)
JOBS, WORKERS = 1.8, 1.9  # times as quick as one that two are meant to be
COMMAND = [sys.executable, "-c", "from lab.cli import main; raise SystemExit(main())", "ingest"]
DASK = [sys.executable, "-m", "dask"]
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
CALM = {  # as the README has it: how often Dask looks at itself
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "1s",
    "DASK_DISTRIBUTED__WORKER__PROFILE__INTERVAL": "1s",
}


def make_films(folder: Path, count: int, seconds: int) -> list[Path]:
    """Films of 720p, no two alike, with a cut every 4 s and sound."""
    shots, films = max(1, seconds // SHOT_SECONDS), []
    for number in range(count):
        films.append(folder / f"{number}.mp4")
        looks = range(number * shots, (number + 1) * shots)
        lengths = [SHOT_SECONDS * RATE] * shots
        numbered_film(films[-1], lengths, looks=looks, first=None, size=SIZE, sound="aac")
    return films


def held(cores: Collection[int]) -> dict:
    """For a process that is to run on these cores alone."""
    return {"preexec_fn": partial(os.sched_setaffinity, 0, cores)} if cores else {}


@contextmanager
def running(command: list, **asked) -> Iterator[None]:
    """A process that runs until the block ends."""
    process = subprocess.Popen(command, env=os.environ | CALM, **QUIET, **asked)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def cluster(folder: Path, cores: list[int]) -> Iterator[str]:
    """A scheduler, and a worker on each of these cores; gives the scheduler's address."""
    file = folder / "scheduler.json"
    asked = ["--scheduler-file", str(file), "--no-dashboard"]
    with ExitStack() as stack:
        stack.enter_context(running([*DASK, "scheduler", "--port", "0", *asked]))
        while not file.exists():
            time.sleep(0.1)
        for core in cores:
            worker = [*DASK, "worker", "--nthreads", "1", *asked]
            stack.enter_context(running(worker, **held({core})))
        address = json.loads(file.read_text())["address"]
        wait_for(address, len(cores))
        yield address


def wait_for(address: str, workers: int) -> None:
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(workers)


def ingest(films: list[Path], folder: Path, way: list[str], cores: Collection[int] = ()) -> float:
    """Seconds by the clock that `lab ingest` takes for films that it does not know."""
    command = [*COMMAND, *films, "--work", folder / "workspace", *way]
    began = time.monotonic()
    subprocess.run(list(map(str, command)), check=True, **QUIET, **held(cores))
    took = time.monotonic() - began
    print(f"{' '.join(way)} of {len(films)} films: {took:.1f} s", file=sys.stderr)
    shutil.rmtree(folder / "workspace")
    return took


def strangers(films: list[Path], folder: Path, cores: list[int]) -> float:
    """Seconds by the clock that two ingests take that share nothing but the machine."""

    def share(number: int) -> float:
        few, place = films[number :: len(cores)], folder / str(number)
        return ingest(few, place, ["--jobs", "1"], [cores[number]])

    with ThreadPoolExecutor() as pool:
        return max(pool.map(share, range(len(cores))))


def by_jobs(films: list[Path], short: Path, folder: Path, cores: list[int]) -> dict[str, float]:
    """Seconds that every way takes on this machine, once."""
    return {
        "start of a job held to a core": ingest([short], folder, ["--jobs", "1"], cores[:1]),
        "1 job": ingest(films, folder, ["--jobs", "1"]),
        "1 job held to a core": ingest(films, folder, ["--jobs", "1"], cores[:1]),
        "2 jobs": ingest(films, folder, ["--jobs", "2"]),
        "2 that share nothing": strangers(films, folder, cores),
    }


def by_dask(films: list[Path], short: Path, folder: Path, cores: list[int]) -> dict[str, float]:
    """Seconds that one worker takes, and two, once."""
    found = {}
    for name, what, held_to in (
        ("start of a worker", [short], cores[:1]),
        ("1 worker", films, cores[:1]),
        ("2 workers", films, cores),
    ):
        place = folder / "cluster"
        place.mkdir()
        with cluster(place, held_to) as address:
            found[name] = ingest(what, folder, ["--dask", address])
        shutil.rmtree(place)
    return found


WAYS = {"jobs": by_jobs, "dask": by_dask}


def report(runs: list[dict[str, float]]) -> None:
    """Seconds, and ratios of what was measured in the same run: between runs a machine changes."""
    for way in runs[0]:
        print(f"{way:<32}{_told([run[way] for run in runs], 's', 1)}")
    for one, two, start, aim in (
        ("1 job held to a core", "2 that share nothing", "start of a job held to a core", None),
        ("1 job", "2 jobs", "start of a job held to a core", JOBS),
        ("1 job held to a core", "2 jobs", "start of a job held to a core", JOBS),
        ("1 worker", "2 workers", "start of a worker", WORKERS),
    ):
        if one not in runs[0]:
            continue
        print(f"{one} / {two}: {_judged([run[one] / run[two] for run in runs], aim)}")
        lasting = [(run[one] - run[start]) / (run[two] - run[start]) for run in runs]
        print(f"    less their start: {_judged(lasting, aim)}")


def _judged(ratios: list[float], aim: float | None) -> str:
    met = statistics.median(ratios) >= (aim or 0)
    verdict = f"{'met' if met else 'missed'} ({aim})" if aim else "the machine's limit"
    return f"{_told(ratios, '', 3)}  {verdict}"


def _told(values: list[float], unit: str, places: int) -> str:
    """The median, and all of them where there are several."""
    each = ", ".join(f"{value:.{places}f}" for value in values)
    median = f"{statistics.median(values):.{places}f} {unit}".rstrip()
    return f"{median:>8}  ({each})" if len(values) > 1 else f"{median:>8}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "given", nargs="*", type=Path, metavar="FILM", help="by default some are made"
    )
    parser.add_argument("--films", type=int, default=8, help="how many are made")
    parser.add_argument("--seconds", type=int, default=60, help="of each film made")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=[*WAYS])
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise SystemExit("this machine has one core; two are needed.")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        films = args.given or make_films(folder, args.films, args.seconds)
        short = folder / "short.mp4"
        numbered_film(short, [RATE], first=None, size=SIZE, sound="aac")
        runs = [
            dict(chain(*(WAYS[way](films, short, folder, cores).items() for way in args.ways)))
            for _ in range(args.repeats)
        ]
    report(runs)


if __name__ == "__main__":
    main()
