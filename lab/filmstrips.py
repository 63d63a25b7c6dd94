"""Films as strips of their shots: a row a film, every shot as wide as it lasts."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageOps
from tqdm.auto import tqdm

from lab.films import named
from lab.language import clock, counted
from lab.lettering import font, wrapped
from lab.sheets import SCREEN
from lab.store import image_file, picture_in, write_whole

if TYPE_CHECKING:
    import pandas as pd

WIDE, HIGH = 1320, 64  # pixels of a row of pictures
TITLES, EDGE, HEAD = 230, 16, 24  # pixels: of the titles beside it, around all, of the line above
APART, TIGHT = 12, 2  # pixels between two films, and between two rows of one
TYPICAL = 100  # pixels that a shot of middling length takes, where there is room
ROWS = 60  # of all pages, unless films are more
TALL = 15_000  # pixels of a page's strips: of higher pictures, some browsers show nothing
# Seconds of a row: the first that leave room for all.
STEPS = (10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 480, 600, 900, 1200, 1800, 3600, 7200)
LINE, UNREAD = 18, 20  # pixels of a line of what could not be read, and lines at most
SLANT, THIN = 8, 4  # pixels between the lines that cross out; of what is lost, at least
JOINT = 6  # pixels from which a shot is set apart from the next
# The colours that follow a picture until its shot ends: how many, one below the other, and how
# far they are toned towards this grey, so that they are no picture, and no black hole either.
COLOURS, TONE, GREY = 6, 0.5, (64, 64, 64)


def film_strips(
    films: pd.DataFrame,
    shots: pd.DataFrame,
    thumbnails: Callable[[str, int], Path],
    out,
    unread: pd.DataFrame | None = None,
) -> list[Path]:
    """Draw every film as a strip of its shots, as PNGs: as many as it takes for all to have room.

    Every row shows the same number of seconds, so that films can be compared; a longer film goes
    on in the next row. Of a shot that is over before its picture is wide, the middle is seen;
    where one lasts longer, its colours follow until it ends. Seconds that are lost are crossed out.

    Parameters
    ----------
    films, shots : DataFrame
        As of `lab.tables.load_archive`; films stand in the order of their table.
    thumbnails : callable
        Gives a shot's picture by `film_id` and `index`.
    out : path-like
        Appears under this name only when complete; of more pages, the second is ``NAME-2.png``.
    unread : DataFrame, optional
        What could not be read (`path`, `what`): told below the last of the films.

    Returns
    -------
    list of Path
        The pages in order.
    """
    out, films = Path(out), films.assign(lasts=[_lasts(film) for film in films.itertuples()])
    seconds = row_seconds(films.lasts, shots.end - shots.start)
    told = [] if unread is None else [_why_not(one) for one in unread.itertuples()]
    more = len(told) > UNREAD
    told[UNREAD:] = [f"and {len(told) - UNREAD} more that cannot be read"] * more
    films["high"] = [rows_of(one, seconds) * (HIGH + TIGHT) + APART for one in films.lasts]
    parts, made = _parted(films.high.tolist()), []
    with tqdm(desc="strips", total=len(films), unit="film") as bar:
        for number, part in enumerate(parts, 1):
            head = _head(films, seconds) + f" Page {number} of {len(parts)}." * (len(parts) > 1)
            below = told if number == len(parts) else []
            page = _page(films.iloc[part], shots, seconds, thumbnails, head, below, bar)
            made.append(out if number == 1 else out.with_stem(f"{out.stem}-{number}"))
            write_whole(made[-1], image_file(page, "PNG"))
    return made


def _parted(highs: list[int]) -> list[slice]:
    """Which films come on each page, from what each takes of its height."""
    begins, high = [0], 0
    for index, one in enumerate(highs):
        if high and high + one > TALL:
            begins.append(index)
            high = 0
        high += one
    return [slice(*ends) for ends in pairwise([*begins, len(highs)])]


def _page(films, shots, seconds: float, thumbnails, head: str, told: list[str], bar):
    below = LINE * len(told) + APART * bool(told)
    size = TITLES + WIDE + 2 * EDGE, int(films.high.sum()) + HEAD + 2 * EDGE - APART + below
    sheet = Image.new("RGB", size, SCREEN.ground)
    draw = ImageDraw.Draw(sheet)
    draw.text((EDGE + TITLES, EDGE), head, SCREEN.caption, font(13))
    for line, text in enumerate(told):
        first, *rest = wrapped(text, 13, TITLES + WIDE)
        place = EDGE, sheet.height - EDGE + LINE * (line - len(told))
        draw.text(place, first + "…" * bool(rest), SCREEN.caption, font(13))
    top, owned = EDGE + HEAD, shots.groupby("film_id").indices
    for film in films.itertuples():
        own = shots.iloc[owned.get(film.film_id, [])]
        sheet.paste(_strip(film, own, seconds, thumbnails), (EDGE, top))
        top += film.high
        bar.update()
    return sheet


def row_seconds(durations: pd.Series, lengths: pd.Series) -> int:
    """Seconds of a row, from those of films and of shots.

    A shot of middling length is `TYPICAL` pixels wide, or less where all would take more than
    `ROWS` rows, or more than a row a film.

    >>> import pandas as pd
    >>> row_seconds(pd.Series([30.0]), pd.Series([2.0] * 15))
    30
    >>> row_seconds(pd.Series([5400.0]), pd.Series([4.0] * 1350))
    90
    """
    wanted = lengths.median() * WIDE / TYPICAL if len(lengths) else 0
    most = max(ROWS, len(durations))
    for seconds in STEPS:
        if seconds >= wanted and sum(rows_of(one, seconds) for one in durations) <= most:
            break
    return seconds


def rows_of(duration: float, seconds: float) -> int:
    """Rows that a film takes."""
    return max(1, -(-round(duration * WIDE / seconds) // WIDE))


def pieces(begin: float, end: float, seconds: float) -> list[tuple[int, int, int]]:
    """Where a shot lies in its film's rows: of each its number, and pixels from and to.

    >>> pieces(8, 21, 10)
    [(0, 1056, 1320), (1, 0, 1320), (2, 0, 132)]
    """
    first, last = (round(time * WIDE / seconds) for time in (begin, end))
    found = []
    while first < last:
        row = first // WIDE
        stop = min(last, (row + 1) * WIDE)
        found.append((row, first - row * WIDE, stop - row * WIDE))
        first = stop
    return found


def _lasts(film) -> float:
    """Seconds of a film, those included that are lost at its end."""
    return max([film.duration, *(end - film.t0 for _, end in film.lost)])


def _head(films: pd.DataFrame, seconds: int) -> str:
    lasts = f"{seconds} seconds" if seconds < 120 else f"{seconds // 60} minutes"
    told = f"A row is {lasts} of film; every shot is as wide as it lasts."
    return told + " Crossed out is what is lost." * any(map(len, films.lost))


def _why_not(problem) -> str:
    return f"not here: {Path(problem.path).name}, which {problem.what}"


def _strip(film, shots: pd.DataFrame, seconds: float, thumbnails) -> Image.Image:
    """One film, its title and its rows."""
    rows = rows_of(film.lasts, seconds)
    size = TITLES + WIDE, rows * (HIGH + TIGHT)
    strip = Image.new("RGB", size, SCREEN.ground)
    strip.paste(_label(film, len(shots)), (0, 0))
    draw = ImageDraw.Draw(strip)
    for row in range(1, rows):
        place = TITLES - 8, row * (HIGH + TIGHT) + HIGH / 2
        draw.text(place, clock(row * seconds), SCREEN.caption, font(11), "rm")
    for shot in shots.itertuples():
        parts = pieces(shot.start - film.t0, shot.end - film.t0, seconds)
        widest = max(parts, key=lambda part: part[2] - part[1], default=None)
        for part in parts:
            row, left, right = part
            with picture_in(thumbnails(shot.film_id, shot.index)) as picture:
                shown = _shown(picture, right - left, part == widest)
            strip.paste(shown, (TITLES + left, row * (HIGH + TIGHT)))
    for begin, end in film.lost:
        for row, left, right in pieces(begin - film.t0, end - film.t0, seconds):
            crossed = _crossed(max(right - left, THIN))
            strip.paste(crossed, (TITLES + left, row * (HIGH + TIGHT)))
    return strip


def _crossed(wide: int) -> Image.Image:
    """What stands for seconds of which there is no picture: slanting lines, also without colour."""
    room = Image.new("RGB", (wide, HIGH), SCREEN.ground)
    draw = ImageDraw.Draw(room)
    for left in range(-HIGH, wide, SLANT):
        draw.line((left, HIGH, left + HIGH, 0), SCREEN.head, 2)
    draw.rectangle((0, 0, wide - 1, HIGH - 1), outline=SCREEN.head)
    return room


def _label(film, shots: int) -> Image.Image:
    label = Image.new("RGB", (TITLES - 12, HIGH), SCREEN.ground)
    draw = ImageDraw.Draw(label)
    first, *more = wrapped(named(film), 14, label.width) or [""]
    lines = [first, *([more[0] + "…" * (len(more) > 1)] if more else [])]
    for line, text in enumerate(lines):
        draw.text((0, 3 + 18 * line), text, SCREEN.head, font(14))
    told = f"{clock(film.duration)}   {counted(shots, 'shot')}   {film.state}".rstrip()
    draw.text((0, 6 + 18 * len(lines)), told, SCREEN.caption, font(12))
    return label


def _shown(picture: Image.Image, wide: int, whole: bool) -> Image.Image:
    """A shot's picture in the room it has, and its colours after it; or these alone."""
    own = round(picture.width * HIGH / picture.height)
    picture.draft("RGB", (own, HIGH))  # no more is decoded than is seen
    picture = picture.convert("RGB")
    room, inner = Image.new("RGB", (wide, HIGH), SCREEN.ground), wide - (wide >= JOINT)
    if whole:
        room.paste(ImageOps.fit(picture, (min(own, inner), HIGH)), (0, 0))
    seen = min(own, inner) if whole else 0
    if seen < inner:
        colours = picture.resize((1, COLOURS), Image.BOX).resize((inner - seen, HIGH))
        room.paste(Image.blend(colours, Image.new("RGB", colours.size, GREY), TONE), (seen, 0))
    return room
