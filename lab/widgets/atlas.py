"""The image atlas: an archive's shots as pictures on a map, moved through by hand."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import anywidget
import numpy as np
import traitlets
from PIL import Image, ImageOps
from tqdm.auto import tqdm

TILE = (64, 36)  # pixels of a picture on a sheet
COLUMNS, MOST = 32, 1600  # tiles in a row of a sheet, and on a sheet
GREY = (128, 128, 128)  # what stands where there is no picture


def sprites(paths: Sequence[str | Path]) -> list[bytes]:
    """Small pictures side by side on few sheets, so that a browser can draw thousands of them.

    Picture k stands on sheet ``k // 1600``; of the tiles there, 64 x 36 pixels each and 32 a row,
    it is number ``k % 1600``. It keeps its shape, with black bars; one that cannot be read is a
    grey tile.

    Parameters
    ----------
    paths : sequence of str or Path
        Pictures of any size.

    Returns
    -------
    list of bytes
        JPEGs, 2048 pixels wide and as high as their rows ask for.

    Examples
    --------
    >>> sprites([])
    []
    """
    sheets = []
    with tqdm(total=len(paths), desc="atlas", unit="picture", disable=len(paths) < 200) as bar:
        for first in range(0, len(paths), MOST):
            here = paths[first : first + MOST]
            sheet = Image.new("RGB", (COLUMNS * TILE[0], -(-len(here) // COLUMNS) * TILE[1]))
            for k, path in enumerate(here):
                sheet.paste(_tile(path), (k % COLUMNS * TILE[0], k // COLUMNS * TILE[1]))
                bar.update()
            buffer = io.BytesIO()
            sheet.save(buffer, "JPEG", quality=80)
            sheets.append(buffer.getvalue())
    return sheets


def _tile(path) -> Image.Image:
    try:
        with Image.open(path) as picture:
            picture.draft("RGB", (2 * TILE[0], 2 * TILE[1]))  # a JPEG is read no larger than needed
            return ImageOps.pad(picture.convert("RGB"), TILE)
    except OSError:
        return Image.new("RGB", TILE, GREY)


class Atlas(anywidget.AnyWidget):
    """A map of shots, drawn as pictures where there is room and as dots where there is none.

    Drag to move, turn the wheel to zoom, click a shot to have it played, hold Shift and draw round
    shots to choose them. With the keyboard: Tab goes to the shot in the middle, the arrows from
    shot to shot, Enter clicks, Space chooses, + and - zoom, 0 shows all, Escape clears.

    Parameters
    ----------
    places : ndarray of float, shape (n, 2)
        Where each shot lies on the map; x to the right, y upwards, any unit.
    texts : list of str
        A line for each shot, shown beside its picture and spoken by a screen reader.
    pictures : sequence of str or Path
        A picture of each shot.
    groups : list of int, optional
        The cluster of each shot, -1 for none; marked by outline, symbol and number.
    **traits
        First values of the traits below.

    Attributes
    ----------
    chosen : list of int
        Shots chosen, by their rows, in the browser or from Python.
    lit : list of int
        Shots drawn larger and with a ring, such as hits of a search, best first; the first 300.
    clicked : int
        The shot last clicked, -1 for none. One clicked again becomes -1 for a moment.

    Raises
    ------
    ValueError
        If `places` is not n pairs of finite numbers, or the lengths differ.

    Examples
    --------
    In a notebook: ``Atlas(shots[["x", "y"]].to_numpy(), texts, pictures, shots.cluster.tolist())``.
    """

    _esm = Path(__file__).with_name("atlas.js")
    places = traitlets.Bytes().tag(sync=True)
    texts = traitlets.List(traitlets.Unicode()).tag(sync=True)
    groups = traitlets.List(traitlets.Int()).tag(sync=True)
    sheets = traitlets.List(traitlets.Bytes()).tag(sync=True)
    chosen = traitlets.List(traitlets.Int()).tag(sync=True)
    lit = traitlets.List(traitlets.Int()).tag(sync=True)
    clicked = traitlets.Int(-1).tag(sync=True)

    def __init__(self, places: np.ndarray, texts, pictures, groups=None, **traits):
        groups = [-1] * len(texts) if groups is None else groups
        if np.shape(places) != (len(texts), 2) or not np.isfinite(places).all():
            raise ValueError(f"places must be {len(texts)} pairs of finite numbers, one a text")
        if not len(texts) == len(pictures) == len(groups):
            told = f"{len(texts)} texts, {len(pictures)} pictures and {len(groups)} groups"
            raise ValueError(f"there must be as many pictures and groups as texts, not {told}")
        super().__init__(
            places=np.asarray(places, "<f4").tobytes(),
            texts=list(texts),
            groups=list(groups),
            sheets=sprites(pictures),
            **traits,
        )
