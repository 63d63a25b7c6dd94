"""The verbs that bring films in and tell what is there: ingest, films, problems, shots."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

from lab.cli.options import UsageError, add_encoder, ends_in, positive, shown
from lab.cutlists import read_cuts, write_cuts
from lab.encoders import PACKAGED
from lab.films import Register, find_films
from lab.filmstrips import film_strips
from lab.flags import MISSING
from lab.ingest import ingest as bring_in
from lab.ingest import ingest_one, load_problems, recut, retell
from lab.inventory import status, unreadable
from lab.language import counted
from lab.sheets import shot_sheet
from lab.stages import IngestSettings
from lab.store import Workspace
from lab.tables import load_archive, load_films, load_frames, load_shots, no_films, thumbnail_path

LISTED = ["index", "start", "end", "start_frame", "end_frame", "transition_in"]
LISTED += ["framing", "camera", "light", "faces", "flags"]


def add_ingest(one) -> None:
    add_encoder(one)
    one.add_argument("paths", nargs="*", metavar="PATH", help="default: DIR/archive")
    many = one.add_mutually_exclusive_group()
    many.add_argument(
        "--jobs", type=positive, default=1, metavar="N", help="films worked on at once"
    )
    many.add_argument(
        "--dask",
        default="",
        metavar="ADDRESS",
        help="of a Dask scheduler, whose workers do it; films and DIR in a folder that all share",
    )
    one.add_argument(
        "--status", action="store_true", help="only tell what is done and what is left"
    )
    one.set_defaults(run=ingest)


def ingest(args) -> str:
    workspace = Workspace(args.work)
    paths = find_films(args.paths or _usual(workspace, args.status))
    looking = IngestSettings(encoder=args.encoder or PACKAGED)
    if args.status:
        return _status(paths, workspace, looking)
    report = bring_in(paths, workspace, looking, jobs=args.jobs, dask=args.dask)
    for problem in report.problems.itertuples():
        print(f"{problem.path}: {problem.what}", file=sys.stderr)
    if not report.made and not report.stood:
        raise UsageError("none of these films could be read; see `lab problems`.")
    if not report.made and not len(report.problems):
        return f"nothing to do: {counted(len(report.stood), 'film')} already in {workspace.work}"
    bad = (
        f", {counted(len(report.problems), 'problem')} (`lab problems`)"
        if len(report.problems)
        else ""
    )
    stood = f", {len(report.stood)} stood already" if report.stood else ""
    return f"ingested {counted(len(report.made), 'film')}{stood}{bad} -> {workspace.work}"


def _usual(workspace: Workspace, status: bool) -> list[Path | str]:
    """The archive's folder; to tell how far it is, where there is none, what was named before."""
    if workspace.archive.is_dir():
        return [workspace.archive]
    known = [path for path in Register(workspace).seen if os.path.isfile(path)]
    if status and known:
        return known
    raise UsageError(
        f"there is no folder {workspace.archive}; make it and put films there, or name some."
    )


def _status(paths: list[Path], workspace: Workspace, looking: IngestSettings) -> str:
    table = status(paths, workspace, looking)
    print(table.to_string(index=False))
    done, left, bad = (table.state == state for state in ("done", "left", "problem"))
    part = int((done & (table.what != "")).sum())
    some = f" ({part} of them not whole)" if part else ""
    said = f"{done.sum()} of {counted(len(table), 'film')} done{some}, {left.sum()} left, "
    said += f"{bad.sum()} that cannot be used"
    known = load_films(workspace)
    if lost := ((known.role == "archive") & (known.state == MISSING)).sum():
        these = counted(lost, "film")
        said += f"; {these} of the archive not where last seen: what of this is one of them, only "
        said += "moved, is not done again"
    return said


def add_films(one) -> None:
    one.add_argument(
        "--out", metavar="FILE", help=".csv, or .png: every film as a strip of its shots"
    )
    one.add_argument(
        "--relink",
        metavar="FOLDER",
        help="look there for films that were moved or renamed, by their content",
    )
    one.set_defaults(run=films)


def films(args) -> str:
    workspace = Workspace(args.work)
    if args.relink:
        return _relinked(workspace, args.relink)
    if args.out:
        ends_in(args.out, ".csv", ".png")
    table = load_films(workspace)
    if not len(table) and not len(unreadable(workspace)):
        if args.out:
            raise UsageError(no_films(workspace))
        return no_films(workspace)
    if args.out and Path(args.out).suffix.lower() == ".png":
        archive, unread = load_archive(workspace, films=list(table.film_id)), unreadable(workspace)
        thumbnail = partial(thumbnail_path, workspace)
        pages = film_strips(archive.films, archive.shots, thumbnail, args.out, unread)
        bad = f", {len(unread)} that cannot be read" if len(unread) else ""
        last = f" to {pages[-1].name}" if pages[1:] else ""
        return f"{counted(len(archive.films), 'film')}{bad} -> {args.out}{last}"
    listed = ["film_id", "role", "duration", "fps", "title", "state", "path"]
    if not (table.state != "").any():
        listed.remove("state")
    said, gone = shown(table, args.out, "film", listed), (table.state == MISSING).sum()
    return f"{said}, {gone} missing (`lab films --relink FOLDER`)" if gone else said


def _relinked(workspace: Workspace, folder: str) -> str:
    register = Register(workspace)
    found = register.relink(folder)
    register.save()
    retell(workspace, register)
    for film_id, path in found.items():
        print(f"{film_id}  {path}")
    missing = register.missing()
    for film_id in missing:
        print(f"missing: {film_id}  {register.films[film_id]['path']}", file=sys.stderr)
    left = f"; {len(missing)} still missing" if missing else "; none is missing"
    return f"{counted(len(found), 'film')} found again in {folder}{left}"


def add_problems(one) -> None:
    one.add_argument("--out", metavar="FILE.csv")
    one.set_defaults(run=problems)


def problems(args) -> str:
    table = load_problems(Workspace(args.work))
    return shown(table, args.out, "problem", ["path", "what"])


def add_shots(one) -> None:
    one.add_argument("video", metavar="VIDEO", help="a file, or a film_id from `lab films`")
    one.add_argument(
        "--out",
        metavar="FILE",
        help=".csv, -Scenes.csv (PySceneDetect's), .edl, .otio, or .png: a sheet of pictures; "
        "without it the table is printed",
    )
    lists = one.add_mutually_exclusive_group()
    lists.add_argument(
        "--from", dest="cuts", metavar="FILE", help="a corrected list, kept in the workspace"
    )
    lists.add_argument("--reset", action="store_true", help="back to the cuts that were found")
    one.set_defaults(run=shots)


def shots(args) -> str:
    workspace = Workspace(args.work)
    path = Register(workspace).find(args.video)
    film_id = ingest_one(path, workspace)
    times = load_frames(workspace, film_id)["times"]
    fps = float(load_films(workspace).set_index("film_id").fps[film_id])
    table, changed = load_shots(workspace, films=[film_id]), ""
    if args.cuts or args.reset:
        before, starts = table.start_frame.tolist(), None
        if args.cuts:
            starts = times[[0, *read_cuts(args.cuts, times, fps, before)]].tolist()
        recut(workspace, film_id, starts)
        table = load_shots(workspace, films=[film_id])
        changed = _changed(before, table.start_frame.tolist())
    if args.out and Path(args.out).suffix.lower() == ".png":
        shot_sheet(table, partial(thumbnail_path, workspace, film_id), args.out)
    elif args.out:
        write_cuts(args.out, table, times, fps, path)
    elif not changed:
        print(table[LISTED].to_string(index=False))
    place = f" -> {args.out}" if args.out else ""
    return f"{counted(len(table), 'shot')} of {path}{changed}{place}"


def _changed(before: list[int], after: list[int]) -> str:
    """How a film's cuts differ from what they were."""
    more, fewer = set(after) - set(before), set(before) - set(after)
    if not more and not fewer:
        return "; its cuts are as they were"
    return f"; {counted(len(more), 'new cut')}, {len(fewer)} gone"
