"""The verb `lab store`: what lies in the workspace, whether it is whole, what can go."""

from __future__ import annotations

from lab.cli.options import UsageError, shown
from lab.inventory import NEEDLESS, inventory, prune
from lab.language import counted
from lab.store import Workspace

TEXT = "what was worked out and lies in DIR/work: list it, verify it, remove what nobody needs"
LISTED = ["stage", "film_id", "title", "encoder", "size", "state"]


def add_store(verb) -> None:
    """Add `lab store` and what it can do; `verb` adds one to the command."""
    ways = verb("store", None, TEXT).add_subparsers(metavar="list | verify | prune", required=True)

    def way(name, run, text):
        one = ways.add_parser(name, help=text, description=text)
        one.add_argument("--work", default="data", metavar="DIR", help="workspace (default: data)")
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
    more = f"; {_sized(needless)} of that nobody needs (lab store prune)" if len(needless) else ""
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
