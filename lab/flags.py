"""Useless shots: titles and intertitles, leader, test cards, and pictures that stand still.

Black and single colours are told by brightness (`lab.shots`), repeats by `lab.duplicates`; what
is lost of a damaged film, by its frames' times.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources

import numpy as np
from safetensors.numpy import load

from lab.channels import unit

VERSION = 1
KINDS = ("picture", "title", "leader", "testcard")
CARDS = KINDS[1:]
SURE = 0.95  # likelihood from which a card is believed: a picture lost is worse than a card kept
STILL, LEAST = 1.5, 0.5  # levels (of 255) by which a still may flicker; seconds that it lasts
MISSING = "missing"  # no file is the shot's film any more
LOST = "lost"  # seconds of the shot are, and one frame stands there
USELESS = ("title", "leader", "testcard", "still", "duplicate-of", LOST)
GAP = 0.25  # seconds that a shot may lack


def lacks(starts: np.ndarray, ends: np.ndarray, lost: list[tuple[float, float]]) -> np.ndarray:
    """Which shots lack so much that one sees them stand still: bool (n,).

    Parameters
    ----------
    starts, ends : ndarray of float, shape (n,)
        Seconds.
    lost : list of (float, float)
        Stretches without a picture, as of `lab.video.lost`.

    Examples
    --------
    >>> lacks(np.array([0.0, 2.0]), np.array([2.0, 4.0]), [(1.9, 2.3)]).tolist()
    [False, True]
    """
    gone = np.zeros(len(starts))
    for begin, end in lost:
        gone += np.clip(np.minimum(ends, end) - np.maximum(starts, begin), 0, None)
    return gone > GAP


def find_cards(pooled: np.ndarray) -> list[str]:
    """What each picture is: ``title``, ``leader``, ``testcard``, or nothing of the kind.

    A linear reading (multinomial logistic regression) of what the packaged encoder sees;
    ``benchmarks/fit_flags.py`` fitted it on drawn cards and real pictures.

    Parameters
    ----------
    pooled : ndarray of float32, shape (n, 1280)
        The packaged encoder's features of pictures, bars cropped away.

    Returns
    -------
    list of str
        Empty where it is a picture.
    """
    if not len(pooled):
        return []
    likely = likelihoods(pooled)
    best = likely.argmax(axis=1)
    sure = likely[np.arange(len(best)), best] >= SURE
    return [KINDS[k] if k and yes else "" for k, yes in zip(best, sure, strict=True)]


def likelihoods(pooled: np.ndarray) -> np.ndarray:
    """Likelihoods of `KINDS`, (n, 4), from the packaged encoder's pooled features (n, 1280)."""
    weights = _weights()
    logits = unit(pooled) @ weights["weight"].T + weights["bias"]
    likely = np.exp(logits - logits.max(axis=1, keepdims=True))
    return likely / likely.sum(axis=1, keepdims=True)


def is_still(traces: np.ndarray, seconds: float) -> bool:
    """Whether nothing moves in a shot: a photograph, a frozen frame, a card.

    Parameters
    ----------
    traces : ndarray of uint8, shape (n, 9, 16)
        `lab.channels.trace` of the shot's clean frames.
    seconds : float
        How long they last.

    Examples
    --------
    >>> is_still(np.full((25, 9, 16), 90, np.uint8), 1.0)
    True
    """
    if seconds < LEAST or len(traces) < 2:
        return False
    return float(np.ptp(traces.astype(float), axis=0).mean()) < STILL


@lru_cache(maxsize=1)
def _weights() -> dict[str, np.ndarray]:
    return load(resources.files("lab").joinpath("flags.safetensors").read_bytes())
