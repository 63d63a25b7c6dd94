"""Favourites: shots and pairs put aside, with tags and a note, and cited by timecode.

They lie in the workspace as one readable JSON file, by film and seconds, so that corrected cuts
and new encoders do not lose them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lab.edit import Edit
from lab.store import Workspace, read_json, write_json
from lab.tables import load_films

KEPT = ["film_id", "start", "end", "match_film", "match_start", "match_end", "tags", "note"]
STRETCH = ["title", "year", "in", "out", "file", "source", "licence"]
CITED = [*STRETCH, *(f"match_{name}" for name in STRETCH), "tags", "note"]


def favourites(workspace: Workspace) -> pd.DataFrame:
    """What was put aside, in that order.

    Returns
    -------
    DataFrame
        `KEPT`: film and seconds of a shot; of a pair also those of the shot that answers it;
        ``tags`` (separated by commas) and ``note``.
    """
    return pd.DataFrame(read_json(workspace.favourites, []), columns=KEPT)


def put_aside(
    workspace: Workspace, shot, match=None, *, tags: str | Sequence[str] = "", note: str = ""
) -> None:
    """Keep a shot, or a pair of shots; what was kept already takes the new tags and note.

    Parameters
    ----------
    workspace : Workspace
    shot, match : Series or namedtuple
        Rows of a shots table: ``film_id``, ``start`` and ``end`` are read.
    tags : str or sequence of str
        In one string they are separated by commas.
    note : str
    """
    tags = tags if isinstance(tags, str) else ", ".join(tags)
    row = {"film_id": shot.film_id, "start": float(shot.start), "end": float(shot.end)}
    pair = (
        (match.film_id, float(match.start), float(match.end)) if match is not None else [None] * 3
    )
    row |= dict(zip(KEPT[3:6], pair, strict=True))
    others = [
        one for one in read_json(workspace.favourites, []) if any(one[k] != row[k] for k in row)
    ]
    write_json(workspace.favourites, [*others, row | {"tags": tags, "note": note}])


def put_pair_aside(
    workspace: Workspace, edit: Edit, position: int, *, tags: str = "", note: str = ""
) -> None:
    """Keep a pair of an edit: a trailer shot, and the stretch that answers it.

    Parameters
    ----------
    workspace : Workspace
    edit : Edit
    position : int
        Of the trailer shot, from 1, as on the contact sheet.
    tags, note : str

    Raises
    ------
    ValueError
        If there is no such shot, or no film answers it.
    """
    row = next((row for row in edit.shots if row.position == position), None)
    if row is None or row.kind != "match":
        raise ValueError(f"{position}: no film answers such a shot of this edit.")
    shot = pd.Series({"film_id": edit.trailer, "start": row.in_query, "end": row.out_query})
    match = {"film_id": row.match_film, "start": row.in_match, "end": row.out_match}
    put_aside(workspace, shot, pd.Series(match), tags=tags, note=note)


def take_back(workspace: Workspace, place: int) -> None:
    """Forget the favourite in a row of `favourites`.

    Raises
    ------
    IndexError
        If there is no such row.
    """
    rows = read_json(workspace.favourites, [])
    del rows[place]
    write_json(workspace.favourites, rows)


def cite(workspace: Workspace) -> pd.DataFrame:
    """Favourites with titles, years and timecodes.

    Parameters
    ----------
    workspace : Workspace

    Returns
    -------
    DataFrame
        `CITED`; timecodes are hours:minutes:seconds:frames from the film's first frame on, at
        its nominal rate. ``to_csv`` writes it, as does ``lab favourites --out``.
    """
    films, rows = load_films(workspace).set_index("film_id"), []
    for row in favourites(workspace).itertuples():
        shot = _place(films, row.film_id, row.start, row.end)
        match = _place(films, row.match_film, row.match_start, row.match_end)
        rows.append([*shot, *match, row.tags, row.note])
    return pd.DataFrame(rows, columns=CITED)


def timecode(seconds: float, fps: float) -> str:
    """Seconds since a film's first frame as hours:minutes:seconds:frames, not dropping any.

    >>> timecode(3661.52, 25), timecode(1.0, 30000 / 1001)
    ('01:01:01:13', '00:00:01:00')
    """
    base = round(fps)
    count = round(seconds * fps)
    whole, frames = divmod(count, base)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}:{frames:02}"


def _place(films: pd.DataFrame, film_id, start, end) -> list[str]:
    """A stretch as `STRETCH` cites it; empty where there is none."""
    if not isinstance(film_id, str):
        return [""] * len(STRETCH)
    if film_id not in films.index:
        return [film_id, "", f"{start:.2f} s", f"{end:.2f} s", "", "", ""]
    film = films.loc[film_id]
    codes = [timecode(second - film.t0, film.fps) for second in (start, end)]
    title = film.title or Path(film.path).stem
    return [title, film.year, *codes, film.path, film.source, film.licence]
