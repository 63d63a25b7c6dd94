"""Pictures put together: fitted into panels, beside and above one another, mirrored, blurred.

A picture here is *packed* yuv420p: uint8 (3 * height / 2, width), Y above, U and V below; sizes
and places are even pixels, so that the coarser planes fall on whole ones. Black and white stays
neutral, as no step mixes the planes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from lab.video import Box, Player, probe

if TYPE_CHECKING:
    import av

BLACK, WHITE = (16, 128, 128), (235, 128, 128)  # Y, U, V, limited range
COARSE = 12  # pixels of a panel's shorter side from which its blurred fill is made
DIMMED = 0.55  # light that a blurred fill keeps


def pixels(picture: av.VideoFrame) -> np.ndarray:
    """A yuv420p frame as a packed array."""
    return picture.to_ndarray()


def planes(packed: np.ndarray) -> list[np.ndarray]:
    """Views of Y, U and V in a packed array."""
    height, width = packed.shape[0] * 2 // 3, packed.shape[1]
    chroma = packed[height:].reshape(2, height // 2, width // 2)
    return [packed[:height], chroma[0], chroma[1]]


def size_of(packed: np.ndarray) -> tuple[int, int]:
    """Width and height of a packed picture."""
    return packed.shape[1], packed.shape[0] * 2 // 3


def blank(size: tuple[int, int]) -> np.ndarray:
    """A black picture."""
    packed = np.empty((size[1] * 3 // 2, size[0]), np.uint8)
    for plane, value in zip(planes(packed), BLACK, strict=True):
        plane[:] = value
    return packed


def paste(packed: np.ndarray, picture: np.ndarray, left: int, top: int) -> None:
    """Put a picture into a larger one, at even pixels."""
    for plane, part, step in zip(planes(packed), planes(picture), (1, 2, 2), strict=True):
        y, x = top // step, left // step
        plane[y : y + part.shape[0], x : x + part.shape[1]] = part


def centre(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture in the middle of a black panel."""
    if size_of(picture) == size:
        return picture
    return _in_the_middle(blank(size), picture)


def _in_the_middle(packed: np.ndarray, picture: np.ndarray) -> np.ndarray:
    left, top = (
        (all_ - part) // 4 * 2 for all_, part in zip(size_of(packed), size_of(picture), strict=True)
    )
    paste(packed, picture, left, top)
    return packed


def window(focus, whole, part) -> tuple[float, float]:
    """Left and top of a part that lies as near to `focus` as the edges allow.

    Parameters
    ----------
    focus : (float, float)
        What is to be in its middle, in parts of width and height.
    whole, part : (float, float)
        Width and height, both in the same unit.

    >>> window((0.5, 0.9), (100, 100), (40, 40))
    (30.0, 60)
    """
    left, top = (
        min(max(at * all_ - few / 2, 0), all_ - few)
        for at, all_, few in zip(focus, whole, part, strict=True)
    )
    return left, top


def cut(picture: np.ndarray, size: tuple[int, int], focus: tuple[float, float]) -> np.ndarray:
    """The part of a picture that is `size` large and as near to `focus` as the edges allow.

    Parameters
    ----------
    picture : ndarray
        No smaller than `size`.
    focus : (float, float)
        What is to be in the middle, in parts of width and height.
    """
    whole, packed = size_of(picture), np.empty((size[1] * 3 // 2, size[0]), np.uint8)
    left, top = (round(edge / 2) * 2 for edge in window(focus, whole, size))
    for plane, part, step in zip(planes(packed), planes(picture), (1, 2, 2), strict=True):
        y, x = top // step, left // step
        plane[:] = part[y : y + plane.shape[0], x : x + plane.shape[1]]
    return packed


def on_blur(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture in the middle of a panel that is filled with itself, blurred and dimmed."""
    if size_of(picture) == size:
        return picture
    packed = blank(size)
    for number, (plane, part) in enumerate(zip(planes(packed), planes(picture), strict=True)):
        scale = max(plane.shape[0] / part.shape[0], plane.shape[1] / part.shape[1])
        window = [round(side / scale) for side in plane.shape]
        top, left = ((all_ - few) // 2 for all_, few in zip(part.shape, window, strict=True))
        shown = part[top : top + window[0], left : left + window[1]]
        coarse = COARSE / min(size)
        few = [max(2, round(side * coarse * (2 if number else 1))) for side in plane.shape[::-1]]
        small = cv2.GaussianBlur(cv2.resize(shown, few, interpolation=cv2.INTER_AREA), (3, 3), 0)
        wide = cv2.resize(small, plane.shape[::-1], interpolation=cv2.INTER_CUBIC)
        plane[:] = BLACK[number] + DIMMED * (wide.astype(np.float32) - BLACK[number])
    return _in_the_middle(packed, picture)


def mirror(picture: np.ndarray) -> np.ndarray:
    """A picture seen in a mirror."""
    packed = np.empty_like(picture)
    for plane, part in zip(planes(packed), planes(picture), strict=True):
        plane[:] = part[:, ::-1]
    return packed


def scaled(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture made smaller."""
    if size_of(picture) == size:
        return picture
    packed = blank(size)
    for plane, part in zip(planes(packed), planes(picture), strict=True):
        plane[:] = cv2.resize(part, plane.shape[::-1], interpolation=cv2.INTER_AREA)
    return packed


def halved(left: np.ndarray, right: np.ndarray, edge: float, bar: int) -> np.ndarray:
    """Two pictures of one size in one place: one up to `edge`, the other behind a white bar.

    Parameters
    ----------
    left, right : ndarray
    edge : float
        Part of the width.
    bar : int
        Pixels.
    """
    packed, at = left.copy(), even(left.shape[1] * edge)
    parts = zip(planes(packed), planes(right), (1, 2, 2), WHITE, strict=True)
    for plane, other, step, white in parts:
        plane[:, at // step :] = other[:, at // step :]
        plane[:, (at - bar // 2) // step : (at + bar // 2) // step] = white
    return packed


def blend(one: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    """Two pictures of one size laid over each other; `share` of the other, 0 to 1."""
    return cv2.addWeighted(one, 1 - share, other, share, 0)


def even(value: float) -> int:
    """The nearest even number, 2 at least."""
    return max(2, round(value / 2) * 2)


def fit(width: float, height: float, panel: tuple[int, int]) -> tuple[int, int]:
    """Largest even size of a picture's shape that goes into a panel.

    >>> fit(640, 480, (960, 540))
    (720, 540)
    """
    scale = min(panel[0] / width, panel[1] / height)
    return min(even(width * scale), panel[0]), min(even(height * scale), panel[1])


def cover(width: float, height: float, panel: tuple[int, int]) -> tuple[int, int]:
    """Smallest even size of a picture's shape that a panel goes into.

    >>> cover(640, 480, (960, 540))
    (960, 720)
    """
    scale = max(panel[0] / width, panel[1] / height)
    return max(even(width * scale), panel[0]), max(even(height * scale), panel[1])


def shape(path, box: Box) -> tuple[float, float]:
    """Width and height, in pixels, of a part of a film's upright picture."""
    info = probe(path)
    return info.width * (box.right - box.left), info.height * (box.bottom - box.top)


def within(outer: Box, inner: Box) -> Box:
    """A part of a part, as a part of the whole.

    >>> within(Box(0, 0.25, 1, 0.75), Box(0.5, 0.5, 1, 1))
    Box(left=0.5, top=0.5, right=1, bottom=0.75)
    """
    width, height = outer.right - outer.left, outer.bottom - outer.top
    return Box(
        outer.left + width * inner.left,
        outer.top + height * inner.top,
        outer.left + width * inner.right,
        outer.top + height * inner.bottom,
    )


def open_panel(path, start: float, crop, panel: tuple[int, int], **view) -> Player:
    """A film from `start` seconds on, cut to its picture and fitted into a panel."""
    box = Box(*crop)
    return Player(path, start, size=fit(*shape(path, box), panel), crop=box, **view)
