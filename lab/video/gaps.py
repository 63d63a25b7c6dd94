"""Which seconds of a film are missing, by the times of the frames that came."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

NEAR = 1.0  # seconds around trouble in which a gap between frames is put down to it
STEADY = 0.9  # share of equal steps from which a film has a constant rate
LONG = 0.25  # seconds that a gap lasts at least to count without trouble, at a constant rate
LATE = 0.1  # seconds by which files promise too much


def lost(
    times: np.ndarray, step: float, trouble: Sequence[float] = (), promised: float | None = None
) -> list[tuple[float, float]]:
    """Stretches of a film for which no picture came.

    A gap between frames is one where a packet near it could not be decoded; in a film of constant
    rate, also where nothing else speaks for it: some decoders drop frames without a word. What
    the file promised and its end lacks is one.

    Parameters
    ----------
    times : ndarray of float64, shape (n,)
        When the frames that came are shown, seconds; one at least.
    step : float
        Seconds from one frame to the next, as a rule.
    trouble : sequence of float
        Seconds at which something could not be decoded.
    promised : float, optional
        Seconds at which the film ends, by its own word.

    Returns
    -------
    list of (float, float)
        Seconds from and to, on the film's own clock.

    Examples
    --------
    >>> lost(np.array([0.0, 0.04, 0.16, 0.2]), 0.04, trouble=[0.08], promised=0.8)
    [(0.08, 0.16), (0.24, 0.8)]
    """
    gaps, trouble = np.diff(times), np.sort(trouble)
    begins, ends = times[:-1], times[1:]
    near = np.searchsorted(trouble, ends + NEAR) > np.searchsorted(trouble, begins - NEAR)
    wide = (gaps > 1.5 * step) & near
    if len(gaps) and np.mean(np.abs(gaps - step) < 0.2 * step) >= STEADY:
        wide |= gaps > step + LONG
    found = [(begins[i] + step, ends[i]) for i in np.flatnonzero(wide)]
    end = times[-1] + step
    if promised is not None and promised - end > max(LATE, 1.5 * step):
        found.append((end, promised))
    return [(round(float(begin), 3), round(float(end), 3)) for begin, end in found]
