"""The verb that brings films in: ingest."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from lab.cli.options import UsageError, add_encoder, positive
from lab.encoders import PACKAGED
from lab.films import Register, find_films
from lab.flags import MISSING
from lab.ingest import ingest as bring_in
from lab.inventory import status
from lab.language import counted
from lab.stages import IngestSettings
from lab.store import Workspace
from lab.tables import load_films


def add_ingest(one) -> None:
    add_encoder(one)
    one.add_argument("paths", nargs="*", metavar="PATH", help="default: DIR/archive")
    many = one.add_mutually_exclusive_group()
    many.add_argument(
        "--jobs",
        type=positive,
        metavar="N",
        help="films worked on at once; default: as many as there are cores, and memory for",
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
