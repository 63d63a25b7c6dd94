"""The edit is a document: it comes back as it was, and says what is wrong with it."""

import csv
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from lab.edit import Edit, EditError, FilmEntry, Rejection, Row, load_edit, make_edit
from lab.likeness import Weights
from lab.rules import MatchSettings

TRAILER, FILM, OTHER = "0123456789ab", "112233445566", "1e2345678901"
COLUMNS = """position kind query_id in_query out_query match_id in_match out_match speed mirror
score score_subject score_composition score_colour pinned alternatives query_path
match_path""".split()  # noqa: SIM905


def an_edit(folder):
    """Every kind of row, films with names that are hard on YAML and CSV."""
    films = {
        TRAILER: FilmEntry(path='../trailers/it\'s: a "trailer" #1.mp4', title="no", year="1922"),
        FILM: FilmEntry(
            path="../archive/émoji 🎬, comma.mkv",
            title="Der müde Tod: Ein\ndeutsches Volkslied",
            year="1921",
            source="https://example.org/a?b=c#d",
            licence="CC0",
            crop=(0.0, 0.125, 1.0, 0.875),
        ),
        OTHER: FilmEntry(path="../archive/- null.mp4", title="null", licence="~"),
    }
    scores = {"subject": 0.75, "composition": -0.125, "colour": 1 / 3}
    shots = [
        Row(
            position=1,
            query_id=f"{TRAILER}-0-1333",
            in_query=0.0,
            out_query=4 / 3,
            match_id=f"{FILM}-1000-4000",
            match_film=FILM,
            in_match=1e-7,
            out_match=7 / 3,
            speed=0.6116,
            mirror=True,
            score=0.5,
            scores=scores,
            alternatives=[f"{OTHER}-0-10", f"{FILM}-5-9"],
        ),
        Row(position=2, kind="black", in_query=4 / 3, out_query=2.0),
        Row(position=3, kind="keep", in_query=2.0, out_query=1e4, pinned=True),
        Row(
            position=4,
            in_query=1e4,
            out_query=10001.5,
            match_film=OTHER,
            in_match=-0.5,
            pinned=True,
        ),
    ]
    edit = Edit(
        trailer=TRAILER,
        encoder="some/model: v1",
        calibration="2-00000000",
        settings=MatchSettings(weights=Weights(subject=0.25, colour=0), mirror=True, uses=3),
        films=films,
        shots=shots,
        rejected=[
            Rejection(film=FILM, start=1.5, end=2.25),
            Rejection(film=FILM, start=0, end=9, query=1.0),
        ],
    )
    edit._folder = folder
    return edit


@pytest.fixture
def path(tmp_path):
    """A whole edit with its films beside it."""
    place = tmp_path / "out" / "edit.yaml"
    edit = an_edit(place.parent)
    edit.save(place)
    for entry in edit.films.values():
        film = place.parent / entry.path
        film.parent.mkdir(exist_ok=True)
        film.resolve().write_text(entry.title)
    return place


def test_what_is_saved_comes_back(path):
    edit = load_edit(path)
    assert edit == an_edit(path.parent)
    before = path.read_bytes(), path.with_suffix(".csv").read_bytes()
    edit.save(path)
    assert (path.read_bytes(), path.with_suffix(".csv").read_bytes()) == before
    assert sorted(file.name for file in path.parent.iterdir()) == ["edit.csv", "edit.yaml"]


def test_people_can_read_it(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# A reinterpretation") and "match_film" in text.split("version:")[0]
    assert "émoji 🎬" in text and "\\u" not in text and "!!" not in text
    plain = yaml.safe_load(text)
    assert list(plain) == [
        "version",
        "trailer",
        "encoder",
        "calibration",
        "settings",
        "films",
        "shots",
        "rejected",
    ]
    assert plain["films"][FILM]["licence"] == "CC0" and plain["shots"][0]["match_film"] == FILM
    # what does not apply is not said
    assert "in_match" not in plain["shots"][1] and "query" not in plain["rejected"][0]


def test_the_table_has_what_is_documented(path):
    with open(path.with_suffix(".csv"), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert set(COLUMNS) <= set(rows[0])
    assert [row["kind"] for row in rows] == ["match", "black", "keep", "match"]
    first = rows[0]
    assert float(first["score_composition"]) == -0.125 and first["mirror"] == "True"
    assert first["alternatives"].split() == [f"{OTHER}-0-10", f"{FILM}-5-9"]
    above = path.parent.parent
    assert first["match_path"] == str(above / "archive" / "émoji 🎬, comma.mkv")
    assert rows[3]["match_path"] == str(above / "archive" / "- null.mp4")
    assert {row["query_path"] for row in rows} == {
        str(above / "trailers" / 'it\'s: a "trailer" #1.mp4')
    }
    assert rows[1]["match_path"] == rows[1]["in_match"] == rows[2]["score"] == ""
    assert float(rows[0]["out_query"]) == 4 / 3


def test_films_are_found_and_move_with_the_edit(path, tmp_path):
    edit = load_edit(path)
    assert {film: edit.path(film).read_text() for film in edit.films} == {
        film: entry.title for film, entry in edit.films.items()
    }
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for folder in ("out", "archive", "trailers"):
        shutil.move(tmp_path / folder, moved / folder)
    edit = load_edit(moved / "out" / "edit.yaml")
    assert edit.path(FILM).resolve() == moved / "archive" / "émoji 🎬, comma.mkv"
    assert edit.path(FILM).read_text() == edit.films[FILM].title
    assert edit.table().match_path[0] == str(moved / "archive" / "émoji 🎬, comma.mkv")


def test_the_edit_can_be_named_from_its_own_folder(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    assert load_edit("edit.yaml").path(FILM).is_file()


def test_a_film_that_is_gone_is_told(path, tmp_path):
    edit = load_edit(path)
    (tmp_path / "archive" / "- null.mp4").unlink()
    with pytest.raises(EditError, match=r"- null\.mp4: is not there"):
        edit.path(OTHER)
    with pytest.raises(EditError, match="ffffffffffff"):
        edit.path("ffffffffffff")


def told(path, *causes):
    with pytest.raises(EditError) as raised:
        load_edit(path)
    message = str(raised.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    for cause in causes:
        assert cause in message


def test_a_missing_edit_is_told(tmp_path):
    told(tmp_path / "none.yaml", "does not exist", "lab match")
    told(tmp_path, "cannot be read")


@pytest.mark.parametrize(
    "content",
    [
        b"{shots: [1, 2",
        b"a: b: c",
        b"\x00\x01\x02",
        b"\xff\xfe\xfa",
        b"\ttab: 1",
        b"a: *nowhere",
        b"a: &a [*b, 1]",
        b"trailer: 2001-13-45",  # looks like a date and is none
        b"[" * 4000,
    ],
)
def test_what_is_no_yaml_is_told(tmp_path, content):
    path = tmp_path / "edit.yaml"
    path.write_bytes(content)
    told(path, "cannot be read as YAML")


@pytest.mark.parametrize("content", ["", "- 1\n- 2\n", "just words", "42"])
def test_what_is_no_edit_is_told(tmp_path, content):
    path = tmp_path / "edit.yaml"
    path.write_text(content)
    told(path, "the document")


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system ['touch {ran}']",
        "!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{ran}']]",
        "!!python/object/new:subprocess.Popen [['touch', '{ran}']]",
        "!!python/name:os.system ''",
        "!unknown 1",
    ],
)
def test_nothing_in_it_is_ever_run(path, tmp_path, tag):
    ran = tmp_path / "ran"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("encoder: ", f"calibration: {tag.format(ran=ran)}\nencoder: ", 1))
    told(path, "cannot be read as YAML")
    assert not ran.exists()


def drop(field):
    return lambda edit: edit.pop(field)


def put(value, *place):
    def change(edit):
        for step in place[:-1]:
            edit = edit[step]
        edit[place[-1]] = value

    return change


NAN, INF = float("nan"), float("inf")
DAMAGE = {
    "no trailer": (drop("trailer"), "trailer"),
    "no shots": (drop("shots"), "shots"),
    "no films": (drop("films"), "films"),
    "another version": (put(2, "version"), "version"),
    "unknown field": (put(1, "colour_of_hair"), "colour_of_hair"),
    "unknown field of a shot": (put(1, "shots", 0, "in_macth"), "in_macth of shot 1"),
    "unknown field of a film": (put(1, "films", FILM, "length"), f"films.{FILM}.length"),
    "unknown slider": (put(1, "settings", "weights", "smell"), "settings.weights.smell"),
    "unknown kind": (put("mtch", "shots", 0, "kind"), "kind of shot 1"),
    "words for seconds": (put("soon", "shots", 0, "in_query"), "in_query of shot 1"),
    "no in_query": (lambda edit: edit["shots"][0].pop("in_query"), "in_query of shot 1"),
    "nan seconds": (put(NAN, "shots", 0, "in_query"), "in_query of shot 1"),
    "infinite seconds": (put(INF, "shots", 0, "in_match"), "in_match of shot 1"),
    "nan speed": (put(NAN, "shots", 0, "speed"), "speed of shot 1"),
    "no speed": (put(0, "shots", 0, "speed"), "speed of shot 1"),
    "backwards": (put(-1, "shots", 0, "speed"), "speed of shot 1"),
    "nan in a rejection": (put(NAN, "rejected", 0, "start"), "start of rejection 1"),
    "nan crop": (put([0, 0, NAN, 1], "films", FILM, "crop"), f"films.{FILM}.crop.2"),
    "nan slider": (put(NAN, "settings", "weights", "subject"), "settings.weights.subject"),
    "slider beyond its end": (put(7, "settings", "weights", "subject"), "settings.weights"),
    "overlapping shots": (put(1.9, "shots", 2, "in_query"), "shot 3 begins before shot 2 ends"),
    "a shot that ends first": (put(1.0, "shots", 1, "out_query"), "shot 2 ends before it begins"),
    "an empty shot": (put(4 / 3, "shots", 1, "out_query"), "shot 2 ends before it begins"),
    "no in_match": (lambda edit: edit["shots"][0].pop("in_match"), "shot 1 is a match without"),
    "no match_film": (put("", "shots", 3, "match_film"), "shot 4 is a match without"),
    "a film without path": (lambda edit: edit["films"][FILM].pop("path"), f"films.{FILM}.path"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_an_edit_cannot_hold_is_told(path, damage):
    change, cause = DAMAGE[damage]
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    told(path, cause)


def decided():
    """What a match gives: rows of different kinds, so that some cells are empty."""
    ours = {"in_query": 0.0, "out_query": 1.0, "query_id": f"{TRAILER}-0-1000"}
    found = {"match_id": f"{FILM}-0-2000", "in_match": 1 / 3, "out_match": 4 / 3, "speed": 1.0}
    found |= {"mirror": False, "score": 0.123456789, "pinned": False}
    found |= {"score_subject": 2 / 3, "score_composition": np.float32(0.5), "score_colour": -0.1}
    pinned = {"match_id": f"{OTHER}-0-2000", "match_film": FILM, "in_match": 5.5, "speed": 0.5}
    pinned |= {"mirror": True, "pinned": True, "scores": {"subject": 0.9}, "out_match": None}
    black = {"match_id": "", "speed": 1.0, "pinned": False, "alternatives": []}
    rows = [
        {"position": 1, "kind": "match", "alternatives": [f"{OTHER}-0-9"], **ours, **found},
        {"position": 2, "kind": "black", **ours, **black, "in_query": 1.0, "out_query": 2.0},
        {"position": 3, "kind": "match", "alternatives": [], **ours, **pinned, "in_query": 2.0}
        | {"out_query": 3.0},
    ]
    return pd.DataFrame(rows)


def films(folder):
    names = {TRAILER: "trailer.mp4", FILM: "film.mkv", OTHER: "other.mkv", "unused": "no.mkv"}
    rows = [
        {
            "film_id": film,
            "path": str(folder / "films" / name),
            "title": name.upper(),
            "year": "1922",
        }
        | {"source": "", "licence": "CC0", "crop": [0.0, 0.1, 1.0, 0.9]}
        for film, name in names.items()
    ]
    return pd.DataFrame(rows)


def test_an_edit_from_a_match(tmp_path):
    path = tmp_path / "out" / "deep" / "edit.yaml"
    settings = MatchSettings(own_film=True)
    about = {"trailer": TRAILER, "encoder": "e", "calibration": "c", "settings": settings}
    edit = make_edit(path, decided(), films(tmp_path), **about)
    # films that are used, or could be as an alternative, named from the edit's folder
    assert {film: entry.path for film, entry in edit.films.items()} == {
        TRAILER: "../../films/trailer.mp4",
        FILM: "../../films/film.mkv",
        OTHER: "../../films/other.mkv",
    }
    assert edit.films[FILM].crop == (0.0, 0.1, 1.0, 0.9) and edit.films[FILM].licence == "CC0"
    found, black, pinned = edit.shots
    assert found.match_film == FILM and found.in_match == pytest.approx(1 / 3, abs=1e-6)
    assert found.scores == {"subject": 0.6667, "composition": 0.5, "colour": -0.1}
    assert (black.kind, black.in_match, black.scores, black.match_film) == ("black", None, {}, "")
    # a film changed by hand stays, whatever the old match_id says
    assert pinned.match_film == FILM and pinned.pinned and pinned.mirror
    assert (pinned.in_match, pinned.out_match, pinned.speed) == (5.5, None, 0.5)
    assert pinned.scores == {"subject": 0.9}
    edit.save(path)
    assert load_edit(path) == edit
    assert load_edit(path).table().score_subject.round(4).tolist()[::2] == [0.6667, 0.9]
