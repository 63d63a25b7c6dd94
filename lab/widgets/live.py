"""Looking live in a notebook: through a network, or answered by an archive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import anywidget
import traitlets

from lab.atlas import ELEMENT
from lab.see import Answering, Looking, Session
from lab.see.session import open_session
from lab.show import served
from lab.store import Workspace

SCRIPT = ELEMENT + Path(__file__).with_name("live.js").read_text("utf-8")


class LiveView(anywidget.AnyWidget):
    """A camera or a film, looked through a network, or answered by an archive, with live controls.

    The browser's camera also works where the kernel is far away. The newest picture is looked at,
    and those between are passed over. All controls are the browser's own, by mouse and by keys.

    Parameters
    ----------
    models : mapping of str to path-like, or path-like
        Networks by name; or a folder of those that `lab see train` wrote, or one of them.
    workspace : Workspace, optional
        Whose archive answers, where it has one; recordings lie in its ``out``.
    inputs : iterable of path-like or str
        Films, folders of pictures and shot_ids that can be looked at in place of a camera.
    looking : Looking, optional
    answering : Answering, optional

    Attributes
    ----------
    session : lab.see.Session
        What is looked through and at; without a browser.

    Raises
    ------
    SeeError, FilmError

    Examples
    --------
    In a notebook: ``LiveView({"sea": "../models/sea"}, work)``.
    """

    _esm = SCRIPT
    told = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        models: Mapping[str, str | Path] | str | Path | None = None,
        workspace: Workspace | None = None,
        inputs: Iterable = (),
        looking: Looking | None = None,
        answering: Answering | None = None,
    ):
        self.session: Session = open_session(
            models, workspace, inputs, looking=looking, answering=answering
        )
        super().__init__(told=self.session.told())
        self.on_msg(lambda _, asked, pictures: self.act(asked, pictures))

    def act(self, asked: dict, pictures=()) -> None:
        """Do what the browser asks for, and answer it; see `Session.act`."""
        answer, seen = self.session.act(asked, pictures)
        self.told = answer.pop("told", self.told)
        if "kept" in answer:
            answer["url"] = served(answer["kept"])
        self.send(answer, seen)

    def close(self) -> None:
        """Let go of the camera, and keep what is being recorded."""
        self.session.close()
        super().close()
