"""Which archive shot answers which shot of the trailer, and from which frame on.

Pure: tables and vectors in, a table out. The score of two moments is the weighted sum of
their channels' dot products; of two shots, the mean over the trailer shot's moments of the
best moment in the archive shot. Scores are divided by the sum of the weights, so that doubles
score 1 whatever the sliders say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field
from scipy.optimize import linear_sum_assignment

from lab.channels import CHANNELS, Calibration, mirrored, unit
from lab.ingest import Archive
from lab.video import EPSILON

ALTERNATIVES = 5
ALIGN_FRAMES = 96  # frames of a shot that are compared at every in-point
FORBIDDEN = -1e9  # beyond any sum of the costs of re-use


class Weights(BaseModel):
    """How much each channel has to say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: float = Field(1.0, ge=0, le=1)
    composition: float = Field(0.8, ge=0, le=1)
    colour: float = Field(0.3, ge=0, le=1)

    def shares(self) -> dict[str, float]:
        """Weights that add up to one; all equal when every slider is at zero."""
        weights = self.model_dump()
        total = sum(weights.values())
        return {name: w / total if total else 1 / len(weights) for name, w in weights.items()}


class MatchSettings(BaseModel):
    """All that can be set about a match; sliders, YAML and the command read it from here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: Weights = Weights()
    own_film: bool = Field(False, description="may a film answer itself?")
    mirror: bool = Field(False, description="may an answer be shown mirrored?")
    slowest: float = Field(0.5, gt=0, le=1, description="least speed of a shot that is too short")
    uses: int = Field(1, ge=1, description="times an archive shot may be used")


class MatchError(Exception):
    """No answer at all: one sentence on what is missing or which limit to relax."""


@dataclass(frozen=True)
class Likeness:
    """Scores of a trailer's moments against an archive's, kept so that sliders only reweight.

    Attributes
    ----------
    straight, turned : dict of ndarray of float32, shape (trailer moments, archive moments)
        A channel's scores, and those against the archive seen in a mirror, if asked for.
    left, right : ndarray of int
        First moment of every trailer shot and of every archive shot.
    lengths : ndarray of float
        Seconds that the trailer's moments last.
    """

    straight: dict[str, np.ndarray]
    turned: dict[str, np.ndarray] | None
    left: np.ndarray
    right: np.ndarray
    lengths: np.ndarray

    @classmethod
    def between(
        cls, trailer: Archive, archive: Archive, calibration: Calibration, mirror: bool = False
    ) -> Likeness:
        queries = calibration.apply(trailer.vectors)
        sides = []
        for raw in [archive.vectors, *([mirrored(archive.vectors)] if mirror else [])]:
            answers = calibration.apply(raw)
            sides.append({c: (queries[c] @ answers[c].T).astype(np.float32) for c in CHANNELS})
        lengths = (trailer.moments.end - trailer.moments.start).to_numpy()
        turned = sides[1] if mirror else None
        return cls(sides[0], turned, _firsts(trailer.moments), _firsts(archive.moments), lengths)

    def sides(self, weights: Weights) -> list[np.ndarray]:
        """Weighted scores of the moments: straight, and in the mirror if asked for."""
        return [_weigh(side, weights) for side in (self.straight, self.turned) if side is not None]

    def shots(self, score: np.ndarray) -> np.ndarray:
        """Scores of the moments brought together to shots."""
        best = np.maximum.reduceat(score, self.right, axis=1)
        total = np.add.reduceat(best * self.lengths[:, None], self.left, axis=0)
        return total / np.add.reduceat(self.lengths, self.left)[:, None]

    def span(self, row: int, column: int) -> tuple[slice, slice]:
        """The moments of a trailer shot and of an archive shot."""
        stops = [*self.left[1:], len(self.lengths)], [*self.right[1:], None]
        return slice(self.left[row], stops[0][row]), slice(self.right[column], stops[1][column])


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
        Gives ``times`` and ``trace`` of every frame of a film, by `film_id`.
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
    settings = settings or MatchSettings()
    if not len(archive.shots):
        raise MatchError("the archive holds no shots; ingest some films first.")
    calibration = calibration or Calibration.fit(archive.vectors)
    likeness = Likeness.between(trailer, archive, calibration, settings.mirror)
    sides = likeness.sides(settings.weights)
    # A shot is shown mirrored as a whole, or not at all.
    scores = np.stack([likeness.shots(side) for side in sides])
    score, turned = scores.max(axis=0), scores.argmax(axis=0)
    queries, answers = trailer.shots, archive.shots
    allowed = _allowed(queries, answers, settings, rejected or [])
    rows = {at: _dark(query) for at, query in enumerate(queries.itertuples()) if _is_dark(query)}
    for at, pin in _pins(queries, pinned or []).items():
        rows[at] = pin
        allowed[:, _shown(pin, answers)] = False
    asked = np.array([at for at in range(len(queries)) if at not in rows], int)
    spans = _spans(queries, frames)
    chosen, notes = choose(score[asked], allowed[asked], _room(spans[asked], answers), settings)
    for at, column in zip(asked, chosen, strict=True):
        query, answer = queries.iloc[at], answers.iloc[column]
        left, right = likeness.span(at, column)
        mirror = bool(turned[at, column])
        best = sides[mirror][left, right].argmax(axis=1)
        window = archive.moments.iloc[right].iloc[best[0]]
        speed = _speed(spans[at], answer)
        start = align(frames, query, answer, (window.start, window.end), speed, mirror)
        ranked = np.argsort(-np.where(allowed[at], score[at], FORBIDDEN))
        rivals = [c for c in ranked[: ALTERNATIVES + 1] if c != column and allowed[at, c]]
        side = likeness.turned if mirror else likeness.straight
        rows[at] = {
            "kind": "match",
            "match_id": answer.shot_id,
            "in_match": start,
            "out_match": start + (query.end - query.start) * speed,
            "speed": speed,
            "mirror": mirror,
            "score": float(score[at, column]),
            "pinned": False,
            "alternatives": [answers.shot_id[c] for c in rivals[:ALTERNATIVES]],
        }
        for name in CHANNELS:
            value = side[name][left, right][np.arange(len(best)), best]
            rows[at]["score_" + name] = float(np.average(value, weights=likeness.lengths[left]))
    for at, query in enumerate(queries.itertuples()):
        ours = {"query_id": query.shot_id, "in_query": query.start, "out_query": query.end}
        rows[at] = {**rows[at], "position": at + 1, **ours}
    return pd.DataFrame([rows[at] for at in range(len(queries))]), notes


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


def align(
    frames: Callable,
    query,
    answer,
    window: tuple[float, float],
    speed: float,
    mirror: bool = False,
) -> float:
    """The in-point at which an archive shot runs most like the trailer shot.

    Compared are the layouts of brightness, frame by frame, and how they change: at every
    archive frame inside `window` (seconds) from which the shot still lasts long enough.

    Returns
    -------
    float
        Seconds: the time of a frame of the archive film.
    """
    theirs, ours = frames(answer.film_id), frames(query.film_id)
    at = np.arange(query.start_frame, query.end_frame)
    if len(at) > ALIGN_FRAMES:
        at = at[np.linspace(0, len(at) - 1, ALIGN_FRAMES).round().astype(int)]
    beat = (ours["times"][at] - ours["times"][at[0]]) * speed
    shot = np.arange(answer.start_frame, answer.end_frame)
    begins = shot[theirs["times"][shot] + beat[-1] < answer.end - EPSILON]
    if not len(begins):
        return float(answer.start)
    times = theirs["times"][begins]
    inside = begins[(times >= window[0] - EPSILON) & (times < window[1] - EPSILON)]
    begins = inside if len(inside) else begins[-1:]
    model = ours["trace"][at].astype(np.float32)
    scores = []
    for begin in begins:
        when = theirs["times"][begin] + beat + EPSILON
        seen = theirs["trace"][np.searchsorted(theirs["times"], when, side="right") - 1]
        seen = seen.astype(np.float32)
        scores.append(_alike(model, seen[:, :, ::-1] if mirror else seen))
    return float(theirs["times"][begins[int(np.argmax(scores))]])


def _alike(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Likeness of two runs of brightness layouts (n, 9, 16); 2 where they are the same."""
    flat = [run.reshape(len(run), -1) for run in (ours, theirs)]
    layouts = [unit(run - run.mean(axis=1, keepdims=True)) for run in flat]
    changes = [unit(np.diff(run, axis=0).reshape(1, -1)) for run in flat]
    still = float(not changes[0].any() and not changes[1].any())
    layout = (layouts[0] * layouts[1]).sum(axis=1).mean()
    return float(layout + still + (changes[0] * changes[1]).sum())


def _weigh(channels: dict[str, np.ndarray], weights: Weights) -> np.ndarray:
    total = np.zeros_like(channels[CHANNELS[0]])
    for name, share in weights.shares().items():
        if share:
            total += np.float32(share) * channels[name]
    return total


def _firsts(moments: pd.DataFrame) -> np.ndarray:
    return np.flatnonzero((moments.shot_id != moments.shot_id.shift()).to_numpy())


def _is_dark(query) -> bool:
    return "black" in query.flags.split()


def _dark(query) -> dict:
    return {"kind": "black", "match_id": "", "speed": 1.0, "pinned": False, "alternatives": []}


def _spans(queries: pd.DataFrame, frames: Callable) -> np.ndarray:
    """Seconds from each trailer shot's first frame to its last."""
    if not len(queries):
        return np.zeros(0)
    times = frames(queries.film_id.iloc[0])["times"]
    first, last = queries.start_frame.to_numpy(int), queries.end_frame.to_numpy(int) - 1
    return times[last] - times[first]


def _room(spans: np.ndarray, answers: pd.DataFrame) -> np.ndarray:
    lengths = (answers.end - answers.start).to_numpy() - 2 * EPSILON
    return lengths[None] / np.maximum(spans[:, None], EPSILON)


def _speed(span: float, answer) -> float:
    return min(1.0, (answer.end - answer.start - 2 * EPSILON) / max(span, EPSILON))


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


def _shown(pin: dict, answers: pd.DataFrame) -> np.ndarray:
    """The archive shot that a pin shows, by film and second: ids change when cuts do."""
    if pin.get("in_match") is None:
        return np.zeros(len(answers), bool)
    film = pin.get("match_film") or pin["match_id"].split("-")[0]
    when = pin["in_match"] + EPSILON
    hit = (answers.film_id == film) & (answers.start <= when) & (when < answers.end)
    return hit.to_numpy()


def _pins(queries: pd.DataFrame, pinned: list[dict]) -> dict[int, dict]:
    """Pinned rows by the trailer shot in which their middle lies: cuts may have been corrected."""
    rows = {}
    for pin in pinned:
        middle = (pin["in_query"] + pin["out_query"]) / 2
        at = np.flatnonzero((queries.start <= middle) & (middle < queries.end))
        if len(at):
            rows[int(at[0])] = {**pin, "pinned": True}
    return rows
