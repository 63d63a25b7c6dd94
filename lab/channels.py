"""Channels: a shot as unit vectors, one for each way in which two shots can be alike.

- *subject*: what is in the picture;
- *composition*: where masses and edges lie, whatever they are;
- *colour*: palette, its layout, light and contrast;
- *motion*: how the camera moves and what moves before it (`lab.motion`);
- *framing*: how large the subject stands there, and where faces are (`lab.framing`).

A channel with nothing to say (no edge, no light, too short to move) gives the zero vector.
Vectors as made here are raw; `Calibration` makes the channels comparable.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from lab import framing as framings
from lab import motion as motions
from lab.encoders import Features
from lab.faces import Face

VERSION = 5
CHANNELS = ("subject", "composition", "colour", "motion", "framing")
LOOKS = 3  # pictures taken of a moment, where the encoder asks for no other number
GRID = 8  # rows and columns of the composition's layouts
TRACE = (16, 9)  # width and height of the brightness layout kept of every frame
LAYOUTS = (0.6, 0.3, 1.0)  # say of salience, of masses and of edges in composition (docs/LOG.md)
PLACED = 0.5  # say of where light and hues are, beside how much of each there is
HUES = 8  # bins a side of the palette's a*b* plane
NOISE = 1e-5  # of the largest value (of 255 for light): less is rounding, not a layout
LIGHT = np.array([0.299, 0.587, 0.114], np.float32)  # red, green, blue in it (BT.601)
BLOCK = 4096  # moments that are made comparable at once
VIVID = 12.0  # mean chroma (CIELAB) from which a picture counts as fully coloured


MIRRORS = {"motion": motions.mirrored, "framing": framings.mirrored}


def unit(vectors: np.ndarray) -> np.ndarray:
    """Scale rows to length one; rows of (nearly) nothing become zero.

    >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.where(length > 1e-6, vectors / np.maximum(length, 1e-6), 0.0)


def looks(encoder) -> np.ndarray:
    """Where in a moment its pictures lie, in parts of it: the middles of equal stretches.

    >>> from types import SimpleNamespace as Encoder
    >>> looks(Encoder(frames=1)).round(3).tolist(), looks(Encoder(frames=2)).tolist()
    ([0.167, 0.5, 0.833], [0.25, 0.75])
    """
    count = encoder.frames if encoder.frames > 1 else LOOKS
    return (np.arange(count) + 0.5) / count


def see(pictures: np.ndarray, encoder) -> Features:
    """What an encoder sees in pictures, a row each.

    Parameters
    ----------
    pictures : ndarray of uint8, shape (n, height, width, 3)
        Bars cropped away; for an encoder of clips, whole ones, one after the other.
    encoder
        From `lab.encoders`.
    """
    # What is seen in a clip holds for each of its pictures.
    return Features(*(part.repeat(encoder.frames, axis=0) for part in encoder.encode(pictures)))


def describe(pictures: np.ndarray, features: Features) -> dict[str, np.ndarray]:
    """The channels that every picture of a moment speaks in.

    Parameters
    ----------
    pictures : ndarray of uint8, shape (n, height, width, 3)
    features : Features
        From `see`.

    Returns
    -------
    dict of ndarray of float32, shape (n, d)
        One entry a channel; d differs by channel.
    """
    return {
        "subject": subject(features),
        "composition": composition(features, pictures),
        "colour": colour(pictures),
    }


def pool(vectors: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """Mean of the vectors of each group (a moment's pictures), as unit vectors (count, d)."""
    total = np.zeros((count, vectors.shape[1]))
    np.add.at(total, groups, vectors)
    return unit(total).astype(np.float32)


def subject(features: Features) -> np.ndarray:
    """What is in the picture: the encoder's pooled features, unit rows (n, d)."""
    return unit(features.pooled).astype(np.float32)


def composition(features: Features, pictures: np.ndarray) -> np.ndarray:
    """Where things lie, whatever they are: three layouts on a grid, unit rows (n, d).

    The encoder's feature map says where something stands out from the rest of the picture
    (the length of each cell's deviation from the mean cell, so that *what* it is drops out);
    to this come the layouts of brightness and of edges in four directions (Dalal & Triggs 2005).
    """
    deviation = features.grid - features.grid.mean(axis=(2, 3), keepdims=True)
    salience = np.linalg.norm(deviation, axis=1)
    largest = np.abs(features.grid).max(axis=(1, 2, 3))[:, None, None]
    salience = np.where(salience > NOISE * largest, salience, 0)
    salience = _resize(salience[:, None], GRID)[:, 0].reshape(len(pictures), -1)
    light = (_resize(_planes(pictures), 16 * GRID) * LIGHT[:, None, None]).sum(axis=1)
    masses = light.reshape(-1, GRID, 16, GRID, 16).mean(axis=(2, 4)).reshape(len(light), -1)
    layouts = _centred(salience), _centred(masses), unit(_edges(light))
    blocks = [share * layout for share, layout in zip(LAYOUTS, layouts, strict=True)]
    return unit(np.concatenate(blocks, axis=1)).astype(np.float32)


def colour(pictures: np.ndarray) -> np.ndarray:
    """Palette and its layout, light and contrast, in CIELAB; unit rows (n, d).

    The part that speaks of hue shrinks with the picture's chroma, to nothing in black and
    white, so that hue weighs nothing where one side has none.
    """
    lab = _cielab(_resize(_planes(pictures), 32).transpose(0, 2, 3, 1) / 255)
    count = len(lab)
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    vivid = np.minimum(1, chroma.mean(axis=(1, 2)) / VIVID)[:, None]
    cells = lab.reshape(count, 4, 8, 4, 8, 3).mean(axis=(2, 4))
    lights = np.stack([np.histogram(p.clip(0, 100), 8, (0, 100))[0] for p in lab[..., 0]]) ** 0.5
    places = unit(cells[..., 0].reshape(count, -1)), unit(cells[..., 1:].reshape(count, -1))
    light = np.concatenate([unit(lights), PLACED * places[0]], axis=1)
    palette = np.stack([_palette(p) for p in lab]) ** 0.5
    hues = np.concatenate([unit(palette), PLACED * places[1]], axis=1)
    return unit(np.concatenate([unit(light), vivid * unit(hues)], axis=1)).astype(np.float32)


def tone(pictures: np.ndarray) -> np.ndarray:
    """How coloured pictures are, float (n, 4): mean L*, a*, b* and chroma, in CIELAB."""
    lab = _cielab(_resize(_planes(pictures), 32).transpose(0, 2, 3, 1) / 255)
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    return np.concatenate([lab, chroma[..., None]], axis=3).mean(axis=(1, 2))


def motion(flows: list[np.ndarray]) -> np.ndarray:
    """How camera and things move, unit rows (n, 49), from the flow of each moment."""
    return unit(np.array([motions.motion_vector(flow) for flow in flows])).astype(np.float32)


def framing(scales: np.ndarray, faces: list[list[Face]]) -> np.ndarray:
    """Shot scale, number and place of faces, unit rows (n, 27), from those of each picture."""
    rows = [framings.framing_vector(*one) for one in zip(scales, faces, strict=True)]
    return unit(np.array(rows)).astype(np.float32)


def mirrored(raw: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Raw vectors of the same pictures seen in a mirror; what they show stays what it is."""
    return {name: vectors[:, _mirror(name, vectors.shape[1])] for name, vectors in raw.items()}


def trace(strip: np.ndarray) -> np.ndarray:
    """A frame's brightness layout, kept for every frame to align shots by.

    Parameters
    ----------
    strip : ndarray of uint8, shape (27, 48, 3)

    Returns
    -------
    ndarray of uint8, shape (9, 16)
    """
    light = strip @ np.array([0.299, 0.587, 0.114])
    return light.reshape(9, 3, 16, 3).mean(axis=(1, 3)).round().astype(np.uint8)


@dataclass(frozen=True)
class Calibration:
    """Makes channels comparable, so that equal sliders have equal say.

    Each channel's vectors are centred on the archive and brought back to length one: strangers
    then score about 0, doubles 1. How widely strangers' scores spread still differs (most in
    framing and motion, which know few kinds, least in what is shown); the weights that matching
    begins with allow for it. (Whitening spreads them more evenly, and finds worse: docs/LOG.md.)

    Attributes
    ----------
    centre : dict of ndarray of float64, shape (d,)
        A channel's mean over the archive; zero where there is nothing to compare with.
    """

    centre: Mapping[str, np.ndarray]

    @classmethod
    def fit(cls, archive: Mapping[str, np.ndarray]) -> Calibration:
        """Fit on an archive's raw vectors, a (moments, d) array a channel."""
        centre = {}
        for name, vectors in archive.items():
            total, count = np.zeros(vectors.shape[1]), 0
            for start in range(0, len(vectors), BLOCK):
                spoken = vectors[start : start + BLOCK].astype(np.float64)
                spoken = spoken[np.abs(spoken).sum(axis=1) > 0]
                total, count = total + spoken.sum(axis=0), count + len(spoken)
            centre[name] = total / count if count > 1 else np.zeros(vectors.shape[1])
        return cls(centre)

    def apply(self, raw: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Comparable unit vectors of raw ones, float64; zero stays zero."""
        ready = {}
        for name, vectors in raw.items():
            spoken = np.abs(vectors).sum(axis=1, keepdims=True) > 0
            ready[name] = unit((vectors - self.centre[name]) * spoken)
        return ready

    def blocks(
        self, name: str, raw: np.ndarray, rows: np.ndarray | None = None, mirror: bool = False
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """A channel of many moments as `apply` has it, a few thousand at once.

        An archive's doubles, all at once, would take several times its room.

        Parameters
        ----------
        name : str
        raw : ndarray of float32, shape (moments, d)
        rows : ndarray of int, optional
            Those that are wanted, in that order; by default all.
        mirror : bool
            Of the same pictures seen in a mirror.

        Yields
        ------
        some : slice
            Which of the rows.
        ready : ndarray of float64, shape (those, d)
        """
        for start in range(0, len(raw if rows is None else rows), BLOCK):
            some = slice(start, start + BLOCK)
            here = {name: raw[some if rows is None else rows[some]]}
            yield some, self.apply(mirrored(here) if mirror else here)[name]

    @property
    def version(self) -> str:
        """A name that changes with the content, for the edit."""
        digest = hashlib.blake2s(digest_size=4)
        for name in sorted(self.centre):
            # Zero has a sign, too: 0.0 is added to take it away.
            digest.update((np.round(self.centre[name], 4) + 0.0).tobytes())
        return f"{VERSION}-{digest.hexdigest()}"


def _mirror(name: str, width: int) -> np.ndarray:
    """For each number in a channel's vector, where its mirror image is found."""
    places = np.arange(width)
    if name == "composition":
        layouts = places[: 2 * GRID**2].reshape(2, GRID, GRID)[:, :, ::-1]
        edges = places[2 * GRID**2 :].reshape(GRID, GRID, 4)[:, ::-1, [0, 3, 2, 1]]
        return np.concatenate([layouts.ravel(), edges.ravel()])
    if name == "colour":
        lights, light, palette, hues = np.split(places, np.cumsum([8, 16, HUES**2]))
        light = light.reshape(4, 4)[:, ::-1]
        hues = hues.reshape(4, 4, 2)[:, ::-1]
        return np.concatenate([lights, light.ravel(), palette, hues.ravel()])
    if name in MIRRORS:
        return MIRRORS[name](places[None])[0]
    return places


def _planes(pictures: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pictures).transpose(0, 3, 1, 2)


def _resize(planes: np.ndarray, side: int) -> np.ndarray:
    """Planes (n, channels, height, width) as float32 (n, channels, side, side)."""
    import torch

    def resized(one: np.ndarray) -> torch.Tensor:
        one = torch.from_numpy(one[None]).float()
        return torch.nn.functional.interpolate(one, (side, side), mode="bilinear", antialias=True)

    # One by one: as floats, all together would take longer to find room for than to fill.
    return torch.cat([resized(one) for one in planes]).numpy()


def _centred(layout: np.ndarray) -> np.ndarray:
    apart = layout - layout.mean(axis=1, keepdims=True)
    return unit(np.where(np.abs(apart) > NOISE * layout.max(axis=1, keepdims=True), apart, 0))


def _edges(light: np.ndarray) -> np.ndarray:
    """Strength of edges by cell and direction, (n, GRID * GRID * 4); mild edges count too."""
    down, across = np.gradient(light, axis=(1, 2))
    strength = np.hypot(down, across)
    strength = np.where(strength > NOISE * 255, strength, 0) ** 0.5
    turn = (np.arctan2(down, across) % np.pi) / np.pi * 4
    layouts = []
    for direction in range(4):
        apart = np.abs((turn - direction + 2) % 4 - 2)
        share = strength * np.maximum(0, 1 - apart)
        layouts.append(share.reshape(-1, GRID, 16, GRID, 16).mean(axis=(2, 4)))
    return np.stack(layouts, axis=-1).reshape(len(light), -1)


def _cielab(rgb: np.ndarray) -> np.ndarray:
    """sRGB in 0..1 to CIELAB (D65), as IEC 61966-2-1 and CIE 15 define them."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = linear @ np.array(to_xyz).T / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack(
        [116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])],
        axis=-1,
    )


def _palette(lab: np.ndarray) -> np.ndarray:
    """How much of each hue there is, weighted by chroma: (HUES * HUES,)."""
    a, b = lab[..., 1].ravel(), lab[..., 2].ravel()
    bounds = [[-60, 60], [-60, 60]]
    a, b = np.clip(a, -59, 59), np.clip(b, -59, 59)
    return np.histogram2d(a, b, HUES, bounds, weights=np.hypot(a, b))[0].ravel()
