"""The store never shows anything half done, whatever happens to the one who writes."""

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lab import store
from lab.store import Workspace, key_of, read_json, write_json, write_whole
from lab.video import HOST, WriteError, maker
from lab.video.writing import part_of


def everything(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_part_appears_only_when_complete(tmp_path):
    workspace = Workspace(tmp_path)
    final = workspace.part("shots", "f1", "k1")
    with workspace.making("shots", "f1", "k1") as folder:
        (folder / "a.txt").write_text("a")
        assert not final.exists()
        assert folder.parent == final.parent  # on the same disk, so that a rename is enough
        (folder / "b.txt").write_text("b")
    named = _in(final, "a.txt", "b.txt", store.CARD)
    assert everything(workspace.work) == ["shots", "shots/f1-k1", *named]


def _in(final, *names):
    return [f"{final.parent.name}/{final.name}/{name}" for name in names]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_what_breaks_off_leaves_nothing(tmp_path, error):
    workspace = Workspace(tmp_path)
    with pytest.raises(error), workspace.making("shots", "f1", "k1") as folder:
        (folder / "half").write_text("half")
        raise error
    assert everything(workspace.work) == ["shots"]


def test_a_part_that_another_finished_first_stands(tmp_path):
    workspace = Workspace(tmp_path)
    with workspace.making("film", "f1", "k1") as slow:
        (slow / "by").write_text("the slow one")
        with workspace.making("film", "f1", "k1") as quick:
            (quick / "by").write_text("the quick one")
    final = workspace.part("film", "f1", "k1")
    assert (final / "by").read_text() == "the quick one"
    assert everything(workspace.work) == ["film", *["film/f1-k1", *_in(final, "by", store.CARD)]]


@pytest.mark.parametrize(("number", "kind"), [(28, WriteError), (122, WriteError), (5, OSError)])
def test_a_rename_that_fails_is_told(tmp_path, monkeypatch, number, kind):
    def fails(*paths):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(store.os, "replace", fails)
    making = Workspace(tmp_path).making("film", "f", "k")
    with pytest.raises(kind, match=os.strerror(number)) as told, making:
        pass
    # Of the part, not of what is under a name that nobody knows.
    assert number == 5 or told.value.path == str(tmp_path / "work" / "film" / "f-k")
    assert everything(tmp_path / "work") == ["film"]


def test_sweep_takes_only_what_the_dead_left(tmp_path):
    workspace = Workspace(tmp_path)
    # A process that ends without a word in the midst of its work, as under `kill -9`.
    code = """
import os, sys
from lab.store import Workspace
making = Workspace(sys.argv[1]).making("film", "dead", "k")
folder = making.__enter__()
(folder / "half").write_text("half")
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == 9
    with workspace.making("film", "done", "k") as folder:
        (folder / "whole").write_text("whole")
    with workspace.making("film", "living", "k") as folder:
        (folder / "soon").write_text("soon")
        assert len(list((workspace.work / "film").iterdir())) == 3
        workspace.sweep()
        assert {path.name for path in (workspace.work / "film").iterdir()} == {
            "done-k",
            folder.name,
        }
    assert everything(workspace.work / "film") == [
        "done-k",
        "done-k/part.json",
        "done-k/whole",
        "living-k",
        "living-k/part.json",
        "living-k/soon",
    ]


def test_a_part_says_what_it_holds_and_later_damage_shows(tmp_path):
    workspace = Workspace(tmp_path)
    with workspace.making("looks", "f", "k", encoder="someone") as folder:
        (folder / "vectors").write_bytes(b"0123456789")
        (folder / "empty").touch()
        time.sleep(0.02)
    part = workspace.part("looks", "f", "k")
    card = read_json(part / store.CARD)
    assert card["made_with"] == {"encoder": "someone"}
    assert card["seconds"] >= 0.02 and 0 <= card["cpu_seconds"] < 60
    assert card["files"].keys() == {"vectors", "empty"}
    assert card["files"]["vectors"] == hashlib.blake2b(b"0123456789", digest_size=8).hexdigest()
    assert store.whole(part) is True
    (part / "vectors").write_bytes(b"0123456788")  # as long as before
    assert store.whole(part) is False
    (part / "vectors").write_bytes(b"0123456789")
    assert store.whole(part) is True
    (part / "empty").unlink()
    assert store.whole(part) is False
    (part / store.CARD).write_text("{")
    assert store.whole(part) is False
    (part / store.CARD).unlink()
    assert store.whole(part) is None  # an older version's: nobody knows


@pytest.mark.parametrize(
    "name",
    [
        "film/.0123456789ab-89abcdef.{}-12ab9f",
        ".films.json.{}",
        "duplicates/.1234abcd.json.{}",
        "sound/.0123456789ab.m4a.{}.part",
        "render/.{}-line\nbreak 12.mp4",
    ],
)
def test_all_that_is_left_half_done_is_known_by_its_name(tmp_path, name):
    workspace = Workspace(tmp_path)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    lives = {maker(): True, f"{dead.pid}@{HOST}": False, f"{dead.pid}@of_another_house": None}
    places = {workspace.work / name.format(who): alive for who, alive in lives.items()}
    for path in places:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    whole = path.with_name("0123456789ab-89abcdef.12")
    whole.write_bytes(b"whole")
    assert dict(workspace.half_done()) == places
    workspace.sweep()
    left = {path for path, alive in places.items() if alive is not False}
    assert set(path.parent.iterdir()) == {*left, whole}


def test_names_in_the_making_are_those_of_who_makes_them(tmp_path):
    final = tmp_path / "work" / "film" / "f-k"
    for scratch in (store.aside(final), part_of(final)):
        assert store.MAKING.fullmatch(scratch.name).group(1, 2) == (str(os.getpid()), HOST)
        assert scratch.parent == final.parent


def test_a_machine_s_name_is_one_word():
    assert re.fullmatch(r"[A-Za-z0-9_]+", HOST)


def test_beside_a_file_only_what_the_dead_of_this_machine_left_goes(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    makers = f"{dead.pid}@{HOST}", maker(), f"{dead.pid}@of_another_house"
    gone, *stay = [tmp_path / f".a.mp4.{who}.part" for who in makers]
    stay += [tmp_path / f".b.mp4.{dead.pid}@{HOST}.part", tmp_path / ".a.mp4.0123abcd.part"]
    for path in (gone, *stay):
        path.touch()
    store.sweep_beside(tmp_path / "a.mp4")
    assert {*tmp_path.iterdir()} == {*stay}


HOLDS = """
import sys, time
from lab.store import Workspace
with Workspace(sys.argv[1]).alone("0123456789ab"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_holds_is_waited_for_and_ends_with_its_holder(tmp_path):
    workspace = Workspace(tmp_path)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    lock = workspace.work / ".0123456789ab.lock"
    # Made on another machine, where processes have other numbers: it lives as the lock is held.
    scratch = workspace.work / "film" / f".0123456789ab-k.{dead()}@elsewhere-abcdef"
    stranger = workspace.work / "film" / f".ba9876543210-k.{dead()}@{HOST}-abcdef"
    for path in (scratch, stranger):
        path.mkdir(parents=True)
    assert dict(workspace.half_done()) == {lock: True, scratch: True, stranger: False}
    workspace.sweep()
    workspace.remove(lock)
    assert lock.exists() and scratch.exists() and not stranger.exists()

    def busy():
        raise LookupError

    with pytest.raises(LookupError), workspace.alone("0123456789ab", busy):
        pass
    waited = []

    def waits():
        waited.append(holder.poll())
        holder.kill()

    with workspace.alone("another", busy), workspace.alone("0123456789ab", waits):
        assert waited == [None] and holder.wait() == -9
    holder.stdout.close()
    assert dict(workspace.half_done()) == {scratch: None}


def dead():
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_lock_of_the_dead_is_swept(tmp_path):
    workspace = Workspace(tmp_path)
    code = HOLDS.replace("time.sleep(60)", "import os; os._exit(9)")
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.DEVNULL)
    lock = workspace.work / ".0123456789ab.lock"
    assert dict(workspace.half_done()) == {lock: False}
    workspace.sweep()
    assert everything(workspace.work) == []


def test_of_many_one_at_a_time_is_alone(tmp_path):
    workspace, inside, most = Workspace(tmp_path), [], []

    def comes(number):
        for _ in range(20):
            with workspace.alone("films.json"):
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)

    threads = [threading.Thread(target=comes, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 80 and everything(workspace.work) == []


def test_sweep_of_an_empty_place_does_nothing(tmp_path):
    Workspace(tmp_path / "none").sweep()
    assert not (tmp_path / "none").exists()


def test_a_key_changes_with_each_thing_it_depends_on():
    depends = [
        ("shots", 1, {"threshold": 0.5, "size": (48, 27)}),
        ("looks", 1, {"threshold": 0.5, "size": (48, 27)}),
        ("shots", 2, {"threshold": 0.5, "size": (48, 27)}),
        ("shots", 1, {"threshold": 0.6, "size": (48, 27)}),
        ("shots", 1, {"threshold": 0.5, "size": (27, 48)}),
        ("shots", 1, {"threshold": 0.5}),
        ("shots", "1", {"threshold": 0.5, "size": (48, 27)}),
        ("shots", 1),
        (),
    ]
    keys = [key_of(*each) for each in depends]
    assert len(set(keys)) == len(depends)
    assert all(len(key) == 8 and int(key, 16) >= 0 for key in keys)


def test_a_key_does_not_hang_on_the_order_of_names_or_the_process():
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    code = "from lab.store import key_of; print(key_of('shots', 1, {'crf': '23', 'g': 12}))"
    other = dict(os.environ, PYTHONHASHSEED="7")
    said = subprocess.run([sys.executable, "-c", code], env=other, capture_output=True, text=True)
    assert said.stdout.strip() == key_of("shots", 1, {"crf": "23", "g": 12})


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "edit.yaml"
    write_whole(path, "first: é\n")
    assert path.read_bytes() == "first: é\n".encode()
    seen = []

    def crash(source, target):
        seen.append((Path(source).read_text(), Path(target).read_text(encoding="utf-8")))
        raise OSError("disk gone")

    monkeypatch.setattr(store.os, "replace", crash)
    with pytest.raises(OSError, match="disk gone"):
        write_whole(path, "second")
    # All of the new was on disk before the old would have gone.
    assert seen == [("second", "first: é\n")]
    assert everything(tmp_path) == ["deep", "deep/edit.yaml"]
    assert path.read_text(encoding="utf-8") == "first: é\n"


def test_a_pipe_and_a_device_are_written_as_they_are(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(pipe.read_text)
        write_whole(pipe, "told\n")
        assert heard.result(timeout=30) == "told\n"
    assert pipe.is_fifo() and os.listdir(tmp_path) == ["pipe"]


def test_json_round_trip_and_damage(tmp_path):
    path = tmp_path / "films.json"
    assert read_json(path, {"none": 1}) == {"none": 1}
    content = {"title": "Der müde Tod 🎞", "crop": [0.0, 0.125, 1.0, 0.875], "year": None}
    write_json(path, content)
    assert read_json(path) == content == json.loads(path.read_text(encoding="utf-8"))
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"\xff\xfe\x00", whole + b"}"):
        path.write_bytes(damaged)
        assert read_json(path, "default") == "default"


def test_arrays_come_back_as_they_were(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "times": np.array([0.0, 1 / 3, 1e9 + 1 / 7]),
        "cuts": rng.random((5, 2), np.float32),
        "trace": rng.integers(0, 256, (4, 9, 16), np.uint8),
        # Views in other orders must not be written as their memory lies.
        "turned": np.arange(12, dtype=np.int32).reshape(3, 4).T,
        "every_other": np.arange(10.0)[::2],
        "none": np.zeros((0, 2), np.float32),
    }
    store.write_arrays(tmp_path / "a.safetensors", arrays)
    back = store.read_arrays(tmp_path / "a.safetensors")
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)


def test_tables_come_back_as_they_were(tmp_path):
    table = pd.DataFrame(
        {"shot_id": ["a-0-1", "ä-1-2"], "start": [0.0, 1 / 3], "index": [0, 1], "on": [True, False]}
    )
    store.write_table(tmp_path / "t.parquet", table)
    pd.testing.assert_frame_equal(store.read_table(tmp_path / "t.parquet"), table)
