"""Framing: how large the subject stands in the picture, and where faces are.

Shot scale is read from what the packaged encoder sees and from the size of the largest face; the
weights (`lab/framing.safetensors`) were fitted by ``benchmarks/fit_framing.py`` on 350 stills of
feature films and 120 labelled shots of clips, five scales of them. Without a face, the picture
alone tells. It is surest of people, and errs by one scale and more with things, animals, drawings
and views through which a scale does not run, such as a wall.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources

import numpy as np
from safetensors.numpy import load

from lab.faces import Face

VERSION = 2
SCALES = (
    "extreme close-up",
    "close-up",
    "medium close-up",
    "medium shot",
    "medium long shot",
    "long shot",
    "extreme long shot",
)
MEDIUM = slice(2, 5)  # of them, those that the fit knows as one
HEIGHTS = (0.08, 0.16, 0.32, 0.64, 1.0)  # of faces, in picture heights, that the fit tells apart
FACES = 0.3  # weight of faces beside what the encoder sees
# Height of the face, in picture heights, above which the body is seen to the chest, to the
# waist; below both, to the knees.
CHEST, WAIST = 0.26, 0.17
BLUR = 0.8  # scales by which neighbouring ones are thought alike
GRID = (3, 5)  # rows and columns of the layout of faces
CROWD = 4  # faces, from which their number is no longer told


def scale_of(pooled: np.ndarray, faces: list[list[Face]]) -> np.ndarray:
    """How likely each of the seven scales is.

    Parameters
    ----------
    pooled : ndarray of float32, shape (n, 1280)
        From the packaged encoder.
    faces : list of list of Face
        From `lab.faces`, for the same pictures.

    Returns
    -------
    ndarray of float64, shape (n, 7)
        Rows sum to 1; columns as in `SCALES`.
    """
    weights = _weights()
    logits = measures(pooled, faces) @ weights["weight"].T + weights["bias"]
    five = np.exp(logits - logits.max(axis=1, keepdims=True))
    five /= five.sum(axis=1, keepdims=True)
    seven = np.zeros((len(five), len(SCALES)))
    seven[:, [0, 1, 5, 6]] = five[:, [0, 1, 3, 4]]
    for row, (one, likely) in enumerate(zip(faces, five, strict=True)):
        seven[row, MEDIUM] = likely[2] * _medium(one, likely)
    return seven


def measures(pooled: np.ndarray, faces: list[list[Face]]) -> np.ndarray:
    """What scale is read from, (n, 1286)."""
    seen = np.sqrt(np.maximum(pooled, 0))
    seen /= np.maximum(np.linalg.norm(seen, axis=1, keepdims=True), 1e-6)
    return np.concatenate([seen, FACES * np.array([_size(one) for one in faces])], axis=1)


def framing_vector(scale: np.ndarray, faces: list[Face]) -> np.ndarray:
    """Scale, number and place of faces, as one vector (27,).

    Parameters
    ----------
    scale : ndarray, shape (7,)
        From `scale_of`.
    faces : list of Face
    """
    apart = np.arange(len(SCALES))[:, None] - np.arange(len(SCALES))
    scales = _unit(np.sqrt(np.exp(-0.5 * (apart / BLUR) ** 2) @ scale))
    number = np.zeros(CROWD)
    number[min(len(faces), CROWD) - 1] = 1.0 if faces else 0.0
    return np.concatenate([scales, 0.6 * _size(faces)[-1:], 0.5 * number, 0.6 * _places(faces)])


def mirrored(vectors: np.ndarray) -> np.ndarray:
    """Framing vectors (n, 27) of the same pictures seen in a mirror."""
    plain, places = np.split(vectors, [-GRID[0] * GRID[1]], axis=1)
    turned = places.reshape(-1, *GRID)[:, :, ::-1].reshape(len(vectors), -1)
    return np.concatenate([plain, turned], axis=1)


def _medium(faces: list[Face], likely: np.ndarray) -> np.ndarray:
    """Shares of medium close-up, medium shot and medium long shot in what is medium."""
    if faces:
        height = faces[0].height
        step = 0 if height > CHEST else 1 if height > WAIST else 2
    else:  # it leans to the scale that is next likely
        near, far = likely[:2].sum(), likely[3:].sum()
        step = 0 if near > 2 * far and near > 0.2 else 2 if far > 2 * near and far > 0.2 else 1
    return np.eye(3)[step]


def _size(faces: list[Face]) -> np.ndarray:
    """The largest face's height, softly told apart, and whether there is none: (6,)."""
    if not faces:
        return np.array([0.0] * len(HEIGHTS) + [1.0])
    height = np.clip(faces[0].height, HEIGHTS[0], HEIGHTS[-1])
    apart = np.log2(height) - np.log2(HEIGHTS)
    return np.append(np.exp(-2 * apart**2), 0.0)


def _places(faces: list[Face]) -> np.ndarray:
    """Where faces are, the larger the more: (15,)."""
    rows, columns = GRID
    across, down = (np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows
    layout = np.zeros(GRID)
    for face in faces[:CROWD]:
        near = np.exp(-0.5 * ((down - face.y) * rows) ** 2)[:, None]
        layout += near * np.exp(-0.5 * ((across - face.x) * columns) ** 2) * face.height
    return _unit(layout.ravel())


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(np.linalg.norm(vector), 1e-6)


@lru_cache(maxsize=1)
def _weights() -> dict[str, np.ndarray]:
    return load(resources.files("lab").joinpath("framing.safetensors").read_bytes())
