"""The map: known groups found, nothing that stands moves, names that stay."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_mutual_info_score

from lab import layout, scenes
from lab.channels import CHANNELS
from lab.language import WORDS
from lab.layout import NONE, tour
from lab.likeness import Weights
from lab.scenes import SceneSettings, compare, draw_map, extend, name_scene, named
from lab.store import Workspace
from lab.tables import Archive


def blobs(count, kinds, seed=0, spread=0.35):
    """An archive of shots of known kinds: unit vectors about well separated middles."""
    rng = np.random.default_rng(seed)
    middles = np.linalg.qr(np.random.default_rng(9).normal(size=(40, 40)))[0][:kinds]
    kind = np.arange(count) % kinds
    vectors = middles[kind] + rng.normal(0, spread / 40**0.5, (count, 40))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    film = [f"f{seed}{k % 2}" for k in range(count)]
    table = pd.DataFrame({"film_id": film, "index": np.arange(count)})
    table["shot_id"] = [f"{one}-{k}" for k, one in enumerate(film)]
    table["start"] = table["clean_start"] = table["key"] = np.arange(count, dtype=float)
    table["end"] = table["clean_end"] = table.start + 1
    table["flags"] = ""
    for word in WORDS:
        table[word] = ""
    table["framing"] = [f"framing {k}" for k in kind]
    moments = table[["shot_id", "start", "end"]].assign(moment_id=table.shot_id)
    films = pd.DataFrame({"film_id": sorted(set(film))}).assign(title="", path="a film.mp4")
    parts = {name: np.zeros((count, 40), np.float32) for name in CHANNELS}
    return Archive(films, table, moments, parts | {"subject": vectors.astype(np.float32)}), kind


def together(*archives):
    return Archive(
        pd.concat([one.films for one in archives], ignore_index=True),
        pd.concat([one.shots for one in archives], ignore_index=True),
        pd.concat([one.moments for one in archives], ignore_index=True),
        {c: np.concatenate([one.vectors[c] for one in archives]) for c in CHANNELS},
    )


@pytest.fixture(scope="module")
def drawn():
    archive, kind = blobs(160, 5)
    return archive, kind, draw_map(archive)


def test_kinds_are_found_without_being_told_how_many(drawn):
    _, kind, found = drawn
    assert len(found.scenes) == 5 and (found.shots.cluster != NONE).all()
    assert adjusted_mutual_info_score(kind, found.shots.cluster) == pytest.approx(1)
    assert found.scenes["size"].tolist() == [32] * 5
    told = scenes.quality(found, kind)
    assert told["purity"] == 1 and told["noise"] == 0 and told["trustworthiness"] > 0.85
    for row in found.scenes.itertuples():
        inside = found.shots[found.shots.cluster == row.cluster]
        assert row.exemplar in set(inside.shot_id) and 0.5 < row.tightness <= 1
        assert set(inside.framing) == {row.name[:-1]} and set(inside.label) == {row.name}


def test_the_same_seed_gives_the_same_map_and_another_another(drawn):
    archive, _, found = drawn
    assert np.array_equal(draw_map(archive).points, found.points)
    assert not np.array_equal(draw_map(archive, SceneSettings(seed=1)).points, found.points)


def test_neighbours_are_those_of_an_exhaustive_search():
    space = np.random.default_rng(3).normal(size=(300, 7)).astype(np.float32)
    indices, apart = layout.neighbours(space, 6)
    every = np.linalg.norm(space[:, None] - space[None], axis=2)
    assert np.array_equal(indices, np.argsort(every, axis=1)[:, :6])
    assert np.allclose(apart, np.sort(every, axis=1)[:, :6], atol=1e-3)


@pytest.mark.parametrize("least", [0, 1e-9])
def test_an_axis_in_which_all_lie_alike_does_no_harm(least):
    space = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    space[:, 5] *= least
    found = layout.lay_out(space, layout.neighbours(space, 9), 0, 6)
    without = layout.lay_out(space[:, :5], layout.neighbours(space, 9), 0, 6)
    assert np.isfinite(found).all() and np.array_equal(found, without)


def test_a_layout_leaves_others_their_threads():
    """In a fresh process that was given one: the first layout is what numba starts threads for."""
    program = (
        "import numpy as np, torch; from lab import layout;"
        "space = np.random.default_rng(0).normal(size=(40, 5));"
        "layout.lay_out(space, layout.neighbours(space, 9), 0); print(torch.get_num_threads())"
    )
    given = {"env": os.environ | {"OMP_NUM_THREADS": "1"}, "capture_output": True}
    ran = subprocess.run([sys.executable, "-c", program], check=True, **given)
    assert ran.stdout.split() == [b"1"]


def test_new_films_are_placed_among_their_like_and_nothing_else_moves(drawn):
    archive, _, found = drawn
    more, kind = blobs(20, 5, seed=1)
    kept = found.shots[["shot_id", "x", "y", "cluster"]]
    grown = extend(together(archive, more), found.settings, kept)
    assert grown.placed == 20 and np.array_equal(grown.points[:160], found.points)
    for number, new in grown.shots[160:].reset_index().iterrows():
        like = found.shots[found.shots.framing == f"framing {kind[number]}"]
        assert new.cluster == like.cluster.iloc[0]
        low, high = like[["x", "y"]].min(), like[["x", "y"]].max()
        assert (low <= new[["x", "y"]]).all() and (new[["x", "y"]] <= high).all()
    fewer = extend(blobs(100, 5)[0], found.settings, kept)  # films that are gone leave
    assert np.array_equal(fewer.points, found.points[:100]) and fewer.placed == 0


@pytest.mark.parametrize("count", [1, 2, 5, 9, 20])
def test_a_handful_of_shots_is_a_map_too(count):
    found = draw_map(blobs(count, 1)[0])
    assert np.isfinite(found.points).all() and len(found.scenes) == 1
    assert 0 <= scenes.quality(found)["trustworthiness"] <= 1


def test_black_is_not_on_the_map():
    archive, _ = blobs(30, 2)
    archive.shots.loc[4, "flags"] = "black"
    assert archive.shots.shot_id[4] not in set(draw_map(archive).shots.shot_id)


def test_weights_decide_what_lies_together():
    archive, kind = blobs(120, 4)
    other, others = blobs(120, 3)
    archive.vectors["colour"][:] = other.vectors["subject"]
    alone = Weights(subject=0, composition=0, colour=1, motion=0, framing=0)
    found = draw_map(archive, SceneSettings(weights=alone))
    assert adjusted_mutual_info_score(others, found.shots.cluster) == pytest.approx(1)
    back = scenes.regrouped(*scenes.moved(found, scenes.SUBJECT))
    assert adjusted_mutual_info_score(kind, back.shots.cluster) == pytest.approx(1)
    assert back.settings.weights == scenes.SUBJECT


def test_a_name_of_ones_own_wins_and_follows_its_shots(drawn, tmp_path):
    archive, _, found = drawn
    workspace = Workspace(tmp_path)
    renamed = name_scene(workspace, found, 2, "faces in rain")
    assert renamed.scenes.name[2] == "faces in rain" and renamed.scenes.named.tolist()[2]
    inside = renamed.shots.label == "faces in rain"
    assert inside.equals(found.shots.cluster == 2)
    # Drawn anew with another seed, scenes may have other numbers: the name goes with the shots.
    other = named(draw_map(archive, SceneSettings(seed=5)), scenes.read_names(workspace))
    assert set(other.shots.shot_id[other.shots.label == "faces in rain"]) == set(
        found.shots.shot_id[inside]
    )
    again = name_scene(workspace, renamed, 2, "rain")  # called otherwise: the old name is gone
    assert [entry["name"] for entry in scenes.read_names(workspace)] == ["rain"]
    assert name_scene(workspace, again, 2, "").scenes.name[2] == found.scenes.name[2]
    with pytest.raises(ValueError, match="no such scene"):
        name_scene(workspace, found, 99, "x")


def test_a_tour_of_points_on_a_line_goes_along_it():
    places = np.random.default_rng(0).permutation(40)
    order = tour(np.column_stack([places, np.zeros(40)]).astype(float))
    assert sorted(order) == list(range(40))
    assert np.abs(np.diff(places[order])).sum() == 39  # the shortest way there is
    assert tour(np.zeros((0, 2))).tolist() == [] and tour(np.ones((2, 2))).tolist() == [0, 1]


def test_two_films_meet_where_they_mix_and_are_alone_where_not():
    archive, kind = blobs(120, 3)
    # Kind 0 is shared by both; the others belong to one film each.
    film = np.where(kind == 0, np.where(np.arange(120) % 2, "one", "two"), "one")
    archive.shots["film_id"] = np.where(kind == 2, "two", film)
    archive.films["film_id"] = ["one", "two"]
    found = draw_map(archive)
    table = compare(found, "one", ["two"])
    assert len(table) == 120 and set(table.side[table.film_id == "one"]) == {"one"}
    by_kind = table.groupby("framing").company.mean()
    assert by_kind["framing 0"] > 0.8 and max(by_kind["framing 1"], by_kind["framing 2"]) < 0.05
    with pytest.raises(ValueError, match="no shots on the map"):
        compare(found, ["one"], ["three"])


def test_a_damaged_map_is_drawn_anew(drawn, tmp_path, monkeypatch):
    archive, _, found = drawn
    monkeypatch.setattr(scenes, "open_archive", lambda *_: archive)
    workspace = Workspace(tmp_path)
    assert np.array_equal(scenes.open_map(workspace).points, found.points)
    (kept,) = (workspace.work / "scenes").iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    assert np.array_equal(scenes.open_map(workspace).points, found.points)


def test_what_is_typical_is_most_like_its_scene_and_of_many_films(drawn):
    shots = pd.DataFrame({"typical": [0.7, 0.8, 0.9, 0.85, 0.1], "film_id": list("abbcd")})
    assert scenes.typical(shots, 3).index.tolist() == [2, 3, 0]
    assert scenes.typical(shots, 9).index.tolist() == [2, 3, 0, 4, 1]
    found = drawn[2]
    for row in found.scenes.itertuples():
        inside = found.shots[found.shots.cluster == row.cluster]
        assert inside.shot_id[inside.typical.idxmax()] == row.exemplar
        assert inside.typical.mean() == pytest.approx(row.tightness)
