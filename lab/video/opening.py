"""Films opened, with one sentence where one cannot be, and what their files say of them."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import av

from lab import LabError
from lab.video.stamps import MP4

# Containers whose index holds every frame's own PTS, so that a seek cannot shift the count.
INDEXED = {MP4, "matroska,webm"}
TEXT = "is a text, not a film; leave it out, or name the film."
CONTROL = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")  # bytes that no text holds


class FilmError(LabError):
    """A film that cannot be read: one sentence with the file, the cause and what to do."""

    def __init__(self, path, why: str):
        super().__init__(f"{path}: {why}")
        self.path, self.why = str(path), why

    def __reduce__(self):
        return type(self), (self.path, self.why)


class WriteError(FilmError):
    """A file that cannot be written: no such folder, no permission, disk full."""


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


def timecode(path) -> str:
    """The timecode that a film's file gives its first frame, such as ``01:00:00:00``, or ""."""
    with open_film(path) as container:
        streams = [video_stream(container, path), *container.streams.data]
        told = [container.metadata, *(stream.metadata for stream in streams)]
        return next((tags["timecode"] for tags in told if "timecode" in tags), "")
