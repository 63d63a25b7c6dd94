"""What lies in the workspace: which films are done, and what of `work/` nobody needs any more.

Only ``work/`` is looked at, and only what can be worked out again is ever removed from it: films,
corrections, edits, favourites and models lie elsewhere, and a map that was drawn stays.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from lab.cutlists import CutListError
from lab.encoders import PACKAGED
from lab.films import Register, credit_of, legible
from lab.ingest import load_problems
from lab.stages import IngestSettings, complete, film_key, looks_key, shots_key
from lab.store import CARD, Workspace, read_json, whole

COLUMNS = ["stage", "film_id", "title", "encoder", "bytes", "state", "path"]
NEEDLESS = ("damaged", "out of date", "other encoder", "film gone", "left over")
FILM_ID = re.compile(r"\.?([0-9a-f]{12})\b")  # with which a name begins
DAY = 86400.0  # seconds after which what another machine was making is taken for left over
STATES = ["path", "film_id", "state", "what"]


def status(
    paths: Iterable, workspace: Workspace, settings: IngestSettings | None = None
) -> pd.DataFrame:
    """How far an ingest of these films is; no film is read for it.

    Parameters
    ----------
    paths : iterable of path-like
        Film files.
    workspace : Workspace
    settings : IngestSettings, optional

    Returns
    -------
    DataFrame
        A row for every path: `film_id` (empty where the file was not read yet), `state` (``done``,
        ``left``, ``problem``) and `what`: of a problem, the sentence; of what is left, what
        stands already. A film that is not whole is done, with a sentence.
    """
    settings, register = settings or IngestSettings(), Register(workspace)
    told = load_problems(workspace).drop_duplicates("path").set_index("path")[["stage", "what"]]
    rows = []
    for file in paths:
        path, film_id = legible(file), register.known(file)
        place = os.path.abspath(path)
        stage, what = told.loc[place] if place in told.index else ("", "")
        if film_id is None and stage != "open":  # what was said, was of another content
            what = ""
        try:
            done = film_id is not None and complete(workspace, film_id, settings)
        except CutListError as error:
            done, what = False, str(error)
        state = "done" if done else "problem" if what else "left"
        if state == "left" and film_id and workspace.part("film", film_id, film_key()).exists():
            what = "is decoded"
        rows.append((path, film_id or "", state, what))
    return pd.DataFrame(rows, columns=STATES)


def unreadable(workspace: Workspace) -> pd.DataFrame:
    """The problems of those that are no films here, for nothing of them could be read."""
    problems, register = load_problems(workspace), Register(workspace)
    films = map(register.read_at, problems.path)
    read = [bool(one) and workspace.part("film", one, film_key()).exists() for one in films]
    return problems[~np.array(read, bool)].reset_index(drop=True)


def inventory(
    workspace: Workspace, *, encoder: str | None = None, thorough: bool = False
) -> pd.DataFrame:
    """What lies in ``work/``.

    Parameters
    ----------
    workspace : Workspace
    encoder : str, optional
        What others saw is needless then; by default what any encoder saw is kept.
    thorough : bool
        Read all of it, to see whether it is as it was written.

    Returns
    -------
    DataFrame
        A row for every part: `stage` (``film``, ``shots``, ``looks``, ``render``, ``sound``,
        ``duplicates``, ``scenes``), `film_id` and `title` where it is of one film, `encoder` of
        looks, `bytes`, `path`, and `state`:

        - ``""``: it is needed, and whole as far as was looked;
        - ``damaged``: not what its card says;
        - ``out of date``: made by another version, or by cuts that were corrected since;
        - ``other encoder``: seen by another than `encoder`;
        - ``film gone``: no file is this film any more;
        - ``film away``: nor does its folder hold anything, as of a disk that is not plugged in;
        - ``left over``: half done, or locked, by a process that was killed, or half done on another
          machine a day ago;
        - ``in the making``: by one that lives, or may live on another machine.
    """
    return _inventory(workspace, _Films(workspace), encoder, thorough)


def _inventory(
    workspace: Workspace, films: _Films, encoder: str | None, thorough: bool
) -> pd.DataFrame:
    """As `inventory`; what is learnt of the films on the way stays known to `films`."""
    rows = []
    for path, lives in workspace.half_done():
        left = lives is False or (lives is None and _age(path) > DAY)
        state = "left over" if left else "in the making"
        stage, film_id = _half(path, workspace)
        title = films.title(film_id)
        rows.append((stage, film_id, title, "", _size(path), state, str(path)))
    parts = [path for path in sorted(workspace.work.glob("*/*")) if path.name[0] != "."]
    for path in tqdm(parts, "reading", unit=" parts", disable=not thorough):
        stage, (film_id, key) = path.parent.name, _named(path)
        card = read_json(path / CARD, {}) if path.is_dir() else {}
        by = card.get("made_with", {}).get("encoder", "")
        state = films.state(film_id) or films.age(stage, film_id, key, by)
        if not state and stage == "looks" and encoder and encoder != (by or PACKAGED):
            state = "other encoder"
        if thorough and whole(path) is False:
            state = "damaged"
        rows.append((stage, film_id, films.title(film_id), by, _size(path), state, str(path)))
    table = pd.DataFrame(rows, columns=COLUMNS)
    repeats = table[table.stage == "duplicates"].path  # worked out for each archive: the newest is
    newest = max(repeats, key=lambda path: Path(path).stat().st_mtime_ns, default=None)
    table.loc[repeats[repeats != newest].index, "state"] = "out of date"
    return table


def prune(
    workspace: Workspace, *, encoder: str | None = None, dry_run: bool = False
) -> pd.DataFrame:
    """Remove what nobody needs any more.

    Parameters
    ----------
    workspace : Workspace
    encoder : str, optional
        What others saw goes too.
    dry_run : bool
        Remove nothing.

    Returns
    -------
    DataFrame
        What was removed, or would be: rows of `inventory` whose state is one of `NEEDLESS`.
    """
    films = _Films(workspace)
    table = _inventory(workspace, films, encoder, thorough=True)
    away = table.film_id.map(lambda one: films.state(one) == "film away").astype(bool)
    table = table[table.state.isin(NEEDLESS) & ~away]  # what is away cannot be made again
    for path in [] if dry_run else table.path:
        workspace.remove(Path(path))
    return table


class _Films:
    """What is known of the films that parts are of."""

    def __init__(self, workspace: Workspace):
        self.workspace, self.register = workspace, Register(workspace)
        self.state = lru_cache(maxsize=None)(self._state)
        self.title = lru_cache(maxsize=None)(self._title)

    def _state(self, film_id: str) -> str:
        """Whether the film is gone, or away; what was never seen is neither."""
        places = self.register.places(film_id)
        if not places or self.register.where(film_id):
            return ""
        # Where it was last: what it was moved from may be no more, and says nothing.
        here = _holds_something(places[0].parent)
        return "film gone" if here else "film away"

    def _title(self, film_id: str) -> str:
        places = self.register.places(film_id)
        return credit_of(places[0]).title if places else ""

    def age(self, stage: str, film_id: str, key: str, encoder: str) -> str:
        """Whether a part is what would be made today, as far as that can be told."""
        try:
            if stage == "film":
                today = film_key()
            elif stage == "shots":
                today = shots_key(self.workspace, film_id)
            elif stage == "looks" and encoder:
                settings = IngestSettings(encoder=encoder)
                today = looks_key(self.workspace, film_id, settings)
            else:
                return ""
        except CutListError:  # to be mended: until then it is not known
            return ""
        return "" if key == today else "out of date"


def _named(path: Path) -> tuple[str, str]:
    """Film and key of a part, by its name; a file has one of both."""
    if path.is_dir():
        film_id, _, key = path.name.rpartition("-")
        return film_id, key
    return (path.stem, "") if path.parent.name == "sound" else ("", path.stem)


def _half(path: Path, workspace: Workspace) -> tuple[str, str]:
    """Stage and film of what is half done, or locked, as far as its name tells."""
    stage = "" if path.parent == workspace.work else path.parent.name
    film_id = FILM_ID.match(path.name)
    return stage, film_id[1] if film_id else ""


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _age(path: Path) -> float:
    """Seconds since a file, or one of a folder, was last written."""
    return time.time() - max(file.stat().st_mtime for file in [path, *path.rglob("*")])


def _holds_something(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())
