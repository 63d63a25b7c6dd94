"""Work done apart: in a process of its own, which may die or hang and takes nothing else with it.

What is asked and what is answered go through the pipes of a fresh Python, so that a script needs
no ``if __name__ == "__main__"``, and a notebook may ask as well. A process serves one piece of
work after another, and one that died is replaced. All end with the process that asked, whatever
ended that.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial

HUNG = 1  # exit status of a process that gave itself up: `faulthandler`'s
# A Dask worker keeps little, and gives memory back at once: a film would take a third longer.
NOT_FOR_HELPERS = {"MALLOC_TRIM_THRESHOLD_"}
LENGTH = "<Q"  # bytes of a question, before it


class DiedError(Exception):
    """A process that ended in the midst of its work; the message is how."""


class KilledError(DiedError):
    """One that somebody killed, as a system does whose memory runs out."""


class Helper:
    """A process that does one thing at a time.

    Examples
    --------
    >>> helper = Helper()
    >>> helper.call(divmod, 7, 2)
    (3, 1)
    >>> helper.end()
    """

    def __init__(self):
        path = os.pathsep.join(filter(None, sys.path))  # the same rooms, wherever found
        around = {name: said for name, said in os.environ.items() if name not in NOT_FOR_HELPERS}
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from lab.apart import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=around | {"PYTHONPATH": path},
        )

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def call(self, function: Callable, *args, tell: Callable | None = None):
        """What `function(*args)` returns there; what it raises there is raised here.

        Parameters
        ----------
        function : callable
            Of a module that can be imported.
        *args
        tell : callable, optional
            The function gets a `tell` too; what it says there while it works is said here.

        Raises
        ------
        DiedError
        """
        question = pickle.dumps((function, args, tell is not None))
        try:
            self.process.stdin.write(struct.pack(LENGTH, len(question)) + question)
            self.process.stdin.flush()
            while True:
                kind, content = pickle.load(self.process.stdout)
                if kind == "raised":
                    raise content
                if kind == "done":
                    return content
                tell(*content)
        except (BrokenPipeError, EOFError, pickle.UnpicklingError):
            raise _death(self.process.wait()) from None

    def end(self) -> None:
        """Stop it at once."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):  # half a question that nobody reads any more
                pipe.close()


def _death(status: int) -> DiedError:
    if status == HUNG:
        return DiedError("got no further and was stopped")
    if status == -signal.SIGKILL:
        return KilledError("was killed, as where memory runs out")
    name = signal.Signals(-status).name if status < 0 else f"status {status}"
    return DiedError(f"crashed ({name})")


_serving = False  # whether this is a process apart
_free: list[Helper] = []  # with nothing to do: the next work finds one that has started already


@contextlib.contextmanager
def borrowed() -> Iterator[Helper]:
    """A helper that has nothing else to do; whoever borrows next finds it started already."""
    helper = _taken()
    try:
        yield helper
    finally:
        _free.append(helper)


def stop(helpers: Iterable[Helper]) -> None:
    """Stop helpers in the midst of their work: all at once, as each takes a while to be gone."""
    stopped = [*helpers]
    for helper in stopped:
        helper.process.kill()
    for helper in stopped:
        helper.process.wait()


def end_free(but: int = 0) -> None:
    """End the helpers that have nothing to do, `but` so many."""
    with contextlib.suppress(IndexError):  # others take of them at the same time
        while len(_free) > but:
            _free.pop().end()


def _taken() -> Helper:
    with contextlib.suppress(IndexError):
        while not (helper := _free.pop()).alive:
            helper.end()
        return helper
    return Helper()


def spread(function: Callable, pieces: Mapping[Hashable, tuple], jobs: int) -> Iterator[tuple]:
    """Do the same to many pieces, `jobs` at once, each in a process apart.

    Parameters
    ----------
    function : callable
        Called there with a piece's arguments, and `tell`.
    pieces : mapping of hashable to tuple
        Arguments by whatever names them, in the order in which they are begun.
    jobs : int

    Yields
    ------
    name
        Of the piece.
    kind : str
        ``"told"``, ``"done"`` or ``"failed"``.
    content
        The tuple of what was said; what was returned; the error, a `DiedError` where the
        process ended.
    """
    news, busy, over = queue.SimpleQueue(), set(), threading.Event()

    def work(name: Hashable) -> None:
        with borrowed() as helper:
            busy.add(helper)
            try:
                if over.is_set():
                    return
                said = partial(_say, news, name)
                end = "done", helper.call(function, *pieces[name], tell=said)
            except Exception as error:
                end = "failed", error
            finally:
                busy.discard(helper)
        news.put((name, *end))

    pool, left = ThreadPoolExecutor(jobs), len(pieces)
    try:
        for name in pieces:
            pool.submit(work, name)
        while left:
            name, kind, content = news.get()
            left -= kind != "told"
            yield name, kind, content
    finally:
        over.set()
        pool.shutdown(wait=False, cancel_futures=True)
        stop(busy)
        end_free(but=1)


def _say(news: queue.SimpleQueue, name: Hashable, *words) -> None:
    news.put((name, "told", words))


def affordable(memory: float) -> int:
    """How many processes at once this machine has cores for, and memory, if each takes so much.

    Parameters
    ----------
    memory : float
        Bytes.

    Returns
    -------
    int
        At least 1. Of a container it is its own cores and memory that count.
    """
    from dask.system import CPU_COUNT  # not needed by who does one thing
    from distributed.system import MEMORY_LIMIT

    return int(max(1, min(CPU_COUNT, MEMORY_LIMIT // memory)))


def share_threads(jobs: float) -> None:
    """Keep this process to its share of the threads of a machine on which so many are at work."""
    import cv2  # slow, as torch is, and not needed by who only asks
    import torch

    share = int(max(1, _threads() // jobs))
    torch.set_num_threads(share)
    cv2.setNumThreads(share)


@lru_cache(maxsize=1)
def _threads() -> int:
    """As many as torch takes of itself."""
    import torch

    return torch.get_num_threads()


def watched(source: Iterable, seconds: float) -> Iterator:
    """Pass on what a source gives; a process apart is given up where it gives nothing for long.

    Only the wait for the source counts, not what is done with what it gave. The interpreter's own
    thread keeps watch, which needs no return from whatever hangs. Elsewhere than in a process
    apart nothing is watched: giving up a notebook would lose more than a film.
    """
    source, over = iter(source), object()
    while True:
        if _serving:
            faulthandler.dump_traceback_later(seconds, exit=True, file=_nowhere())
        try:
            one = next(source, over)
        finally:
            faulthandler.cancel_dump_traceback_later()
        if one is over:
            return
        yield one


@lru_cache(maxsize=1)
def _nowhere():
    return open(os.devnull, "w")


def serve() -> None:
    """Do what is asked on standard input and answer on standard output, until that is closed."""
    global _serving
    _serving = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asked decides what is stopped
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    questions = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, questions), daemon=True).start()
    while True:
        _answer(questions.get(), partial(_write, answers))


def _listen(pipe, questions: queue.SimpleQueue) -> None:
    """Pass on what is asked; when nobody can ask any more, end at once, in mid-work too."""
    while length := pipe.read(struct.calcsize(LENGTH)):
        questions.put(pipe.read(*struct.unpack(LENGTH, length)))
    os._exit(0)


def _write(answers, kind: str, content) -> None:
    answers.write(pickle.dumps((kind, content)))
    answers.flush()


def _answer(question: bytes, write: Callable) -> None:
    try:
        function, args, tells = pickle.loads(question)
        told = {"tell": lambda *words: write("told", words)} if tells else {}
        end = "done", function(*args, **told)
    except Exception as error:
        end = "raised", error
    try:
        write(*end)
    except (pickle.PicklingError, TypeError, AttributeError):
        write("raised", RuntimeError(f"{type(end[1]).__name__}: {end[1]}"))
