"""The match studio in a notebook: the trailer's shots in a row, under each what answers it."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import anywidget
import numpy as np
import traitlets

from lab.atlas import ELEMENT
from lab.channels import CHANNELS
from lab.edit import EditError, Row
from lab.films import named
from lab.language import caption, clock
from lab.likeness import Weights
from lab.presets import PRESETS
from lab.render import render
from lab.rules import MatchError, MatchSettings
from lab.show import served
from lab.stages import IngestSettings
from lab.store import Workspace, read_arrays, write_arrays
from lab.studio import Studio
from lab.tables import load_films, proxy_path, thumbnail_path
from lab.video import FilmError, soundtrack

SLIDERS = (
    "faces",
    "variety",
    "echo",
    "chronology",
    "length",
    "timing",
    "tempo",
    "distinct",
    "share",
)
COUNTS = {"uses": (1, 10, 1), "apart": (0, 60, 1)}
SWITCHES = ("mirror", "own_film", "useless")
STEPS = 600  # columns of the sound's wave, at most


class MatchStudio(anywidget.AnyWidget):
    """A trailer's match, tuned by hand: sliders, pins, rejections, other answers, a preview.

    Every change is written to the edit, which `lab render` and `lab.render.render` take. Keys: all
    sliders and buttons are the browser's own; in the storyboard the left and right arrows go from
    shot to shot, P pins, R rejects, Enter plays the pair.

    Parameters
    ----------
    workspace : Workspace
    trailer : path-like
    path : path-like
        The edit, ``.yaml``; opened again if it is there.
    settings : MatchSettings, optional
        Of a new edit.
    looking : IngestSettings, optional

    Attributes
    ----------
    studio : lab.studio.Studio
        What is decided, and the edit.
    selected : int
        Position of the shot that is looked at.

    Raises
    ------
    FilmError, MatchError, EditError

    Examples
    --------
    In a notebook: ``MatchStudio(work, "trailer.mp4", work.out / "edit.yaml")``.
    """

    _esm = ELEMENT + Path(__file__).with_name("studio.js").read_text("utf-8")
    films = traitlets.List().tag(sync=True)
    wave = traitlets.List().tag(sync=True)
    sound = traitlets.Unicode().tag(sync=True)
    fields = traitlets.List().tag(sync=True)
    presets = traitlets.Dict().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    rows = traitlets.List().tag(sync=True)
    selected = traitlets.Int(1).tag(sync=True)
    lacks = traitlets.List().tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)
    can = traitlets.Dict().tag(sync=True)
    layouts = traitlets.List(list(PRESETS)).tag(sync=True)

    def __init__(
        self,
        workspace: Workspace,
        trailer,
        path,
        settings: MatchSettings | None = None,
        looking: IngestSettings | None = None,
    ):
        self.studio = Studio(workspace, trailer, path, settings, looking)
        self.workspace = workspace
        shots = [*self.studio.trailer.shots.itertuples(), *self.studio.archive.shots.itertuples()]
        self.known = {shot.shot_id: shot for shot in shots}
        films = list(dict.fromkeys(shot.film_id for shot in shots))
        self.number = {film_id: k for k, film_id in enumerate(films)}
        self.table = load_films(workspace).set_index("film_id")
        self.studio.get_ready()
        super().__init__(
            films=[self._film(film_id) for film_id in films],
            fields=_fields(),
            **self._sound(trailer),
            **self._state(),
        )
        self.said = self._warning() or " ".join(self.studio.notes) or "Every change is kept."
        self.on_msg(lambda _, content, __: self.act(content))

    def act(self, asked: dict) -> None:
        """Do what the browser asks for: `do` names it, `position` says with which shot."""
        try:
            if asked["do"] == "weigh":  # while a slider moves: answered at once, kept by `set`
                ids = self.studio.weigh(Weights(**asked["weights"]))
                answers = [self._shot(shot_id) if shot_id else None for shot_id in ids]
                self.send({"answers": answers, "number": asked["number"]})
                return
            told = self._done(asked)
            self.said = told or " ".join(self.studio.notes) or "Kept."
        except (MatchError, EditError, FilmError, ValueError) as error:
            self.said = str(error)
        self._show()

    def _done(self, asked: dict) -> str:
        studio, position = self.studio, asked.get("position")
        match asked["do"]:
            case "set":
                studio.set(**{asked["name"]: asked["value"]})
            case "preset":
                studio.set(weights=studio.presets()[asked["name"]])
            case "save":
                studio.save_preset(asked["name"])
                return f"Kept as '{asked['name']}'."
            case "undo" | "redo" as way:
                getattr(studio, way)()
            case "pin" | "unpin" as way:
                getattr(studio, way)(position)
            case "reject":
                studio.reject(position, asked["what"])
            case "choose":
                studio.choose(position, asked["shot"])
            case "nudge":
                studio.nudge(position, asked["frames"])
            case "change":
                studio.change(position, **asked["values"])
            case "judge":
                moved = studio.judge(position, asked["liked"])
                told = ", ".join(f"{name} {by:+.2f}" for name, by in moved.items() if by)
                return f"Weights moved: {told or 'not at all'}."
            case "reframe":
                studio.reframe(position, **asked["values"])
            case "post":
                only, preset = (position, position), asked["preset"]
                out = studio.path.with_name(f"{studio.path.stem}-{position}-{preset}.mp4")
                render(studio.edit, out, preset, only=only, workspace=self.workspace)
                return f"Written: {out}"
        return ""

    def _show(self) -> None:
        with self.hold_sync():
            for name, value in self._state().items():
                setattr(self, name, value)

    def _state(self) -> dict:
        studio, weak = self.studio, set(self.studio.weak())
        return {
            "presets": {name: w.model_dump() for name, w in studio.presets().items()},
            "settings": studio.state.settings.model_dump(),
            "rows": [self._row(row, row.position in weak) for row in studio.edit.shots],
            "lacks": studio.lacks(),
            "can": {"undo": bool(studio.done), "redo": bool(studio.undone)},
        }

    def _row(self, row: Row, weak: bool) -> dict:
        rivals = self.studio.rivals(row.position) if row.kind != "black" else []
        answer = self._shot(row.match_id) if row.match_id in self.known else None
        if answer:
            t0 = float(self.table.t0[row.match_film])
            answer |= {"start": row.in_match - t0, "end": row.out_match - t0, "part": row.reframe}
        return {
            "position": row.position,
            "kind": row.kind,
            "query": self._shot(row.query_id),
            "answer": answer,
            "rivals": [self._shot(shot_id) for shot_id in rivals],
            "pinned": row.pinned,
            "mirror": row.mirror,
            "speed": row.speed,
            "weak": weak,
            "score": row.score,
            "scores": {name: row.scores[name] for name in CHANNELS if name in row.scores},
            "why": row.why,
        }

    def _shot(self, shot_id: str) -> dict:
        """A shot as the browser shows it; seconds on the proxy's clock, which starts at zero."""
        shot = self.known[shot_id]
        film = self.table.loc[shot.film_id]
        return {
            "shot": shot_id,
            "film": self.number[shot.film_id],
            "index": int(shot.index),
            "start": float(shot.start - film.t0),
            "end": float(shot.end - film.t0),
            "text": f"{named(film)}  {clock(shot.start)}, {shot.end - shot.start:.1f} s",
            "words": caption(shot._asdict()),
        }

    def _film(self, film_id: str) -> dict:
        folder = thumbnail_path(self.workspace, film_id, 0, self.studio.looking).parent
        proxy = proxy_path(self.workspace, film_id)
        crop = list(self.table.crop[film_id])
        return {"thumbnails": served(folder) or "", "proxy": served(proxy) or "", "crop": crop}

    def _sound(self, trailer) -> dict:
        """The trailer's sound as a file that the browser plays, and its wave."""
        place = self.workspace.work / "sound" / f"{self.studio.film_id}.m4a"
        known = place.with_suffix(".safetensors")
        if not known.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            write_arrays(known, {"loud": soundtrack(trailer, place)})
        loud = read_arrays(known)["loud"]
        if not len(loud):
            return {"wave": [], "sound": ""}
        edges = np.linspace(0, len(loud), min(STEPS, len(loud)) + 1).astype(int)[:-1]
        wave = np.maximum.reduceat(loud, edges).round(3).tolist()
        return {"wave": wave, "sound": served(place) or ""}

    def _warning(self) -> str:
        if served(self.workspace.work) is not None:
            return ""
        return (
            "Pictures and clips cannot be shown here: start JupyterLab in a folder above "
            f"{self.workspace.root.resolve()}."
        )


def _fields() -> list[dict]:
    """The controls, made from the settings: sliders, numbers, switches, choices."""
    told = MatchSettings.model_fields
    weights = [
        {"kind": "weight", "name": name, "label": name, "least": 0, "most": 1, "step": 0.05}
        for name in Weights.model_fields
    ]
    sliders = [
        {"kind": "slider", "least": 0.05 if name == "share" else 0, "most": 1, "step": 0.05}
        | {"name": name, "label": name, "help": told[name].description}
        for name in SLIDERS
    ]
    counts = [
        {"kind": "slider", "least": least, "most": most, "step": step}
        | {"name": name, "label": name, "help": told[name].description}
        for name, (least, most, step) in COUNTS.items()
    ]
    switches = [
        {"kind": "switch", "name": name, "label": told[name].description} for name in SWITCHES
    ]
    cards = {"kind": "choice", "name": "cards", "label": told["cards"].description}
    cards["choices"] = list(get_args(told["cards"].annotation))
    return [*weights, *sliders, *counts, *switches, cards]
