"""An edit made visible: the side-by-side video, the reinterpretation alone, a contact sheet.

Every frame of the trailer gives one frame of the result, at the trailer's own time; beside it
stands the archive frame that the edit names for that time.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm.auto import tqdm

from lab import video
from lab.edit import Edit, EditError, Row
from lab.language import caption
from lab.store import write_whole
from lab.video import EPSILON, Box, Player, Reader, Writer, probe

if TYPE_CHECKING:
    import av
    import pandas as pd

QUALITY = {"preset": "medium", "crf": "18"}
LINE = 15  # pixels from a line of small print to the next
BLACK = (16, 128, 128)  # Y, U, V, limited range


@dataclass(frozen=True)
class Preset:
    """How a result is laid out; `width` is the most it takes up, in pixels."""

    trailer: bool
    width: int = 1920


PRESETS = {"side-by-side": Preset(trailer=True), "alone": Preset(trailer=False)}


@dataclass(frozen=True)
class Rendered:
    """What was made: the file, its frames, and whether the sound was copied (None: silent)."""

    path: Path
    frames: int
    sound_copied: bool | None


def render(
    edit: Edit, out, preset: str = "side-by-side", *, only: tuple[int, int] | None = None
) -> Rendered:
    """Render an edit to an H.264 MP4 with the trailer's own sound.

    Parameters
    ----------
    edit : Edit
    out : path-like
        The video appears under this name only when complete.
    preset : str
        ``"side-by-side"``: trailer left, reinterpretation right, equal panels; or ``"alone"``.
    only : (int, int), optional
        First and last position of the trailer's shots that are shown; by default all.

    Raises
    ------
    EditError, FilmError, WriteError
    """
    layout, trailer = PRESETS[preset], edit.path(edit.trailer)
    info, crop = probe(trailer), Box(*edit.films[edit.trailer].crop)
    panels = 2 if layout.trailer else 1
    size = panel_size(info.width, info.height, crop, layout.width // panels)
    for shot in edit.shots:  # a film that is gone is told before the work, not in the midst of it
        if shot.kind == "match":
            edit.path(shot.match_film)
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    begin, end = _stretch(edit, only)
    answers = _Answers(edit, size)
    writer, count, first = None, 0, None
    total = round((end - begin if only else info.duration) * info.fps)
    try:
        with tqdm(total=total, desc="render", unit="frame") as bar:
            start = begin if only else None
            for frame in Reader(trailer, size=size, crop=crop, start=start):
                if float(frame.time) < begin - EPSILON:
                    continue
                if float(frame.time) > end - EPSILON:
                    break
                if writer is None:
                    first = frame.time
                    writer = Writer(
                        out,
                        (size[0] * panels, size[1]),
                        info.fps,
                        soundtrack=trailer,
                        t0=first,
                        lasts=Fraction(end) - first if only else None,
                        time_base=info.time_base,
                        options=QUALITY,
                    )
                left = pixels(frame.picture)
                right = answers.at(float(frame.time), left)
                picture = beside(left, right) if layout.trailer else right
                writer.write(picture, frame.time - first)
                count += 1
                bar.update()
            bar.total = count
        writer.close()
    except BaseException:
        if writer is not None:
            writer.discard()
        raise
    return Rendered(Path(out), count, writer.sound_copied)


def _stretch(edit: Edit, only: tuple[int, int] | None) -> tuple[float, float]:
    """Seconds of the trailer that are shown."""
    if only is None:
        return -math.inf, math.inf
    inside = [shot for shot in edit.shots if only[0] <= shot.position <= only[1]]
    if not inside:
        told = f"the edit has shots 1 to {len(edit.shots)}, none of {only[0]} to {only[1]}."
        raise EditError(told)
    return inside[0].in_query, inside[-1].out_query


def panel_size(width: int, height: int, crop: Box, limit: int) -> tuple[int, int]:
    """Even size of a panel with the shape of the trailer's picture, no wider than `limit`.

    >>> panel_size(1280, 720, Box(), 960), panel_size(640, 480, Box(0, 0.125, 1, 0.875), 960)
    ((960, 540), (640, 360))
    """
    width, height = width * (crop.right - crop.left), height * (crop.bottom - crop.top)
    scale = min(1.0, limit / width)
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def fit(width: int, height: int, panel: tuple[int, int]) -> tuple[int, int]:
    """Largest even size of a picture's shape that goes into a panel.

    >>> fit(640, 480, (960, 540))
    (720, 540)
    """
    scale = min(panel[0] / width, panel[1] / height)
    sides = (round(width * scale / 2) * 2, round(height * scale / 2) * 2)
    return max(2, min(sides[0], panel[0])), max(2, min(sides[1], panel[1]))


class _Answers:
    """The right panel, frame by frame, for times that never go back."""

    def __init__(self, edit: Edit, panel: tuple[int, int]):
        self.edit, self.panel = edit, panel
        self.rows = iter(edit.shots)
        self.row: Row | None = next(self.rows, None)
        self.player: Player | None = None

    def at(self, time: float, trailer: np.ndarray) -> np.ndarray:
        while self.row is not None and time > self.row.out_query - EPSILON:
            self._leave()
        row = self.row
        if row is None or time < row.in_query - EPSILON or row.kind == "black":
            return blank(self.panel)
        if row.kind == "keep":
            return trailer
        moment = row.in_match + (time - row.in_query) * row.speed
        if self.player is None:
            path = self.edit.path(row.match_film)
            self.player = open_panel(path, moment, self.edit.films[row.match_film].crop, self.panel)
        picture = pixels(self.player.at(moment).picture)
        return centre(mirror(picture) if row.mirror else picture, self.panel)

    def _leave(self) -> None:
        if self.player is not None:
            self.player.close()
        self.player, self.row = None, next(self.rows, None)


def open_panel(path, start: float, crop, panel: tuple[int, int]) -> Player:
    """A film from `start` seconds on, cut to its picture and fitted into a panel."""
    info, box = probe(path), Box(*crop)
    width, height = info.width * (box.right - box.left), info.height * (box.bottom - box.top)
    return Player(path, start, size=fit(width, height, panel), crop=box)


def pixels(picture: av.VideoFrame) -> np.ndarray:
    """A yuv420p picture as one array, uint8 (3 * height / 2, width): Y above, U and V below."""
    return picture.to_ndarray()


def planes(packed: np.ndarray) -> list[np.ndarray]:
    """Views of Y, U and V in a packed array."""
    height, width = packed.shape[0] * 2 // 3, packed.shape[1]
    chroma = packed[height:].reshape(2, height // 2, width // 2)
    return [packed[:height], chroma[0], chroma[1]]


def blank(size: tuple[int, int]) -> np.ndarray:
    """A black picture."""
    packed = np.empty((size[1] * 3 // 2, size[0]), np.uint8)
    for plane, value in zip(planes(packed), BLACK, strict=True):
        plane[:] = value
    return packed


def centre(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture in the middle of a black panel, in whole pixels of its coarser planes."""
    packed = blank(size)
    if packed.shape == picture.shape:
        return picture
    parts = planes(picture)
    top = (size[1] - parts[0].shape[0]) // 4 * 2
    left = (size[0] - parts[0].shape[1]) // 4 * 2
    paste(packed, picture, left, top)
    return packed


def paste(packed: np.ndarray, picture: np.ndarray, left: int, top: int) -> None:
    """Put a picture into a larger one, at even pixels."""
    for plane, part, step in zip(planes(packed), planes(picture), (1, 2, 2), strict=True):
        y, x = top // step, left // step
        plane[y : y + part.shape[0], x : x + part.shape[1]] = part


def mirror(picture: np.ndarray) -> np.ndarray:
    """A picture seen in a mirror."""
    packed = np.empty_like(picture)
    for plane, part in zip(planes(packed), planes(picture), strict=True):
        plane[:] = part[:, ::-1]
    return packed


def beside(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Two pictures of one size, side by side."""
    packed = np.empty((left.shape[0], left.shape[1] * 2), np.uint8)
    for plane, one, other in zip(planes(packed), planes(left), planes(right), strict=True):
        plane[:, : one.shape[1]], plane[:, one.shape[1] :] = one, other
    return packed


def contact_sheet(
    edit: Edit,
    out,
    *,
    columns: int = 3,
    thumb: tuple[int, int] = (288, 162),
    only: tuple[int, int] | None = None,
) -> int:
    """Every pair, left and right, with its time and score, as a PNG.

    Parameters
    ----------
    edit : Edit
    out : path-like
    columns : int
        Pairs in a row.
    thumb : (int, int)
        Most width and height of a picture, in pixels.
    only : (int, int), optional
        As of `render`.

    Returns
    -------
    int
        Pairs shown.
    """
    begin, end = _stretch(edit, only)
    shown = [shot for shot in edit.shots if begin <= shot.in_query < end]
    info = probe(edit.path(edit.trailer))
    panel = panel_size(info.width, info.height, Box(*edit.films[edit.trailer].crop), thumb[0])
    panel = fit(*panel, thumb)
    cells = []
    for shot in tqdm(shown, desc="contact sheet", unit="pair"):
        score = "" if shot.score is None else f"   score {shot.score:.2f}"
        extra = f"   {shot.speed:.0%} speed" if shot.speed < 0.995 else ""
        extra += "   mirrored" if shot.mirror else ""
        head = f"{shot.position}   {clock(shot.in_query)}{score}{extra}"
        cells.append(Cell(_pair(edit, shot, panel), head, _caption(edit, shot), shot.why))
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
    font, small = ImageFont.load_default(15), ImageFont.load_default(12)
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
        draw.text((x, y + panel[1] + 3), cell.head, (235, 235, 235), font)
        draw.text((x, y + panel[1] + 22), cell.caption, (160, 160, 160), small)
        for line, text in enumerate(notes[number]):
            place = x, y + panel[1] + 38 + LINE * line
            draw.text(place, text, (200, 190, 150), small)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def clock(seconds: float) -> str:
    """Seconds as they stand on a cutting table.

    >>> clock(83.25), clock(59.97)
    ('1:23.2', '1:00.0')
    """
    seconds = round(seconds, 1)
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


def _caption(edit: Edit, shot: Row) -> str:
    if shot.kind != "match":
        return {"black": "black", "keep": "the trailer's own shot"}[shot.kind]
    film = edit.films[shot.match_film]
    name = film.title or Path(film.path).stem
    text = f"{name}{f' ({film.year})' if film.year else ''}  {clock(shot.in_match)}"
    return text if len(text) < 90 else text[:87] + "..."


def _pair(edit: Edit, shot: Row, thumb) -> list[Image.Image | None]:
    """The middle of a pair: the trailer's picture and its answer (None: black)."""
    half = (shot.out_query - shot.in_query) / 2
    left = _still(edit, edit.trailer, shot.in_query + half, thumb)
    if shot.kind == "black":
        return [left, None]
    if shot.kind == "keep":
        return [left, left]
    right = _still(edit, shot.match_film, shot.in_match + half * shot.speed, thumb)
    return [left, right.transpose(Image.FLIP_LEFT_RIGHT) if shot.mirror else right]


def _still(edit: Edit, film_id: str, time: float, thumb) -> Image.Image:
    path, box = edit.path(film_id), Box(*edit.films[film_id].crop)
    info = video.probe(path)
    width, height = info.width * (box.right - box.left), info.height * (box.bottom - box.top)
    player = Player(path, time, size=fit(width, height, thumb), crop=box, pixels="rgb24")
    picture = player.at(time).picture.to_image()
    player.close()
    return picture
