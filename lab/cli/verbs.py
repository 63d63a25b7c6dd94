"""What each verb does, but those that make and hand over what is finished."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from PIL import Image, ImageOps

from lab.cli.options import UsageError, ends_in, given, shown
from lab.cutlists import read_cuts, write_cuts
from lab.edit import load_edit, match_trailer
from lab.encoders import PACKAGED, load_encoder
from lab.favourites import cite, put_aside
from lab.fetch import fetch_films, find_items, open_session
from lab.films import Register, find_films
from lab.filmstrips import film_strips
from lab.flags import MISSING
from lab.ingest import ingest as bring_in
from lab.ingest import ingest_one, load_problems, recut, retell
from lab.inventory import status, unreadable
from lab.language import caption, counted
from lab.layout import tour
from lab.looks import THUMBNAIL
from lab.page import write_map
from lab.reel import grid, reel
from lab.render import render as render_edit
from lab.rules import MatchSettings
from lab.sample import fetch_samples
from lab.scenes import SceneSettings, name_scene, open_map, typical
from lab.search import (
    COUNT,
    by_image,
    by_shot,
    by_text,
    by_words,
    hit_sheet,
    open_archive,
    read_picture,
)
from lab.sheets import Cell, contact_sheet, shot_sheet
from lab.stages import IngestSettings
from lab.store import Workspace
from lab.tables import load_archive, load_films, load_frames, load_shots, thumbnail_path
from lab.video import FilmError

LISTED = ["index", "start", "end", "start_frame", "end_frame", "transition_in"]
LISTED += ["framing", "camera", "light", "faces", "flags"]

FOUND = 20  # films of a collection or a query
DRAWN = (".html", ".png", ".svg")  # what a map is drawn as


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


def ingest(args) -> str:
    workspace = Workspace(args.work)
    if not args.paths and not workspace.archive.is_dir():
        raise UsageError(
            f"there is no folder {workspace.archive}; make it and put films there, or name some."
        )
    paths = find_films(args.paths or [workspace.archive])
    looking = IngestSettings(encoder=args.encoder or PACKAGED)
    if args.status:
        return _status(paths, workspace, looking)
    report = bring_in(paths, workspace, looking, jobs=args.jobs, dask=args.dask)
    for problem in report.problems.itertuples():
        print(f"{problem.path}: {problem.what}", file=sys.stderr)
    if not report.made and not report.stood:
        raise UsageError("none of these films could be read; see `lab problems`.")
    if not report.made and not len(report.problems):
        return f"nothing to do: {counted(len(report.stood), 'film')} already in {workspace.work}"
    bad = (
        f", {counted(len(report.problems), 'problem')} (lab problems)"
        if len(report.problems)
        else ""
    )
    stood = f", {len(report.stood)} stood already" if report.stood else ""
    return f"ingested {counted(len(report.made), 'film')}{stood}{bad} -> {workspace.work}"


def _status(paths: list[Path], workspace: Workspace, looking: IngestSettings) -> str:
    table = status(paths, workspace, looking)
    print(table.to_string(index=False))
    done, left, bad = (table.state == state for state in ("done", "left", "problem"))
    part = int((done & (table.what != "")).sum())
    some = f" ({part} of them not whole)" if part else ""
    said = f"{done.sum()} of {counted(len(table), 'film')} done{some}, {left.sum()} left, "
    said += f"{bad.sum()} that cannot be used"
    known = load_films(workspace)
    if lost := ((known.role == "archive") & (known.state == MISSING)).sum():
        these = counted(lost, "film")
        said += f"; {these} of the archive not where last seen: what of this is one of them, only "
        said += "moved, is not done again"
    return said


def films(args) -> str:
    workspace = Workspace(args.work)
    if args.relink:
        return _relinked(workspace, args.relink)
    table = load_films(workspace)
    if args.out:
        ends_in(args.out, ".csv", ".png")
    if args.out and Path(args.out).suffix.lower() == ".png":
        archive = load_archive(workspace, films=list(table.film_id))
        unread = unreadable(workspace)
        thumbnail = partial(thumbnail_path, workspace)
        film_strips(archive.films, archive.shots, thumbnail, args.out, unread)
        bad = f", {len(unread)} that cannot be read" if len(unread) else ""
        return f"{counted(len(archive.films), 'film')}{bad} -> {args.out}"
    listed = ["film_id", "role", "duration", "fps", "title", "state", "path"]
    if not (table.state != "").any():
        listed.remove("state")
    return shown(table, args.out, "film", listed)


def _relinked(workspace: Workspace, folder: str) -> str:
    register = Register(workspace)
    found = register.relink(folder)
    register.save()
    retell(workspace, register)
    for film_id, path in found.items():
        print(f"{film_id}  {path}")
    missing = register.missing()
    for film_id in missing:
        print(f"missing: {film_id}  {register.films[film_id]['path']}", file=sys.stderr)
    left = f"; {len(missing)} still missing" if missing else "; none is missing"
    return f"{counted(len(found), 'film')} found again in {folder}{left}"


def problems(args) -> str:
    table = load_problems(Workspace(args.work))
    if not args.out:  # to be read: what lies below this folder, from here
        here = Path.cwd()
        near = (Path(path) for path in table.path)
        table["path"] = [str(p.relative_to(here) if p.is_relative_to(here) else p) for p in near]
    return shown(table, args.out, "problem", ["path", "what"])


def shots(args) -> str:
    workspace = Workspace(args.work)
    path = _film(workspace, args.video)
    film_id = ingest_one(path, workspace)
    times = load_frames(workspace, film_id)["times"]
    fps = float(load_films(workspace).set_index("film_id").fps[film_id])
    table, changed = load_shots(workspace, films=[film_id]), ""
    if args.cuts or args.reset:
        before, starts = table.start_frame.tolist(), None
        if args.cuts:
            starts = times[[0, *read_cuts(args.cuts, times, fps, before)]].tolist()
        recut(workspace, film_id, starts)
        table = load_shots(workspace, films=[film_id])
        changed = _changed(before, table.start_frame.tolist())
    if args.out and Path(args.out).suffix.lower() == ".png":
        shot_sheet(table, partial(thumbnail_path, workspace, film_id), args.out)
    elif args.out:
        write_cuts(args.out, table, times, fps, path)
    elif not changed:
        print(table[LISTED].to_string(index=False))
    place = f" -> {args.out}" if args.out else ""
    return f"{counted(len(table), 'shot')} of {path}{changed}{place}"


def _film(workspace: Workspace, name: str) -> Path:
    """A film by its file or, if there is no such file, by its film_id, or by where it was."""
    if Path(name).exists():
        return Path(name)
    register = Register(workspace)
    film_id = name if name in register.films else register.read_at(name)
    if film_id is None:
        return Path(name)
    if (place := register.place(film_id)) is None:
        where = register.places(film_id)[0]
        raise FilmError(
            where, "is not there any more; if it was moved, `lab films --relink FOLDER` finds it."
        )
    return place


def _changed(before: list[int], after: list[int]) -> str:
    """How a film's cuts differ from what they were."""
    more, fewer = set(after) - set(before), set(before) - set(after)
    if not more and not fewer:
        return "; its cuts are as they were"
    return f"; {counted(len(more), 'new cut')}, {len(fewer)} gone"


def search(args) -> str:
    if args.out:
        ends_in(args.out, ".csv", ".png")
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
        return f"{counted(len(hits), 'shot')} -> {args.out}"
    hits = hits.round({"start": 6, "end": 6, "score": 4})
    if not args.out and len(hits):  # to be read: what is seen, and names without their folders
        rows = archive.shots.set_index("shot_id").loc[hits.shot_id]
        words = [caption(row) for row in rows.to_dict("records")]
        hits = hits.assign(path=hits.path.map(lambda path: Path(path).name), words=words)
    return shown(hits, args.out, "shot", list(hits))


def draw(args) -> str:
    workspace, looking = Workspace(args.work), IngestSettings(encoder=args.encoder or PACKAGED)
    out = Path(args.out or workspace.out / ("map.html" if args.scene is None else "scene.mp4"))
    if out.suffix.lower() == ".mp4" and args.scene is None:
        raise UsageError(f"{out}: a video is of one scene; name it, as in --scene 0.")
    if args.scene is not None and out.suffix.lower() in DRAWN:
        raise UsageError(f"{out}: a scene is a video: end the name in .mp4, or leave out --scene.")
    ends_in(out, *(DRAWN if args.scene is None else [".mp4"]))
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
    return f"{counted(len(found.shots), 'shot')}{new}, {counted(len(scenes), 'scene')} -> {out}"


def aside(args) -> str:
    workspace = Workspace(args.work)
    if args.add:
        film_id = args.add.split("-")[0]
        shots = load_shots(workspace, films=[film_id]).set_index("shot_id")
        if args.add not in shots.index:
            raise UsageError(f"{args.add}: is no shot here; `lab shots FILM` lists a film's.")
        put_aside(workspace, shots.loc[args.add], tags=args.tags, note=args.note)
    table = cite(workspace)
    return shown(table, args.out, "favourite", list(table))


def match(args) -> str:
    ends_in(args.edit, ".yaml", ".yml")
    before = load_edit(args.edit, Workspace(args.work)) if Path(args.edit).exists() else None
    settings = before.settings if before else MatchSettings()
    settings = settings.model_copy(update=given(args, MatchSettings))
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
    said = ", ".join([f"{counted(len(answered), 'shot')} answered", *held])
    return f"{said} -> {args.edit} and {table}"


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
