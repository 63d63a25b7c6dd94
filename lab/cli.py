"""The `lab` command: the same stages without a notebook."""

from __future__ import annotations

import argparse
import math
import os
import sys
from functools import partial
from pathlib import Path
from typing import get_args

from PIL import Image, ImageOps
from pydantic import BaseModel

from lab import __version__
from lab.credits import cited, doubts
from lab.cutlists import CutListError, read_cuts, write_cuts
from lab.edit import EditError, load_edit, match_trailer
from lab.encoders import PACKAGED, EncoderError, load_encoder
from lab.favourites import cite, put_aside
from lab.films import Register, find_films
from lab.handover import hand_back, hand_over
from lab.ingest import (
    IngestSettings,
    ingest_one,
    load_archive,
    load_films,
    load_frames,
    load_problems,
    recut,
    thumbnail_path,
)
from lab.ingest import ingest as bring_in
from lab.language import caption
from lab.layout import tour
from lab.likeness import WAYS, Weights
from lab.looks import THUMBNAIL
from lab.page import write_map
from lab.presets import PLATFORMS, PRESETS, RenderSettings
from lab.reel import ReelError, grid, reel
from lab.render import misfit
from lab.render import render as render_edit
from lab.rules import MatchError, MatchSettings
from lab.sample import SampleError, fetch_samples
from lab.scenes import SceneSettings, name_scene, open_map, typical
from lab.search import (
    COUNT,
    SearchError,
    by_image,
    by_shot,
    by_text,
    by_words,
    hit_sheet,
    open_archive,
    read_picture,
)
from lab.sheets import Cell, contact_sheet, shot_sheet
from lab.store import Workspace
from lab.video import FilmError

LISTED = ["index", "start", "end", "start_frame", "end_frame", "transition_in"]
LISTED += ["framing", "camera", "light", "faces", "flags"]


SHEET = "contact-sheet"
DRAWN = (".html", ".png", ".svg")  # what a map is drawn as


class UsageError(Exception):
    """A request that makes no sense: one sentence on what to do instead."""


KNOWN = (
    CutListError,
    EditError,
    EncoderError,
    FilmError,
    MatchError,
    SampleError,
    ReelError,
    SearchError,
    UsageError,
)


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    args = _parser().parse_args(argv)
    try:
        print(args.run(args), flush=True)
        return 0
    except KeyboardInterrupt:
        print(
            "\nlab: interrupted; what was finished stands, run it again to go on", file=sys.stderr
        )
        return 130
    except KNOWN as error:
        print(f"lab: {error}", file=sys.stderr)
    except BrokenPipeError:  # who read it has enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"lab: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
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
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    def verb(name, run, text, *parents):
        one = verbs.add_parser(name, help=text, description=text, parents=[shared, *parents])
        one.set_defaults(run=run)
        return one

    verb("demo", demo, "sample footage -> finished side-by-side video, end to end")

    one = verb("ingest", ingest, "films or folders -> shots, channels, proxies", seeing)
    one.add_argument("paths", nargs="*", metavar="PATH", help="default: DIR/archive")
    one.add_argument("--jobs", type=int, default=1, metavar="N", help="films worked on at once")

    for name, run, text in (
        ("films", films, "the films table"),
        ("problems", problems, "what could not be read, and why"),
    ):
        one = verb(name, run, text)
        one.add_argument("--out", metavar="FILE.csv")

    one = verb("shots", shots, "the shots of one film; take a corrected list, or write one")
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
        "map", draw, "the archive's shots on a map: a page, a picture, or a scene played", seeing
    )
    one.add_argument(
        "--out",
        metavar="FILE",
        help=".html (default: DIR/out/map.html), .png or .svg; .mp4 of a scene",
    )
    one.add_argument("--weights", type=_weights, metavar="subject=1,composition=.5,...")
    one.add_argument("--redraw", action="store_true", help="draw it anew: shots may move")
    one.add_argument("--scene", type=int, metavar="N", help="its shots in the map's order, as .mp4")
    one.add_argument(
        "--name", metavar="NAME", help="call a scene by a name of your own; '' undoes it"
    )
    one.add_argument(
        "--nine", action="store_true", help="of a scene: the nine most typical at once"
    )
    one.add_argument("--titles", action="store_true", help="of a scene: say what film each is from")
    one.add_argument("--most", type=_positive, metavar="N", help="of a scene: its N most typical")
    one.add_argument(
        "--longest",
        type=_seconds,
        metavar="SECONDS",
        default=math.inf,
        help="of a scene: of longer shots, the middle",
    )

    one = verb("favourites", aside, "what was put aside, with titles and timecodes")
    one.add_argument("--add", metavar="SHOT", help="put a shot aside, by its shot_id")
    one.add_argument("--tags", default="", help="of the shot: words, separated by commas")
    one.add_argument("--note", default="", help="of the shot")
    one.add_argument("--out", metavar="FILE.csv")

    one = verb(
        "search",
        search,
        "find shots by a text, by a picture, by a shot; or list those that --where keeps",
        seeing,
    )
    wanted = one.add_mutually_exclusive_group()
    wanted.add_argument("--text", metavar="TEXT", help="what they show; needs a model with words")
    wanted.add_argument("--image", metavar="FILE", help="a picture that they look like")
    wanted.add_argument("--shot", metavar="ID", help="a shot_id, of the archive or a trailer")
    one.add_argument(
        "-k", type=_positive, metavar="N", help=f"hits ({COUNT}; of a list, unless you say: all)"
    )
    one.add_argument("--weights", type=_weights, metavar="subject=1,composition=.5,...")
    one.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="only shots whose row says so, such as framing=close-up; may be given more than once; "
        "where no shot does, the values that there are are told",
    )
    one.add_argument("--out", metavar="FILE", help=".csv, or .png: a sheet of pictures")

    one = verb("match", match, "answer every shot of a trailer from the archive", seeing)
    one.add_argument("trailer", metavar="TRAILER")
    one.add_argument("--edit", required=True, metavar="EDIT.yaml")
    one.add_argument("--weights", type=_weights, metavar="subject=1,composition=.5,...")
    _options(one, MatchSettings)

    one = verb("render", render, "edit -> finished videos, or a contact sheet")
    one.add_argument("edit", metavar="EDIT.yaml")
    one.add_argument(
        "--preset",
        nargs="+",
        default=["side-by-side"],
        choices=[*PRESETS, SHEET],
        help="one layout or several: %(choices)s; default: side-by-side",
    )
    one.add_argument(
        "--out",
        required=True,
        metavar="FILE",
        help=".mp4, or .png for the sheet; of several presets, a folder",
    )
    part = one.add_mutually_exclusive_group()
    part.add_argument(
        "--only", type=_positions, metavar="N[-M]", help="of the trailer's shots, N or N to M alone"
    )
    part.add_argument(
        "--range", type=_range, metavar="A:B", help="seconds of the trailer, such as 10:25"
    )
    one.add_argument("--max-mb", type=_seconds, metavar="N", help="megabytes that it may take")
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
    _options(one, RenderSettings)

    one = verb("handover", hand, "an edit to an editing program, and what was changed there, back")
    one.add_argument("edit", metavar="EDIT.yaml")
    one.add_argument(
        "--out",
        metavar="FILE",
        help=".otio, .fcpxml, .xml (Final Cut Pro 7's) or .edl; with --back, the new edit",
    )
    one.add_argument(
        "--back", metavar="FILE", help="a changed .otio, .fcpxml or .edl: read into the edit"
    )

    verb("doctor", doctor, "what is installed, what is missing, what to do")
    return parser


def _options(one: argparse.ArgumentParser, settings: type[BaseModel]) -> None:
    """An option for every field of a settings object but its weights."""
    for name, field in settings.model_fields.items():
        flag, text = f"--{name.replace('_', '-')}", field.description
        if field.annotation is bool:
            one.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
        elif name != "weights":
            known = [choice for choice in get_args(field.annotation) if isinstance(choice, str)]
            shown = {"choices": known} if known else {"metavar": "X"}
            one.add_argument(flag, type=partial(_setting, settings, name), help=text, **shown)


def _given(args, settings: type[BaseModel]) -> dict:
    """The settings that were asked for."""
    asked = {name: getattr(args, name, None) for name in settings.model_fields}
    return {name: value for name, value in asked.items() if value is not None}


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r}: write a whole number from 1 on")
    return int(text)


def _weights(text: str) -> Weights:
    if text in WAYS:
        return WAYS[text]
    known = ", ".join(Weights.model_fields)
    # Channels left out weigh nothing: `--weights colour=1` means colour alone.
    weights = dict.fromkeys(Weights.model_fields, 0.0)
    for pair in text.split(","):
        name, _, value = pair.partition("=")
        if name not in weights:
            presets = ", ".join(f"'{name}'" for name in WAYS)
            raise argparse.ArgumentTypeError(
                f"{pair!r}: there is no such channel, only {known}; nor a preset, only {presets}"
            )
        try:
            weights[name] = getattr(Weights(**{name: value}), name)
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"{pair!r}: write {name}= and a number from 0 to 1, such as {name}=0.5"
            ) from None
    if not any(weights.values()):
        raise argparse.ArgumentTypeError(f"{text!r}: give at least one of {known} some weight")
    return Weights(**weights)


def _positions(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    return _positive(first), _positive(last or first)


def _seconds(text: str) -> float:
    try:
        if (seconds := float(text)) > 0:
            return seconds
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r}: give a number above 0, such as 2.5")


def _range(text: str) -> tuple[float, float]:
    first, _, last = text.partition(":")
    try:
        begin, end = float(first or 0), float(last or math.inf)
    except ValueError:
        begin = end = math.nan
    if 0 <= begin < end:
        return begin, end
    raise argparse.ArgumentTypeError(f"{text!r}: give seconds from and to, such as 10:25")


def _setting(settings: type[BaseModel], name: str, text: str) -> float | int | str:
    try:
        return getattr(settings(**{name: text}), name)
    except ValueError as error:
        why = error.errors()[0]["msg"].lower()
        raise argparse.ArgumentTypeError(f"{text!r}: {why}") from None


def ingest(args) -> str:
    workspace = Workspace(args.work)
    if not args.paths and not workspace.archive.is_dir():
        raise UsageError(
            f"there is no folder {workspace.archive}; make it and put films there, or name some."
        )
    paths = find_films(args.paths or [workspace.archive])
    looking = IngestSettings(encoder=args.encoder or PACKAGED)
    report = bring_in(paths, workspace, looking, jobs=args.jobs)
    for problem in report.problems.itertuples():
        print(f"{problem.path}: {problem.what}", file=sys.stderr)
    if not report.made and not report.stood:
        raise UsageError("none of these films could be read; see `lab problems`.")
    if not report.made and not len(report.problems):
        return f"nothing to do: {_count(report.stood, 'film')} already in {workspace.work}"
    bad = f", {_count(report.problems, 'problem')} (lab problems)" if len(report.problems) else ""
    stood = f", {len(report.stood)} stood already" if report.stood else ""
    return f"ingested {_count(report.made, 'film')}{stood}{bad} -> {workspace.work}"


def films(args) -> str:
    table = load_films(Workspace(args.work))
    return _show(table, args.out, "film", ["film_id", "role", "duration", "fps", "title", "path"])


def problems(args) -> str:
    return _show(load_problems(Workspace(args.work)), args.out, "problem", ["path", "what"])


def shots(args) -> str:
    workspace = Workspace(args.work)
    path = _film(workspace, args.video)
    film_id = ingest_one(path, workspace)
    times = load_frames(workspace, film_id)["times"]
    fps = float(load_films(workspace).set_index("film_id").fps[film_id])
    table, changed = load_archive(workspace, films=[film_id]).shots, ""
    if args.cuts or args.reset:
        before, starts = table.start_frame.tolist(), None
        if args.cuts:
            starts = times[[0, *read_cuts(args.cuts, times, fps, before)]].tolist()
        recut(workspace, film_id, starts)
        table = load_archive(workspace, films=[film_id]).shots
        changed = _changed(before, table.start_frame.tolist())
    if args.out and Path(args.out).suffix.lower() == ".png":
        shot_sheet(table, partial(thumbnail_path, workspace, film_id), args.out)
    elif args.out:
        write_cuts(args.out, table, times, fps, path)
    elif not changed:
        print(table[LISTED].to_string(index=False))
    place = f" -> {args.out}" if args.out else ""
    return f"{_count(table, 'shot')} of {path}{changed}{place}"


def _film(workspace: Workspace, name: str) -> Path:
    """A film by its file or, if there is no such file, by its film_id."""
    known = Register(workspace).films.get(name)
    return Path(known["path"]) if known and not Path(name).exists() else Path(name)


def _changed(before: list[int], after: list[int]) -> str:
    """How a film's cuts differ from what they were."""
    more, fewer = set(after) - set(before), set(before) - set(after)
    if not more and not fewer:
        return "; its cuts are as they were"
    return f"; {_count(more, 'new cut')}, {len(fewer)} gone"


def search(args) -> str:
    if args.out:
        _suffix(args.out, ".csv", ".png")
    if args.weights and args.image is None and args.shot is None:
        raise UsageError("only pictures and shots are weighed; leave --weights away.")
    workspace, looking = Workspace(args.work), IngestSettings(encoder=args.encoder or PACKAGED)
    archive = open_archive(workspace, looking)
    asked = {"count": args.k or COUNT, "where": args.where}
    thumbnail = partial(thumbnail_path, workspace, settings=looking)
    query = None
    if args.text is not None:
        hits = by_text(archive, args.text, load_encoder(looking.encoder), **asked)
        query = Cell([None], "searched for", "", args.text)
    elif args.image is not None:
        encoder = load_encoder(looking.encoder)
        hits = by_image(archive, args.image, encoder, weights=args.weights, **asked)
        picture = ImageOps.contain(read_picture(args.image), THUMBNAIL)
        query = Cell([picture], "searched for", Path(args.image).name)
    elif args.shot is not None:
        source = load_archive(workspace, looking, films=[args.shot.split("-")[0]])
        hits = by_shot(archive, args.shot, source=source, weights=args.weights, **asked)
        shot = source.shots.set_index("shot_id").loc[args.shot]
        picture = Image.open(thumbnail(shot.film_id, shot["index"]))
        query = Cell([picture], "searched for", args.shot, caption(shot))
    else:
        hits = by_words(archive, count=args.k, where=args.where)
    if args.out and Path(args.out).suffix.lower() == ".png":
        hit_sheet(hits, archive.shots, thumbnail, args.out, query)
        return f"{_count(hits, 'shot')} -> {args.out}"
    return _show(hits.round({"start": 6, "end": 6, "score": 4}), args.out, "shot", list(hits))


def draw(args) -> str:
    workspace, looking = Workspace(args.work), IngestSettings(encoder=args.encoder or PACKAGED)
    out = Path(args.out or workspace.out / ("map.html" if args.scene is None else "scene.mp4"))
    if out.suffix.lower() == ".mp4" and args.scene is None:
        raise UsageError(f"{out}: a video is of one scene; name it, as in --scene 0.")
    if args.scene is not None and out.suffix.lower() in DRAWN:
        raise UsageError(f"{out}: a scene is a video: end the name in .mp4, or leave out --scene.")
    _suffix(out, *(DRAWN if args.scene is None else [".mp4"]))
    settings = SceneSettings(**({"weights": args.weights} if args.weights else {}))
    found = open_map(workspace, settings, looking, redraw=args.redraw)
    if args.name is not None and args.scene is None:
        raise UsageError("a name is of one scene; say which, as in --scene 0 --name 'hands'.")
    if args.scene is not None:
        if args.scene not in found.scenes.cluster:
            raise UsageError(f"the map has scenes 0 to {len(found.scenes) - 1}, no {args.scene}.")
        if args.name is not None:
            found = name_scene(workspace, found, args.scene, args.name)
            return f"scene {args.scene} is called {found.names[args.scene]} now"
        shots = found.shots[found.shots.cluster == args.scene]
        useful = shots[shots["flags"] == ""]  # titles and repeats only where there is nothing else
        shots, films = useful if len(useful) else shots, load_films(workspace)
        shots = typical(shots, args.most) if args.most else shots
        if args.nine:
            made = grid(films, typical(shots, 9), out)
        else:
            shots = shots.iloc[tour(shots[["x", "y"]].to_numpy())]
            made = reel(films, shots, out, titles=args.titles, longest=args.longest)
        return f"scene {args.scene}, {found.scenes.name[args.scene]}, silent -> {made.path}"
    write_map(found, partial(thumbnail_path, workspace, settings=looking), out)
    scenes = found.scenes.rename(columns={"cluster": "scene"}).round(2)
    print(scenes[["scene", "name", "size", "tightness", "exemplar"]].to_string(index=False))
    new = f", {found.placed} of them placed since it was drawn" if found.placed else ""
    return f"{_count(found.shots, 'shot')}{new}, {_count(scenes, 'scene')} -> {out}"


def aside(args) -> str:
    workspace = Workspace(args.work)
    if args.add:
        film_id = args.add.split("-")[0]
        shots = load_archive(workspace, films=[film_id]).shots.set_index("shot_id")
        if args.add not in shots.index:
            raise UsageError(f"{args.add}: is no shot here; `lab shots FILM` lists a film's.")
        put_aside(workspace, shots.loc[args.add], tags=args.tags, note=args.note)
    table = cite(workspace)
    return _show(table, args.out, "favourite", list(table))


def match(args) -> str:
    _suffix(args.edit, ".yaml", ".yml")
    before = load_edit(args.edit) if Path(args.edit).exists() else None
    settings = before.settings if before else MatchSettings()
    settings = settings.model_copy(update=_given(args, MatchSettings))
    workspace = Workspace(args.work)
    looking = IngestSettings(encoder=args.encoder or (before.encoder if before else PACKAGED))
    edit, notes = match_trailer(
        workspace, _film(workspace, args.trailer), args.edit, settings, looking
    )
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    table = Path(args.edit).with_suffix(".csv")
    answered = [shot for shot in edit.shots if shot.kind == "match"]
    black, kept = (sum(shot.kind == kind for shot in edit.shots) for kind in ("black", "keep"))
    held = [
        f"{count} {what}"
        for count, what in (
            (sum(shot.pinned for shot in edit.shots), "of them pinned"),
            (len(edit.rejected), "rejected"),
            (black, "black stay black"),
            (kept, "stay the trailer's own"),
        )
        if count
    ]
    said = ", ".join([f"{_count(answered, 'shot')} answered", *held])
    return f"{said} -> {args.edit} and {table}"


def render(args) -> str:
    outputs, told = _outputs(args.preset, args.out, Path(args.edit).stem), []
    edit, workspace = load_edit(args.edit), Workspace(args.work)
    settings = RenderSettings(**_given(args, RenderSettings))
    for preset, out in outputs:
        if preset == SHEET:
            others = [load_edit(path) for path in args.beside]
            count = contact_sheet(edit, out, others=others, only=args.only)
            told.append(f"{_count(range(count), 'pair')} -> {out}")
            continue
        asked = {"only": args.only, "span": args.range, "max_mb": args.max_mb}
        if args.platform:
            for why in misfit(edit, preset, settings, args.platform, **asked):
                raise UsageError(why)
        done = render_edit(edit, out, preset, settings, workspace=workspace, **asked)
        for note in done.notes:
            print(f"note: {note}", file=sys.stderr)
        size = f"{done.path.stat().st_size / 1e6:.1f} MB"
        kept = f" ({done.frames - done.made} stood already)" if done.made < done.frames else ""
        sound = _sound(done.sound_copied)
        told.append(f"{_count(range(done.frames), 'frame')}, {sound}, {size}{kept} -> {done.path}")
    for doubt in doubts(cited(edit)):
        print(f"note: {doubt}", file=sys.stderr)
    return "\n".join(told)


def _outputs(presets: list[str], out: str, stem: str) -> list[tuple[str, Path]]:
    """Which preset is written where: several of them into a folder."""
    endings = {preset: ".png" if preset == SHEET else ".mp4" for preset in presets}
    if len(presets) == 1:
        _suffix(out, endings[presets[0]])
        return [(presets[0], Path(out))]
    if Path(out).suffix:
        raise UsageError(f"{out}: several presets go into a folder; name one, without an ending.")
    return [(preset, Path(out) / f"{stem}-{preset}{end}") for preset, end in endings.items()]


def hand(args) -> str:
    edit = load_edit(args.edit)
    if not args.back:
        if not args.out:
            raise UsageError(
                "say where to: --out cut.otio; or what is to be read: --back cut.otio."
            )
        made = hand_over(edit, args.out)
        copies = f", with {_count(made[1:], 'copy', 'copies')} beside it" if made[1:] else ""
        return f"{_count(edit.shots, 'shot')}{copies} -> {made[0]}"
    out = args.out or args.edit
    _suffix(out, ".yaml", ".yml")
    back, changes = hand_back(edit, args.back)
    if not changes:
        return f"nothing was changed in {args.back}"
    for change in changes:
        print(change)
    back.moved(out).save(out)
    return f"{_count(changes, 'change')} -> {out}"


def _sound(copied: bool | None) -> str:
    if copied is None:
        return "silent"
    return "soundtrack copied" if copied else "soundtrack in AAC"


def demo(args) -> str:
    # A workspace of its own: sample films have no business among the user's.
    workspace = Workspace(Path(args.work) / "demo")
    trailer, archive = fetch_samples(workspace)
    bring_in(archive, workspace)
    path = workspace.out / "demo.yaml"
    edit, _ = match_trailer(workspace, trailer, path)
    sheet = workspace.out / "demo.png"
    contact_sheet(edit, sheet)
    done = render_edit(edit, workspace.out / "demo.mp4", workspace=workspace)
    return f"{done.path} is ready to watch; contact sheet {sheet}, edit {path}"


def doctor(args) -> str:
    import importlib.metadata as metadata
    import re

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


def _suffix(name: str, *known: str) -> None:
    """Refuse a file name that would lie about what is in the file."""
    if Path(name).suffix.lower() not in known:
        raise UsageError(f"{name}: end the name in {' or '.join(known)}.")


def _show(table, out: str | None, what: str, columns: list[str]) -> str:
    columns = [name for name in columns if not table[name].isna().all() or not len(table)]
    if out:
        table.to_csv(out, index=False)
        return f"{_count(table, what)} -> {out}"
    if len(table):
        print(table[columns].to_string(index=False))
    return _count(table, what)


def _count(things, what: str, many: str = "") -> str:
    return f"{len(things)} {what if len(things) == 1 else many or what + 's'}"


if __name__ == "__main__":
    sys.exit(main())
