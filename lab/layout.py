"""Points in many dimensions laid out in few, and grouped: neighbours, UMAP, HDBSCAN, tours.

Layouts are by UMAP (McInnes et al. 2018, arXiv 1802.03426), groups by HDBSCAN (Campello et al.
2013) on a layout of ten dimensions, as two are too few to keep groups apart. Both start from the
same exact neighbours.

UMAP, scikit-learn and torch are slow to import, and not needed by most of what imports this room:
they are imported where they are used.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering

AXES = 50  # principal axes in which neighbours are sought
FEW = 6  # shots, up to which a map is their first two principal axes
DEEP = 10  # dimensions of the layout on which shots are grouped
LEAST = 1e-5  # of the longest axis, below which another tells nothing
EPOCHS = (500, 200)  # rounds of a layout: of a small map, of a large one
LARGE = 2000  # shots, from which a map is large
SMALLEST, GROWTH = 4, 0.4  # shots of the smallest scene: at least, and as a power of all
LARGEST = 0.4  # part of all shots beyond which a scene is no scene: it is divided
NEAR = 5  # shots among which a new one is placed
BLOCK = 1024  # rows compared at once
JOIN = 0.2  # part of its neighbours in a scene, from which a shot that was left out joins it
ONE = Lock()  # numba's threads do not bear two layouts at once
NONE = -1  # the scene of a shot that belongs to none


def axes_of(vectors: np.ndarray) -> np.ndarray:
    """Vectors (n, d) on their first principal axes, at most `AXES`, float32."""
    vectors = vectors - vectors.mean(axis=0)
    if not vectors.any():  # all alike, or a channel with nothing to say
        return np.zeros((len(vectors), 1), np.float32)
    from sklearn.decomposition import PCA

    most = min(AXES, *vectors.shape)
    solver = PCA(most, svd_solver="randomized", random_state=0)
    return solver.fit_transform(vectors.astype(np.float32))


def neighbours(space: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest points of each, itself first: indices and distances, each (n, count)."""
    import torch

    points = torch.from_numpy(np.ascontiguousarray(space, np.float32))
    found = []
    for at in range(0, len(points), BLOCK):
        apart = torch.cdist(points[at : at + BLOCK], points)
        apart.diagonal(at).fill_(-1)  # itself first, though others lie in the same place
        found.append(apart.topk(min(count, len(points)), largest=False))
    indices = torch.cat([one.indices for one in found]).numpy()
    return indices, torch.cat([one.values for one in found]).clamp(min=0).numpy()


def lay_out(space, near, seed: int, dimensions: int = 2, start=None, rounds=None) -> np.ndarray:
    """A layout in few dimensions that keeps neighbours together, by UMAP.

    Parameters
    ----------
    space : ndarray, shape (n, d)
    near : (ndarray, ndarray)
        From `neighbours`.
    seed : int
    dimensions : int
    start : ndarray, optional
        An earlier layout of the same points to begin with.
    rounds : int, optional
        By default as many as such a map needs.

    Returns
    -------
    ndarray of float64, shape (n, dimensions)
    """
    if len(space) <= FEW:
        return _padded(space, dimensions).astype(float)
    from umap import UMAP

    start = _padded(space, dimensions) if start is None else start
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of one thread, as asked for by a seed
        solver = UMAP(
            n_components=dimensions,
            n_neighbors=near[0].shape[1],
            min_dist=0.1 if dimensions == 2 else 0.0,
            n_epochs=rounds or EPOCHS[len(space) > LARGE],
            init=10 * (start / max(np.abs(start).max(), 1e-6)).astype(np.float32),
            random_state=seed,
            precomputed_knn=(*near, None),
        )
        with ONE, _threads_kept():
            return solver.fit_transform(space).astype(float)


@contextmanager
def _threads_kept() -> Iterator[None]:
    """Numba gives OpenMP, and so torch, a thread for each core, and leaves it at that."""
    import torch

    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _padded(space: np.ndarray, dimensions: int) -> np.ndarray:
    """The first axes of points; where fewer say anything, next to nothing (UMAP divides by it)."""
    nothing = np.random.default_rng(0).normal(0, 1e-3, (len(space), dimensions))
    # The last of as many axes as points is rounding, or all zeros, as the processor has it.
    told = space[:, np.ptp(space, axis=0) > LEAST * np.ptp(space)][:, :dimensions]
    nothing[:, : told.shape[1]] = told
    return nothing


def group(space: np.ndarray, near, seed: int) -> np.ndarray:
    """Which scene each point belongs to: numbers, the largest scene's 0, `NONE` for none.

    Points that HDBSCAN leaves out join the scene of the most of their neighbours.

    Parameters
    ----------
    space : ndarray, shape (n, d)
    near : (ndarray, ndarray)
        From `neighbours`.
    seed : int
    """
    least = max(SMALLEST, round(len(space) ** GROWTH))
    if len(space) <= max(FEW, 2 * least):
        return np.zeros(len(space), int)
    from sklearn.cluster import HDBSCAN

    deep = lay_out(space, near, seed, DEEP)
    solver = HDBSCAN(least, 3, max_cluster_size=round(LARGEST * len(space)), copy=True)
    label = solver.fit_predict(deep)
    if (label == NONE).all():
        return np.zeros(len(space), int)
    votes = np.zeros((len(space), label.max() + 1))
    for column in near[0][:, 1:].T:
        inside = label[column] >= 0
        votes[inside, label[column[inside]]] += 1
    joins = (label == NONE) & (votes.max(axis=1) >= JOIN * near[0].shape[1])
    label[joins] = votes[joins].argmax(axis=1)
    order = np.argsort(-np.bincount(label[label >= 0]), kind="stable")
    return np.where(label < 0, NONE, np.argsort(order)[label])


def place(new: np.ndarray, space: np.ndarray, points: np.ndarray, cluster: np.ndarray):
    """Where new shots come to lie on a map, and in which scenes; no other shot moves.

    Parameters
    ----------
    new, space : ndarray, shape (m, d) and (n, d)
        Where the new shots and those on the map lie by the channels.
    points, cluster : ndarray, shape (n, 2) and (n,)
        Of those on the map.

    Returns
    -------
    points, cluster : ndarray, shape (m, 2) and (m,)
        The weighted mean of the nearest shots that are in one scene.
    """
    import torch

    apart = torch.cdist(torch.from_numpy(new), torch.from_numpy(space))
    nearest = apart.topk(min(NEAR, len(space)), largest=False)
    at, weight = nearest.indices.numpy(), 1 / (nearest.values.numpy() + 1e-6)
    same = cluster[at][:, :, None] == cluster[at][:, None]
    best = (same * weight[:, None]).sum(axis=2).argmax(axis=1)
    joined = cluster[at][np.arange(len(new)), best]
    weight = weight * (cluster[at] == joined[:, None])
    weight /= weight.sum(axis=1, keepdims=True)
    return (points[at] * weight[:, :, None]).sum(axis=1), joined


def tour(points: np.ndarray) -> np.ndarray:
    """An order of points (n, d) in which neighbours follow each other: indices (n,).

    The leaves of a tree of likeness, so turned that the way is short (Bar-Joseph et al. 2001).

    >>> tour(np.array([[0.0, 0], [9, 0], [1, 0], [8, 0]])).tolist() in ([0, 2, 3, 1], [1, 3, 2, 0])
    True
    """
    if len(points) < 3:
        return np.arange(len(points))
    return leaves_list(optimal_leaf_ordering(linkage(points, "average"), points))
