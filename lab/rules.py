"""What can be asked of a match, what may answer what, and what gives way where not all is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from lab import LabError
from lab.films import named
from lab.flags import MISSING, USELESS
from lab.language import counted
from lab.likeness import Weights
from lab.solve import Infeasible, Rules, Solution, Task, solve
from lab.tables import Archive
from lab.video import EPSILON

ORDER = 0.5  # score that `chronology` of 1 takes, at most
FACES = 0.3  # score that `faces` of 1 takes where a face is answered by none, or none by a face
NAMED = 3  # films named in a note
LENGTH = 0.1  # score that `length` of 1 takes for every doubling or halving


class MatchSettings(BaseModel):
    """All that can be set about a match; sliders, YAML and the command read it from here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: Weights = Weights()
    own_film: bool = Field(False, description="may a film answer itself?")
    mirror: bool = Field(False, description="may an answer be shown mirrored?")
    slowest: float = Field(0.5, gt=0, le=1, description="least speed of a shot that is too short")
    useless: bool = Field(
        False, description="may titles, leader, stills, repeats and damaged shots answer?"
    )
    timing: float = Field(
        0.2, ge=0, le=1, description="how much it counts that movements run alike"
    )
    tempo: float = Field(
        0.1, ge=0, le=0.5, description="part by which an answer's speed may change to run alike"
    )
    distinct: float = Field(
        0.5, ge=0, le=1, description="how much a shot loses that is a little like everything"
    )
    uses: int = Field(1, ge=1, description="times an archive shot may be used")
    apart: float = Field(
        0, ge=0, description="seconds of the trailer between two uses of a shot, at least"
    )
    share: float = Field(
        1, gt=0, le=1, description="part of the trailer that one film may answer, at most"
    )
    variety: float = Field(
        0, ge=0, le=1, description="how much it counts that answers come from many films"
    )
    echo: float = Field(
        0,
        ge=0,
        le=1,
        description="how much it counts that shots of one set-up are answered from one sequence",
    )
    chronology: float = Field(
        0, ge=0, le=1, description="how much it counts that answers keep their films' order"
    )
    length: float = Field(
        0, ge=0, le=1, description="how much it counts that an answer is as long as its shot"
    )
    faces: float = Field(
        0, ge=0, le=1, description="how much it counts that a face is answered by a face"
    )
    cards: Literal["intertitles", "keep", "black", "any"] = Field(
        "intertitles", description="what answers titles, leader and test cards of the trailer"
    )


class MatchError(LabError):
    """No answer at all: one sentence on what is missing or which limit to relax."""


def allowed_by(queries, answers, settings: MatchSettings, rejected: list[dict]) -> np.ndarray:
    """Which archive shots may answer which trailer shots, lengths aside."""
    allowed = np.ones((len(queries), len(answers)), bool)
    if not settings.own_film:
        allowed &= queries.film_id.to_numpy()[:, None] != answers.film_id.to_numpy()[None]
    # One flat colour answers another, and nothing else; black, or what is missing, answers nothing.
    flat = [table["flags"].str.contains("flat").to_numpy() for table in (queries, answers)]
    allowed &= flat[0][:, None] >= flat[1][None]
    allowed &= ~answers["flags"].str.contains(f"black|{MISSING}").to_numpy()[None]
    for no in rejected:
        hit = (answers.film_id == no["film"]) & (answers.start < no["end"] - EPSILON)
        hit &= answers.end > no["start"] + EPSILON
        meant = np.ones(len(queries), bool)
        if no.get("query") is not None:
            meant = ((queries.start <= no["query"]) & (no["query"] < queries.end)).to_numpy()
        allowed &= ~(meant[:, None] & hit.to_numpy()[None])
    return allowed


def without_useless(
    allowed: np.ndarray, queries, answers, settings: MatchSettings
) -> tuple[np.ndarray, list[str]]:
    """Keep titles, leader, stills and repeats out, unless nothing else is there."""
    useless = answers["flags"].str.contains("|".join(USELESS)).to_numpy()
    # A shot that answers itself may be anything, and one title answers another.
    itself = queries.shot_id.to_numpy()[:, None] == answers.shot_id.to_numpy()[None]
    titles = [table["flags"].str.contains("title").to_numpy() for table in (queries, answers)]
    left = allowed & (~useless[None] | itself | (titles[0][:, None] & titles[1][None]))
    if settings.useless or not useless.any():
        return allowed, []
    if left.any(axis=1)[allowed.any(axis=1)].all():
        return left, []
    return allowed, [
        "the archive holds little but titles, leader, stills and repeats: they answer."
    ]


def open_to(
    allowed: np.ndarray, room: np.ndarray, free: np.ndarray, slowest: float
) -> tuple[np.ndarray, list[str]]:
    """Which shots may answer which, lengths considered.

    Parameters
    ----------
    allowed : ndarray of bool, shape (rows, columns)
    room : ndarray, same shape
        Speed at which a column's shot would just last as long as the row's; 1 or more fits.
    free : ndarray of int
        Rows that are to be answered.
    slowest : float
        Least speed.

    Returns
    -------
    open : ndarray of bool, same shape
    notes : list of str

    Raises
    ------
    MatchError
        If nothing may answer some row.
    """
    if not allowed[free].any(axis=1).all():
        raise MatchError(
            "no archive shot may answer some of the trailer's shots; ingest more films, "
            "take rejections back, or let a film answer itself (--own-film)."
        )
    fits = allowed & (room >= slowest)
    lonely = free[~fits[free].any(axis=1)]
    for row in lonely:  # slow the longest shots further rather than leave a gap
        fits[row] = allowed[row] & (room[row] >= 0.99 * room[row][allowed[row]].max())
    if not len(lonely):
        return fits, []
    return fits, [
        f"{len(lonely)} trailer shots are longer than any archive shot at {slowest:g} "
        "of its speed: they are answered slower still."
    ]


def eased(task: Task, rules: Rules) -> tuple[Solution, list[str]]:
    """The best whole answer, rules relaxed one after another where there is none otherwise.

    Returns
    -------
    Solution
    notes : list of str
        What was relaxed, and how to do without.
    """
    for tried in _eased(rules, len(task.fixed)):
        try:
            return solve(task, tried), _gave(rules, tried)
        except Infeasible:
            continue
    raise MatchError("no way to answer every shot was found; take pins or rejections back.")


def _eased(rules: Rules, count: int):
    """The rules, then with one limit after the other taken away; at last with ever more re-use."""
    yield rules
    for more in ({"share": 1.0}, {"apart": 0.0}):
        rules = replace(rules, **more)
        yield rules
    for uses in range(rules.uses + 1, count + 1):
        yield replace(rules, uses=uses)


def _gave(asked: Rules, used: Rules) -> list[str]:
    """What had to be relaxed, in a sentence each."""
    if used.uses > asked.uses:
        return [f"the archive has too few shots that fit: some are used up to {used.uses} times."]
    notes = []
    if used.share != asked.share:
        notes.append(
            f"no film can be held to {asked.share:.0%} of the shots here: share was let go; "
            "ingest more films, or ask for a greater share."
        )
    if used.apart != asked.apart:
        notes.append(
            f"uses of a shot cannot be kept {asked.apart:g} s apart here: apart was let go."
        )
    return notes


def wishes(trailer: Archive, archive: Archive, settings: MatchSettings) -> np.ndarray:
    """What answers lose by chronology, length and faces, (trailer shots, archive shots)."""
    lost = np.zeros((len(trailer.shots), len(archive.shots)), np.float32)
    if settings.chronology:
        ours, theirs = (_progress(shots) for shots in (trailer.shots, archive.shots))
        lost += ORDER * settings.chronology * np.abs(ours[:, None] - theirs)
    if settings.length:
        ours, theirs = (
            np.log2(np.maximum((shots.clean_end - shots.clean_start).to_numpy(), EPSILON))
            for shots in (trailer.shots, archive.shots)
        )
        lost += LENGTH * settings.length * np.abs(ours[:, None] - theirs)
    if settings.faces:
        ours, theirs = (_faces(shots) for shots in (trailer.shots, archive.shots))
        lost += FACES * settings.faces * (ours[:, None] * theirs < 0)
    return lost


def _faces(shots: pd.DataFrame) -> np.ndarray:
    """1 where a shot has faces, -1 where it has none, 0 where that is not known."""
    return np.select([shots.faces == "", shots.faces == "none"], [0, -1], 1)


def _progress(shots: pd.DataFrame) -> np.ndarray:
    """How far into its film each shot lies, 0 to 1."""
    middle = (shots.start + shots.end) / 2
    ends = shots.groupby("film_id").end.transform("max")
    begins = shots.groupby("film_id").start.transform("min")
    return ((middle - begins) / np.maximum(ends - begins, EPSILON)).to_numpy(np.float32)


def missing_films(archive: Archive) -> list[str]:
    """A note on the films that cannot answer, because no file is them any more."""
    lost = archive.shots.film_id[archive.shots["flags"].str.contains(MISSING)].unique()
    if not len(lost):
        return []
    films = archive.films[archive.films.film_id.isin(lost)]
    told = ", ".join(named(film) for film in films.head(NAMED).itertuples())
    told += f" and {len(films) - NAMED} more" * (len(films) > NAMED)
    return [
        f"{counted(len(films), 'film')} of the archive answered nothing, for no file is there any "
        f"more: {told}; what was moved is found by `lab films --relink FOLDER`."
    ]


def unknown_films(rejected: list[dict], queries, answers) -> list[str]:
    known = set(answers.film_id) | set(queries.film_id)
    return [
        f"rejected: names film {film!r}, which the archive does not hold; `lab films` lists "
        "the film_id of each."
        for film in sorted({no["film"] for no in rejected} - known)
    ]
