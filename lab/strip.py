"""A video in the making: its pieces, one a shot, made where they are not there yet.

A piece is a part of the workspace (``work/render/``), named by all that its pictures depend on;
so that after one change only that shot is encoded again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from lab.credits import cited, seen_by
from lab.edit import Edit, EditError
from lab.films import fingerprint
from lab.lettering import card
from lab.panels import Panels, Stretch
from lab.presets import Preset, RenderSettings
from lab.store import Workspace, key_of, read_json, write_json
from lab.video import ENCODER, EPSILON, Piece, Probe, Writer, probe

VERSION = 1  # of what a shot's pictures depend on besides the edit and the settings
TITLE, CREDITS, LINES = 3.0, 5.0, 14  # seconds of a card; lines of one that names films


def title_lasts(edit: Edit) -> Fraction:
    """Seconds by which a title card delays a video."""
    info = probe(edit.path(edit.trailer))
    frame = _frame(info)
    return round(round(TITLE / frame) * frame / info.time_base) * info.time_base


def _frame(info: Probe) -> Fraction:
    """Seconds of a frame of the trailer, nominally."""
    return 1 / Fraction(info.fps).limit_denominator(4004)


def told(span: tuple[float, float]) -> str:
    """A span of seconds in words."""
    return f"{span[0]:g} to {span[1]:g} s"


def stretches(edit: Edit, begin: float, end: float) -> list[Stretch]:
    """The rows between two seconds of the trailer, and what lies between them.

    >>> from lab.edit import Row
    >>> rows = [Row(position=1, kind="black", in_query=1, out_query=2)]
    >>> made = Edit(trailer="", encoder="", calibration="", films={}, shots=rows)
    >>> [(one.begin, one.end, one.row is None) for one in stretches(made, 0, 3)]
    [(0, 1.0, True), (1.0, 2.0, False), (2.0, 3, True)]
    """
    found, at = [], begin
    for row in edit.shots:
        first, last = max(row.in_query, begin), min(row.out_query, end)
        if last - first <= EPSILON:
            continue
        if first > at + EPSILON:
            found.append(Stretch(at, first, None))
        found.append(Stretch(first, last, row))
        at = last
    return [*found, Stretch(at, end, None)] if end > at + EPSILON else found


class Strip:
    """A video in the making.

    Parameters
    ----------
    edit : Edit
    preset : Preset
    settings : RenderSettings
    seconds : (float, float)
        From where to where on the trailer's clock.
    workspace : Workspace

    Attributes
    ----------
    pieces : list of Piece
    count, made : int
        Frames of all, and of those that were encoded now.
    shift, closes, ends : Fraction
        Seconds of the video at which the trailer begins and ends, and at which all ends.
    first, last : Fraction
        Seconds of the trailer at which its picture begins and ends here.
    """

    def __init__(self, edit: Edit, preset: Preset, settings: RenderSettings, seconds, workspace):
        self.edit, self.preset, self.settings = edit, preset, settings
        self.workspace, self.seconds = workspace, seconds
        self.info = probe(edit.path(edit.trailer))
        self.stretches = stretches(edit, *seconds)
        self.panels = Panels(edit, preset, settings)
        seen = settings.seen
        self.seen = [fingerprint(seen), seen_by(seen).name] if seen else []
        self.pieces: list[Piece] = []
        self.count = self.made = 0
        self.ends = self.closes = self.shift = Fraction(0)
        self.first: Fraction | None = None
        self.last = Fraction(0)
        self.frame = _frame(self.info)

    def make(self) -> None:
        """Make what is not there yet, one shot after the other."""
        begin = max(self.seconds[0], self.info.t0)
        lasts = min(self.seconds[1], self.info.t0 + self.info.duration) - begin
        with tqdm(total=round(lasts * self.info.fps), desc="render", unit="frame") as bar:
            if self.settings.title:
                self._card(card(self.settings.title, [], self.panels.size), TITLE)
                self.shift = self.ends
            for stretch in self.stretches:
                self._shot(stretch, bar)
            bar.total = bar.n
            bar.refresh()
        if self.first is None:
            raise EditError(f"the trailer has no frame from {told(self.seconds)}.")
        if self.settings.credits:
            lines = [one.line for one in cited(self.edit, self.seconds, self.settings.seen)]
            for at in range(0, len(lines), LINES):
                head = "Films" if not at else ""
                self._card(card(head, lines[at : at + LINES], self.panels.size), CREDITS)

    @property
    def size(self) -> int:
        """Bytes of all pieces."""
        return sum(piece.path.stat().st_size for piece in self.pieces)

    def _shot(self, stretch: Stretch, bar) -> None:
        pictures = self.panels.pictures(stretch)
        part, times = self._part(self._key(stretch), pictures, bar)
        if not times:
            return
        self.first = times[0] if self.first is None else self.first
        self.pieces.append(Piece(part / "video.mp4", self.shift + times[0] - self.first))
        self.last = times[-1] + self.frame
        self.ends = self.closes = self.shift + self.last - self.first
        self.count += len(times)

    def _card(self, picture: np.ndarray, seconds: float) -> None:
        count = round(seconds / self.frame)
        tick = self.info.time_base
        at = [round(k * self.frame / tick) * tick for k in range(count + 1)]
        key = key_of(VERSION, "card", picture.tobytes().hex(), *self._encoding, size=12)
        part, times = self._part(key, ((time, picture) for time in at[:-1]), None)
        begin = round(self.ends / tick) * tick
        self.pieces.append(Piece(part / "video.mp4", begin))
        self.ends = begin + at[-1]
        self.count += len(times)

    def _part(self, key: str, pictures, bar) -> tuple[Path, list[Fraction]]:
        """A piece on disk, made where it is not there; and when its frames are seen."""
        part = self.workspace.part("render", self.edit.trailer, key)
        told = read_json(part / "times.json")
        if told is not None and not _whole(part, told):
            shutil.rmtree(part)
            told = None
        if told is None:
            with self.workspace.making("render", self.edit.trailer, key) as folder:
                video = folder / "video.mp4"
                times = [str(time) for time in self._encoded(pictures, video, bar)]
                told = {"times": times, "bytes": video.stat().st_size if times else 0}
                write_json(folder / "times.json", told)
            self.made += len(times)
        else:
            os.utime(part)  # it is in use: what is not, makes room first
            if bar is not None:
                bar.update(len(told["times"]))
        return part, [Fraction(time) for time in told["times"]]

    def _encoded(self, pictures, path: Path, bar) -> Iterator[Fraction]:
        pictures = iter(pictures)
        first = next(pictures, None)
        if first is None:  # a stretch without a frame gives no video
            return
        with self._writer(path) as writer:
            for time, picture in chain([first], pictures):
                writer.write(picture, time - first[0])
                if bar is not None:
                    bar.update()
                yield time

    def _writer(self, path: Path) -> Writer:
        options = {"preset": self.settings.speed, "crf": str(self.settings.crf)}
        base, fps = self.info.time_base, self.info.fps
        return Writer(path, self.panels.size, fps, time_base=base, options=options)

    @property
    def _encoding(self) -> tuple:
        settings, info = self.settings, self.info
        clock = str(info.time_base), info.fps
        return ENCODER, settings.crf, settings.speed, self.panels.size, *clock

    def _key(self, stretch: Stretch) -> str:
        """Names all that a shot's pictures depend on."""
        names = ("kind", "in_query", "match_film", "in_match", "speed", "mirror", "reframe")
        rows = [stretch.row]
        if "runner-up" in self.preset.shows:
            rows.append(stretch.runner_up())
        decided = [row.model_dump(include=set(names)) if row else None for row in rows]
        films = {row.match_film for row in rows if row} | {self.edit.trailer}
        entries = [self.edit.films[one] for one in sorted(films & set(self.edit.films))]
        told = [(e.crop, *((e.title, e.year, e.path) * self.settings.labels)) for e in entries]
        told += self.seen
        look = self.settings.fit, self.settings.labels, self.settings.blend, *self.preset
        span = stretch.begin, stretch.end
        return key_of(VERSION, look, span, decided, told, *self._encoding, size=12)


def _whole(part: Path, told: dict) -> bool:
    """Whether a piece is as it was written."""
    video = part / "video.mp4"
    if not isinstance(told, dict) or told.keys() != {"times", "bytes"}:
        return False
    return not told["times"] or (video.is_file() and video.stat().st_size == told["bytes"])


def make_room(workspace: Workspace, kept: int) -> None:
    """Remove the pieces that were not in use for longest, until `kept` bytes are left."""
    parts = sorted(
        (workspace.work / "render").glob("[!.]*/"), key=lambda part: -part.stat().st_mtime
    )
    total = 0
    for part in parts:
        total += sum(file.stat().st_size for file in part.iterdir())
        if total > kept:
            shutil.rmtree(part, ignore_errors=True)
