"""An edit made visible: a finished video, shot by shot, with its sound.

Every frame of the trailer gives one frame of the result, at the trailer's own time; the answers
show what the edit names for that time. Each shot is encoded by itself and kept, so that after one
change only that shot is made again; then all are put together packet by packet.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from lab.canvas import shape
from lab.credits import cited
from lab.edit import Edit, EditError
from lab.films import Register
from lab.lettering import card
from lab.panels import Panels, Stretch, arrange
from lab.presets import PRESETS, Preset, RenderSettings, misfits
from lab.soundtrack import brought_to, heard
from lab.store import Workspace, key_of, read_json, sweep_beside, write_json
from lab.video import (
    COPIED_SOUND,
    EPSILON,
    SOUND_RATE,
    Box,
    Piece,
    Probe,
    Writer,
    copied,
    encoded,
    join,
    probe,
    shrink,
    sound_codec,
)

VERSION = 1  # of what a shot's pictures depend on besides the edit and the settings
QUALITY = {"preset": "medium", "crf": "18"}
TITLE, CREDITS, LINES = 3.0, 5.0, 14  # seconds of a card; lines of one that names films
KEPT = 4 * 10**9  # bytes of encoded shots that are kept, at least those of the last video
FINGERPRINT = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True)
class Rendered:
    """What was made.

    Attributes
    ----------
    path : Path
    frames : int
    sound_copied : bool or None
        Whether the sound was copied; None: silent.
    made : int
        Frames that were encoded; the others stood already.
    notes : tuple of str
        What a person should know of it.
    """

    path: Path
    frames: int
    sound_copied: bool | None
    made: int = 0
    notes: tuple[str, ...] = ()


def render(
    edit: Edit,
    out,
    preset: str = "side-by-side",
    settings: RenderSettings | None = None,
    *,
    only: tuple[int, int] | None = None,
    span: tuple[float, float] | None = None,
    max_mb: float | None = None,
    workspace: Workspace | None = None,
) -> Rendered:
    """Render an edit to an H.264 MP4 with the trailer's own sound.

    Parameters
    ----------
    edit : Edit
    out : path-like
        The video appears under this name only when complete.
    preset : str
        Of `lab.presets.PRESETS`: how trailer and answers are laid out.
    settings : RenderSettings, optional
    only : (int, int), optional
        First and last position of the trailer's shots that are shown; by default all.
    span : (float, float), optional
        Seconds of the trailer, from its beginning, that are shown; not with `only`.
    max_mb : float, optional
        Megabytes (millions of bytes) that the file may take: it is encoded once more, in two
        passes, to be as good as that allows.
    workspace : Workspace, optional
        Keeps encoded shots, so that only what changed is made again; by default nothing is kept.

    Raises
    ------
    EditError
        If the edit shows nothing of the trailer there, a film is gone, or is not the one that was
        matched.
    FilmError, WriteError

    Examples
    --------
    >>> render(load_edit("edit.yaml"), "reel.mp4", "stacked", span=(10, 25))  # doctest: +SKIP
    """
    layout, settings, out = PRESETS[preset], settings or RenderSettings(), Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if workspace is None:
            place = tempfile.TemporaryDirectory(prefix=".lab-", dir=out.parent)
            workspace = Workspace(stack.enter_context(place))
        flat = check(edit, layout, out, workspace)
        workspace.sweep()
        sweep_beside(out)
        strip = _Strip(edit, layout, settings, chosen(edit, only, span), workspace)
        strip.make()
        make_room(workspace, max(KEPT, strip.size))
        sound, notes = _sound(strip, whole=only is None and span is None)
        whole = stack.enter_context(_intermediate(out, workspace)) if max_mb else out
        as_it_was = join(strip.pieces, whole, strip.ends, sound)
        if max_mb:
            as_it_was = None if as_it_was is None else False
            if not shrink(whole, out, int(max_mb * 1e6), {"preset": settings.speed}):
                notes.append("its pictures are so simple that they need less than that.")
    return Rendered(out, strip.count, as_it_was, strip.made, (*flat, *notes))


@contextmanager
def _intermediate(out: Path, workspace: Workspace) -> Iterator[Path]:
    """Where a video lies before it is made to fit a size."""
    path = workspace.work / "render" / f".{os.getpid()}-{out.name}"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def check(edit: Edit, preset: Preset, out: Path, workspace: Workspace) -> list[str]:
    """Make sure that every film is there, and is the one that was matched.

    Returns
    -------
    list of str
        Films whose pictures will not look as they should, a sentence each.

    Raises
    ------
    EditError
    """
    register, used = Register(workspace), {edit.trailer}
    used |= {shot.match_film for shot in edit.shots if shot.kind == "match"}
    if "runner-up" in preset.shows:
        used |= {row.alternatives[0].split("-")[0] for row in edit.shots if row.alternatives}
    for film_id in sorted(used):
        path = edit.path(film_id)
        if path.resolve() == out.resolve():
            raise EditError(f"{out}: is one of the films; give the video another name.")
        # A person may call films otherwise; then there is nothing to compare.
        if FINGERPRINT.fullmatch(film_id) and register.identify(path) != film_id:
            raise EditError(
                f"{path}: is not the film that was matched, its content is another; put that one "
                "back, or run `lab match` again."
            )
    hdr = [path for path in map(edit.path, sorted(used)) if probe(path).hdr]
    return [
        f"{path}: is HDR, and will look flat; make a copy in SDR, and match that." for path in hdr
    ]


def title_lasts(edit: Edit) -> Fraction:
    """Seconds by which a title card delays a video."""
    info = probe(edit.path(edit.trailer))
    frame = _frame(info)
    return round(round(TITLE / frame) * frame / info.time_base) * info.time_base


def _frame(info: Probe) -> Fraction:
    """Seconds of a frame of the trailer, nominally."""
    return 1 / Fraction(info.fps).limit_denominator(4004)


def misfit(
    edit: Edit,
    preset: str,
    settings: RenderSettings,
    platform: str,
    *,
    only: tuple[int, int] | None = None,
    span: tuple[float, float] | None = None,
    max_mb: float | None = None,
) -> list[str]:
    """Why a place would not take a video, told before it is made; arguments as of `render`."""
    path, crop = edit.path(edit.trailer), Box(*edit.films[edit.trailer].crop)
    info, (begin, end) = probe(path), chosen(edit, only, span)
    lasts = min(end, info.t0 + info.duration) - max(begin, info.t0)
    lasts += TITLE * bool(settings.title)
    if settings.credits:
        lasts += CREDITS * math.ceil(len(cited(edit, (begin, end))) / LINES)
    size, _ = arrange(PRESETS[preset], shape(path, crop), settings.fit)
    return misfits(platform, size, lasts, max_mb)


def chosen(
    edit: Edit, only: tuple[int, int] | None, span: tuple[float, float] | None
) -> tuple[float, float]:
    """Seconds on the trailer's clock that are shown, from and to.

    Raises
    ------
    EditError
        If there is nothing of the trailer.
    """
    if span is None:
        return edit.stretch(only)
    info = probe(edit.path(edit.trailer))
    begin, end = info.t0 + span[0], info.t0 + span[1]
    if not span[0] < min(span[1], info.duration):
        raise EditError(f"the trailer lasts {info.duration:.1f} s: nothing is from {_span(span)}.")
    return begin, end


def _span(span: tuple[float, float]) -> str:
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


class _Strip:
    """A video in the making: its pieces, one a shot, and when each is seen."""

    def __init__(self, edit: Edit, preset: Preset, settings: RenderSettings, seconds, workspace):
        self.edit, self.preset, self.settings = edit, preset, settings
        self.workspace, self.seconds = workspace, seconds
        self.info = probe(edit.path(edit.trailer))
        self.stretches = stretches(edit, *seconds)
        self.panels = Panels(edit, preset, settings)
        self.pieces: list[Piece] = []
        self.count = self.made = 0
        self.ends, self.shift = Fraction(0), Fraction(0)
        # Seconds of the trailer at which its picture begins and ends here.
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
            raise EditError(f"the trailer has no frame from {_span(self.seconds)}.")
        if self.settings.credits:
            lines = [one.line for one in cited(self.edit, self.seconds)]
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
        self.ends = self.shift + self.last - self.first
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
        writer, first = None, None
        try:
            for time, picture in pictures:
                if writer is None:
                    writer, first = self._writer(path), time
                writer.write(picture, time - first)
                if bar is not None:
                    bar.update()
                yield time
            if writer is not None:
                writer.close()
        except BaseException:
            if writer is not None:
                writer.discard()
            raise

    def _writer(self, path: Path) -> Writer:
        options = {"preset": self.settings.speed, "crf": str(self.settings.crf)}
        base, fps = self.info.time_base, self.info.fps
        return Writer(path, self.panels.size, fps, time_base=base, options=options)

    @property
    def _encoding(self) -> tuple:
        settings, info = self.settings, self.info
        return settings.crf, settings.speed, self.panels.size, str(info.time_base), info.fps

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


def _sound(strip: _Strip, whole: bool) -> tuple[Callable, list[str]]:
    """What gives an output its sound, and notes."""
    edit, settings = strip.edit, strip.settings
    path = edit.path(edit.trailer)
    codec = sound_codec(path)
    if not codec and not settings.archive_sound:
        return (lambda _: None), []
    plain = whole and not (settings.title or settings.archive_sound or settings.loudness)
    if plain and (codec == "aac" or (codec in COPIED_SOUND and not strip.preset.posting)):
        return (lambda output: copied(path, output, strip.first)), []

    def blocks() -> Iterator[np.ndarray]:
        if strip.shift:
            yield np.zeros((2, round(strip.shift * SOUND_RATE)), np.float32)
        yield from heard(
            edit,
            strip.stretches,
            strip.first,
            strip.last,
            whole=whole,
            under=settings.archive_sound,
        )

    notes = []
    if settings.loudness is not None:
        blocks, note = brought_to(settings.loudness, blocks)
        notes.append(note)
    return (lambda output: encoded(blocks(), output)), notes
