"""The verbs that finish: render and handover."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from lab.cli.options import UsageError, add, ends_in, given, positions, seconds, span
from lab.credits import cited, doubts
from lab.edit import Edit, load_edit
from lab.handover import hand_back, hand_over, left_behind
from lab.language import counted
from lab.posters import poster, teaser
from lab.presets import PLATFORMS, PRESETS, RenderSettings
from lab.presskit import credits_file, post, subtitles
from lab.render import misfit
from lab.render import render as render_edit
from lab.sheets import contact_sheet
from lab.store import Workspace, write_whole
from lab.strip import title_lasts

TEASER = 8  # megabytes of a teaser, unless another limit is asked for


def add_render(one) -> None:
    one.add_argument("edit", metavar="EDIT.yaml")
    one.add_argument(
        "--preset",
        nargs="+",
        default=["side-by-side"],
        choices=MADE,
        metavar="NAME",
        help=f"videos: {', '.join(PRESETS)} (default: side-by-side); and "
        f"{', '.join(AROUND)}; several at once, if you like",
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
        type=positions,
        metavar="N[-M]",
        help="of the trailer's shots, N or N to M alone",
    )
    part.add_argument(
        "--range", type=span, metavar="A:B", help="seconds of the trailer, such as 10:25"
    )
    one.add_argument("--max-mb", type=seconds, metavar="N", help="megabytes that it may take")
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
    add(one, RenderSettings)
    one.set_defaults(run=render)


def render(args) -> str:
    outputs, told = _outputs(args.preset, args.out, Path(args.edit).stem), []
    edit = load_edit(args.edit, Workspace(args.work))
    settings = RenderSettings(**given(args, RenderSettings))
    for preset, out in outputs:
        make = AROUND[preset][1] if preset in AROUND else _video
        told.append(f"{make(edit, out, settings, args, preset)} -> {out}")
    for doubt in doubts(cited(edit, seen=settings.seen)):
        _note(doubt)
    return "\n".join(told)


def _outputs(presets: list[str], out: str, stem: str) -> list[tuple[str, Path]]:
    """Which preset is written where: several of them into a folder."""
    endings = {preset: AROUND[preset][0] if preset in AROUND else (".mp4",) for preset in presets}
    if len(presets) == 1:
        ends_in(out, *endings[presets[0]])
        return [(presets[0], Path(out))]
    if Path(out).suffix:
        raise UsageError(f"{out}: several presets go into a folder; name one, without an ending.")
    return [(preset, Path(out) / f"{stem}-{preset}{ends[0]}") for preset, ends in endings.items()]


def _video(edit: Edit, out: Path, settings: RenderSettings, args, preset: str) -> str:
    asked = {"only": args.only, "span": args.range, "max_mb": args.max_mb}
    if args.platform:
        for why in misfit(edit, preset, settings, args.platform, **asked):
            raise UsageError(why)
    done = render_edit(edit, out, preset, settings, workspace=Workspace(args.work), **asked)
    for note in done.notes:
        _note(note)
    size = f"{done.path.stat().st_size / 1e6:.1f} MB"
    kept = f" ({done.frames - done.made} stood already)" if done.made < done.frames else ""
    return f"{counted(done.frames, 'frame')}, {_sound(done.sound_copied)}, {size}{kept}"


def _sheet(edit: Edit, out: Path, settings, args, _) -> str:
    others = {Path(path).stem: load_edit(path, Workspace(args.work)) for path in args.beside}
    asked = {"others": others, "name": Path(args.edit).stem, "only": args.only}
    return counted(contact_sheet(edit, out, **asked), "pair")


def _poster(edit: Edit, out: Path, settings: RenderSettings, args, _) -> str:
    return counted(poster(edit, out, title=settings.title), "pair")


def _teaser(edit: Edit, out: Path, settings, args, _) -> str:
    width, height = teaser(edit, out, max_mb=args.max_mb or TEASER)
    return f"{width} x {height}, {out.stat().st_size / 1e6:.1f} MB"


def _subtitles(edit: Edit, out: Path, settings: RenderSettings, args, _) -> str:
    shift = title_lasts(edit) if settings.title else Fraction(0)
    asked = {"only": args.only, "span": args.range, "shift": float(shift)}
    return counted(subtitles(edit, out, **asked), "subtitle")


def _credits(edit: Edit, out: Path, settings, args, _) -> str:
    return counted(credits_file(edit, out), "film")


def _post(edit: Edit, out: Path, settings, args, _) -> str:
    text = post(edit, PLATFORMS[args.platform].letters) if args.platform else post(edit)
    write_whole(out, text + "\n")
    return counted(len(text), "letter")


# What is made besides videos: how its file may end, and what makes it.
AROUND: dict[str, tuple[tuple[str, ...], Callable[..., str]]] = {
    "contact-sheet": ((".png", ".pdf"), _sheet),
    "poster": ((".png", ".pdf"), _poster),
    "teaser": ((".webp", ".gif"), _teaser),
    "subtitles": ((".srt", ".vtt"), _subtitles),
    "credits": ((".md", ".txt", ".csv"), _credits),
    "post": ((".txt",), _post),
}
MADE = (*PRESETS, *AROUND)


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)


def _sound(copied: bool | None) -> str:
    if copied is None:
        return "silent"
    return "soundtrack copied" if copied else "soundtrack in AAC"


def add_handover(one) -> None:
    one.add_argument("edit", metavar="EDIT.yaml")
    one.add_argument(
        "--out",
        metavar="FILE",
        help=".otio, .fcpxml, .xml (Final Cut Pro 7's) or .edl; with --back, the new edit",
    )
    one.add_argument(
        "--back", metavar="FILE", help="a changed .otio, .fcpxml or .edl: read into the edit"
    )
    one.set_defaults(run=hand)


def hand(args) -> str:
    edit = load_edit(args.edit, Workspace(args.work))
    if not args.back:
        if not args.out:
            raise UsageError("say where to, as in --out cut.otio, or what to read: --back FILE.")
        made = hand_over(edit, args.out)
        copies = f", with {counted(len(made) - 1, 'clip')} beside it" if made[1:] else ""
        for note in left_behind(edit, args.out):
            _note(note)
        return f"{counted(len(edit.shots), 'shot')}{copies} -> {made[0]}"
    out = args.out or args.edit
    ends_in(out, ".yaml", ".yml")
    back, changes = hand_back(edit, args.back)
    if not changes:
        return f"nothing was changed in {args.back}"
    for change in changes:
        print(change)
    back.moved(out).save(out)
    return f"{counted(len(changes), 'change')} -> {out}"
