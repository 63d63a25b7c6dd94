"""A preset's pictures: where its panels stand, and what is in them at each frame of the trailer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from lab.canvas import (
    blank,
    blend,
    centre,
    cover,
    cut,
    even,
    fit,
    halved,
    mirror,
    on_blur,
    paste,
    pixels,
    planes,
    scaled,
    shape,
    size_of,
    within,
)
from lab.credits import seen_by
from lab.edit import Edit, Row
from lab.films import named
from lab.lettering import inscribe, letters
from lab.presets import Preset, RenderSettings
from lab.subject import subject_of
from lab.video import EPSILON, INDEXED, WHOLE, Box, Frame, Player, Reader, probe

WIDEST = 1920  # pixels of a result that is as large as its panels, at most
INSET, MARGIN = 0.28, 0.03  # of a small picture in a corner: its part of the width, its distance
BAR, SWEEP, REACH = 4, 9.0, 0.38  # a wipe's bar: pixels; seconds there and back; how far it goes
LABEL = 32  # a square of the whole's area is so many times as high as a label
LOOKED = 320  # pixels of the longer side at which a subject is looked for
SAME = 0.02  # a frame's share below which blending is not worth it
JUMP = 8.0  # seconds of a trailer that are passed over rather by seeking than by reading


class Place(NamedTuple):
    """Where a panel stands, in pixels, and what is in it."""

    role: str
    left: int
    top: int
    width: int
    height: int

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height


def arrange(
    preset: Preset, trailer: tuple[float, float], how: str = "letterbox"
) -> tuple[tuple[int, int], list[Place]]:
    """Size of the whole and places of the panels, all even.

    With bars, panels have the trailer's shape and stand together in the middle; filled, they take
    up the whole.

    Parameters
    ----------
    preset : Preset
    trailer : (float, float)
        Width and height of the trailer's picture.
    how : str
        `RenderSettings.fit`.

    Examples
    --------
    >>> from lab.presets import PRESETS
    >>> size, (left, right) = arrange(PRESETS["side-by-side"], (1280, 720))
    >>> size, left[1:], right[1:]
    ((1920, 1080), (0, 270, 960, 540), (960, 270, 960, 540))
    """
    count = 1 if preset.over else len(preset.shows)
    rows = -(-count // preset.columns)
    if preset.size is None:
        scale = min(1.0, WIDEST / preset.columns / trailer[0])
        panel = even(trailer[0] * scale), even(trailer[1] * scale)
        size = panel[0] * preset.columns, panel[1] * rows
    else:
        size = preset.size
        cell = size[0] // preset.columns // 2 * 2, size[1] // rows // 2 * 2
        panel = fit(*trailer, cell) if how == "letterbox" else cell
    begin = [
        (all_ - few * part) // 4 * 2
        for all_, few, part in zip(size, (preset.columns, rows), panel, strict=True)
    ]
    places = []
    for number, role in enumerate(preset.shows):
        row, column = divmod(0 if preset.over else number, preset.columns)
        left, top = begin[0] + column * panel[0], begin[1] + row * panel[1]
        places.append(Place(role, left, top, *panel))
    if preset.over == "inset":
        small = fit(*trailer, (even(panel[0] * INSET), even(panel[1])))
        away = even(panel[0] * MARGIN)
        right, bottom = begin[0] + panel[0] - away, begin[1] + panel[1] - away
        places[1] = Place(preset.shows[1], right - small[0], bottom - small[1], *small)
    return size, places


@dataclass(frozen=True)
class Stretch:
    """Seconds of the trailer that one row answers; None where no row does."""

    begin: float
    end: float
    row: Row | None

    def runner_up(self) -> Row | None:
        """The row as the best other answer would have it: from the middle of its shot."""
        if self.row is None or self.row.kind != "match" or not self.row.alternatives:
            return None
        film, start, end = self.row.alternatives[0].split("-")
        start, end = int(start) / 1000, int(end) / 1000
        lasts = self.row.out_query - self.row.in_query
        speed = min(1.0, max(0.05, (end - start) / lasts))
        begin = start + max(0.0, (end - start - lasts * speed) / 2)
        values = {"match_film": film, "in_match": begin, "speed": speed}
        return self.row.model_copy(update={**values, "mirror": False, "reframe": None})


class Trailer:
    """A trailer's frames, for stretches that never go back.

    Parameters
    ----------
    path : path-like
    crop : Box
        Its picture inside its bars.
    size : (int, int)
        Pixels at which frames come.
    """

    def __init__(self, path, crop: Box, size: tuple[int, int]):
        self.path, self.view = path, {"crop": crop, "size": size}
        self.frames: Iterator[Frame] = iter(())
        self.held: Frame | None = None
        self.over = False
        self.jumps = probe(path).container in INDEXED

    def between(self, begin: float, end: float) -> Iterator[Frame]:
        """Frames that begin from `begin` seconds on, before `end`."""
        if self.over:
            return
        if self.held is None or (self.jumps and begin > float(self.held.time) + JUMP):
            start = begin if self.jumps and math.isfinite(begin) else None
            self.frames = iter(Reader(self.path, start=start, **self.view))
            self.held = next(self.frames, None)
        while self.held is not None and float(self.held.time) < end - EPSILON:
            frame, self.held = self.held, next(self.frames, None)
            self.over = self.held is None
            if float(frame.time) >= begin - EPSILON:
                yield frame


class Panels:
    """The pictures of a preset.

    Parameters
    ----------
    edit : Edit
    preset : Preset
    settings : RenderSettings
    """

    def __init__(self, edit: Edit, preset: Preset, settings: RenderSettings):
        self.edit, self.preset, self.settings = edit, preset, settings
        self.path, self.crop = edit.path(edit.trailer), Box(*edit.films[edit.trailer].crop)
        whole = shape(self.path, self.crop)
        self.size, self.places = arrange(preset, whole, settings.fit)
        largest = max((place.size for place in self.places), key=lambda size: size[0])
        fitted = cover if settings.fit == "crop" else fit
        self.trailer = Trailer(self.path, self.crop, fitted(*whole, largest))
        self.t0 = probe(self.path).t0

    def pictures(self, stretch: Stretch) -> Iterator[tuple[Fraction, np.ndarray]]:
        """Every frame of a stretch: its second on the trailer's clock, and the whole picture."""
        with ExitStack() as stack:
            shown = [self._shown(place, stretch, stack) for place in self.places]
            for frame in self.trailer.between(stretch.begin, stretch.end):
                time, trailer = float(frame.time), pixels(frame.picture)
                panels = [one.at(time, trailer) for one in shown]
                yield frame.time, self._together(panels, shown, time)

    def _shown(self, place: Place, stretch: Stretch, stack: ExitStack) -> _Shown:
        row = stretch.row
        if place.role == "runner-up":
            row = stretch.runner_up()
        if place.role == "seen":
            seen = _Seen(place, self.settings, self._focus(stretch), stretch.begin, self.t0)
            stack.callback(seen.close)
            return seen
        if place.role == "trailer" or (row is not None and row.kind == "keep"):
            name = named(self.edit.films[self.edit.trailer])
            return _Trailers(place, self.settings, self._focus(stretch), name, self.t0)
        if row is None or row.kind == "black":
            return _Shown(place, self.settings)
        answer = _Answer(place, self.settings, self.edit, row, stretch)
        stack.callback(answer.close)
        return answer

    def _focus(self, stretch: Stretch) -> tuple[float, float]:
        """Where to look in the trailer's picture."""
        if self.settings.fit != "crop":
            return 0.5, 0.5
        begin = max(stretch.begin, self.t0)
        end = min(stretch.end, self.t0 + probe(self.path).duration)
        return focus_of(self.path, self.crop, begin, end)

    def _together(self, panels: list[np.ndarray], shown: list[_Shown], time: float) -> np.ndarray:
        canvas = blank(self.size)
        if self.preset.over == "wipe":
            place = self.places[0]
            edge = 0.5 + REACH * math.sin(2 * math.pi * (time - self.t0) / SWEEP)
            paste(canvas, halved(*panels, edge, BAR), place.left, place.top)
        else:
            for place, panel in zip(self.places, panels, strict=True):
                if self.preset.over == "inset" and place is self.places[1]:
                    _frame(canvas, place)
                paste(canvas, panel, place.left, place.top)
        if self.settings.labels:
            for number, one in enumerate(shown):
                self._label(canvas, one.words(time), number)
        return canvas

    def _label(self, canvas: np.ndarray, words: str, number: int) -> None:
        """Write beside a panel: under it or over it where nothing is, else into its lower edge."""
        place, high = self.places[number], even(math.sqrt(math.prod(self.size)) / LABEL)
        text = letters(words, high, place.width - high)
        below, above = place.top + place.height, place.top
        free = self.size[1] - below >= high and not self._taken(place, below)
        left, top = place.left + high // 4 * 2, below
        if not free:
            over = above >= high and not self._taken(place, above - 1) and not self.preset.over
            top = above - high if over else below - high - high // 4 * 2
        if self.preset.over == "wipe" and number:
            left = place.left + place.width - text.size[0] - high // 4 * 2
        inscribe(canvas, text, left // 2 * 2, top // 2 * 2)

    def _taken(self, place: Place, y: int) -> bool:
        """Whether another panel stands at a height, above or below a panel."""
        return any(
            other.top <= y < other.top + other.height and other.left == place.left
            for other in self.places
            if other is not place and not self.preset.over
        )


class _Shown:
    """What one panel shows during one stretch: black."""

    def __init__(self, place: Place, settings: RenderSettings):
        self.place, self.settings = place, settings

    def at(self, time: float, trailer: np.ndarray) -> np.ndarray:
        return blank(self.place.size)

    def words(self, time: float) -> str:
        return ""


class _Trailers(_Shown):
    """The trailer itself."""

    def __init__(self, place, settings, focus, name: str, t0: float):
        super().__init__(place, settings)
        self.focus, self.name, self.t0 = focus, name, t0

    def at(self, time: float, trailer: np.ndarray) -> np.ndarray:
        fitted = cover if self.settings.fit == "crop" else fit
        picture = scaled(trailer, fitted(*size_of(trailer), self.place.size))
        return into(picture, self.place.size, self.settings.fit, self.focus)

    def words(self, time: float) -> str:
        return f"{self.name}  {timecode(time - self.t0)}"


class _Seen(_Shown):
    """The trailer as a network sees it: a film that begins when the trailer does."""

    def __init__(self, place, settings, focus, begin: float, t0: float):
        super().__init__(place, settings)
        info, self.focus = probe(settings.seen), focus
        self.behind, self.name = t0 - info.t0, seen_by(settings.seen).name
        fitted = cover if settings.fit == "crop" else fit
        size = fitted(info.width, info.height, place.size)
        self.player = Player(settings.seen, max(begin, t0) - self.behind, size=size)

    def at(self, time: float, trailer: np.ndarray) -> np.ndarray:
        picture = pixels(self.player.at(time - self.behind).picture)
        return into(picture, self.place.size, self.settings.fit, self.focus)

    def words(self, time: float) -> str:
        return f"as seen by {self.name}"

    def close(self) -> None:
        self.player.close()


class _Answer(_Shown):
    """A shot of the archive."""

    def __init__(self, place, settings, edit: Edit, row: Row, stretch: Stretch):
        super().__init__(place, settings)
        path, self.row, self.name = (
            edit.path(row.match_film),
            row,
            named(edit.films[row.match_film]),
        )
        crop = within(Box(*edit.films[row.match_film].crop), Box(*(row.reframe or WHOLE)))
        self.t0, self.focus = probe(path).t0, (0.5, 0.5)
        begin, end = row.moment(max(stretch.begin, row.in_query)), row.moment(row.out_query)
        if settings.fit == "crop" and not row.reframe:
            self.focus = focus_of(path, crop, begin, end)
            if row.mirror:
                self.focus = 1 - self.focus[0], self.focus[1]
        fitted = cover if settings.fit == "crop" else fit
        size = fitted(*shape(path, crop), place.size)
        self.player = Player(path, begin, size=size, crop=crop)

    def at(self, time: float, trailer: np.ndarray) -> np.ndarray:
        now, then, share = self.player.around(self.row.moment(time))
        picture = pixels(now.picture)
        if self.settings.blend and share > SAME:
            picture = blend(picture, pixels(then.picture), share)
        picture = mirror(picture) if self.row.mirror else picture
        return into(picture, self.place.size, self.settings.fit, self.focus)

    def words(self, time: float) -> str:
        return f"{self.name}  {timecode(self.row.moment(time) - self.t0)}"

    def close(self) -> None:
        self.player.close()


def into(picture: np.ndarray, panel: tuple[int, int], how: str, focus) -> np.ndarray:
    """A picture of the right scale in its panel: `how` as of `RenderSettings.fit`."""
    if how == "crop":
        return cut(picture, panel, focus)
    return on_blur(picture, panel) if how == "blur" else centre(picture, panel)


def _frame(canvas: np.ndarray, place: Place) -> None:
    """A white edge around a small picture."""
    wide = place.width + 2 * BAR, place.height + 2 * BAR
    white = blank(wide)
    planes(white)[0][:] = 235
    paste(canvas, white, place.left - BAR, place.top - BAR)


def focus_of(path, crop: Box, begin: float, end: float) -> tuple[float, float]:
    """Where the subject of a film's stretch is, in parts of its picture."""
    size = fit(*shape(path, crop), (LOOKED, LOOKED))
    player = Player(path, begin, size=size, crop=crop, pixels="rgb24")
    moments = [begin + part * (end - begin) for part in (0.25, 0.75)]
    pictures = [player.at(moment).picture.to_ndarray() for moment in moments]
    player.close()
    return subject_of(pictures)


def timecode(seconds: float) -> str:
    """Seconds as minutes and seconds.

    >>> timecode(83.9)
    '1:23'
    """
    whole = max(0, int(seconds + EPSILON))
    return f"{whole // 60}:{whole % 60:02d}"
