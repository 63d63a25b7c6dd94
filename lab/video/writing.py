"""Films out: an MP4 that plays everywhere, with the sound of another film; excerpts; proxies."""

from __future__ import annotations

import contextlib
import io
import os
import re
import socket
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from lab.video.opening import WriteError, audio_stream, cause, open_film, video_stream
from lab.video.probing import probe
from lab.video.sound import BIT_RATE, encoded, samples, track_of
from lab.video.upright import CLOCK

# Pieces that were encoded by another version may not go together.
ENCODER = f"PyAV {av.__version__}"
HOST = re.sub(r"\W", "_", socket.gethostname())  # letters, digits and _ alone


@contextlib.contextmanager
def telling(path: Path, part: Path):
    """Turn what goes wrong in writing into one sentence, and leave nothing half done."""
    try:
        yield
    except OSError as error:  # FFmpeg's errors of the disk are OSErrors too
        with contextlib.suppress(OSError):
            part.unlink()
        why = f"could not be written ({cause(error)}); check the folder and the disk."
        raise WriteError(path, why) from error


def maker() -> str:
    """This process, among those of all machines that may share the folder: ``<pid>@<machine>``."""
    return f"{os.getpid()}@{HOST}"


def part_of(path: Path) -> Path:
    """Where a file grows: named by its maker, so that two at work on one do not mix."""
    return path.with_name(f".{path.name}.{maker()}.part")


def mp4(path: Path) -> av.container.OutputContainer:
    """An MP4 to write, its index before its pictures, so that it plays while it loads."""
    return av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})


class Writer:
    """Write frames to an H.264 MP4 that plays in browsers and on phones.

    The file appears under its name only when complete.

    Parameters
    ----------
    path : path-like
    size : (int, int)
        Width and height in pixels, both even.
    fps : float
        Nominal rate, for the encoder's planning only; times come with the frames.
    soundtrack : path-like or iterator of ndarray, optional
        A film whose sound is muxed in; or the sound itself, from second zero on, as of `samples`.
    t0 : Fraction
        The second on the soundtrack's clock that is time zero here.
    copy_sound : bool
        Copy the sound packet by packet where MP4 and browsers take it; else encode AAC.
    sound_rate : int
        Bits a second of sound that is encoded.
    time_base : Fraction
        Tick of the timestamps; a film's own keeps its times exact.
    matrix : str
        YUV matrix of the pictures given, ``"bt709"`` or ``"bt601"``.
    options : dict of str
        For x264: ``preset``, ``crf``, ``g`` ...

    Attributes
    ----------
    sound_copied : bool or None
        Whether the sound was copied; None without sound.

    Raises
    ------
    WriteError
        If the file cannot be written: no such folder, no permission, disk full.

    Examples
    --------
    >>> with Writer("out.mp4", (640, 360), fps=25) as out:  # doctest: +SKIP
    ...     for frame in Reader("in.mp4", size=(640, 360)):
    ...         out.write(frame.picture, frame.time)
    """

    def __init__(
        self,
        path,
        size,
        fps,
        *,
        soundtrack=None,
        t0=Fraction(0),
        copy_sound=True,
        sound_rate=BIT_RATE,
        time_base=CLOCK,
        matrix="bt709",
        options=None,
    ):
        self.path = Path(path)
        self.part = part_of(self.path)
        with telling(self.path, self.part):
            self.output = mp4(self.part)
        rate = Fraction(fps).limit_denominator(1001 * 4)
        self.stream = self.output.add_stream("libx264", rate=rate, options=dict(options or {}))
        context = self.stream.codec_context
        context.width, context.height = size
        context.pix_fmt = "yuv420p"
        self.clock = Fraction(1, time_base.denominator)
        context.time_base = self.stream.time_base = self.clock
        tag = {"bt709": 1, "bt601": 6}[matrix]
        context.colorspace = context.color_primaries = context.color_trc = tag
        context.color_range = 1  # limited
        self.sound = None
        if soundtrack is not None:
            self.sound = track_of(soundtrack, self.output, t0, copy_sound, sound_rate)
        self.sound_copied = self.sound.copied if self.sound else None

    def write(self, picture: av.VideoFrame | np.ndarray, time: Fraction | float) -> None:
        """Add a frame that begins at `time` seconds; arrays are packed yuv420p (3h/2, w)."""
        if isinstance(picture, np.ndarray):
            picture = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        picture.time_base, picture.pts = self.clock, round(Fraction(time) / self.clock)
        picture.pict_type = 0  # the encoder chooses
        with telling(self.path, self.part):
            self.output.mux(self.stream.encode(picture))
            if self.sound:
                for packet in self.sound.until(Fraction(time)):
                    self.output.mux_one(packet)

    def close(self) -> None:
        """Finish the file and give it its name."""
        with telling(self.path, self.part):
            self.output.mux(self.stream.encode(None))
            if self.sound:
                for packet in self.sound.until(None):
                    self.output.mux_one(packet)
            self.output.close()
            os.replace(self.part, self.path)
        if self.sound:
            self.sound.close()

    def discard(self) -> None:
        """Give up: leave nothing behind."""
        with contextlib.suppress(Exception):
            self.output.close()
        if self.sound:
            self.sound.close()
        self.part.unlink(missing_ok=True)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind, value, trace) -> None:
        if kind:
            self.discard()
            return
        try:
            self.close()
        except BaseException:  # stopped while it finished: no half is left either
            self.discard()
            raise


def soundtrack(source, path, step: float = 0.02) -> np.ndarray:
    """Write a film's sound alone, as an MP4 that browsers play, and say how loud it is.

    Its clock begins with the film's first picture.

    Parameters
    ----------
    source, path : path-like
    step : float
        Seconds that each number stands for.

    Returns
    -------
    ndarray of float32, shape (steps,)
        The largest sample of every step, 0 to 1; none, and no file, where the film is silent.

    Raises
    ------
    FilmError, WriteError
    """
    info, path = probe(source), Path(path)
    if not info.has_audio:
        return np.zeros(0, np.float32)
    part = part_of(path)
    with telling(path, part):
        with mp4(part) as out:
            for packet in encoded(samples(source, Fraction(info.t0)), out).until(None):
                out.mux_one(packet)
        os.replace(part, path)
    with open_film(path) as film:
        rate, heard = 48000, [np.zeros(0, np.float32)]
        for frame in film.decode(audio_stream(film)):
            rate = frame.sample_rate
            heard.append(np.abs(frame.to_ndarray()).max(axis=0).astype(np.float32))
    heard, size = np.concatenate(heard), max(1, round(rate * step))
    return np.maximum.reduceat(heard, np.arange(0, len(heard), size)).clip(0, 1)


def excerpt(source, path, start: float, end: float) -> None:
    """Copy a stretch of a film, picture and sound, packet by packet, into an MP4.

    Parameters
    ----------
    source, path : path-like
    start, end : float
        Seconds; the copy begins with the first key frame from `start` on.

    Raises
    ------
    FilmError, WriteError
    """
    with open_film(source) as film:
        video, sound = video_stream(film, source), audio_stream(film)
        film.seek(round(start / video.time_base), stream=video)
        path, part = Path(path), part_of(Path(path))
        with (
            telling(path, part),
            mp4(part) as out,
        ):
            tracks = {s.index: out.add_stream_from_template(s) for s in (video, sound) if s}
            first = None
            for packet in film.demux(*(s for s in (video, sound) if s)):
                if packet.pts is None:
                    continue
                moment = packet.pts * packet.time_base
                opens = packet.stream is video and packet.is_keyframe and moment >= start
                if first is None and opens:
                    first = moment
                if first is None or not first <= moment < end:
                    continue
                shift = round(first / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = tracks[packet.stream.index]
                out.mux(packet)
        os.replace(part, path)


def proxy_size(width: int, height: int, short: int = 360) -> tuple[int, int]:
    """Size of a proxy: the shorter side `short` pixels at most, both sides multiples of 16.

    decord fails on narrow or oddly padded rows, and players on odd sides.

    >>> proxy_size(1920, 1080), proxy_size(576, 1024), proxy_size(176, 144)
    ((640, 352), (352, 640), (176, 144))
    """
    scale = min(1.0, short / min(width, height))
    return tuple(max(64, round(side * scale / 16) * 16) for side in (width, height))


def gif(pictures: Sequence[np.ndarray], tick: Fraction) -> bytes:
    """An animated GIF that runs over and over.

    Each picture has 256 colours of its own, mixed in a fixed pattern: noise that does not move
    takes fewer bytes and less attention.

    Parameters
    ----------
    pictures : sequence of ndarray of uint8, shape (height, width, 3)
    tick : Fraction
        Seconds from one to the next; GIFs count in hundredths.
    """
    buffer, graph = io.BytesIO(), av.filter.Graph()
    height, width = pictures[0].shape[:2]
    source = graph.add_buffer(width=width, height=height, format="rgb24", time_base=tick)
    split, sink = graph.add("split"), graph.add("buffersink")
    colours = graph.add("palettegen", "stats_mode=single:reserve_transparent=0")
    mixed = graph.add("paletteuse", "new=1:dither=bayer:bayer_scale=4:diff_mode=rectangle")
    for one, other, output, entry in (
        (source, split, 0, 0),
        (split, colours, 0, 0),
        (split, mixed, 1, 0),
        (colours, mixed, 0, 1),
        (mixed, sink, 0, 0),
    ):
        one.link_to(other, output, entry)
    graph.configure()
    with av.open(buffer, "w", format="gif") as output:
        stream = output.add_stream("gif", rate=1 / tick)
        stream.width, stream.height, stream.pix_fmt = width, height, "pal8"
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = number, tick
            graph.push(frame)
            output.mux(stream.encode(_indexed(graph, number, tick)))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def _indexed(graph: av.filter.Graph, number: int, tick: Fraction) -> av.VideoFrame:
    frame = graph.pull()
    frame.pts, frame.time_base = number, tick
    return frame
