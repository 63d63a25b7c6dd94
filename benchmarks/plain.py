"""What a plain approach sees of a shot: the baselines of `seeing.py`, from frames of the proxy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.fft import dctn
from tqdm import tqdm

from lab.channels import unit
from lab.encoders import load_encoder
from lab.flags import USELESS
from lab.looks import cropped
from lab.store import Workspace, key_of, read_arrays, write_arrays
from lab.tables import Archive, proxy_path
from lab.video import Box

VERSION = 1
FRAMES = 10  # frames of a shot of which the best counts, where it is not the middle one alone
BATCH = 64  # frames of a proxy held in memory at once


def read_pictures(workspace: Workspace, film, indices) -> np.ndarray:
    """Frames of a film's proxy, bars cropped away as an ingest does.

    Parameters
    ----------
    workspace : Workspace
    film
        A row of the films table.
    indices : sequence of int

    Returns
    -------
    ndarray of uint8, shape (n, height, width, 3)
    """
    return cropped(proxy_path(workspace, film.film_id), indices, Box(*film.crop))


def plain_looks(
    workspace: Workspace, archive: Archive, cache: Path, many: bool = False, turned: bool = False
) -> dict[str, np.ndarray]:
    """What plain methods make of every shot's middle frame; remembered in `cache`.

    Parameters
    ----------
    workspace : Workspace
    archive : Archive
    cache : path-like
        A folder.
    many : bool
        Also `FRAMES` frames of every shot: `many`, (n, FRAMES, 1280).
    turned : bool
        Look at the frames in a mirror.

    Returns
    -------
    dict of ndarray of float32, shape (n, d)
        Unit rows: ``pooled`` (the packaged encoder's features), ``histogram``, ``dhash``,
        ``phash``.
    """
    key = key_of("plain", VERSION, list(archive.shots.shot_id), many, turned)
    path = cache / f"plain-{key}.safetensors"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        parts = []
        films = archive.films.set_index("film_id", drop=False)
        groups = archive.shots.groupby("film_id", sort=False)
        for film_id, shots in tqdm(groups, desc="baselines", disable=len(groups) < 10):
            parts.append(_looks(workspace, films.loc[film_id], shots, many, turned))
        rows = np.concatenate([shots.index for _, shots in groups])
        found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        write_arrays(path, {name: v[np.argsort(rows)] for name, v in found.items()})
    return read_arrays(path)


def _looks(workspace, film, shots, many: bool, turned: bool) -> dict[str, np.ndarray]:
    first, after = shots.start_frame.to_numpy(), shots.end_frame.to_numpy()
    pictures = _read(workspace, film, (first + after) // 2, turned)
    grey = np.concatenate([_resized(p, (32, 32), grey=True)[None] for p in pictures])
    found = {
        "pooled": _pooled(pictures),
        "histogram": np.stack([_histogram(p) for p in pictures]),
        "dhash": np.stack([_difference_hash(p) for p in pictures]),
        "phash": np.stack([_perceptual_hash(p) for p in grey]),
    }
    if many:
        share = (np.arange(FRAMES) + 0.5) / FRAMES
        indices = (first[:, None] + np.outer(after - first, share)).astype(int)
        seen = [
            _pooled(_read(workspace, film, part, turned))
            for part in np.array_split(indices.ravel(), -(-indices.size // BATCH))
        ]
        found["many"] = np.concatenate(seen).reshape(*indices.shape, -1)
    return {name: v.astype(np.float32) for name, v in found.items()}


def _read(workspace, film, indices, turned: bool) -> np.ndarray:
    pictures = read_pictures(workspace, film, indices)
    return pictures[:, :, ::-1] if turned else pictures


def _pooled(pictures: np.ndarray) -> np.ndarray:
    return unit(load_encoder().encode(pictures).pooled)


def _resized(picture: np.ndarray, size, grey: bool = False) -> np.ndarray:
    image = Image.fromarray(np.ascontiguousarray(picture))
    small = (image.convert("L") if grey else image).resize(size, Image.Resampling.BOX)
    return np.asarray(small).astype(float)


def _histogram(picture: np.ndarray) -> np.ndarray:
    """Eight bins a colour channel, jointly; the dot product is Bhattacharyya's coefficient."""
    bins = (_resized(picture, (96, 54)) // 32).astype(int) @ np.array([64, 8, 1])
    return unit(np.bincount(bins.ravel(), minlength=512) ** 0.5)


def _difference_hash(picture: np.ndarray) -> np.ndarray:
    """dHash: whether each of 8 x 8 fields is brighter than the next, as +-1."""
    rises = np.diff(_resized(picture, (9, 8), grey=True), axis=1) > 0
    return unit(2.0 * rises.ravel() - 1)


def _perceptual_hash(grey: np.ndarray) -> np.ndarray:
    """pHash: the 8 x 8 slowest cosines of 32 x 32 pixels against their median, as +-1."""
    slow = dctn(grey)[:8, :8].ravel()
    return unit(2.0 * (slow > np.median(slow)) - 1)


def plain_scores(queries: dict, answers: dict) -> dict[str, np.ndarray]:
    """Likeness of shots to shots, (queries, answers), by every plain method.

    Parameters
    ----------
    queries, answers : dict of ndarray
        From `plain_looks`. Where `answers` holds many frames of a shot, the one most like the
        query's middle frame counts.
    """
    names = {"pooled": "pooled, middle frame", "histogram": "colour histogram"}
    names |= {"dhash": "dHash", "phash": "pHash"}
    scores = {name: queries[key] @ answers[key].T for key, name in names.items()}
    if "many" in answers:
        every = np.einsum("qd,akd->qak", queries["pooled"], answers["many"], optimize=True)
        scores[f"pooled, best of {FRAMES} frames"] = every.max(axis=2)
    return scores


def is_useful(shots) -> np.ndarray:
    """Shots that are neither black or of one colour nor flagged as useless, bool (n,)."""
    return ~shots["flags"].str.contains("|".join(("black", "flat", *USELESS))).to_numpy(bool)
