"""Killed, out of room, two at once: the store ends as an undisturbed one."""

import multiprocessing
import random
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress

import psutil
import pytest
from conftest import contents

from lab.ingest import ingest
from lab.sample import numbered_film
from lab.store import Workspace

KILLS = [(0, "one")] * 41 + [(1, "both"), (1, "who asks"), (1, "who works")] * 3
EACH = 5  # kills before a store is brought to its end
# Forked from a process that has imported all: fifty runs would else spend their time with that.
IMPORTED = ["lab.ingest", "decord", "efficientnet_lite_pytorch", "torch._inductor"]
FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(IMPORTED)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Two small films with sound: of 3 shots, and of 2."""
    folder = tmp_path_factory.mktemp("archive")
    for name, shots, first in (("a", 3, 10), ("b", 2, 20)):
        looks, size = range(first, first + shots), (160, 96)
        numbered_film(folder / f"{name}.mp4", [30] * shots, looks=looks, size=size, sound="aac")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def calm(films, tmp_path_factory):
    """What an undisturbed store holds; and how long it takes to make, by `jobs`."""
    stores, lasts = [], []
    for jobs in (0, 1):
        workspace = Workspace(tmp_path_factory.mktemp("calm"))
        begin = time.monotonic()
        ended(begun(films, workspace, jobs))
        lasts.append(time.monotonic() - begin)
        stores.append(contents(workspace.work))
    assert stores[0] == stores[1]
    return stores[0], lasts


def begun(films, workspace, jobs=0):
    process = FORKED.Process(target=ingest, args=(films, workspace), kwargs={"jobs": jobs})
    process.start()
    return process


def ended(process):
    process.join()
    assert process.exitcode == 0


def killed(process, whom):
    """Kill -9; False if there was nobody any more, or not yet."""
    with suppress(psutil.NoSuchProcess):
        asks = psutil.Process(process.pid)
        works = asks.children()
        if process.is_alive():
            for one in works if whom == "who works" else [asks, *works][: 1 + (whom == "both")]:
                one.kill()
            process.join()
            return bool(works) or whom != "who works"
    return False


@pytest.mark.long
def test_killed_fifty_times_the_store_ends_as_an_undisturbed_one(films, calm, tmp_path):
    whole, lasts = calm
    rng, kinds = random.Random(9), list(KILLS)
    rng.shuffle(kinds)
    workspace = Workspace(tmp_path)
    for number, (jobs, whom) in enumerate(kinds, 1):
        while True:
            process = begun(films, workspace, jobs)
            process.join(rng.uniform(0, lasts[jobs]))
            if killed(process, whom):
                break
            ended(process)  # sooner than it was to be killed
            assert contents(workspace.work) == whole
            shutil.rmtree(workspace.work)
        if number % EACH == 0:
            ended(begun(films, workspace))
            assert contents(workspace.work) == whole
            shutil.rmtree(workspace.work)


@pytest.mark.long
def test_two_at_once_share_the_work(films, calm, tmp_path):
    whole, _ = calm
    with ProcessPoolExecutor(2, mp_context=FORKED) as pool:
        asked = [pool.submit(ingest, films, Workspace(tmp_path), jobs=0) for _ in range(2)]
        reports = [one.result() for one in asked]
    made = [film_id for report in reports for film_id in report.made]
    known = whole["films.json"]["films"].keys()
    assert len(made) == len(known) and {*made} == {*known}
    assert all({*report.made, *report.stood} == {*known} for report in reports)
    assert contents(tmp_path / "work") == whole


@pytest.fixture
def small_disk(tmp_path):
    """A command before another, which may mount there what nobody else sees; and a folder."""
    disk = tmp_path / "disk"
    disk.mkdir()
    for way in (["unshare", "-rm"], ["unshare", "-m"]):
        if not subprocess.run([*way, "mount", "-t", "tmpfs", "tmpfs", disk]).returncode:
            return way, disk
    pytest.fail("a small disk cannot be mounted: allow user namespaces here, or test as root")


FILLED = """
set -e
disk=$1 out=$2 film=$3 python=$4
shift 4
mount -t tmpfs tmpfs "$disk"
for size; do
    mount -o remount,size="$size" "$disk"
    code=0
    "$python" -m lab.cli ingest "$film" --work "$disk" --jobs 1 \\
        >"$out/said" 2>"$out/$size" || code=$?
    echo "$size $code $(find "$disk" -name '.*' | wc -l)"
done
cp -r "$disk/work" "$out"
"""


@pytest.mark.long
def test_a_full_disk_is_told_in_one_sentence_and_once_there_is_room_it_goes_on(
    films, calm, small_disk, tmp_path
):
    whole, _ = calm
    (way, disk), out = small_disk, tmp_path / "out"
    out.mkdir()
    takes = sum(len(data) for data in whole.values() if isinstance(data, bytes))
    sizes = [str(round(share * takes)) for share in (0.05, 0.35, 0.65, 0.95)]
    words = [disk, out, films[0].parent, sys.executable, *sizes, "64m"]
    said = subprocess.check_output([*way, "sh", "-c", FILLED, "sh", *words], text=True)
    assert said.split("\n")[:-1] == [*(f"{size} 1 0" for size in sizes), "64m 0 0"]
    for size in sizes:
        lines = re.split(r"[\r\n]+", (out / size).read_text())
        told = [line for line in lines if line.strip() and not line.startswith("ingest")]
        assert len(told) == 1, told
        assert re.fullmatch(rf"lab: {disk}\S*: .*No space left on device.*\.", told[0])
    assert contents(out / "work") == whole
