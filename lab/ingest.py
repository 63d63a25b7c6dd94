"""Ingest: many films through their stages, each in a process of its own."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from lab.apart import DiedError, spread
from lab.cluster import ClusterError, reach
from lab.cutlists import CutListError, drop_correction, save_correction
from lab.encoders import EncoderError
from lab.films import Register, find_films, legible
from lab.language import counted
from lab.progress import FilmBars, byte_bar
from lab.stages import IngestSettings, Worked, complete, damage, film_key, ingest_film
from lab.store import Workspace, read_json, write_json
from lab.video import FilmError, WriteError

PROBLEMS = "problems.json"
KEEP = 10.0  # seconds after which what was learnt of files is kept


class BusyError(Exception):
    """Another ingest is at work on the film."""


@dataclass
class Report:
    """What an ingest did: films worked on, films that stood already, and `problems`.

    A film on which another ingest worked at the same time stood already.
    """

    made: list[str] = field(default_factory=list)
    stood: list[str] = field(default_factory=list)
    problems: pd.DataFrame = field(default_factory=lambda: _problems([]))


def ingest(
    paths: Iterable,
    workspace: Workspace,
    settings: IngestSettings | None = None,
    *,
    role: str = "archive",
    jobs: int = 1,
    dask: str = "",
) -> Report:
    """Bring films into the workspace; what stands already is left alone.

    Others may do the same at once: what they are at work on is left to them, and waited for when
    all else is done.

    Parameters
    ----------
    paths : iterable of path-like
        Film files.
    workspace : Workspace
    settings : IngestSettings, optional
    role : str
        ``"archive"`` or ``"trailer"``.
    jobs : int
        Films worked on at once, each in a process of its own: a decoder that dies or hangs takes
        only its own film with it. 0 works in this process, without that safety.
    dask : str
        Address of a Dask scheduler whose workers do it instead, one film for each of their threads;
        they must see workspace and films at the same paths.

    Returns
    -------
    Report
        A film that cannot be read is a row in its `problems`, not an error.

    Raises
    ------
    WriteError
        If the disk takes no more.
    EncoderError
        If the encoder cannot be had.
    ClusterError
        If the cluster cannot be reached, or cannot do it.
    """
    paths, settings = list(map(Path, paths)), settings or IngestSettings()
    workspace.sweep()
    try:
        with _way(workspace, paths, jobs, dask) as way:
            return _ingest(paths, workspace, settings, role, math.inf if dask else jobs, way)
    finally:
        workspace.sweep()  # what died left something half done


@contextmanager
def _way(workspace: Workspace, paths: list[Path], jobs: int, dask: str) -> Iterator[Callable]:
    """A way to work on films: here, each in a process apart, or on a cluster."""
    if not dask:
        yield partial(spread, jobs=jobs) if jobs else _here
        return
    with reach(dask, workspace.root, paths) as spread_there:
        yield spread_there


def _ingest(
    paths: list[Path],
    workspace: Workspace,
    settings: IngestSettings,
    role: str,
    jobs: float,
    way: Callable,
) -> Report:
    register, report, found = Register(workspace), Report(), []
    todo: dict[str, list[Path]] = {}  # a film may lie there twice
    with _fingerprints(paths, register) as tell:
        for path in paths:
            try:
                film_id = register.identify(path, tell)
                stands = complete(workspace, film_id, settings)
            except FilmError as error:
                found.append((legible(path), "open", error.why, None))
                continue
            except CutListError as error:
                found.append((str(path), "shots", str(error), None))
                continue
            if stands:
                register.add(film_id, path, role)
                report.stood.append(film_id)
                found += damage(path, workspace.part("film", film_id, film_key()))
            else:
                todo.setdefault(film_id, []).append(path)
    sizes = {film_id: size for film_id, size, _ in register.seen.values() if film_id in todo}
    for film_id, (made, problems) in _work(todo, sizes, workspace, settings, jobs, way):
        found += [(str(path), *row[1:]) for path in todo[film_id] for row in problems]
        if complete(workspace, film_id, settings):
            register.add(film_id, todo[film_id][0], role)
            register.save()
            (report.made if made else report.stood).append(film_id)
    report.problems = _problems(found)
    _remember(workspace, list(map(legible, paths)), report.problems)
    return report


@contextmanager
def _fingerprints(paths: list[Path], register: Register) -> Iterator[Callable[[int], None]]:
    """How far the files are read that must be, to know them; what was learnt of them is kept."""
    unread = (path for path in paths if os.path.isfile(path) and not register.known(path))
    size, saved = sum(map(os.path.getsize, unread)), time.monotonic()

    def tell(size: int) -> None:
        nonlocal saved
        bar.update(size)
        if time.monotonic() > saved + KEEP:
            register.save()
            saved = time.monotonic()

    with byte_bar(size, "fingerprints", delay=1.0) as bar:
        try:
            yield tell
        finally:
            register.save()


def ingest_one(
    path, workspace: Workspace, settings: IngestSettings | None = None, role: str = "trailer"
) -> str:
    """Bring one film in, where that is still to be done, and give its `film_id`.

    Raises
    ------
    FilmError
        If it cannot be read.
    """
    report = ingest(find_films([path]), workspace, settings, role=role)
    if not report.made and not report.stood:
        raise FilmError(path, report.problems.what.iloc[0])
    return [*report.made, *report.stood][0]


def recut(
    workspace: Workspace,
    film_id: str,
    starts: list[float] | None,
    settings: IngestSettings | None = None,
) -> None:
    """Divide a film anew where a person says, and see its new shots.

    Parameters
    ----------
    workspace : Workspace
    film_id : str
        A film that was ingested; it is not decoded again.
    starts : list of float or None
        Seconds at which shots begin, kept in the workspace; None goes back to those found.
    settings : IngestSettings, optional

    Raises
    ------
    FilmError
    """
    if starts is None:
        drop_correction(workspace, film_id)
    else:
        save_correction(workspace, film_id, starts)
    path = Register(workspace).films[film_id]["path"]
    done = ingest_film(path, film_id, workspace.root, settings or IngestSettings())
    lost = [why for _, stage, why, _ in done.problems if stage != "decode"]
    if lost:
        raise FilmError(path, lost[0])


def _work(
    todo: dict[str, list[Path]],
    sizes: dict[str, int],
    workspace: Workspace,
    settings: IngestSettings,
    jobs: float,
    way: Callable,
) -> Iterator[tuple[str, Worked]]:
    """Films one by one, or `jobs` at once, largest first; with each what came of it."""
    order = sorted(todo, key=sizes.get, reverse=True) if jobs > 1 else list(todo)
    root = workspace.root.absolute()
    pieces = {
        film_id: (todo[film_id][0].absolute(), film_id, root, settings, max(1, jobs))
        for film_id in order
    }
    stage = dict.fromkeys(order, "decode")
    with FilmBars({film_id: paths[0].name for film_id, paths in todo.items()}, sizes) as bars:
        for film_id, kind, content in _rounds(way, pieces):
            if kind == "told":
                stage[film_id], share = content
                bars.told(film_id, stage[film_id], share)
                continue
            bars.ended(film_id)
            if kind == "failed":
                content = Worked(False, [_failed(todo[film_id][0], stage[film_id], content)])
            yield film_id, content


def _rounds(way: Callable, pieces: dict[str, tuple]) -> Iterator[tuple]:
    """As `way`; those at which others are at work come last, and are waited for."""
    later = {}
    for film_id, kind, content in way(partial(_apart, waits=_busy), pieces):
        if isinstance(content, BusyError):
            later[film_id] = pieces[film_id]
        else:
            yield film_id, kind, content
    if later:
        these = counted(len(later), "film")
        tqdm.write(f"another ingest is at work on {these}; waiting for it", file=sys.stderr)
        yield from way(_apart, later)


def _busy() -> None:
    raise BusyError


def _here(function: Callable, pieces: dict[str, tuple]) -> Iterator[tuple]:
    """As `lab.apart.spread`, in this process: what is raised is raised, and nothing is told."""
    for name, args in pieces.items():
        try:
            yield name, "done", function(*args, tell=lambda *words: None)
        except BusyError as error:
            yield name, "failed", error


def _apart(path, film_id, root, settings, jobs: float, *, tell, waits=lambda: None) -> Worked:
    """`ingest_film` with a fair share of the threads of a machine on which so many are at work."""
    import torch  # slow, and not needed by who only asks

    torch.set_num_threads(int(max(1, _threads() // jobs)))
    return ingest_film(path, film_id, root, settings, tell, waits)


@lru_cache(maxsize=1)
def _threads() -> int:
    """As many as torch takes of itself."""
    import torch

    return torch.get_num_threads()


def _failed(path: Path, stage: str, error: Exception) -> tuple:
    """A row for a film that ended its process, or was too odd for us; the rest is raised."""
    if isinstance(error, (WriteError, EncoderError, ClusterError, OSError)):
        raise error
    why = f"its process {error}" if isinstance(error, DiedError) else repr(error)
    return str(path), stage, f"cannot be worked on ({why}); convert it, or leave it out.", None


def load_problems(workspace: Workspace) -> pd.DataFrame:
    """The problems table, a row for a film that cannot be read or is not whole.

    Returns
    -------
    DataFrame
        `path`, absolute; `stage` (``open``, ``decode``, ``shots``, ``looks``); `what`, one
        sentence; `lost`, where known the stretches without a picture, pairs of seconds on the
        film's own clock.
    """
    return _problems(read_json(workspace.work / PROBLEMS, []))


def _problems(rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["path", "stage", "what", "lost"])


def _remember(workspace: Workspace, paths: list[str], problems: pd.DataFrame) -> None:
    """Replace what was said of these paths before; keep what was said of others that are there."""
    paths = list(map(os.path.abspath, paths))  # the next may be asked for from another folder
    problems = problems.assign(path=problems.path.map(os.path.abspath))
    with workspace.alone(PROBLEMS):
        before = load_problems(workspace)
        kept = before[~before.path.isin(paths) & before.path.map(_there).astype(bool)]
        both = (table.itertuples(index=False, name=None) for table in (kept, problems))
        write_json(workspace.work / PROBLEMS, [*chain(*both)])


def _there(path: str) -> bool:
    """Whether a file is there; of one whose name had to be spelt out that cannot be said."""
    return os.path.lexists(path) or "\\x" in path


def retell(workspace: Workspace, register: Register) -> None:
    """Name the films with a problem that were moved by where they lie now."""
    with workspace.alone(PROBLEMS):
        problems = load_problems(workspace)
        for at, path in enumerate(problems.path):
            if not _there(path) and (place := register.place(register.read_at(path))):
                problems.loc[at, "path"] = str(place)
        write_json(workspace.work / PROBLEMS, [*problems.itertuples(index=False, name=None)])
