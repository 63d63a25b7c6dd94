"""Who is to be named: the films that an edit shows, where they come from, what may be done."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple
from unicodedata import combining, normalize

from lab.edit import Edit, EditError, FilmEntry, Row
from lab.films import named
from lab.store import read_json

MOST = 3  # films that a sentence names
COMMONS = re.compile(
    r"(?:https?://)?(?:www\.)?creativecommons\.org/(licenses|publicdomain)/([a-z+-]+)/?([\d.]*)\S*",
    re.IGNORECASE,
)
ITEM = re.compile(
    r"(?:https?://)?(?:www\.)?archive\.org/(?:details|download|embed|stream)/([\w.-]*\w)"
    r"(?:[/?#][^\s,;<>)]*)?"
    r"|^archive\.org: ?([\w.-]*\w)$",
    re.IGNORECASE,
)
URL = re.compile(r"https?://[^\s<>\"]*[\w/]", re.IGNORECASE)

# What licences say, over their words in small letters: the first that fits decides, so that what
# is forbidden is not overlooked beside what is allowed. Rights statements (InC, NoC) are those of
# rightsstatements.org, which film archives use.
SAYINGS = {
    "reserved": r"all rights reserved|alle rechte vorbehalten|tous droits reserves|todos los "
    r"derechos reservados|vocab inc\b|\bin copyright\b|standard youtube licen[cs]e",
    "changes": r"(by|cc|nc|commons).* nd\b|bynd\b|no ?deriv|no modifi|keine bearbeitung"
    r"|pas de modif",
    "money": r"(by|cc|commons).* nc\b|bync|non ?commerci|not for commercial|no commercial use"
    r"|nicht ?kommerziell|pas d utilisation commerciale|noc nc|educational use only",
    "doubtful": r"\b(not|non) (in the )?public domain|\borigin unstated",
    "same": r"(by|cc|commons).* sa\b|bysa\b|share ?alike|\bfree art li|licence art libre|\bgfdl\b"
    r"|gnu free doc",
    "free": r"public domain|publicdomain|\bpd\b|gemeinfrei|domaine public|dominio publico"
    r"|\bcc ?0|\bcc zero|vocab (noc us|nkc)|no (known )?copyright(?! infr)|us gov\w* work"
    r"|out of copyright|copyright (has )?expired|copyright free",
    "named": r"\b(cc|commons \w+|creative commons) by\b|\bcc attribution|creative ?commons "
    r"attribution|\battribution (\w+ )?\d|\bby \d 0\b|\bccby\b|\b(mit|bsd|apache)\b"
    r"|(pexels|pixabay|unsplash) licen[cs]e",
    "reserved too": r"©|\bcopyright(ed)?\b|\(c\)",
}
TO_DO = {
    "reserved": "forbids to show it; ask who holds the rights, or leave the film out.",
    "changes": "forbids to show it changed, and here it is; ask who holds the rights, or leave "
    "the film out.",
    "money": "forbids to earn by it; show it where nothing is sold and no advertising runs.",
    "same": "asks that what is made of it is given on under the same licence; say so where you "
    "post it.",
    "unknown": "does not plainly say what is allowed; find out before you post.",
}


class Cited(NamedTuple):
    """A film that is shown: its id, its entry in the edit, and in which of the trailer's shots."""

    film_id: str
    entry: FilmEntry
    positions: tuple[int, ...]

    @property
    def line(self) -> str:
        """Title, year, source and licence in a line."""
        known = [named(self.entry), self.entry.source, licence_name(self.entry.licence)]
        return ", ".join(part for part in known if part)

    @property
    def page(self) -> str:
        """Where the film is found: a full address, or empty where the source names none."""
        return page_of(self.entry.source)

    @property
    def source(self) -> str:
        """The source, with an archive's item named by its page."""
        return ITEM.sub(self.page, self.entry.source)


class Eyes(NamedTuple):
    """A network that a film was seen through: its name, and what it has learnt from."""

    name: str
    learnt: list[FilmEntry]


def seen_by(path) -> Eyes:
    """Through which network a film was seen, as `lab see run` tells beside it.

    Where nothing is told there, it is called as the film is.
    """
    path = Path(path)
    card = read_json(path.with_suffix(".json"))
    try:
        named_so = ("path", "title", "year", "source", "licence")
        sources = card["model"]["sources"]
        learnt = [FilmEntry(**{name: one[name] for name in named_so}) for one in sources]
        return Eyes(str(card["name"] or path.stem), learnt)
    except (KeyError, TypeError, ValueError):
        return Eyes(path.stem, [])


def cited(edit: Edit, span: tuple[float, float] | None = None, seen: str = "") -> list[Cited]:
    """The films that answer, as they first come, what a network learnt from, and the trailer.

    Parameters
    ----------
    edit : Edit
    span : (float, float), optional
        Seconds of the trailer; by default all of it.
    seen : str
        A film seen through a network that is shown as well.

    Raises
    ------
    EditError
        If the edit shows a film that it does not name.
    """
    shown: dict[str, list[int]] = {}
    for shot in edit.shots:
        inside = span is None or (shot.in_query < span[1] and shot.out_query > span[0])
        if shot.kind == "match" and inside:
            shown.setdefault(shot.match_film, []).append(shot.position)
    shown.setdefault(edit.trailer, [])
    order = sorted(shown, key=lambda film_id: film_id == edit.trailer)
    for film_id in order:
        if film_id not in edit.films:
            raise EditError(f"the edit answers with film {film_id}, which its films: do not name.")
    films = [Cited(film_id, edit.films[film_id], tuple(shown[film_id])) for film_id in order]
    learnt = [Cited("", entry, ()) for entry in seen_by(seen).learnt] if seen else []
    return [*films[:-1], *learnt, films[-1]]


def answered(edit: Edit) -> list[Row]:
    """The rows that show a film of the archive.

    Raises
    ------
    EditError
        If there is none.
    """
    shots = [shot for shot in edit.shots if shot.kind == "match"]
    if not shots:
        raise EditError("the edit answers no shot; run `lab match` with an archive that can.")
    return shots


def page_of(source: str) -> str:
    """The address that a source names; of the Internet Archive, always an item's page.

    >>> page_of("Prelinger Archives, archive.org/download/DuckandC1951/duck.mp4")
    'https://archive.org/details/DuckandC1951'
    >>> page_of("archive.org: DuckandC1951"), page_of("Prelinger Archives")
    ('https://archive.org/details/DuckandC1951', '')
    """
    item = ITEM.search(source)
    if item:
        return f"https://archive.org/details/{item[1] or item[2]}"
    found = URL.search(source)
    return found[0] if found else ""


def licence_name(licence: str) -> str:
    """A licence as people call it: addresses of Creative Commons become names.

    >>> licence_name("https://creativecommons.org/licenses/by-nc-nd/4.0/deed.en")
    'CC BY-NC-ND 4.0'
    >>> licence_name("http://creativecommons.org/publicdomain/mark/1.0/"), licence_name("CC0")
    ('Public domain', 'CC0')
    """
    return COMMONS.sub(_commons, licence).strip()


def _commons(found: re.Match) -> str:
    kind, version = found[2].lower(), found[3]
    if kind == "zero":
        return f"CC0 {version}".strip()
    if kind in ("mark", "publicdomain"):
        return "Public domain"
    return f"CC {kind.upper()} {version}".strip()


def said_by(licence: str) -> str:
    """What a licence says, as far as its words tell.

    Returns
    -------
    str
        ``"reserved"``: all rights; ``"changes"``, ``"money"``: what it forbids; ``"same"``: it
        asks for the same licence; ``"named"``: it asks for attribution; ``"free"``: it asks for
        nothing; ``"missing"``; ``"unknown"``.

    Examples
    --------
    >>> said_by("Attribution-NoDerivs 3.0"), said_by("CC0"), said_by("see the label")
    ('changes', 'free', 'unknown')
    """
    plain = "".join(c for c in normalize("NFKD", licence_name(licence)) if not combining(c))
    words = re.sub(r"[^\w©()]+|_", " ", plain.lower()).strip()
    if words in ("", "unknown", "none", "n a", "tbd"):
        return "missing"
    found = next((what for what, how in SAYINGS.items() if re.search(how, words)), "unknown")
    return {"reserved too": "reserved", "doubtful": "unknown"}.get(found, found)


def doubts(films: list[Cited]) -> list[str]:
    """Licences that are missing, that forbid or ask for something, or that nobody knows.

    Returns
    -------
    list of str
        A sentence for every such licence, with the films and with what to do.
    """
    bare = [one.entry for one in films if said_by(one.entry.licence) == "missing"]
    told = []
    if bare:
        told.append(
            f"no licence is known of {_several(bare)}: find out whether you may show "
            f"{'it' if len(bare) == 1 else 'them'}, and write it into credits.csv beside the "
            "films, where `lab match` reads it."
        )
    under: dict[tuple[str, str], list[FilmEntry]] = {}
    for one in films:
        saying = said_by(one.entry.licence)
        if saying in TO_DO:
            under.setdefault((saying, licence_name(one.entry.licence)), []).append(one.entry)
    for saying, to_do in TO_DO.items():
        for (what, licence), entries in under.items():
            if what == saying:
                told.append(f"{_several(entries)}: {licence!r} {to_do}")
    return told


def _several(entries: list[FilmEntry]) -> str:
    """The films' names; of many, how many there are and the first.

    >>> _several([FilmEntry(path=f"{name}.mp4") for name in "abcde"])
    '5 films (a; b; c; ...)'
    """
    names = [named(entry) for entry in entries]
    if len(names) <= MOST:
        return "; ".join(names)
    return f"{len(names)} films ({'; '.join(names[:MOST])}; ...)"
