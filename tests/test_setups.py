"""Set-ups and sequences of films that are known shot by shot."""

import numpy as np
import pandas as pd

from lab.channels import Calibration
from lab.setups import SEES, find_setups


def film(name, looks, length=4.0, flags=None):
    """Shots of which each letter looks alike wherever it stands."""
    table = pd.DataFrame({"film_id": name, "start": np.arange(len(looks)) * length})
    table["shot_id"] = [f"{name}-{k}" for k in range(len(looks))]
    return table.assign(end=table.start + length, flags=flags or "", look=list(looks))


def found(*films):
    shots = pd.concat(films, ignore_index=True)
    rng = np.random.default_rng(0)
    base = np.linalg.qr(rng.normal(size=(40, 40)))[0]
    known = {look: base[k] for k, look in enumerate(sorted(set(shots.look)))}
    # Lower case looks a little like upper case: of one sequence, not of one set-up.
    for look in [one for one in known if one.islower() and one.upper() in known]:
        known[look] = 0.55 * known[look.upper()] + (1 - 0.55**2) ** 0.5 * known[look]
    vectors = np.array([known[look] for look in shots.look])
    as_it_is = Calibration(dict.fromkeys(SEES, np.zeros(40)))
    return find_setups(shots, shots[["shot_id"]], dict.fromkeys(SEES, vectors), as_it_is)


def test_shot_and_reverse_shot_are_two_set_ups_of_one_sequence():
    setup, sequence = found(film("f", "ABABCD"))
    assert setup.tolist() == [0, 1, 0, 1, 2, 3] and sequence.tolist() == [0, 0, 0, 0, 1, 2]


def test_akin_shots_share_a_sequence_and_no_set_up():
    setup, sequence = found(film("f", "AaBC"))
    assert setup.tolist() == [0, 1, 2, 3] and sequence.tolist() == [0, 0, 1, 2]


def test_a_film_comes_back_within_a_minute_or_not_at_all():
    setup, sequence = found(film("f", "ABA", length=25), film("g", "ABA", length=70))
    assert setup.tolist() == [0, 1, 0, 2, 3, 4] and sequence.tolist() == [0, 0, 0, 1, 2, 3]


def test_films_share_nothing_and_cards_are_no_place():
    setup, sequence = found(film("f", "AA"), film("g", "AA"))
    assert setup.tolist() == [0, 0, 1, 1] and sequence.tolist() == [0, 0, 1, 1]
    setup, _ = found(film("f", "AAA", flags=["title", "", "black"]))
    assert len(set(setup)) == 3
