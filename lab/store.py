"""The workspace on disk: what has been worked out, under which key, and nothing half done.

A *part* is a folder ``<work>/<stage>/<film_id>-<key>/`` that one stage made for one film. It
is written under a temporary name and renamed when complete, so that stopping at any instant,
``kill -9`` included, costs at most the part in hand. The key names everything the part depends
on, so that a changed parameter, version or film makes a new part and touches no other. A card in
the part says what it holds, so that later damage is noticed, and how long it took; of two ingests
of one film, all parts are alike byte for byte but for these seconds.

Several processes may be at work here, on several machines that share the folder: what only one
may do at a time is done under a lock, which the system lets go when its holder dies.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import io
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout
from PIL import Image
from safetensors.numpy import load_file, save

from lab import LabError
from lab.video import HOST, WriteError, maker

CARD = "part.json"
LOCK = ".lock"
POLL = 0.2  # seconds between two looks at a lock that another holds
FULL = (errno.ENOSPC, errno.EDQUOT)  # the disk, or what one may use of it
# Names of what is in the making, by process and machine: a part, a file, a video, one on its way
# to a size.
MAKER = r"(\d+)@(\w+)"
MAKING = re.compile(rf"\..*\.{MAKER}(?:-[0-9a-f]{{6}}|\.part)?|\.{MAKER}-.*", re.DOTALL)


class Workspace:
    """Where films lie and where the work on them goes.

    Parameters
    ----------
    root : path-like
        Holds ``archive/`` and ``trailers/`` (films, never written to), ``work/`` (derived,
        safe to delete), ``corrections/`` (a person's cuts, film by film, and names of
        scenes) and ``out/`` (finished).
    """

    def __init__(self, root="data"):
        self.root = Path(root)
        self.archive, self.trailers = self.root / "archive", self.root / "trailers"
        self.work, self.out = self.root / "work", self.root / "out"

    def part(self, stage: str, film_id: str, key: str) -> Path:
        """The folder of a part, whether it exists or not."""
        return self.work / stage / f"{film_id}-{key}"

    @property
    def scene_names(self) -> Path:
        """Where the names are kept that a person gave to scenes."""
        return self.root / "corrections" / "scenes.json"

    @property
    def favourites(self) -> Path:
        """Where shots and pairs are kept that a person put aside."""
        return self.root / "favourites.json"

    @property
    def presets(self) -> Path:
        """Where weights are kept that a person gave a name."""
        return self.root / "presets.json"

    def correction(self, film_id: str) -> Path:
        """Where a film's corrected cuts are kept."""
        return self.root / "corrections" / f"{film_id}.csv"

    @contextmanager
    def making(self, stage: str, film_id: str, key: str, **made_with) -> Iterator[Path]:
        """A folder to fill; it takes the part's name when the block ends without an error.

        What it was `made_with` stands on its card, for who looks at it later, and how long it
        took: seconds by the clock, and CPU-seconds of this process with all its threads.

        Raises
        ------
        WriteError
            If the disk is full.
        """
        final = self.part(stage, film_id, key)
        scratch = aside(final)
        try:
            with room_for(final):
                scratch.mkdir(parents=True)
                clock, cpu = time.perf_counter(), time.process_time()
                yield scratch
                seconds, own = time.perf_counter() - clock, time.process_time() - cpu
                took = {"seconds": round(seconds, 3), "cpu_seconds": round(own, 3)}
                self._finish(scratch, final, {"made_with": made_with, **took})
        except WriteError as error:  # it names a file in there, under a name that nobody knows
            raise WriteError(final, error.why) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    @staticmethod
    def _finish(scratch: Path, final: Path, card: dict) -> None:
        files = {file.name: digest(file) for file in sorted(scratch.iterdir())}
        write_json(scratch / CARD, {**card, "files": files})
        try:
            os.replace(scratch, final)
        except OSError:
            if not final.exists():  # another process may have been first: the same content
                raise

    @contextmanager
    def alone(self, name: str, waits: Callable[[], object] = lambda: None) -> Iterator[None]:
        """While the block runs no other process, nor thread, is in one of this name.

        Parameters
        ----------
        name : str
            Such as a film's identifier, or a file of ``work/``.
        waits : callable
            Called once if another is there; what it raises goes up, else it is waited for.
        """
        path = self.work / f".{name}{LOCK}"
        lock = FileLock(path, poll_interval=POLL)
        with room_for(path):
            self.work.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                waits()
                lock.acquire()
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()  # while it is held: who waits sees that this one is gone
            lock.release()

    def clear(self, stage: str, film_id: str) -> None:
        """Remove what was left half done of a film; for who is `alone` with it."""
        for scratch in (self.work / stage).glob(f".{film_id}-*"):
            _delete(scratch)

    def half_done(self) -> Iterator[tuple[Path, bool | None]]:
        """What lies in the store in the making, and whether the process that makes it lives.

        That is one of this machine, or one of any that holds the lock; None where it may be one
        of another machine, of which nothing is known here. Locks are told of as well.
        """
        found = [*self.work.glob(".*"), *self.work.glob("*/.*")]  # first: what is made now is held
        locks = {lock: not _free(lock) for lock in self.work.glob(f".*{LOCK}")}
        yield from locks.items()
        held = tuple(lock.name.removesuffix(LOCK) for lock, lives in locks.items() if lives)
        for scratch in found:
            if MAKING.fullmatch(scratch.name):
                yield scratch, scratch.name.startswith(held) or _lives(scratch)

    def sweep(self) -> None:
        """Remove what processes of this machine that no longer live left half done."""
        for scratch, lives in self.half_done():
            if lives is False:
                _delete(scratch)

    def remove(self, path: Path) -> None:
        """Take something out of the store; stopped half way, its name shows nothing half."""
        if path.suffix == LOCK:  # another may hold it by now
            return _delete(path)
        scratch = aside(path)
        os.replace(path, scratch)
        _delete(scratch)


def aside(path: Path) -> Path:
    """A name beside `path` under which this process may make it, or take it apart."""
    return path.with_name(f".{path.name}.{maker()}-{uuid.uuid4().hex[:6]}")


def _delete(path: Path) -> None:
    if path.suffix == LOCK:
        with suppress(OSError), FileLock(path, blocking=False):
            path.unlink(missing_ok=True)
    elif path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _free(lock: Path) -> bool:
    """Whether nobody holds a lock any more."""
    try:
        with FileLock(lock, blocking=False):
            return True
    except Timeout:
        return False


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Say in one sentence that the disk takes no more of `path`.

    Raises
    ------
    WriteError
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        why = f"could not be written ({error.strerror}); make room, and run it again."
        raise WriteError(path, why) from error


def digest(path: Path) -> str:
    """Sixteen hex digits that change with a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()


def whole(part: Path) -> bool | None:
    """Whether a part holds what its card says; None for a part without one, of an older version."""
    if not (part / CARD).exists():
        return None
    files = read_json(part / CARD, {}).get("files")
    try:
        return files is not None and all(digest(part / name) == files[name] for name in files)
    except OSError:
        return False


def sweep_beside(path: Path) -> None:
    """Remove what processes of this machine that no longer live left half done of one file."""
    for scratch in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        if MAKING.fullmatch(scratch.name) and _lives(scratch) is False:
            _delete(scratch)


def _lives(scratch: Path) -> bool | None:
    """Whether the process lives that its name says is making this; None of another machine."""
    pid, host = filter(None, MAKING.fullmatch(scratch.name).groups())
    if host != HOST:
        return None
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def key_of(*depends, size: int = 4) -> str:
    """Hex digits, two for each byte of `size`, that change with anything a part depends on.

    >>> key_of("shots", 1, {"threshold": 0.5}) == key_of("shots", 1, {"threshold": 0.5})
    True
    """
    text = json.dumps(depends, sort_keys=True, default=str)
    return hashlib.blake2s(text.encode(), digest_size=size).hexdigest()


def write_whole(path: Path, data: str | bytes) -> None:
    """Write a file so that its name never shows half of it; a pipe or a device as it comes.

    Raises
    ------
    WriteError
        If the disk is full.
    """
    data = data.encode() if isinstance(data, str) else data
    # What /dev/stdout leads to may be a file, and is none of ours to replace.
    if path.exists() and (path.is_relative_to("/dev") or not path.is_file()):
        with room_for(path):
            path.write_bytes(data)
        return
    scratch = aside(path)
    try:
        with room_for(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_bytes(data)
            os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


class PartError(LabError):
    """What was worked out and cannot be read: one sentence with the file, the cause, a remedy."""


@contextmanager
def picture_in(part: Path) -> Iterator[Image.Image]:
    """A picture that was worked out.

    Raises
    ------
    PartError
        If it is damaged, or is not there.
    """
    try:
        with Image.open(part) as picture:
            yield picture
    except OSError as error:
        why = f"cannot be read ({error.strerror or error})"
        remedy = "`lab store prune` removes what is damaged, `lab ingest` makes it again."
        raise PartError(f"{part}: {why}; {remedy}") from error


def image_file(image: Image.Image, kind: str, **options) -> bytes:
    """An image as the content of a file: ``"PNG"``, ``"JPEG"``, ..., with Pillow's `options`.

    Pillow itself, writing to a full disk, takes half a file for a whole one.
    """
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def write_json(path: Path, content) -> None:
    write_whole(path, json.dumps(content, indent=1, ensure_ascii=False))


def read_json(path: Path, default=None):
    """The content of a JSON file; `default` where there is none or it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return default


def write_table(path: Path, table: pd.DataFrame) -> None:
    table.to_parquet(path, index=False)


def read_table(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path)


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Arrays by name, as safetensors: data, never code."""
    # Not by `save_file`, whose errors do not tell a full disk from others.
    path.write_bytes(save({name: np.ascontiguousarray(a) for name, a in arrays.items()}))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    return load_file(path)
