"""Sheets of pictures: every pair of an edit, the shots of a film, whatever was found."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageDraw
from tqdm.auto import tqdm

from lab.canvas import fit, open_panel, shape, within
from lab.edit import Edit, EditError, Row
from lab.films import named
from lab.language import caption, clock
from lab.lettering import font
from lab.store import write_whole
from lab.video import WHOLE, Box

if TYPE_CHECKING:
    import pandas as pd

LINE = 15  # pixels from a line of small print to the next


def contact_sheet(
    edit: Edit,
    out,
    *,
    others: Sequence[Edit] = (),
    columns: int | None = None,
    thumb: tuple[int, int] = (288, 162),
    only: tuple[int, int] | None = None,
) -> int:
    """Every pair, left and right, with its time and score, as a PNG.

    Parameters
    ----------
    edit : Edit
    out : path-like
    others : sequence of Edit
        Other answers to the same trailer, from this archive or another: each shot's stand
        beside one another, in this order.
    columns : int, optional
        Pairs in a row; by default 3, of a sheet with `others` as many as six pictures take.
    thumb : (int, int)
        Most width and height of a picture, in pixels.
    only : (int, int), optional
        First and last position of the trailer's shots that are shown; by default all.

    Returns
    -------
    int
        Shots of the trailer shown.

    Raises
    ------
    EditError
        If one of `others` is of another trailer, or a film is gone.
    """
    if any(other.trailer != edit.trailer for other in others):
        raise EditError("the edits are of different trailers; a sheet shows one trailer's.")
    begin, end = edit.stretch(only)
    shown = [shot for shot in edit.shots if begin <= shot.in_query < end]
    panel = fit(*shape(edit.path(edit.trailer), Box(*edit.films[edit.trailer].crop)), thumb)
    cells = []
    for shot in tqdm(shown, desc="contact sheet", unit="pair"):
        answers = [(edit, shot), *((other, other.row_at(_middle(shot))) for other in others)]
        trailer = _still(edit, edit.trailer, _middle(shot), panel)
        pictures = [_answer(*answer, trailer, panel) for answer in answers]
        score = "" if shot.score is None or others else f"   score {shot.score:.2f}"
        extra = f"   {shot.speed:.0%} speed" if shot.speed < 0.995 else ""
        extra += "   mirrored" if shot.mirror else ""
        head = f"{shot.position}   {clock(shot.in_query)}{score}{extra}"
        told = [_caption(*answer) for answer in answers]
        note = "   |   ".join(told[1:]) if others else shot.why
        cells.append(Cell([trailer, *pictures], head, told[0], note))
    columns = columns or max(1, 6 // (2 + len(others)))
    write_whole(Path(out), draw_sheet(cells, panel, columns))
    return len(shown)


def shot_sheet(shots: pd.DataFrame, thumbnails: Callable[[int], Path], out) -> None:
    """A film's shots in order, with the seconds and the film_id that an edit names, as a PNG.

    Parameters
    ----------
    shots : DataFrame
        One film's shots table.
    thumbnails : callable
        Gives the picture of a shot by its `index`.
    out : path-like
    """
    cells = []
    for shot in shots.itertuples():
        picture = Image.open(thumbnails(shot.index))
        head = (
            f"{shot.index}   {shot.clean_start:.2f} - {shot.clean_end:.2f} s   {shot.transition_in}"
        )
        words = caption(shot._asdict())
        cells.append(Cell([picture], head, f"{shot.film_id}   {shot.flags}", words))
    panel = tuple(max(cell.pictures[0].size[side] for cell in cells) for side in (0, 1))
    write_whole(Path(out), draw_sheet(cells, panel, 5))


class Cell(NamedTuple):
    """A place on a sheet: pictures side by side (None: black), a line, and smaller ones."""

    pictures: list[Image.Image | None]
    head: str
    caption: str
    note: str = ""


def draw_sheet(cells: list[Cell], panel: tuple[int, int], columns: int) -> bytes:
    """A PNG of cells in rows; `panel` is the room for one picture, in pixels."""
    large, small = font(15), font(12)
    gap, apart = 14, 4
    wide = len(cells[0].pictures) * (panel[0] + apart) - apart
    notes = [textwrap.wrap(cell.note, wide // 6) for cell in cells]
    words = 40 + LINE * max(map(len, notes))
    rows = -(-len(cells) // columns)
    size = gap + (wide + gap) * columns, gap + (panel[1] + words + gap) * rows
    sheet = Image.new("RGB", size, (18, 18, 18))
    draw = ImageDraw.Draw(sheet)
    for number, cell in enumerate(cells):
        x = gap + (wide + gap) * (number % columns)
        y = gap + (panel[1] + words + gap) * (number // columns)
        for side, picture in enumerate(cell.pictures):
            left = x + side * (panel[0] + apart)
            draw.rectangle((left, y, left + panel[0] - 1, y + panel[1] - 1), fill=(0, 0, 0))
            if picture is not None:
                inset = [(room - part) // 2 for room, part in zip(panel, picture.size, strict=True)]
                sheet.paste(picture, (left + inset[0], y + inset[1]))
        draw.text((x, y + panel[1] + 3), cell.head, (235, 235, 235), large)
        draw.text((x, y + panel[1] + 22), cell.caption, (160, 160, 160), small)
        for line, text in enumerate(notes[number]):
            place = x, y + panel[1] + 38 + LINE * line
            draw.text(place, text, (200, 190, 150), small)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _caption(edit: Edit, shot: Row | None) -> str:
    if shot is None or shot.kind == "black":
        return "black"
    if shot.kind == "keep":
        return "the trailer's own shot"
    text = f"{named(edit.films[shot.match_film])}  {clock(shot.in_match)}"
    return text if len(text) < 90 else text[:87] + "..."


def _middle(shot: Row) -> float:
    return (shot.in_query + shot.out_query) / 2


def _answer(edit: Edit, shot: Row | None, trailer, panel) -> Image.Image | None:
    """The middle of an answer: None for black."""
    if shot is None or shot.kind == "black":
        return None
    if shot.kind == "keep":
        return trailer
    half = (shot.out_query - shot.in_query) / 2
    part = Box(*shot.reframe) if shot.reframe else WHOLE
    picture = _still(edit, shot.match_film, shot.in_match + half * shot.speed, panel, part)
    return picture.transpose(Image.FLIP_LEFT_RIGHT) if shot.mirror else picture


def _still(edit: Edit, film_id: str, time: float, panel, part: Box = WHOLE) -> Image.Image:
    crop = within(Box(*edit.films[film_id].crop), part)
    player = open_panel(edit.path(film_id), time, crop, panel, pixels="rgb24")
    picture = player.at(time).picture.to_image()
    player.close()
    return picture
