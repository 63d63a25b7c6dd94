"""A finished film's pictures: a poster, and a teaser that moves; both of its strongest pairs."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps
from tqdm.auto import tqdm

from lab.canvas import cover, fit, shape, window, within
from lab.credits import answered, cited
from lab.edit import Edit, Row
from lab.films import named
from lab.language import counted
from lab.lettering import font
from lab.panels import focus_of
from lab.sheets import at_its_best, ending, still
from lab.store import image_file, write_whole
from lab.video import EPSILON, WHOLE, Box, Player, WriteError, gif

GLANCE = (64, 36)  # pixels of a picture that is not for looking at
MARGIN, GAP, SEAM = 0.07, 0.02, 2  # of a poster: parts of its width; pixels within a pair
ROWS, PRINT = 3, 8  # pairs on a poster, at least; lines of small print, at most
SECOND, TICK = 1.04, Fraction(2, 25)  # seconds of a pair in a teaser, at most, and of a frame
TRIES = (  # a teaser's width, of how many frames one, quality: until it is small enough
    *((960, 1, 90), (960, 1, 80), (800, 1, 75), (640, 1, 70), (540, 1, 60), (480, 1, 50)),
    *((480, 2, 50), (360, 2, 40), (240, 2, 30)),
)
LEEWAY = 1.5  # how much smaller than its pixels tell a teaser may turn out
ROUNDED = 2  # pixels by which a picture of the panel's own shape may be larger than that
PAPER, INK, FAINT = (13, 13, 14), (236, 233, 226), (136, 133, 128)


def poster(edit: Edit, out, *, title: str = "", width: int = 2000) -> int:
    """A poster, two by three: the strongest pairs, trailer left and answer right; all films.

    Pairs are those of best score, of as many films as there are, that show something; they stand
    in the trailer's order, cut to the subject so that all have one shape.

    Parameters
    ----------
    edit : Edit
    out : path-like
        ``.png``, or ``.pdf`` of one page 50 cm wide.
    title : str, optional
        By default the trailer's.
    width : int
        Pixels.

    Returns
    -------
    int
        Pairs shown.

    Raises
    ------
    EditError
        If the edit answers nothing, or a film is gone.
    WriteError
        If the ending is another.

    Examples
    --------
    >>> poster(load_edit("edit.yaml"), "poster.pdf", title="Sintel, again")  # doctest: +SKIP
    """
    kind = ending(out, ".png", ".pdf")
    sheet = Image.new("RGB", (width, width * 3 // 2), PAPER)
    margin, apart = round(width * MARGIN), round(width * GAP)
    foot = _foot(edit, title, width - 2 * margin)
    room = sheet.height - 3 * margin - foot.height
    crop = Box(*edit.films[edit.trailer].crop)
    whole = shape(edit.path(edit.trailer), crop)
    least = min(ROWS, len(answered(edit)))
    panel, across, down = _grid(whole, (width - 2 * margin, room), apart, least)
    shots = best(edit, across * down)
    step = panel[0] * 2 + 2 * apart, panel[1] + apart
    for number, (shot, moment) in enumerate(tqdm(shots, desc="poster", unit="pair")):
        row, column = divmod(number, across)
        for side, picture in enumerate(next(_side_by_side(edit, shot, [moment], panel))):
            left = margin + column * step[0] + side * (panel[0] + SEAM)
            sheet.paste(picture, (left, margin + row * step[1]))
    sheet.paste(foot, (margin, sheet.height - margin - foot.height))
    dots = width / 50 * 2.54
    write_whole(Path(out), image_file(sheet, kind[1:], resolution=dots, quality=92))
    return len(shots)


def _grid(whole, room: tuple[int, int], apart: int, least: int) -> tuple[tuple, int, int]:
    """Size of a picture; pairs across and down: few across, so that pictures are large."""
    for across in (1, 2, 3):
        wide = (room[0] - (across - 1) * apart * 2) // across
        panel = (wide - SEAM) // 2, round((wide - SEAM) / 2 * whole[1] / whole[0])
        down = (room[1] + apart) // (panel[1] + apart)
        if across * down >= least:
            break
    return panel, across, max(1, down)


def best(edit: Edit, count: int) -> list[tuple[Row, float]]:
    """The strongest pairs, in the trailer's order; dull ones only where there is room for them.

    Each with the second of the trailer at which both its sides show something.

    Raises
    ------
    EditError
        If the edit answers nothing, or a film is gone.
    """
    good, dull = [], []
    for shot in strongest(answered(edit)):
        if len(good) == count:
            break
        moment = showing(edit, shot)
        (dull if moment is None else good).append((shot, moment or shot.middle))
    return sorted([*good, *dull][:count], key=lambda pair: pair[0].in_query)


def showing(edit: Edit, shot: Row) -> float | None:
    """A second of the trailer at which both sides of a pair show something; None: at none."""

    def glance(moment: float) -> list[Image.Image]:
        return [
            still(edit, edit.trailer, moment, GLANCE),
            still(edit, shot.match_film, shot.moment(moment), GLANCE),
        ]

    return at_its_best(shot, glance)[1]


def strongest(shots: Sequence[Row]) -> list[Row]:
    """Answered shots, the best of every film before the second of any.

    >>> rows = [("a", 0.9), ("a", 0.8), ("b", 0.5), ("c", None)]
    >>> made = [Row(position=1, in_query=0, out_query=1, match_film=f, score=s) for f, s in rows]
    >>> [(row.match_film, row.score) for row in strongest(made)]
    [('a', 0.9), ('b', 0.5), ('c', None), ('a', 0.8)]
    """
    ranked = sorted(shots, key=lambda shot: 1.0 if shot.score is None else -shot.score)
    before, rounds = Counter(), []
    for shot in ranked:
        rounds.append(before[shot.match_film])
        before[shot.match_film] += 1
    return [ranked[place] for place in sorted(range(len(ranked)), key=rounds.__getitem__)]


def _side_by_side(
    edit: Edit, shot: Row, moments: Sequence[float], panel: tuple[int, int]
) -> Iterator[tuple[Image.Image, Image.Image]]:
    """Trailer and answer at seconds of the trailer, both filling a panel."""
    theirs = [shot.moment(moment) for moment in moments]
    part = Box(*shot.reframe) if shot.reframe else WHOLE
    trailers = _filling(edit, edit.trailer, WHOLE, moments, panel)
    answers = _filling(edit, shot.match_film, part, theirs, panel)
    for trailer, answer in zip(trailers, answers, strict=True):
        yield trailer, answer.transpose(Image.FLIP_LEFT_RIGHT) if shot.mirror else answer


def _filling(edit: Edit, film_id: str, part: Box, moments, panel) -> Iterator[Image.Image]:
    """A film's pictures at seconds of its own, cut to the subject where their shape is another."""
    path = edit.path(film_id)
    crop = within(Box(*edit.films[film_id].crop), part)
    size = cover(*shape(path, crop), panel)
    focus = 0.5, 0.5
    if part == WHOLE and max(size[0] - panel[0], size[1] - panel[1]) > ROUNDED:
        focus = focus_of(path, crop, moments[0], moments[-1])
    left, top = map(round, window(focus, size, panel))
    player = Player(path, moments[0], size=size, crop=crop, pixels="rgb24")
    for moment in moments:
        picture = player.at(moment).picture.to_image()
        yield picture.crop((left, top, left + panel[0], top + panel[1]))
    player.close()


def teaser(edit: Edit, out, *, max_mb: float = 8.0, pairs: int = 6) -> tuple[int, int]:
    """The strongest pairs side by side, a second of each, over and over: an animated picture.

    Parameters
    ----------
    edit : Edit
    out : path-like
        ``.webp`` (true colours, smaller), or ``.gif`` (256 colours, taken everywhere).
    max_mb : float
        Megabytes (millions of bytes) that it may take: it is made smaller, coarser and slower
        until it does.
    pairs : int
        How many at most.

    Returns
    -------
    (int, int)
        Width and height, in pixels.

    Raises
    ------
    EditError
        If the edit answers nothing, or a film is gone.
    WriteError
        If the ending is another, it is one of the films, or it cannot be made small enough.

    Examples
    --------
    >>> teaser(load_edit("edit.yaml"), "teaser.webp", max_mb=3)  # doctest: +SKIP
    """
    kind = ending(out, ".webp", ".gif")
    if Path(out).resolve() in (edit.path(film.film_id).resolve() for film in cited(edit)):
        raise WriteError(out, "is one of the films; give the teaser another name.")
    frames = _moving(edit, [shot for shot, _ in best(edit, pairs)])
    data, size = _small_enough(frames, kind, max_mb * 1e6)
    if len(data) > max_mb * 1e6:
        why = f"does not go into {max_mb:g} MB; allow {len(data) / 1e6 + 0.01:.2f} MB, or take "
        raise WriteError(out, why + "fewer pairs.")
    write_whole(Path(out), data)
    return size


def _small_enough(frames: list[Image.Image], kind: str, most: float) -> tuple[bytes, tuple]:
    """The best that takes no more than `most` bytes, or else the smallest; and its size."""
    tries = list(TRIES)
    while tries:
        width, skip, quality = tries.pop(0)
        share = width / TRIES[0][0]
        some = [ImageOps.scale(frame, share, Image.LANCZOS) for frame in frames[::skip]]
        data = _animated(some, kind, skip, quality)
        if len(data) <= most:
            break
        # What is much too large is too large at a little less: bytes go about with the pixels.
        dots = most * LEEWAY / len(data) * width**2 / skip
        tries = [one for one in tries if one[0] ** 2 / one[1] <= dots] or tries[-1:]
    return data, some[0].size


def _moving(edit: Edit, shots: list[Row]) -> list[Image.Image]:
    """Frames of the pairs one after another, at the largest size of a teaser."""
    whole = shape(edit.path(edit.trailer), Box(*edit.films[edit.trailer].crop))
    panel = fit(*whole, ((TRIES[0][0] - SEAM) // 2, TRIES[0][0] // 2))
    frames = []
    for shot in tqdm(shots, desc="teaser", unit="pair"):
        lasts = min(SECOND, shot.out_query - shot.in_query)
        begin = shot.middle - lasts / 2
        moments = [
            begin + number * float(TICK) for number in range(max(1, int(lasts / TICK + EPSILON)))
        ]
        for pair in _side_by_side(edit, shot, moments, panel):
            frame = Image.new("RGB", (panel[0] * 2 + SEAM, panel[1]), PAPER)
            for side, picture in enumerate(pair):
                frame.paste(picture, (side * (panel[0] + SEAM), 0))
            frames.append(frame)
    return frames


def _animated(frames: list[Image.Image], kind: str, skip: int, quality: int) -> bytes:
    if kind == ".gif":
        return gif([np.asarray(frame) for frame in frames], TICK * skip)
    whole = {"save_all": True, "append_images": frames[1:], "duration": int(TICK * skip * 1000)}
    return image_file(frames[0], "WEBP", **whole, quality=quality, method=4, loop=0)


def _foot(edit: Edit, title: str, wide: int) -> Image.Image:
    """Title and small print: every film with its year."""
    films = cited(edit)
    trailer, others = films[-1].entry, [film for film in films if film.positions]
    large, middle, small = (round(wide * part) for part in (0.055, 0.0185, 0.0145))
    words = textwrap.wrap(
        title or trailer.title or named(trailer), 36, max_lines=3, placeholder="…"
    )
    spaced = ["\u2009".join(line.upper()) for line in words]
    longest = max((font(large).getlength(line) for line in spaced), default=0)
    large = min(large, int(large * wide / max(longest, 1)))
    told = f"reinterpreted with shots from {counted(len(others), 'film')}"
    names = [textwrap.shorten(named(film.entry), 80, placeholder="…") for film in others]
    print_ = _wrapped(names, font(small), wide)
    step = round(small * 1.65)
    high = [round(large * (0.35 + 1.3 * len(spaced))), round(middle * 2.6), step * len(print_)]
    foot = Image.new("RGB", (wide, sum(high)), PAPER)
    draw = ImageDraw.Draw(foot)
    for number, line in enumerate(spaced):
        draw.text((0, round(number * large * 1.3)), line, INK, font(large))
    draw.text((0, high[0]), told, FAINT, font(middle))
    for number, line in enumerate(print_):
        draw.text((0, high[0] + high[1] + number * step), line, FAINT, font(small))
    return foot


def _wrapped(names: list[str], letters: ImageFont.FreeTypeFont, wide: int) -> list[str]:
    """Names in lines, none of them broken; of very many, how many more there are."""
    lines = [""]
    for number, name in enumerate(names):
        longer = f"{lines[-1]}   ·   {name}" if lines[-1] else name
        if letters.getlength(longer) <= wide:
            lines[-1] = longer
        elif len(lines) == PRINT:
            return [*lines, f"and {counted(len(names) - number, 'more film')}"]
        else:
            lines.append(name)
    return lines
