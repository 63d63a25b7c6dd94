"""The workspace on disk: what has been worked out, under which key, and nothing half done.

A *part* is a folder ``<work>/<stage>/<film_id>-<key>/`` that one stage made for one film. It
is written under a temporary name and renamed when complete, so that stopping at any instant,
``kill -9`` included, costs at most the part in hand. The key names everything the part depends
on, so that a changed parameter, version or film makes a new part and touches no other. A card in
the part says what it holds, so that later damage is noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from lab.video import HOST, maker

CARD = "part.json"
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

        What it was `made_with` stands on its card, for who looks at it later.
        """
        final = self.part(stage, film_id, key)
        scratch = aside(final)
        scratch.mkdir(parents=True)
        try:
            yield scratch
            files = {file.name: digest(file) for file in sorted(scratch.iterdir())}
            write_json(scratch / CARD, {"made_with": made_with, "files": files})
            try:
                os.replace(scratch, final)
            except OSError:
                if not final.exists():  # another process may have been first: the same content
                    raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def half_done(self) -> Iterator[tuple[Path, bool | None]]:
        """What lies in the store in the making, and whether the process that makes it lives.

        None where that is one of another machine, of which nothing is known here.
        """
        for scratch in [*self.work.glob(".*"), *self.work.glob("*/.*")]:
            if MAKING.fullmatch(scratch.name):
                yield scratch, _lives(scratch)

    def sweep(self) -> None:
        """Remove what processes of this machine that no longer live left half done."""
        for scratch, lives in self.half_done():
            if lives is False:
                _delete(scratch)

    def remove(self, path: Path) -> None:
        """Take something out of the store; stopped half way, its name shows nothing half."""
        scratch = aside(path)
        os.replace(path, scratch)
        _delete(scratch)


def aside(path: Path) -> Path:
    """A name beside `path` under which this process may make it, or take it apart."""
    return path.with_name(f".{path.name}.{maker()}-{uuid.uuid4().hex[:6]}")


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


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
    for scratch in path.parent.glob(f".{path.name}.*.part"):
        if MAKING.fullmatch(scratch.name) and _lives(scratch) is False:
            scratch.unlink(missing_ok=True)


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
    """Write a file so that its name never shows half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{maker()}")
    try:
        scratch.write_bytes(data.encode() if isinstance(data, str) else data)
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


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
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    return load_file(path)
