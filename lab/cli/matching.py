"""The verbs that answer a trailer: match, and demo, which goes the whole way."""

from __future__ import annotations

import sys
from pathlib import Path

from lab.cli.options import add, add_encoder, ends_in, given
from lab.cli.weighing import add_weights
from lab.cli.work import typed
from lab.edit import Row, load_edit, match_trailer
from lab.encoders import PACKAGED
from lab.films import Register
from lab.ingest import ingest
from lab.language import counted
from lab.render import render
from lab.rules import MatchSettings
from lab.sample import fetch_samples
from lab.sheets import contact_sheet
from lab.stages import IngestSettings
from lab.store import Workspace

WEAKEST = 3  # answers that are named as the least alike


def add_match(one) -> None:
    add_encoder(one)
    one.add_argument("trailer", metavar="TRAILER")
    one.add_argument("--edit", required=True, metavar="EDIT.yaml")
    add_weights(one)
    add(one, MatchSettings)
    one.set_defaults(run=match)


def match(args) -> str:
    ends_in(args.edit, ".yaml", ".yml")
    before = load_edit(args.edit, Workspace(args.work)) if Path(args.edit).exists() else None
    settings = before.settings if before else MatchSettings()
    settings = settings.model_copy(update=given(args, MatchSettings))
    workspace = Workspace(args.work)
    looking = IngestSettings(encoder=args.encoder or (before.encoder if before else PACKAGED))
    edit, notes = match_trailer(
        workspace, Register(workspace).find(args.trailer), args.edit, settings, looking
    )
    for note in notes:
        print(f"note: {typed(note, args.work)}", file=sys.stderr)
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
    said = ", ".join([f"{counted(len(answered), 'shot')} answered", *held])
    return f"{said} -> {args.edit} and {table}{_likeness(answered)}"


def _likeness(answered: list[Row]) -> str:
    """How alike the answers are, and where one would look first for better ones."""
    scored = sorted((shot for shot in answered if shot.score is not None), key=lambda s: s.score)
    if not scored:
        return ""
    mean = sum(shot.score for shot in scored) / len(scored)
    weakest = ", ".join(f"{shot.position} ({shot.score:.2f})" for shot in scored[:WEAKEST])
    return (
        f"\nlikeness {mean:.2f} on average (the very same shot is 1, a stranger about 0); "
        f"least alike: shot {weakest}"
    )


def add_demo(one) -> None:
    one.set_defaults(run=demo)


def demo(args) -> str:
    # A workspace of its own: sample films have no business among the user's.
    workspace = Workspace(Path(args.work) / "demo")
    trailer, archive = fetch_samples(workspace)
    ingest(archive, workspace)
    path = workspace.out / "demo.yaml"
    edit, _ = match_trailer(workspace, trailer, path)
    sheet = workspace.out / "demo.png"
    contact_sheet(edit, sheet)
    done = render(edit, workspace.out / "demo.mp4", workspace=workspace)
    return f"{done.path} is ready to watch; contact sheet {sheet}, edit {path}"
