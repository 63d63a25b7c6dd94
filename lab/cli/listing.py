"""The verbs that tell of films, one by one: films, problems, shots."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from lab.cli.options import UsageError, ends_in, shown
from lab.cutlists import read_cuts, write_cuts
from lab.films import Register
from lab.filmstrips import film_strips
from lab.flags import MISSING
from lab.ingest import ingest_one, load_problems, recut, retell
from lab.inventory import unreadable
from lab.language import counted
from lab.sheets import shot_sheet
from lab.store import Workspace
from lab.tables import load_archive, load_films, load_frames, load_shots, no_films, thumbnail_path

LISTED = ["index", "start", "end", "start_frame", "end_frame", "transition_in"]
LISTED += ["framing", "camera", "light", "faces", "flags"]


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
