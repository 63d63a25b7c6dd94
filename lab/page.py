"""The scene map by itself, without a notebook: a page that opens anywhere, or a picture.

A page holds the points and every shot's thumbnail, and what draws them, so that it needs no other
file; as a picture the map shows the thumbnails at their places, none hiding another.
"""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Callable
from pathlib import Path
from string import Template

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from lab.atlas import SCRIPT, board
from lab.language import caption, clock
from lab.layout import NONE
from lab.plots import look_of
from lab.scenes import SceneMap
from lab.store import image_file, picture_in, write_whole

MANY = 1500  # shots from which tiles of a picture may hide each other
SIZE = (2400, 1500)  # pixels of a picture of the map
TILES, NARROW, WIDE = 0.5, 24, 160  # part of it that shots fill; width of one, pixels
LEGEND = 460  # pixels of its width that the names of the scenes take
PAPER = SIZE[0] - LEGEND, SIZE[1]


def write_map(found: SceneMap, thumbnails: Callable[[str, int], Path], out) -> None:
    """Write a map as ``.html``, ``.png`` or ``.svg``.

    Parameters
    ----------
    found : SceneMap
    thumbnails : callable
        Gives a shot's picture by `film_id` and `index`.
    out : path-like
        Appears under this name only when complete.

    Raises
    ------
    ValueError
        If the name ends in anything else.
    """
    kinds = {".html": as_page, ".png": as_png, ".svg": as_svg}
    write = kinds.get(Path(out).suffix.lower())
    if write is None:
        raise ValueError(f"{out}: end the name in .html, .png or .svg.")
    write_whole(Path(out), write(found, thumbnails))


def as_page(found: SceneMap, thumbnails: Callable[[str, int], Path]) -> str:
    """A page that needs no other file: the map as pictures, to be moved through."""
    shots = found.shots
    pictures = [thumbnails(shot.film_id, shot.index) for shot in shots.itertuples()]
    drawn = board(
        on_paper(found) * (1, -1), lines(found), pictures, shots.cluster.tolist(), found.names
    )
    data = drawn | {
        "places": _text(drawn["places"]),
        "sheets": [_text(sheet) for sheet in drawn["sheets"]],
        "scenes": [
            {"group": row.cluster, "text": f"{row.cluster}  {row.name} ({row.size})"}
            for row in found.scenes.itertuples()
        ],
        "chosen": [],
        "lit": [],
        "clicked": -1,
    }
    page = Path(__file__).with_name("page.html").read_text("utf-8")
    return Template(page).substitute(
        count=f"{len(shots)} shots of {shots.film_id.nunique()} films",
        script=SCRIPT,
        # A title must not end the script that it stands in.
        data=json.dumps(data).replace("</", "<\\/"),
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def told(shot) -> list[str]:
    """What a card says of a shot: film and time, its words, its scene."""
    place = f"{shot.title}  {clock(shot.start)}, {shot.end - shot.start:.1f} s"
    return [place, caption(shot._asdict()), shot.label]


def lines(found: SceneMap) -> list[str]:
    """A line for each shot: film, time, and its words."""
    return ["; ".join(filter(None, told(shot)[:2])) for shot in found.shots.itertuples()]


def as_png(found: SceneMap, thumbnails: Callable[[str, int], Path]) -> bytes:
    """The map as a picture of thumbnails, with the names of its scenes beside it."""
    sheet, most = Image.new("RGB", SIZE, (18, 18, 18)), _tile(len(found.shots))
    draw = ImageDraw.Draw(sheet)
    for place, shot in zip(on_paper(found), found.shots.itertuples(), strict=True):
        tile = Image.open(io.BytesIO(_jpeg(thumbnails(shot.film_id, shot.index), most)))
        left, top = (round(p - side / 2) for p, side in zip(place, tile.size, strict=True))
        sheet.paste(tile, (left, top))
        box = (left - 2, top - 2, left + tile.width + 1, top + tile.height + 1)
        draw.rectangle(box, outline=look_of(shot.cluster)[0], width=2)
        if shot.cluster != NONE:  # told by number too, not by colour alone
            draw.text((left + 2, top), str(shot.cluster), "white", _font(12), stroke_width=2,
                      stroke_fill="black")  # fmt: skip
    for y, colour, line in _legend(found):
        draw.text((SIZE[0] - LEGEND + 10, y), line, colour, _font(18))
    return image_file(sheet, "PNG")


def as_svg(found: SceneMap, thumbnails: Callable[[str, int], Path]) -> str:
    """The same as a drawing that scales, its thumbnails inside."""
    wide, high = _tile(len(found.shots))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE[0]} {SIZE[1]}" '
        'font-family="sans-serif"><rect width="100%" height="100%" fill="#121212"/>'
    ]
    for place, shot in zip(on_paper(found), found.shots.itertuples(), strict=True):
        picture = _jpeg(thumbnails(shot.film_id, shot.index), (2 * wide, 2 * high))
        x, y = place - np.array([wide, high]) / 2
        number = shot.cluster if shot.cluster != NONE else ""
        parts.append(
            f"<g><title>{html.escape(' · '.join(told(shot)))}</title>"
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide}" height="{high}" '
            f'fill="#000" stroke="{look_of(shot.cluster)[0]}" stroke-width="4"/>'
            f'<image x="{x:.1f}" y="{y:.1f}" width="{wide}" height="{high}" '
            f'href="data:image/jpeg;base64,{_text(picture)}"/>'
            f'<text x="{x + 2:.1f}" y="{y + 11:.1f}" font-size="11" fill="#fff" stroke="#000" '
            f'stroke-width="2" paint-order="stroke">{number}</text></g>'
        )
    for y, colour, line in _legend(found):
        parts.append(
            f'<text x="{SIZE[0] - LEGEND + 10}" y="{y + 16}" font-size="18" fill="{colour}">'
            f"{html.escape(line)}</text>"
        )
    return "\n".join([*parts, "</svg>"])


def on_paper(found: SceneMap) -> np.ndarray:
    """Where shots lie on a picture: of not too many, beside each other, none hiding another.

    Parameters
    ----------
    found : SceneMap

    Returns
    -------
    ndarray of float, shape (n, 2)
        Pixels to the right and down, of `PAPER`.
    """
    points = found.points * (1, -1)
    points = points - points.min(axis=0)
    edge = np.array(_tile(len(points)))
    room = np.array(PAPER) - 2 * edge
    places = edge + points * room / np.maximum(points.max(axis=0), 1e-6)  # no unit: it fills all
    return places if len(places) > MANY else _apart(places, edge)


def _apart(places: np.ndarray, tile: np.ndarray) -> np.ndarray:
    """Places moved as little as can be, so that no tile hides another: (n, 2)."""
    step = tile + 6
    columns, rows = (np.array(PAPER) // step).astype(int)
    cells = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
    free = (cells + 0.5) * step
    _, taken = linear_sum_assignment(cdist(places, free, "sqeuclidean"))
    return free[taken]


def _tile(count: int) -> tuple[int, int]:
    """Width and height of a shot, so that they cover as much of the map as looks well."""
    area = TILES * PAPER[0] * PAPER[1] / max(count, 1)
    wide = round(min(max((area * 16 / 9) ** 0.5, NARROW), WIDE))
    return wide, round(wide * 9 / 16)


def _legend(found: SceneMap) -> list[tuple[int, str, str]]:
    """The names of the scenes: how far down, in which colour, and what."""
    most = (SIZE[1] - 60) // 26
    lines = [(20, "#ffffff", f"{len(found.shots)} shots, {len(found.scenes)} scenes")]
    for row in found.scenes.head(most).itertuples():
        text = f"{row.cluster}  {row.name} ({row.size})"
        lines.append((54 + 26 * row.Index, look_of(row.cluster)[0], text[:50]))
    return lines


def _jpeg(path: Path, most: tuple[int, int]) -> bytes:
    with picture_in(path) as picture:
        picture.thumbnail(most)
        return image_file(picture, "JPEG", quality=75)


def _font(size: int):
    return ImageFont.load_default(size)
