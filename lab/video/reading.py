"""Films in: probe, exact frames in order, frames at a second, frames of a proxy."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from lab import LabError
from lab.video.stamps import MP4, promised, ticks

CLOCK = Fraction(1, 90000)
# A frame stands at a given second when its timestamp is no later than this much after it:
# more than Matroska's rounding to milliseconds, less than a frame at 1000 frames a second.
EPSILON = 6e-4
# Containers whose index holds every frame's own PTS, so that a seek cannot shift the count.
INDEXED = {MP4, "matroska,webm"}
TEXT = "is a text, not a film; leave it out, or name the film."
HDR = (16, 18)  # transfers: SMPTE 2084 (PQ), ARIB STD-B67 (HLG)
LEAD = 0.5  # seconds before a start from which frames are looked at: deinterlacing needs neighbours
CONTROL = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")  # bytes that no text holds
SETTLE_FRAMES = 48  # frames read by `probe` to learn rate, interlacing and shape


class FilmError(LabError):
    """A film that cannot be read: one sentence with the file, the cause and what to do."""

    def __init__(self, path, why: str):
        super().__init__(f"{path}: {why}")
        self.path, self.why = str(path), why

    def __reduce__(self):
        return type(self), (self.path, self.why)


class WriteError(FilmError):
    """A file that cannot be written: no such folder, no permission, disk full."""


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
    hdr : bool
        Light beyond what a screen of BT.709 shows (PQ or HLG); its pictures come out flat here.
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
    hdr: bool
    container: str
    video_codec: str
    audio_codec: str

    @property
    def has_audio(self) -> bool:
        return bool(self.audio_codec)


class Frame(NamedTuple):
    """A frame and its moment: `time` in seconds (exact), `picture` an ``av.VideoFrame``."""

    time: Fraction
    picture: av.VideoFrame


class Box(NamedTuple):
    """A part of the upright picture, as fractions of its width and height."""

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0


WHOLE = Box()


def open_film(path) -> av.container.InputContainer:
    path = Path(path)
    if path.is_dir():
        raise FilmError(path, "is a folder, not a film; name the films in it, or use `lab ingest`.")
    try:
        told = path.stat()
        if not stat.S_ISREG(told.st_mode):  # to open a pipe would wait for ever
            raise FilmError(path, "is no file; name a film.")
        if told.st_size == 0:
            raise FilmError(path, "is empty (0 bytes); copy or download it again.")
        container = av.open(str(path), metadata_errors="replace")
        if container.format.name == "tty":  # FFmpeg draws any text as ANSI art
            container.close()
            raise FilmError(path, TEXT)
        return container
    except FileNotFoundError:
        raise FilmError(path, "does not exist; check the name.") from None
    except PermissionError:
        raise FilmError(path, "may not be read; change its permissions.") from None
    except (av.FFmpegError, OSError, ValueError) as error:
        raise FilmError(path, _no_film(path, error)) from error


def _no_film(path: Path, error: Exception) -> str:
    """Why a file cannot be opened as a film, in a person's words where that can be told."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as worse:
        return f"cannot be read ({cause(worse)}); check the file."
    if not CONTROL.search(head):
        return TEXT
    if head[4:8] == b"ftyp":  # MP4 and MOV write their index last
        return "is cut off: the index that ends such a file is missing; copy or download it again."
    return f"is not a film that can be read ({cause(error)})."


def cause(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def video_stream(container, path) -> av.VideoStream:
    for stream in container.streams.video:
        picture = av.stream.Disposition.attached_pic & stream.disposition
        if not picture and stream.codec_context is not None:
            return stream
    raise FilmError(path, "holds no video that can be decoded (sound only, or a codec unknown).")


def audio_stream(container) -> av.AudioStream | None:
    """The container's best sound track that can be decoded."""
    best = container.streams.best("audio")
    return best if best is not None and best.codec_context is not None else None


def matrix_of(picture: av.VideoFrame) -> str:
    """The YUV matrix a picture was made with; untagged ones go by size, as players do."""
    named = {1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020"}
    guess = "bt709" if picture.height >= 720 or picture.width >= 1280 else "bt601"
    return named.get(int(picture.colorspace or 2), guess)


class _Lens:
    """Turns decoded pictures upright, cut to `crop` and scaled to `size`, in `pixels` format.

    The filter graph is one in, one out, so times travel beside it in a queue. It is rebuilt
    when the picture changes shape in mid-film, and when the first interlaced frame arrives.
    """

    def __init__(
        self, sar: Fraction, rotation: int, size, pixels: str, crop: Box, matrix: str, threads: int
    ):
        self.sar, self.rotation, self.size, self.threads = sar, rotation, size, threads
        self.pixels, self.crop, self.matrix = pixels, crop, matrix
        self.graph, self.shape, self.interlaced = None, None, False
        self.times: deque[Fraction] = deque()

    def push(self, time: Fraction, picture: av.VideoFrame) -> Iterator[Frame]:
        interlaced = self.interlaced or picture.interlaced_frame
        shape = (picture.width, picture.height, picture.format.name, interlaced)
        if shape != self.shape:
            yield from self.flush()
            self.shape, self.interlaced = shape, interlaced
            self.graph = self._build(picture)
        self.times.append(time)
        self.graph.vpush(picture)
        yield from self._pull()

    def flush(self) -> Iterator[Frame]:
        if self.graph is not None:
            self.graph.vpush(None)
            yield from self._pull()
            self.graph = None

    def _pull(self) -> Iterator[Frame]:
        while True:
            try:
                picture = self.graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return
            picture.pts = None
            yield Frame(self.times.popleft(), picture)

    def _build(self, picture: av.VideoFrame) -> av.filter.Graph:
        width, height = upright_size(picture.width, picture.height, self.sar, self.rotation)
        box, (out_width, out_height) = self.crop, self.size or (width, height)
        full = picture.color_range == 2 or picture.format.name.startswith("yuvj")
        steps = []
        if self.interlaced:
            steps.append(("bwdif", "mode=send_frame:deint=interlaced"))
        steps += {
            90: [("transpose", "cclock")],
            180: [("hflip", None), ("vflip", None)],
            270: [("transpose", "clock")],
        }.get(self.rotation, [])
        if box != WHOLE:
            steps.append(
                (
                    "crop",
                    f"w=iw*{box.right - box.left:.6f}:h=ih*{box.bottom - box.top:.6f}"
                    f":x=iw*{box.left:.6f}:y=ih*{box.top:.6f}",
                )
            )
        out_range = "full" if self.pixels == "rgb24" else "limited"
        scale = f"w={out_width}:h={out_height}:flags=bicubic:out_range={out_range}"
        if not picture.format.is_rgb:
            scale += f":in_color_matrix={matrix_of(picture)}:in_range={'pc' if full else 'tv'}"
        if self.pixels != "rgb24":
            scale += f":out_color_matrix={self.matrix}"
        steps += [("scale", scale), ("setsar", "1"), ("format", self.pixels)]

        graph = av.filter.Graph()
        graph.threads = self.threads
        source = graph.add_buffer(
            width=picture.width, height=picture.height, format=picture.format, time_base=CLOCK
        )
        chain = [source, *(graph.add(name, args) for name, args in steps), graph.add("buffersink")]
        graph.link_nodes(*chain).configure()
        return graph


def upright_size(width: int, height: int, sar: Fraction, rotation: int) -> tuple[int, int]:
    """Size of a stored picture once its pixels are square and it stands upright.

    >>> upright_size(720, 576, Fraction(16, 15), 0)
    (768, 576)
    >>> upright_size(640, 360, Fraction(1), 90)
    (360, 640)
    """
    width = max(1, round(width * sar))
    return (height, width) if rotation in (90, 270) else (width, height)


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
                lens = _Lens(sar, rotation, *shown, self.threads)
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
        stream = video_stream(container, path)
        audio = audio_stream(container)
        head = []
        with contextlib.suppress(av.FFmpegError, OSError):
            for pts, picture in ticks(container, stream, container.decode(stream)):
                head.append((pts, picture.interlaced_frame, picture.rotation % 360))
                shape = picture.width, picture.height
                if len(head) == SETTLE_FRAMES:
                    break
        if not head:
            raise FilmError(path, "holds video of which no frame can be decoded.")
        sar = stream.sample_aspect_ratio or Fraction(1)
        rotation = head[0][2]
        width, height = upright_size(*shape, sar, rotation)
        duration = stream.duration and stream.duration * stream.time_base
        if not duration:
            duration = Fraction(container.duration or 0, av.time_base)
        gaps = np.diff([pts for pts, _, _ in head])
        declared = stream.average_rate or stream.guessed_rate
        fps = 1 / (np.median(gaps) * stream.time_base) if len(gaps) else declared or 25
        if declared and abs(declared - fps) < 0.02 * fps:
            fps = declared  # the header is exact where timestamps are rounded
        return Probe(
            path=path,
            width=width,
            height=height,
            t0=float(head[0][0] * stream.time_base),
            duration=float(duration),
            fps=float(fps),
            interlaced=any(interlaced for _, interlaced, _ in head),
            rotation=rotation,
            sar=float(sar),
            time_base=stream.time_base,
            hdr=stream.codec_context.color_trc in HDR,
            container=container.format.name,
            video_codec=stream.codec_context.codec.name,
            audio_codec=audio.codec_context.codec.name if audio else "",
        )


def timecode(path) -> str:
    """The timecode that a film's file gives its first frame, such as ``01:00:00:00``, or ""."""
    with open_film(path) as container:
        streams = [video_stream(container, path), *container.streams.data]
        told = [container.metadata, *(stream.metadata for stream in streams)]
        return next((tags["timecode"] for tags in told if "timecode" in tags), "")


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
