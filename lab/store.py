"""The workspace on disk: what has been worked out, under which key, and nothing half done.

A *part* is a folder ``<work>/<stage>/<film_id>-<key>/`` that one stage made for one film. It
is written under a temporary name and renamed when complete, so that stopping at any instant,
``kill -9`` included, costs at most the part in hand. The key names everything the part depends
on, so that a changed parameter, version or film makes a new part and touches no other.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file


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
    def making(self, stage: str, film_id: str, key: str) -> Iterator[Path]:
        """A folder to fill; it takes the part's name when the block ends without an error."""
        final = self.part(stage, film_id, key)
        scratch = final.with_name(f".{final.name}.{os.getpid()}-{uuid.uuid4().hex[:6]}")
        scratch.mkdir(parents=True)
        try:
            yield scratch
            try:
                os.replace(scratch, final)
            except OSError:
                if not final.exists():  # another process may have been first: the same content
                    raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def sweep(self) -> None:
        """Remove what processes that no longer live left half done."""
        for scratch in [*self.work.glob("*/.*-*.*-*"), *self.work.glob(".*.json.*")]:
            pid = scratch.name.rpartition(".")[2].split("-")[0]
            if pid.isdigit() and _alive(int(pid)):
                continue
            if scratch.is_dir():
                shutil.rmtree(scratch, ignore_errors=True)
            else:
                scratch.unlink(missing_ok=True)


def sweep_beside(path: Path) -> None:
    """Remove what processes that no longer live left half done of one file."""
    for scratch in path.parent.glob(f".{path.name}.*.part"):
        pid = scratch.name.split(".")[-2]
        if pid.isdigit() and not _alive(int(pid)):
            scratch.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
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
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
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
