"""What notebooks show of an archive: films, what cannot be read, strips; and how long it took."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lab import cli, ingest, show
from lab.films import find_films
from lab.sample import numbered_film
from lab.store import CARD, Workspace, read_json, write_json
from lab.tables import load_costs, load_films


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A film of two shots, one with a fifth of it gone, and a letter."""
    workspace = Workspace(tmp_path_factory.mktemp("house"))
    workspace.archive.mkdir()
    numbered_film(workspace.archive / "<one>.mp4", [20, 40], looks=(1, 2), first=None)
    reel = workspace.root / "reel.mpg"
    numbered_film(reel, [50, 50], looks=(3, 4), first=None, codec="mpeg2video", rate=25)
    whole = reel.read_bytes()
    part = len(whole) // 5
    (workspace.archive / "reel.mpg").write_bytes(whole[: 2 * part] + whole[3 * part :])
    (workspace.archive / "letter.mp4").write_text("This is a letter.\n" * 9)
    ingest.ingest(find_films([workspace.archive]), workspace, jobs=0)
    return workspace


def test_films_are_shown_with_their_longest_shot(house):
    text = show.films(house).data
    assert text.count("<img ") == 2 and text.count("<tr>") == 3
    film_id = load_films(house).set_index("title").film_id["<one>"]
    assert f"{film_id}-" in text and "/1.jpg" in text.partition("&lt;one&gt;")[0]
    assert "&lt;one&gt;" in text and "<one>" not in text
    assert "320 x 192" in text and "0:02.5" in text


def test_problems_are_told_with_the_seconds_that_are_lost(house):
    text = show.problems(house).data
    assert text.count("<tr>") == 3 and "is a text, not a film" in text
    lost = ingest.load_problems(house).set_index("stage").lost.dropna().iloc[0]
    total = sum(end - begin for begin, end in lost)
    assert total > 0.2 and f"<b>{total:.1f} s</b>" in text
    assert str(house.root) in text  # where the file lies, for who points at its name


def test_of_many_losses_a_few_are_told(tmp_path):
    rows = [("a<b>.mp4", "decode", "Much is lost.", [[t, t + 0.5] for t in range(9)])]
    write_json(tmp_path / "work" / "problems.json", rows)
    text = show.problems(Workspace(tmp_path)).data
    assert "<b>4.5 s</b><br>0:00.0 to 0:00.5<br>" in text and "and 6 more" in text
    assert "a&lt;b&gt;.mp4" in text


def test_an_archive_without_problems_or_films_says_so(tmp_path):
    assert show.problems(Workspace(tmp_path)).data == "No problems."
    assert show.films(Workspace(tmp_path)).data.count("<tr>") == 1


def test_strips_are_saved_and_shown(house, tmp_path):
    shown = show.strips(house, tmp_path / "strips.png")
    assert shown.data == (tmp_path / "strips.png").read_bytes()
    both = Image.open(tmp_path / "strips.png").height
    show.strips(house, tmp_path / "one.png", most=1)
    assert Image.open(tmp_path / "one.png").height < both


def test_strips_on_the_command_line_are_the_same_picture(house, tmp_path, capsys):
    show.strips(house, tmp_path / "strips.png")
    words = ["films", "--work", str(house.root), "--out"]
    assert cli.main([*words, str(tmp_path / "films.png")]) == 0
    assert "2 films" in capsys.readouterr().out
    seen = [np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("films", "strips")]
    assert np.array_equal(*seen)
    assert cli.main([*words, str(tmp_path / "films.csv")]) == 0
    assert len(pd.read_csv(tmp_path / "films.csv")) == 2
    assert cli.main([*words, str(tmp_path / "films.txt")]) == 1
    assert ".csv or .png" in capsys.readouterr().err


def test_every_stage_says_how_long_it_took(house):
    table = load_costs(house)
    assert table.stage.tolist() == ["decode", "shots", "looks"] * 2
    assert (table.seconds > 0).all() and (table.cpu_seconds >= 0).all()
    films = load_films(house).set_index("film_id")
    assert table.duration.tolist() == films.duration[table.film_id].tolist()


def test_what_nobody_measured_is_left_away(house, tmp_path):
    film_id = load_films(house).film_id[0]
    card = next((house.work / "shots").glob(f"{film_id}-*")) / CARD
    told = read_json(card)
    write_json(card, {name: told[name] for name in ("made_with", "files")})  # an older version's
    table = load_costs(house)
    write_json(card, told)
    assert table[table.film_id == film_id].stage.tolist() == ["decode", "looks"]
    assert load_costs(Workspace(tmp_path)).empty
