"""The verbs that look around in an archive: map, search, favourites."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

from PIL import ImageOps

from lab.cli.options import UsageError, add_encoder, ends_in, positive, seconds, shown
from lab.cli.weighing import add_weights
from lab.encoders import PACKAGED, load_encoder
from lab.favourites import cite, put_aside
from lab.language import caption, counted
from lab.layout import tour
from lab.looks import THUMBNAIL
from lab.page import write_map
from lab.reel import grid, reel
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
from lab.sheets import Cell
from lab.stages import IngestSettings
from lab.store import Workspace, picture_in
from lab.tables import load_archive, load_films, load_shots, thumbnail_path

DRAWN = (".html", ".png", ".svg")  # what a map is drawn as


def add_map(one) -> None:
    add_encoder(one)
    one.add_argument(
        "--out",
        metavar="FILE",
        help=".html (default: DIR/out/map.html), .png or .svg; .mp4 of a scene",
    )
    add_weights(one)
    one.add_argument("--redraw", action="store_true", help="draw it anew: shots may move")
    one.add_argument("--scene", type=int, metavar="N", help="its shots in the map's order, as .mp4")
    one.add_argument(
        "--name", metavar="NAME", help="call a scene by a name of your own; '' undoes it"
    )
    one.add_argument(
        "--nine", action="store_true", help="of a scene: the nine most typical at once"
    )
    one.add_argument("--titles", action="store_true", help="of a scene: say what film each is from")
    one.add_argument("--most", type=positive, metavar="N", help="of a scene: its N most typical")
    one.add_argument(
        "--longest",
        type=seconds,
        metavar="SECONDS",
        default=math.inf,
        help="of a scene: of longer shots, the middle",
    )
    one.set_defaults(run=draw)


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


def add_favourites(one) -> None:
    one.add_argument("--add", metavar="SHOT", help="put a shot aside, by its shot_id")
    one.add_argument("--tags", default="", help="of the shot: words, separated by commas")
    one.add_argument("--note", default="", help="of the shot")
    one.add_argument("--out", metavar="FILE.csv")
    one.set_defaults(run=aside)


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


def add_search(one) -> None:
    add_encoder(one)
    wanted = one.add_mutually_exclusive_group()
    wanted.add_argument("--text", metavar="TEXT", help="what they show; needs a model with words")
    wanted.add_argument("--image", metavar="FILE", help="a picture that they look like")
    wanted.add_argument("--shot", metavar="ID", help="a shot_id, of the archive or a trailer")
    one.add_argument(
        "-k",
        type=positive,
        metavar="N",
        help=f"hits ({COUNT}; of a list, unless you say: all)",
    )
    add_weights(one)
    one.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="only shots whose row says so, such as framing=close-up; may be given more than once; "
        "where no shot does, the values that there are are told",
    )
    one.add_argument("--out", metavar="FILE", help=".csv, or .png: a sheet of pictures")
    one.set_defaults(run=search)


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
        with picture_in(thumbnail(shot.film_id, shot["index"])) as picture:
            picture = picture.convert("RGB")
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
