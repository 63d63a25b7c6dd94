"""What a film is, learnt from its file and its first frames."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import av
import numpy as np

from lab.video.opening import FilmError, audio_stream, open_film, video_stream
from lab.video.stamps import ticks
from lab.video.upright import upright_size

SETTLE_FRAMES = 48  # frames read by `probe` to learn rate, interlacing and shape


@dataclass(frozen=True)
class Probe:
    """What a film says of itself.

    Attributes
    ----------
    width, height : int
        Size of the upright picture with square pixels.
    t0, duration : float
        First frame's PTS and length, in seconds; the length is the container's word.
    fps : float
        Nominal frames a second.
    interlaced : bool
    rotation : int
        Degrees anticlockwise that the stored picture is turned to stand upright: 0, 90, 180, 270.
    sar : float
        Sample aspect ratio of the stored picture (pixel width / pixel height).
    time_base : Fraction
        Tick of the video timestamps, in seconds.
    container : str
        FFmpeg's name of the format.
    video_codec, audio_codec : str
        FFmpeg's names; ``audio_codec`` is empty for a silent film.
    """

    path: str
    width: int
    height: int
    t0: float
    duration: float
    fps: float
    interlaced: bool
    rotation: int
    sar: float
    time_base: Fraction
    container: str
    video_codec: str
    audio_codec: str

    @property
    def has_audio(self) -> bool:
        return bool(self.audio_codec)


def probe(path) -> Probe:
    """Read what a film is, decoding its first frames.

    Returns
    -------
    Probe

    Raises
    ------
    FilmError
    """
    try:
        told = os.stat(path)
    except OSError:
        stamp = None  # what is not there is told by who opens it
    else:
        stamp = told.st_size, told.st_mtime_ns
    return _probed(str(path), stamp)


@lru_cache(maxsize=1024)
def _probed(path: str, stamp: tuple[int, int] | None) -> Probe:
    """A film's first frames are decoded once, as long as `stamp`, its size and time, stays."""
    with open_film(path) as container:
        stream, audio = video_stream(container, path), audio_stream(container)
        head = _head(container, stream)
        if not head:
            raise FilmError(path, "holds video of which no frame can be decoded.")
        sar, rotation = stream.sample_aspect_ratio or Fraction(1), head[0].rotation
        width, height = upright_size(head[-1].width, head[-1].height, sar, rotation)
        duration = stream.duration and stream.duration * stream.time_base
        return Probe(
            path=path,
            width=width,
            height=height,
            t0=float(head[0].pts * stream.time_base),
            duration=float(duration or Fraction(container.duration or 0, av.time_base)),
            fps=_rate(stream, [seen.pts for seen in head]),
            interlaced=any(seen.interlaced for seen in head),
            rotation=rotation,
            sar=float(sar),
            time_base=stream.time_base,
            container=container.format.name,
            video_codec=stream.codec_context.codec.name,
            audio_codec=audio.codec_context.codec.name if audio else "",
        )


class _Seen(NamedTuple):
    """What is noted of a frame."""

    pts: int
    width: int
    height: int
    rotation: int
    interlaced: bool


def _head(container, stream) -> list[_Seen]:
    """The first frames, as many as can be decoded and are needed."""
    head = []
    with contextlib.suppress(av.FFmpegError, OSError):
        for pts, picture in ticks(container, stream, container.decode(stream)):
            size, rotation = (picture.width, picture.height), picture.rotation % 360
            head.append(_Seen(pts, *size, rotation, picture.interlaced_frame))
            if len(head) == SETTLE_FRAMES:
                break
    return head


def _rate(stream, pts: list[int]) -> float:
    """Frames a second: the header's word, which is exact, unless the frames come otherwise."""
    gaps, declared = np.diff(pts), stream.average_rate or stream.guessed_rate
    if not len(gaps):
        return float(declared or 25)
    seen = 1 / (np.median(gaps) * stream.time_base)
    return float(declared if declared and abs(declared - seen) < 0.02 * seen else seen)
