"""Shots that play over and over, small: decoded as they are first shown, kept while there is room.

A shot is read from its proxy in order, so that nothing but its beginning is sought; how long that
takes does not depend on the length of the film.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

import cv2
import numpy as np

from lab.canvas import even, within
from lab.video import EPSILON, Box, Reader, proxy_size

ROOM = 400_000_000  # bytes of pictures that are kept
RIM = 2  # pixels of a proxy that are left away beside a bar, whose edge runs through them


class Loop(NamedTuple):
    """A stretch of a proxy that plays over and over.

    Attributes
    ----------
    path : str
    start, end : float
        Seconds from the proxy's first frame.
    crop : Box
        The part of the picture that is shown.
    size : (int, int)
        Width and height, in pixels, at which it is read.
    """

    path: str
    start: float
    end: float
    crop: Box
    size: tuple[int, int]


def filling(film, panel: tuple[int, int]) -> tuple[Box, tuple[int, int]]:
    """The middle of a film's picture, inside its bars, that fills a panel.

    Parameters
    ----------
    film
        Row of the films table: `width`, `height`, `crop`.
    panel : (int, int)
        Width and height, in pixels.

    Returns
    -------
    crop : Box
        The part of the upright picture, of the panel's shape.
    size : (int, int)
        At which to read it: the panel's, but no larger than the proxy has it.

    Examples
    --------
    >>> from types import SimpleNamespace as Film
    >>> filling(Film(width=640, height=480, crop=(0, 0, 1, 1)), (320, 120))
    (Box(left=0.0, top=0.25, right=1.0, bottom=0.75), (320, 120))
    """
    proxy = proxy_size(film.width, film.height)
    left, top, right, bottom = film.crop
    box = Box(
        left + (left > 0) * RIM / proxy[0],
        top + (top > 0) * RIM / proxy[1],
        right - (right < 1) * RIM / proxy[0],
        bottom - (bottom < 1) * RIM / proxy[1],
    )
    wide, high = film.width * (box.right - box.left), film.height * (box.bottom - box.top)
    scale = max(panel[0] / wide, panel[1] / high)
    across, down = panel[0] / scale / wide, panel[1] / scale / high
    inner = Box((1 - across) / 2, (1 - down) / 2, (1 + across) / 2, (1 + down) / 2)
    known = proxy[1] / film.height / scale
    size = panel if known >= 1 else (even(panel[0] * known), even(panel[1] * known))
    return within(box, inner), size


class Take:
    """The pictures of a loop, as far as they have been shown."""

    def __init__(self, loop: Loop):
        self.loop, self.times, self.pictures = loop, [], []
        self.frames = iter(
            Reader(loop.path, start=loop.start, size=loop.size, crop=loop.crop, pixels="rgb24")
        )

    def at(self, second: float) -> np.ndarray:
        """The picture on show so many seconds after the loop's start."""
        while self.frames and not (self.times and self.times[-1] > second + EPSILON):
            self._read()
        return self.pictures[max(0, bisect_right(self.times, second + EPSILON) - 1)]

    def _read(self) -> None:
        frame = next(self.frames, None)
        if frame is None or (self.times and float(frame.time) > self.loop.end - EPSILON):
            self.frames.close()
            self.frames = None
            return
        self.times.append(float(frame.time) - self.loop.start)
        self.pictures.append(frame.picture.to_ndarray())

    @property
    def bytes(self) -> int:
        return len(self.pictures) * self.pictures[0].nbytes if self.pictures else 0


class Projector:
    """Shows loops; of those shown lately it keeps the pictures.

    What it shows depends on what is asked for alone, and not on what it keeps.

    Parameters
    ----------
    room : int
        Bytes of pictures, beyond which what was not shown for longest is let go.
    """

    def __init__(self, room: int = ROOM):
        self.room, self.takes = room, {}

    def show(self, loop: Loop, second: float, panel: tuple[int, int]) -> np.ndarray:
        """The picture of a loop so many seconds after it began to play.

        Parameters
        ----------
        loop : Loop
        second : float
            At the film's own speed; the loop begins anew as often as needed.
        panel : (int, int)
            Width and height, in pixels.

        Returns
        -------
        ndarray of uint8, shape (height, width, 3)

        Raises
        ------
        FilmError
            If the proxy cannot be read.
        """
        take = self.takes.pop(loop, None) or Take(loop)
        self.takes[loop] = take  # the last is the one shown last
        picture = take.at(second % (loop.end - loop.start))
        while len(self.takes) > 1 and sum(one.bytes for one in self.takes.values()) > self.room:
            del self.takes[next(iter(self.takes))]
        if loop.size == panel:
            return picture.copy()  # who is given it may draw on it
        return cv2.resize(picture, panel, interpolation=cv2.INTER_CUBIC)
