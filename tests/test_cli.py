"""The `lab` command: the whole way on a folder of films, and what it says when it cannot."""

import os
import shutil
import subprocess
import sys

import numpy as np
import opentimelineio as otio
import pandas as pd
import pytest
import yaml
from conftest import CLOSED
from PIL import Image

from lab import cli
from lab.cli import keeping
from lab.edit import load_edit
from lab.films import Register
from lab.sample import numbered_film
from lab.store import Workspace
from lab.tables import thumbnail_path
from lab.video import Reader


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A workspace with an archive of two films, and a trailer cut from the same looks."""
    root = tmp_path_factory.mktemp("house")
    (root / "archive").mkdir()
    (root / "trailers").mkdir()
    wanted = {"options": CLOSED, "sound": "aac", "first": None}
    numbered_film(root / "archive" / "one.mp4", [40] * 3, looks=(1, 2, 3), **wanted)
    numbered_film(root / "archive" / "two.mkv", [40] * 3, looks=(4, 5, 6), **wanted)
    numbered_film(root / "trailers" / "trailer.mp4", [30] * 4, looks=(5, 1, 6, 3), **wanted)
    return root


def lab(*words):
    return cli.main([str(word) for word in words])


def test_from_a_folder_of_films_to_a_finished_video(house, capsys):
    trailer, edit = house / "trailers" / "trailer.mp4", house / "edit.yaml"
    assert lab("ingest", house / "archive", "--work", house) == 0
    assert "ingested 2 films" in capsys.readouterr().out
    assert lab("ingest", house / "archive", "--work", house) == 0
    assert "nothing to do: 2 films" in capsys.readouterr().out

    assert lab("match", trailer, "--edit", edit, "--weights", "colour=1", "--work", house) == 0
    table = pd.read_csv(house / "edit.csv")
    films = [path.rpartition("/")[2] for path in table.match_path]
    assert films == ["two.mkv", "one.mp4", "two.mkv", "one.mp4"]
    assert [round(start * 24) // 40 for start in table.in_match] == [1, 0, 2, 2]

    words = ("--preset", "strip", "--out", house / "out.mp4", "--work", house)
    assert lab("render", edit, *words) == 0
    assert "120 frames, soundtrack copied" in capsys.readouterr().out
    sources = [list(frames(house / "archive" / name)) for name in ("one.mp4", "two.mkv")]
    for index, frame in enumerate(frames(house / "out.mp4")):
        row = table.iloc[index // 30]
        begin = round(row.in_match * 24)
        source = sources[films[index // 30] == "two.mkv"][begin + index % 30]
        right = frame.picture.to_ndarray()[:, 320:].astype(int)
        assert np.abs(right - source.picture.to_ndarray()).mean() < 4
    assert lab("render", edit, "--preset", "contact-sheet", "--out", house / "sheet.png") == 0
    assert (house / "sheet.png").read_bytes().startswith(b"\x89PNG")
    words = ("--preset", "alone", "--out", house / "alone.mp4", "--work", house)
    assert lab("render", edit, *words) == 0
    assert next(frames(house / "alone.mp4")).picture.width == 320


def frames(path):
    return iter(Reader(path, pixels="rgb24"))


def matched(house, name, *words):
    """A first match of the trailer by colour: the film, the edit's path, and what it says."""
    trailer, edit = house / "trailers" / "trailer.mp4", house / name
    lab("ingest", house / "archive", "--work", house)
    lab("match", trailer, "--edit", edit, "--weights", "colour=1", *words, "--work", house)
    return trailer, edit, yaml.safe_load(edit.read_text())


def test_pins_and_rejections_survive_a_new_match(house, capsys):
    trailer, edit, content = matched(house, "pins.yaml")
    best = content["shots"][1]
    content["shots"][0] |= {"pinned": True, "match_film": best["match_film"], "in_match": 2.0}
    no = content["shots"][2]
    content["rejected"] = [
        {"film": no["match_film"], "start": no["in_match"], "end": no["in_match"] + 0.1}
    ]
    edit.write_text(yaml.safe_dump(content))
    lab("match", trailer, "--edit", edit, "--weights", "colour=1", "--work", house)
    again = yaml.safe_load(edit.read_text())
    assert again["shots"][0]["pinned"] and again["shots"][0]["in_match"] == 2.0
    assert again["shots"][2]["match_id"] != no["match_id"]
    assert again["rejected"] == content["rejected"]


def test_what_is_changed_by_hand_stays_without_being_pinned(house, capsys):
    trailer, edit, content = matched(house, "hand.yaml", "--mirror")
    by_hand = 2.0 if content["shots"][0]["in_match"] != 2.0 else 2.25
    content["shots"][0]["in_match"] = by_hand
    content["shots"][3]["kind"] = "keep"
    edit = edit.with_name("variant.yaml")  # no CSV lies beside a copy
    edit.write_text(yaml.safe_dump(content))
    capsys.readouterr()
    lab("match", trailer, "--edit", edit, "--work", house)
    said = capsys.readouterr()
    assert (
        "shot 1 was changed by hand: it is pinned now" in said.err and "shot 2 was" not in said.err
    )
    assert "2 of them pinned" in said.out
    again = yaml.safe_load(edit.read_text())
    first, *_, last = again["shots"]
    assert first["in_match"] == by_hand and first["pinned"] and last["kind"] == "keep"
    # so do the settings, until others are asked for
    weights = again["settings"]["weights"]
    assert weights.pop("colour") == 1.0 and not any(weights.values())
    assert again["settings"]["mirror"] is True
    lab("match", trailer, "--edit", edit, "--no-mirror", "--work", house)
    settings = yaml.safe_load(edit.read_text())["settings"]
    assert settings["mirror"] is False and settings["weights"]["colour"] == 1.0


def test_other_answers_than_before_are_named(house, capsys):
    trailer, edit, content = matched(house, "other.yaml")
    no = content["shots"][2]
    content["rejected"] = [{"film": no["match_film"], "start": no["in_match"], "end": 9.0}]
    edit.write_text(yaml.safe_dump(content))
    capsys.readouterr()
    lab("match", trailer, "--edit", edit, "--work", house)
    again = yaml.safe_load(edit.read_text())["shots"]
    changed = [
        str(new["position"])
        for old, new in zip(content["shots"], again, strict=True)
        if old["match_id"] != new["match_id"]
    ]
    assert "3" in changed
    assert f"other answers than before: shot {', '.join(changed)}." in capsys.readouterr().err


def test_a_film_answers_itself_only_when_asked(house):
    film, edit = house / "archive" / "one.mp4", house / "own.yaml"
    lab("ingest", house / "archive", "--work", house)
    lab("match", film, "--edit", edit, "--work", house)
    assert "one.mp4" not in " ".join(pd.read_csv(house / "own.csv").match_path)
    for weights in ("subject=1", "composition=1", "colour=1", "subject=1,composition=1,colour=1"):
        assert (
            lab("match", film, "--edit", edit, "--own-film", "--weights", weights, "--work", house)
            == 0
        )
        table = pd.read_csv(house / "own.csv")
        assert table.match_id.tolist() == table.query_id.tolist()
        assert table.in_match.tolist() == table.in_query.tolist()


def test_shots_films_and_problems_as_tables(house, tmp_path, capsys):
    (tmp_path / "bad.mp4").write_text("no film")
    lab("ingest", tmp_path / "bad.mp4", "--work", house)
    assert "bad.mp4" in capsys.readouterr().err
    lab("problems", "--out", tmp_path / "problems.csv", "--work", house)
    assert pd.read_csv(tmp_path / "problems.csv").columns.tolist() == [
        "path", "stage", "what", "lost",
    ]  # fmt: skip
    film = house / "archive" / "one.mp4"
    assert lab("shots", film, "--out", tmp_path / "shots.csv", "--work", house) == 0
    table = pd.read_csv(tmp_path / "shots.csv")
    assert table.columns.tolist() == [
        "index", "start", "end", "start_frame", "end_frame", "transition_in",
    ]  # fmt: skip
    assert table.start_frame.tolist() == [0, 40, 80]
    assert lab("films", "--work", house) == 0
    assert "one" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ingest", "{}/nowhere"], "nowhere: does not exist"),
        (["ingest", "{}"], "holds no films"),
        (["ingest"], "put films there, or name some"),
        (["match", "{}/no.mp4", "--edit", "{}/e.yaml"], "no.mp4: does not exist"),
        (["match", "{}/no.mp4", "--edit", "{}/e.txt"], "e.txt: end the name in .yaml"),
        (["render", "{}/no.yaml", "--out", "{}/o.mp4"], "no.yaml: does not exist"),
        (["render", "{}/no.yaml", "--out", "{}/o.png"], "o.png: end the name in .mp4"),
        (["render", "{}/no.yaml", "--preset", "contact-sheet", "--out", "{}/o.mp4"], ".png"),
    ],
)
def test_failures_are_one_line_and_a_status(words, said, tmp_path, capsys):
    words = [word.format(tmp_path) for word in words]
    assert lab(*words, "--work", tmp_path / "data") == 1
    err = capsys.readouterr().err.strip()
    assert said in err and len(err.splitlines()) == 1 and err.startswith("lab: ")


def test_a_match_without_an_archive_is_told_before_any_work(house, tmp_path, capsys):
    trailer = house / "trailers" / "trailer.mp4"
    assert lab("match", trailer, "--edit", tmp_path / "e.yaml", "--work", tmp_path) == 1
    assert "the archive is empty" in capsys.readouterr().err
    assert not list(tmp_path.rglob("proxy.mp4"))


def test_a_film_s_shots_as_a_sheet_of_pictures(house):
    film, sheet = house / "archive" / "one.mp4", house / "shots.png"
    assert lab("shots", film, "--out", sheet, "--work", house) == 0
    workspace = Workspace(house)
    film_id = Register(workspace).identify(film)
    drawn = np.asarray(Image.open(sheet)).astype(int)
    for number in range(3):
        picture = np.asarray(Image.open(thumbnail_path(workspace, film_id, number)))
        height, width, _ = picture.shape
        left = 14 + (width + 14) * number
        assert np.array_equal(drawn[14 : 14 + height, left : left + width], picture)


def test_weights_are_checked(house, capsys):
    for wrong, why in {
        "colour=2": "number from 0 to 1",
        "subject=1,color=1": "'color=1': there is no such channel",
        "colour": "'colour': write colour=",
        "subject=x": "such as subject=0.5",
    }.items():
        with pytest.raises(SystemExit):
            lab("match", "t.mp4", "--edit", "e.yaml", "--weights", wrong)
        assert why in capsys.readouterr().err
    with pytest.raises(SystemExit):
        lab("match", "t.mp4", "--edit", "e.yaml", "--weights", "subject=0")
    assert "at least one" in capsys.readouterr().err


def test_every_verb_has_help_and_the_doctor_is_well(capsys, tmp_path):
    for verb in cli.VERBS:
        with pytest.raises(SystemExit) as ended:
            lab(verb, "--help")
        assert ended.value.code == 0 and "--work" in capsys.readouterr().out
    assert lab("doctor", "--work", tmp_path) == 0
    assert "all is there" in capsys.readouterr().out


def test_there_may_be_no_films_yet(tmp_path, capsys):
    assert lab("films", "--work", tmp_path) == 0
    assert "the archive is empty" in capsys.readouterr().out
    for name in ("films.csv", "films.png"):
        assert lab("films", "--work", tmp_path, "--out", tmp_path / name) == 1
        assert "the archive is empty" in capsys.readouterr().err and not (tmp_path / name).exists()
    (tmp_path / "notes.mp4").write_text("no film")
    assert lab("ingest", tmp_path / "notes.mp4", "--work", tmp_path) == 1
    capsys.readouterr()
    assert lab("films", "--work", tmp_path) == 0
    assert "0 films" in capsys.readouterr().out


def test_films_that_were_named_are_remembered_moved_and_looked_at(tmp_path, capsys):
    """Without an archive's folder: how far they are, that one is gone, a picture that is broken."""
    (tmp_path / "films").mkdir()
    for name in ("one", "two"):
        numbered_film(
            tmp_path / "films" / f"{name}.mp4", [24], looks=[len(name) * 7 + ord(name[0])]
        )
    work = "--work", tmp_path / "data"
    assert lab("ingest", "--status", *work) == 1  # nothing was named yet
    assert "name some" in capsys.readouterr().err
    assert lab("ingest", tmp_path / "films", *work) == 0
    assert lab("ingest", "--status", *work) == 0
    assert "2 of 2 films done" in capsys.readouterr().out
    assert lab("ingest", *work) == 1  # a trailer that was matched is remembered, too
    (tmp_path / "films" / "one.mp4").rename(tmp_path / "elsewhere.mp4")
    capsys.readouterr()
    assert lab("films", *work) == 0
    assert "2 films, 1 missing (`lab films --relink FOLDER --work" in capsys.readouterr().out
    assert lab("store", "list", *work) == 0
    assert "--relink" in capsys.readouterr().out
    broken = next((tmp_path / "data").glob("work/looks/*/0.jpg"))
    broken.write_bytes(broken.read_bytes()[:300])
    assert lab("films", *work, "--out", tmp_path / "films.png") == 1
    said = capsys.readouterr().err
    assert (
        str(broken) in said and "lab store prune" in said and not (tmp_path / "films.png").exists()
    )


def test_who_asks_for_a_verb_does_not_wait_for_networks():
    """All that verbs are told, and what an ingest leaves to others, does without torch."""
    rooms = {room for name, (room, _) in cli.VERBS.items() if name != "see"}
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    code += "print('torch' in sys.modules, 'transformers' in sys.modules)"
    command = [sys.executable, "-c", code, *(f"lab.cli.{room}" for room in rooms)]
    assert subprocess.check_output(command, text=True).split() == ["False", "False"]


def test_an_edit_goes_to_an_editing_program_and_comes_back(house, tmp_path, capsys):
    """A clip is slipped; the new edit lies elsewhere and still finds its films."""
    trailer, edit = house / "trailers" / "trailer.mp4", house / "away.yaml"
    assert lab("match", trailer, "--edit", edit, "--work", house) == 0
    assert lab("handover", edit, "--out", tmp_path / "cut.otio") == 0
    assert lab("handover", edit, "--back", tmp_path / "cut.otio") == 0
    assert "nothing was changed" in capsys.readouterr().out
    timeline = otio.adapters.read_from_file(str(tmp_path / "cut.otio"))
    clip = timeline.video_tracks()[0].find_clips()[1]
    clip.source_range = otio.opentime.TimeRange(
        clip.source_range.start_time - otio.opentime.RationalTime(5, 24),
        clip.source_range.duration,
    )
    otio.adapters.write_to_file(timeline, str(tmp_path / "slipped.otio"))
    new = tmp_path / "elsewhere" / "new.yaml"
    assert lab("handover", edit, "--back", tmp_path / "slipped.otio", "--out", new) == 0
    assert "shot 2" in capsys.readouterr().out
    before, after = load_edit(edit), load_edit(new)
    assert after.shots[1].in_match == pytest.approx(before.shots[1].in_match - 5 / 24, abs=1e-3)
    assert after.shots[1].pinned and after.path(after.trailer).samefile(trailer)
    assert lab("handover", edit) == 1 and "say where to" in capsys.readouterr().err


def test_all_that_goes_with_a_film_in_one_go(house, tmp_path, capsys):
    trailer, edit = house / "trailers" / "trailer.mp4", house / "go.yaml"
    assert lab("match", trailer, "--edit", edit, "--work", house) == 0
    told = load_edit(edit).shots
    least = min(told, key=lambda shot: shot.score)
    mean = sum(shot.score for shot in told) / len(told)
    said = capsys.readouterr().out
    assert f"\nlikeness {mean:.2f} on average" in said
    assert f"least alike: shot {least.position} ({least.score:.2f}), " in said
    made = ["strip", "contact-sheet", "poster", "teaser", "subtitles", "credits", "post"]
    words = ("--speed", "ultrafast", "--work", house, "--out", tmp_path / "all")
    assert lab("render", edit, "--preset", *made, *words) == 0
    files = {path.name for path in (tmp_path / "all").iterdir()}
    assert files == {
        *("go-strip.mp4", "go-contact-sheet.png", "go-poster.png", "go-teaser.webp"),
        *("go-subtitles.srt", "go-credits.md", "go-post.txt"),
    }
    assert len(capsys.readouterr().out.strip().splitlines()) == 7
    assert lab("render", edit, "--preset", "strip", "square", "--out", tmp_path / "a.mp4") == 1
    assert "several presets go into a folder" in capsys.readouterr().err
    tall = ("--for", "instagram-reel", "--work", house, "--out", tmp_path / "no.mp4")
    assert lab("render", edit, *tall) == 1
    assert "take stacked" in capsys.readouterr().err and not (tmp_path / "no.mp4").exists()
    words = ("--preset", "post", "--for", "x", "--out", tmp_path / "post.txt")
    assert lab("render", edit, *words) == 0
    assert 0 < len((tmp_path / "post.txt").read_text().strip()) <= 280


@pytest.mark.parametrize("span", ["25:10", "a:b", "-1:4", "nan:3"])
def test_a_range_that_is_none_is_refused(span, capsys):
    with pytest.raises(SystemExit):
        lab("render", "e.yaml", "--out", "o.mp4", f"--range={span}")
    assert "give seconds from and to" in capsys.readouterr().err


def test_edits_go_on_working_when_their_films_move(house, tmp_path, capsys):
    root = tmp_path / "moving"
    for name in ("archive", "trailers"):
        shutil.copytree(house / name, root / name)
    trailer, edit = root / "trailers" / "trailer.mp4", root / "edit.yaml"
    assert lab("ingest", "--work", root) == 0
    assert lab("match", trailer, "--edit", edit, "--work", root) == 0
    sheet = ("--preset", "contact-sheet", "--out", root / "sheet.png", "--work", root)
    assert lab("render", edit, *sheet) == 0
    before, written = (root / "sheet.png").read_bytes(), edit.read_text()

    (root / "vault" / "shelf").mkdir(parents=True)
    (root / "archive" / "one.mp4").rename(root / "vault" / "shelf" / "The First (1921).mp4")
    trailer.rename(root / "vault" / "teaser.mp4")
    capsys.readouterr()
    assert lab("render", edit, *sheet) == 1
    assert "lab films --relink FOLDER" in capsys.readouterr().err
    assert lab("films", "--relink", root / "vault", "--work", root) == 0
    assert "2 films found again" in (said := capsys.readouterr().out) and "none is missing" in said
    assert lab("render", edit, *sheet) == 0
    assert (root / "sheet.png").read_bytes() == before and edit.read_text() == written

    # matched again, it names them where they lie now
    assert lab("match", root / "vault" / "teaser.mp4", "--edit", edit, "--work", root) == 0
    named = {entry["path"] for entry in yaml.safe_load(edit.read_text())["films"].values()}
    assert named == {"vault/teaser.mp4", "vault/shelf/The First (1921).mp4", "archive/two.mkv"}
    (root / "vault" / "teaser.mp4").unlink()
    capsys.readouterr()
    assert lab("films", "--relink", root / "archive", "--work", root) == 0
    said = capsys.readouterr()
    assert "0 films found again" in said.out and "1 still missing" in said.out
    assert "teaser.mp4" in said.err


def test_what_is_not_there_answers_nothing_and_that_is_told(house, tmp_path, capsys):
    root = tmp_path / "losing"
    for name in ("archive", "trailers"):
        shutil.copytree(house / name, root / name)
    trailer, edit = root / "trailers" / "trailer.mp4", root / "edit.yaml"
    words = ("match", trailer, "--edit", edit, "--weights", "colour=1", "--work", root)
    assert lab("ingest", "--work", root) == 0
    (root / "archive" / "one.mp4").rename(root / "one.mp4")
    capsys.readouterr()
    assert lab(*words) == 0
    assert "1 film of the archive answered nothing" in (said := capsys.readouterr().err)
    assert "there any more: one;" in said and "lab films --relink FOLDER" in said
    assert set(pd.read_csv(root / "edit.csv").match_path) == {str(root / "archive" / "two.mkv")}
    assert lab("films", "--work", root) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [("missing" in line) for line in lines if "/archive/" in line] == [True, False]

    # what is pinned to it, and what was refused of it, is kept for when it comes back
    content = yaml.safe_load(edit.read_text())
    one = Register(Workspace(root)).identify(root / "one.mp4")
    content["films"][one] = {"path": "archive/one.mp4", "title": "one"}
    content["shots"][1] |= {"match_film": one, "in_match": 0.25, "pinned": True}
    content["rejected"] = [{"film": one, "start": 4, "end": 5}]
    edit.write_text(yaml.safe_dump(content))
    assert lab(*words) == 0
    kept = load_edit(edit)
    assert (kept.shots[1].match_film, kept.shots[1].in_match) == (one, 0.25)
    assert kept.films[one].path == "archive/one.mp4" and kept.rejected[0].film == one
    assert lab("films", "--relink", root, "--work", root) == 0
    capsys.readouterr()
    assert lab(*words) == 0
    assert "answered nothing" not in capsys.readouterr().err
    assert load_edit(edit).films[one].path == "one.mp4"

    # a trailer may be named by where it was
    trailer.rename(root / "teaser.mp4")
    assert lab(*words) == 1
    assert "trailer.mp4: is not there any more; if it was moved, `lab films" in (
        capsys.readouterr().err
    )
    assert lab("films", "--relink", root, "--work", root) == 0 and lab(*words) == 0
    shutil.rmtree(root / "archive")
    (root / "one.mp4").unlink()
    assert lab(*words) == 1
    assert "none of the archive's films is where it was" in capsys.readouterr().err


def test_an_interrupted_command_says_so_and_ends_at_once(monkeypatch, capsys):
    def doctor(args):
        print("half a line", end="")
        raise KeyboardInterrupt

    ended = []
    monkeypatch.setattr(keeping, "doctor", doctor)
    monkeypatch.setattr(os, "_exit", lambda status: ended.append((status, capsys.readouterr())))
    monkeypatch.setattr(sys, "argv", ["lab", "doctor"])
    cli.main()
    ((status, said),) = ended
    assert status == 130 and said.out == "half a line" and "run it again to go on" in said.err


def test_it_may_be_interrupted_while_it_starts(monkeypatch, capsys):
    def slow(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "import_module", slow)
    assert lab("films") == 130
    assert "interrupted; nothing was begun" in capsys.readouterr().err
