"""Where in a picture the subject is: faces, or else where detail and movement gather."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np

from lab.faces import find_faces

SIDE = 64  # pixels of the longer side at which detail is looked at
CENTRAL = 0.35  # spread, in parts of a side, of the middle's weight: subjects rarely hug an edge


def subject_of(pictures: Sequence[np.ndarray]) -> tuple[float, float]:
    """The point that a crop should keep in its middle.

    Parameters
    ----------
    pictures : sequence of ndarray, uint8 (height, width, 3)
        Of one shot, all of one size.

    Returns
    -------
    (float, float)
        In parts of width and height.

    Examples
    --------
    >>> subject_of([np.zeros((90, 160, 3), np.uint8)])
    (0.5, 0.5)
    """
    faces = [face for picture in pictures for face in find_faces(picture)[:2]]
    if faces:
        large = np.array([face.width * face.height * face.likely for face in faces])
        places = np.array([(face.x, face.y) for face in faces])
        return _point(large @ places / large.sum())
    greys = [_small(picture) for picture in pictures]
    told = sum(_edges(grey) for grey in greys) / len(greys)
    if len(greys) > 1:
        told = told + np.mean([np.abs(a - b) for a, b in itertools.pairwise(greys)], 0)
    y, x = np.mgrid[: told.shape[0], : told.shape[1]] + 0.5
    x, y = x / told.shape[1], y / told.shape[0]
    told = told * np.exp(-((x - 0.5) ** 2 + (y - 0.5) ** 2) / (2 * CENTRAL**2))
    if not told.sum():
        return 0.5, 0.5
    return _point(np.array([(told * x).sum(), (told * y).sum()]) / told.sum())


def _point(place: np.ndarray) -> tuple[float, float]:
    x, y = place.clip(0, 1).tolist()
    return x, y


def _small(picture: np.ndarray) -> np.ndarray:
    scale = SIDE / max(picture.shape[:2])
    size = [max(2, round(side * scale)) for side in picture.shape[1::-1]]
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32)


def _edges(grey: np.ndarray) -> np.ndarray:
    return np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)) / 4
