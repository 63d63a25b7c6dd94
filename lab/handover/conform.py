"""Conformed copies: for an EDL, which knows one rate and no speed, each answer as a clip."""

from __future__ import annotations

import math
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from urllib.parse import quote

import opentimelineio as otio

from lab.canvas import centre, mirror, open_panel, pixels, shape, within
from lab.edit import Edit, Row
from lab.handover.sources import Films, Source, drops
from lab.handover.timeline import spans
from lab.panels import arrange
from lab.presets import PRESETS
from lab.render import QUALITY
from lab.video import WHOLE, Box, Writer

START = "01:00:00{}00"  # timecode of every copy's first frame
HANDLE = 1  # seconds before and after the answer, where the film has them
SHORT = {"g": "12", "bf": "0"}  # a key frame every 12, so that editing programs seek at once


def plan(edit: Edit, films: Films, rate: Fraction, folder: str) -> dict[int, Source]:
    """The copies that a timeline needs, by row: an archive film's stretch, or the trailer's.

    Parameters
    ----------
    edit : Edit
    films : Films
    rate : Fraction
        The timeline's and every copy's frames a second.
    folder : str
        Name of the folder for them, beside the timeline's file.
    """
    copies, digits = {}, max(3, len(str(len(edit.shots))))
    for number, (begin, end) in enumerate(spans(edit, films[edit.trailer], rate)):
        row = edit.shots[number]
        if row.kind == "black" or end <= begin:
            continue
        film, seconds, speed = _shown(edit, row)
        source = films[film]
        before = _handle((seconds - source.t0) / speed, rate)
        after = _handle((source.end - seconds) / speed - float((end - begin) / rate), rate)
        reel = f"{source.reel[: 8 - digits]}{number + 1:0{digits}}"
        copies[number] = source._replace(
            url=quote(f"{folder}/{reel}.mp4"),
            reel=reel,
            rate=rate,
            first=round(otio.opentime.from_timecode(start(rate), float(rate)).value),
            length=before + end - begin + after,
            t0=seconds - before * speed / float(rate),
            sound=False,
            pace=speed,
            row=number,
        )
    return copies


def start(rate: Fraction) -> str:
    """The timecode at which copies begin: drop-frame, with a semicolon, where the rate asks."""
    return START.format(";" if drops(rate) else ":")


def _shown(edit: Edit, row: Row) -> tuple[str, float, float]:
    """What is shown for a row: the film, its second, its speed."""
    if row.kind == "keep":
        return edit.trailer, row.in_query, 1.0
    return row.match_film, row.in_match, row.speed


def _handle(seconds: float, rate: Fraction) -> int:
    """Whole frames of a handle, of the seconds that there are."""
    return max(0, math.floor(min(seconds, HANDLE) * rate + Fraction(1, 100)))


def conform(edit: Edit, copy: Source, path: Path) -> None:
    """Write a copy: a frame of the film for every frame of the timeline, as `edit` shows it.

    Raises
    ------
    EditError, FilmError, WriteError
    """
    row = edit.shots[copy.row]
    trailer = shape(edit.path(edit.trailer), Box(*edit.films[edit.trailer].crop))
    panel, _ = arrange(PRESETS["alone"], trailer)
    part = within(Box(*edit.films[copy.film].crop), Box(*(row.reframe or WHOLE)))
    options = {"time_base": 1 / copy.rate, "options": QUALITY | SHORT}
    with (
        closing(open_panel(copy.path, copy.t0, part, panel)) as player,
        Writer(path, panel, copy.rate, **options) as out,
    ):
        out.stream.metadata["timecode"] = start(copy.rate)
        for frame in range(copy.length):
            picture = pixels(player.at(copy.seconds(copy.first + frame)).picture)
            picture = mirror(picture) if row.mirror else picture
            out.write(centre(picture, panel), frame / copy.rate)
