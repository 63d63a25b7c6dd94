"""How a film moves: flow between frames, the camera's part of it, and what moves by itself.

Flow is measured about twelve times a second between small frames whose brightness has been evened
out (DIS, Kroeger et al. 2016, arXiv 1603.03590) and kept on a coarse grid. The camera's part is
what all of the picture does together: a shift, a zoom and a turn, fitted so that the things that
move by themselves have little say. A worn film's gate weave is a shift that comes back with the
next frame; it is taken out.
"""

from __future__ import annotations

from array import array
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from scipy.ndimage import uniform_filter1d

from lab.video import EPSILON, Box

VERSION = 1
SIZE = (128, 72)  # width and height of the frames between which flow is measured
GRID = (6, 8)  # rows and columns on which it is kept
RATE = 12.0  # flows a second, at most
SOME = 4096  # flows that are worked on at once
LEAST = 3  # flows from which something can be said
SPREAD = 48.0  # contrast (standard deviation of 255) that frames are brought to
BLUR = 1.0  # pixels, against grain
FITS = 8  # rounds of the camera's fit
OUTLIER = 0.015  # widths a second by which a cell may differ from the camera's part
AGREE = 0.3  # of its own speed by which a cell may differ and still move with the camera
ONWARD = 0.4  # of its usual speed, from which a camera goes on
MOVES = 1.2  # times the agreement that a moving camera needs, against one that stands still
EDGE = 0.01  # part of the picture that a cell may reach into a bar
STILL, SLOW, FAST = 0.015, 0.03, 0.1  # widths a second: hardly any, some, much movement
ZOOM, SHAKE = 0.06, 0.03  # growth a second, widths a second, that count as much
INNER = 0.5  # weight of a cell that is not at the picture's edge
GROUND = 0.15  # part of the picture that stands still where the camera does, whatever moves
TEXTURE = 4.0  # mean gradient (levels a pixel) from which a cell's flow is believed


class Camera(NamedTuple):
    """A camera's movement at n steps; the picture's, as it is seen, goes the other way.

    Attributes
    ----------
    right, down : ndarray of float64, shape (n,)
        The camera's turn or travel, in picture widths a second.
    closer : ndarray of float64, shape (n,)
        Growth of the picture, a second: 0.1 is a tenth larger after a second.
    roll : ndarray of float64, shape (n,)
        Turn about the line of sight, radians a second.
    """

    right: np.ndarray
    down: np.ndarray
    closer: np.ndarray
    roll: np.ndarray


class Movement(NamedTuple):
    """What a shot's movement comes to; medians over the shot, steps in which the picture moves
    as one counting most.

    Attributes
    ----------
    right, down, closer : float
        The camera's, as in `Camera`.
    steady : tuple of float
        Part of the shot in which each of the three goes on in its direction, 0 to 1.
    shake : float
        Speed by which the camera departs from its way, picture widths a second.
    depth : float
        How differently near and far things pass, in parts of the camera's own speed.
    things : float
        Mean speed of what moves by itself, picture widths a second.
    ground : float
        Speed that the stillest part of the picture (`GROUND`) hardly exceeds, camera included.
    """

    right: float
    down: float
    closer: float
    steady: tuple[float, float, float]
    shake: float
    depth: float
    things: float
    ground: float


class MotionFinder:
    """Measures flow as a film's frames come by.

    Examples
    --------
    >>> finder = MotionFinder()
    >>> for number in range(9):
    ...     finder.push(np.zeros((72, 128), np.uint8), number / 24)
    >>> times, flow = finder.finish()
    >>> times.shape, flow.shape
    ((4, 2), (4, 6, 8, 3))
    """

    def __init__(self):
        self.flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self.last = None
        self.times, self.found = array("d"), bytearray()  # of hours of film, lists are heavy

    def push(self, light: np.ndarray, time: float) -> None:
        """Take a frame's luma, uint8 (height, width), shown at `time` seconds.

        Frames that follow too soon are passed over.
        """
        if self.last is not None and time - self.last[0] < 1 / RATE - 1e-3:
            return
        here = _evened(cv2.resize(light, SIZE, interpolation=cv2.INTER_AREA))
        if self.last is not None:
            before, earlier = self.last
            flow = self.flow.calc(earlier, here, None) / (SIZE[0] * (time - before))
            self.found += _on_grid(flow, earlier).astype(np.float16).tobytes()
            self.times.extend((before, time))
        self.last = time, here

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """When flow was measured, and the flow.

        Returns
        -------
        times : ndarray of float64, shape (n, 2)
            Seconds at which the two frames are shown.
        flow : ndarray of float16, shape (n, 6, 8, 3)
            To the right and down in picture widths a second, and how far it can be
            believed, 0 to 1.
        """
        flow = np.frombuffer(self.found, np.float16).reshape(-1, *GRID, 3)
        return np.array(self.times).reshape(-1, 2), flow


def within(times: np.ndarray, start: float, end: float) -> slice:
    """The flows between frames of a stretch of film, `start` to `end` in seconds.

    >>> within(np.array([[0.0, 0.1], [0.1, 0.2], [0.2, 0.3], [0.3, 0.4]]), 0.1, 0.35)
    slice(1, 3, None)
    """
    first = np.searchsorted(times[:, 0], start - EPSILON)
    last = np.searchsorted(times[:, 1], end - EPSILON)
    return slice(int(first), int(max(first, last)))


def inside(flow: np.ndarray, box: Box) -> np.ndarray:
    """Flow of the picture inside its bars, as if they had been cut away.

    Nothing is believed of cells on or beside bars, whose edges stand still.

    Parameters
    ----------
    flow : ndarray, shape (n, 6, 8, 3)
    box : Box
        The picture inside its bars.

    Returns
    -------
    ndarray of float16, shape (n, 6, 8, 3)
    """
    rows, columns = GRID
    down = between_cells(rows, box.top, box.bottom, (box.top - EDGE, box.bottom + EDGE))
    across = between_cells(columns, box.left, box.right, (box.left - EDGE, box.right + EDGE))
    scale = np.float32([box.right - box.left, box.bottom - box.top])
    found = np.empty(flow.shape, np.float16)
    for at in range(0, len(flow), SOME):
        some = flow[at : at + SOME]
        trust = some[..., 2:].astype(np.float32)
        parts = np.concatenate([some[..., :2] * trust, trust], axis=-1)
        moved, trust = np.split(np.einsum("ir,js,nrsk->nijk", down, across, parts), [2], axis=-1)
        moved /= np.maximum(trust, 1e-3) * scale
        found[at : at + SOME] = np.concatenate([moved, trust], axis=-1)
    return found


def between_cells(
    count: int, start: float, end: float, seen: tuple[float, float] = (0.0, 1.0), least: float = 1.0
) -> np.ndarray:
    """Weights that read as many cells from a part of a row of cells, `start` to `end`.

    Parameters
    ----------
    count : int
    start, end : float
        In parts of the row.
    seen : tuple of float
        Where the row is no black bar.
    least : float
        Part of a cell that must be seen for it to be read; what it lacks is made up for.

    Returns
    -------
    ndarray of float32, shape (count, count)
        Zero where no cell can be read.

    Examples
    --------
    >>> between_cells(4, 0, 0.5).round(2).tolist()[1]
    [0.75, 0.25, 0.0, 0.0]
    """
    first = np.maximum(np.arange(count) / count, seen[0])
    last = np.minimum(np.arange(1, count + 1) / count, seen[1])
    part = np.maximum(0, last - first) * count
    known = np.flatnonzero(part >= least - EPSILON)
    weights = np.zeros((count, count), np.float32)
    at, middles = start + (np.arange(count) + 0.5) / count * (end - start), (first + last) / 2
    for cell, one in zip(known, np.eye(len(known)), strict=True):
        weights[:, cell] = np.interp(at, middles[known], one) / part[cell]
    return weights


def camera(flow: np.ndarray) -> tuple[Camera, np.ndarray]:
    """The camera's movement, and what is left of the flow without it.

    Parameters
    ----------
    flow : ndarray, shape (n, 6, 8, 3)
        From `MotionFinder`.

    Returns
    -------
    Camera
    rest : ndarray of float64, shape (n, 6, 8, 2)
        Picture widths a second.
    """
    seen = flow[..., :2].astype(np.float64).reshape(len(flow), -1, 2)
    trust = flow[..., 2].astype(np.float64).reshape(len(flow), -1) * _ground() + 1e-6
    # Where something fills the picture there is more than one movement that many cells share.
    starts = [np.zeros((len(flow), 4)), _shift(seen, trust)]
    fits = [_fit(seen, trust, start) for start in starts]
    moves = fits[1][1] > MOVES * fits[0][1]
    fitted = np.where(moves[:, None], fits[1][0], fits[0][0])
    rest = seen - np.einsum("cik,nk->nci", _model(), fitted)
    right, downward, closer, roll = fitted.T
    return Camera(-right, -downward, closer, roll), rest.reshape(*flow.shape[:3], 2)


def movement(flow: np.ndarray) -> Movement:
    """What the flow of a shot, (n, 6, 8, 3), comes to."""
    if not len(flow):
        return Movement(0.0, 0.0, 0.0, (0.0, 0.0, 0.0), 0.0, 0.0, 0.0, 0.0)
    way, rest = camera(flow)
    speeds = np.stack([way.right, way.down, way.closer], axis=1)
    speeds = _smooth(speeds)
    trust = flow[..., 2].astype(np.float64) * _ground().reshape(GRID)
    apart = np.linalg.norm(rest, axis=3)
    seen = flow[..., :2].astype(np.float64)
    along = np.linalg.norm(seen - rest, axis=3)
    agree = apart < np.maximum(AGREE * along, OUTLIER)
    weight = ((agree * trust).sum((1, 2)) / np.maximum(trust.sum((1, 2)), 1e-6) + 0.02) ** 2
    middle = np.array([_median(column, weight) for column in speeds.T])
    onward = speeds * np.sign(middle) > ONWARD * np.abs(middle)
    steady = tuple(float(s) for s in np.average(onward, axis=0, weights=weight))
    shake = _median(np.hypot(*(speeds[:, :2] - middle[:2]).T), weight)
    believed = flow[..., 2].astype(np.float64)
    lasting = np.linalg.norm(np.median(rest, axis=0), axis=2)
    depth = float(np.average(lasting, weights=believed.mean(axis=0) + 1e-6))
    depth /= max(float(np.hypot(*middle[:2])), 1e-3)
    things = float(np.average(apart, weights=believed + 1e-6))
    calm = np.median(np.linalg.norm(_smooth(seen), axis=3), axis=0)
    ground = _median(calm.ravel(), believed.mean(axis=0).ravel() + 1e-6, GROUND)
    return Movement(*(float(m) for m in middle), steady, shake, depth, things, ground)


def motion_vector(flow: np.ndarray) -> np.ndarray:
    """The movement of a stretch as one vector (49,): zero where too little was seen to tell.

    Histograms of direction and speed (as Gestus does for silent film), of the camera's movement
    and of what moves by itself, and where that is.

    Parameters
    ----------
    flow : ndarray, shape (n, 6, 8, 3)
        From `MotionFinder`, of the stretch.
    """
    if len(flow) < LEAST or not flow[..., 2].any():
        return np.zeros(49)
    way, rest = camera(flow)
    shift = _smooth(np.stack([way.right, way.down], axis=1))
    shake = np.hypot(*(shift - np.median(shift, axis=0)).T).mean()
    nearer = np.tanh(np.array([way.closer.mean(), -way.closer.mean()]).clip(0) / ZOOM)
    ours = np.concatenate(
        [_directions(shift, np.ones(len(shift))), nearer, [np.tanh(shake / SHAKE)]]
    )
    believed = flow[..., 2].astype(np.float64)
    theirs = _directions(rest.reshape(-1, 2), believed.ravel())
    energy = (np.linalg.norm(rest, axis=3) * believed).mean(axis=0)
    where = energy.reshape(GRID[0] // 2, 2, GRID[1] // 2, 2).mean(axis=(1, 3)).ravel()
    much = np.tanh(where.mean() / SLOW)
    return np.concatenate(
        [_unit(np.sqrt(ours)), 0.7 * _unit(np.sqrt(theirs)), 0.7 * much * _unit(where)]
    )


def mirrored(vectors: np.ndarray) -> np.ndarray:
    """Motion vectors (n, 49) of the same stretches seen in a mirror."""
    turn = [(4 - k) % 8 for k in range(8)]  # right becomes left; up and down stay
    turn = [0, *(1 + k for k in turn), *(9 + k for k in turn)]
    rows, columns = GRID[0] // 2, GRID[1] // 2
    where = np.arange(rows * columns).reshape(rows, columns)[:, ::-1].ravel()
    places = [*turn, 17, 18, 19, *(20 + k for k in turn), *(37 + where)]
    return vectors[:, places]


def _directions(moves: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Histogram of moves (n, 2): still, eight directions slow, eight directions fast; (17,)."""
    speed = np.linalg.norm(moves, axis=1)
    moving = np.tanh((speed / STILL) ** 2)
    fast = speed / (speed + FAST)
    turn = np.arctan2(moves[:, 1], moves[:, 0]) / (np.pi / 4) % 8
    near = np.maximum(0, 1 - np.abs((turn[:, None] - np.arange(8) + 4) % 8 - 4))
    weights = weights / max(weights.sum(), 1e-6)
    still = max(0.0, (weights * (1 - moving)).sum())
    slow = ((weights * moving * (1 - fast))[:, None] * near).sum(axis=0)
    return np.concatenate([[still], slow, ((weights * moving * fast)[:, None] * near).sum(axis=0)])


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(np.linalg.norm(vector), 1e-6)


def _smooth(steps: np.ndarray) -> np.ndarray:
    """The mean of three steps each: gate weave goes back and forth from frame to frame."""
    return uniform_filter1d(steps, min(3, len(steps)), axis=0, mode="nearest")


def _median(values: np.ndarray, weights: np.ndarray, part: float = 0.5) -> float:
    """The value that `part` of the weight lies below."""
    order = values.argsort()
    share = weights[order].cumsum()
    return float(values[order][np.searchsorted(share, share[-1] * part)])


def _fit(seen: np.ndarray, trust: np.ndarray, fitted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The movement shared by most near a first guess (a Cauchy M-estimate), and by how many."""
    model = _model().reshape(-1, 4)
    squares = np.einsum("cik,cil->ckl", _model(), _model()).reshape(-1, 16)
    scale = OUTLIER + 0.1 * np.linalg.norm(fitted[:, :2], axis=1, keepdims=True)
    for _ in range(FITS):
        apart = np.linalg.norm(seen - (fitted @ model.T).reshape(seen.shape), axis=2)
        weight = trust / (1 + (apart / scale) ** 2)
        normal = (weight @ squares).reshape(-1, 4, 4) + 1e-6 * np.eye(4)
        answer = (weight[..., None] * seen).reshape(len(seen), -1) @ model
        fitted = np.linalg.solve(normal, answer[..., None])[..., 0]
    return fitted, weight.sum(axis=1)


def _shift(seen: np.ndarray, trust: np.ndarray) -> np.ndarray:
    """Weighted median of the cells' flow, as a movement (n, 4)."""
    start = np.zeros((len(seen), 4))
    for axis in (0, 1):
        order = seen[..., axis].argsort(axis=1)
        share = np.take_along_axis(trust, order, axis=1).cumsum(axis=1)
        middle = (share >= share[:, -1:] / 2).argmax(axis=1)
        ordered = np.take_along_axis(seen[..., axis], order, axis=1)
        start[:, axis] = ordered[np.arange(len(seen)), middle]
    return start


@lru_cache(maxsize=1)
def _model() -> np.ndarray:
    """Every cell's flow as a sum of shift right, shift down, zoom and turn: (48, 2, 4)."""
    across, down = _places()
    zero, one = np.zeros_like(across), np.ones_like(across)
    sideways = np.stack([one, zero, across, -down], axis=1)
    return np.stack([sideways, np.stack([zero, one, down, across], axis=1)], axis=1)


def _ground() -> np.ndarray:
    """How far cells count: those at the edge show what is behind more often than not."""
    inner = np.zeros(GRID)
    inner[1:, 1:-1] = 1
    return np.where(inner.ravel() > 0, INNER, 1.0)


def _places() -> tuple[np.ndarray, np.ndarray]:
    """Cells' middles in picture widths from the picture's middle, each (48,)."""
    rows, columns = GRID
    across = (np.arange(columns) + 0.5) / columns - 0.5
    down = ((np.arange(rows) + 0.5) / rows - 0.5) * SIZE[1] / SIZE[0]
    across, down = np.meshgrid(across, down)
    return across.ravel(), down.ravel()


def _evened(light: np.ndarray) -> np.ndarray:
    """A small frame with flicker and grain taken out, uint8."""
    smooth = cv2.GaussianBlur(light, (0, 0), BLUR).astype(np.float32)
    gain = SPREAD / max(float(smooth.std()), 4.0)
    return np.clip(128 + gain * (smooth - smooth.mean()), 0, 255).astype(np.uint8)


def _on_grid(flow: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Mean flow of every cell, weighted by how much there is to see; and how much there is."""
    light = light.astype(np.float32)
    detail = np.abs(cv2.Sobel(light, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(light, cv2.CV_32F, 0, 1))
    detail /= 8  # the kernel's weights
    total = _cells(detail)
    moved = [_cells(flow[..., axis] * detail) / np.maximum(total, 1e-3) for axis in (0, 1)]
    return np.stack([*moved, np.minimum(1, total / TEXTURE)], axis=-1)


def _cells(values: np.ndarray) -> np.ndarray:
    rows, columns = GRID
    high, wide = values.shape[0] // rows, values.shape[1] // columns
    return values.reshape(rows, high, columns, wide).mean(axis=(1, 3))
