"""The verb `lab see`: train a network on one kind of images, and look through it."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from dataclasses import replace
from pathlib import Path

from lab.cli.options import UsageError, add, ends_in, given, seconds, span
from lab.cli.work import add_work
from lab.language import counted
from lab.presets import PRESETS, RenderSettings
from lab.see import (
    Looking,
    Training,
    load_model,
    open_session,
    read_images,
    read_others,
    read_scene,
    see_beside,
    see_film,
    see_pictures,
    see_shot,
)
from lab.see import train as train_on
from lab.see.films import SHOT, STAYS
from lab.see.images import EVERY
from lab.see.session import CAMERA
from lab.store import Workspace

BESIDE = [name for name, one in PRESETS.items() if len(one.shows) == 2]
ANSWERS_OWN = ("seen", "blend", "archive_sound")  # settings of a video with answers
FEW = 50  # images to learn from, below which that is said


def add_see(verb) -> None:
    ways = verb.add_subparsers(metavar="train | run | live", required=True)
    one = ways.add_parser("train", help="images -> a network that has seen nothing else")
    one.add_argument("paths", nargs="*", metavar="FOLDER|FILM", help="a folder of stills, or films")
    one.add_argument(
        "--scene", "--cluster", metavar="N|NAME", help="shots of a scene of the map instead"
    )
    one.add_argument("--out", required=True, metavar="MODEL", help="a folder; where begun, goes on")
    one.add_argument(
        "--minutes", type=seconds, default=20, metavar="M", help="of training in all (20)"
    )
    one.add_argument(
        "--interval", type=seconds, default=EVERY, metavar="S", help="seconds between frames (1)"
    )
    add_work(one)
    add(one, Training)
    one.set_defaults(run=train)

    one = ways.add_parser("run", help="a film, a shot or pictures as a network sees them")
    one.add_argument(
        "input", metavar="INPUT", help="a film, a folder of pictures, or a shot_id of the archive"
    )
    one.add_argument("--model", required=True, metavar="MODEL", help="what `lab see train` wrote")
    one.add_argument(
        "--out", required=True, metavar="FILE.mp4|FOLDER", help="of pictures, a folder gets PNGs"
    )
    one.add_argument(
        "--interval",
        type=seconds,
        default=STAYS,
        metavar="S",
        help=f"seconds that a picture stays in a video of pictures ({STAYS:g})",
    )
    one.add_argument("--range", type=span, metavar="A:B", help="seconds of the film, such as 10:25")
    add_work(one)
    add(one, Looking)
    both = one.add_argument_group("with --beside")
    both.add_argument(
        "--beside",
        nargs="?",
        const="side-by-side",
        choices=BESIDE,
        metavar="LAYOUT",
        help=f"the film and what is seen of it in one picture: {', '.join(BESIDE)} (side-by-side)",
    )
    add(both, RenderSettings, but=ANSWERS_OWN)
    one.set_defaults(run=run, interrupted="run it again, it begins anew")

    one = ways.add_parser("live", help="a camera, seen by a network or answered by the archive")
    one.add_argument(
        "inputs", nargs="*", metavar="FILM|FOLDER|SHOT", help="to look at besides cameras"
    )
    one.add_argument(
        "--model", metavar="MODEL", help="what `lab see train` wrote; or many's folder"
    )
    one.add_argument("--port", type=int, default=0, metavar="N", help="of the page (any free one)")
    add_work(one)
    one.add_argument(
        "--browser", action=argparse.BooleanOptionalAction, default=True, help="open the page"
    )
    add(one, Looking)
    one.set_defaults(run=live)


def train(args) -> str:
    if bool(args.paths) == (args.scene is not None):
        raise UsageError("name a folder of stills, or films; or a scene of the map with --scene.")
    settings = Training(**given(args, Training))
    workspace = Workspace(args.work)
    if args.scene is not None:
        images = read_scene(workspace, args.scene, settings.size, every=args.interval)
    else:
        images = read_images(args.paths, settings.size, every=args.interval)
        images = replace(images, others=read_others(workspace))
    count = len(images.pictures)
    few = "; few: it will learn them by heart, some hundred are good" if count < FEW else ""
    others = len(images.others)
    more = f"; to be seen as such, {counted(others, 'shot')} of the archive" if others else ""
    print(f"{counted(count, 'image')} to learn from{few}{more}", file=sys.stderr)
    losses = train_on(images, args.out, settings, minutes=args.minutes)
    held_out = losses.held_out.dropna()
    far = f", {held_out.iloc[-1]:.3f} off on held-out images" if len(held_out) else ""
    return f"{counted(len(losses), 'step')}{far} -> {args.out} (look at strip.png)"


def run(args) -> str:
    pictures = Path(args.input).is_dir()
    shot = bool(SHOT.fullmatch(args.input)) and not Path(args.input).exists()
    looks = given(args, RenderSettings)
    _make_sense(args, looks, pictures, shot)
    model = load_model(args.model)
    looked = args.input, args.out, Looking(**given(args, Looking))
    if pictures:
        seen = counted(see_pictures(model, *looked, stays=args.interval), "picture")
    elif shot:
        seen = counted(see_shot(model, Workspace(args.work), *looked), "frame")
    elif args.beside:
        done = see_beside(model, *looked, args.beside, RenderSettings(**looks))
        for note in done.notes:
            print(f"note: {note}", file=sys.stderr)
        seen = counted(done.frames, "frame")
    else:
        seen = counted(see_film(model, *looked, span=args.range), "frame")
    return f"{seen} seen by {model.name} -> {args.out}"


def _make_sense(args, looks: dict, pictures: bool, shot: bool) -> None:
    """Refuse what cannot be done with such an input."""
    if args.beside and (pictures or shot):
        raise UsageError(f"{args.input}: --beside is for films; leave it away.")
    if looks and not args.beside:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in looks)
        raise UsageError(f"{names} is of a film and what is seen of it: say --beside as well.")
    if args.range and (args.beside or pictures or shot):
        raise UsageError("--range is of a film that is seen by itself; leave it away.")
    if pictures and Path(args.out).suffix.lower() not in ("", ".mp4"):
        raise UsageError(f"{args.out}: end the name in .mp4, or name a folder, without an ending.")
    if not pictures:
        ends_in(args.out, ".mp4")


def live(args) -> str:
    from lab.widgets.stage import serve  # widgets take long to import, and no other verb needs them

    looking = Looking(**given(args, Looking))
    session = open_session(args.model, Workspace(args.work), args.inputs, looking=looking)
    if args.inputs:  # who names something wants to see that first
        named = (name for name in session.sources if name != CAMERA)
        session.act({"do": "at", "name": next(named)})

    def ready(address: str) -> None:
        print(f"looking at {address} (Ctrl-C ends it)", file=sys.stderr)
        if args.browser:
            webbrowser.open(address)

    try:
        serve(session, args.port, ready)
    except KeyboardInterrupt:
        kept = [f"recorded {path}" for path in session.kept]
        return "\n".join(["ended", *kept])
    except OSError as error:
        raise UsageError(f"port {args.port}: cannot be used ({error.strerror}).") from error
