"""The verbs that finish: `lab render` and `lab handover`."""

from __future__ import annotations

import sys
from pathlib import Path

from lab.cli.options import UsageError, counted, ends_in, given
from lab.credits import cited, doubts
from lab.edit import load_edit
from lab.handover import hand_back, hand_over
from lab.presets import RenderSettings
from lab.render import misfit
from lab.render import render as render_edit
from lab.sheets import contact_sheet
from lab.store import Workspace

SHEET = "contact-sheet"


def render(args) -> str:
    outputs, told = _outputs(args.preset, args.out, Path(args.edit).stem), []
    edit, workspace = load_edit(args.edit), Workspace(args.work)
    settings = RenderSettings(**given(args, RenderSettings))
    for preset, out in outputs:
        if preset == SHEET:
            others = [load_edit(path) for path in args.beside]
            count = contact_sheet(edit, out, others=others, only=args.only)
            told.append(f"{counted(range(count), 'pair')} -> {out}")
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
        told.append(f"{counted(range(done.frames), 'frame')}, {sound}, {size}{kept} -> {done.path}")
    for doubt in doubts(cited(edit)):
        print(f"note: {doubt}", file=sys.stderr)
    return "\n".join(told)


def _outputs(presets: list[str], out: str, stem: str) -> list[tuple[str, Path]]:
    """Which preset is written where: several of them into a folder."""
    endings = {preset: ".png" if preset == SHEET else ".mp4" for preset in presets}
    if len(presets) == 1:
        ends_in(out, endings[presets[0]])
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
        copies = f", with {counted(made[1:], 'copy', 'copies')} beside it" if made[1:] else ""
        return f"{counted(edit.shots, 'shot')}{copies} -> {made[0]}"
    out = args.out or args.edit
    ends_in(out, ".yaml", ".yml")
    back, changes = hand_back(edit, args.back)
    if not changes:
        return f"nothing was changed in {args.back}"
    for change in changes:
        print(change)
    back.moved(out).save(out)
    return f"{counted(changes, 'change')} -> {out}"


def _sound(copied: bool | None) -> str:
    if copied is None:
        return "silent"
    return "soundtrack copied" if copied else "soundtrack in AAC"
