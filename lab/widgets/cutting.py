"""A strip of a film's shots with the cut score beneath it, on which cuts are corrected."""

from __future__ import annotations

from pathlib import Path

import anywidget
import numpy as np
import traitlets
from PIL import Image

from lab import video
from lab.atlas import ELEMENT
from lab.cutlists import Cutting
from lab.ingest import recut
from lab.store import Workspace, image_file
from lab.tables import load_films, load_frames, load_shots, proxy_path

PAGE, STEP = 1500, 24  # frames on show at once; frames from one picture of the strip to the next
AROUND = 4  # frames shown on either side of a cut that is looked at
PICTURE, NEAR = (96, 54), (160, 90)  # pixels of a picture on the strip, and of one looked at


class CutStrip(anywidget.AnyWidget):
    """The strip of one film. Click on the score to add a cut, drag a cut to move it.

    With the keyboard: Tab goes from cut to cut, the arrows move one by a frame (with Shift by
    ten), Delete removes it. Nothing is kept until *Keep these cuts* is pressed; then the film is
    divided anew, and everything downstream follows.

    Parameters
    ----------
    workspace : Workspace
    film_id : str
        A film that was ingested.

    Examples
    --------
    In a notebook: ``CutStrip(work, film)``.
    """

    _esm = ELEMENT + Path(__file__).with_name("cutting.js").read_text("utf-8")
    count = traitlets.Int().tag(sync=True)
    first = traitlets.Int().tag(sync=True)
    step = traitlets.Int(STEP).tag(sync=True)
    begins = traitlets.List(traitlets.Int()).tag(sync=True)
    times = traitlets.List(traitlets.Float()).tag(sync=True)
    score = traitlets.Bytes().tag(sync=True)
    gradual = traitlets.Bytes().tag(sync=True)
    strip = traitlets.Bytes().tag(sync=True)
    near = traitlets.Bytes().tag(sync=True)
    status = traitlets.Unicode().tag(sync=True)
    undoable = traitlets.Bool().tag(sync=True)

    def __init__(self, workspace: Workspace, film_id: str, **traits):
        frames = load_frames(workspace, film_id)
        shots = load_shots(workspace, films=[film_id])
        super().__init__(count=len(frames["times"]), **traits)
        self.workspace, self.film_id, self.frames = workspace, film_id, frames
        self.cutting = Cutting(shots.start_frame[1:].tolist(), self.count)
        self.begins = self.cutting.begins
        self.on_msg(lambda _, content, buffers: self.act(content))
        self.act({"do": "page", "frame": 0})

    def act(self, said: dict) -> None:
        """Do what was asked for: `do` names it, `frame` and `to` are numbers of frames."""
        acts = {"page": self._page, "look": self._look, "keep": self._keep}
        frames = [int(said[key]) for key in ("frame", "to") if key in said]
        if said["do"] in acts:
            acts[said["do"]](*frames)
        elif said["do"] in Cutting.ACTS:
            self.status = getattr(self.cutting, said["do"])(*frames)
            self.begins, self.undoable = self.cutting.begins, self.cutting.undoable

    def _page(self, frame: int) -> None:
        first = max(0, min(frame, self.count - 1)) // PAGE * PAGE
        here = slice(first, min(first + PAGE, self.count))
        with self.hold_sync():
            self.first = first
            self.times = self.frames["times"][here].tolist()
            score, gradual = (255 * self.frames["cuts"][here].T).astype(np.uint8)
            self.score, self.gradual = score.tobytes(), gradual.tobytes()
            self.strip = self._pictures(range(first, here.stop, STEP), PICTURE)

    def _look(self, frame: int) -> None:
        around = np.clip(np.arange(frame - AROUND, frame + AROUND), 0, self.count - 1)
        self.near = self._pictures(around, NEAR)

    def _keep(self) -> None:
        self.status = "The film is divided anew ..."
        seconds = self.frames["times"][[0, *self.cutting.begins]]
        recut(self.workspace, self.film_id, seconds.tolist())
        self.status = f"Kept: {len(seconds)} shots of {self._name()}."

    def _name(self) -> str:
        films = load_films(self.workspace).set_index("film_id")
        return films.title[self.film_id] or Path(films.path[self.film_id]).name

    def _pictures(self, indices, size: tuple[int, int]) -> bytes:
        """Frames of the proxy side by side, as a JPEG."""
        found = video.proxy_frames(proxy_path(self.workspace, self.film_id), list(indices))
        row = [np.asarray(Image.fromarray(picture).resize(size)) for picture in found]
        return image_file(Image.fromarray(np.concatenate(row, axis=1)), "JPEG", quality=80)
