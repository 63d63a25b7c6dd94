"""The `lab` command: the same stages without a notebook.

A verb's options, and all that does it, are imported when it is asked for: who only wants a list
need not wait for networks.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module

from lab import LabError, __version__
from lab.cli.work import WORK, add_work, typed

VERBS = {  # which module does it, with its `add_VERB`; what it does
    "demo": ("matching", "sample footage -> finished side-by-side video, end to end"),
    "fetch": ("fetching", "films from archive.org, with their titles and licences"),
    "ingest": ("archiving", "films or folders -> shots, channels, proxies"),
    "films": ("listing", "the films table"),
    "problems": ("listing", "what could not be read, and why"),
    "store": (
        "keeping",
        "what was worked out and lies in DIR/work: list it, verify it, remove what nobody needs",
    ),
    "shots": ("listing", "the shots of one film; take a corrected list, or write one"),
    "map": ("exploring", "the archive's shots on a map: a page, a picture, or a scene played"),
    "favourites": ("exploring", "what was put aside, with titles and timecodes"),
    "search": (
        "exploring",
        "find shots by a text, by a picture, by a shot; or list those that --where keeps",
    ),
    "match": ("matching", "answer every shot of a trailer from the archive"),
    "render": ("finishing", "edit -> finished videos, and what goes with them: sheet, poster"),
    "handover": ("finishing", "an edit to an editing program, and what was changed there, back"),
    "see": (
        "seeing",
        "learning to see: train a small network on one kind of images, look through it",
    ),
    "doctor": ("keeping", "what is installed, what is missing, what to do"),
}


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    asked = sys.argv[1:] if argv is None else argv
    interrupted, work = "nothing was begun", WORK
    try:
        args = _parser(asked).parse_args(asked)
        interrupted, work = args.interrupted, args.work
        print(typed(args.run(args), work), flush=True)
        return 0
    except KeyboardInterrupt:
        print(f"\nlab: interrupted; {interrupted}", file=sys.stderr)
        if argv is None:  # the command: to take the interpreter apart would last longer than this
            sys.stdout.flush()
            os._exit(130)
        return 130
    except LabError as error:
        print(f"lab: {typed(str(error), work)}", file=sys.stderr)
    except BrokenPipeError:  # who read it has enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"lab: {place}{error.strerror or error}", file=sys.stderr)
    return 1


def _parser(asked: list[str]) -> argparse.ArgumentParser:
    """With every verb's name and what it does, and the options of the one that is asked for."""
    about = "Neural reinterpretations, without a notebook."
    parser = argparse.ArgumentParser(prog="lab", description=about)
    parser.add_argument("--version", action="version", version=__version__)
    shared = argparse.ArgumentParser(add_help=False)
    add_work(shared)
    known = parser.add_subparsers(metavar="VERB", required=True)
    for name, (room, text) in VERBS.items():
        one = known.add_parser(name, help=text, description=text, parents=[shared])
        one.set_defaults(interrupted="what was finished stands, run it again to go on")
        if [name] == asked[:1]:
            getattr(import_module(f"lab.cli.{room}"), f"add_{name}")(one)
    return parser
