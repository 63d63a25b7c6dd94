"""What dies or hangs apart takes nothing else with it."""

import importlib
import math
import operator
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from lab import apart
from lab.apart import DiedError, Helper, spread

WORK = """
import os, time
from lab.apart import share_threads, watched

def piece(number, tell):
    tell(number, "half way")
    if number == 2:
        os.abort()
    if number == 3:
        raise ValueError("three")
    return number * number

def sleep(tell):
    tell(os.getpid())
    time.sleep(60)

def stuck():
    yield 1
    while True:
        pass

def hang():
    return list(watched(stuck(), 0.2))

def killed():
    os.kill(os.getpid(), 9)

def segfault():
    os.kill(os.getpid(), 11)

def steady():
    for number in range(4):
        time.sleep(0.3)
        yield number

def slow_but_steady():
    return list(watched(steady(), 0.8))

def slow_with_what_came():
    return [time.sleep(0.6) or number for number in watched(range(3), 0.4)]

def around(name):
    return os.environ.get(name)

def shared(jobs):
    import cv2, torch
    share_threads(jobs)
    return torch.get_num_threads(), cv2.getNumThreads()

def nothing_to_send():
    return (x for x in ())
"""


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Functions in a module that both sides can import; processes of this test's own."""
    (tmp_path / "some_work.py").write_text(WORK)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(apart, "_free", [])
    yield importlib.import_module("some_work")
    del sys.modules["some_work"]
    for helper in apart._free:
        helper.end()


@pytest.fixture
def helper(work):
    helper = Helper()
    yield helper
    helper.end()


def test_what_is_returned_or_raised_there_comes_back_here(helper):
    assert helper.call(divmod, 17, 5) == (3, 2)
    with pytest.raises(ZeroDivisionError, match="zero"):
        helper.call(operator.truediv, 1, 0)
    assert helper.call(os.getpid) == helper.process.pid != os.getpid()
    # what a library prints there is no answer
    assert helper.call(print, "printed") is None and helper.call(abs, -3) == 3


def test_a_cluster_s_thrift_does_not_reach_it(work, monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    helper = Helper()
    try:
        assert helper.call(work.around, "MALLOC_TRIM_THRESHOLD_") is None
        assert helper.call(work.around, "OMP_NUM_THREADS") == "1"
    finally:
        helper.end()


def test_what_cannot_be_sent_is_told_and_the_process_goes_on(helper, work):
    with pytest.raises(RuntimeError, match="generator"):
        helper.call(work.nothing_to_send)
    assert helper.call(abs, -1) == 1


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("segfault", "crashed .SIGSEGV."),
        ("killed", "was killed, as where memory runs out"),
        ("hang", "got no further and was stopped"),
    ],
)
def test_how_it_died_is_told(helper, work, name, how):
    with pytest.raises(DiedError, match=how):
        helper.call(getattr(work, name))
    assert not helper.alive
    with pytest.raises(DiedError):
        helper.call(abs, 1)


def test_only_each_wait_for_a_source_is_watched(helper, work):
    assert helper.call(work.slow_but_steady) == [0, 1, 2, 3]
    assert helper.call(work.slow_with_what_came) == [0, 1, 2]
    assert helper.call(time.sleep, 1.0) is None
    assert list(apart.watched(iter([1, 2]), 1e-9)) == [1, 2]  # here, nothing is given up


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_death_costs_one_piece(work, jobs):
    said, ended = [], {}
    for name, kind, content in spread(work.piece, {str(n): (n,) for n in range(5)}, jobs):
        if kind == "told":
            said.append((name, *content))
        else:
            ended[name] = kind, content
    assert sorted(said) == [(str(n), n, "half way") for n in range(5)]
    assert [ended[name] for name in "014"] == [("done", 0), ("done", 1), ("done", 16)]
    assert isinstance(ended["2"][1], DiedError) and isinstance(ended["3"][1], ValueError)
    assert len(apart._free) == 1


@pytest.mark.parametrize(
    ("cores", "memory", "jobs"), [(8, 16, 5), (2, 24, 2), (4, 1, 1), (1, 9, 1)]
)
def test_as_many_are_at_work_as_there_are_cores_and_memory_for(monkeypatch, cores, memory, jobs):
    monkeypatch.setattr("dask.system.CPU_COUNT", cores)
    monkeypatch.setattr("distributed.system.MEMORY_LIMIT", memory * 2**30)
    assert apart.affordable(3 * 2**30) == jobs


def test_who_stops_listening_stops_the_work(work):
    working = spread(work.sleep, {"a": (), "b": (), "c": ()}, 2)
    started = {next(working)[2][0] for _ in range(2)}
    before = time.monotonic()
    working.close()
    while any(map(_alive, started)):
        assert time.monotonic() - before < 5
        time.sleep(0.01)


def test_processes_end_with_the_one_that_asked(work, tmp_path):
    code = "import some_work\nfrom lab.apart import spread\n"
    code += "for _, _, said in spread(some_work.sleep, {'a': ()}, 1): print(*said, flush=True)"
    path = os.pathsep.join(filter(None, sys.path))
    asking = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path},
    )
    pid = int(asking.stdout.readline())
    assert _alive(pid)
    asking.send_signal(signal.SIGKILL)
    asking.wait()
    asking.stdout.close()
    before = time.monotonic()
    while _alive(pid):
        assert time.monotonic() - before < 10
        time.sleep(0.01)


def _alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits to be noticed does not."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_who_is_one_of_many_takes_one_thread_and_who_is_alone_all(helper, work):
    every = helper.call(work.shared, 1)
    assert helper.call(work.shared, math.inf) == (1, 1)
    assert helper.call(work.shared, 1) == every == (every[0], every[0])
