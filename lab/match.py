"""Which archive shot answers which shot of the trailer, and from which frame on.

Pure: tables and vectors in, a table out. Scores come from `lab.likeness`; the best answers are laid
beside their shots (`lab.align`), and of all ways to answer every shot the best is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from lab.align import SPEEDS, Timing, Traces, align, stretch, timing
from lab.channels import CHANNELS, Calibration
from lab.flags import CARDS
from lab.language import WORDS, why
from lab.likeness import Likeness, lowered, sameness, shapes
from lab.rules import (
    MatchError,
    MatchSettings,
    allowed_by,
    eased,
    missing_films,
    open_to,
    unknown_films,
    wishes,
    without_useless,
)
from lab.setups import find_setups
from lab.solve import NEVER, Rules, Solution, Task, foremost
from lab.tables import Archive
from lab.video import EPSILON

ALTERNATIVES = 5
SHARP = 4  # power of likeness in movement: strangers all move a little alike
STEPS = 3  # steps of a shot at which its movement says half of what it can
TRIED = 16  # best answers of a shot that are laid beside it before one is chosen
SLOWEST_PIN = 0.05  # speed below which a pinned answer would be a still
ECHO = 0.3  # score that `echo` of 1 adds for every shot that keeps to its set-up's sequence


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
    rows, more = desk.match(pinned or [])
    return rows, notes + more


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
    known = Known.of(trailer, archive, calibration, frames)
    desk = Desk(trailer, archive, frames, calibration, likeness, known, settings, rejected or [])
    return desk, desk.notes


@dataclass
class Known:
    """What holds under all settings, and what was worked out under some.

    Attributes
    ----------
    spans : ndarray, shape (trailer shots,)
        Seconds from each one's first frame to its last.
    room : ndarray, shape (trailer shots, archive shots)
        Speed at which an archive shot would just last as long.
    setups : tuple
        Set-ups and sequences of the trailer's shots, and of the archive's.
    films : ndarray of int, shape (archive shots,)
        A number a film.
    traces, timings, starts, sameness : dict
        Of shots; of pairs, laid side by side; in-points of pairs; by weights.
    """

    spans: np.ndarray
    room: np.ndarray
    setups: tuple
    films: np.ndarray
    traces: dict = field(default_factory=dict)
    timings: dict = field(default_factory=dict)
    starts: dict = field(default_factory=dict)
    sameness: dict = field(default_factory=dict)

    @classmethod
    def of(cls, trailer: Archive, archive: Archive, calibration: Calibration, frames) -> Known:
        spans = _spans(trailer.shots, frames)
        setups = tuple(
            find_setups(side.shots, side.moments, side.vectors, calibration)
            for side in (trailer, archive)
        )
        films = pd.factorize(archive.shots.film_id)[0]
        return cls(spans, _room(spans, trailer.shots, archive.shots), setups, films)


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
    notes : list of str
        What had to give already.
    """

    trailer: Archive
    archive: Archive
    frames: Callable
    calibration: Calibration
    likeness: Likeness
    known: Known
    settings: MatchSettings
    rejected: list[dict]

    def __post_init__(self):
        settings = self.settings
        self.queries, self.answers = self.trailer.shots, self.archive.shots
        self.moments = self.archive.moments
        self.room, self.spans = self.known.room, self.known.spans
        allowed = allowed_by(self.queries, self.answers, settings, self.rejected)
        self.allowed, self.notes = without_useless(allowed, self.queries, self.answers, settings)
        self.notes += unknown_films(self.rejected, self.queries, self.answers)
        self.notes += missing_films(self.archive)
        self.handicap = shapes(self.trailer, self.archive)
        self.handicap = self.handicap + wishes(self.trailer, self.archive, settings)
        self.plain = self.handicap  # without what depends on weights
        if settings.distinct:
            self.handicap = self.handicap + settings.distinct * self.sameness
        self.score, self.turned = self.likeness.shots(settings.weights, settings.mirror)
        self.score = lowered(self.score, self.handicap)

    @property
    def sameness(self) -> np.ndarray:
        """How far each archive shot is a little like everything, by the weights."""
        weights, known = self.settings.weights, self.known.sameness
        if weights not in known:
            known[weights] = sameness(self.archive, self.calibration, weights)
        return known[weights]

    def under(self, settings: MatchSettings, rejected: list[dict]) -> Desk:
        """The same desk under other settings: what is known stays known."""
        likeness = self.likeness
        if settings.mirror and likeness.turned is None:
            likeness = Likeness.between(self.trailer, self.archive, self.calibration, mirror=True)
        return replace(self, settings=settings, rejected=rejected, likeness=likeness)

    def match(self, pinned: list[dict]) -> tuple[pd.DataFrame, list[str]]:
        """Answer every shot: the rows of an edit, and what had to give."""
        rows, notes = self.plan(pinned)
        free = np.flatnonzero(self.fixed == -1)
        values = np.full(self.score.shape, NEVER, np.float32)
        values[free] = np.where(self.open[free], self.lay(free), NEVER)
        found, more = self.solve(None, values)
        for at in free:
            rows[at] = self.answer(at, int(found.columns[at]))
        for at, query in enumerate(self.queries.itertuples()):
            ours = {"query_id": query.shot_id, "in_query": query.start, "out_query": query.end}
            rows[at] = {**rows[at], "position": at + 1, **ours}
        return pd.DataFrame([rows[at] for at in range(len(self.queries))]), notes + more

    def plan(self, pinned: list[dict]) -> tuple[dict[int, dict], list[str]]:
        """Rows that are settled before one is chosen, and notes.

        Sets ``fixed``, as in `lab.solve.Task`, and ``open``: which archive shots may answer.
        """
        rows, fixed, notes = {}, np.full(len(self.queries), -1), []
        for at, query in enumerate(self.queries.itertuples()):
            if _is_dark(query):
                rows[at] = _dark()
        for at, pin in _pins(self.queries, pinned).items():
            columns = _shown(at, pin, self.queries, self.answers)
            rows[at], more = self.keep(at, pin, columns)
            fixed[at] = columns[0] if columns else -2
            notes += more
        cards, more = self._cards([at for at in range(len(self.queries)) if at not in rows])
        rows |= cards
        fixed[[at for at in rows if fixed[at] == -1]] = -2
        self.fixed, free = fixed, np.flatnonzero(fixed == -1)
        self.open, slowed = open_to(self.allowed, self.room, free, self.settings.slowest)
        return rows, notes + more + slowed

    def _cards(self, free: list[int]) -> tuple[dict[int, dict], list[str]]:
        """Rows of the trailer's cards that no archive shot answers, as the settings have it."""
        how = self.settings.cards
        cards = [at for at in free if how != "any" and _is_card(self.queries.iloc[at])]
        if how != "intertitles":
            return {at: _unanswered(how) for at in cards}, []
        titles = self.answers["flags"].str.contains("title").to_numpy()
        fits = self.allowed & titles[None] & (self.room >= self.settings.slowest)
        kept = [at for at in cards if not fits[at].any()]
        cards = [at for at in cards if fits[at].any()]
        self.allowed[cards] &= titles[None]
        # Of more cards than titles, those that are least like one stay as they are.
        spare = len(cards) - self.settings.uses * int(fits[cards].any(axis=0).sum())
        if spare > 0:
            best = np.where(fits[cards], self.score[cards], NEVER).max(axis=1)
            kept += [cards[k] for k in best.argsort()[:spare]]
        said = [f"cards of the trailer stay as they are: shot {_places(kept)}."] if kept else []
        return {at: _unanswered("keep") for at in kept}, said

    def solve(self, columns, values: np.ndarray) -> tuple[Solution, list[str]]:
        """The best whole answer after `plan`; arguments as of `lab.solve.Task`."""
        settings, films = self.settings, self.known.films
        (setup, _), (_, sequence) = self.known.setups
        begins = self.queries.start.to_numpy()
        task = Task(columns, values, begins, self.fixed, films, sequence, setup)
        rules = Rules(
            settings.uses, settings.apart, settings.share, settings.variety, settings.echo * ECHO
        )
        return eased(task, rules)

    def lay(self, asked: np.ndarray) -> np.ndarray:
        """Scores of the trailer shots `asked`, more where movements can be laid side by side.

        Their best candidates are tried; by how much one runs better than the worst of them is
        what it gains, so that none falls behind those that were not tried.
        """
        score = self.score[asked].copy()
        if not self.settings.timing:
            return score
        tried = {int(at): self.ranked(at, TRIED) for at in asked}
        pairs = [(at, column) for at, columns in tried.items() for column in columns]
        # Film by film: each is read once, and what is kept of it are its shots' traces.
        pairs.sort(key=lambda pair: self.answers.film_id[pair[1]])
        alike = {pair: max(0.0, self._timing(*pair).alike) ** SHARP for pair in pairs}
        for row, columns in enumerate(tried.values()):
            at = int(asked[row])
            gains = np.array([alike[at, column] for column in columns])
            score[row, columns] += self._says(at) * (gains - gains.min(initial=1))
        return score

    def _says(self, at: int) -> float:
        """How much a shot's movement counts: half a second of it says little."""
        query = self.queries.iloc[at]
        steps = len(self._traces(query, query.clean_start, query.clean_end).times)
        return self.settings.timing * steps / (steps + STEPS)

    def ranked(self, at: int, count: int) -> list[int]:
        """The columns that would answer a row best, of those that may, at most `count`."""
        score = np.where(self.allowed[at], self.score[at], NEVER)
        best = foremost(score[None], count)[0]
        best = best[np.lexsort((best, -score[best]))]
        return [int(column) for column in best if self.allowed[at, column]]

    def _usual(self, at: int, column: int) -> float:
        """The answer's own speed, or less where it is too short."""
        return min(1.0, float(self.room[at, column]))

    def _timing(self, at: int, column: int) -> Timing:
        """How well an archive shot can be laid beside a trailer shot, and how fast it then runs."""
        turned, window = bool(self.turned[at, column]), self._window(at, column)
        usual, tempo = self._usual(at, column), self.settings.tempo
        key = at, column, turned, window, tempo, self.settings.slowest
        if key not in self.known.timings:
            query, answer = self.queries.iloc[at], self.answers.iloc[column]
            speeds = usual * np.linspace(1 - tempo, 1 + tempo, SPEEDS)
            fits = (speeds >= self.settings.slowest) & (speeds <= self.room[at, column])
            speeds = np.array([usual, *speeds[fits & (speeds != usual)]])
            ours = self._traces(query, query.clean_start, query.clean_end)
            theirs = self._traces(answer, *stretch(query, answer))
            theirs = theirs.mirrored() if turned else theirs
            self.known.timings[key] = timing(ours, theirs, window, speeds)
        return self.known.timings[key]

    def _traces(self, shot, start: float, end: float) -> Traces:
        key = shot.shot_id, start, end
        if key not in self.known.traces:
            self.known.traces[key] = Traces.of(self.frames(shot.film_id), start, end)
        return self.known.traces[key]

    def _window(self, at: int, column: int) -> tuple[float, float]:
        """Seconds of the archive shot's moment that is most like the trailer shot's first."""
        turned, weights = bool(self.turned[at, column]), self.settings.weights
        best = self.likeness.pair(at, column, turned, weights)[0].argmax()
        window = self.moments.iloc[self.likeness.right[column] + best]
        return window.start, window.end

    def keep(self, at: int, pin: dict, columns: list[int]) -> tuple[dict, list[str]]:
        """A pinned row: what a person wrote stays, the rest is worked out; and notes."""
        if pin["kind"] != "match":
            return pin, []
        speed, notes = _pinned_speed(at, pin, self.spans[at], self.answers)
        lasts = (pin["out_query"] - pin["in_query"]) * speed
        row = {name: value for name, value in pin.items() if not name.startswith("score")}
        row["why"] = ""
        row |= {"speed": speed, "out_match": pin["in_match"] + lasts}
        for column in columns:
            seen = pin["in_match"] + self.spans[at] * speed  # when its last frame is on show
            if seen > self.answers.end[column] + EPSILON:
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
        timed = self.settings.timing and column in self.ranked(at, TRIED)
        speed = self._timing(at, column).speed if timed else self._usual(at, column)
        start = self._start(at, column, speed, mirror)
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

    def _start(self, at: int, column: int, speed: float, mirror: bool) -> float:
        """The second at which an answer begins."""
        window = self._window(at, column)
        key = at, column, window, speed, mirror
        if key not in self.known.starts:
            query, answer = self.queries.iloc[at], self.answers.iloc[column]
            self.known.starts[key] = align(self.frames, query, answer, window, speed, mirror)
        return self.known.starts[key]

    def _said(self, at: int, column: int, mirror: bool) -> dict:
        """Scores of a pair, and why it is one."""
        numbers = self.likeness.numbers(at, column, mirror, self.settings.weights)
        words = [_words(shot) for shot in (self.queries.iloc[at], self.answers.iloc[column])]
        shares = self.settings.weights.shares()
        told = {name: numbers[f"score_{name}"] for name in CHANNELS if shares[name]}
        return {**numbers, "why": why(*words, told, self.likeness.spread, mirror)}

    def _rivals(self, at: int, column: int) -> list[str]:
        rivals = [c for c in self.ranked(at, ALTERNATIVES + 1) if c != column]
        return [self.answers.shot_id[c] for c in rivals[:ALTERNATIVES]]


def _words(shot) -> dict[str, str]:
    """A shot's words; a card, which is not framed, is called what it is."""
    card = "".join(kind for kind in CARDS if kind in shot["flags"].split())
    return {name: shot.get(name, "") for name in WORDS} | ({"framing": card} if card else {})


def _is_dark(query) -> bool:
    return "black" in query.flags.split()


def _is_card(query) -> bool:
    return any(kind in query["flags"].split() for kind in CARDS)


def _dark() -> dict:
    return _unanswered("black")


def _unanswered(kind: str) -> dict:
    """A row that no archive shot answers: ``black``, or ``keep`` for the trailer itself."""
    return {"kind": kind, "match_id": "", "speed": 1.0, "pinned": False, "alternatives": []}


def _places(rows: list[int]) -> str:
    return ", ".join(str(row + 1) for row in sorted(rows))


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


def _pins(queries: pd.DataFrame, pinned: list[dict]) -> dict[int, dict]:
    """Pinned rows by the trailer shot in which their middle lies: cuts may have been corrected.

    Where a shot was divided, in an editing program, the longest of its rows speaks for it.
    """
    rows = {}
    for pin in sorted(pinned, key=lambda pin: pin["out_query"] - pin["in_query"]):
        middle = (pin["in_query"] + pin["out_query"]) / 2
        at = np.flatnonzero((queries.start <= middle) & (middle < queries.end))
        if len(at):
            film = pin.get("match_film") or (pin.get("match_id") or "").split("-")[0]
            rows[int(at[0])] = {**pin, "match_film": film, "pinned": True}
    return rows


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
        told = f"from {pin['speed']:.2f} to {fits:.2f} of its speed: its film ends too early"
        return fits, [f"shot {at + 1}, pinned, is slowed {told}; take an earlier in_match."]
    return pin["speed"], []
