"""What is known of the films: tables and vectors, read from the parts that stand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from lab import duplicates, shots
from lab.films import Register, credit_of
from lab.flags import LOST, MISSING, lacks
from lab.language import WORDS
from lab.stages import IngestSettings, complete, film_key, looks_part, parts, shots_part, wholeness
from lab.store import (
    CARD,
    PartError,
    Workspace,
    key_of,
    read_arrays,
    read_json,
    read_table,
    write_json,
)

COSTS = ["film_id", "title", "duration", "stage", "seconds", "cpu_seconds"]


@dataclass(frozen=True)
class Archive:
    """All that is known of some films: tables, and vectors aligned with `moments`."""

    films: pd.DataFrame
    shots: pd.DataFrame
    moments: pd.DataFrame
    vectors: dict[str, np.ndarray]
    encoder: str = ""  # by which `subject` was seen


def load_films(workspace: Workspace) -> pd.DataFrame:
    """The films table: a row for every film that has been decoded, in the order of their paths.

    Which one was ready first changes nothing that follows from it. A film's `state` is
    ``missing`` where no file is the film any more, and else how much of it is lost.
    """
    register, rows = Register(workspace), []
    for film_id, known in register.films.items():
        row = read_json(workspace.part("film", film_id, film_key()) / "film.json")
        if row:
            place = register.place(film_id)
            path = str(place or known["path"])
            state = wholeness(row) if place else MISSING
            more = {"path": path, "state": state, **vars(credit_of(path))}
            rows.append({"film_id": film_id, **known, **row, **more})
    head = ["film_id", "role", "path", "title", "year", "t0", "duration", "width", "height"]
    head += ["fps", "state", "lost"]
    rows.sort(key=lambda row: row["path"])
    table = pd.DataFrame(rows, columns=None if rows else head)
    return table[head + [c for c in table if c not in head]]


def no_films(workspace: Workspace) -> str:
    """What is said, and what is to be done, where the archive holds nothing."""
    return f"the archive is empty; put films into {workspace.archive} and run `lab ingest`."


def load_costs(workspace: Workspace, settings: IngestSettings | None = None) -> pd.DataFrame:
    """How long each stage of each film took.

    Returns
    -------
    DataFrame
        A row for every part that stands: `film_id`, `title`, `duration` of the film, `stage`
        (``decode``, ``shots``, ``looks``), `seconds` by the clock and `cpu_seconds` of the process
        that made it. Where an older version made it and nobody measured, there is no row.
    """
    settings, rows = settings or IngestSettings(), []
    for film in load_films(workspace).itertuples():
        for stage, part in parts(workspace, film.film_id, settings).items():
            card = read_json(part / CARD, {})
            if "seconds" in card:
                took = card["seconds"], card["cpu_seconds"]
                rows.append((film.film_id, film.title, film.duration, stage, *took))
    return pd.DataFrame(rows, columns=COSTS)


def load_archive(
    workspace: Workspace, settings: IngestSettings | None = None, *, films=None
) -> Archive:
    """Everything that stands in the workspace, for the films named or for all.

    Parameters
    ----------
    workspace : Workspace
    settings : IngestSettings, optional
    films : list of str, optional
        Identifiers; by default every film with the role ``archive``.

    Returns
    -------
    Archive
        The shots of films that are missing are flagged so: they can be looked at, by their proxies,
        and not be rendered.
    """
    settings = settings or IngestSettings()
    table = _standing(workspace, settings, films)
    every = _shots(workspace, settings, table)
    cut = [shots_part(workspace, film_id) / "moments.parquet" for film_id in table.film_id]
    moments = list(map(read_table, cut))
    seen = [looks_part(workspace, film_id, settings) for film_id in table.film_id]
    vectors = _vectors(seen, list(map(len, moments)))
    moments = pd.concat(moments or [shots.find_moments(pd.DataFrame())], ignore_index=True)
    if films is None:
        _flag_repeats(workspace, every)
    return Archive(table, every, moments, vectors, settings.encoder)


def _vectors(looks: list[Path], counts: list[int]) -> dict[str, np.ndarray]:
    """All films' channels, of so many moments each; what of them is read is not held twice."""
    every, begin = {}, 0
    for part, count in zip(looks, counts, strict=True):
        for name, rows in read_arrays(part / "vectors.safetensors").items():
            if name not in every:
                every[name] = np.empty((sum(counts), *rows.shape[1:]), rows.dtype)
            if len(rows) != count:
                why = "does not fit the film's shots, which were cut anew just now; try again."
                raise PartError(f"{part}: {why}")
            every[name][begin : begin + count] = rows
        begin += count
    return every


def load_shots(
    workspace: Workspace, settings: IngestSettings | None = None, *, films=None
) -> pd.DataFrame:
    """The shots of `load_archive` alone: no vector is read, and repeats are not looked for."""
    settings = settings or IngestSettings()
    return _shots(workspace, settings, _standing(workspace, settings, films))


def _standing(workspace: Workspace, settings: IngestSettings, films) -> pd.DataFrame:
    """The rows of the films table that are asked for, of films whose parts all stand."""
    table = load_films(workspace)
    table = table[table.film_id.isin(films) if films is not None else table.role == "archive"]
    stands = [complete(workspace, film_id, settings) for film_id in table.film_id]
    return table[np.array(stands, bool)].reset_index(drop=True)


def _shots(workspace: Workspace, settings: IngestSettings, films: pd.DataFrame) -> pd.DataFrame:
    """The shots of some films, each with its words and flags."""
    tables = []
    for film in films.itertuples():
        looks = looks_part(workspace, film.film_id, settings)
        words = pd.DataFrame(read_json(looks / "words.json"), columns=list(WORDS))
        table = read_table(shots_part(workspace, film.film_id) / "shots.parquet")
        away = film.state == MISSING
        gone = lacks(table.start.to_numpy(), table.end.to_numpy(), film.lost)
        flags = [
            " ".join(filter(None, (one, lost and LOST, away and MISSING)))
            for one, lost in zip(read_json(looks / "flags.json"), gone, strict=True)
        ]
        tables.append(pd.concat([table.assign(flags=flags), words], axis=1))
    if not tables:
        return pd.DataFrame(columns=[*shots.SHOTS, *WORDS])
    return pd.concat(tables, ignore_index=True)


def _flag_repeats(workspace: Workspace, every: pd.DataFrame) -> None:
    """Flag the shots of an archive that another that is here shows already; worked out once."""
    here = ~every["flags"].str.contains(MISSING).astype(bool)
    table = every[here]
    if not len(table):
        return
    key = key_of("duplicates", duplicates.VERSION, sorted(table.shot_id), film_key())
    place = workspace.work / "duplicates" / f"{key}.json"
    first = read_json(place)
    if first is None:
        first = duplicates.find_duplicates(table, partial(load_frames, workspace))
        write_json(place, first)
    more = [f"duplicate-of:{first[i]}" if i in first else "" for i in table.shot_id]
    every.loc[here, "flags"] = [
        " ".join(filter(None, both)) for both in zip(table["flags"], more, strict=True)
    ]


def load_frames(workspace: Workspace, film_id: str) -> dict[str, np.ndarray]:
    """What is known of every frame of a film.

    Returns
    -------
    dict of ndarray
        ``times``, ``cuts``, ``light``, ``trace``, a row a frame; ``flow`` and ``flow_times``, a row
        about a twelfth of a second; ``box``, the picture inside its bars.
    """
    part = workspace.part("film", film_id, film_key())
    box = np.array(read_json(part / "film.json")["crop"])
    return read_arrays(part / "frames.safetensors") | {"box": box}


def proxy_path(workspace: Workspace, film_id: str) -> Path:
    return workspace.part("film", film_id, film_key()) / "proxy.mp4"


def thumbnail_path(
    workspace: Workspace, film_id: str, index: int, settings: IngestSettings | None = None
) -> Path:
    """A shot's thumbnail, by its index in the film."""
    return looks_part(workspace, film_id, settings or IngestSettings()) / f"{index}.jpg"
