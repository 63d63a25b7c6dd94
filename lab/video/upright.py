"""Pictures as one is to see them: upright, with square pixels, deinterlaced, cut and scaled."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import av

from lab.video.light import HLG, PQ, lowered

CLOCK = Fraction(1, 90000)
TURNS = {  # filters by the degrees that a picture is to be turned
    90: [("transpose", {"dir": "cclock"})],
    180: [("hflip", {}), ("vflip", {})],
    270: [("transpose", {"dir": "clock"})],
}


class Frame(NamedTuple):
    """A frame and its moment: `time` in seconds (exact), `picture` an ``av.VideoFrame``."""

    time: Fraction
    picture: av.VideoFrame


class Box(NamedTuple):
    """A part of the upright picture, as fractions of its width and height."""

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0


WHOLE = Box()


def matrix_of(picture: av.VideoFrame) -> str:
    """The YUV matrix a picture was made with; untagged ones go by light and size, as players do."""
    named = {1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020"}
    large = picture.height >= 720 or picture.width >= 1280
    guess = "bt2020" if picture.color_trc in (PQ, HLG) else "bt709" if large else "bt601"
    return named.get(int(picture.colorspace or 2), guess)


class Lens:
    """Turns decoded pictures upright, cut to `crop` and scaled to `size`, in `pixels` format.

    The filter graph is one in, one out, so times travel beside it in a queue. It is rebuilt
    when the picture changes shape in mid-film, and when the first interlaced frame arrives.
    """

    def __init__(
        self, sar: Fraction, rotation: int, size, pixels: str, crop: Box, matrix: str, threads: int
    ):
        self.sar, self.rotation, self.size, self.threads = sar, rotation, size, threads
        self.pixels, self.crop, self.matrix = pixels, crop, matrix
        self.graph, self.shape, self.interlaced = None, None, False
        self.times: deque[Fraction] = deque()

    def push(self, time: Fraction, picture: av.VideoFrame) -> Iterator[Frame]:
        interlaced = self.interlaced or picture.interlaced_frame
        colour = picture.colorspace, picture.color_trc
        shape = (picture.width, picture.height, picture.format.name, interlaced, *colour)
        if shape != self.shape:
            yield from self.flush()
            self.shape, self.interlaced = shape, interlaced
            self.graph = self._build(picture)
        self.times.append(time)
        self.graph.vpush(picture)
        yield from self._pull()

    def flush(self) -> Iterator[Frame]:
        if self.graph is not None:
            self.graph.vpush(None)
            yield from self._pull()
            self.graph = None

    def _pull(self) -> Iterator[Frame]:
        while True:
            try:
                picture = self.graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return
            picture.pts = None
            yield Frame(self.times.popleft(), picture)

    def _build(self, picture: av.VideoFrame) -> av.filter.Graph:
        graph = av.filter.Graph()
        graph.threads = self.threads
        source = graph.add_buffer(
            width=picture.width, height=picture.height, format=picture.format, time_base=CLOCK
        )
        with lowered(picture.color_trc) as light:
            chain = [graph.add(name, **asked) for name, asked in self._steps(picture, light)]
        graph.link_nodes(source, *chain, graph.add("buffersink")).configure()
        return graph

    def _steps(self, picture: av.VideoFrame, light: list[tuple]) -> Iterator[tuple[str, dict]]:
        """Filters and their options, in their order."""
        if self.interlaced:
            yield "bwdif", {"mode": "send_frame", "deint": "interlaced"}
        yield from TURNS.get(self.rotation, [])
        if (box := self.crop) != WHOLE:
            wide, high = box.right - box.left, box.bottom - box.top
            part = {"w": f"iw*{wide:.6f}", "h": f"ih*{high:.6f}"}
            yield "crop", part | {"x": f"iw*{box.left:.6f}", "y": f"ih*{box.top:.6f}"}
        width, height = self.size or upright_size(
            picture.width, picture.height, self.sar, self.rotation
        )
        scale = {"w": str(width), "h": str(height), "flags": "bicubic"}
        if not picture.format.is_rgb:
            full = picture.color_range == 2 or picture.format.name.startswith("yuvj")
            scale |= {"in_color_matrix": matrix_of(picture), "in_range": "pc" if full else "tv"}
        if light:
            yield "scale", scale
            yield from light
            scale = {}
        scale["out_range"] = "full" if self.pixels == "rgb24" else "limited"
        if self.pixels != "rgb24":
            scale["out_color_matrix"] = self.matrix
        yield "scale", scale
        yield "setsar", {"sar": "1"}
        yield "format", {"pix_fmts": self.pixels}


def upright_size(width: int, height: int, sar: Fraction, rotation: int) -> tuple[int, int]:
    """Size of a stored picture once its pixels are square and it stands upright.

    >>> upright_size(720, 576, Fraction(16, 15), 0)
    (768, 576)
    >>> upright_size(640, 360, Fraction(1), 90)
    (360, 640)
    """
    width = max(1, round(width * sar))
    return (height, width) if rotation in (90, 270) else (width, height)
