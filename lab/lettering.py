"""Letters on pictures: labels, and cards that stand by themselves.

Set in DejaVu Sans (`lab/dejavu.ttf`), which has the letters of some hundred languages.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lab.canvas import blank, planes

EDGE = 10  # letters are so many times as high as their dark edge is wide
HEAD, SMALL = 11, 30  # a card is so many times as high as the letters of its head and its lines


class Letters(NamedTuple):
    """White letters with a dark edge: for Y, U and V the values, and how much of them counts."""

    layers: tuple[tuple[np.ndarray, np.ndarray], ...]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, in pixels."""
        return self.layers[0][1].shape[1], self.layers[0][1].shape[0]


@lru_cache(maxsize=16)
def font(size: int) -> ImageFont.FreeTypeFont:
    """The font, for letters of `size` pixels."""
    with resources.as_file(resources.files("lab") / "dejavu.ttf") as path:
        return ImageFont.truetype(str(path), size)


@lru_cache(maxsize=256)
def letters(words: str, height: int, room: int) -> Letters:
    """A line of words, `height` pixels high with its edge; cut short where it is wider than `room`.

    Parameters
    ----------
    words : str
    height, room : int
        Pixels, even.
    """
    size = max(6, height * 2 // 3)
    shown, edge = font(size), max(1, size // EDGE)
    while words and shown.getlength(words) + 4 * edge > room:
        words = words.rstrip("…")[:-1].rstrip() + "…" if len(words) > 1 else ""
    wide = min(room, int(shown.getlength(words) + 4 * edge + 1) // 2 * 2 + 2)
    white, whole = (Image.new("L", (wide, height)) for _ in range(2))
    place = 2 * edge, height * 3 // 4
    ImageDraw.Draw(white).text(place, words, 255, shown, "ls")
    ImageDraw.Draw(whole).text(place, words, 255, shown, "ls", stroke_width=edge)
    return Letters(_layers(white, whole))


def _layers(white: Image.Image, whole: Image.Image):
    light, share = np.float32(white) / 255, np.float32(whole) / 255
    coarse = share.reshape(share.shape[0] // 2, 2, -1, 2).mean(axis=(1, 3))
    grey = np.full_like(coarse, 128)
    return ((16 + 219 * light, share), (grey, coarse), (grey, coarse))


def wrapped(words: str, size: int, room: float) -> list[str]:
    """Words in lines that are no wider than `room` pixels, in letters of `size` pixels.

    >>> wrapped("a train answers a train", 12, 90)
    ['a train', 'answers a', 'train']
    """
    lines: list[str] = []
    for word in words.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font(size).getlength(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def inscribe(packed: np.ndarray, text: Letters, left: int, top: int) -> None:
    """Write letters into a packed picture, at even pixels."""
    for plane, (values, share), step in zip(planes(packed), text.layers, (1, 2, 2), strict=True):
        y, x = top // step, left // step
        under = plane[y : y + share.shape[0], x : x + share.shape[1]]
        under[:] = np.rint(under + (values - under) * share)


def card(head: str, lines: list[str], size: tuple[int, int]) -> np.ndarray:
    """A black card with a head and smaller lines under it, in its middle, packed.

    Lines that are too long are broken; where they are too many, all are set smaller.
    """
    sheet = Image.new("L", size)
    draw, middle, least = ImageDraw.Draw(sheet), size[0] / 2, min(size)
    for shrink in (1, 1.4, 2, 3, 4):
        large, small = (max(7, int(least / part / shrink)) for part in (HEAD, SMALL))
        broken = [piece for line in lines for piece in wrapped(line, small, size[0] * 0.9) or [""]]
        heads = wrapped(head, large, size[0] * 0.9)
        high = len(heads) * large * 1.4 + len(broken) * small * 1.5
        if high < size[1] * 0.9:
            break
    y = (size[1] - high) / 2
    for text, letter, tint, step in [
        *((line, large, 255, large * 1.4) for line in heads),
        *((line, small, 190, small * 1.5) for line in broken),
    ]:
        draw.text((middle, y + step / 2), text, tint, font(letter), "mm")
        y += step
    packed = blank(size)
    planes(packed)[0][:] = 16 + np.float32(sheet) * (219 / 255)
    return packed
