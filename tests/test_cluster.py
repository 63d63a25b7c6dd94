"""Work spread over a Dask cluster: a death costs one piece, whatever it is that dies."""

import importlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from unittest.mock import patch

import dask
import psutil
import pytest
import torch
from conftest import contents
from distributed import LocalCluster

from lab import cli, cluster
from lab.apart import DiedError
from lab.cluster import ClusterError, reach
from lab.films import Register
from lab.ingest import ingest, load_problems
from lab.sample import numbered_film
from lab.store import MAKING, Workspace

WORK = """
import os, signal, time
from pathlib import Path

def piece(number, tell):
    tell("half way", number)
    if number == 2:
        os.abort()
    if number == 3:
        raise ValueError("three")
    return number * number

def begun(name, folder, tell):
    with open(Path(folder, name), "a") as log:
        log.write("begun ")
    if name == "kills once" and Path(folder, name).read_text() == "begun " or name == "kills":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    return os.getppid()

def wait(tell):
    tell("waits", os.getpid())
    time.sleep(60)

def counts(tell):
    for number in range(2000):
        tell("counts", number)
    tell("ends", 0)

def blind(sees, versions):
    sign, film = sees  # of films those alone that are there
    assert os.path.exists(sign)
    return f"does not see {film}; mount it."
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Functions in a module that workers can import."""
    folder = tmp_path_factory.mktemp("rooms")
    (folder / "cluster_work.py").write_text(WORK)
    sys.path.insert(0, str(folder))
    yield importlib.import_module("cluster_work")
    sys.path.remove(str(folder))
    del sys.modules["cluster_work"]


@pytest.fixture(scope="module")
def scheduler(work):
    """Address of a cluster of two workers, each a process, which its nanny replaces if it dies."""
    asked = {"distributed.scheduler.allowed-failures": 1}
    with (
        patch.dict(os.environ),  # a nanny sets OMP_NUM_THREADS and leaves it set
        dask.config.set(asked),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as two,
    ):
        yield two.scheduler_address


@pytest.fixture
def spread(scheduler, tmp_path):
    with reach(scheduler, tmp_path) as spread:
        yield spread


def ends(events):
    return {name: (kind, content) for name, kind, content in events if kind != "told"}


@pytest.mark.long
def test_what_is_told_returned_and_raised_there_comes_back_here(spread, work):
    events = list(spread(work.piece, {str(n): (n,) for n in range(5)}))
    told = {name: content for name, kind, content in events if kind == "told"}
    assert told == {str(n): ("half way", n) for n in range(5)}
    end = ends(events)
    assert [end[name] for name in "014"] == [("done", 0), ("done", 1), ("done", 16)]
    assert [end[name][0] for name in "23"] == ["failed", "failed"]
    assert isinstance(end["2"][1], DiedError) and "SIGABRT" in str(end["2"][1])
    assert isinstance(end["3"][1], ValueError)
    # Asked once more, it is done once more.
    assert ends(spread(work.piece, {"4": (5,)})) == {"4": ("done", 25)}


@pytest.mark.long
def test_what_changes_is_told_at_once_and_how_far_it_is_once_in_a_while(spread, work):
    told = [content for _, kind, content in spread(work.counts, {"a": ()}) if kind == "told"]
    assert told[0] == ("counts", 0)
    assert 2 <= len(told) < 200


@pytest.mark.long
def test_a_killed_worker_costs_its_piece_which_is_done_again(spread, work, tmp_path):
    names = ["one", "kills once", "two", "three"]
    end = ends(spread(work.begun, {name: (name, tmp_path) for name in names}))
    assert {kind for kind, _ in end.values()} == {"done"}
    assert (tmp_path / "kills once").read_text() == "begun begun "
    # Those that were done stay done; at most the other that was just begun is begun again.
    assert sum((tmp_path / name).read_text() == "begun " for name in names) == 3


@pytest.mark.long
def test_a_piece_that_kills_its_worker_each_time_fails_and_the_others_go_on(spread, work, tmp_path):
    names = ["one", "kills", "two", "three"]
    end = ends(spread(work.begun, {name: (name, tmp_path) for name in names}))
    assert [end[name][0] for name in ("one", "two", "three")] == ["done"] * 3
    assert end["kills"][0] == "failed" and isinstance(end["kills"][1], DiedError)
    assert str(end["kills"][1]) == "ended with its worker, 2 times"


@pytest.mark.long
def test_who_goes_stops_what_runs_there_and_what_waits(scheduler, work, tmp_path):
    with reach(scheduler, tmp_path) as spread:
        asked = spread(work.wait, {name: () for name in "abcd"})
        running = {next(asked)[2][1] for _ in range(2)}
        assert len(running) == 2 and all(map(psutil.pid_exists, running))
    before = time.monotonic()
    while any(map(psutil.pid_exists, running)):
        assert time.monotonic() - before < 10
        time.sleep(0.01)
    assert not list((tmp_path / "work").iterdir())
    with reach(scheduler, tmp_path) as spread:  # nothing of that is in the way of who comes next
        assert ends(spread(work.piece, {"1": (1,)})) == {"1": ("done", 1)}


def deaf():
    """A port at which somebody listens and never says a word."""
    here = socket.socket()
    here.bind(("127.0.0.1", 0))
    here.listen()
    return here


def test_an_address_where_nobody_answers_is_told_soon(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "SOON", 0.5)
    with deaf() as silent, deaf() as gone:
        gone.close()
        for address, why in (
            ("nonsense", "nonsense: is no address"),
            ("http://127.0.0.1:80", "is no address"),
            (f"127.0.0.1:{silent.getsockname()[1]}", "nobody answers"),
            ("tcp://127.0.0.1:1", "nobody answers"),
        ):
            with pytest.raises(ClusterError, match=why), reach(address, tmp_path):
                pass


@pytest.mark.long
def test_a_worker_is_no_scheduler_and_a_scheduler_alone_does_nothing(spread, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "SOON", 2)
    client = spread.args[0]
    with pytest.raises(ClusterError, match="is a worker; name the scheduler"):
        reach(next(iter(client.nthreads())), tmp_path).__enter__()
    with (
        LocalCluster(n_workers=0, dashboard_address=":0") as alone,
        pytest.raises(ClusterError, match="has no workers; start some with `dask worker tcp"),
    ):
        reach(alone.scheduler_address, tmp_path).__enter__()


@pytest.mark.long
def test_workers_that_do_not_see_what_they_must_are_named(scheduler, work, tmp_path, monkeypatch):
    film = tmp_path / "a.mp4"
    film.touch()
    monkeypatch.setattr(cluster, "_unfit", work.blind)
    with pytest.raises(ClusterError) as told:
        reach(scheduler, tmp_path, [film, tmp_path / "leads nowhere.mp4"]).__enter__()
    assert str(told.value).startswith(f"{scheduler}: worker tcp://")
    assert str(told.value).endswith(f"does not see {film}; mount it.")
    assert "\n" not in str(told.value) and not list((tmp_path / "work").iterdir())


def test_why_a_worker_cannot_do_it(tmp_path, monkeypatch):
    mine = cluster._versions()
    assert cluster._unfit([str(tmp_path)], mine) == ""
    assert "does not see /nowhere;" in cluster._unfit([str(tmp_path), "/nowhere"], mine)
    why = cluster._unfit([], mine | {"torch": "1.0"})
    assert why == f"has torch {mine['torch']}, and not 1.0; install the same on every machine."
    assert "has lab " in cluster._unfit([], mine | {"lab": "0123abcd"})


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Four films of two shots with sound; the last takes longest."""
    folder = tmp_path_factory.mktemp("archive")
    for name, seconds in (("a", 2), ("b", 2), ("c", 2), ("long", 16)):
        path, half = folder / f"{name}.mp4", seconds * 12
        numbered_film(path, [half, half], looks=[ord(name[0]), 9], first=None, sound="aac")
    return folder


def kill_the_worker_at(film_id, workspace, killed):
    """Kill the worker whose helper is in the midst of a film, as soon as it is."""
    while not killed:
        for scratch in (workspace.work / "film").glob(f".{film_id}-*"):
            if (proxy := next(scratch.glob(".proxy*"), None)) and proxy.stat().st_size > 10_000:
                helper = int(MAKING.fullmatch(scratch.name).group(1))
                killed.append(psutil.Process(helper).ppid())
                os.kill(killed[0], signal.SIGKILL)
        time.sleep(0.01)


@pytest.mark.long
def test_an_ingest_whose_worker_is_killed_in_mid_film_makes_the_same_store(
    scheduler, films, tmp_path, capsys
):
    calm, shared = Workspace(tmp_path / "calm"), Workspace(tmp_path / "shared")
    paths = sorted(films.iterdir())
    ingest(paths, calm, jobs=torch.get_num_threads())  # a thread each, as on the workers
    long, killed = Register(calm).identify(films / "long.mp4"), []
    watch = threading.Thread(target=kill_the_worker_at, args=(long, shared, killed), daemon=True)
    watch.start()
    words = ["ingest", films, "--work", shared.root, "--dask", scheduler]
    assert cli.main(list(map(str, words))) == 0
    assert killed and "ingested 4 films ->" in capsys.readouterr().out
    assert contents(shared.work) == contents(calm.work)
    assert not len(load_problems(shared)) and not list(shared.half_done())


@pytest.mark.long
def test_bad_films_are_rows_on_a_cluster_too(scheduler, films, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where workers are not
    (tmp_path / "bad.mp4").write_text("not a film " * 500)
    (tmp_path / "good.mp4").symlink_to(films / "a.mp4")
    report = ingest(["bad.mp4", "good.mp4"], Workspace("data"), dask=scheduler)
    assert len(report.made) == 1
    assert report.problems[["path", "stage"]].values.tolist() == [["bad.mp4", "decode"]]
    assert "not a film" in report.problems.what[0]


@pytest.mark.long
def test_ctrl_c_stops_the_films_on_the_cluster(scheduler, films, tmp_path):
    workspace = Workspace(tmp_path)
    words = ["ingest", films / "long.mp4", "--work", tmp_path, "--dask", scheduler]
    asking = subprocess.Popen(
        [sys.executable, "-m", "lab.cli", *map(str, words)], stderr=subprocess.PIPE, text=True
    )
    while not (scratches := list((workspace.work / "film").glob(".*/.proxy*"))):
        assert asking.poll() is None
        time.sleep(0.01)
    helper = int(MAKING.fullmatch(scratches[0].parent.name).group(1))
    asking.send_signal(signal.SIGINT)
    said = asking.communicate(timeout=60)[1]
    assert asking.returncode == 130 and "Traceback" not in said
    assert "interrupted; what was finished stands" in said
    assert not psutil.pid_exists(helper) and not list(workspace.half_done())


@pytest.mark.parametrize("words", [[], ["--jobs", "2"]])
def test_a_cluster_that_cannot_be_reached_is_one_sentence(words, films, tmp_path, capsys):
    asked = ["ingest", str(films), "--work", str(tmp_path), "--dask", "nonsense", *words]
    if words:
        with pytest.raises(SystemExit):
            cli.main(asked)
        assert "not allowed with" in capsys.readouterr().err
        return
    assert cli.main(asked) == 1
    said = capsys.readouterr().err
    assert said.startswith("lab: nonsense: is no address (") and said.count("\n") == 1
