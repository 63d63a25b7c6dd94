"""Where live pictures come from: this machine's camera, a film or a folder of pictures that plays.

A source gives the newest picture and waits for it; those that nobody had time for are passed over,
so that what is seen never falls behind.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from lab.canvas import even
from lab.films import find_films
from lab.see.films import SHOT, find_shot
from lab.see.images import SeeError, open_picture, stills
from lab.store import Workspace
from lab.video import Frame, Player, probe

SIDE = 512  # pixels of the shorter side at which films are read, at most
PATIENCE = 5.0  # seconds that a camera may take for a picture
PAUSE = 1 / 25  # seconds from one look at a picture that stands still to the next
EACH = 3.0  # seconds that a picture of a folder stays


class Source(Protocol):
    """Live pictures."""

    def newest(self) -> np.ndarray:
        """The newest picture, uint8 (height, width, 3), RGB; waits until there is one.

        Raises
        ------
        SeeError, FilmError
            If there is none any more.
        """

    def close(self) -> None: ...


class Camera:
    """A camera of this machine: where the kernel runs, not where the browser is.

    Parameters
    ----------
    number : int
        0 for the first.

    Raises
    ------
    SeeError
        If there is none, or another program has it.
    """

    def __init__(self, number: int = 0):
        cv2.utils.logging.setLogLevel(
            cv2.utils.logging.LOG_LEVEL_SILENT
        )  # what is wrong is told below, in one sentence
        self.number, self.capture = number, cv2.VideoCapture(number)
        if not self.capture.isOpened():
            raise SeeError(
                f"camera {number}: this machine has none, or another program is using it; connect "
                "it, close the other program, or look at a film."
            )
        self.picture: np.ndarray | None = None
        self.fresh, self.closed = threading.Event(), False
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def newest(self) -> np.ndarray:
        fresh = self.fresh.wait(PATIENCE)
        self.fresh.clear()
        if not fresh or self.picture is None:
            raise SeeError(f"camera {self.number}: gives no pictures any more; connect it again.")
        return cv2.cvtColor(self.picture, cv2.COLOR_BGR2RGB)

    def _read(self) -> None:
        """Keep the newest picture: drivers queue, so that a slow reader would see the past."""
        while not self.closed:
            there, picture = self.capture.read()
            self.picture = picture if there else None
            self.fresh.set()
            if not there:
                break
        self.capture.release()

    def close(self) -> None:
        self.closed = True
        self.thread.join(PATIENCE)


class Playing:
    """A film, or a stretch of it, that plays again and again, without its sound.

    Parameters
    ----------
    path : path-like
    start, end : float, optional
        Seconds on the film's own clock.
    clock, wait : callable
        Gives seconds; lets some pass.

    Raises
    ------
    FilmError
    """

    def __init__(
        self,
        path,
        start: float | None = None,
        end: float | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ):
        info = probe(path)
        self.path, self.clock, self.wait = path, clock, wait
        self.start = info.t0 if start is None else start
        self.end = info.t0 + info.duration if end is None else end
        scale = min(1.0, SIDE / min(info.width, info.height))
        self.size = even(info.width * scale), even(info.height * scale)
        self.player: Player | None = None
        self.shown: Frame | None = None
        self._begin()

    def newest(self) -> np.ndarray:
        now = self._now()
        if now >= self.end:
            self._begin()
            now = self.start
        frame = self.player.at(now)
        if frame is self.shown:
            self.wait(self._until_next(now))
            return self.newest()
        self.shown = frame
        return frame.picture.to_ndarray()

    def _now(self) -> float:
        return self.start + self.clock() - self.begun

    def _until_next(self, now: float) -> float:
        """Seconds until another picture is due."""
        following = self.player.following
        return max(0.0, (self.end if following is None else float(following.time)) - now)

    def _begin(self) -> None:
        self.close()
        self.player = Player(self.path, self.start, size=self.size, pixels="rgb24")
        self.shown, self.begun = None, self.clock()

    def close(self) -> None:
        if self.player is not None:
            self.player.close()


class Slides:
    """The pictures of a folder, one after another, again and again.

    Parameters
    ----------
    folder : path-like
    each : float
        Seconds that a picture stays.
    clock, wait : callable
        As of `Playing`.

    Raises
    ------
    SeeError
        If there are none.
    """

    def __init__(
        self,
        folder,
        each: float = EACH,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ):
        self.paths = stills(Path(folder))
        self.each, self.clock, self.wait, self.begun = each, clock, wait, clock()
        self.place, self.picture = -1, None

    def newest(self) -> np.ndarray:
        place = int((self.clock() - self.begun) / self.each) % len(self.paths)
        if place == self.place:
            self.wait(PAUSE)  # it stands still, and what is seen in it may still be settling
        else:
            self.place, self.picture = place, open_picture(self.paths[place])
        return self.picture

    def close(self) -> None:
        self.picture = None


def openers(inputs: Iterable, workspace: Workspace) -> dict[str, Callable[[], Source]]:
    """By name, what opens films, shots and folders of pictures as live pictures.

    Parameters
    ----------
    inputs : iterable of path-like or str
        Films, folders of pictures, folders of films, of which each becomes one, and shot_ids.
    workspace : Workspace
        Whose shots these are.

    Raises
    ------
    FilmError
        If one does not exist, or holds neither.
    SeeError
        If there is no such shot.
    """
    found: dict[str, Callable[[], Source]] = {}
    for path in map(Path, inputs):
        if SHOT.fullmatch(path.name) and not path.exists():
            film, shots = find_shot(workspace, path.name)
            span = shots.start.iloc[0], shots.end.iloc[0]
            found[path.name] = partial(Playing, film.path, *map(float, span))
        elif path.is_dir() and stills(path):
            found[path.name] = partial(Slides, path)
        else:
            found |= {film.name: partial(Playing, film) for film in find_films([path])}
    return found
