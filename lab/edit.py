"""The edit: a document that says which shot answers which, for people and for the renderer.

A YAML file that can be read and changed by hand, and a CSV of the same rows beside it. It
names its films by path (relative to itself) and content, so that it renders on its own.
"""

from __future__ import annotations

import hashlib
import math
import os
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from lab import LabError
from lab.channels import Calibration
from lab.films import Register, named
from lab.flags import MISSING
from lab.ingest import ingest_one
from lab.match import match
from lab.rules import MatchError, MatchSettings
from lab.stages import IngestSettings
from lab.store import Workspace, write_whole
from lab.tables import Archive, load_archive, load_frames, no_films
from lab.video import probe

HEAD = """\
# A reinterpretation: every shot of the trailer and the archive shot that answers it.
# Times are seconds on each film's own clock. To change an answer, change match_film (a film_id;
# `lab films` lists them) and in_match, or speed, mirror, reframe; run `lab match` again, and it
# keeps what you wrote, sets pinned: true, and works out match_id, out_match and the scores anew.
# (mark is how it knows what you changed: leave that alone).
# kind: match shows the archive film, keep the trailer itself, black nothing.
# To refuse an answer, write under rejected:
# - {film: 0123456789ab, start: 12.5, end: 14, query: 3.2}
# (start and end: seconds of the archive film; query: a second inside the one trailer shot that
# is meant; leave it out for all).
"""


WRONG = {
    "extra_forbidden": "is no name that an edit knows; check its spelling",
    "float_parsing": "is no number; write seconds, such as 83.2",
    "bool_parsing": "is neither true nor false",
    "missing": "is missing",
}


class EditError(LabError):
    """An edit that cannot be used: one sentence with the file, the cause and what to do."""


class FilmEntry(BaseModel):
    """A film named by an edit."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    path: str
    title: str = ""
    year: str = ""
    source: str = ""
    licence: str = ""
    crop: tuple[float, float, float, float] = (0, 0, 1, 1)


class Row(BaseModel):
    """One trailer shot and its answer; times in seconds on each film's own clock."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    position: int
    kind: Literal["match", "keep", "black"] = "match"
    query_id: str = ""
    in_query: float
    out_query: float
    match_id: str = ""
    match_film: str = ""
    in_match: float | None = None
    out_match: float | None = None
    speed: float = Field(1.0, gt=0, le=4)
    mirror: bool = False
    reframe: tuple[float, float, float, float] | None = None
    score: float | None = None
    scores: dict[str, float] = {}
    why: str = ""
    pinned: bool = False
    alternatives: list[str] = []
    mark: str = ""

    @field_validator("reframe")
    @classmethod
    def _is_a_part(cls, part):
        if part is not None and not (0 <= part[0] < part[2] <= 1 and 0 <= part[1] < part[3] <= 1):
            raise ValueError("left, top, right, bottom: each from 0 to 1, left less than right")
        return part

    @property
    def middle(self) -> float:
        """The trailer's second in the middle of the row."""
        return (self.in_query + self.out_query) / 2

    def moment(self, second: float) -> float:
        """The answer's second, on its film's clock, at a second of the trailer."""
        return self.in_match + (second - self.in_query) * self.speed

    def decision(self) -> str:
        """A short digest of what the row decides: who changes that by hand changes this."""
        numbers = f"{self.in_match or 0:.5f} {self.speed:.5f}"
        said = f"{self.kind} {self.match_film} {numbers} {self.mirror}"
        if self.reframe:
            said += f" {self.reframe}"
        return hashlib.blake2s(said.encode(), digest_size=4).hexdigest()


class Rejection(BaseModel):
    """An archive film's seconds that are not to answer: one trailer shot, or any."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    film: str
    start: float
    end: float
    query: float | None = None


class Edit(BaseModel):
    """The whole document."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    trailer: str
    encoder: str
    calibration: str
    settings: MatchSettings = MatchSettings()
    films: dict[str, FilmEntry]
    shots: list[Row]
    rejected: list[Rejection] = []
    _folder: Path = Path()

    def path(self, film_id: str) -> Path:
        """Where a film lies.

        Raises
        ------
        EditError
            If the edit names no such film, or the file is not there.
        """
        entry = self.films.get(film_id)
        if entry is None:
            raise EditError(f"the edit answers with film {film_id}, which its films: do not name.")
        path = self._folder / entry.path
        if not path.is_file():
            shots = ", ".join(
                str(shot.position) for shot in self.shots if shot.match_film == film_id
            )
            told = named(entry) + (f", shot {shots}" if shots else "")
            raise EditError(
                f"{os.path.abspath(path)}: is not there any more ({told}); put it back, or have "
                "it found where it lies now: `lab films --relink FOLDER`."
            )
        return path

    def moved(self, path) -> Edit:
        """The same edit, its films named as they lie from where it is to be saved."""
        path, films = Path(path), {}
        for film_id, entry in self.films.items():
            place = os.path.abspath(self._folder / entry.path)
            films[film_id] = entry.model_copy(update={"path": _relative(place, path.parent)})
        edit = self.model_copy(update={"films": films})
        edit._folder = path.parent
        return edit

    def stretch(self, only: tuple[int, int] | None) -> tuple[float, float]:
        """Seconds of the trailer from one position to another; all of it by default.

        Raises
        ------
        EditError
            If no shot has such a position.
        """
        if only is None:
            return -math.inf, math.inf
        inside = [shot for shot in self.shots if only[0] <= shot.position <= only[1]]
        if not inside:
            told = f"the edit has shots 1 to {len(self.shots)}, none of {only[0]} to {only[1]}."
            raise EditError(told)
        return inside[0].in_query, inside[-1].out_query

    def row_at(self, second: float) -> Row | None:
        """The row that answers a second of the trailer."""
        return next((row for row in self.shots if row.in_query <= second < row.out_query), None)

    def table(self) -> pd.DataFrame:
        """The rows as a table, with a column for each channel's score and both paths."""
        rows = []
        for shot in self.shots:
            row = shot.model_dump(exclude={"mark"})
            scores = row.pop("scores")
            row |= {f"score_{name}": value for name, value in scores.items()}
            row["alternatives"] = " ".join(shot.alternatives)
            row["query_path"] = self._where(self.trailer)
            row["match_path"] = self._where(shot.match_film)
            rows.append(row)
        return pd.DataFrame(rows)

    def _where(self, film_id: str) -> str:
        entry = self.films.get(film_id)
        return os.path.normpath(self._folder / entry.path) if entry else ""

    def save(self, path) -> None:
        """Write the YAML, and the CSV beside it."""
        path = Path(path)
        content = self.model_dump(mode="json", exclude_none=True)
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
        write_whole(path, HEAD + text)
        write_whole(path.with_suffix(".csv"), self.table().to_csv(index=False))


def load_edit(path, workspace: Workspace | None = None) -> Edit:
    """Read an edit.

    Parameters
    ----------
    path : path-like
    workspace : Workspace, optional
        Films that are not where the edit says are taken from where this one saw them last:
        moved films are found again by `lab films --relink`.

    Raises
    ------
    EditError
        If the file is missing, no YAML, or says something that an edit cannot hold.
    """
    path = Path(path)
    try:
        edit = Edit.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise EditError(f"{path}: does not exist; make it with `lab match`.") from None
    except ValidationError as error:
        first = error.errors()[0]
        why = WRONG.get(first["type"], f"is not right ({first['msg']})")
        raise EditError(f"{path}: {_place(first['loc'])} {why}.") from None
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise EditError(
            f"{path}: cannot be read as YAML ({line}{error.problem}); is a space missing after "
            "a colon?"
        ) from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:  # 2001-13-45: ValueError
        cause = " ".join(str(error).split())
        raise EditError(f"{path}: cannot be read as YAML ({cause}).") from None
    edit._folder = path.parent
    _check_order(edit, path)
    if workspace is not None:
        _follow(edit, Register(workspace))
    return edit


def _follow(edit: Edit, register: Register) -> None:
    """Name the films that moved by where they lie now."""
    for film_id, entry in edit.films.items():
        if not (edit._folder / entry.path).is_file() and (place := register.where(film_id)):
            entry.path = _relative(str(place), edit._folder)


def _place(steps: tuple) -> str:
    """Where in the document something is wrong, in a person's words: shots count from 1."""
    if len(steps) > 1 and steps[0] in ("shots", "rejected"):
        what = "shot" if steps[0] == "shots" else "rejection"
        return " of ".join([".".join(map(str, steps[2:])) or "all", f"{what} {steps[1] + 1}"])
    return ".".join(map(str, steps)) or "the document"


def _check_order(edit: Edit, path: Path) -> None:
    for before, after in zip(edit.shots, edit.shots[1:], strict=False):
        if after.in_query < before.out_query - 1e-3:
            raise EditError(
                f"{path}: shot {after.position} begins before shot {before.position} ends."
            )
    for shot in edit.shots:
        if shot.out_query <= shot.in_query:
            raise EditError(f"{path}: shot {shot.position} ends before it begins.")
        if shot.kind == "match" and (shot.in_match is None or not shot.match_film):
            raise EditError(
                f"{path}: shot {shot.position} is a match without match_film and in_match."
            )


def make_edit(
    path,
    rows: pd.DataFrame,
    films: pd.DataFrame,
    *,
    trailer: str,
    encoder: str,
    calibration: str,
    settings: MatchSettings,
    rejected: list[Rejection] | None = None,
) -> Edit:
    """Put together the edit that `lab.match.match` decided.

    Parameters
    ----------
    path : path-like
        Where it will be saved: films are named relative to this file's folder.
    rows, films : DataFrame
        The match's table; the films table, trailer and archive.
    """
    folder = Path(path).parent
    shots = [_row(row) for row in rows.to_dict("records")]
    used = {trailer, *(shot.match_film for shot in shots if shot.match_film)}
    used |= {shot_id.split("-")[0] for shot in shots for shot_id in shot.alternatives}
    entries = {}
    for film in films[films.film_id.isin(used)].itertuples():
        entries[film.film_id] = FilmEntry(
            path=_relative(film.path, folder),
            title=film.title,
            year=film.year,
            source=film.source,
            licence=film.licence,
            crop=tuple(film.crop),
        )
    edit = Edit(
        trailer=trailer,
        encoder=encoder,
        calibration=calibration,
        settings=settings,
        films=entries,
        shots=shots,
        rejected=rejected or [],
    )
    edit._folder = folder
    return edit


def compare(one: Edit, other: Edit) -> pd.DataFrame:
    """Two edits of one trailer side by side.

    Returns
    -------
    DataFrame
        A row for every shot that both have: ``position``, ``in_query``, what answers it in each
        (``one``, ``other``: film and second, or ``keep``, ``black``), ``same`` (the same shot),
        and how far both begin apart (``apart``, seconds; NaN where they are not the same).

    Raises
    ------
    EditError
        If they are of different trailers.
    """
    if one.trailer != other.trailer:
        raise EditError("the two edits are of different trailers.")
    rows = []
    for shot in one.shots:
        twin = other.row_at(shot.middle)
        if twin is None:
            continue
        told = [_told(edit, row) for edit, row in ((one, shot), (other, twin))]
        same = (shot.kind, shot.match_id) == (twin.kind, twin.match_id)
        apart = twin.in_match - shot.in_match if same and shot.kind == "match" else math.nan
        rows.append((shot.position, shot.in_query, *told, same, apart))
    return pd.DataFrame(rows, columns=["position", "in_query", "one", "other", "same", "apart"])


def _told(edit: Edit, row: Row) -> str:
    if row.kind != "match":
        return row.kind
    return f"{named(edit.films[row.match_film])} {row.in_match:.2f} s"


def match_trailer(
    workspace: Workspace,
    trailer,
    path,
    settings: MatchSettings | None = None,
    looking: IngestSettings | None = None,
) -> tuple[Edit, list[str]]:
    """Match a trailer to a workspace's archive and save the edit.

    The trailer is ingested first where that is still to be done. Where the edit exists
    already, its pins and rejections are kept.

    Parameters
    ----------
    workspace : Workspace
    trailer : path-like
        The film whose shots are answered.
    path : path-like
        Where the edit is saved.
    settings : MatchSettings, optional
    looking : IngestSettings, optional

    Returns
    -------
    edit : Edit
    notes : list of str
        What had to give.

    Raises
    ------
    FilmError, MatchError, EditError
    """
    path, settings, looking = Path(path), settings or MatchSettings(), looking or IngestSettings()
    before = load_edit(path, workspace) if path.exists() else None
    query, archive = load_sides(workspace, trailer, looking)
    film_id, calibration = query.films.film_id[0], Calibration.fit(archive.vectors)
    kept = before if before and before.trailer == film_id else None
    pinned, by_hand = held(kept) if kept else ([], [])
    rows, notes = match(
        query,
        archive,
        lru_cache(maxsize=8)(partial(load_frames, workspace)),
        settings,
        pinned=[shot.model_dump() for shot in pinned],
        rejected=[no.model_dump() for no in kept.rejected] if kept else [],
        calibration=calibration,
    )
    edit = make_edit(
        path,
        rows,
        pd.concat([query.films, archive.films]).drop_duplicates("film_id"),
        trailer=film_id,
        encoder=looking.encoder,
        calibration=calibration.version,
        settings=settings,
        rejected=kept.rejected if kept else [],
    )
    edit.save(path)
    notes += [f"shot {place} was changed by hand: it is pinned now." for place in by_hand]
    return edit, notes + (_other_answers(kept, edit) if kept else [])


def load_sides(workspace: Workspace, trailer, looking: IngestSettings) -> tuple[Archive, Archive]:
    """A trailer, ingested first where that is still to be done, and the archive that answers it.

    Raises
    ------
    FilmError, MatchError
    """
    probe(trailer)  # what cannot be done is told before the work
    archive = load_archive(workspace, looking)
    if not len(archive.films):
        raise MatchError(no_films(workspace))
    if (archive.films.state == MISSING).all():
        raise MatchError(
            "none of the archive's films is where it was; put them back, or have them found where "
            "they lie now: `lab films --relink FOLDER`."
        )
    film_id = ingest_one(trailer, workspace, looking)
    return load_archive(workspace, looking, films=[film_id]), archive


def held(edit: Edit) -> tuple[list[Row], list[int]]:
    """Rows that stay as they are; and the positions of those that only their change says so of.

    What a person changed without pinning it no longer agrees with the mark it was written with.
    """
    # Who wrote an edit without marks says by `keep` what is to stay.
    pinned = [s for s in edit.shots if s.pinned or (s.kind == "keep" and not s.mark)]
    free = [shot for shot in edit.shots if shot not in pinned and shot.mark]
    changed = [shot for shot in free if shot.mark != shot.decision()]
    return pinned + changed, [shot.position for shot in changed]


def _other_answers(before: Edit, after: Edit) -> list[str]:
    """Which shots are answered by another archive shot than before."""
    was = {shot.query_id: shot.match_id for shot in before.shots}
    new = [s.position for s in after.shots if s.match_id != was.get(s.query_id, s.match_id)]
    return [f"other answers than before: shot {', '.join(map(str, new))}."] if new else []


def _relative(path: str, folder: Path) -> str:
    try:
        return os.path.relpath(path, folder.resolve())
    except ValueError:  # another drive
        return path


def _row(row: dict) -> Row:
    scores = {
        name.removeprefix("score_"): round(value, 4)
        for name, value in row.items()
        if name.startswith("score_") and _is_number(value)
    }
    kept = {
        name: round(value, 6) if isinstance(value, float) else value
        for name, value in row.items()
        if name in Row.model_fields and (not isinstance(value, float) or _is_number(value))
    }
    if not isinstance(kept.get("match_film"), str) or not kept["match_film"]:
        kept["match_film"] = str(kept.get("match_id") or "").split("-")[0]
    kept["scores"] = scores or kept.get("scores") or {}
    shot = Row(**kept)
    return shot.model_copy(update={"mark": shot.decision()})


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
