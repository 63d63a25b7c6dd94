"""A session of looking: what is looked through and at, how, and what of it is recorded.

Nothing here knows a notebook or a browser. What shows it sends requests, one after another, as
a browser's messages are: a dict and pictures as JPEG; and gets back the like.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
from pydantic import BaseModel, ValidationError

from lab.search import SearchError
from lab.see.answering import Answering, AnswerState, answer, captions
from lab.see.archive import Archive, load_archive
from lab.see.checkpoints import MODEL
from lab.see.images import SeeError
from lab.see.looking import Looking, Model, State, load_model, step
from lab.see.recording import Recording
from lab.see.sources import Camera, Source, openers
from lab.store import Workspace
from lab.video import FilmError, WriteError

BROWSER, CAMERA = "the browser's camera", "this machine's camera"
ANSWERS = "the archive"
PANES = ("camera", "processed", "seen")
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 90]
LARGEST = 8_000_000  # bytes of a picture that comes from outside


class Session:
    """One session.

    Parameters
    ----------
    models : mapping of str to Model
        Networks that can be looked through, by their names.
    archive : Archive, optional
        Whose shots can answer.
    sources : mapping of str to callable
        What can be looked at besides cameras; each gives a `Source`.
    out : path-like
        A folder for recordings.
    looking : Looking, optional
    answering : Answering, optional
    clock : callable
        Gives seconds that only grow.

    Raises
    ------
    SeeError
        If there is nothing to look through.

    Attributes
    ----------
    through, at : str
        What is looked through, and at.
    kept : list of Path
        Recordings.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        archive: Archive | None = None,
        sources: Mapping[str, Callable[[], Source]] | None = None,
        *,
        out,
        looking: Looking | None = None,
        answering: Answering | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        if not models and archive is None:
            raise SeeError(
                "there is nothing to look through; train a network (`lab see train`) and name it "
                "with --model, or ingest films (`lab ingest`), whose shots then answer."
            )
        self.models, self.archive, self.out, self.clock = dict(models), archive, Path(out), clock
        self.sources = {CAMERA: Camera, **(sources or {})}
        self.source: Source | None = None
        self.at = BROWSER
        self.looking, self.answering = looking or Looking(), answering or Answering()
        self.through = self.choices[0]
        self.state: State | None = None
        self.answers: AnswerState | None = None
        self.recording: Recording | None = None
        self.kept: list[Path] = []
        self.wanted: Path | None = None  # a recording that begins with the next picture
        self._look_through(self.through)

    @property
    def choices(self) -> list[str]:
        """All that can be looked through."""
        return [*self.models, *([ANSWERS] if self.archive is not None else [])]

    def told(self) -> dict:
        """All that is set, and all that can be, for what shows it (JSON)."""
        return {
            "choices": self.choices,
            "through": self.through,
            "sources": [BROWSER, *self.sources],
            "at": self.at,
            "network": self.state is not None,
            "settings": self._settings().model_dump(),
            "fields": fields(type(self._settings())),
            "recording": self.recording is not None or self.wanted is not None,
        }

    def act(self, asked: dict, pictures: Sequence[bytes] = ()) -> tuple[dict, list[bytes]]:
        """Do what is asked for.

        Parameters
        ----------
        asked : dict
            ``do`` names it: ``see`` (``number``, ``panes``; a picture, or that of the source),
            ``set`` (``name``, ``value``), ``through`` and ``at`` (``name``), ``record``, ``keep``,
            ``stop``.
        pictures : sequence of bytes
            JPEG, from the browser's camera.

        Returns
        -------
        answer : dict
            To ``see``: ``number``, ``captions``, ``panes``. To others: ``told``. ``said`` where
            there is something for people to read, ``wrong`` besides where it went wrong.
        pictures : list of bytes
            JPEG, one a pane.
        """
        try:
            if asked["do"] == "see":
                return self._seen(asked, pictures)
            said = self._done(asked)
            return {"told": self.told(), **said}, []
        except ValidationError as error:
            said = f"{asked.get('name')}: {error.errors()[0]['msg'].lower()}."
        except (SeeError, FilmError, WriteError) as error:
            said = str(error)
        number = {"number": asked["number"]} if "number" in asked else {}
        return {"told": self.told(), "said": said, "wrong": True, **number}, []

    def close(self) -> None:
        """Let go of the camera, and keep what is being recorded."""
        self._leave_source()
        self._keep()

    def see(self, frame: np.ndarray) -> np.ndarray:
        """Look at a frame, uint8 (height, width, 3), RGB: what is seen, uint8 (h, w, 3)."""
        now = self.clock()
        if self.state is not None:
            image, self.state = step(frame, self.state)
        else:
            image, self.answers = answer(frame, now, self.answers)
        self._record(image, now)
        return image

    def _done(self, asked: dict) -> dict:
        match asked["do"]:
            case "set":
                self._set(asked["name"], asked["value"])
            case "through":
                self._look_through(asked["name"])
            case "at":
                self._look_at(asked["name"])
            case "stop":
                self._leave_source()
            case "record" if not self.recording:
                stamp = datetime.now().strftime("%Y-%m-%d %H.%M.%S")
                self.wanted = self.out / f"seen {stamp}.mp4"
                return {"said": "Recording begins with the next picture."}
            case "keep":
                kept = self._keep()
                if kept is None:
                    return {"said": "Nothing was recorded."}
                return {"said": f"Kept: {kept}", "kept": str(kept)}
        return {}

    def _seen(self, asked: dict, pictures: Sequence[bytes]) -> tuple[dict, list[bytes]]:
        frame = _decoded(pictures[0]) if pictures else self._newest()
        image = self.see(frame)
        given = self.state.shown if self.state is not None else None
        shown = {"camera": frame, "processed": given, "seen": image}
        panes = [name for name in asked["panes"] if name in PANES and shown[name] is not None]
        told = captions(self.answers) if self.state is None else []
        answer = {"number": asked["number"], "panes": panes, "captions": told}
        return answer, [_encoded(shown[name]) for name in panes]

    def _newest(self) -> np.ndarray:
        if self.source is None:
            if self.at == BROWSER:
                raise SeeError("the browser sent no picture; start its camera again.")
            self.source = self.sources[self.at]()
        try:
            return self.source.newest()
        except (SeeError, FilmError):
            self._leave_source()
            raise

    def _settings(self) -> BaseModel:
        return self.looking if self.state is not None else self.answering

    def _set(self, name: str, value) -> None:
        settings = self._settings()
        changed = type(settings).model_validate(settings.model_dump() | {name: value})
        if self.state is not None:
            self.looking = changed
            self.state = replace(self.state, settings=changed)
        else:
            self.answering = changed
            self.answers = replace(self.answers, settings=changed)
        self._tell_recording()

    def _look_through(self, name: str) -> None:
        if name not in self.choices:
            raise SeeError(f"{name}: is not here; there is {', '.join(self.choices)}.")
        self.through = name
        if name in self.models:
            before = self.state or State(self.models[name], self.looking)
            self.state = replace(before, model=self.models[name], settings=self.looking)
        else:
            self.state, self.answers = None, AnswerState(self.archive, self.answering)
        self._tell_recording()

    def _look_at(self, name: str) -> None:
        if name != BROWSER and name not in self.sources:
            raise SeeError(f"{name}: is not here; there is {', '.join([BROWSER, *self.sources])}.")
        self._leave_source()
        self.at = name

    def _leave_source(self) -> None:
        if self.source is not None:
            self.source.close()
        self.source = None

    def _record(self, image: np.ndarray, now: float) -> None:
        try:
            if self.wanted is not None:
                self.recording = Recording(self.wanted, image, now)
                self.wanted = None
                self._tell_recording(now)
            elif self.recording is not None:
                self.recording.add(image, now)
        except WriteError:
            if self.recording is not None:
                self.recording.discard()
            self.recording = self.wanted = None
            raise

    def _tell_recording(self, now: float | None = None) -> None:
        if self.recording is not None:
            now = self.clock() if now is None else now
            model = self.models[self.through].card if self.through in self.models else None
            settings = self._settings().model_dump()
            self.recording.tell(
                now, through=self.through, settings=settings, model=model, at=self.at
            )

    def _keep(self) -> Path | None:
        recording, self.recording, self.wanted = self.recording, None, None
        if recording is None:
            return None
        self.kept.append(recording.finish(self.clock()))
        return self.kept[-1]


def open_session(
    models: Mapping[str, str | Path] | str | Path | None = None,
    workspace: Workspace | None = None,
    inputs: Iterable = (),
    *,
    looking: Looking | None = None,
    answering: Answering | None = None,
) -> Session:
    """A session of what lies on this machine.

    Parameters
    ----------
    models : mapping of str to path-like, or path-like, optional
        Networks by name; or one that `lab see train` wrote, or a folder of them.
    workspace : Workspace, optional
        Its archive answers, where there is one; recordings lie in its ``out``.
    inputs : iterable of path-like
        Films, folders of films or pictures, and shot_ids, to look at in place of a camera.
    looking : Looking, optional
    answering : Answering, optional

    Raises
    ------
    SeeError
        If a model is none, or there is nothing to look through.
    FilmError
        If an input is none.
    """
    workspace = workspace or Workspace("data")
    try:
        archive = load_archive(workspace)
    except SearchError:
        archive = None
    named = models if isinstance(models, Mapping) else find_models(models)
    return Session(
        {name: load_model(path) for name, path in named.items()},
        archive,
        openers(inputs, workspace),
        out=workspace.out,
        looking=looking,
        answering=answering,
    )


def find_models(folder) -> dict[str, Path]:
    """By name, the networks in a folder that `lab see train` wrote, or in folders below it.

    Raises
    ------
    SeeError
        If there are none.
    """
    if folder is None:
        return {}
    folder = Path(folder)
    places = (
        [folder] if (folder / MODEL).exists() else [p.parent for p in folder.glob(f"*/{MODEL}")]
    )
    if not places:
        raise SeeError(
            f"{folder}: holds no model of `lab see train`; name the folder that it wrote."
        )
    return {place.resolve().name: place for place in sorted(places)}


def fields(settings: type[BaseModel]) -> list[dict]:
    """Controls for a settings object: sliders where a number has limits, switches.

    Returns
    -------
    list of dict
        ``kind`` (``slider`` or ``switch``), ``name``, ``label``, ``help``; ``least``, ``most`` and
        ``step`` of a slider.
    """
    made = []
    for name, told in settings.model_json_schema()["properties"].items():
        one = {"name": name, "label": name.replace("_", " "), "help": told["description"]}
        if told["type"] == "boolean":
            made.append({"kind": "switch", **one})
        else:
            least, most = told["minimum"], told["maximum"]
            step = 32 if told["type"] == "integer" else _step(most - least)
            made.append({"kind": "slider", "least": least, "most": most, "step": step, **one})
    return made


def _step(span: float) -> float:
    """A hundredth of a span, or a little less: 1, 2 or 5 of some decimal place.

    >>> [_step(span) for span in (1, 10, 60)]
    [0.01, 0.1, 0.5]
    """
    place = 10.0 ** math.floor(math.log10(span / 100))
    return max(n * place for n in (1, 2, 5) if n * place <= span / 100 * (1 + 1e-9))


def _decoded(picture: bytes) -> np.ndarray:
    found = None
    if len(picture) <= LARGEST:
        found = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    if found is None:
        raise SeeError("the browser sent what is no picture; start its camera again.")
    return cv2.cvtColor(found, cv2.COLOR_BGR2RGB)


def _encoded(picture: np.ndarray) -> bytes:
    """JPEG of colour, uint8 (h, w, 3), or of light, float32 (h, w), 0 to 1."""
    if picture.ndim == 2:
        picture = (picture * 255 + 0.5).astype(np.uint8)
    else:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", picture, QUALITY)[1].tobytes()
