"""What is known of the films: tables and vectors, read from the parts that stand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from lab import duplicates, shots
from lab.films import Register, credit_of
from lab.flags import MISSING
from lab.language import WORDS
from lab.stages import IngestSettings, complete, film_key, looks_part, shots_part, wholeness
from lab.store import CARD, Workspace, key_of, read_arrays, read_json, read_table, write_json

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
    """The films table: a row for every film that has been decoded.

    Its `state` is ``missing`` where no file is the film any more, and else how much of it is lost.
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
    head += ["state", "lost"]
    table = pd.DataFrame(rows, columns=None if rows else head)
    return table[head + [c for c in table if c not in head]]


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
        parts = {
            "decode": workspace.part("film", film.film_id, film_key()),
            "shots": shots_part(workspace, film.film_id),
            "looks": looks_part(workspace, film.film_id, settings),
        }
        for stage, part in parts.items():
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
    table = load_films(workspace)
    table = table[table.film_id.isin(films) if films is not None else table.role == "archive"]
    stands = [complete(workspace, film_id, settings) for film_id in table.film_id]
    table = table[np.array(stands, bool)]
    tables, moments, vectors = [], [], {}
    for film_id in table.film_id:
        cut = shots_part(workspace, film_id)
        looks = looks_part(workspace, film_id, settings)
        words = pd.DataFrame(read_json(looks / "words.json"), columns=list(WORDS))
        table_of = read_table(cut / "shots.parquet").assign(flags=read_json(looks / "flags.json"))
        tables.append(pd.concat([table_of, words], axis=1))
        moments.append(read_table(cut / "moments.parquet"))
        for name, array in read_arrays(looks / "vectors.safetensors").items():
            vectors.setdefault(name, []).append(array)
    none = pd.DataFrame(columns=[*shots.SHOTS, *WORDS]), shots.find_moments(pd.DataFrame())
    every = pd.concat(tables, ignore_index=True) if tables else none[0]
    here = every.film_id.isin(table.film_id[table.state != MISSING])
    if films is None and here.any():
        _flag_repeats(workspace, every, here)
    every.loc[~here, "flags"] = (every["flags"][~here] + f" {MISSING}").str.strip()
    return Archive(
        table.reset_index(drop=True),
        every,
        pd.concat(moments, ignore_index=True) if moments else none[1],
        {name: np.concatenate(parts) for name, parts in vectors.items()},
        settings.encoder,
    )


def _flag_repeats(workspace: Workspace, every: pd.DataFrame, here: pd.Series) -> None:
    """Flag the shots of an archive that another that is here shows already; worked out once."""
    table = every[here]
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
