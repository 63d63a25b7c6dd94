"""The scene map in a notebook: point, play, draw around shots, search, and pull the map about."""

from __future__ import annotations

import tempfile
import threading
import uuid
from functools import cached_property, partial
from pathlib import Path

import anywidget
import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from lab import page, plots
from lab.atlas import ELEMENT
from lab.channels import CHANNELS
from lab.encoders import EncoderError, load_encoder
from lab.favourites import put_aside
from lab.layout import NONE, lay_out, neighbours, tour
from lab.likeness import Weights
from lab.scenes import (
    SceneMap,
    SceneSettings,
    moved,
    open_map,
    read_names,
    regrouped,
)
from lab.search import SearchError, by_image, by_shot, by_text, open_archive
from lab.show import served
from lab.stages import IngestSettings
from lab.store import Workspace
from lab.tables import load_films, proxy_path, thumbnail_path
from lab.widgets.atlas import Atlas

HERE = Path(__file__).parent
HITS = 24  # shots lit by a search
FILTERS = ("framing", "camera", "light", "palette", "faces")
ALL = "all"


class Stage(anywidget.AnyWidget):
    """What hangs beside the map: the card under the pointer, the shot that plays, nine at once."""

    _esm = ELEMENT + "".join(
        (HERE / name).read_text("utf-8") for name in ("hover.js", "exploring.js")
    )
    plot = traitlets.Unicode().tag(sync=True)
    films = traitlets.List().tag(sync=True)
    shots = traitlets.List().tag(sync=True)
    texts = traitlets.List().tag(sync=True)
    chosen = traitlets.List(traitlets.Int()).tag(sync=True)
    playing = traitlets.Int(-1).tag(sync=True)


class SceneExplorer(widgets.VBox):
    """An archive's map, and all that one does with it.

    Point at a shot to see it; click to play it; draw around shots or click on a scene's name to see
    them nine at once, and have them as a table in `table`. With the keyboard: Tab to the map,
    arrows from shot to shot, Enter plays, Space adds to what is chosen.

    Parameters
    ----------
    workspace : Workspace
    settings : SceneSettings, optional
    looking : IngestSettings, optional
        By whose eyes.

    Raises
    ------
    SearchError
        If there is no archive, or none that this encoder saw.

    Examples
    --------
    In a notebook: ``explorer = SceneExplorer(work); explorer``; in the next cell
    ``explorer.table``.
    """

    def __init__(
        self,
        workspace: Workspace,
        settings: SceneSettings | None = None,
        looking: IngestSettings | None = None,
    ):
        self.workspace, self.looking = workspace, looking or IngestSettings()
        self.found = open_map(workspace, settings, self.looking)
        self.kept = np.ones(len(self.found.shots), bool)
        name = f"lab-map-{uuid.uuid4().hex[:8]}"
        self.stage = Stage(plot=name, **_staged(workspace, self.looking, self.found))
        self.stage.on_msg(lambda _, content, buffers: self.act(content, buffers))
        self.figure = go.FigureWidget(plots.scene_map(self.found))
        self.status = widgets.Label("Point at a shot to see it, click to play it.")
        warning = widgets.Label(_warning(workspace))
        self.status.add_class("lab-map-says")
        map_box = widgets.Box([self.figure])
        map_box.add_class(name)
        super().__init__(
            [
                self._search_row(),
                self._filter_row(),
                self._weight_row(),
                *([warning] if warning.value else []),
                self.status,
                widgets.HBox([map_box, self.stage], layout={"flex_flow": "row wrap"}),
            ]
        )
        self.add_class("lab-explorer")
        # What draws maps compiles itself when first used: not while somebody waits for a slider.
        # No daemon: one that is stopped in the midst of compiled code can hang the interpreter.
        self.getting_ready = threading.Thread(target=_get_ready, args=[self.found.space[:100]])
        self.getting_ready.start()

    @property
    def table(self) -> pd.DataFrame:
        """The chosen shots, in an order in which neighbours on the map follow each other."""
        return self.found.shots.iloc[self.stage.chosen].reset_index(drop=True)

    def act(self, said: dict, buffers=()) -> None:
        """Do what the stage asks for: `do` names it, `row` says with which shots."""
        if said["do"] == "choose":
            self.choose([int(row) for row in said["row"]])
        elif said["do"] == "like":
            self._search(partial(by_shot, self.archive, self._shot(said).shot_id, count=HITS))
        elif said["do"] == "picture":
            self._picture([{"name": said["name"], "content": bytes(buffers[0])}])
        elif said["do"] == "aside":
            put_aside(self.workspace, self._shot(said), tags=self._shot(said).label)
            self.status.value = "Put aside; see lab.favourites."

    def choose(self, rows: list[int]) -> None:
        """Show shots (rows of ``found.shots``) nine at once, and as `table`."""
        rows = [row for row in rows if 0 <= row < len(self.found.shots)]
        self.stage.chosen = [rows[k] for k in tour(self.found.points[rows])]
        self.status.value = f"{len(rows)} shots chosen."

    def reweigh(self, weights: Weights) -> None:
        """Draw the map under other weights, from where shots lie now."""
        self.status.value = "Drawing the map anew ..."
        self.getting_ready.join()
        self.found, near = moved(self.found, weights)
        self._draw()
        self.status.value = "Looking for scenes ..."
        self.found = regrouped(self.found, near, read_names(self.workspace))
        self.stage.texts = _texts(self.found)
        self._draw()
        self._name_scenes()
        self.status.value = (
            f"Drawn: {len(self.found.shots)} shots, {len(self.found.scenes)} scenes."
        )

    @cached_property
    def archive(self):
        """The archive as this encoder saw it, read once."""
        return open_archive(self.workspace, self.looking)

    def atlas(self) -> Atlas:
        """The same map as pictures at their places; what is clicked or chosen there is so here."""
        shots = self.found.shots
        atlas = Atlas(
            page.on_paper(self.found) * (1, -1),
            page.lines(self.found),
            [
                thumbnail_path(self.workspace, shot.film_id, shot.index, self.looking)
                for shot in shots.itertuples()
            ],
            shots.cluster.tolist(),
            self.found.names,
        )
        atlas.observe(lambda change: self.choose(change["new"]), "chosen")
        traitlets.link((atlas, "clicked"), (self.stage, "playing"))
        return atlas

    def light(self, rows: list[int]) -> None:
        """Ring shots on the map, with their ranks, and choose them."""
        lit = self.found.shots.iloc[rows]
        trace = self.figure.data[-1]
        ranks = [str(rank) for rank in range(1, len(rows) + 1)]
        trace.update(x=lit.x, y=lit.y, text=ranks, visible=bool(rows))
        self.stage.chosen = rows

    def _draw(self) -> None:
        with self.figure.batch_update():
            self.figure.data = []
            self.figure.add_traces(plots.map_traces(self.found, self.kept))
        self.light([])

    def _shot(self, said: dict):
        return self.found.shots.iloc[int(said["row"])]

    def _weight_row(self) -> widgets.Widget:
        sliders = {
            name: widgets.FloatSlider(
                getattr(self.found.settings.weights, name),
                min=0,
                max=1,
                step=0.05,
                description=name,
                continuous_update=False,
                layout={"width": "260px"},
                style={"description_width": "90px"},
            )
            for name in CHANNELS
        }
        for slider in sliders.values():
            slider.observe(
                lambda _: self.reweigh(Weights(**{n: s.value for n, s in sliders.items()})), "value"
            )
        return widgets.HBox(list(sliders.values()), layout={"flex_flow": "row wrap"})

    def _filter_row(self) -> widgets.Widget:
        shots = self.found.shots
        boxes = {
            name: widgets.Dropdown(
                options=[ALL, *sorted(set(shots[name]) - {""})],
                description=name,
                layout={"width": "220px"},
            )
            for name in ("title", *FILTERS)
        }
        longest = float(np.ceil((shots.end - shots.start).max()))
        length = widgets.FloatRangeSlider(
            value=(0, longest),
            min=0,
            max=longest,
            step=0.1,
            description="seconds",
            continuous_update=False,
        )
        useful = widgets.Checkbox(description="without titles, stills, repeats", indent=False)

        self.scene = widgets.Dropdown(description="show scene", layout={"width": "320px"})
        self.scene.observe(lambda change: self._show_scene(change["new"]), "value")
        self._name_scenes()

        def keep(_):
            lasts = shots.end - shots.start
            kept = (lasts >= length.value[0]) & (lasts <= length.value[1])
            for name, box in boxes.items():
                kept &= (shots[name] == box.value) | (box.value == ALL)
            self.kept = (kept & ~(useful.value & (shots["flags"] != ""))).to_numpy()
            self._draw()
            self.status.value = f"{self.kept.sum()} of {len(shots)} shots shown."

        for box in (*boxes.values(), length, useful):
            box.observe(keep, "value")
        row = [*boxes.values(), length, useful, self.scene]
        return widgets.HBox(row, layout={"flex_flow": "row wrap"})

    def _name_scenes(self) -> None:
        names = zip(self.found.scenes.name, self.found.scenes.cluster, strict=True)
        self.scene.options = [("", NONE), *names]

    def _show_scene(self, cluster: int | None) -> None:
        if cluster is not None and cluster != NONE:
            self.choose(np.flatnonzero(self.found.shots.cluster == cluster).tolist())

    def _search_row(self) -> widgets.Widget:
        words = widgets.Text(
            placeholder="what is seen, a film, a shot_id",
            description="search",
            continuous_update=False,
            layout={"width": "360px"},
        )
        picture = widgets.FileUpload(accept="image/*", description="like a picture")
        words.observe(lambda change: self.find(change["new"]), "value")
        picture.observe(lambda change: self._picture(change["new"]), "value")
        return widgets.HBox([words, picture])

    def find(self, text: str) -> None:
        """Light the shots that show what a text says.

        Where the encoder reads no words, those whose own words, film or scene say it.
        """
        if text in set(self.found.shots.shot_id):
            self._search(partial(by_shot, self.archive, text, count=HITS))
            return
        try:
            hits = by_text(self.archive, text, load_encoder(self.looking.encoder), count=HITS)
            self._found(hits)
        except EncoderError:
            said = [" ".join(lines).lower() for lines in self.stage.texts]
            rows = [row for row, line in enumerate(said) if text and text.lower() in line]
            self.light(rows)
            self.status.value = f"{len(rows)} shots have '{text}' in their words."

    def _picture(self, files) -> None:
        for file in files:
            with tempfile.TemporaryDirectory() as folder:
                picture = Path(folder) / Path(file["name"]).name
                picture.write_bytes(file["content"])
                encoder = load_encoder(self.looking.encoder)
                self._search(partial(by_image, self.archive, picture, encoder, count=HITS))

    def _search(self, ask) -> None:
        try:
            self._found(ask())
        except SearchError as error:
            self.status.value = str(error)

    def _found(self, hits: pd.DataFrame) -> None:
        rows = pd.Series(self.found.shots.index, self.found.shots.shot_id)
        self.light([int(rows[one]) for one in hits.shot_id if one in rows])
        self.status.value = f"{len(hits)} shots found, the best is number 1."


def _get_ready(space: np.ndarray) -> None:
    lay_out(space, neighbours(space, 5), 0, rounds=5)


def _texts(found: SceneMap) -> list[list[str]]:
    return [page.told(shot) for shot in found.shots.itertuples()]


def _warning(workspace: Workspace) -> str:
    """Why pictures and clips cannot be shown, if they cannot."""
    if served(workspace.work) is not None:
        return ""
    return (
        "Pictures and clips cannot be shown here: start JupyterLab in a folder above "
        f"{workspace.root.resolve()}."
    )


def _staged(workspace: Workspace, looking: IngestSettings, found: SceneMap) -> dict:
    """What the stage needs to know of films and shots."""
    films = load_films(workspace).set_index("film_id")
    ids = list(dict.fromkeys(found.shots.film_id))
    number = {film_id: k for k, film_id in enumerate(ids)}
    begins = films.t0  # proxies start at zero
    return {
        "films": [
            {
                "thumbnails": served(thumbnail_path(workspace, film_id, 0, looking).parent) or "",
                "proxy": served(proxy_path(workspace, film_id)) or "",
            }
            for film_id in ids
        ],
        "shots": [
            [
                number[shot.film_id],
                int(shot.index),
                float(shot.clean_start - begins[shot.film_id]),
                float(shot.clean_end - begins[shot.film_id]),
            ]
            for shot in found.shots.itertuples()
        ],
        "texts": _texts(found),
    }
