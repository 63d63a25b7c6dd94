"""The verb `lab fetch`: films from archive.org."""

from __future__ import annotations

import sys

from lab.cli.options import UsageError, positive
from lab.fetch import fetch_films, find_items, open_session
from lab.language import counted
from lab.store import Workspace

FOUND = 20  # films of a collection or a query


def add_fetch(one) -> None:
    one.add_argument(
        "items", nargs="*", metavar="IDENTIFIER", help="or IDENTIFIER/FILE, or a page's address"
    )
    one.add_argument("--collection", default="", metavar="NAME", help="such as prelinger")
    one.add_argument(
        "--query", default="", metavar="WORDS", help="in archive.org's terms, such as year:1951"
    )
    one.add_argument(
        "--limit",
        type=positive,
        metavar="N",
        help=f"of a collection or a query, the N most seen ({FOUND})",
    )
    one.set_defaults(run=fetch)


def fetch(args) -> str:
    looking = args.collection or args.query
    if not args.items and not looking:
        raise UsageError("say what: identifiers of archive.org, or --collection or --query.")
    if args.limit and not looking:
        raise UsageError("--limit is of a --collection or of a --query; say which.")
    workspace, session = Workspace(args.work), open_session()
    asked = {"limit": args.limit or FOUND, "session": session}
    found = find_items(args.collection, args.query, **asked) if looking else []
    got = fetch_films(workspace, [*args.items, *found], session)
    for problem in got.problems.itertuples():
        print(f"{problem.path}: {problem.what}", file=sys.stderr)
    for note in got.notes:
        print(f"note: {note}", file=sys.stderr)
    if not got.made and not got.stood:
        raise UsageError("nothing could be fetched.")
    stood = f", {len(got.stood)} stood already" if got.stood else ""
    bad = f", {counted(len(got.problems), 'problem')}" if len(got.problems) else ""
    return f"fetched {counted(len(got.made), 'film')}{stood}{bad} -> {workspace.archive}"
