"""The sound of a finished video: the trailer's, with the archive's under it, brought to a loudness.

Everything is cut on exact samples: a second of the trailer is heard when its frame is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import numpy as np

from lab.edit import Edit
from lab.panels import Stretch
from lab.video import SOUND_RATE, loudness, probe, reblocked, samples

FADE = 480  # samples over which an archive shot's sound comes and goes: a cut would click
CEILING = 10 ** (-1 / 20)  # true peak that stays below what players and codecs clip

Blocks = Callable[[], Iterator[np.ndarray]]


def heard(
    edit: Edit,
    stretches: Sequence[Stretch],
    first: Fraction,
    ends: Fraction,
    *,
    whole: bool,
    under: float,
) -> Iterator[np.ndarray]:
    """The sound from one second of the trailer to another, in blocks of float32 (2, n).

    Parameters
    ----------
    edit : Edit
    stretches : sequence of Stretch
        What answers when.
    first, ends : Fraction
        Seconds on the trailer's clock at which the picture begins and ends.
    whole : bool
        Let the trailer's sound end where it does, rather than with the picture.
    under : float
        How loud the archive's own sound is, 0 to 1. Where a shot is slowed, so is its sound, as
        a tape's would be.
    """
    trailer = samples(edit.path(edit.trailer), first, None if whole else ends)
    if not under:
        yield from trailer
        return
    for block in _paired(trailer, _answers(edit, stretches, first, ends)):
        yield np.clip(block[0] + under * block[1], -1, 1)


def _paired(one: Iterator[np.ndarray], other: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Blocks of two sounds at once, (2, 2, n); the shorter one is followed by silence."""
    sides = [reblocked(side, SOUND_RATE) for side in (one, other)]
    while True:
        blocks = [next(side, (0, np.zeros((2, 0), np.float32)))[1] for side in sides]
        longest = max(block.shape[1] for block in blocks)
        if not longest:
            return
        yield np.stack([np.pad(b, ((0, 0), (0, longest - b.shape[1]))) for b in blocks])


def _answers(edit, stretches, first: Fraction, last: Fraction) -> Iterator[np.ndarray]:
    """The archive's sound, shot by shot."""
    done = 0
    for stretch in stretches:
        begin = max(Fraction(stretch.begin) if stretch.begin > -np.inf else first, first)
        end = min(Fraction(stretch.end) if stretch.end < np.inf else last, last)
        count = round((end - first) * SOUND_RATE) - done
        if count > 0:
            yield _of_shot(edit, stretch.row, float(begin), count)
            done += count


def _of_shot(edit: Edit, row, begin: float, count: int) -> np.ndarray:
    silent = np.zeros((2, count), np.float32)
    if row is None or row.kind != "match" or not probe(edit.path(row.match_film)).has_audio:
        return silent
    start = Fraction(row.moment(begin)).limit_denominator(10**6)
    lasts = Fraction(count, SOUND_RATE) * Fraction(row.speed).limit_denominator(10**6)
    parts = [*samples(edit.path(row.match_film), start, start + lasts)]
    sound = np.concatenate(parts, axis=1) if parts else silent
    if sound.shape[1] != count:
        places = np.linspace(0, sound.shape[1] - 1, count)
        sound = np.stack([np.interp(places, np.arange(sound.shape[1]), one) for one in sound])
    edge = np.minimum(np.arange(count), np.arange(count)[::-1]) / FADE
    return (sound * np.minimum(edge, 1)).astype(np.float32)


def closed(blocks: Iterator[np.ndarray], fade: Fraction, ends: Fraction) -> Iterator[np.ndarray]:
    """Sound that fades away between two of its seconds, and is silent up to the second.

    Parameters
    ----------
    blocks : iterator of ndarray
        Of float32 (2, n), from second zero on.
    fade, ends : Fraction
    """
    first, last, at = round(fade * SOUND_RATE), round(ends * SOUND_RATE), 0
    for block in blocks:
        block = block[:, : max(0, last - at)]
        places = np.arange(at, at + block.shape[1])
        left = np.clip((last - places) / max(1, last - first), 0, 1)
        yield (block * left**2).astype(np.float32)  # to the ear, an even decline
        at += block.shape[1]
    if at < last:
        yield np.zeros((2, last - at), np.float32)


def brought_to(target: float, blocks: Blocks) -> tuple[Blocks, str]:
    """Sound made louder or softer as a whole, so that it has a loudness; and a note.

    Parameters
    ----------
    target : float
        LUFS of the whole (EBU R128). Nothing is compressed: where peaks would clip, it stays
        softer than asked for.
    blocks : callable
        Gives the sound from its beginning, each time it is called.
    """
    measured = loudness(blocks())
    if not measured.peak:
        return blocks, "its sound is silence: no loudness to bring it to."
    wanted = 10 ** ((target - measured.integrated) / 20)
    gain = min(wanted, CEILING / measured.peak)
    reached = measured.integrated + 20 * np.log10(gain)
    note = f"sound brought from {measured.integrated:.1f} to {reached:.1f} LUFS"
    if gain < wanted:
        note += f", not to {target:g}: its peaks would clip"
    return (lambda: (block * np.float32(gain) for block in blocks())), note + "."
