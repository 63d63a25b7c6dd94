"""Many small pictures on few sheets, and what draws them in a browser (``atlas.js``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from lab.plots import COLOURS, SYMBOLS
from lab.store import image_file

# What every script begins with, and the script that draws a board.
ELEMENT = Path(__file__).with_name("element.js").read_text("utf-8")
SCRIPT = ELEMENT + Path(__file__).with_name("atlas.js").read_text("utf-8")
# Pixels of a picture: as many as are not too many to send.
TILES = {200: (320, 180), 2000: (160, 90)}
SMALLEST = (64, 36)
SHEET = 2048  # most pixels of a sheet, across and down
GREY = (128, 128, 128)  # what stands where there is no picture


def tile_of(count: int) -> tuple[int, int]:
    """Width and height of each of so many pictures, in pixels: more are smaller."""
    return next((tile for most, tile in TILES.items() if count <= most), SMALLEST)


def board(places: np.ndarray, texts, pictures, groups, names: Mapping[int, str]) -> dict:
    """All that ``atlas.js`` draws, by name; parameters as of `lab.widgets.Atlas`."""
    tile = tile_of(len(texts))
    return {
        "places": np.asarray(places, "<f4").tobytes(),
        "texts": list(texts),
        "groups": list(groups),
        "names": {str(group): name for group, name in names.items()},
        "sheets": sprites(pictures, tile),
        "tile": list(tile),
        "colours": list(COLOURS),
        "symbols": list(SYMBOLS),
    }


def sprites(paths: Sequence[str | Path], tile: tuple[int, int]) -> list[bytes]:
    """Small pictures side by side on few sheets, so that a browser can draw thousands of them.

    Sheets are filled one after the other, row by row, with as many tiles as 2048 x 2048 pixels
    hold. A picture keeps its shape, with black bars; one that cannot be read is a grey tile.

    Parameters
    ----------
    paths : sequence of str or Path
        Pictures of any size.
    tile : tuple of int
        Width and height of each, in pixels, from `tile_of`.

    Returns
    -------
    list of bytes
        JPEGs, as wide as a full row and as high as their rows ask for.

    Examples
    --------
    >>> sprites([], (64, 36))
    []
    """
    sheets, (wide, high) = [], tile
    columns = SHEET // wide
    most = columns * (SHEET // high)
    with tqdm(total=len(paths), desc="atlas", unit="picture", disable=len(paths) < 200) as bar:
        for first in range(0, len(paths), most):
            here = paths[first : first + most]
            sheet = Image.new("RGB", (columns * wide, -(-len(here) // columns) * high))
            for k, path in enumerate(here):
                sheet.paste(_tile(path, tile), (k % columns * wide, k // columns * high))
                bar.update()
            sheets.append(image_file(sheet, "JPEG", quality=80))
    return sheets


def _tile(path, tile: tuple[int, int]) -> Image.Image:
    try:
        with Image.open(path) as picture:
            # A JPEG is read no larger than needed.
            picture.draft("RGB", (2 * tile[0], 2 * tile[1]))
            return ImageOps.pad(picture.convert("RGB"), tile)
    except OSError:
        return Image.new("RGB", tile, GREY)
