"""The live view without a notebook: a page of this machine, which no other can reach."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from string import Template

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler, StaticFileHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from lab.see import Session
from lab.widgets.live import SCRIPT

HOST = "127.0.0.1"
LARGEST = 16_000_000  # bytes of a message


class Page(RequestHandler):
    """The page: the widget's own script, on a connection in place of a notebook's."""

    def initialize(self, session: Session):
        self.session = session

    def get(self) -> None:
        page = Path(__file__).with_name("stage.html").read_text("utf-8")
        # A name must not end the script that it stands in.
        told = json.dumps(self.session.told()).replace("</", "<\\/")
        self.finish(Template(page).substitute(script=SCRIPT, told=told))


class Connection(WebSocketHandler):
    """Requests and answers: JSON with the number of its pictures, then those, one by one.

    Pages of other sites are refused: tornado lets in none but this page's own origin.
    """

    def initialize(self, session: Session):
        self.session, self.asked, self.pictures = session, None, []

    async def on_message(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self.pictures.append(message)
        else:
            self.asked, self.pictures = json.loads(message), []
        if len(self.pictures) < self.asked["pictures"]:
            return
        answer, seen = self.session.act(self.asked["content"], self.pictures)
        if "kept" in answer:
            answer["url"] = f"/out/{Path(answer['kept']).name}"
        # The page was closed meanwhile, or all is at its end: tornado would write a traceback.
        with suppress(WebSocketClosedError, asyncio.CancelledError):
            await self.write_message(json.dumps({"content": answer, "pictures": len(seen)}))
            for picture in seen:
                await self.write_message(picture, binary=True)

    def on_close(self) -> None:
        self.session.close()


def serve(session: Session, port: int = 0, ready=lambda address: None) -> None:
    """Serve the live view on this machine until interrupted.

    Parameters
    ----------
    session : Session
    port : int
        0 takes a free one.
    ready : callable
        Is given the page's address once it can be opened.

    Raises
    ------
    OSError
        If the port is taken.
    """
    given = {"session": session}
    application = Application(
        [
            (r"/", Page, given),
            (r"/live", Connection, given),
            (r"/out/(.*)", StaticFileHandler, {"path": str(session.out.resolve())}),
        ],
        websocket_max_message_size=LARGEST,
    )
    sockets = bind_sockets(port, HOST)

    async def stay() -> None:
        HTTPServer(application).add_sockets(sockets)
        ready(f"http://{HOST}:{sockets[0].getsockname()[1]}/")
        await asyncio.Event().wait()

    try:
        asyncio.run(stay())
    finally:
        session.close()
