"""An edit made visible: a finished video, shot by shot, with its sound.

Every frame of the trailer gives one frame of the result, at the trailer's own time; the answers
show what the edit names for that time. Each shot is encoded by itself and kept, so that after one
change only that shot is made again; then all are put together packet by packet.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from lab.canvas import shape
from lab.credits import cited
from lab.edit import Edit, EditError, Row
from lab.films import Register
from lab.panels import arrange
from lab.presets import Preset, RenderSettings, laid_out, misfits
from lab.soundtrack import brought_to, closed, heard
from lab.store import Workspace, sweep_beside
from lab.strip import CREDITS, LINES, Strip, make_room, title_lasts, told
from lab.video import (
    COPIED_SOUND,
    SOUND_RATE,
    Box,
    copied,
    encoded,
    join,
    loudness,
    maker,
    probe,
    shrink,
    sound_codec,
)

QUALITY = {"preset": "medium", "crf": "18"}
KEPT = 4 * 10**9  # bytes of encoded shots that are kept, at least those of the last video
APART = 0.5  # seconds by which what containers say of one length may differ
FADE = Fraction(1, 50)  # seconds in which a stretch's sound goes
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
    settings, out = settings or RenderSettings(), Path(out)
    layout = laid_out(preset, settings.seen)
    edit = as_shown(edit, layout)
    out.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if workspace is None:
            name = {"prefix": f".{out.name}.", "suffix": f".{maker()}.part"}  # can be swept
            place = tempfile.TemporaryDirectory(**name, dir=out.parent)
            workspace = Workspace(stack.enter_context(place))
        check(edit, layout, out, workspace)
        if settings.seen:
            _check_seen(edit, Path(settings.seen), out)
        workspace.sweep()
        sweep_beside(out)
        strip = Strip(edit, layout, settings, chosen(edit, only, span), workspace)
        strip.make()
        make_room(workspace, max(KEPT, strip.size))
        sound, notes = _sound(strip, whole=only is None and span is None)
        whole = stack.enter_context(_intermediate(out, workspace)) if max_mb else out
        as_it_was = join(strip.pieces, whole, strip.ends, sound)
        if max_mb:
            as_it_was = None if as_it_was is None else False
            if not shrink(whole, out, int(max_mb * 1e6), {"preset": settings.speed}):
                notes.append("its pictures are so simple that they need less than that.")
    return Rendered(out, strip.count, as_it_was, strip.made, (*_cut_off(edit, span), *notes))


@contextmanager
def _intermediate(out: Path, workspace: Workspace) -> Iterator[Path]:
    """Where a video lies before it is made to fit a size."""
    path = workspace.work / "render" / f".{maker()}-{out.name}"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def check(edit: Edit, preset: Preset, out: Path, workspace: Workspace) -> None:
    """Make sure that every film is there, and is the one that was matched.

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


def _check_seen(edit: Edit, seen: Path, out: Path) -> None:
    """Make sure that a film seen through a network is of the trailer, as far as its length tells.

    Raises
    ------
    EditError, FilmError
    """
    if seen.resolve() == out.resolve():
        raise EditError(f"{out}: is one of the films; give the video another name.")
    trailer = edit.path(edit.trailer)
    lasts, wanted = probe(seen).duration, probe(trailer).duration
    if abs(lasts - wanted) > APART:
        raise EditError(
            f"{seen}: lasts {lasts:.1f} s, and the trailer {wanted:.1f} s; make it of the trailer, "
            f"with `lab see run {trailer}`."
        )


def as_shown(edit: Edit, preset: Preset) -> Edit:
    """The edit as far as a preset shows it: where it shows no answer, all shots are kept.

    Then the films that answer need not be there, and are neither heard nor named.
    """
    if {"answer", "runner-up"} & {*preset.shows}:
        return edit
    rows = [
        Row(position=row.position, kind="keep", in_query=row.in_query, out_query=row.out_query)
        for row in edit.shots
    ]
    return edit.model_copy(update={"shots": rows})


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
    layout = laid_out(preset, settings.seen)
    edit = as_shown(edit, layout)
    path, crop = edit.path(edit.trailer), Box(*edit.films[edit.trailer].crop)
    info, (begin, end) = probe(path), chosen(edit, only, span)
    lasts = min(end, info.t0 + info.duration) - max(begin, info.t0)
    lasts += title_lasts(edit) if settings.title else 0
    if settings.credits:
        lasts += CREDITS * math.ceil(len(cited(edit, (begin, end), settings.seen)) / LINES)
    size, _ = arrange(layout, shape(path, crop), settings.fit)
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
        raise EditError(f"the trailer lasts {info.duration:.1f} s: nothing is from {told(span)}.")
    return begin, end


def _cut_off(edit: Edit, span: tuple[float, float] | None) -> list[str]:
    """Told, if less of the trailer is left than was asked for."""
    lasts = probe(edit.path(edit.trailer)).duration
    if span is None or math.isinf(span[1]) or span[1] <= lasts + 0.05:
        return []
    return [f"the trailer ends at {lasts:.1f} s: {lasts - span[0]:.1f} s are shown."]


def _sound(strip: Strip, whole: bool) -> tuple[Callable, list[str]]:
    """What gives an output its sound; and how loud that is, and what else is to be told of it."""
    edit, settings = strip.edit, strip.settings
    path, cards = edit.path(edit.trailer), settings.credits or bool(settings.title)
    codec = sound_codec(path)
    if not codec and not settings.archive_sound:
        return (lambda _: None), []
    blocks = partial(_blocks, strip, whole)
    if settings.loudness is not None:
        blocks, note = brought_to(settings.loudness, blocks)
        return (lambda output: encoded(blocks(), output)), [note]
    note = f"its sound has {loudness(blocks()).integrated:.1f} LUFS."
    plain = whole and not (cards or settings.archive_sound)
    if plain and (codec == "aac" or (codec in COPIED_SOUND and not strip.preset.posting)):
        return (lambda output: copied(path, output, strip.first)), [note]
    return (lambda output: encoded(blocks(), output)), [note]


def _blocks(strip: Strip, whole: bool) -> Iterator[np.ndarray]:
    """The sound from the video's beginning on.

    Under credits the trailer's goes on, and fades; where a stretch ends without any, it fades at
    once, as a cut would click.
    """
    credits, last = strip.settings.credits, strip.last + strip.ends - strip.closes
    sound = heard(
        strip.edit,
        strip.stretches,
        strip.first,
        last,
        whole=whole and not credits,
        under=strip.settings.archive_sound,
    )
    silence = np.zeros((2, round(strip.shift * SOUND_RATE)), np.float32)
    sound = chain([silence] if strip.shift else [], sound)
    if whole and not credits:
        return sound
    return closed(sound, strip.closes if credits else strip.ends - FADE, strip.ends)
