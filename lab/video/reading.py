"""Films in: exact frames in order, frames at a second, frames of a proxy."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np

from lab.video.opening import INDEXED, FilmError, open_film, video_stream
from lab.video.stamps import promised, ticks
from lab.video.upright import WHOLE, Frame, Lens

# A frame stands at a given second when its timestamp is no later than this much after it:
# more than Matroska's rounding to milliseconds, less than a frame at 1000 frames a second.
EPSILON = 6e-4
LEAD = 0.5  # seconds before a start from which frames are looked at: deinterlacing needs neighbours


class Reader:
    """A film's frames in order, upright, from `start` seconds on.

    Parameters
    ----------
    path : path-like
    size : (int, int), optional
        Width and height in pixels to scale to; the upright size if left out.
    pixels : str
        Pixel format: ``"yuv420p"`` or ``"rgb24"``.
    crop : Box
        The part of the upright picture to show.
    start : float, optional
        Seconds; frames that end before are left out. Containers with a full index are
        sought from a key frame well before it, others are decoded from their beginning.
    matrix : str
        YUV matrix of the pictures returned, ``"bt709"`` or ``"bt601"``.
    threads : int
        That decode and scale; 0 for as many as the machine has cores.

    Attributes
    ----------
    damaged : int
        Packets that could not be decoded so far.
    broken : int
        Pictures that came, and that the decoder calls damaged.
    trouble : list of float
        The seconds of both, as far as the file tells.
    promised : float or None
        Seconds at which the video ends by the word of the file, where it gives one.

    Raises
    ------
    FilmError
        If the file is missing, is no film, or gives no frame at all.
    """

    def __init__(
        self,
        path,
        *,
        size=None,
        pixels="yuv420p",
        crop=WHOLE,
        start=None,
        matrix="bt709",
        threads=0,
    ):
        self.path, self.size, self.pixels, self.crop = path, size, pixels, crop
        self.start, self.matrix, self.threads = start, matrix, threads
        self.damaged, self.broken, self.trouble, self.promised = 0, 0, [], None

    def __iter__(self) -> Iterator[Frame]:
        held = None  # the frame on show at `start` may have begun before it
        for frame in self._upright():
            if self.start is not None and float(frame.time) <= self.start + EPSILON:
                held = frame
                continue
            if held is not None:
                yield held
                held = None
            yield frame
        if held is not None:
            yield held

    def _upright(self) -> Iterator[Frame]:
        lens, held = None, None  # of frames from well before `start`, the last may be on show then
        for time, picture, stream in self._decoded():
            if lens is None:
                sar = stream.sample_aspect_ratio or Fraction(1)
                rotation = picture.rotation % 360
                shown = self.size, self.pixels, self.crop, self.matrix
                lens = Lens(sar, rotation, *shown, self.threads)
            if self.start is not None and float(time) < self.start - LEAD:
                held = time, picture
                continue
            if held is not None:
                yield from lens.push(*held)
                held = None
            yield from lens.push(time, picture)
        if lens is None:
            raise FilmError(self.path, "holds video of which no frame can be decoded.")
        if held is not None:
            yield from lens.push(*held)
        yield from lens.flush()

    def _decoded(self):
        """Frames as stored: (time, picture, stream), from a point that is safe for `start`."""
        if self.start is not None:
            for back in (2.0, 12.0, 60.0):
                with open_film(self.path) as container:
                    if container.format.name not in INDEXED:
                        break
                    stream = video_stream(container, self.path)
                    target = int((self.start - back) / stream.time_base)
                    if stream.start_time is not None and target <= stream.start_time:
                        break
                    container.seek(target, stream=stream, backward=True)
                    found = self._from_key_frame(container, stream)
                    first = next(found, None)
                    if first is not None and float(first[0]) <= self.start + EPSILON:
                        yield first
                        yield from found
                        return
        with open_film(self.path) as container:
            stream = video_stream(container, self.path)
            self.promised = promised(container, stream)
            for pts, picture in ticks(container, stream, self._pictures(container, stream)):
                yield pts * stream.time_base, picture, stream

    def _from_key_frame(self, container, stream):
        # After a seek into an open GOP the leading B frames lack their references: wait for
        # the key frame itself, which follows them in time.
        clean = False
        for pts, picture in ticks(container, stream, self._pictures(container, stream)):
            clean = clean or picture.key_frame
            if clean:
                yield pts * stream.time_base, picture, stream

    def _pictures(self, container, stream) -> Iterator[av.VideoFrame]:
        stream.thread_type, stream.codec_context.thread_count = "AUTO", self.threads
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (av.FFmpegError, OSError):  # the file breaks off: what came so far stands
                self.damaged += 1
                packet = None
            if packet is not None and packet.is_corrupt:
                self._note(packet)
            try:
                for picture in _decoded(stream, packet):
                    if picture.is_corrupt:
                        self.broken += 1
                        self._note(picture)
                    yield picture
            except av.EOFError:
                return
            except (av.FFmpegError, ValueError):
                self.damaged += 1
                self._note(packet)
            if packet is None:
                return

    def _note(self, where: av.Packet | av.VideoFrame | None) -> None:
        """Remember when there was trouble."""
        pts = where and (where.dts if where.pts is None else where.pts)
        if pts is not None:
            self.trouble.append(float(pts * where.time_base))


def _decoded(stream, packet: av.Packet | None) -> list[av.VideoFrame]:
    return stream.decode(packet) if packet else stream.codec_context.decode(None)


class Player:
    """A film on which one asks, ever later: which frame is on show now?

    Parameters
    ----------
    path : path-like
    start : float
        The first second that will be asked for.
    **view
        `size`, `pixels`, `crop` and `matrix`, as of `Reader`.
    """

    def __init__(self, path, start: float, **view):
        self.frames = iter(Reader(path, start=start, **view))
        self.current, self.following = next(self.frames), next(self.frames, None)

    def at(self, time: float) -> Frame:
        """The last frame that begins no later than `time` seconds; `time` never goes back.

        Before the first frame that is the first; after the last, the last.
        """
        while self.following is not None and float(self.following.time) <= time + EPSILON:
            self.current, self.following = self.following, next(self.frames, None)
        return self.current

    def around(self, time: float) -> tuple[Frame, Frame, float]:
        """The frame on show, the one that follows, and how far `time` lies between, 0 to 1."""
        now = self.at(time)
        then = self.following or now
        gap = float(then.time - now.time)
        return now, then, min(max((time - float(now.time)) / gap, 0.0), 1.0) if gap else 0.0

    def close(self) -> None:
        self.frames.close()


def proxy_frames(path, indices) -> np.ndarray:
    """Frames of a proxy by index, through a decord reader that lives for this call only.

    decord decodes ahead into memory for as long as it lives.

    Parameters
    ----------
    path : path-like
        A proxy written by this room (closed GOPs, no B frames).
    indices : sequence of int

    Returns
    -------
    ndarray of uint8, shape (len(indices), height, width, 3)
    """
    import decord

    try:
        reader = decord.VideoReader(str(path), num_threads=1)
        return reader.get_batch(list(indices)).asnumpy()
    except decord.DECORDError as error:
        raise FilmError(path, "is a proxy that cannot be read; run `lab ingest` again.") from error


def shown_at(times: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Which frame is on screen at a second: of `times` (n,), when each comes, its index.

    >>> shown_at(np.array([0.0, 0.04, 0.08]), np.array([-1.0, 0.05, 9.0])).tolist()
    [0, 1, 2]
    """
    return np.maximum(0, np.searchsorted(times, seconds, side="right") - 1)


def small_rgb(picture: av.VideoFrame, width: int, height: int) -> np.ndarray:
    """A small copy of a yuv420p picture (matrix bt601), uint8 (height, width, 3)."""
    # A picture has a scaler of its own: threads would be made and ended for each.
    small = picture.reformat(
        width, height, "rgb24", src_colorspace="itu601", interpolation="AREA", threads=1
    )
    return small.to_ndarray()


def luma(picture: av.VideoFrame) -> np.ndarray:
    """A yuv420p picture's luma, uint8 (height, width), limited range."""
    plane = picture.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width]
