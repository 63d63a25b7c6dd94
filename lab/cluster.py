"""Work spread over machines: pieces of it go to a Dask cluster whose workers share a folder.

A worker has each piece done by a helper (`lab.apart`), so that what crashes or hangs there costs
that piece alone, and neither the worker nor what else it does. A worker that is killed is its
machine's trouble: Dask gives its pieces to another. What is asked and answered passes through a
worker sealed, so that it never loads a network itself and stays small.

The only room that imports `distributed`, and only when somebody asks for a cluster.
"""

from __future__ import annotations

import asyncio
import importlib.metadata as metadata
import logging
import os
import pickle
import platform
import queue
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path

from lab import LabError
from lab.apart import DiedError, Helper, borrowed, end_free, stop
from lab.store import aside, key_of

SOON = 10.0  # seconds in which a scheduler answers, and has a worker
EVERY = 1.0  # seconds between two words on how far a piece is
LOOK = 5.0  # seconds between two looks at how many workers there are
SAMPLED = 100  # films of which every worker is asked whether it sees them
NAMED = 3  # workers that are named in a sentence
ALIKE = ("av", "distributed", "numpy", "opencv-python-headless", "torch", "transformers")


class ClusterError(LabError):
    """A cluster that cannot be worked with: one sentence with its address, the cause, a remedy."""


@contextmanager
def reach(address: str, root, films: Iterable = ()) -> Iterator[Callable]:
    """Come to a Dask cluster whose workers can do what is asked of them here.

    When the block ends, whatever ends it, what still runs there is stopped.

    Parameters
    ----------
    address : str
        Of the scheduler, such as ``tcp://192.168.0.5:8786``.
    root : path-like
        The workspace; every worker must see it at this path.
    films : iterable of path-like
        Workers must see them too; those that nobody sees here are passed over.

    Yields
    ------
    callable
        As `lab.apart.spread`, of function and pieces; how many at once is the cluster's matter:
        one for every thread of its workers. What was only said may be passed over.

    Raises
    ------
    ClusterError
        If nobody answers, there is no worker, or one does not see what it must or has other
        versions of what is installed.
    """
    sign = aside(Path(root).absolute() / "work" / "cluster")
    with _quiet(), _client(address) as client:
        try:
            sign.parent.mkdir(parents=True, exist_ok=True)
            sign.touch()
            films = [os.path.abspath(film) for film in films]
            films = [film for film in films[:: len(films) // SAMPLED + 1] if os.path.exists(film)]
            _check(client, address, [str(sign), *films])
            yield partial(_spread, client, address, str(sign))
        finally:
            sign.unlink(missing_ok=True)
            if client.status == "running":
                client.run(_stop, _asker(client), on_error="ignore")


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing is printed by Dask: what goes wrong is told in a sentence."""
    log = logging.getLogger("distributed.client")
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = False


def _client(address: str):
    import distributed

    try:
        with ThreadPoolExecutor(1) as thread:  # a notebook's own has a loop that runs
            kind = thread.submit(asyncio.run, _who(address)).result()
    except ValueError as error:
        why = f"is no address ({error}); write it as the scheduler does, tcp://MACHINE:PORT."
        raise ClusterError(f"{address}: {why}") from None
    except OSError:
        why = "nobody answers; start `dask scheduler` there, or check the address."
        raise ClusterError(f"{address}: {why}") from None
    if kind != "Scheduler":
        raise ClusterError(f"{address}: is a {kind.lower()}; name the scheduler's address.")
    client = distributed.Client(address, timeout=SOON, set_as_default=False)
    try:
        client.wait_for_workers(1, timeout=SOON)
    except TimeoutError:
        client.close()
        why = f"has no workers; start some with `dask worker {address}`."
        raise ClusterError(f"{address}: {why}") from None
    return client


async def _who(address: str) -> str:
    """What answers at an address: Scheduler, Worker or Nanny."""
    import distributed

    async def identity() -> dict:
        async with distributed.rpc(address, timeout=SOON) as there:
            return await there.identity()

    return (await asyncio.wait_for(identity(), SOON))["type"]


def _check(client, address: str, sees: list[str]) -> None:
    """Make sure that every worker can do what is asked."""
    answers: dict[str, list[str]] = defaultdict(list)
    for worker, why in client.run(_unfit, sees, _versions(), on_error="return").items():
        if isinstance(why, Exception):
            why = f"cannot begin ({why}); install the same version of lab there."
        answers[why].append(worker)
    answers.pop("", None)
    for why, workers in answers.items():
        more = f" and {len(workers) - NAMED} more" if len(workers) > NAMED else ""
        raise ClusterError(f"{address}: worker {', '.join(workers[:NAMED])}{more} {why}")


def _unfit(sees: list[str], versions: dict[str, str]) -> str:
    """Why this worker cannot do what is asked; empty if it can."""
    for path in sees:
        if not os.path.exists(path):
            why = "workspace and films must lie at the same paths on every machine."
            return f"does not see {path}; {why}"
    for name, wanted in versions.items():
        if (here := _versions()[name]) != wanted:
            return f"has {name} {here}, and not {wanted}; install the same on every machine."
    return ""


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    """Versions on which it depends what comes of a film; of the lab, of its source as it is."""
    rooms = sorted(Path(__file__).parent.rglob("*.py"))
    packages = {name: metadata.version(name).partition("+")[0] for name in ALIKE}
    own = key_of(*(room.read_text(encoding="utf-8") for room in rooms))
    return {"Python": platform.python_version().rpartition(".")[0], "lab": own, **packages}


def _spread(
    client, address: str, sign: str, function: Callable, pieces: Mapping[str | int, tuple]
) -> Iterator[tuple]:
    """As `lab.apart.spread`."""
    news, waiting, running = queue.SimpleQueue(), list(reversed(pieces)), {}
    asker = _asker(client)
    client.subscribe_topic(asker, lambda event: _said(news, *event[1]))
    while waiting or running:
        # No more at once than there are threads: who waits behind a piece that kills its worker
        # would be blamed with it.
        while waiting and len(running) < max(1, _threads(client, address)):
            name = waiting.pop()
            asked = asker, name, pickle.dumps((function, pieces[name])), sign, _versions()
            running[name] = client.submit(_do, *asked, pure=False)
            running[name].add_done_callback(partial(_ended, news, name))
        try:
            name, kind, content = news.get(timeout=LOOK)
        except queue.Empty:  # there may be more workers now
            continue
        if kind == "ended":
            kind, content = _end(running.pop(name), address)
        elif name not in running:  # it said so before it ended, and was overtaken
            continue
        yield name, kind, content


def _asker(client) -> str:
    """Who asks, and under which heading workers say how far they are."""
    return f"lab-{client.id}"


def _threads(client, address: str) -> int:
    """Of all workers together."""
    try:
        return sum(client.nthreads().values())
    except OSError:
        raise _gone(address) from None


def _gone(address: str) -> ClusterError:
    why = "the scheduler has gone; start it, and run this again to go on."
    return ClusterError(f"{address}: {why}")


def _said(news: queue.SimpleQueue, name: str | int, *words) -> None:
    news.put((name, "told", words))


def _ended(news: queue.SimpleQueue, name: str | int, future) -> None:
    news.put((name, "ended", None))


def _end(future, address: str) -> tuple:
    """How a piece ended: what it came to, or the error."""
    from distributed import KilledWorker

    if future.status == "finished":
        end = pickle.loads(future.result())
        future.release()  # or it would be done once more if the worker that keeps it is killed
        return end
    if future.status == "cancelled":
        raise _gone(address)
    error = future.exception()
    if isinstance(error, KilledWorker):
        times = error.allowed_failures + 1
        return "failed", DiedError(f"ended with its worker, {times} times")
    raise ClusterError(f"{address}: a worker failed ({error!r}); what it printed says more.")


# On the workers.

_working: dict[str, set[Helper]] = defaultdict(set)  # by who asked
_over: set[str] = set()  # who asks for nothing more


def _do(asker: str, name: str | int, question: bytes, sign: str, versions: dict[str, str]) -> bytes:
    """Have a piece done by a helper of this worker; the end comes back sealed."""
    from distributed import get_worker

    worker = get_worker()
    if why := _unfit([sign], versions):  # one that came later, and was not asked yet
        return pickle.dumps(("failed", ClusterError(f"worker {worker.address} {why}")))
    with borrowed() as helper:
        _working[asker].add(helper)
        try:
            if asker in _over:
                raise DiedError("was stopped")
            return helper.call(_unsealed, question, tell=_telling(worker, asker, name))
        except Exception as error:
            return pickle.dumps(("failed", error))
        finally:
            _working[asker].discard(helper)


def _unsealed(question: bytes, tell: Callable) -> bytes:
    """In the helper: do what is asked."""
    function, args = pickle.loads(question)
    try:
        end = "done", function(*args, tell=tell)
    except Exception as error:
        end = "failed", error
    return pickle.dumps(end)


def _telling(worker, asker: str, name: str | int) -> Callable:
    """Say at once what a piece does now, and once in a while how far it is."""
    doing, said = None, 0.0

    def tell(what: str, *more) -> None:
        nonlocal doing, said
        if what != doing or time.monotonic() > said + EVERY:
            doing, said = what, time.monotonic()
            worker.log_event(asker, (name, what, *more))

    return tell


def _stop(asker: str) -> None:
    """Stop what still runs for someone, and give back the memory of who has nothing to do."""
    _over.add(asker)
    stop(_working.pop(asker, ()))
    end_free()
