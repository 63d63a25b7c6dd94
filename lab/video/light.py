"""Light beyond what an ordinary screen shows (HDR), brought down to what it can show.

Phones film it (HLG), discs and streams hold it (PQ). What is as bright as paper, or darker, stays
as it is but for what is needed to keep differences in what is brighter.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

PQ, HLG = 16, 18  # transfers, as ITU-T H.273 numbers them
PEAK, WHITE = 1000.0, 203.0  # cd/m2: the brightest that is told apart, and paper (ITU-R BT.2408)
GAMMA = 2.4  # of an ordinary screen (ITU-R BT.1886)
SIDE = 33  # colours along an edge of the table
LUMA = np.array([0.2627, 0.6780, 0.0593])  # of BT.2020
TO_709 = np.array(  # from BT.2020's primaries (ITU-R BT.2087)
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)
C1, C2, C3 = 0.8359375, 18.8515625, 18.6875  # of SMPTE ST 2084
M1, M2 = 0.1593017578125, 78.84375
A, B, C = 0.17883277, 0.28466892, 0.55991073  # of HLG (ITU-R BT.2100)


@contextmanager
def lowered(transfer: int) -> Iterator[list[tuple[str, dict]]]:
    """Filters, by name and options, that make ordinary pictures of such light; none for ordinary.

    They read a file that is there while the block lasts.
    """
    if transfer not in (PQ, HLG):
        yield []
        return
    with TemporaryDirectory(prefix="lab-") as folder:
        table = Path(folder) / "light.cube"
        table.write_text(_table(transfer))
        yield [("format", {"pix_fmts": "gbrp16"}), ("lut3d", {"file": str(table)})]


@lru_cache(maxsize=2)
def _table(transfer: int) -> str:
    """Ordinary colours by those of a transfer, as a .cube file has them: red changes first."""
    steps = np.linspace(0, 1, SIDE)
    signal = np.array([colour[::-1] for colour in product(steps, repeat=3)])
    rows = "\n".join(
        "{:.6f} {:.6f} {:.6f}".format(*colour) for colour in ordinary(signal, transfer)
    )
    return f"LUT_3D_SIZE {SIDE}\n{rows}\n"


def ordinary(signal: np.ndarray, transfer: int) -> np.ndarray:
    """Colours of an ordinary screen (BT.709) for those of a `transfer`, both (n, 3), 0 to 1."""
    light = _pq_light(signal) if transfer == PQ else _hlg_light(signal)
    most = np.clip(light.max(axis=1, keepdims=True), 1e-6, None)
    shown = light * _compressed(most) / most @ TO_709.T / WHITE
    return np.clip(shown, 0, 1) ** (1 / GAMMA)


def _compressed(light: np.ndarray) -> np.ndarray:
    """Light up to `PEAK` brought into what goes up to `WHITE` (ITU-R BT.2390, 5.4.1)."""
    peak, white = _pq_signal(np.array([PEAK, WHITE]))
    signal, highest = np.minimum(_pq_signal(light) / peak, 1), white / peak
    knee = 1.5 * highest - 0.5
    t = np.clip((signal - knee) / (1 - knee), 0, 1)
    bent = (2 * t**3 - 3 * t**2 + 1) * knee
    bent += (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * highest
    return _pq_light(np.where(signal < knee, signal, bent) * peak)


def _pq_light(signal: np.ndarray) -> np.ndarray:
    power = signal ** (1 / M2)
    return 10000 * (np.maximum(power - C1, 0) / (C2 - C3 * power)) ** (1 / M1)


def _pq_signal(light: np.ndarray) -> np.ndarray:
    power = (light / 10000) ** M1
    return ((C1 + C2 * power) / (1 + C3 * power)) ** M2


def _hlg_light(signal: np.ndarray) -> np.ndarray:
    """As a screen of `PEAK` shows it."""
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - C) / A) + B) / 12)
    return PEAK * scene * (scene @ LUMA)[:, None] ** 0.2
