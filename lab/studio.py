"""The studio: a match in work. Everything that one changes, and what follows from it.

No widget and no picture: `lab.widgets.MatchStudio` shows what this knows. Every change is written
to the edit at once, and can be undone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from lab.candidates import Hand, Pool, gather
from lab.canvas import window
from lab.channels import CHANNELS, Calibration
from lab.edit import Edit, EditError, Rejection, Row, held, load_edit, load_sides, make_edit
from lab.language import clock
from lab.likeness import WAYS, Likeness, Weights, only, sameness, shares
from lab.match import open_desk
from lab.rules import MatchError, MatchSettings
from lab.solve import NEVER
from lab.stages import IngestSettings
from lab.store import Workspace, read_json, write_json
from lab.tables import Archive, load_frames

SAMPLE = 150  # of the archive's shots, by which weak is told
WEAK = 0.2  # part of the archive's own shots that are answered worse than a match that is not weak
UNDO = 200  # changes that can be taken back
RIVALS, WIDE = 6, 6  # other answers shown under each; times as many are looked at
ENOUGH = 12  # candidates that a shot has at least, where so many may answer
HOLD = 6.0  # how strongly judgements are held to the weights that were set by hand


@dataclass(frozen=True)
class State:
    """All that a person decided.

    Attributes
    ----------
    settings : MatchSettings
    pins : tuple of Row
    rejected : tuple of Rejection
    judged : tuple
        How far judged pairs stood out in each channel, and whether they were liked.
    base : Weights or None
        Those that were set by hand before the first judgement.
    """

    settings: MatchSettings
    pins: tuple[Row, ...] = ()
    rejected: tuple[Rejection, ...] = ()
    judged: tuple[tuple[tuple[float, ...], bool], ...] = ()
    base: Weights | None = None


class Studio:
    """A trailer's match, to be tuned.

    Parameters
    ----------
    workspace : Workspace
    trailer : path-like
        Ingested first where that is still to be done.
    path : path-like
        The edit, ``.yaml``: opened if it is there, and written at every change.
    settings : MatchSettings, optional
        Of a new edit.
    looking : IngestSettings, optional

    Attributes
    ----------
    edit : Edit
        As it is written.
    notes : list of str
        What had to give, and what changed since the edit was written last.

    Raises
    ------
    FilmError, MatchError, EditError

    Examples
    --------
    >>> studio = Studio(Workspace("data"), "trailer.mp4", "data/out/edit.yaml")  # doctest: +SKIP
    >>> studio.pin(3)  # doctest: +SKIP
    >>> studio.weigh(WAYS["same movement"])  # doctest: +SKIP
    """

    def __init__(
        self,
        workspace: Workspace,
        trailer,
        path,
        settings: MatchSettings | None = None,
        looking: IngestSettings | None = None,
    ):
        self.workspace, self.path = workspace, Path(path)
        before = load_edit(path, workspace) if self.path.exists() else None
        self.looking = looking or IngestSettings(**({"encoder": before.encoder} if before else {}))
        self.trailer, self.archive = load_sides(workspace, trailer, self.looking)
        self.film_id = self.trailer.films.film_id[0]
        if before and before.trailer != self.film_id:
            raise EditError(f"{path}: is an edit of another trailer; give this one another name.")
        self.state = _state_of(before) if before else State(settings or MatchSettings())
        self.state, gone = _without_gone(self.state, self.archive)
        self.done: list[State] = []
        self.undone: list[State] = []
        self._usuals: dict[Weights, float] = {}
        self._pool, self._fed, self._held = None, None, None
        self.desk, _ = open_desk(
            self.trailer,
            self.archive,
            lru_cache(maxsize=16)(partial(load_frames, workspace)),
            self.state.settings,
            Calibration.fit(self.archive.vectors),
            self._rejected,
        )
        self._answer()
        self.notes = gone + self.notes

    # What a person does. Positions count from 1, as in the edit.

    def get_ready(self) -> Pool:
        """Gather the candidates, so that `weigh` answers at once."""
        return self.pool

    def weigh(self, weights: Weights) -> list[str]:
        """Answers under other weights, at once: the `shot_id` of every row's, empty for none.

        Nothing is written; `set` does that.
        """
        pool, hand = self.pool, self._hand
        value = hand.values(weights, self.state.settings.distinct)
        found, _ = self.desk.solve(pool.columns, value)
        return [self._ids[column] if column >= 0 else "" for column in found.columns]

    def set(self, **settings) -> None:
        """Change settings: the fields of `MatchSettings`."""
        self._catch_up()
        changed = self.state.settings.model_copy(update=settings)
        state = replace(self.state, settings=MatchSettings.model_validate(changed.model_dump()))
        if "weights" in settings:  # set by hand: judgements begin anew from here
            state = replace(state, judged=(), base=None)
        self._do(state)

    def pin(self, position: int) -> None:
        """Keep a row as it is."""
        self._put(self.row(position))

    def unpin(self, position: int) -> None:
        """Let a row be answered anew."""
        row = self.row(position)
        self._do(replace(self.state, pins=tuple(p for p in self.state.pins if not _same(p, row))))

    def choose(self, position: int, shot_id: str) -> None:
        """Answer a row with an archive shot, and keep it."""
        at, column = position - 1, self._column(shot_id)
        answer = self.desk.answer(at, column)
        row = self.row(position).model_dump(exclude={"scores", "mark"})
        row |= {name: answer[name] for name in ("in_match", "out_match", "speed", "mirror")}
        row |= {"kind": "match", "match_id": shot_id, "match_film": shot_id.split("-")[0]}
        row["reframe"] = None  # it was of another picture
        self._put(Row(**row))

    def change(self, position: int, **values) -> None:
        """Change a row's ``in_match`` (seconds), ``speed`` or ``mirror``, or its ``kind``."""
        row = self.row(position) if "kind" in values else self._matched(position)
        self._put(Row(**(row.model_dump(exclude={"mark"}) | values)))

    def reframe(self, position: int, zoom: float, across: float = 0.5, down: float = 0.5) -> None:
        """Show an answer larger than it is: a part of its picture.

        Parameters
        ----------
        position : int
        zoom : float
            How many times as large; 1 shows all of it.
        across, down : float
            What is in the middle, in parts of width and height, as near as the edges allow.

        Raises
        ------
        MatchError
            If it is to be shown smaller than it is.
        """
        if not zoom >= 1:
            raise MatchError(f"an answer cannot be shown smaller: zoom is 1 or more, not {zoom:g}.")
        side = 1 / zoom
        left, top = window((across, down), (1, 1), (side, side))
        part = tuple(round(edge, 4) for edge in (left, top, left + side, top + side))
        self.change(position, reframe=part if side < 1 else None)

    def nudge(self, position: int, frames: int) -> None:
        """Begin an answer some frames of its film later, or earlier."""
        row = self._matched(position)
        times = self.desk.frames(row.match_film)["times"]
        at = int(np.abs(times - row.in_match).argmin()) + frames
        self.change(position, in_match=float(times[np.clip(at, 0, len(times) - 1)]))

    def reject(self, position: int, what: str = "pair") -> None:
        """Refuse a row's answer: this ``pair``, this ``shot`` for all, or its whole ``film``."""
        row = self.row(position)
        if row.kind != "match":
            raise MatchError(f"shot {position} is answered by no shot that could be rejected.")
        shots = self.archive.shots
        shown = shots[shots.shot_id == row.match_id]
        start, end = (
            (shown.start.min(), shown.end.max()) if len(shown) else (row.in_match, row.out_match)
        )
        if what == "film":
            mine = shots[shots.film_id == row.match_film]
            start, end = mine.start.min(), mine.end.max()
        query = row.middle if what == "pair" else None
        no = Rejection(film=row.match_film, start=start, end=end, query=query)
        pins = tuple(p for p in self.state.pins if not _same(p, row))
        self._do(replace(self.state, pins=pins, rejected=(*self.state.rejected, no)))

    def judge(self, position: int, liked: bool) -> dict[str, float]:
        """More, or less, like this: weights under which what is liked scores above what is not.

        A logistic regression on how far the judged pairs stand out in each channel, held near to
        the weights that were set by hand last (`HOLD`): few judgements move little.

        Returns
        -------
        dict
            By how much each weight was changed.

        Raises
        ------
        MatchError
            If no archive shot answers this shot.
        """
        row, spread = self.row(position), self.desk.likeness.spread
        if not row.scores:
            raise MatchError(f"shot {position} is answered by no shot that could be judged.")
        stands = tuple(row.scores.get(n, 0.0) / max(spread[n], 1e-6) for n in CHANNELS)
        judged = (*self.state.judged, (stands, liked))
        base = self.state.base or self.state.settings.weights
        was = np.array(list(self.state.settings.weights.model_dump().values()))
        now = _learnt(np.array(list(base.model_dump().values())), judged)
        weights = Weights(**dict(zip(CHANNELS, now.tolist(), strict=True)))
        settings = self.state.settings.model_copy(update={"weights": weights})
        self._do(replace(self.state, settings=settings, judged=judged, base=base))
        return dict(zip(CHANNELS, (now - was).round(3).tolist(), strict=True))

    def undo(self) -> None:
        """Take the last change back."""
        self._catch_up()
        if self.done:
            self.undone.append(self.state)
            self.state = self.done.pop()
            self.settle()

    def redo(self) -> None:
        """Make the change again that was taken back last."""
        self._catch_up()
        if self.undone:
            self.done.append(self.state)
            self.state = self.undone.pop()
            self.settle()

    def presets(self) -> dict[str, Weights]:
        """Weights by name: those that come with matching, and those that were saved."""
        kept = read_json(self.workspace.presets, {})
        return WAYS | {name: Weights(**weights) for name, weights in kept.items()}

    def save_preset(self, name: str) -> None:
        """Keep the weights under a name, for this workspace.

        Raises
        ------
        MatchError
            If a preset that comes with matching is called so.
        """
        if name in WAYS or not name.strip():
            raise MatchError(f"{name!r}: give your preset another name.")
        kept = read_json(self.workspace.presets, {})
        write_json(self.workspace.presets, kept | {name: self.state.settings.weights.model_dump()})

    # What follows.

    def row(self, position: int) -> Row:
        """A row of the edit, by its position."""
        self._catch_up()
        if not 1 <= position <= len(self.edit.shots):
            raise MatchError(f"there are shots 1 to {len(self.edit.shots)}, no {position}.")
        return self.edit.shots[position - 1]

    def settle(self) -> None:
        """Answer everything by what is decided, and write the edit."""
        self.desk = self.desk.under(self.state.settings, self._rejected)
        self._answer()

    def _answer(self) -> None:
        rows, notes = self.desk.match(self._pins)
        self.notes = self.desk.notes + notes
        self.edit = make_edit(
            self.path,
            rows,
            pd.concat([self.trailer.films, self.archive.films]).drop_duplicates("film_id"),
            trailer=self.film_id,
            encoder=self.looking.encoder,
            calibration=self.desk.calibration.version,
            settings=self.state.settings,
            rejected=list(self.state.rejected),
        )
        self.edit.save(self.path)
        self._stamp = _stamp(self.path)

    def _catch_up(self) -> None:
        """Read the edit anew if somebody else wrote it: nothing of theirs is lost."""
        if _stamp(self.path) in (self._stamp, None):  # one that is gone is written anew
            return
        state, gone = _without_gone(_state_of(load_edit(self.path, self.workspace)), self.archive)
        self.done, self.undone = [*self.done, self.state][-UNDO:], []
        self.state = state
        self.settle()
        self.notes = ["The edit was changed elsewhere: it was read anew.", *gone, *self.notes]

    def rivals(self, position: int, count: int = RIVALS) -> list[str]:
        """The `shot_id` of the next best answers of a row: the best of each film first."""
        own = self.row(position).match_id
        ranked = [self._ids[column] for column in self.desk.ranked(position - 1, WIDE * count)]
        ranked = [one for one in ranked if one != own]
        films = [one.split("-")[0] for one in ranked]
        first = [film not in films[:k] for k, film in enumerate(films)]
        told = [one for one, new in zip(ranked, first, strict=True) if new]
        told += [one for one, new in zip(ranked, first, strict=True) if not new]
        return told[:count]

    def weak(self) -> list[int]:
        """Positions of weak answers: worse than most of the archive's own shots would have."""
        return [
            row.position
            for row in self.edit.shots
            if row.kind == "match" and row.score is not None and row.score < self._threshold
        ]

    def lacks(self) -> list[str]:
        """What weak matches ask for that the archive has hardly any of."""
        weak = self.trailer.shots.iloc[[position - 1 for position in self.weak()]]
        said = []
        for column in ("framing", "light", "camera", "faces"):
            for word, count in Counter(weak[column]).items():
                there = int((self.archive.shots[column] == word).sum())
                if word not in ("", "normal", "none") and there < count:
                    said.append(f"{column} {word} ({count} wanted, {there} there)")
        return said

    def under(self, presets: Sequence[str]) -> pd.DataFrame:
        """What would answer every shot under other weights: a row a shot, a column a preset.

        Cells tell film and second; pins hold in all of them.
        """
        shots, table = self.archive.shots.set_index("shot_id"), {}
        titles = self.archive.films.set_index("film_id").title
        for name in presets:
            ids = self.weigh(self.presets()[name])
            places = [(shots.film_id[one], shots.start[one]) if one else None for one in ids]
            told = [f"{titles[at[0]]} {clock(at[1])}" if at else "" for at in places]
            table[name] = told
        return pd.DataFrame(table, index=[row.position for row in self.edit.shots])

    @property
    def pool(self) -> Pool:
        """The candidates, gathered anew where settings or rejections left too few of them."""
        desk = self.desk
        if self._pool is None or self._pool[0] is not desk.likeness or self._starved(self._pool[1]):
            self._pool = desk.likeness, self._gathered()
        return self._pool[1]

    @property
    def _hand(self) -> Hand:
        """The candidates' part of the desk as it is now."""
        asked = self.desk, self.pool
        if (
            self._held is None
            or self._held[0][0] is not asked[0]
            or self._held[0][1] is not asked[1]
        ):
            self._held = asked, Hand(self.pool, self.desk.plain, self.desk.open, self._sames)
        return self._held[1]

    def _starved(self, pool: Pool) -> bool:
        """Whether some shot has fewer candidates that may answer than it could have."""
        if self._fed is self.desk:
            return False
        rows = np.arange(len(pool.columns))[:, None]
        left = (pool.known & self.desk.open[rows, pool.columns]).sum(axis=1)
        free = self.desk.fixed == -1
        enough = np.minimum(self.desk.open.sum(axis=1), ENOUGH)
        starved = bool((left < enough)[free].any())
        self._fed = None if starved else self.desk  # until the next change
        return starved

    def _gathered(self) -> Pool:
        desk, settings = self.desk, self.state.settings

        def lost(weights: Weights) -> np.ndarray:
            shut = np.where(desk.open, 0, -NEVER).astype(np.float32)
            return desk.plain + settings.distinct * (self._sames @ shares(weights)) + shut

        return gather(desk.likeness, lost)

    @cached_property
    def _sames(self) -> np.ndarray:
        """How far archive shots are a little like everything, channel by channel."""
        parts = [sameness(self.archive, self.desk.calibration, only(**{n: 1})) for n in CHANNELS]
        return np.stack(parts, axis=1)

    @cached_property
    def _own(self) -> _Own:
        return _Own(self.archive, self.desk.calibration)

    @cached_property
    def _ids(self) -> list[str]:
        return self.archive.shots.shot_id.tolist()

    @property
    def _threshold(self) -> float:
        weights = self.state.settings.weights
        if weights not in self._usuals:
            self._usuals[weights] = self._own.usual(weights)
        return self._usuals[weights]

    @property
    def _pins(self) -> list[dict]:
        return [pin.model_dump() for pin in self.state.pins]

    @property
    def _rejected(self) -> list[dict]:
        return [no.model_dump() for no in self.state.rejected]

    def _matched(self, position: int) -> Row:
        row = self.row(position)
        if row.kind != "match":
            raise MatchError(f"shot {position} is answered by no shot; choose one first.")
        return row

    def _column(self, shot_id: str) -> int:
        at = np.flatnonzero(self.archive.shots.shot_id == shot_id)
        if not len(at):
            raise MatchError(f"{shot_id}: is no shot of the archive.")
        return int(at[0])

    def _put(self, row: Row) -> None:
        others = tuple(p for p in self.state.pins if not _same(p, row))
        pin = row.model_copy(update={"pinned": True})
        self._do(replace(self.state, pins=(*others, pin)))

    def _do(self, state: State) -> None:
        """Go on from a new state; what cannot be done leaves the old one."""
        before, self.state = self.state, state
        try:
            self.settle()
        except MatchError:
            self.state = before
            self.settle()
            raise
        self.done, self.undone = [*self.done, before][-UNDO:], []


def _stamp(path: Path) -> tuple[int, int] | None:
    """By what it is seen that a file was written anew; None where it is gone."""
    try:
        told = path.stat()
    except FileNotFoundError:
        return None
    return told.st_mtime_ns, told.st_size


def _learnt(base: np.ndarray, judged) -> np.ndarray:
    """Weights near to `base` that tell what was liked from what was not."""
    stands = np.array([one for one, _ in judged])
    stands = stands - stands.mean(axis=1, keepdims=True)  # a pair is judged by its own channels
    sides = np.array([1.0 if liked else -1.0 for _, liked in judged])

    def cost(weights: np.ndarray) -> float:
        told = np.logaddexp(0, -sides * (stands @ weights)).sum()
        return told + HOLD * ((weights - base) ** 2).sum()

    return minimize(cost, base, bounds=[(0, 1)] * len(base)).x.round(2)


def _same(pin: Row, row: Row) -> bool:
    """Whether both are of the same trailer shot."""
    return pin.in_query < row.out_query and row.in_query < pin.out_query


def _state_of(edit: Edit) -> State:
    pins, _ = held(edit)
    pins = tuple(pin.model_copy(update={"pinned": True}) for pin in pins)
    return State(edit.settings, pins, tuple(edit.rejected))


def _without_gone(state: State, archive: Archive) -> tuple[State, list[str]]:
    """The decisions that still can be kept, and a note on each that cannot: its film is gone."""
    here = set(archive.films.film_id)
    gone = [pin for pin in state.pins if pin.kind == "match" and pin.match_film not in here]
    pins = tuple(pin for pin in state.pins if pin not in gone)
    rejected = tuple(no for no in state.rejected if no.film in here)
    notes = [
        f"shot {pin.position} was pinned to film {pin.match_film}, which the archive does not hold "
        "any more: it is answered anew."
        for pin in gone
    ]
    return State(state.settings, pins, rejected), notes


class _Own:
    """Some of the archive's own shots against other films' shots: how well a shot is answered."""

    def __init__(self, archive: Archive, calibration: Calibration):
        shots = archive.shots[archive.shots["flags"] == ""]
        some = shots.iloc[np.linspace(0, len(shots) - 1, min(len(shots), SAMPLE)).astype(int)]
        inside = archive.moments.shot_id.isin(some.shot_id).to_numpy()
        asked = Archive(
            archive.films,
            some.reset_index(drop=True),
            archive.moments[inside].reset_index(drop=True),
            {name: vectors[inside] for name, vectors in archive.vectors.items()},
        )
        self.likeness = Likeness.between(asked, archive, calibration)
        self.may = some.film_id.to_numpy()[:, None] != archive.shots.film_id.to_numpy()
        self.may &= (archive.shots["flags"] == "").to_numpy()

    def usual(self, weights: Weights) -> float:
        """The score that four fifths of these shots would be answered with, or better."""
        if not len(self.may):
            return -1.0
        best = np.where(self.may, self.likeness.shots(weights)[0], -1).max(axis=1)
        return float(np.quantile(best, WEAK))
