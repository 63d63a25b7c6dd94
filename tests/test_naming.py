"""What scenes are called, where it is known what sets them apart."""

import numpy as np
import pandas as pd
import pytest

from lab import encoders
from lab.encoders import efficientnet
from lab.likeness import Weights
from lab.naming import kinds, scene_names, senses

PLAIN = {"framing": "long shot", "faces": "none", "light": "normal", "palette": "muted"}
PLAIN |= {"camera": "static", "pace": "calm", "face_at": "", "flags": "", "title": "A"}
EXEMPLARS = {k: f"A 0:0{k}" for k in range(4)}
NONE = Weights(subject=0, composition=0, colour=0, motion=0, framing=0)


def shots(cluster, count, films=4, **words):
    rows = [PLAIN | words | {"cluster": cluster, "film_id": f"f{k % films}"} for k in range(count)]
    return pd.DataFrame(rows).assign(title=[f"film {k % films}" for k in range(count)])


def together(*parts):
    return pd.concat(parts, ignore_index=True)


def test_a_name_tells_what_sets_a_scene_apart():
    table = together(shots(0, 8, light="dark"), shots(1, 20))
    assert scene_names(table, Weights(), EXEMPLARS)[0] == "dark"  # all are long shots, and static


def test_a_long_film_does_not_speak_for_all():
    many = shots(0, 9, films=1, light="dark")
    table = together(many, shots(0, 4, light="bright").assign(film_id=list("abcd")), shots(1, 20))
    assert scene_names(table, Weights(), EXEMPLARS)[0] == "bright"


def test_only_channels_that_count_are_heard():
    scene = shots(0, 8, framing="close-up", light="dark", camera="pan left", face_at="left")
    table = together(scene, shots(1, 20))
    for channel, name in {
        "colour": "dark",
        "motion": "pan left",
        "framing": "close-ups",
        "composition": "close-ups, face on the left",
    }.items():
        weights = NONE.model_copy(update={channel: 1})
        assert scene_names(table, weights, EXEMPLARS)[0] == name


def test_cards_and_films_are_called_what_they_are():
    cards = shots(0, 5, framing="", camera="", pace="", light="", palette="", flags="title still")
    film = shots(1, 5, films=1, light="dark")
    names = scene_names(together(cards, film, shots(2, 20)), Weights(), EXEMPLARS)
    assert names[0] == "titles" and names[1] == "film 0: dark"


def test_no_two_names_are_alike():
    parts = [shots(k, 8, camera="pan left") for k in range(2)]
    parts[1].loc[:2, "light"] = "dark"
    names = scene_names(together(*parts, shots(2, 30)), Weights(), EXEMPLARS)
    assert names == {0: "pan left", 1: "pan left, often dark", 2: "static"}
    same = together(*(shots(k, 8) for k in range(3)))  # nothing sets them apart
    names = scene_names(same, Weights(), EXEMPLARS)
    assert len(set(names.values())) == 3 and names[2] == "like A 0:02"


@pytest.fixture(scope="module")
def things():
    """Shots that the encoder would take for daisies and for lakesides, and what that says."""
    classes, rng = efficientnet._imagenet(), np.random.default_rng(0)
    words = encoders.packaged().meanings()
    vectors = words[[classes.index("daisy"), classes.index("lakeside")]].repeat(6, axis=0)
    vectors = vectors + rng.normal(0, vectors.std() / 2, vectors.shape)
    axes = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    subject = axes[0][:, :5] * axes[1][:5]
    return subject, senses(subject, vectors, encoders.PACKAGED)


def test_what_a_scene_shows_is_told_by_kind(things):
    table = together(shots(0, 6), shots(1, 6))
    names = scene_names(table, Weights(), EXEMPLARS, *things)
    assert names[0].startswith("flowers and plants") and names[1].startswith("coast")
    weights = NONE.model_copy(update={"motion": 1})
    assert "flowers" not in scene_names(table, weights, EXEMPLARS, *things)[0]
    assert senses(things[0], np.zeros((12, 1280)), "some/model") is None


def test_every_class_is_of_one_kind():
    every = np.concatenate(list(kinds().values()))
    assert len(set(every.tolist())) == len(every) == 998
    assert {efficientnet._imagenet()[k] for k in set(range(1000)) - set(every)} == {
        "coil",
        "bubble",
    }
    assert efficientnet._imagenet().index("seashore") in kinds()["coast"]
