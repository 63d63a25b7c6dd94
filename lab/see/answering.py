"""Answering live: a camera's picture is answered, frame by frame, by the nearest shots there are.

Mario Klingemann's reinterpretation asks which shot is like another once for every shot of a
trailer; here it is asked with every frame. `answer` is one pure step, as `lab.see.looking.step` is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from lab import channels, ingest
from lab.canvas import even
from lab.encoders import PACKAGED, load_encoder, packaged
from lab.faces import Face, find_faces
from lab.films import named
from lab.flags import USELESS
from lab.framing import scale_of
from lab.ingest import IngestSettings, proxy_path
from lab.language import clock
from lab.likeness import only
from lab.motion import RATE, SIZE, MotionFinder
from lab.search import open_archive
from lab.see.playing import Loop, Projector, filling
from lab.store import Workspace
from lab.video import EPSILON, proxy_size

SMOOTH = 0.3  # seconds in which what is seen follows the camera, so that noise does not flicker
OTHER = 0.5  # likeness of what is shown, below which the camera sees something else altogether
FACES = 0.2  # seconds between two looks for faces, which take half as long as all the rest
MEMORY = 2.0  # seconds of movement that are remembered
LONGEST = 8.0  # seconds of a shot that play, at most
AXES = 64  # principal axes of a channel on which the whole archive is looked through
SAMPLE = 4096  # moments by which the axes are found; moments made ready at once
FINE = 256  # shots that are then compared exactly
SIDE, GAP = 3, 2  # cells of a side of the grid; pixels between them
EMPTY = ("black", "flat")
NO_FLOW = MotionFinder().finish()[1]


class Answering(BaseModel):
    """All that can be set about answering live.

    A live frame has every channel: movement is that of its last two seconds, and faces are looked
    for five times a second.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: float = Field(1.0, ge=0, le=1, description="how much it counts what is shown")
    composition: float = Field(0.4, ge=0, le=1, description="how much it counts where things lie")
    colour: float = Field(0.2, ge=0, le=1, description="how much colours and light count")
    motion: float = Field(0.05, ge=0, le=1, description="how much movement counts")
    framing: float = Field(
        0.25, ge=0, le=1, description="how much it counts how large and where people are"
    )
    fade: float = Field(
        0.4, ge=0, le=5, description="seconds in which an answer fades into the next"
    )
    hold: float = Field(1.0, ge=0, le=60, description="seconds that an answer stays, at least")
    margin: float = Field(
        0.05, ge=0, le=1, description="score by which another shot must be nearer to take over"
    )
    grid: bool = Field(False, description="show the nine nearest instead of one")
    size: int = Field(
        256, ge=64, le=1024, description="pixels of the shorter side of the image; nine share it"
    )

    @property
    def stays(self) -> float:
        """Seconds before which no answer gives way: it is faded in, and held."""
        return max(self.hold, self.fade)


class Showing(NamedTuple):
    """An answer that plays: a moment of the archive, by its place, and since when."""

    moment: int
    since: float


class Cell(NamedTuple):
    """What a cell of the image shows, and what it showed before, which fades out."""

    now: Showing
    before: Showing | None = None


@dataclass(frozen=True)
class Archive:
    """The shots that may answer, ready to be compared and played.

    Attributes
    ----------
    films, shots : DataFrame
        Films by `film_id`; the shots that may answer.
    owners : ndarray of int, shape (moments,)
        Place in `shots` of each moment's shot; it never decreases.
    loops : ndarray of float64, shape (moments, 2)
        Seconds of the film between which plays what answers by this moment: its shot, or of a
        long one `LONGEST` about the moment.
    vectors : dict of ndarray of float32, shape (moments, d)
        Calibrated, a channel each.
    axes : dict of ndarray of float32, shape (d, few)
        Of channels with many numbers, the principal axes; of a small archive, none.
    coarse : dict of ndarray of float32, shape (moments, few)
        The vectors on these axes; where a channel has none, the vectors.
    calibration : Calibration
    encoder
        From `lab.encoders`; the archive was seen by it.
    proxies : dict of str
        Paths of the films' proxies, by `film_id`.
    projector : Projector
    """

    films: pd.DataFrame
    shots: pd.DataFrame
    owners: np.ndarray
    loops: np.ndarray
    vectors: Mapping[str, np.ndarray]
    axes: Mapping[str, np.ndarray]
    coarse: Mapping[str, np.ndarray]
    calibration: channels.Calibration
    encoder: object
    proxies: Mapping[str, str]
    projector: Projector = field(default_factory=Projector)

    @classmethod
    def of(cls, seen: ingest.Archive, workspace: Workspace) -> Archive:
        """An archive as `lab.ingest.load_archive` gives it, made ready."""
        shots = seen.shots[_useful(seen.shots["flags"])].reset_index(drop=True)
        places = pd.Index(shots.shot_id).get_indexer(seen.moments.shot_id)
        kept, calibration = np.flatnonzero(places >= 0), channels.Calibration.fit(seen.vectors)
        owners = places[kept]
        vectors = {name: _ready(name, raw, kept, calibration) for name, raw in seen.vectors.items()}
        axes = {
            name: _axes(rows)
            for name, rows in vectors.items()
            if rows.shape[1] > AXES and len(shots) > FINE
        }
        return cls(
            seen.films.set_index("film_id", drop=False),
            shots,
            owners,
            _loops(shots.iloc[owners], seen.moments.iloc[kept]),
            vectors,
            axes,
            {n: rows @ axes[n] if n in axes else rows for n, rows in vectors.items()},
            calibration,
            load_encoder(seen.encoder),
            {film_id: str(proxy_path(workspace, film_id)) for film_id in seen.films.film_id},
        )

    def nearest(
        self, seen: Mapping[str, np.ndarray], shares: Mapping[str, float], also: Iterable[int] = ()
    ) -> tuple[np.ndarray, np.ndarray]:
        """The shots that are most like what is seen, moment by moment.

        All are compared on the principal axes; the nearest `FINE` of them exactly.

        Parameters
        ----------
        seen : mapping of ndarray of float32, shape (d,)
            Calibrated, a channel each.
        shares : mapping of float
            Each channel's part of all weights.
        also : iterable of int
            Places of shots that are compared exactly whatever they are like.

        Returns
        -------
        moments : ndarray of int, shape (n,)
            All moments of these shots, by their places.
        scores : ndarray of float32, shape (n,)
            As in matching: strangers about 0, doubles 1.
        """
        told = {name: np.float32(shares[name]) * one for name, one in seen.items() if shares[name]}
        chosen = np.ones(len(self.shots), bool)
        if len(self.shots) > FINE:
            score = sum(
                rows @ (self.axes[name].T @ told[name] if name in self.axes else told[name])
                for name, rows in self.coarse.items()
                if name in told
            )
            best = np.maximum.reduceat(score, self._firsts)
            chosen[np.argpartition(best, -FINE)[:-FINE]] = False
            chosen[list(also)] = True
        moments = np.flatnonzero(chosen[self.owners])
        return moments, sum(self.vectors[name][moments] @ one for name, one in told.items())

    def varied(self, moments: np.ndarray, count: int) -> list[int]:
        """The first moments of different shots, and of as many films as there are.

        A film gives a second shot only when there are no others, and so on.

        Parameters
        ----------
        moments : ndarray of int
            Places, best first.
        count : int
            Of shots, at most.
        """
        ranks, taken, uses = [], set(), Counter()
        pairs = [*zip(self.owners[moments].tolist(), self._films[moments].tolist(), strict=True)]
        for most in range(1, count + 1):
            for rank, (shot, film) in enumerate(pairs):
                if len(ranks) == count:
                    break
                if shot not in taken and uses[film] < most:
                    ranks.append(rank)
                    taken.add(shot)
                    uses[film] += 1
        return moments[sorted(ranks)].tolist()

    def picture(self, showing: Showing, seconds: float, panel: tuple[int, int]) -> np.ndarray:
        """What an answer shows at a time: uint8 (height, width, 3), filling a panel."""
        start, end = self.loops[showing.moment]
        film = self.film(showing.moment)
        crop, size = filling(film, panel)
        loop = Loop(self.proxies[film.film_id], start - film.t0, end - film.t0, crop, size)
        return self.projector.show(loop, seconds - showing.since, panel)

    def film(self, moment: int) -> pd.Series:
        """The row of the films table of a moment's film."""
        return self.films.loc[self.shots.film_id[self.owners[moment]]]

    @cached_property
    def _firsts(self) -> np.ndarray:
        """Each shot's first moment."""
        return np.searchsorted(self.owners, np.arange(len(self.shots)))

    @cached_property
    def _films(self) -> np.ndarray:
        """A number for each moment's film."""
        return pd.factorize(self.shots.film_id)[0][self.owners]


@dataclass(frozen=True)
class AnswerState:
    """What answering remembers from frame to frame; `answer` gives the next one.

    Attributes
    ----------
    archive : Archive
        May be another at any step if the answers are forgotten (``cells=()``).
    settings : Answering
        May be others at any step (``dataclasses.replace``).
    seconds : float or None
        Time of the last frame.
    seen : dict of ndarray of float32, shape (d,)
        What the camera saw lately, a channel each, calibrated: a mean in which older frames count
        ever less. Scores are linear in it, and as calm.
    faces : list of Face
    faced : float
        When faces were last looked for.
    light : (ndarray of uint8, float) or None
        Small light of the last frame from which movement was measured, and its time.
    flows : tuple of (float, ndarray)
        Movement lately, and when it was measured.
    cells : tuple of (Cell or None)
        One, or nine row by row; None where nothing is shown yet.
    """

    archive: Archive
    settings: Answering = field(default_factory=Answering)
    seconds: float | None = None
    seen: Mapping[str, np.ndarray] = field(default_factory=dict)
    faces: Sequence[Face] = ()
    faced: float = -np.inf
    light: tuple[np.ndarray, float] | None = None
    flows: tuple = ()
    cells: tuple[Cell | None, ...] = ()

    @property
    def shares(self) -> dict[str, float]:
        """Each channel's part of all weights, as far as it has something to say."""
        spoken = (name for name, one in self.seen.items() if one.any())
        return only(**{name: getattr(self.settings, name) for name in spoken}).shares()

    @property
    def shot_ids(self) -> list[str]:
        """The shots that answer now, cell by cell; empty where nothing is shown yet."""
        archive = self.archive
        return [
            archive.shots.shot_id[archive.owners[cell.now.moment]] if cell else ""
            for cell in self.cells
        ]


def load_archive(workspace: Workspace, looking: IngestSettings | None = None) -> Archive:
    """The shots of a workspace that may answer: no titles, leader, stills, repeats, no black.

    Where there is nothing else, these answer too.

    Parameters
    ----------
    workspace : Workspace
    looking : IngestSettings, optional
        The encoder that the archive was ingested with.

    Raises
    ------
    SearchError
        If there is no archive, or none that was ingested with that encoder.
    EncoderError
    """
    return Archive.of(open_archive(workspace, looking), workspace)


def answer(frame: np.ndarray, seconds: float, state: AnswerState) -> tuple[np.ndarray, AnswerState]:
    """Answer one frame; nothing but the new state remembers it.

    An answer stays for `Answering.stays` seconds, and then until another shot is nearer by
    `Answering.margin`. At most one cell changes at a step: beginning a shot takes as long as a
    frame, and nine at once would be seen to stall.

    Parameters
    ----------
    frame : ndarray of uint8, shape (height, width, 3)
        RGB.
    seconds : float
        On a clock that only grows.
    state : AnswerState
        ``AnswerState(archive)`` to begin with.

    Returns
    -------
    image : ndarray of uint8, shape (h, w, 3)
        RGB, of the frame's shape; the shorter side `Answering.size`.
    state : AnswerState

    Raises
    ------
    FilmError
        If the proxy of an answer cannot be read.

    Examples
    --------
    >>> state = AnswerState(load_archive(Workspace("data")))  # doctest: +SKIP
    >>> image, state = answer(frame, time.monotonic(), state)  # doctest: +SKIP
    """
    state = _looked(frame, seconds, state)
    state = replace(state, cells=_cells(state))
    return _image(state, *frame.shape[1::-1]), state


def captions(state: AnswerState) -> list[str]:
    """Film and second that are on show, cell by cell; empty where nothing is shown yet.

    ``"Nosferatu (1922)  1:23.2"``
    """
    return [_caption(state, cell.now) if cell else "" for cell in state.cells]


def _caption(state: AnswerState, showing: Showing) -> str:
    start, end = state.archive.loops[showing.moment]
    second = start + (state.seconds - showing.since) % (end - start)
    return f"{named(state.archive.film(showing.moment))}  {clock(second)}"


# What is seen.


def _looked(frame: np.ndarray, seconds: float, state: AnswerState) -> AnswerState:
    """The state once a frame was looked at, as small as the archive's films were."""
    picture = cv2.resize(frame, proxy_size(*frame.shape[1::-1]), interpolation=cv2.INTER_AREA)
    encoder, settings = state.archive.encoder, state.settings
    pictures = picture[None].repeat(encoder.frames, axis=0)
    features = channels.see(pictures, encoder)
    now = _calibrated(channels.describe(pictures, features), state)
    if _other(now["subject"], state.seen):
        state = replace(state, seen={}, faced=-np.inf, light=None, flows=())
    if settings.framing:
        state = _faced(picture, seconds, state)
        same = encoder.name == PACKAGED
        pooled = features.pooled[:1] if same else packaged().encode(pictures[:1]).pooled
        told = channels.framing(scale_of(pooled, [state.faces]), [state.faces])
        now |= _calibrated({"framing": told}, state)
    if settings.motion:
        state = _moved(picture, seconds, state)
        flow = np.concatenate([one for _, one in state.flows]) if state.flows else NO_FLOW
        now |= _calibrated({"motion": channels.motion([flow])}, state)
    before = seconds if state.seconds is None else state.seconds
    share = np.float32(1 - np.exp((before - seconds) / SMOOTH))
    seen = {
        name: share * one + (1 - share) * state.seen.get(name, one) for name, one in now.items()
    }
    return replace(state, seconds=seconds, seen=seen)


def _calibrated(raw: Mapping[str, np.ndarray], state: AnswerState) -> dict[str, np.ndarray]:
    """The mean of each channel's rows, comparable with the archive: float32 (d,) each."""
    whole = {name: channels.pool(rows, [0] * len(rows), 1) for name, rows in raw.items()}
    ready = state.archive.calibration.apply(whole)
    return {name: rows[0].astype(np.float32) for name, rows in ready.items()}


def _other(subject: np.ndarray, seen: Mapping[str, np.ndarray]) -> bool:
    """Whether something else altogether is shown than lately."""
    lately = seen.get("subject", subject)
    return bool(subject @ lately < OTHER * np.linalg.norm(lately))


def _faced(picture: np.ndarray, seconds: float, state: AnswerState) -> AnswerState:
    """The state once faces were looked for, if it is time to."""
    if seconds - state.faced < FACES - EPSILON:
        return state
    return replace(state, faces=find_faces(picture), faced=seconds)


def _moved(picture: np.ndarray, seconds: float, state: AnswerState) -> AnswerState:
    """The state once movement since the last light was measured, if it is time to."""
    if state.light and seconds - state.light[1] < 1 / RATE - EPSILON:
        return state
    light = cv2.resize(
        cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), SIZE, interpolation=cv2.INTER_AREA
    )
    flows = tuple(one for one in state.flows if one[0] > seconds - MEMORY)
    if state.light:
        finder = MotionFinder()
        for one, time in (state.light, (light, seconds)):
            finder.push(one, time)
        flows += ((seconds, finder.finish()[1]),)
    return replace(state, light=(light, seconds), flows=flows)


# Who answers.


def _cells(state: AnswerState) -> tuple[Cell | None, ...]:
    """The cells, of which one at most has changed."""
    settings, owners = state.settings, state.archive.owners
    count = SIDE**2 if settings.grid else 1
    cells = [*state.cells[:count], *[None] * (count - len(state.cells))]
    here = {int(owners[cell.now.moment]) for cell in cells if cell}
    wanted = _wanted(state, here, count)
    new = [moment for moment in wanted if owners[moment] not in here]
    stay = set(owners[wanted].tolist())
    free = [k for k, cell in enumerate(cells) if not cell or _gives_way(cell.now, stay, state)]
    if new and free:
        before = cells[free[0]]
        now = Showing(new[0], state.seconds)
        cells[free[0]] = Cell(now, before.now if before else None)
    return tuple(cells)


def _wanted(state: AnswerState, here: set[int], count: int) -> list[int]:
    """Moments of the shots that should be shown, best first; those that are here are favoured."""
    archive, settings = state.archive, state.settings
    moments, scores = archive.nearest(state.seen, state.shares, here)
    scores = scores + settings.margin * np.isin(archive.owners[moments], [*here])
    return archive.varied(moments[np.argsort(-scores, kind="stable")], count)


def _gives_way(showing: Showing, stay: set[int], state: AnswerState) -> bool:
    """Whether an answer may be taken over: others are nearer, and its time has come."""
    outrun = int(state.archive.owners[showing.moment]) not in stay
    return outrun and state.seconds - showing.since > state.settings.stays - EPSILON


# What is shown.


def _image(state: AnswerState, width: int, height: int) -> np.ndarray:
    """The answers, in the shape of a frame."""
    scale = state.settings.size / min(width, height)
    whole = even(width * scale), even(height * scale)
    if len(state.cells) == 1:
        return _shown(state, state.cells[0], whole)
    panel = tuple((side - GAP * (SIDE - 1)) // SIDE for side in whole)
    image = np.zeros((*whole[::-1], 3), np.uint8)
    for number, cell in enumerate(state.cells):
        if cell:
            row, column = divmod(number, SIDE)
            top, left = row * (panel[1] + GAP), column * (panel[0] + GAP)
            place = np.s_[top : top + panel[1], left : left + panel[0]]
            image[place] = _shown(state, cell, panel)
    return image


def _shown(state: AnswerState, cell: Cell, panel: tuple[int, int]) -> np.ndarray:
    """What a cell shows: its answer, as far as it is faded in."""
    archive, fade, seconds = state.archive, state.settings.fade, state.seconds
    picture = archive.picture(cell.now, seconds, panel)
    share = (seconds - cell.now.since) / fade if fade else 1.0
    if cell.before is None or share >= 1:
        return picture
    return cv2.addWeighted(
        archive.picture(cell.before, seconds, panel), 1 - share, picture, share, 0
    )


# What may answer.


def _useful(flags: pd.Series) -> np.ndarray:
    """Which shots may answer: those with something to see; the useless only among themselves."""
    empty, useless = (flags.str.contains("|".join(words)) for words in (EMPTY, USELESS))
    for some in (~empty & ~useless, ~empty):
        if some.any():
            return some.to_numpy(bool)
    return np.ones(len(flags), bool)


def _ready(name: str, raw: np.ndarray, kept: np.ndarray, calibration) -> np.ndarray:
    """The rows of a channel that are kept, calibrated, float32; some at a time, for its doubles."""
    ready = np.empty((len(kept), raw.shape[1]), np.float32)
    for start in range(0, len(kept), SAMPLE):
        some = slice(start, start + SAMPLE)
        ready[some] = calibration.apply({name: raw[kept[some]]})[name]
    return ready


def _axes(rows: np.ndarray) -> np.ndarray:
    """The principal axes of vectors (n, d) about zero: float32 (d, `AXES`)."""
    some = rows[:: -(-len(rows) // SAMPLE)]
    return np.ascontiguousarray(np.linalg.eigh(some.T @ some)[1][:, -AXES:])


def _loops(shots: pd.DataFrame, moments: pd.DataFrame) -> np.ndarray:
    """Seconds between which a shot plays, (n, 2); a long one about its moment."""
    first, last = shots.clean_start.to_numpy(), shots.clean_end.to_numpy()
    middle = (moments.start + moments.end).to_numpy() / 2
    start = np.clip(middle - LONGEST / 2, first, np.maximum(first, last - LONGEST))
    return np.stack([start, np.minimum(start + LONGEST, last)], axis=1)
