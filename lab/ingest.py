"""Ingest: many films through their stages, each in a process of its own."""

from __future__ import annotations

import math
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from tqdm.auto import tqdm

from lab.apart import DiedError, KilledError, affordable, share_threads, spread
from lab.cluster import ClusterError, reach
from lab.cutlists import CutListError, drop_correction, save_correction
from lab.encoders import EncoderError
from lab.films import Read, Register, find_films, legible, read_film
from lab.language import counted
from lab.progress import FilmBars
from lab.stages import IngestSettings, complete, damage, film_key, ingest_film
from lab.store import Workspace, read_json, write_json
from lab.video import FilmError, WriteError

PROBLEMS = "problems.json"
OPEN, KNOWN = "open", "known"  # said of a file while it is read, and once it is known
READS = 0.02  # of a film's time, in which it is read to be known
PEAK = 3 * 2**30  # bytes that a film of 1080p takes, with room for what else a machine does


class BusyError(Exception):
    """Another ingest is at work on the film, of which this is what was read."""


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
    jobs: int | None = None,
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
    jobs : int, optional
        Films worked on at once, each in a process of its own: a decoder that dies or hangs takes
        only its own film with it. By default as many as there are cores, and 3 GiB of memory for
        each. 0 works in this process, without that safety.
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
        return _ingest(paths, workspace, settings, role, jobs, dask)
    finally:
        workspace.sweep()  # what died left something half done


def _ingest(
    paths: list[Path],
    workspace: Workspace,
    settings: IngestSettings,
    role: str,
    jobs: int | None,
    dask: str,
) -> Report:
    register = Register(workspace)
    todo, stood, found = _left(paths, register, settings, role)
    jobs = math.inf if dask else _at_once(len(paths) if todo else 0, jobs)
    made, copies = [], defaultdict(list)  # a film may lie there twice
    with _way(todo, workspace, jobs, dask) as way:
        for at, brought in _work(todo, register, settings, jobs, way):
            found += [(legible(todo[at]), *row[1:]) for row in brought.problems]
            if not brought.read:
                continue
            film_id = register.learn(todo[at], brought.read)
            if _stands(workspace, film_id, settings):
                copies[film_id].append(at)
                register.add(film_id, todo[min(copies[film_id])], role)
                (made if brought.made else stood).append(film_id)
            register.save()
    place = {legible(path): at for at, path in enumerate(paths)}
    found.sort(key=lambda row: place[row[0]])
    new = set(made)
    stood = [film_id for film_id in dict.fromkeys(stood) if film_id not in new]
    report = Report(made, stood, _problems(found))
    _remember(workspace, list(place), report.problems)
    return report


def _at_once(films: int, jobs: int | None) -> int:
    """Films worked on at once: no more than are named, so that those have all threads.

    Those that stand count: with other threads sums differ in their last bits, and what was
    interrupted is to become what it would have been.
    """
    if jobs is None:
        jobs = affordable(PEAK) if films > 1 else 1
    return min(films, jobs)


def _left(
    paths: list[Path], register: Register, settings: IngestSettings, role: str
) -> tuple[list[Path], list[str], list[tuple]]:
    """Files that are to be worked on; films of which all stands, and their rows of problems."""
    todo, stood, found = [], [], []
    for path in paths:
        film_id = register.known(path)
        if film_id and _stands(register.workspace, film_id, settings):
            register.add(film_id, path, role)
            stood.append(film_id)
            found += damage(legible(path), register.workspace.part("film", film_id, film_key()))
        else:
            todo.append(path)
    register.save()
    return todo, stood, found


@contextmanager
def _way(todo: list[Path], workspace: Workspace, jobs: float, dask: str) -> Iterator[Callable]:
    """A way to work on films: here, each in a process apart, or on a cluster."""
    if not dask:
        yield partial(spread, jobs=jobs) if jobs else _here
        return
    with reach(dask, workspace.root, todo) as spread_there:
        yield spread_there


def _stands(workspace: Workspace, film_id: str, settings: IngestSettings) -> bool:
    """Whether all is made of a film, so that nothing is left to do or to tell."""
    try:
        return complete(workspace, film_id, settings)
    except CutListError:  # which is told when the film is worked on
        return False


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
    FilmError, EncoderError
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


class Piece(NamedTuple):
    """A file to be brought in; `read` is what it was when it was read, if it was."""

    path: Path
    read: Read | None
    root: Path
    settings: IngestSettings
    jobs: float


class Brought(NamedTuple):
    """What came of a file: as it was read, if it could be; the rest as of `lab.stages.Worked`."""

    read: Read | None
    made: bool
    problems: list[tuple]


def _work(
    todo: list[Path], register: Register, settings: IngestSettings, jobs: float, way: Callable
) -> Iterator[tuple[int, Brought]]:
    """Files one by one, or `jobs` at once, largest first; with each what came of it."""
    root, sizes = register.workspace.root.absolute(), list(map(_size, todo))
    order = sorted(range(len(todo)), key=lambda at: -sizes[at]) if jobs > 1 else range(len(todo))
    pieces = {
        at: Piece(todo[at].absolute(), register.recall(todo[at]), root, settings, max(1, jobs))
        for at in order
    }
    stage = {at: "decode" if piece.read else OPEN for at, piece in pieces.items()}
    with FilmBars([path.name for path in todo], sizes, jobs) as bars:
        for at, kind, content in _rounds(way, pieces):
            if kind == "told" and content[0] == KNOWN:
                register.learn(todo[at], Read(*content[1:]))
                register.save()
                stage[at] = "decode"
            elif kind == "told":
                stage[at], share = content
                bars.told(at, stage[at], share)
            else:
                if kind == "failed":
                    problems = [_failed(todo[at], stage[at], content)]
                    content = Brought(register.recall(todo[at]), False, problems)
                bars.ended(at)
                yield at, content


def _size(path: Path) -> int:
    """Bytes of a file; 0 of what is none."""
    return os.path.getsize(path) if os.path.isfile(path) else 0


def _rounds(way: Callable, pieces: dict[int, Piece]) -> Iterator[tuple]:
    """As `way`; those at which others are at work come last, and are waited for.

    So do copies of a film that is in work here: of one that could be made they find it made.
    """
    later, ours = {}, {at: piece.read.film_id for at, piece in pieces.items() if piece.read}
    for at, kind, content in way(partial(_bring, patient=False), pieces):
        if isinstance(content, BusyError):
            later[at] = pieces[at]._replace(read=content.args[0])
            ours.pop(at, None)
            continue
        if kind == "told" and content[0] == KNOWN:
            ours[at] = content[1]
        elif kind == "done" and content.read:
            ours[at] = content.read.film_id
        yield at, kind, content
    if theirs := {piece.read.film_id for piece in later.values()} - {*ours.values()}:
        these = counted(len(theirs), "film")
        tqdm.write(f"another ingest is at work on {these}; waiting for it", file=sys.stderr)
    yield from way(_bring, later)


def _here(function: Callable, pieces: dict[int, Piece]) -> Iterator[tuple]:
    """As `lab.apart.spread`, in this process: what is raised is raised, and nothing is told."""
    for at, piece in pieces.items():
        try:
            yield at, "done", function(*piece, tell=lambda *words: None)
        except BusyError as error:
            yield at, "failed", error


def _bring(path, read, root, settings, jobs: float, *, tell, patient: bool = True) -> Brought:
    """Know a file's film, and make what is missing of it, with a fair share of the threads.

    Raises
    ------
    BusyError
        With what was read, if another is at work on the film and this is not `patient`.
    """
    begun = 0.0
    if read is None:
        try:
            read = read_film(path, lambda share: tell(OPEN, READS * share))
        except FilmError as error:
            return Brought(None, False, [(legible(path), OPEN, error.why, None)])
        tell(KNOWN, *read)
        begun = READS

    def go_on(stage: str, share: float) -> None:
        tell(stage, begun + (1 - begun) * share)

    def wait() -> None:
        if not patient:
            raise BusyError(read)

    share_threads(jobs)
    return Brought(read, *ingest_film(path, read.film_id, root, settings, go_on, wait))


def _failed(path: Path, stage: str, error: Exception) -> tuple:
    """A row for a film that ended its process, or was too odd for us; the rest is raised."""
    if isinstance(error, (WriteError, EncoderError, ClusterError, OSError)):
        raise error
    why = f"its process {error}" if isinstance(error, DiedError) else repr(error)
    mend = "try fewer at once (`--jobs 1`)" if isinstance(error, KilledError) else "convert it"
    return str(path), stage, f"cannot be worked on ({why}); {mend}, or leave it out.", None


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
