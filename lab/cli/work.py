"""The workspace in which every verb works: how it is asked for, and told of in commands."""

from __future__ import annotations

import re
import shlex

WORK = "data"  # the usual one


def add_work(one) -> None:
    one.add_argument("--work", default=WORK, metavar="DIR", help=f"workspace (default: {WORK})")


def typed(said: str, work: str) -> str:
    """What is said, its commands as they are to be typed for this workspace.

    >>> print(typed("none yet; run `lab ingest`.", "my films"))
    none yet; run `lab ingest --work 'my films'`.
    """
    if work == WORK:
        return said
    more = f" --work {shlex.quote(work)}`"
    return re.sub(r"(`lab (?!see|doctor)[^`]+)`", lambda found: found[1] + more, said)
