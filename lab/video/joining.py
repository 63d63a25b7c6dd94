"""Finished videos: put together from pieces without encoding again, and made to fit a size."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
from tqdm.auto import tqdm

from lab.video.opening import WriteError, open_film, video_stream
from lab.video.probing import probe
from lab.video.reading import Reader
from lab.video.sound import Sound
from lab.video.writing import Writer, mp4, part_of, telling

AIM, FULL = 0.97, 0.93  # parts of a size limit: aimed at, and filled at least if pictures can
TRIES = 4  # times that a video is encoded, at most, until its size is right
HEADERS = 20  # bytes that an MP4's index takes for a frame and its sound, about
SOUND = 128_000, 0.2  # under a limit, most bits a second of sound, and most of all its bits
LEAST = 30_000  # bits a second of a picture, below which there is nothing to see


class Piece(NamedTuple):
    """A video that `Writer` made, and the second of the whole at which it begins."""

    path: Path
    at: Fraction


def join(
    pieces: Sequence[Piece],
    path,
    ends: Fraction,
    sound: Callable[[av.container.OutputContainer], Sound | None] = lambda _: None,
) -> bool | None:
    """Put videos one behind the other, packet by packet, with a soundtrack under all.

    Parameters
    ----------
    pieces : sequence of Piece
        In order; made by `Writer` with one size, rate, time base and the same options.
    path : path-like
        Appears under this name only when complete.
    ends : Fraction
        Second of the whole at which the last frame ends.
    sound : callable
        Gives the soundtrack of an output, as `lab.video.sound` makes them.

    Returns
    -------
    bool or None
        Whether the sound was copied; None if there is none.

    Raises
    ------
    FilmError, WriteError
    """
    path = Path(path)
    part, under = part_of(path), None
    try:
        with telling(path, part):
            with mp4(part) as output, open_film(pieces[0].path) as first:
                like = video_stream(first, pieces[0].path)
                track = output.add_stream_from_template(like)
                track.time_base = like.time_base
                times = [_times(piece, like.codec_context.extradata) for piece in pieces]
                under = sound(output)
                for packet in _in_turn(pieces, times, track, ends):
                    output.mux_one(packet)
                    for heard in under.until(packet.dts * track.time_base) if under else ():
                        output.mux_one(heard)
                for heard in under.until(None) if under else ():
                    output.mux_one(heard)
            os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    finally:
        if under:
            under.close()
    return under.copied if under else None


def _in_turn(
    pieces: Sequence[Piece], times: Sequence[list[Fraction]], track, ends: Fraction
) -> Iterator[av.Packet]:
    """All packets; decoding times run on over the pieces as if they had been encoded as one."""
    tick = track.time_base
    shown = sorted(time for some in times for time in some)
    late = max(map(_delay, times))
    step = shown[1] - shown[0] if len(shown) > 1 else ends - shown[0]
    decoded = iter([*(shown[0] - k * step for k in range(late, 0, -1)), *shown])
    for piece, some in zip(pieces, times, strict=True):
        for packet, time in zip(_packets(piece.path), some, strict=True):
            packet.stream, packet.time_base = track, tick
            packet.pts, packet.dts = round(time / tick), round(next(decoded) / tick)
            packet.duration = round((ends - time) / tick) if time == shown[-1] else 0
            yield packet


def _packets(path, head: bytes | None = None) -> Iterator[av.Packet]:
    """A video's packets; with `head`, only of one that can be decoded as one stream with others."""
    with open_film(path) as film:
        stream = video_stream(film, path)
        if head is not None and stream.codec_context.extradata != head:
            why = "was encoded otherwise than the pieces before it; delete it, and run again."
            raise WriteError(path, why)
        for packet in film.demux(stream):
            if packet.size:
                yield packet


def _times(piece: Piece, head: bytes) -> list[Fraction]:
    """When each packet is shown, as they stand in the file: seconds of the whole."""
    times = [packet.pts * packet.time_base for packet in _packets(piece.path, head)]
    begin = min(times)
    return [time - begin + piece.at for time in times]


def _delay(times: list[Fraction]) -> int:
    """By how many frames decoding must run ahead, so that none is shown before it is decoded."""
    ranks = {time: rank for rank, time in enumerate(sorted(times))}
    return max(at - ranks[time] for at, time in enumerate(times))


def shrink(source, path, most: int, options: dict[str, str]) -> bool:
    """Encode a video again, in two passes, as well as a size limit lets it be.

    Parameters
    ----------
    source, path : path-like
    most : int
        Bytes that the file may take.
    options : dict of str
        For x264, without quality.

    Returns
    -------
    bool
        Whether the file fills nine tenths of the limit: the simplest pictures need less at best.

    Raises
    ------
    FilmError, WriteError
        If the limit leaves no room for a picture.
    """
    path, info = Path(path), probe(source)
    folder = part_of(path)  # x264 writes what it learnt in the first pass beside its log
    scratch, log = folder / "video.mp4", folder / "passes.log"
    frames = sum(1 for _ in _packets(source))
    heard, beside, rate = _shares(path, info.duration, frames, info.has_audio, most)
    try:
        with telling(path, folder):
            folder.mkdir()
        _pass(source, scratch, {**options, **_two(1, rate, log)}, heard, frames)
        for _ in range(TRIES):
            _pass(source, scratch, {**options, **_two(2, rate, log)}, heard, frames)
            size = scratch.stat().st_size
            if FULL * most <= size <= most:
                break
            rate *= max(0.1, (AIM * most - beside) / max(1.0, size - beside))
        if size > most:
            why = f"takes {size / 1e6:.2f} MB at least; allow that much, or show less."
            raise WriteError(path, why)
        os.replace(scratch, path)
    except WriteError as error:  # of the path, not of what is under a name that nobody knows
        raise WriteError(path, error.why) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return size >= 0.9 * most


def _shares(path, seconds: float, frames: int, sound: bool, most: int) -> tuple[int, float, float]:
    """Bits a second of sound; bytes of all but the picture; bits a second that this leaves."""
    heard = int(min(SOUND[0], SOUND[1] * 8 * most / seconds)) if sound else 0
    beside = HEADERS * frames + heard * seconds / 8
    rate = 8 * (AIM * most - beside) / seconds
    if rate < LEAST:
        least = (LEAST * seconds / 8 / (1 - SOUND[1]) + HEADERS * frames) / AIM
        why = f"{seconds:.0f} s do not go into {most / 1e6:.2f} MB; allow {least / 1e6:.2f} MB at "
        raise WriteError(path, why + "least, or show less.")
    return heard, beside, rate


def _two(number: int, rate: float, log: Path) -> dict[str, str]:
    """Options of the first or second of two passes at `rate` bits a second."""
    return {"b": str(int(rate)), "flags": f"+pass{number}", "stats": str(log)}


def _pass(source, path: Path, options: dict[str, str], sound_rate: int, count: int) -> None:
    info = probe(source)
    writer = Writer(
        path,
        (info.width, info.height),
        info.fps,
        soundtrack=source,
        t0=Fraction(0),
        copy_sound=False,
        sound_rate=sound_rate,
        time_base=info.time_base,
        options=options,
    )
    with writer:
        for frame in tqdm(Reader(source), desc="fit to size", total=count, unit="frame"):
            writer.write(frame.picture, frame.time)
