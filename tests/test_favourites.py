"""Put aside, cited, taken back."""

import pandas as pd
import pytest

from lab import cli, favourites
from lab.edit import Edit, Row
from lab.favourites import cite, put_aside, put_pair_aside, take_back
from lab.ingest import ingest
from lab.sample import numbered_film
from lab.store import Workspace
from lab.tables import load_archive, load_films


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.archive.mkdir(parents=True)
    for name, looks in (("Dust (1921)", (1, 2)), ("Rain", (3, 4))):
        place = workspace.archive / f"{name}.mp4"
        numbered_film(place, [30, 50], looks=looks, first=None, rate=25)
    ingest(sorted(workspace.archive.iterdir()), workspace)
    return workspace


def test_shots_and_pairs_are_kept_and_cited_by_timecode(workspace):
    shots = load_archive(workspace).shots
    titles = load_films(workspace).set_index("film_id").title
    (_, dust), (_, rain) = shots[shots["index"] == 1].iterrows()
    if titles[dust.film_id] != "Dust":
        dust, rain = rain, dust
    put_aside(workspace, dust, tags=["hands", "night"])
    assert favourites.favourites(workspace).tags[0] == "hands, night"
    put_aside(workspace, rain, dust, note="answers, well")
    put_aside(workspace, dust, tags="hands")  # again: the tags are new, the shot is the same
    kept = favourites.favourites(workspace)
    assert kept.film_id.tolist() == [rain.film_id, dust.film_id]
    assert kept.tags.tolist() == ["", "hands"] and kept.match_film.tolist()[0] == dust.film_id
    out = workspace.root / "cited.csv"
    assert cli.main(["favourites", "--work", str(workspace.root), "--out", str(out)]) == 0
    assert cite(workspace).equals(pd.read_csv(out, dtype=str, keep_default_na=False))
    first, second = cite(workspace).to_dict("records")
    assert (first["title"], first["in"], first["out"]) == ("Rain", "00:00:01:05", "00:00:03:05")
    assert (first["match_title"], first["match_in"]) == ("Dust", "00:00:01:05")
    assert (second["title"], second["year"], second["match_title"]) == ("Dust", "1921", "")
    paths = load_films(workspace).set_index("film_id").path
    assert (first["file"], first["match_file"]) == (paths[rain.film_id], paths[dust.film_id])
    assert (second["licence"], second["match_file"]) == ("", "")
    take_back(workspace, 0)
    assert favourites.favourites(workspace).film_id.tolist() == [dust.film_id]
    with pytest.raises(IndexError):
        take_back(workspace, 5)


def test_a_favourite_of_a_film_that_is_gone_is_still_cited(tmp_path):
    shot = pd.Series({"film_id": "0" * 12, "start": 1.5, "end": 2.25})
    put_aside(Workspace(tmp_path), shot)
    (row,) = cite(Workspace(tmp_path)).to_dict("records")
    assert (row["title"], row["in"], row["out"]) == ("0" * 12, "1.50 s", "2.25 s")


def test_a_pair_of_an_edit_is_kept(tmp_path):
    row = {"in_query": 1.0, "out_query": 2.0, "match_film": "b" * 12, "in_match": 5.0}
    rows = [Row(position=1, out_match=6.0, **row), Row(position=2, kind="keep", **row)]
    edit = Edit.model_construct(trailer="a" * 12, shots=rows)
    put_pair_aside(Workspace(tmp_path), edit, 1, note="both fall")
    kept = favourites.favourites(Workspace(tmp_path)).iloc[0]
    assert (kept.film_id, kept.start, kept.end) == ("a" * 12, 1, 2)
    assert (kept.match_film, kept.match_start, kept.match_end) == ("b" * 12, 5, 6)
    for position in (2, 3):
        with pytest.raises(ValueError, match="no film answers"):
            put_pair_aside(Workspace(tmp_path), edit, position)
