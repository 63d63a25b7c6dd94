"""The `lab` command: the same stages without a notebook."""

from __future__ import annotations

import argparse
import math
import os
import sys

from lab import __version__
from lab.cli import finishing, options, verbs
from lab.cli.keeping import add_store
from lab.cli.seeing import add_see
from lab.cluster import ClusterError
from lab.cutlists import CutListError
from lab.edit import EditError
from lab.encoders import PACKAGED, EncoderError
from lab.presets import PLATFORMS, PRESETS, RenderSettings
from lab.reel import ReelError
from lab.rules import MatchError, MatchSettings
from lab.sample import SampleError
from lab.search import COUNT, SearchError
from lab.see import SeeError
from lab.video import FilmError

KNOWN = (
    ClusterError,
    CutListError,
    EditError,
    EncoderError,
    FilmError,
    MatchError,
    SampleError,
    ReelError,
    SearchError,
    SeeError,
    options.UsageError,
)


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    args = _parser().parse_args(argv)
    try:
        print(args.run(args), flush=True)
        return 0
    except KeyboardInterrupt:
        print(f"\nlab: interrupted; {args.interrupted}", file=sys.stderr)
        if argv is None:  # the command: to take the interpreter apart would last longer than this
            sys.stdout.flush()
            os._exit(130)
        return 130
    except KNOWN as error:
        print(f"lab: {error}", file=sys.stderr)
    except BrokenPipeError:  # who read it has enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"lab: {place}{error.strerror or error}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--work", default="data", metavar="DIR", help="workspace (default: data)")
    seeing = argparse.ArgumentParser(add_help=False)
    seeing.add_argument(
        "--encoder",
        metavar="MODEL",
        help=f"{PACKAGED} (default), or a transformers vision model: hub name or folder",
    )
    known = parser.add_subparsers(metavar="VERB", required=True)

    def verb(name, run, text, *parents):
        one = known.add_parser(name, help=text, description=text, parents=[shared, *parents])
        one.set_defaults(run=run, interrupted="what was finished stands, run it again to go on")
        return one

    verb("demo", verbs.demo, "sample footage -> finished side-by-side video, end to end")

    one = verb("fetch", verbs.fetch, "films from archive.org, with their titles and licences")
    one.add_argument(
        "items", nargs="*", metavar="IDENTIFIER", help="or IDENTIFIER/FILE, or a page's address"
    )
    one.add_argument("--collection", default="", metavar="NAME", help="such as prelinger")
    one.add_argument(
        "--query", default="", metavar="WORDS", help="in archive.org's terms, such as year:1951"
    )
    one.add_argument(
        "--limit",
        type=options.positive,
        metavar="N",
        help=f"of a collection or a query, the N most seen ({verbs.FOUND})",
    )

    one = verb("ingest", verbs.ingest, "films or folders -> shots, channels, proxies", seeing)
    one.add_argument("paths", nargs="*", metavar="PATH", help="default: DIR/archive")
    many = one.add_mutually_exclusive_group()
    many.add_argument(
        "--jobs", type=options.positive, default=1, metavar="N", help="films worked on at once"
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

    for name, run, text in (
        ("films", verbs.films, "the films table"),
        ("problems", verbs.problems, "what could not be read, and why"),
    ):
        one = verb(name, run, text)
        if name == "problems":
            one.add_argument("--out", metavar="FILE.csv")
        else:
            one.add_argument(
                "--out", metavar="FILE", help=".csv, or .png: every film as a strip of its shots"
            )
            one.add_argument(
                "--relink",
                metavar="FOLDER",
                help="look there for films that were moved or renamed, by their content",
            )
    add_store(verb)

    one = verb("shots", verbs.shots, "the shots of one film; take a corrected list, or write one")
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

    one = verb(
        "map",
        verbs.draw,
        "the archive's shots on a map: a page, a picture, or a scene played",
        seeing,
    )
    one.add_argument(
        "--out",
        metavar="FILE",
        help=".html (default: DIR/out/map.html), .png or .svg; .mp4 of a scene",
    )
    one.add_argument("--weights", type=options.weights, metavar="subject=1,composition=.5,...")
    one.add_argument("--redraw", action="store_true", help="draw it anew: shots may move")
    one.add_argument("--scene", type=int, metavar="N", help="its shots in the map's order, as .mp4")
    one.add_argument(
        "--name", metavar="NAME", help="call a scene by a name of your own; '' undoes it"
    )
    one.add_argument(
        "--nine", action="store_true", help="of a scene: the nine most typical at once"
    )
    one.add_argument("--titles", action="store_true", help="of a scene: say what film each is from")
    one.add_argument(
        "--most", type=options.positive, metavar="N", help="of a scene: its N most typical"
    )
    one.add_argument(
        "--longest",
        type=options.seconds,
        metavar="SECONDS",
        default=math.inf,
        help="of a scene: of longer shots, the middle",
    )

    one = verb("favourites", verbs.aside, "what was put aside, with titles and timecodes")
    one.add_argument("--add", metavar="SHOT", help="put a shot aside, by its shot_id")
    one.add_argument("--tags", default="", help="of the shot: words, separated by commas")
    one.add_argument("--note", default="", help="of the shot")
    one.add_argument("--out", metavar="FILE.csv")

    one = verb(
        "search",
        verbs.search,
        "find shots by a text, by a picture, by a shot; or list those that --where keeps",
        seeing,
    )
    wanted = one.add_mutually_exclusive_group()
    wanted.add_argument("--text", metavar="TEXT", help="what they show; needs a model with words")
    wanted.add_argument("--image", metavar="FILE", help="a picture that they look like")
    wanted.add_argument("--shot", metavar="ID", help="a shot_id, of the archive or a trailer")
    one.add_argument(
        "-k",
        type=options.positive,
        metavar="N",
        help=f"hits ({COUNT}; of a list, unless you say: all)",
    )
    one.add_argument("--weights", type=options.weights, metavar="subject=1,composition=.5,...")
    one.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="only shots whose row says so, such as framing=close-up; may be given more than once; "
        "where no shot does, the values that there are are told",
    )
    one.add_argument("--out", metavar="FILE", help=".csv, or .png: a sheet of pictures")

    one = verb("match", verbs.match, "answer every shot of a trailer from the archive", seeing)
    one.add_argument("trailer", metavar="TRAILER")
    one.add_argument("--edit", required=True, metavar="EDIT.yaml")
    one.add_argument("--weights", type=options.weights, metavar="subject=1,composition=.5,...")
    options.add(one, MatchSettings)

    one = verb(
        "render",
        finishing.render,
        "edit -> finished videos, and what goes with them: sheet, poster",
    )
    one.add_argument("edit", metavar="EDIT.yaml")
    one.add_argument(
        "--preset",
        nargs="+",
        default=["side-by-side"],
        choices=finishing.MADE,
        metavar="NAME",
        help=f"videos: {', '.join(PRESETS)} (default: side-by-side); and "
        f"{', '.join(finishing.AROUND)}; several at once, if you like",
    )
    one.add_argument(
        "--out",
        required=True,
        metavar="FILE",
        help=".mp4; .png or .pdf (sheet, poster), .webp or .gif (teaser), .srt or .vtt, .md, .txt "
        "or .csv (credits), .txt (post); of several presets, a folder",
    )
    part = one.add_mutually_exclusive_group()
    part.add_argument(
        "--only",
        type=options.positions,
        metavar="N[-M]",
        help="of the trailer's shots, N or N to M alone",
    )
    part.add_argument(
        "--range", type=options.span, metavar="A:B", help="seconds of the trailer, such as 10:25"
    )
    one.add_argument(
        "--max-mb", type=options.seconds, metavar="N", help="megabytes that it may take"
    )
    one.add_argument(
        "--for",
        dest="platform",
        choices=PLATFORMS,
        help="where it is to be posted: told before the work if it would not be taken there",
    )
    one.add_argument(
        "--beside",
        nargs="+",
        default=[],
        metavar="EDIT.yaml",
        help="of the sheet: other edits of the same trailer, of this archive or another",
    )
    options.add(one, RenderSettings)

    one = verb(
        "handover",
        finishing.hand,
        "an edit to an editing program, and what was changed there, back",
    )
    one.add_argument("edit", metavar="EDIT.yaml")
    one.add_argument(
        "--out",
        metavar="FILE",
        help=".otio, .fcpxml, .xml (Final Cut Pro 7's) or .edl; with --back, the new edit",
    )
    one.add_argument(
        "--back", metavar="FILE", help="a changed .otio, .fcpxml or .edl: read into the edit"
    )

    add_see(verb)

    verb("doctor", verbs.doctor, "what is installed, what is missing, what to do")
    return parser
