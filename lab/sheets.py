"""Sheets of pictures: every pair of an edit, the shots of a film, whatever was found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageOps
from tqdm.auto import tqdm

from lab.canvas import fit, open_panel, shape, within
from lab.edit import Edit, EditError, Row
from lab.films import named
from lab.language import caption, clock
from lab.lettering import font, wrapped
from lab.store import image_file, picture_in, write_whole
from lab.video import WHOLE, Box, WriteError

if TYPE_CHECKING:
    import pandas as pd

LINE = 15  # pixels from a line of small print to the next
LOOKED_AT = 0.5, 0.3, 0.7, 0.15, 0.85  # parts of a shot: until one shows something
DULL, GLARE, MOSTLY = 10, 243, 0.5  # grey levels: variation, white; part of a picture that is white
A4 = 297, 210  # millimetres, lying


def contact_sheet(
    edit: Edit,
    out,
    *,
    others: Mapping[str, Edit] | None = None,
    name: str = "this",
    columns: int | None = None,
    thumb: tuple[int, int] = (288, 162),
    only: tuple[int, int] | None = None,
) -> int:
    """Every pair, left and right, with its time and score: a picture, or pages to print.

    Parameters
    ----------
    edit : Edit
    out : path-like
        ``.png``, or ``.pdf`` of as many A4 pages as it takes.
    others : mapping of str to Edit, optional
        Other answers to the same trailer, from this archive or another, by what to call them:
        each shot's stand beside one another, in this order.
    name : str
        What to call `edit` beside them.
    columns : int, optional
        Pairs in a row; by default 3, of a sheet with `others` as many as six pictures take.
    thumb : (int, int)
        Most width and height of a picture, in pixels; twice that on a page.
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
    WriteError
        If `out` ends otherwise.
    """
    kind, every = ending(out, ".png", ".pdf"), {name: edit, **(others or {})}
    if any(other.trailer != edit.trailer for other in every.values()):
        raise EditError("the edits are of different trailers; a sheet shows one trailer's.")
    begin, end = edit.stretch(only)
    shown = [shot for shot in edit.shots if begin <= shot.in_query < end]
    for one in every.values():  # a film that is gone is told before the work
        for row in shown if one is edit else one.shots:
            one.path(row.match_film if row.kind == "match" else one.trailer)
    most = thumb if kind == ".png" else (2 * thumb[0], 2 * thumb[1])
    panel = fit(*shape(edit.path(edit.trailer), Box(*edit.films[edit.trailer].crop)), most)
    cells = []
    for shot in tqdm(shown, desc="contact sheet", unit="pair"):
        rows = {told: one.row_at(shot.middle) for told, one in every.items()}
        answers = [(every[told], row) for told, row in rows.items()]
        pictures, _ = at_its_best(shot, lambda at, these=answers: _pictures(these, at, panel))
        head, note = f"{shot.position}   {clock(shot.in_query)}{_marks(shot, 3)}", shot.why
        if others:
            head = f"{shot.position}   {clock(shot.in_query)}"
            lines = [f"{told}: {_caption(every[told], row)}" for told, row in rows.items()]
            lines = [a + _marks(row, 2) for a, row in zip(lines, rows.values(), strict=True)]
            cells.append(Cell(pictures, head, lines[0], "\n".join(lines[1:])))
        else:
            cells.append(Cell(pictures, head, _caption(edit, shot), note))
    columns = columns or max(1, 6 // (1 + len(every)))
    write_whole(Path(out), (draw_sheet if kind == ".png" else draw_pages)(cells, panel, columns))
    return len(shown)


def _marks(shot: Row | None, apart: int) -> str:
    """What else is to be known of an answer."""
    if shot is None or shot.kind != "match":
        return ""
    told = [
        "" if shot.score is None else f"score {round(shot.score, 2) + 0.0:.2f}",
        f"{shot.speed:.0%} speed" if abs(shot.speed - 1) > 0.005 else "",
        "mirrored" if shot.mirror else "",
        "a part of it" if shot.reframe else "",
        "pinned" if shot.pinned else "",
    ]
    return "".join(" " * apart + one for one in told if one)


def at_its_best(
    shot: Row, take: Callable[[float], list[Image.Image | None]]
) -> tuple[list[Image.Image | None], float | None]:
    """Pictures of a shot's middle; from elsewhere in it if one of them is nearly blank there.

    Parameters
    ----------
    shot : Row
    take : callable
        Gives pictures at a second of the trailer; None for black.

    Returns
    -------
    list of Image or None
    float or None
        The second; None where something is blank all the time: then they are of the middle.
    """
    first = None
    for part in LOOKED_AT if shot.kind == "match" else LOOKED_AT[:1]:
        moment = shot.in_query + part * (shot.out_query - shot.in_query)
        pictures = take(moment)
        first = first or pictures
        if not any(_is_blank(picture) for picture in pictures if picture is not None):
            return pictures, moment
    return first, None


def _is_blank(picture: Image.Image) -> bool:
    grey = np.asarray(picture.convert("L"))
    return grey.std() < DULL or (grey > GLARE).mean() > MOSTLY


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
        with picture_in(thumbnails(shot.index)) as picture:
            picture = picture.convert("RGB")
        head = (
            f"{shot.index}   {shot.clean_start:.2f} - {shot.clean_end:.2f} s   {shot.transition_in}"
        )
        words = caption(shot._asdict())
        cells.append(Cell([picture], head, f"{shot.film_id}   {shot.flags}", words))
    panel = tuple(max(cell.pictures[0].size[side] for cell in cells) for side in (0, 1))
    write_whole(Path(out), draw_sheet(cells, panel, 5))


def ending(out, *kinds: str) -> str:
    """A file's ending, in small letters.

    Raises
    ------
    WriteError
        If it is none of `kinds`.
    """
    found = Path(out).suffix.lower()
    if found not in kinds:
        raise WriteError(out, f"is to end in {' or '.join(kinds)}; give it such a name.")
    return found


class Cell(NamedTuple):
    """A place on a sheet: pictures side by side (None: black), a line, and smaller ones."""

    pictures: list[Image.Image | None]
    head: str
    caption: str
    note: str = ""


def draw_sheet(cells: list[Cell], panel: tuple[int, int], columns: int) -> bytes:
    """A PNG of cells in rows; `panel` is the room for one picture, in pixels."""
    return image_file(_Sheet(cells, panel, columns, SCREEN).drawn(cells), "PNG", optimize=True)


def draw_pages(cells: list[Cell], panel: tuple[int, int], columns: int) -> bytes:
    """A PDF of the same, on white A4 pages, lying; whole rows on each."""
    sheet = _Sheet(cells, panel, columns, PAPER)
    wide, shape_ = sheet.width, A4[1] / A4[0]
    rows = max(1, int((wide * shape_ - sheet.gap) / sheet.row))
    count = rows * columns
    pages = [
        ImageOps.pad(
            sheet.drawn(cells[at : at + count]),
            (wide, round(wide * shape_)),
            color=PAPER.ground,
            centering=(0, 0),
        )
        for at in range(0, len(cells), count)
    ]
    whole = {"save_all": True, "append_images": pages[1:], "resolution": wide / A4[0] * 25.4}
    return image_file(pages[0], "PDF", **whole, quality=90)


class Look(NamedTuple):
    """Colours of a sheet, and how many times as large as usual all but its pictures is."""

    ground: tuple[int, int, int]
    head: tuple[int, int, int]
    caption: tuple[int, int, int]
    note: tuple[int, int, int]
    scale: int


SCREEN = Look((18, 18, 18), (235, 235, 235), (160, 160, 160), (200, 190, 150), 1)
PAPER = Look((255, 255, 255), (20, 20, 20), (90, 90, 90), (120, 100, 50), 2)


class _Sheet:
    """Cells in rows of one height, for whichever of them."""

    def __init__(self, cells: list[Cell], panel: tuple[int, int], columns: int, look: Look):
        self.panel, self.columns, self.look = panel, columns, look
        self.gap, self.apart = 14 * look.scale, 4 * look.scale
        self.wide = len(cells[0].pictures) * (panel[0] + self.apart) - self.apart
        self.lines = max(len(self._note(cell)) for cell in cells)
        self.row = panel[1] + self.gap + (40 + LINE * self.lines) * look.scale
        self.width = self.gap + (self.wide + self.gap) * columns

    def _note(self, cell: Cell) -> list[str]:
        size = 12 * self.look.scale
        return [line for part in cell.note.split("\n") for line in wrapped(part, size, self.wide)]

    def drawn(self, cells: list[Cell]) -> Image.Image:
        rows = -(-len(cells) // self.columns)
        sheet = Image.new("RGB", (self.width, self.gap + self.row * rows), self.look.ground)
        draw = ImageDraw.Draw(sheet)
        for number, cell in enumerate(cells):
            row, column = divmod(number, self.columns)
            place = self.gap + (self.wide + self.gap) * column, self.gap + self.row * row
            self._pictures(sheet, draw, cell, *place)
            self._words(draw, cell, *place)
        return sheet

    def _pictures(self, sheet, draw, cell: Cell, x: int, y: int) -> None:
        for side, picture in enumerate(cell.pictures):
            left = x + side * (self.panel[0] + self.apart)
            corner = left + self.panel[0] - 1, y + self.panel[1] - 1
            draw.rectangle((left, y, *corner), fill=(0, 0, 0))
            if picture is not None:
                size = zip(self.panel, picture.size, strict=True)
                inset = [(room - part) // 2 for room, part in size]
                sheet.paste(picture, (left + inset[0], y + inset[1]))

    def _words(self, draw, cell: Cell, x: int, y: int) -> None:
        scale, below = self.look.scale, y + self.panel[1]
        large, small = font(15 * scale), font(12 * scale)
        draw.text((x, below + 3 * scale), cell.head, self.look.head, large)
        draw.text((x, below + 22 * scale), cell.caption, self.look.caption, small)
        for line, text in enumerate(self._note(cell)):
            draw.text((x, below + (38 + LINE * line) * scale), text, self.look.note, small)


def _caption(edit: Edit, shot: Row | None) -> str:
    if shot is None or shot.kind == "black":
        return "black"
    if shot.kind == "keep":
        return "the trailer's own shot"
    text = f"{named(edit.films[shot.match_film])}  {clock(shot.in_match)}"
    return text if len(text) < 90 else text[:87] + "..."


def _pictures(answers, moment: float, panel) -> list[Image.Image | None]:
    """The trailer at one of its seconds, and each of its answers then (None: black)."""
    edit = answers[0][0]
    trailer = still(edit, edit.trailer, moment, panel)
    return [trailer, *(_answer(*answer, moment, trailer, panel) for answer in answers)]


def _answer(edit: Edit, shot: Row | None, moment: float, trailer, panel) -> Image.Image | None:
    if shot is None or shot.kind == "black":
        return None
    if shot.kind == "keep":
        return trailer
    part = Box(*shot.reframe) if shot.reframe else WHOLE
    picture = still(edit, shot.match_film, shot.moment(moment), panel, part)
    return picture.transpose(Image.FLIP_LEFT_RIGHT) if shot.mirror else picture


def still(edit: Edit, film_id: str, time: float, panel, part: Box = WHOLE) -> Image.Image:
    """A film's picture at a second of its own, without its bars, fitted into a panel."""
    crop = within(Box(*edit.films[film_id].crop), part)
    player = open_panel(edit.path(film_id), time, crop, panel, pixels="rgb24")
    picture = player.at(time).picture.to_image()
    player.close()
    return picture
