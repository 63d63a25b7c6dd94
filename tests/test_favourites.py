"""Put aside, cited, taken back."""

import pandas as pd
import pytest

from lab import favourites
from lab.favourites import cite, put_aside, take_back
from lab.ingest import ingest, load_archive, load_films
from lab.sample import numbered_film
from lab.store import Workspace


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
    put_aside(workspace, dust, tags="hands, night")
    put_aside(workspace, rain, dust, note="answers, well")
    put_aside(workspace, dust, tags="hands")  # again: the tags are new, the shot is the same
    kept = favourites.favourites(workspace)
    assert kept.film_id.tolist() == [rain.film_id, dust.film_id]
    assert kept.tags.tolist() == ["", "hands"] and kept.match_film.tolist()[0] == dust.film_id
    out = workspace.out / "cited.csv"
    assert cite(workspace, out).equals(pd.read_csv(out, dtype=str, keep_default_na=False))
    first, second = cite(workspace, out).to_dict("records")
    assert (first["title"], first["in"], first["out"]) == ("Rain", "00:00:01:05", "00:00:03:05")
    assert (first["match_title"], first["match_in"]) == ("Dust", "00:00:01:05")
    assert (second["title"], second["year"], second["match_title"]) == ("Dust", "1921", "")
    take_back(workspace, 0)
    assert favourites.favourites(workspace).film_id.tolist() == [dust.film_id]
    with pytest.raises(IndexError):
        take_back(workspace, 5)


def test_a_favourite_of_a_film_that_is_gone_is_still_cited(tmp_path):
    shot = pd.Series({"film_id": "0" * 12, "start": 1.5, "end": 2.25})
    put_aside(Workspace(tmp_path), shot)
    (row,) = cite(Workspace(tmp_path), tmp_path / "c.csv").to_dict("records")
    assert (row["title"], row["in"], row["out"]) == ("0" * 12, "1.50 s", "2.25 s")
