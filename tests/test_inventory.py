"""What lies in the store is known, and only what nobody needs goes."""

import os
import shutil
import subprocess
import sys

import pytest

from lab import cli
from lab.cutlists import save_correction
from lab.films import Register
from lab.ingest import ingest
from lab.inventory import inventory, prune, status
from lab.sample import numbered_film
from lab.stages import IngestSettings, film_key, looks_part, shots_part
from lab.store import Workspace, key_of, write_json
from lab.tables import load_archive


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A workspace with an archive of two films, ingested, and what a person made in it."""
    root = tmp_path_factory.mktemp("house")
    (root / "archive").mkdir()
    for name, look in (("one (1921).mp4", 1), ("two.mkv", 4)):
        numbered_film(root / "archive" / name, [30, 30], looks=(look, look + 1), first=None)
    ingest(sorted((root / "archive").iterdir()), Workspace(root))
    for name in ("out/edit.yaml", "favourites.json", "presets.json", "corrections/scenes.json"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("[]")
    return root


@pytest.fixture
def workspace(made, tmp_path):
    """A copy of it; its films lie where they lay."""
    shutil.copytree(made, tmp_path / "data")
    workspace = Workspace(tmp_path / "data")
    (workspace.work / "films.json").unlink()
    register = Register(workspace)
    for path in sorted(workspace.archive.iterdir()):
        register.add(register.identify(path), path, "archive")
    register.save()
    return workspace


def film_ids(workspace):
    return list(Register(workspace).films)


def everything(workspace):
    return {path for path in workspace.root.rglob("*") if path.is_file()}


def states(workspace, **asked):
    return dict(inventory(workspace, **asked)[["path", "state"]].itertuples(index=False))


def lab(workspace, *words):
    return cli.main([*map(str, words), "--work", str(workspace.root)])


def test_every_part_is_listed_with_its_film_stage_and_size(workspace):
    table = inventory(workspace, thorough=True)
    one, two = film_ids(workspace)
    assert table[["stage", "film_id", "title"]].values.tolist() == [
        [stage, film_id, title]
        for stage in ("film", "looks", "shots")
        for film_id, title in sorted([(one, "one"), (two, "two")])
    ]
    assert table.state.tolist() == [""] * 6
    for row in table.itertuples():
        files = [os.path.join(row.path, name) for name in os.listdir(row.path)]
        assert row.bytes == sum(map(os.path.getsize, files)) > 0
    assert set(table[table.stage == "looks"].encoder) == {IngestSettings().encoder}


def test_a_store_that_is_needed_stays(workspace):
    before = everything(workspace)
    assert len(prune(workspace)) == 0
    assert everything(workspace) == before


def needless(workspace, kind):
    """Make something that nobody needs; gives the paths that are to go."""
    one, two = film_ids(workspace)
    work = workspace.work
    if kind == "film gone":
        Register(workspace).where(one).unlink()
        (work / "sound").mkdir()
        (work / "sound" / f"{one}.m4a").touch()
        return {*work.glob(f"*/{one}*")}
    if kind == "out of date":
        old = shots_part(workspace, one), looks_part(workspace, one, IngestSettings())
        save_correction(workspace, one, [0.0, 0.5])
        older = workspace.part("film", two, key_of("film", "before"))
        shutil.copytree(workspace.part("film", two, film_key()), older)
        return {*old, older}
    if kind == "damaged":
        part = workspace.part("film", two, film_key())
        data = bytearray((part / "proxy.mp4").read_bytes())
        data[len(data) // 2] ^= 1
        (part / "proxy.mp4").write_bytes(data)
        return {part}
    if kind == "left over":
        code = f"""
import os
from lab.store import Workspace
with Workspace({str(workspace.root)!r}).making("film", {one!r}, "k") as folder:
    (folder / "half").write_text("half")
    os._exit(9)
"""
        subprocess.run([sys.executable, "-c", code])
        return {*work.glob(f"film/.{one}-k*")}
    write_json(work / "duplicates" / "00000000.json", {})
    os.utime(work / "duplicates" / "00000000.json", (1, 1))
    load_archive(workspace)
    return {work / "duplicates" / "00000000.json"}


@pytest.mark.parametrize("kind", ["film gone", "out of date", "damaged", "left over", "repeats"])
def test_what_nobody_needs_goes_and_nothing_else(workspace, kind, capsys):
    wanted = needless(workspace, kind)
    assert wanted
    before = everything(workspace)
    found = {path: state for path, state in states(workspace, thorough=True).items() if state}
    assert {*found} == {*map(str, wanted)}
    assert {*found.values()} == {"out of date" if kind == "repeats" else kind}

    assert lab(workspace, "store", "prune", "--dry-run") == 0
    assert f"{len(wanted)} part" in (said := capsys.readouterr().out) and "would be" in said
    assert everything(workspace) == before

    assert lab(workspace, "store", "prune") == 0
    gone = before - everything(workspace)
    assert gone == {path for path in before if {path, *path.parents} & wanted}
    assert everything(workspace) <= before
    assert lab(workspace, "store", "prune") == 0
    assert "0 parts, 0.0 MB, removed" in capsys.readouterr().out


def test_what_another_machine_makes_is_left_alone_for_a_day(workspace):
    part = workspace.work / "film" / ".0123456789ab-89abcdef.1@elsewhere-12ab9f"
    part.mkdir()
    (part / "proxy.mp4").write_bytes(b"half")
    for path in (part, part / "proxy.mp4"):
        os.utime(path, (1, 1))
    file = part / "frames.safetensors"  # written just now
    file.write_bytes(b"half")
    os.utime(part, (1, 1))
    workspace.sweep()
    assert states(workspace)[str(part)] == "in the making"
    assert len(prune(workspace)) == 0 and file.exists()
    os.utime(file, (1, 1))
    workspace.sweep()
    assert states(workspace)[str(part)] == "left over"
    assert prune(workspace).path.tolist() == [str(part)] and not part.exists()


def test_films_on_a_disk_that_is_not_there_keep_their_parts(workspace):
    before = everything(workspace)
    away = workspace.archive.rename(workspace.root / "elsewhere")
    for folder_left in (False, True):  # a mount point stays, and is empty
        if folder_left:
            workspace.archive.mkdir()
        assert set(inventory(workspace).state) == {"film away"}
        assert len(prune(workspace)) == 0
    workspace.archive.rmdir()
    away.rename(workspace.archive)
    assert everything(workspace) == before


def test_damage_is_told_of_films_that_are_away_too_and_not_removed(workspace):
    """Nobody could make it again until they are back."""
    shutil.move(workspace.root / "archive", workspace.root / "drive")
    broken = next(workspace.work.glob("looks/*/*.jpg"))
    broken.write_bytes(broken.read_bytes()[:100])
    found = inventory(workspace, thorough=True)
    assert found[found.state == "damaged"].path.tolist() == [str(broken.parent)]
    assert not len(prune(workspace)) and broken.exists()
    shutil.move(workspace.root / "drive", workspace.root / "archive")
    assert prune(workspace).path.tolist() == [str(broken.parent)]


def test_a_film_deleted_after_its_folder_was_renamed_is_gone(workspace):
    one, other = film_ids(workspace)
    moved = workspace.archive.rename(workspace.root / "reels")
    register = Register(workspace)
    assert register.relink(moved).keys() == {one, other}
    register.save()
    Register(workspace).where(one).unlink()
    found = inventory(workspace)
    assert set(found[found.state == "film gone"].path) == set(prune(workspace).path)
    assert "film away" not in set(found.state)
    left = states(workspace)
    assert any(other in part for part in left) and not any(one in part for part in left)


def test_a_lost_register_costs_nothing(workspace):
    before = everything(workspace)
    Register(workspace).file.unlink()
    assert len(prune(workspace)) == 0
    assert everything(workspace) == before - {Register(workspace).file}


def test_what_other_encoders_saw_goes_only_when_asked(workspace):
    one, _ = film_ids(workspace)
    other = looks_part(workspace, one, IngestSettings(encoder="other"))
    with workspace.making("looks", one, other.name[13:], encoder="other") as folder:
        (folder / "vectors").touch()
    assert len(prune(workspace)) == 0 and other.exists()
    packaged = looks_part(workspace, one, IngestSettings())
    removed = prune(workspace, encoder="other", dry_run=True)
    assert set(removed.stage) == {"looks"} and str(packaged) in set(removed.path)
    assert prune(workspace, encoder=IngestSettings().encoder).path.tolist() == [str(other)]
    assert packaged.exists() and not other.exists()


def test_what_is_in_the_making_is_let_be(workspace):
    with workspace.making("film", "0123456789ab", "k") as folder:
        assert states(workspace)[str(folder)] == "in the making"
        assert len(prune(workspace)) == 0 and folder.exists()


def test_locks_are_listed_and_go_when_nobody_holds_them(workspace):
    lock = workspace.work / ".0123456789ab.lock"
    with workspace.alone("0123456789ab"):
        assert states(workspace)[str(lock)] == "in the making"
        assert len(prune(workspace)) == 0 and lock.exists()
    assert not lock.exists()
    lock.touch()  # as one who was killed leaves it
    assert states(workspace)[str(lock)] == "left over"
    assert prune(workspace).path.tolist() == [str(lock)] and not lock.exists()


def test_verify_tells_and_an_ingest_mends(workspace, capsys):
    assert lab(workspace, "store", "verify") == 0
    assert "6 parts" in (said := capsys.readouterr().out) and "none is damaged" in said
    needless(workspace, "damaged")
    assert lab(workspace, "store", "verify") == 1
    said = capsys.readouterr()
    assert "proxy" not in said.err and "1 damaged part; `lab store prune --work " in said.err
    whole = states(workspace)
    assert lab(workspace, "store", "prune") == 0
    assert lab(workspace, "ingest") == 0
    assert states(workspace, thorough=True) == whole
    assert lab(workspace, "store", "list") == 0
    assert "6 parts" in capsys.readouterr().out.splitlines()[-1]


def test_the_status_tells_what_is_done_and_left_and_reads_nothing(workspace, capsys, monkeypatch):
    numbered_film(workspace.archive / "zzz.mp4", [10], first=None)
    (workspace.archive / "text.mp4").write_text("a letter, no film")
    paths = sorted(workspace.archive.iterdir())
    monkeypatch.setattr("lab.films.fingerprint", None)
    table = status(paths, workspace)
    assert table.state.tolist() == ["done", "left", "done", "left"]
    assert table.film_id.tolist()[::2] == film_ids(workspace)
    monkeypatch.undo()
    ingest(paths[1:2], workspace)
    shutil.rmtree(shots_part(workspace, film_ids(workspace)[0]))
    table = status(paths, workspace)
    assert table.state.tolist() == ["left", "problem", "done", "left"]
    assert table.what.tolist() == [
        "is decoded",
        "is a text, not a film; leave it out, or name the film.",
        "",
        "",
    ]
    capsys.readouterr()
    before = everything(workspace)
    assert lab(workspace, "ingest", "--status") == 0
    said = capsys.readouterr().out
    assert said.endswith("1 of 4 films done, 2 left, 1 that cannot be used\n")
    assert everything(workspace) == before
    # mended, it is no problem any more
    shutil.copy(paths[0], paths[1])
    assert status(paths, workspace).state.tolist() == ["left", "left", "done", "left"]
    # what is missing may be what is left, moved
    (workspace.archive / "two.mkv").rename(workspace.archive / "renamed.mkv")
    assert lab(workspace, "ingest", "--status") == 0
    assert "; 1 film of the archive not where last seen" in capsys.readouterr().out
