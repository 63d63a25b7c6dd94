"""What the scenes of a map are called: film language for what sets each apart from the others.

A word is told of a scene if most of its shots say it and the rest of the archive says it less.
A film with many shots has fewer votes than shots, so that no long film speaks for all; and only
words of channels that count where the map was drawn are heard. What a scene shows is told in kinds
of things (``kinds.yaml``) whose classes the packaged encoder sees more there than elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib import resources

import numpy as np
import pandas as pd
import yaml

from lab.channels import unit
from lab.encoders import PACKAGED, packaged
from lab.flags import CARDS
from lab.layout import NONE
from lab.likeness import Weights

# The words of each channel; what is seen, seen as a whole, speaks in all of them.
WORDS = {
    "framing": ("framing", "faces"),
    "composition": ("framing", "faces", "face_at"),
    "colour": ("light", "palette"),
    "motion": ("camera", "pace"),
}
ALL = ("framing", "faces", "light", "palette", "camera", "pace")
MOST, OFTEN = 0.5, 0.25  # part of a scene that says a word, and that says one often
MORE = 1.3  # times as often as elsewhere, from which a word tells
USUAL = 0.05  # added to how often a word is said elsewhere: what is rare is not yet telling
TOLD, SHOWN, KNOWN = 3, 2, 5  # words of a name, things of a name, and things that are known
BEST, CLEAR = 3, 0.6  # classes that speak for a kind; part of the first kind's gain that tells
ONE_FILM = 0.8  # part of a scene from which it is a film's


def senses(subject: np.ndarray, vectors: np.ndarray, encoder: str) -> np.ndarray | None:
    """How much each of ImageNet's classes gains along each axis of a map's subjects.

    Parameters
    ----------
    subject : ndarray, shape (shots, d)
        Principal axes of `vectors`.
    vectors : ndarray, shape (shots, features)
        What the encoder sees of each shot.
    encoder : str

    Returns
    -------
    ndarray or None
        (d, 1000); None for encoders that know no classes.
    """
    if encoder != PACKAGED:
        return None
    said = vectors @ unit(packaged().meanings()).T
    return subject.T @ said / np.maximum((subject**2).sum(axis=0), 1e-6)[:, None]


@lru_cache(maxsize=1)
def kinds() -> dict[str, np.ndarray]:
    """The classes of each kind of things, by number."""
    text = resources.files("lab").joinpath("kinds.yaml").read_text(encoding="utf-8")
    found = {}
    for kind, classes in yaml.safe_load(text).items():
        ends = [part.split("-") for part in str(classes).split()]
        spans = [np.arange(int(part[0]), int(part[-1]) + 1) for part in ends]
        found[kind] = np.concatenate(spans)
    return found


def scene_names(
    shots: pd.DataFrame,
    weights: Weights,
    exemplars: Mapping[int, str],
    subject: np.ndarray | None = None,
    meanings: np.ndarray | None = None,
) -> dict[int, str]:
    """Names in film language, no two alike.

    Parameters
    ----------
    shots : DataFrame
        With ``cluster``, ``film_id``, ``title``, ``flags`` and the columns of words.
    weights : Weights
        How much each channel counted.
    exemplars : mapping
        A shot of each `cluster`, as it is told where no word sets the scene apart.
    subject, meanings : ndarray, shape (shots, d) and (d, 1000), optional
        Where shots lie by what they show, and what that says, from `senses`.

    Returns
    -------
    dict
        By `cluster`, as many as there are scenes.

    Examples
    --------
    >>> rows = [(0, "a", "close-up", "dark"), (0, "b", "close-up", "dark")]
    >>> rows += [(1, "a", "long shot", "dark"), (1, "b", "long shot", "normal")]
    >>> shots = pd.DataFrame(rows, columns=["cluster", "film_id", "framing", "light"])
    >>> scene_names(shots.assign(title="", flags=""), Weights(), {0: "A 0:10", 1: "B 0:20"})
    {0: 'close-ups, dark', 1: 'long shots'}
    """
    columns = _columns(weights)
    said, names = _said(shots, columns), {}
    for cluster in sorted(set(shots.cluster) - {NONE}):
        here = (shots.cluster == cluster).to_numpy()
        things = []
        if meanings is not None and weights.shares()["subject"]:
            things = _things(here, shots, subject, meanings)
        flags, film = shots["flags"][here], _film(here, shots)
        cards = [f"{kind}s" for kind in CARDS if flags.str.contains(kind).mean() >= MOST]
        ranked = _ranked(here, shots, said)
        tries = [*_tries(film, cards, ranked, things, columns)]
        tries += [f"like {exemplars[cluster]}"]
        names[int(cluster)] = next(name for name in tries if name not in set(names.values()))
    return names


def _columns(weights: Weights) -> tuple[str, ...]:
    """Columns of words that are heard, in the order in which they are told."""
    shares = weights.shares()
    if shares["subject"]:
        return ALL
    told = {column for name, share in shares.items() if share for column in WORDS[name]}
    return tuple(column for column in (*ALL, "face_at") if column in told)


def _said(shots: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Which shot says what: a row a shot and a column a (column, word), 1 or 0."""
    parts = {
        (column, word): shots[column] == word
        for column in columns
        for word in shots.get(column, pd.Series(dtype=str)).unique()
        if _many(column, word)
    }
    return pd.DataFrame(parts, index=shots.index, dtype=float)


def _votes(shots: pd.DataFrame) -> np.ndarray:
    """What each shot has to say: a film with four times the shots has twice the votes."""
    votes = shots.groupby("film_id").film_id.transform("size").to_numpy(float) ** -0.5
    return votes / max(votes.sum(), 1e-6)


def _ranked(here: np.ndarray, shots: pd.DataFrame, said: pd.DataFrame) -> pd.DataFrame:
    """A scene's words, the most telling first: their ``share``, and whether they are ``apart``."""
    share = pd.Series(_votes(shots[here]) @ said.to_numpy()[here], said.columns)
    usual = pd.Series(_votes(shots[~here]) @ said.to_numpy()[~here], said.columns)
    telling = share * np.log((share + USUAL) / (usual + USUAL))
    table = pd.DataFrame({"share": share, "telling": telling, "apart": share >= MORE * usual})
    return table.sort_values("telling", ascending=False, kind="stable")


def _things(here: np.ndarray, shots: pd.DataFrame, subject, meanings: np.ndarray) -> list[str]:
    """Kinds of things that a scene shows more than the rest, the most telling first."""
    middle = _votes(shots[here]) @ subject[here] - _votes(shots[~here]) @ subject[~here]
    gains = middle @ meanings
    told = {kind: np.sort(gains[some])[-BEST:].mean() for kind, some in kinds().items()}
    ranked = sorted(told, key=told.get, reverse=True)
    return [kind for kind in ranked[:KNOWN] if told[kind] >= CLEAR * told[ranked[0]]]


def _tries(
    film: str, cards: list[str], ranked: pd.DataFrame, things: list[str], order: tuple
) -> Iterator[str]:
    """Names of a scene, best first: further ones tell more, for where others bear the first."""
    most = ranked.share >= MOST
    told, words = [*ranked.index[ranked.apart & most]][:TOLD], [*ranked.index[most]]
    often = [*ranked.index[ranked.apart & ~most & (ranked.share >= OFTEN)]]
    if cards or told or things:
        for shown in range(min(SHOWN, len(things)), len(things) + 1):
            yield _name(film, cards, told, [], things[:shown], order)
    for more in range(len(often) + 1):
        if told or more:
            yield _name(film, cards, told, often[:more], things[:SHOWN], order)
    if words:
        yield _name(film, cards, words, often, things[:SHOWN], order)


def _film(here: np.ndarray, shots: pd.DataFrame) -> str:
    """The film that nearly all of a scene comes from, if one does and there are others."""
    count = shots.film_id[here].value_counts()
    own = shots.film_id == count.index[0]
    mostly = here.sum() > 1 and count.iloc[0] >= ONE_FILM * here.sum()
    return shots.title[own].iloc[0] if mostly and not own.all() else ""


def _name(film: str, cards: list, words: list, often: list, things: list, order: tuple) -> str:
    said = [
        [_many(*key) for key in sorted(some, key=lambda key: order.index(key[0]))]
        for some in (words, often)
    ]
    told = [*cards, *said[0], *(f"often {word}" for word in said[1])]
    name = " · ".join(filter(None, [", ".join(told), ", ".join(things)]))
    return ": ".join(filter(None, [film, name]))


def _many(column: str, word: str) -> str:
    """A word as it is said of many shots; empty where it says too little for a name."""
    if word in ("", "none", "normal"):
        return ""
    if column == "faces":
        return f"{word} face{'' if word == 'one' else 's'}"
    if column == "face_at":
        return f"face {'in the middle' if word == 'centre' else f'on the {word}'}"
    if word == "still":
        return "hardly moving"
    return f"{word}s" if column == "framing" else word
