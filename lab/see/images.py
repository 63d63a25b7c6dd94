"""Which images a network is shown: a folder of stills, films, or a scene of the map."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from lab import LabError
from lab.films import credit_of, find_films, hidden
from lab.layout import NONE
from lab.scenes import SceneMap, open_map
from lab.shots import BarFinder
from lab.store import Workspace, key_of
from lab.tables import load_films, load_frames, load_shots, proxy_path, thumbnail_path
from lab.video import Box, FilmError, Reader, probe, proxy_frames, proxy_size, shown_at

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
EVERY = 1.0  # seconds of a film from one image to the next
LEAST = 8  # images below which there is nothing to learn from
MOST = 3000  # images, evenly taken, that are kept in memory
OTHERS = 400  # pictures that are not of the kind
PHOTOGRAPHS = Path(__file__).parent / "photographs"  # of many things; by whom: credits.csv
STRETCH = 10.0  # seconds of a film that are learnt from, or held out, together
ROOM = 1.5  # times the size learnt at, that images are kept at, so that scales can vary
HELD_OUT = 1 / 6  # part of the images


class SeeError(LabError):
    """What cannot be learnt from or looked through: one sentence with the cause and what to do."""


@dataclass(frozen=True)
class Images:
    """Images of one kind.

    Attributes
    ----------
    pictures : list of ndarray of uint8, shape (height, width, 3)
        RGB, of any shapes.
    groups : list of str
        What belongs together: a still is by itself, a film's frames are with their neighbours.
    sources : list of dict
        Where they are from: ``path``, ``title``, ``year``, ``source``, ``licence``, ``images``.
    others : list of ndarray of uint8, shape (height, width, 3)
        Pictures that are not of the kind, such as it will be looked through at: a network is shown
        them soft and grey, to make something of its kind of them; their looks are what it avoids.
    """

    pictures: list[np.ndarray]
    groups: list[str]
    sources: list[dict]
    others: list[np.ndarray] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        """Hex digits that change with any of the images; others may come and go."""
        return key_of(*(key_of(one.shape, one.tobytes().hex()) for one in self.pictures), size=8)

    def some(self, chosen: Iterable[int]) -> Images:
        """These images alone, by their places."""
        chosen = list(chosen)
        pictures = [self.pictures[k] for k in chosen]
        return Images(pictures, [self.groups[k] for k in chosen], self.sources, self.others)


def read_images(paths: Sequence, size: int = 128, *, every: float = EVERY) -> Images:
    """Images from one folder of stills, or from films.

    Parameters
    ----------
    paths : sequence of path-like
        A folder that holds pictures; else films, or folders of films.
    size : int
        Pixels that will be learnt at.
    every : float
        Seconds of film from one image to the next.

    Raises
    ------
    SeeError, FilmError
    """
    folder = Path(paths[0])
    if len(paths) > 1 or not folder.is_dir():
        return read_films(find_films(paths), size, every=every)
    if stills(folder):
        return read_folder(folder, size)
    try:
        films = find_films(paths)
    except FilmError as error:
        raise SeeError(
            f"{folder}: holds neither pictures ({', '.join(SUFFIXES)}) nor films; put some there, "
            "or name another folder."
        ) from error
    return read_films(films, size, every=every)


def read_folder(folder, size: int = 128) -> Images:
    """A folder's stills, searched to its depth.

    Raises
    ------
    SeeError
        If it holds no pictures or too few, or a file is no picture.
    """
    folder = Path(folder)
    paths = stills(folder)
    if not paths:
        raise SeeError(f"{folder}: holds no pictures ({', '.join(SUFFIXES)}); name another folder.")
    paths = [paths[k] for k in _evenly(len(paths))]
    pictures = [_small(open_picture(path), size) for path in paths]
    groups = [str(path.relative_to(folder)) for path in paths]
    credit = credit_of(folder)
    return _enough(Images(pictures, groups, [_source(folder, credit, len(paths))]), folder)


def read_films(paths: Sequence, size: int = 128, *, every: float = EVERY) -> Images:
    """Frames of films, one every so often, inside their black bars.

    Parameters
    ----------
    paths : sequence of path-like
        Films.
    size : int
        Pixels that will be learnt at.
    every : float
        Seconds from one to the next.

    Raises
    ------
    FilmError
        If one cannot be read.
    SeeError
        If they give too few images.
    """
    every = max(every, sum(probe(path).duration for path in paths) / MOST)
    pictures, groups, sources = [], [], []
    for path in map(Path, paths):
        found = _frames(path, every)
        pictures += [_small(picture, size) for _, picture in found]
        groups += [f"{path}:{int(time / STRETCH)}" for time, _ in found]
        sources.append(_source(path, credit_of(path), len(found)))
    told = paths[0] if len(paths) == 1 else f"{len(paths)} films"
    return _enough(Images(pictures, groups, sources), told)


def read_others(workspace: Workspace, shots: pd.DataFrame | None = None) -> list[np.ndarray]:
    """Pictures of an archive's shots, for `Images.others`: none where there is no archive.

    Parameters
    ----------
    workspace : Workspace
    shots : DataFrame, optional
        Some of its shots; by default all that show something. Of many, `OTHERS` evenly taken.

    Returns
    -------
    list of ndarray of uint8, shape (height, width, 3)
    """
    if shots is None:
        shots = load_shots(workspace)
        shots = shots[~shots["flags"].str.contains("black|flat")]
    some = shots.iloc[_evenly(len(shots), OTHERS)]
    return [
        open_picture(thumbnail_path(workspace, shot.film_id, shot.index))
        for shot in some.itertuples(index=False)
    ]


def photographs() -> list[np.ndarray]:
    """Photographs of many things that come with the package, uint8 (height, width, 3)."""
    return [open_picture(path) for path in stills(PHOTOGRAPHS)]


def read_scene(workspace: Workspace, scene: int | str, size: int = 128, *, every=EVERY) -> Images:
    """Frames of the shots of a scene of the map, from their films' proxies; others are the rest.

    Parameters
    ----------
    workspace : Workspace
    scene : int or str
        Its number on the map, or its name.
    size : int
        Pixels that will be learnt at.
    every : float
        Seconds from one to the next; each shot gives one at least.

    Raises
    ------
    SearchError
        If there is no archive.
    SeeError
        If the map has no such scene, or its shots give too few images.
    """
    found = open_map(workspace)
    cluster = _cluster(found, scene)
    shots = found.shots[found.shots.cluster == cluster]
    lasts = float((shots.clean_end - shots.clean_start).sum())
    every, films = max(every, lasts / MOST), load_films(workspace).set_index("film_id")
    pictures, groups, sources = [], [], []
    for film_id, some in shots.groupby("film_id", sort=True):
        frames = load_frames(workspace, film_id)
        count = [
            max(1, int(s.clean_end / every - s.clean_start / every)) for s in some.itertuples()
        ]
        seconds = [
            np.linspace(shot.clean_start, shot.clean_end, 2 * n + 1)[1::2]
            for shot, n in zip(some.itertuples(), count, strict=True)
        ]
        shown = shown_at(frames["times"], np.concatenate(seconds))
        box = Box(*frames["box"])
        for picture in proxy_frames(proxy_path(workspace, film_id), shown.tolist()):
            pictures.append(_small(_inside(picture, box), size))
        groups += [
            s.shot_id for s, n in zip(some.itertuples(), count, strict=True) for _ in range(n)
        ]
        path = films.path[film_id]
        sources.append(_source(path, credit_of(path), len(shown)))
    others = read_others(workspace, found.shots[found.shots.cluster != cluster])
    return _enough(Images(pictures, groups, sources, others), f"scene {scene}")


def split(images: Images, seed: int = 0, part: float = HELD_OUT) -> tuple[Images, Images]:
    """Images to learn from, and images held out; neighbours in a film stay together.

    Parameters
    ----------
    images : Images
    seed : int
    part : float
        Of all images, to be held out: at least one, and not all.

    Raises
    ------
    SeeError
        If all belong together.
    """
    groups = sorted(set(images.groups))
    if len(groups) < 2:
        raise SeeError(
            f"all images are of one {STRETCH:g} s stretch or shot, and none can be held out; "
            "add others."
        )
    order = np.random.default_rng(seed).permutation(len(groups))
    held: set[str] = set()
    for k in order[:-1]:
        held.add(groups[k])
        if sum(group in held for group in images.groups) >= part * len(images.groups):
            break
    out = [group in held for group in images.groups]
    return images.some(np.flatnonzero(~np.array(out))), images.some(np.flatnonzero(out))


def stills(folder: Path) -> list[Path]:
    """A folder's pictures in alphabetical order, hidden files left out."""
    found = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES]
    return [path for path in found if path.is_file() and not hidden(path, folder)]


def open_picture(path: Path) -> np.ndarray:
    """A picture file, upright: uint8 (height, width, 3), RGB.

    Raises
    ------
    SeeError
        If it cannot be read.
    """
    try:
        with Image.open(path) as picture:
            return np.array(ImageOps.exif_transpose(picture).convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise SeeError(
            f"{path}: is not a picture that can be read; take it away or replace it."
        ) from error


def _frames(path: Path, every: float) -> list[tuple[float, np.ndarray]]:
    """A film's frames, one every so many seconds, and when they are shown."""
    info, bars, found, due = probe(path), BarFinder(), [], 0.0
    size = proxy_size(info.width, info.height)
    for frame in Reader(path, size=size, pixels="rgb24"):
        if float(frame.time) - info.t0 >= due:
            picture = frame.picture.to_ndarray()
            bars.push(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420)[: size[1]])
            found.append((float(frame.time) - info.t0, picture))
            due += every
    box = bars.finish()
    return [(time, _inside(picture, box)) for time, picture in found]


def _inside(picture: np.ndarray, box: Box) -> np.ndarray:
    height, width = picture.shape[:2]
    return picture[
        round(box.top * height) : round(box.bottom * height),
        round(box.left * width) : round(box.right * width),
    ]


def _small(picture: np.ndarray, size: int) -> np.ndarray:
    """A picture no larger than is of use: its shorter side `ROOM` times `size`."""
    height, width = picture.shape[:2]
    scale = ROOM * size / min(height, width)
    if scale >= 1:
        return np.ascontiguousarray(picture)
    wide = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(picture, wide, interpolation=cv2.INTER_AREA)


def _evenly(count: int, most: int = MOST) -> np.ndarray:
    """Places of at most so many among `count`."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int)


def _cluster(found: SceneMap, scene: int | str) -> int:
    names = {name: cluster for cluster, name in found.names.items() if cluster != NONE}
    if str(scene) in names:
        return names[str(scene)]
    if str(scene).isdecimal() and int(scene) in found.names:
        return int(scene)
    known = ", ".join(f"{cluster} {name!r}" for name, cluster in list(names.items())[:8])
    raise SeeError(f"the map has no scene {scene!r}; it has {known or 'none'} (see `lab map`).")


def _source(path, credit, count: int) -> dict:
    return {"path": str(path), **vars(credit), "images": count}


def _enough(images: Images, what) -> Images:
    count = len(images.pictures)
    if count < LEAST:
        raise SeeError(f"{what}: gives {count} images, and {LEAST} are the least; add others.")
    return images
