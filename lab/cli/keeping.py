"""The verbs that look after the house: store, what lies there; doctor, what is installed."""

from __future__ import annotations

import importlib.metadata as metadata
import re

from lab.cli.options import UsageError, shown
from lab.cli.work import add_work
from lab.inventory import NEEDLESS, inventory, prune
from lab.language import counted
from lab.store import Workspace

LISTED = ["stage", "film_id", "title", "encoder", "size", "state"]


def add_store(verb) -> None:
    ways = verb.add_subparsers(metavar="list | verify | prune", required=True)

    def way(name, run, text):
        one = ways.add_parser(name, help=text, description=text)
        add_work(one)
        one.add_argument("--out", metavar="FILE.csv")
        one.set_defaults(run=run)
        return one

    way("list", listed, "every part: of which film and stage, how large, whether it is needed")
    way("verify", verify, "read all of it, and tell what is damaged")
    one = way("prune", pruned, "remove what is damaged, out of date, left over, of films gone")
    one.add_argument("--dry-run", action="store_true", help="only tell what would be removed")
    one.add_argument("--encoder", metavar="MODEL", help="remove also what other encoders saw")


def listed(args) -> str:
    workspace = Workspace(args.work)
    table = inventory(workspace)
    needless = table[table.state.isin(NEEDLESS)]
    more = f"; {_sized(needless)} of that nobody needs (`lab store prune`)" if len(needless) else ""
    if (table.state == "film gone").any():
        more += "; films that are gone and were only moved, `lab films --relink FOLDER` finds"
    return f"{_shown(table, args.out, 'part')}, {_sized(table)} in {workspace.work}{more}"


def verify(args) -> str:
    workspace = Workspace(args.work)
    table = inventory(workspace, thorough=True)
    damaged = table[table.state == "damaged"]
    said = _shown(damaged, args.out, "damaged part", "path")
    if len(damaged):
        raise UsageError(f"{said}; `lab store prune` removes them, `lab ingest` makes them again.")
    return f"{counted(len(table), 'part')}, {_sized(table)} in {workspace.work}: none is damaged"


def pruned(args) -> str:
    workspace = Workspace(args.work)
    table = prune(workspace, encoder=args.encoder, dry_run=args.dry_run)
    said = _shown(table, args.out, "part")
    return f"{said}, {_sized(table)}, {'would be ' * args.dry_run}removed from {workspace.work}"


def _shown(table, out: str | None, what: str, *more: str) -> str:
    """As `shown`; to be read, sizes are in megabytes."""
    if out:
        return shown(table, out, what, list(table))
    sized = table.assign(size=table.bytes.map(_megabytes))
    return shown(sized, None, what, [*LISTED, *more])


def _sized(table) -> str:
    return _megabytes(table.bytes.sum())


def _megabytes(size: float) -> str:
    return f"{size / 1e6:.1f} MB"


def add_doctor(one) -> None:
    one.set_defaults(run=doctor)


def doctor(args) -> str:
    missing = []
    for need in metadata.requires("reinterpretation-lab") or []:
        name, _, marker = need.partition(";")
        if "extra ==" in marker:
            continue
        name = re.split(r"[<>=!~ ]", name.strip())[0]
        try:
            print(f"ok       {name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            if name not in ("decord", "decord2"):
                missing.append(name)
                print(f"MISSING  {name}")
    workspace = Workspace(args.work)
    print(f"ok       workspace {workspace.root.resolve()}")
    if missing:
        raise UsageError(f"{len(missing)} packages are missing; run `make clean demo`.")
    return "all is there"
