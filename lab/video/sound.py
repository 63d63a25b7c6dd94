"""Sound in and out: exact samples of a film, how loud they are, packets for a video's track."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from typing import NamedTuple

import av
import numpy as np

from lab.video.opening import INDEXED, audio_stream, open_film
from lab.video.stamps import LEAP

SOUND_RATE = 48000  # samples a second of all sound that is worked on
# Sound that MP4 holds and browsers play; any other is encoded to AAC once.
COPIED_SOUND = {"aac", "mp3", "opus", "flac"}
PREROLL = 1.0  # seconds read before the first sample wanted: a codec's first frames lean on others
BIT_RATE = 160_000  # bits a second of AAC
FRAME = 1024  # samples of a frame of AAC
QUIET = 10  # seconds of silence made at once in a gap
QUIETEST = -70.0  # LUFS; ITU-R BS.1770 counts nothing below


def samples(path, begin: Fraction, end: Fraction | None = None) -> Iterator[np.ndarray]:
    """A film's sound in stereo at 48,000 samples a second, in order.

    Gaps in the sound are silence, and so is what lies before and after it.

    Parameters
    ----------
    path : path-like
    begin, end : Fraction
        Seconds on the film's clock; the first sample is the one nearest to `begin`. Without
        `end`, up to where the sound ends.

    Yields
    ------
    ndarray of float32, shape (2, n)
        Together ``round((end - begin) * 48000)`` samples.

    Raises
    ------
    FilmError
    """
    wanted = math.inf if end is None else round((end - begin) * SOUND_RATE)
    given = 0
    for block in _resampled(path, begin):
        block = block[:, : int(min(block.shape[1], wanted - given))]
        given += block.shape[1]
        if block.shape[1]:
            yield block
        if given >= wanted:
            return
    while end is not None and given < wanted:
        block = np.zeros((2, int(min(wanted - given, SOUND_RATE))), np.float32)
        given += block.shape[1]
        yield block


def _resampled(path, begin: Fraction) -> Iterator[np.ndarray]:
    resampler, heard = _Resampler(), begin
    for frame in _decoded(path, begin):
        if frame.pts * frame.time_base - heard > LEAP:  # its timestamp is broken
            continue
        for one in chain(_silence(frame, heard), [frame]):
            one.pts -= round(begin / frame.time_base)
            yield from resampler.push(one)
        heard = one.pts * one.time_base + begin + Fraction(one.samples, one.sample_rate)
    yield from resampler.flush()


class _Resampler:
    """Turns sound into stereo at 48,000 samples a second, from second zero on.

    The filter graph is rebuilt when the sound changes in mid-film, as in broadcasts from stereo to
    five channels and back.
    """

    def __init__(self):
        self.graph, self.kind, self.given = None, None, 0

    def push(self, frame: av.AudioFrame) -> Iterator[np.ndarray]:
        kind = frame.sample_rate, frame.format.name, frame.layout.name
        if kind != self.kind:
            yield from self.flush()
            self.graph, self.kind = self._build(frame), kind
        self.graph.push(frame)
        yield from self._pull()

    def flush(self) -> Iterator[np.ndarray]:
        if self.graph is not None:
            self.graph.push(None)
            yield from self._pull()
            self.graph = None

    def _pull(self) -> Iterator[np.ndarray]:
        for block in _drained(self.graph):
            self.given += block.shape[1]
            yield block

    def _build(self, frame: av.AudioFrame) -> av.filter.Graph:
        graph = av.filter.Graph()
        first = round(Fraction(self.given, SOUND_RATE) * frame.sample_rate)
        graph.link_nodes(
            graph.add_abuffer(
                sample_rate=frame.sample_rate,
                format=frame.format,
                layout=frame.layout,
                time_base=frame.time_base,
            ),
            # Gaps become silence; what lies before what was given already is cut away.
            graph.add("aresample", f"{SOUND_RATE}:async=1:first_pts={first}"),
            graph.add("aformat", "sample_fmts=fltp:channel_layouts=stereo"),
            graph.add("abuffersink"),
        ).configure()
        return graph


def _silence(before: av.AudioFrame, since: Fraction) -> Iterator[av.AudioFrame]:
    """Most of a long gap in the sound, piece by piece: FFmpeg would fill it all at once."""
    while before.pts * before.time_base - since > 2 * QUIET:
        quiet = av.AudioFrame(before.format.name, before.layout.name, QUIET * before.sample_rate)
        rest = b"\x80" if quiet.format.name in ("u8", "u8p") else b"\0"
        for plane in quiet.planes:
            plane.update(rest * plane.buffer_size)
        quiet.sample_rate, quiet.time_base = before.sample_rate, before.time_base
        quiet.pts = round(since / before.time_base)
        yield quiet
        since += QUIET


def _decoded(path, begin: Fraction) -> Iterator[av.AudioFrame]:
    with open_film(path) as film, contextlib.suppress(av.FFmpegError):
        stream = audio_stream(film)
        if stream is None:
            return
        if film.format.name in INDEXED and begin > PREROLL:
            film.seek(int((begin - Fraction(PREROLL)) / stream.time_base), stream=stream)
        for packet in film.demux(stream):  # a file that breaks off: keep what came
            with contextlib.suppress(av.FFmpegError, ValueError):
                for frame in packet.decode():
                    if frame.pts is not None:
                        yield frame


def _drained(graph) -> Iterator[np.ndarray]:
    while True:
        try:
            yield graph.pull().to_ndarray()
        except (av.BlockingIOError, av.EOFError):
            return


class Loudness(NamedTuple):
    """How loud a soundtrack is (EBU R128): LUFS of the whole, and its true peak, 1 full scale."""

    integrated: float
    peak: float


def loudness(blocks: Iterable[np.ndarray]) -> Loudness:
    """Measure sound in blocks, float32 (2, n), as EBU R128 has it (FFmpeg's ``ebur128``).

    Reference: https://tech.ebu.ch/docs/r/r128.pdf

    Silence is `QUIETEST`.
    """
    graph = av.filter.Graph()
    source = graph.add_abuffer(
        sample_rate=SOUND_RATE, format="fltp", layout="stereo", time_base=Fraction(1, SOUND_RATE)
    )
    meter = graph.add("ebur128", "metadata=1:peak=true")
    graph.link_nodes(source, meter, graph.add("abuffersink")).configure()
    told, at = {}, 0
    for block in blocks:
        graph.push(_frame(block, at))
        at += block.shape[1]
        told = _last(graph, told)
    graph.push(None)
    told = _last(graph, told)
    measured = float(told.get("lavfi.r128.I", QUIETEST))
    peak = float(told.get("lavfi.r128.true_peak", 0))
    return Loudness(max(measured, QUIETEST), peak)


def _last(graph, told: dict) -> dict:
    """What the meter says by now."""
    while True:
        try:
            told = graph.pull().metadata or told
        except (av.BlockingIOError, av.EOFError):
            return told


def _frame(block: np.ndarray, at: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(block, np.float32), format="fltp", layout="stereo"
    )
    frame.sample_rate, frame.time_base, frame.pts = SOUND_RATE, Fraction(1, SOUND_RATE), at
    return frame


class Sound:
    """Packets of a soundtrack, to be muxed between those of the picture."""

    def __init__(self, track, packets: Iterator[av.Packet], copied: bool):
        self.track, self.packets, self.copied = track, packets, copied
        self.held = None

    def until(self, time: Fraction | None) -> Iterator[av.Packet]:
        """Packets that begin before `time` seconds of the output; all that is left if None."""
        while (packet := self.held or next(self.packets, None)) is not None:
            self.held = None
            if time is not None and packet.dts * packet.time_base > time:
                self.held = packet
                return
            yield packet

    def close(self) -> None:
        """Let go of the film."""
        self.packets.close()


def copied(path, output, t0: Fraction) -> Sound:
    """A film's sound as it is, packet by packet; `t0` is the second that becomes zero."""
    film = open_film(path)
    stream = audio_stream(film)
    track = output.add_stream_from_template(stream)

    def packets():
        shift = round(t0 / stream.time_base)
        with film, contextlib.suppress(av.FFmpegError):  # a file that breaks off
            for packet in film.demux(stream):
                if packet.size == 0 or packet.dts is None:
                    continue
                packet.pts = packet.dts = packet.dts - shift
                packet.stream = track
                yield packet

    return Sound(track, packets(), copied=True)


def encoded(blocks: Iterable[np.ndarray], output, bit_rate: int = BIT_RATE) -> Sound:
    """Samples as AAC; the first is heard at second zero."""
    track = output.add_stream("aac", rate=SOUND_RATE)
    track.codec_context.layout = "stereo"
    track.codec_context.bit_rate = bit_rate

    def packets():
        for at, block in reblocked(blocks, FRAME):
            yield from track.encode(_frame(block, at))
        yield from track.encode(None)

    return Sound(track, packets(), copied=False)


def reblocked(blocks: Iterable[np.ndarray], length: int) -> Iterator[tuple[int, np.ndarray]]:
    """The same samples in blocks of one length, the last maybe shorter, and where each begins."""
    kept, at = np.zeros((2, 0), np.float32), 0
    for block in blocks:
        kept = np.concatenate([kept, block], axis=1)
        whole = kept.shape[1] // length * length
        for begin in range(0, whole, length):
            yield at + begin, kept[:, begin : begin + length]
        kept, at = kept[:, whole:], at + whole
    if kept.shape[1]:
        yield at, kept


def sound_codec(path) -> str:
    """FFmpeg's name of what a film's sound is coded in, such as ``aac``; empty if silent."""
    with open_film(path) as film:
        stream = audio_stream(film)
        return stream.codec_context.codec.canonical_name if stream else ""


def track_of(
    source, output, t0: Fraction, copy: bool = True, bit_rate: int = BIT_RATE
) -> Sound | None:
    """A film's sound for `output`: copied where MP4 and browsers take it, else AAC.

    Where `source` is no path but samples, in blocks as of `samples`, they are taken as they come.
    """
    if not isinstance(source, (str, os.PathLike)):
        return encoded(source, output, bit_rate)
    path, codec = source, sound_codec(source)
    if not codec:
        return None
    if copy and codec in COPIED_SOUND:
        return copied(path, output, t0)
    return encoded(samples(path, t0), output, bit_rate)
