"""Answering live: a camera's picture is answered, frame by frame, by the nearest shots there are.

Mario Klingemann's reinterpretation asks which shot is like another once for every shot of a
trailer; here it is asked with every frame. `answer` is one pure step, as `lab.see.looking.step` is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lab import channels
from lab.canvas import even
from lab.encoders import PACKAGED, packaged
from lab.faces import Face, find_faces
from lab.films import named
from lab.framing import scale_of
from lab.language import clock
from lab.likeness import only
from lab.motion import RATE, SIZE, MotionFinder
from lab.see.archive import Archive, Showing
from lab.video import EPSILON, proxy_size

SMOOTH = 0.3  # seconds in which what is seen follows the camera, so that noise does not flicker
OTHER = 0.5  # likeness of what is shown, below which the camera sees something else altogether
FACES = 0.2  # seconds between two looks for faces, which take half as long as all the rest
MEMORY = 2.0  # seconds of movement that are remembered
SIDE, GAP = 3, 2  # cells of a side of the grid; pixels between them
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
    freeze: bool = Field(False, description="go on showing the image that is on show")
    grid: bool = Field(False, description="show the nine nearest instead of one")
    size: int = Field(
        256, ge=64, le=1024, description="pixels of the shorter side of the image; nine share it"
    )

    @property
    def stays(self) -> float:
        """Seconds before which no answer gives way: it is faded in, and held."""
        return max(self.hold, self.fade)


class Cell(NamedTuple):
    """What a cell of the image shows, and what it showed before, which fades out."""

    now: Showing
    before: Showing | None = None


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
    if not (state.settings.freeze and state.cells):
        state = _looked(frame, seconds, state)
        state = replace(state, cells=_cells(state))
    return _image(state, *frame.shape[1::-1]), state


def captions(state: AnswerState) -> list[str]:
    """Film and second that are on show, cell by cell; empty where nothing is shown yet.

    ``"Nosferatu (1922), 1:23.2"``
    """
    return [_caption(state, cell.now) if cell else "" for cell in state.cells]


def _caption(state: AnswerState, showing: Showing) -> str:
    start, end = state.archive.loops[showing.moment]
    second = start + (state.seconds - showing.since) % (end - start)
    return f"{named(state.archive.film(showing.moment))}, {clock(second)}"


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
