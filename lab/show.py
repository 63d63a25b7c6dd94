"""What a notebook shows: shots as pictures, pairs, a video that plays."""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pandas as pd
from IPython.display import HTML, Image, display

from lab.edit import Edit
from lab.filmstrips import film_strips
from lab.ingest import load_problems
from lab.inventory import unreadable
from lab.language import caption, clock
from lab.plots import losses
from lab.see import Images, Training, train
from lab.sheets import contact_sheet
from lab.stages import TOLD
from lab.store import Workspace
from lab.studio import Studio
from lab.tables import load_archive, load_films, load_shots, thumbnail_path


def url(path) -> str:
    """Address of a file as a notebook's output names it: relative to the notebook.

    Jupyter serves files below the folder it was started in, and answers range requests, so
    that a video can be sought in; nothing is embedded.
    """
    return html.escape(Path(os.path.relpath(path)).as_posix())


def served(path) -> str | None:
    """Address of a file for a widget, which does not know where its notebook lies.

    None where this kernel's Jupyter server does not serve it: it serves what lies below the folder
    that it was started in.
    """
    from jupyter_server.serverapp import list_running_servers

    parent, path = os.environ.get("JPY_PARENT_PID"), Path(path).resolve()
    for server in list_running_servers():
        root = Path(server["root_dir"]).resolve()
        if str(server["pid"]) == parent and path.is_relative_to(root):
            below = quote(path.relative_to(root).as_posix())
            return f"{server['base_url']}files/{below}"
    return None


def films(workspace: Workspace) -> HTML:
    """The films of a workspace, each with a picture of its longest shot."""
    table = load_films(workspace)
    every = load_shots(workspace, films=list(table.film_id))
    longest = every.assign(long=every.end - every.start).groupby("film_id").long.idxmax()
    counts, lines = every.film_id.value_counts(), []
    for film in table.itertuples():
        seen = ""
        if film.film_id in longest:
            index = every["index"][longest[film.film_id]]
            seen = _image(thumbnail_path(workspace, film.film_id, index), film.title, 96)
        told = (film.title, film.year, clock(film.duration), counts.get(film.film_id, ""))
        told += f"{film.width} x {film.height}", f"{film.fps:.4g}", film.licence, film.role
        lines.append((seen, *(html.escape(str(one)) for one in told)))
    head = ("", "title", "year", "length", "shots", "size", "frames/s", "licence", "role")
    return _table(head, lines)


def problems(workspace: Workspace) -> HTML:
    """The films that cannot be read or are not whole: why, and which seconds are lost."""
    lines = []
    for row in load_problems(workspace).itertuples():
        name = f'<span title="{html.escape(row.path)}">{html.escape(Path(row.path).name)}</span>'
        lines.append((name, row.stage, html.escape(row.what), _lost(row.lost)))
    return _table(("film", "stage", "what", "lost"), lines) if lines else HTML("No problems.")


def _lost(stretches: list | None) -> str:
    """Seconds that are lost, all together, and from when to when."""
    if not stretches:
        return ""
    told = [f"{clock(begin)} to {clock(end)}" for begin, end in stretches[:TOLD]]
    if len(stretches) > TOLD:
        told.append(f"and {len(stretches) - TOLD} more")
    total = sum(end - begin for begin, end in stretches)
    return f"<b>{total:.1f} s</b><br>{'<br>'.join(told)}"


def strips(workspace: Workspace, out, most: int = 100) -> Image:
    """Every film of the archive as a strip of its shots, saved as `out` and shown.

    Parameters
    ----------
    workspace : Workspace
    out : path-like
        A PNG.
    most : int
        Films shown.
    """
    table = load_films(workspace)
    archive = load_archive(workspace, films=list(table.film_id[table.role == "archive"][:most]))
    thumbnail = partial(thumbnail_path, workspace)
    film_strips(archive.films, archive.shots, thumbnail, out, unreadable(workspace))
    return Image(filename=str(out), alt="Every film as a strip of its shots, in order")


def shots(workspace: Workspace, film_id: str, most: int = 60) -> HTML:
    """Pictures of a film's shots in order, each with its time, length and how it begins.

    Parameters
    ----------
    workspace : Workspace
    film_id : str
    most : int
        Shots shown.
    """
    figures = []
    for shot in load_shots(workspace, films=[film_id]).head(most).itertuples():
        text = f"{clock(shot.start)} · {shot.end - shot.start:.1f} s · {shot.transition_in}"
        text += f" · {shot.flags}" if shot.flags else ""
        words = caption(shot._asdict())
        figures.append(_figure(thumbnail_path(workspace, film_id, shot.index), text, words))
    return _in_rows(figures)


def hits(workspace: Workspace, found: pd.DataFrame) -> HTML:
    """Pictures of what a search found, best first, each with its score and its words.

    Parameters
    ----------
    workspace : Workspace
    found : DataFrame
        From `lab.search`.
    """
    shots = load_shots(workspace, films=list(found.film_id.unique()))
    shots = shots.set_index("shot_id")
    figures = []
    for hit in found.itertuples():
        shot = shots.loc[hit.shot_id]
        words = caption(shot)
        text = f"{hit.rank} · {hit.score:.2f} · {Path(hit.path).stem} {clock(hit.start)}"
        figures.append(_figure(thumbnail_path(workspace, hit.film_id, shot["index"]), text, words))
    return _in_rows(figures)


def pairs(edit: Edit, out) -> Image:
    """The contact sheet of an edit, saved as `out` and shown."""
    contact_sheet(edit, out)
    return Image(filename=str(out), alt="Every shot of the trailer beside the shot that answers it")


def ways(studio: Studio, presets: Sequence[str]) -> HTML:
    """One trailer under several presets on one sheet: a row a shot, a column a preset.

    Parameters
    ----------
    studio : Studio
    presets : sequence of str
        Of `Studio.presets`.
    """
    archive = studio.archive.shots.set_index("shot_id")
    answers = {name: studio.weigh(studio.presets()[name]) for name in presets}
    lines = []
    for at, shot in enumerate(studio.trailer.shots.itertuples()):
        cells = [_picture(studio, shot.film_id, shot.index, clock(shot.start))]
        for name in presets:
            one = answers[name][at]
            row = archive.loc[one] if one else None
            told = caption(row) if one else ""
            cells.append(_picture(studio, row.film_id, row["index"], told) if one else "")
        lines.append(cells)
    return _table(("trailer", *presets), lines)


def _picture(studio: Studio, film_id: str, index: int, text: str) -> str:
    return _image(thumbnail_path(studio.workspace, film_id, index, studio.looking), text, 150)


def play(path, width: int = 960) -> HTML:
    """A video with its controls, played from where it lies."""
    return HTML(f'<video src="{url(path)}" width="{width}" controls preload="metadata"></video>')


def picture(path, told: str, width: int = 640) -> HTML:
    """A picture from where it lies, still or moving; `told` is what a screen reader says of it."""
    return HTML(f'<img src="{url(path)}" alt="{html.escape(told)}" width="{width}">')


def learning(images: Images, out, settings: Training | None = None, **until) -> pd.DataFrame:
    """Train a network, as `lab.see.train` does, and draw how it does as it goes.

    Parameters
    ----------
    images, out, settings, **until
        As of `lab.see.train`.

    Returns
    -------
    DataFrame
        The losses, a row a step.
    """
    strip, curves = display(HTML(""), display_id=True), display(HTML(""), display_id=True)

    def draw(table: pd.DataFrame) -> None:
        told = "by row: what is shown, what is seen in it, what there is; images held out"
        strip.update(Image(Path(out) / "strip.png", alt=told))
        curves.update(losses(table))

    return train(images, out, settings, watch=draw, **until)


def _figure(picture: Path, text: str, words: str) -> str:
    """A shot's picture with two lines under it; the second is what a screen reader says of it."""
    return (
        f'<figure style="margin:0;width:160px"><img src="{url(picture)}" width="160" '
        f'alt="{html.escape(words or text)}">'
        f'<figcaption style="font-size:11px">{html.escape(text)}<br>{html.escape(words)}'
        "</figcaption></figure>"
    )


def _in_rows(figures: list[str]) -> HTML:
    return HTML(f'<div style="display:flex;flex-wrap:wrap;gap:8px">{"".join(figures)}</div>')


def _image(place: Path, text: str, width: int) -> str:
    told = html.escape(text)
    return f'<img src="{url(place)}" width="{width}" alt="{told}" title="{told}">'


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> HTML:
    """A table of cells that are HTML already."""
    left = 'style="text-align:left;max-width:45em"'  # notebooks set all to the right
    rows = ["".join(f"<th {left}>{html.escape(name)}</th>" for name in head)]
    rows += ["".join(f"<td {left}>{cell}</td>" for cell in line) for line in lines]
    return HTML(f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>")
