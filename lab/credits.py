"""Who is to be named: the films that an edit shows, where they come from, what may be done."""

from __future__ import annotations

import re
from typing import NamedTuple

from lab.edit import Edit, FilmEntry
from lab.films import named

NO_CHANGES = re.compile(r"\bnd\b|no ?deriv|all rights reserved", re.IGNORECASE)
NO_MONEY = re.compile(r"\bnc\b|non-?commercial", re.IGNORECASE)


class Cited(NamedTuple):
    """A film that is shown: its id, its entry in the edit, and in which of the trailer's shots."""

    film_id: str
    entry: FilmEntry
    positions: tuple[int, ...]

    @property
    def line(self) -> str:
        """Title, year, source and licence in a line."""
        known = [named(self.entry), self.entry.source, self.entry.licence]
        return ", ".join(part for part in known if part)


def cited(edit: Edit, span: tuple[float, float] | None = None) -> list[Cited]:
    """The films that answer, as they first come, and the trailer at last.

    Parameters
    ----------
    edit : Edit
    span : (float, float), optional
        Seconds of the trailer; by default all of it.
    """
    shown: dict[str, list[int]] = {}
    for shot in edit.shots:
        inside = span is None or (shot.in_query < span[1] and shot.out_query > span[0])
        if shot.kind == "match" and inside:
            shown.setdefault(shot.match_film, []).append(shot.position)
    shown.setdefault(edit.trailer, [])
    order = sorted(shown, key=lambda film_id: film_id == edit.trailer)
    return [Cited(film_id, edit.films[film_id], tuple(shown[film_id])) for film_id in order]


def doubts(films: list[Cited]) -> list[str]:
    """Licences that are missing, or that forbid something: a sentence each."""
    bare = [named(one.entry) for one in films if not one.entry.licence.strip()]
    told = []
    if bare:
        told.append(
            f"no licence is known of {'; '.join(bare)}: find out whether you may show it, and "
            "write it into credits.csv beside the films."
        )
    for one in films:
        licence = one.entry.licence
        if NO_CHANGES.search(licence):
            told.append(f"{named(one.entry)}: {licence!r} forbids to show it changed.")
        elif NO_MONEY.search(licence):
            told.append(f"{named(one.entry)}: {licence!r} forbids to earn by it.")
    return told
