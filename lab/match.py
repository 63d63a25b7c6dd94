"""Which archive shot answers which shot of the trailer, and from which frame on.

Pure: tables and vectors in, a table out. Scores come from `lab.likeness`; the best answers are laid
beside their shots (`lab.align`), and of all ways to answer every shot the best is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field
from scipy.optimize import linear_sum_assignment

from lab.align import SPEEDS, Traces, align, stretch, timing
from lab.channels import CHANNELS, Calibration
from lab.flags import KINDS, USELESS
from lab.ingest import Archive
from lab.language import WORDS, why
from lab.likeness import Likeness, Weights, sameness, shapes
from lab.video import EPSILON

ALTERNATIVES = 5
SHARP = 4  # power of likeness in movement: strangers all move a little alike
TRIED = 16  # best answers of a shot that are laid beside it before one is chosen
SLOWEST_PIN = 0.05  # speed below which a pinned answer would be a still
FORBIDDEN = -1e9  # beyond any sum of the costs of re-use


class MatchSettings(BaseModel):
    """All that can be set about a match; sliders, YAML and the command read it from here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: Weights = Weights()
    own_film: bool = Field(False, description="may a film answer itself?")
    mirror: bool = Field(False, description="may an answer be shown mirrored?")
    slowest: float = Field(0.5, gt=0, le=1, description="least speed of a shot that is too short")
    useless: bool = Field(False, description="may titles, leader, stills and repeats answer?")
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


class MatchError(Exception):
    """No answer at all: one sentence on what is missing or which limit to relax."""


def match(
    trailer: Archive,
    archive: Archive,
    frames: Callable[[str], dict[str, np.ndarray]],
    settings: MatchSettings | None = None,
    *,
    pinned: list[dict] | None = None,
    rejected: list[dict] | None = None,
    calibration: Calibration | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Answer every shot of a trailer.

    Parameters
    ----------
    trailer, archive : Archive
        The trailer's one film, and the films to answer from.
    frames : callable
        Gives what is known of a film's frames, by `film_id`: ``times``, ``trace``, ``flow`` and
        ``flow_times``.
    settings : MatchSettings, optional
    pinned : list of dict, optional
        Rows of an edit that are kept as they are.
    rejected : list of dict, optional
        Answers not to be given: `film`, `start`, `end` (seconds) and `query`, a second inside
        the one trailer shot that is meant, or None for all.
    calibration : Calibration, optional
        By default fitted on the archive.

    Returns
    -------
    edit : DataFrame
        One row a trailer shot; columns as in `lab.edit.Row`.
    notes : list of str
        What had to give: re-use, slowing beyond the limit.

    Raises
    ------
    MatchError
        If nothing in the archive may answer.
    """
    desk, notes = open_desk(trailer, archive, frames, settings, calibration, rejected)
    queries, allowed, settings = desk.queries, desk.allowed, desk.settings
    rows = {at: _dark() for at, query in enumerate(queries.itertuples()) if _is_dark(query)}
    for at, pin in _pins(queries, pinned or []).items():
        rows[at], more = desk.keep(at, pin)
        notes += more
    asked = np.array([at for at in range(len(queries)) if at not in rows], int)
    chosen, more = choose(desk.lay(asked), allowed[asked], desk.room[asked], settings)
    notes += more
    for at, column in zip(asked, chosen, strict=True):
        rows[at] = desk.answer(at, column)
    for at, query in enumerate(queries.itertuples()):
        ours = {"query_id": query.shot_id, "in_query": query.start, "out_query": query.end}
        rows[at] = {**rows[at], "position": at + 1, **ours}
    return pd.DataFrame([rows[at] for at in range(len(queries))]), notes


def open_desk(
    trailer: Archive,
    archive: Archive,
    frames: Callable[[str], dict[str, np.ndarray]],
    settings: MatchSettings | None = None,
    calibration: Calibration | None = None,
    rejected: list[dict] | None = None,
) -> tuple[Desk, list[str]]:
    """All that answers are chosen by, before one is chosen; arguments as for `match`.

    Returns
    -------
    Desk
    notes : list of str

    Raises
    ------
    MatchError
        If the archive is empty.
    """
    settings = settings or MatchSettings()
    if not len(archive.shots):
        raise MatchError("the archive holds no shots; ingest some films first.")
    calibration = calibration or Calibration.fit(archive.vectors)
    likeness = Likeness.between(trailer, archive, calibration, settings.mirror)
    queries, answers = trailer.shots, archive.shots
    allowed = _allowed(queries, answers, settings, rejected or [])
    allowed, notes = _without_useless(allowed, queries, answers, settings)
    notes += _unknown(rejected or [], queries, answers)
    handicap = shapes(trailer, archive)
    if settings.distinct:
        handicap = handicap + settings.distinct * sameness(archive, calibration, settings.weights)
    desk = Desk(queries, answers, archive.moments, likeness, allowed, frames, settings, handicap)
    return desk, notes


@dataclass
class Desk:
    """All that is needed to choose answers, and to write a row of the edit.

    Attributes
    ----------
    score, turned : ndarray, shape (trailer shots, archive shots)
        How well each would answer, handicaps off; whether it is better in a mirror.
    allowed : ndarray of bool, same shape
    handicap : ndarray
        What answers lose in choosing.
    """

    queries: pd.DataFrame
    answers: pd.DataFrame
    moments: pd.DataFrame
    likeness: Likeness
    allowed: np.ndarray
    frames: Callable
    settings: MatchSettings
    handicap: np.ndarray

    def __post_init__(self):
        self.sides = self.likeness.sides(self.settings.weights)
        # A shot is shown mirrored as a whole, or not at all.
        scores = np.stack([self.likeness.shots(side) for side in self.sides])
        self.score, self.turned = scores.max(axis=0), scores.argmax(axis=0)
        self.score -= self.handicap
        self.spans = _spans(self.queries, self.frames)
        self.room = _room(self.spans, self.queries, self.answers)
        self.traces: dict[tuple[str, float, float], Traces] = {}
        self.speeds: dict[tuple[int, int], float] = {}

    def lay(self, asked: np.ndarray) -> np.ndarray:
        """Scores of the trailer shots `asked`, more where movements can be laid side by side.

        Their best candidates are tried; by how much one runs better than the worst of them is
        what it gains, so that none falls behind those that were not tried.
        """
        score = self.score[asked].copy()
        if not self.settings.timing:
            return score
        tried = {int(at): self._ranked(at, TRIED) for at in asked}
        pairs = [(at, column) for at, columns in tried.items() for column in columns]
        # Film by film: each is read once, and what is kept of it are its shots' traces.
        pairs.sort(key=lambda pair: self.answers.film_id[pair[1]])
        alike = {pair: max(0.0, self._timing(*pair)) ** SHARP for pair in pairs}
        for row, columns in enumerate(tried.values()):
            gains = np.array([alike[int(asked[row]), column] for column in columns])
            score[row, columns] += self.settings.timing * (gains - gains.min(initial=1))
        return score

    def _ranked(self, at: int, count: int) -> list[int]:
        """The columns that would answer a row best, of those that may, at most `count`."""
        ranked = np.argsort(-np.where(self.allowed[at], self.score[at], FORBIDDEN))
        return [int(column) for column in ranked[:count] if self.allowed[at, column]]

    def _usual(self, at: int, column: int) -> float:
        """The answer's own speed, or less where it is too short."""
        return min(1.0, float(self.room[at, column]))

    def _timing(self, at: int, column: int) -> float:
        query, answer = self.queries.iloc[at], self.answers.iloc[column]
        usual, tempo = self._usual(at, column), self.settings.tempo
        speeds = usual * np.linspace(1 - tempo, 1 + tempo, SPEEDS)
        fits = (speeds >= self.settings.slowest) & (speeds <= self.room[at, column])
        speeds = np.array([usual, *speeds[fits & (speeds != usual)]])
        ours = self._traces(query, query.clean_start, query.clean_end)
        theirs = self._traces(answer, *stretch(query, answer))
        theirs = theirs.mirrored() if self.turned[at, column] else theirs
        found = timing(ours, theirs, self._window(at, column), speeds)
        self.speeds[at, column] = found.speed
        return found.alike

    def _traces(self, shot, start: float, end: float) -> Traces:
        key = shot.shot_id, start, end
        if key not in self.traces:
            self.traces[key] = Traces.of(self.frames(shot.film_id), start, end)
        return self.traces[key]

    def _window(self, at: int, column: int) -> tuple[float, float]:
        """Seconds of the archive shot's moment that is most like the trailer shot's first."""
        left, right = self.likeness.span(at, column)
        side = self.sides[int(self.turned[at, column])]
        window = self.moments.iloc[right].iloc[side[left, right][0].argmax()]
        return window.start, window.end

    def keep(self, at: int, pin: dict) -> tuple[dict, list[str]]:
        """A pinned row: what a person wrote stays, the rest is worked out; and notes."""
        if pin["kind"] != "match":
            return pin, []
        columns = _shown(at, pin, self.queries, self.answers)
        self.allowed[:, columns] = False
        speed, notes = _pinned_speed(at, pin, self.spans[at], self.answers)
        lasts = (pin["out_query"] - pin["in_query"]) * speed
        row = {name: value for name, value in pin.items() if not name.startswith("score")}
        row["why"] = ""
        row |= {"speed": speed, "out_match": pin["in_match"] + lasts}
        for column in columns:
            if row["out_match"] > self.answers.end[column] + EPSILON:
                notes.append(f"shot {at + 1}, pinned, runs on over a cut of its film.")
            if self.answers.shot_id[column] != pin.get("match_id") and speed < 1:
                notes.append(f"shot {at + 1}, pinned, plays at {speed:.0%} of its speed.")
            row["match_id"] = self.answers.shot_id[column]
            row |= self._said(at, column, bool(pin.get("mirror") and self.settings.mirror))
        return row, notes

    def answer(self, at: int, column: int) -> dict:
        """The row of a trailer shot that is answered by an archive shot."""
        query, answer = self.queries.iloc[at], self.answers.iloc[column]
        mirror = bool(self.turned[at, column])
        speed = self.speeds.get((at, column)) or self._usual(at, column)
        start = align(self.frames, query, answer, self._window(at, column), speed, mirror)
        return {
            "kind": "match",
            "match_id": answer.shot_id,
            "in_match": start,
            "out_match": start + (query.end - query.start) * speed,
            "speed": speed,
            "mirror": mirror,
            "pinned": False,
            "alternatives": self._rivals(at, column),
            **self._said(at, column, mirror),
        }

    def _said(self, at: int, column: int, mirror: bool) -> dict:
        """Scores of a pair, and why it is one."""
        numbers = self.likeness.numbers(at, column, mirror, self.settings.weights)
        words = [_words(shot) for shot in (self.queries.iloc[at], self.answers.iloc[column])]
        shares = self.settings.weights.shares()
        told = {name: numbers[f"score_{name}"] for name in CHANNELS if shares[name]}
        return {**numbers, "why": why(*words, told, self.likeness.spread, mirror)}

    def _rivals(self, at: int, column: int) -> list[str]:
        rivals = [c for c in self._ranked(at, ALTERNATIVES + 1) if c != column]
        return [self.answers.shot_id[c] for c in rivals[:ALTERNATIVES]]


def choose(
    score: np.ndarray, allowed: np.ndarray, room: np.ndarray, settings: MatchSettings
) -> tuple[np.ndarray, list[str]]:
    """The columns that answer the rows with the greatest sum of scores.

    An exact assignment (Jonker & Volgenant; `scipy.optimize.linear_sum_assignment`). Only a
    row's best columns are looked at, as many as there are rows: as others can take at most
    one fewer, the best assignment lies among them.

    Parameters
    ----------
    score : ndarray, shape (rows, columns)
    allowed : ndarray of bool, same shape
    room : ndarray, same shape
        Speed at which a column's shot would just last as long as the row's; 1 or more fits.
    settings : MatchSettings

    Returns
    -------
    columns : ndarray of int, shape (rows,)
    notes : list of str
        Where a column is used more often, or slower, than the settings ask for.
    """
    notes = []
    if not len(score):
        return np.zeros(0, int), notes
    if not allowed.any(axis=1).all():
        raise MatchError(
            "no archive shot may answer some of the trailer's shots; ingest more films, "
            "take rejections back, or let a film answer itself (--own-film)."
        )
    long_enough = allowed & (room >= settings.slowest)
    lonely = np.flatnonzero(~long_enough.any(axis=1))
    for row in lonely:  # slow the longest shots further rather than leave a gap
        long_enough[row] = allowed[row] & (room[row] >= 0.99 * room[row][allowed[row]].max())
    if len(lonely):
        notes.append(
            f"{len(lonely)} trailer shots are longer than any archive shot at {settings.slowest:g} "
            "of its speed: they are answered slower still."
        )
    value = np.where(long_enough, score, FORBIDDEN)
    pool = np.unique(np.argsort(-value, axis=1)[:, : len(value)])
    value = value[:, pool]
    for uses in range(settings.uses, len(value) + 1):
        # A later copy of a column costs more than any exchange can gain, so that re-use spreads
        # evenly; where the settings allow it, re-use is free.
        levels = np.maximum(0, np.arange(uses) - settings.uses + 1) * 4.0 * len(value)
        copies = np.concatenate([value - level for level in levels], axis=1)
        if copies.shape[1] < len(value):
            continue
        rows, columns = linear_sum_assignment(copies, maximize=True)
        if copies[rows, columns].min() > FORBIDDEN / 2:
            break
    chosen = pool[columns % len(pool)]
    most = int(np.bincount(chosen).max())
    if most > settings.uses:
        notes.append(
            f"the archive has too few shots that fit: some are used {most} times, "
            "spread as evenly as their lengths allow."
        )
    return chosen, notes


def _words(shot) -> dict[str, str]:
    """A shot's words; a card, which is not framed, is called what it is."""
    card = "".join(kind for kind in KINDS[1:] if kind in shot["flags"].split())
    return {name: shot.get(name, "") for name in WORDS} | ({"framing": card} if card else {})


def _is_dark(query) -> bool:
    return "black" in query.flags.split()


def _dark() -> dict:
    return {"kind": "black", "match_id": "", "speed": 1.0, "pinned": False, "alternatives": []}


def _spans(queries: pd.DataFrame, frames: Callable) -> np.ndarray:
    """Seconds from each trailer shot's first frame to its last."""
    if not len(queries):
        return np.zeros(0)
    times = frames(queries.film_id.iloc[0])["times"]
    first, last = queries.start_frame.to_numpy(int), queries.end_frame.to_numpy(int) - 1
    return times[last] - times[first]


def _room(spans: np.ndarray, queries: pd.DataFrame, answers: pd.DataFrame) -> np.ndarray:
    lengths = (answers.clean_end - answers.clean_start).to_numpy()[None].repeat(len(queries), 0)
    itself = queries.shot_id.to_numpy()[:, None] == answers.shot_id.to_numpy()[None]
    lengths = np.where(itself, (answers.end - answers.start).to_numpy()[None], lengths)
    return (lengths - 2 * EPSILON) / np.maximum(spans[:, None], EPSILON)


def _allowed(queries, answers, settings: MatchSettings, rejected: list[dict]) -> np.ndarray:
    """Which archive shots may answer which trailer shots, lengths aside."""
    allowed = np.ones((len(queries), len(answers)), bool)
    if not settings.own_film:
        allowed &= queries.film_id.to_numpy()[:, None] != answers.film_id.to_numpy()[None]
    # One flat colour answers another, and nothing else; black answers nothing.
    flat = [table["flags"].str.contains("flat").to_numpy() for table in (queries, answers)]
    allowed &= flat[0][:, None] >= flat[1][None]
    allowed &= ~answers["flags"].str.contains("black").to_numpy()[None]
    for no in rejected:
        hit = (answers.film_id == no["film"]) & (answers.start < no["end"] - EPSILON)
        hit &= answers.end > no["start"] + EPSILON
        meant = np.ones(len(queries), bool)
        if no.get("query") is not None:
            meant = ((queries.start <= no["query"]) & (no["query"] < queries.end)).to_numpy()
        allowed &= ~(meant[:, None] & hit.to_numpy()[None])
    return allowed


def _pins(queries: pd.DataFrame, pinned: list[dict]) -> dict[int, dict]:
    """Pinned rows by the trailer shot in which their middle lies: cuts may have been corrected."""
    rows = {}
    for pin in pinned:
        middle = (pin["in_query"] + pin["out_query"]) / 2
        at = np.flatnonzero((queries.start <= middle) & (middle < queries.end))
        if len(at):
            film = pin.get("match_film") or (pin.get("match_id") or "").split("-")[0]
            rows[int(at[0])] = {**pin, "match_film": film, "pinned": True}
    return rows


def _without_useless(
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


def _shown(at: int, pin: dict, queries: pd.DataFrame, answers: pd.DataFrame) -> list[int]:
    """The archive shot that a pin shows, by film and second: ids change when cuts do."""
    if pin["kind"] != "match":
        return []
    film, when = pin["match_film"], pin["in_match"]
    if film not in set(answers.film_id) | set(queries.film_id):
        raise MatchError(
            f"shot {at + 1} is pinned to match_film {film!r}, which the archive does not hold; "
            "write a film_id that `lab films` lists, or ingest that film."
        )
    hit = (answers.film_id == film) & (answers.start <= when + EPSILON)
    return np.flatnonzero(hit & (when + EPSILON < answers.end)).tolist()


def _pinned_speed(at: int, pin: dict, span: float, answers) -> tuple[float, list[str]]:
    """A pin's speed, less where its film ends too early."""
    here = answers.end[answers.film_id == pin["match_film"]]
    if not len(here):  # the trailer itself
        return pin["speed"], []
    fits = (here.max() - pin["in_match"] - 2 * EPSILON) / max(span, EPSILON)
    if fits < SLOWEST_PIN:
        raise MatchError(
            f"shot {at + 1} is pinned to in_match {pin['in_match']:g} s, but film "
            f"{pin['match_film']} ends at {here.max():.2f} s; take an earlier in_match."
        )
    if fits < pin["speed"]:
        return fits, [f"shot {at + 1}, pinned, is slowed: its film ends too early."]
    return pin["speed"], []


def _unknown(rejected: list[dict], queries, answers) -> list[str]:
    known = set(answers.film_id) | set(queries.film_id)
    return [
        f"rejected: names film {film!r}, which the archive does not hold; `lab films` lists "
        "the film_id of each."
        for film in sorted({no["film"] for no in rejected} - known)
    ]
