"""How a film changes from frame to frame: measures of it, and how likely they make a transition.

Frames are looked at on a grid of 24 x 13, as brightness and two colour differences.

- *sharp*: at a cut, the frames before and after are alike among themselves and unlike each
  other (the chequerboard of Foote 2000).
- *slow*: in a dissolve or fade the picture goes straight from one look to another; measured at
  six time scales.

What the measures mean, two small perceptrons have learnt from films of which every transition is
known (``benchmarks/fit_cuts.py``).
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from itertools import pairwise

import numpy as np
from safetensors.numpy import load

LIT = 20  # brightness that a part of the picture must reach once, or it is a bar
SIDE = 4  # frames on either side of a cut that are compared
QUIET_SIDES = range(1 - SIDE, 0), range(1, SIDE)  # steps before a cut, and after it
REACHES = (2, 4, 8, 16, 32, 56)  # frames to either side at which slow change is measured
STEPS = 8  # parts into which a stretch is divided to see how straight it runs


def small(strip: np.ndarray) -> np.ndarray:
    """Frames as brightness and two colour differences on a 24 x 13 grid.

    Parameters
    ----------
    strip : ndarray of uint8, shape (n, 27, 48, 3)

    Returns
    -------
    ndarray of float32, shape (n, 3, 312)
    """
    cells = strip[:, :26].reshape(len(strip), 13, 2, 24, 2, 3).astype(np.float32).mean((2, 4))
    light = cells @ np.array([0.299, 0.587, 0.114], np.float32)
    blue, red = 0.564 * (cells[..., 2] - light), 0.713 * (cells[..., 0] - light)
    return np.stack([light, blue, red], axis=1).reshape(len(strip), 3, -1)


def lit(frames: np.ndarray) -> np.ndarray:
    """Frames from `small` without what is dark throughout: bars would water differences down."""
    ever = frames[:, 0].max(axis=0) > LIT
    return frames[:, :, ever] if ever.mean() > 0.3 else frames


def settled(frames: np.ndarray) -> np.ndarray:
    """Frames as the median of three: what is there for one frame alone, such as dirt, is gone."""
    if len(frames) < 3:
        return frames
    before, after = frames[:-2], frames[2:]
    low, high = np.minimum(before, after), np.maximum(before, after)
    middle = np.clip(frames[1:-1], low, high)
    return np.concatenate([frames[:1], middle, frames[-1:]])


def sharp_change(frames: np.ndarray) -> np.ndarray:
    """Measures of a sharp change at every frame, against what changes about it.

    Compared are four frames before and four after; once more with one frame left out between
    them, which may be a blend of both shots; the frames that follow, which show what was before
    if it was a flash; and the layouts of brightness, which stay alike if only the light changes.

    Parameters
    ----------
    frames : ndarray of float32, shape (n, 3, d)
        From `small`.

    Returns
    -------
    ndarray of float32, shape (n, 18)
    """
    count, far = len(frames), 2 * SIDE + 1
    padded = np.pad(frames.reshape(count, -1), ((far + 1, far + 1), (0, 0)), "edge")
    lags = [None] + [np.abs(padded[k:] - padded[:-k]).mean(axis=1) * 3 for k in range(1, far + 1)]
    at = np.arange(count) + far + 1

    def between(first: int, second: int) -> np.ndarray:
        return lags[second - first][at + first]

    def sides(gap: int) -> tuple[np.ndarray, ...]:
        before, after = range(-SIDE, -gap), range(SIDE)
        apart = [between(a, b) for a in before for b in after]
        steps = [between(a - 1, a) for a in before] + [between(b, b + 1) for b in after]
        spread = [between(a, before[-1]) for a in before[:-1]]
        spread += [between(0, b) for b in after[1:]]
        return np.min(apart, axis=0), np.max(steps, axis=0), np.max(spread, axis=0)

    def against(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.log((one + 0.5) / (other + 0.5))

    apart, steps, spread = sides(0)
    apart_gapped, steps_gapped, spread_gapped = sides(1)
    others = [between(k - 1, k) for k in range(-far, far + 1) if k not in (-1, 0)]
    before, step = between(-2, -1), between(-1, 0)
    # A shot may begin in the midst of fast movement: the steps of either side by themselves.
    calm = [np.max([between(k - 1, k) for k in ks], axis=0) for ks in QUIET_SIDES]
    back = [between(-1, b) for b in range(SIDE, far)]
    back += [between(-a, 0) for a in range(SIDE + 1, far + 1)]
    light = padded.reshape(len(padded), 3, -1)[:, 0]
    mean, light = light.mean(axis=1), light - light.mean(axis=1, keepdims=True)
    norm = np.sqrt((light * light).mean(axis=1)) + 1
    contrast = np.minimum(norm[at], norm[at - 1])
    measures = [
        np.log1p(apart),
        np.log1p(step),
        np.log1p(steps),
        against(apart, steps),
        against(apart_gapped, steps_gapped),
        against(apart, spread),
        against(apart_gapped, spread_gapped),
        against(apart, np.maximum(np.max(others, axis=0), before)),
        against(apart_gapped, np.max(others, axis=0)),
        against(np.min(back, axis=0), step),
        against(step, apart),
        against(np.abs(mean[at] - mean[at - 1]) * 3, step),
        *((light[at - k] * light[at]).mean(axis=1) / (norm[at - k] * norm[at]) for k in (1, 2)),
        np.log(contrast),
        against(apart, contrast),
        *(against(step, one) for one in calm),
    ]
    return np.stack(measures, axis=1).astype(np.float32)


def slow_change(frames: np.ndarray) -> np.ndarray:
    """Measures of slow change about every frame, at six reaches.

    A dissolve leads straight from one look to another (the length of the way is no more than
    the distance of its ends), in even steps, by way of their blend, in which contrast sinks
    (the valley of Alattar 1993); movement winds, and a cut is one step.

    Parameters
    ----------
    frames : ndarray of float32, shape (n, 3, d)
        From `small`.

    Returns
    -------
    ndarray of float32, shape (n, 2 + 7 * 6)
    """
    count = len(frames)
    flat = frames.reshape(count, -1)
    light = frames[:, 0] - frames[:, 0].mean(axis=1, keepdims=True)
    spread = np.sqrt((light * light).mean(axis=1)) + 2
    measures = [spread, frames[:, 0].mean(axis=1)]
    for reach in REACHES:
        places = np.round(np.linspace(-reach, reach, STEPS + 1)).astype(int)
        at = [_mirrored(np.arange(count) + place, count) for place in places]
        first, last = at[0], at[-1]
        steps = [rms(flat[b] - flat[a]) for a, b in pairwise(at)]
        whole, way = rms(flat[last] - flat[first]), np.sum(steps, axis=0)
        half = flat[at[4]] - 0.5 * (flat[first] + flat[last])
        quarter = flat[at[2]] - (0.75 * flat[first] + 0.25 * flat[last])
        measures += [
            whole / spread,
            whole / (way + 2),
            np.max(steps, axis=0) / (way + 2),
            (light[first] * light[last]).mean(axis=1) / (spread[first] * spread[last]),
            rms(half) / (whole + 2),
            rms(quarter) / (whole + 2),
            spread / (0.5 * (spread[first] + spread[last])),
        ]
    return np.stack(measures, axis=1).astype(np.float32)


def _mirrored(places: np.ndarray, count: int) -> np.ndarray:
    """Places beyond a film's ends, turned back: a film that stood still there would look faded."""
    last = max(count - 1, 1)
    return np.minimum(last - np.abs(places % (2 * last) - last), count - 1)


def rms(vectors: np.ndarray) -> np.ndarray:
    """Root mean square of the last axis: how far a look is from another, in levels of 255."""
    return np.sqrt((vectors * vectors).mean(axis=-1))


class Perceptron:
    """Says of every frame how likely it is a cut (`sharp`) or part of a dissolve (`slow`).

    The weights come with the package; ``benchmarks/fit_cuts.py`` fitted them on films composed
    of single shots, of which every transition is known.
    """

    def __init__(self, weights: dict[str, np.ndarray]):
        self.weights = weights

    @classmethod
    @lru_cache(maxsize=2)
    def packaged(cls, name: str) -> Perceptron:
        """``sharp`` or ``slow``."""
        return cls.named(
            name, load(resources.files("lab").joinpath("cuts.safetensors").read_bytes())
        )

    @classmethod
    def named(cls, name: str, weights: dict[str, np.ndarray]) -> Perceptron:
        """One of those in a file that ``benchmarks/fit_cuts.py`` wrote."""
        return cls({k.split(".")[1]: w for k, w in weights.items() if k.split(".")[0] == name})

    def __call__(self, measures: np.ndarray) -> np.ndarray:
        """Likelihoods, float32 (n,), of measures (n, k)."""
        w = self.weights
        x = np.tanh((measures - w["centre"]) / w["scale"] / 2)
        for layer in (0, 1):
            x = np.maximum(0, x @ w[f"weight{layer}"].T + w[f"bias{layer}"])
        return 1 / (1 + np.exp(-(x @ w["weight2"].T + w["bias2"])[:, 0]))
