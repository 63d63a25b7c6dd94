"""Films: which files they are, and what is known of them besides the picture.

A film is known by its content, so that a rename or a move changes nothing. Title, year,
source and licence come from a ``credits.csv`` beside the films, where there is one.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.store import Workspace, read_json, write_json, write_whole
from lab.video import FilmError

SUFFIXES = set(
    """.3gp .asf .avi .divx .dv .f4v .flv .gif .m1v .m2ts .m2v .m4v .mkv .mov .mp4 .mpeg .mpg
    .mts .mxf .ogm .ogv .qt .rm .rmvb .ts .vob .webm .wmv .y4m""".split()  # noqa: SIM905
)
CREDITS = "credits.csv"


@dataclass(frozen=True)
class Credit:
    """What a credits roll needs to know of a film; empty strings where nothing is known."""

    title: str = ""
    year: str = ""
    source: str = ""
    licence: str = ""


def files_below(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """A folder's files of some kinds, searched to its depth, in alphabetical order, none hidden."""
    return [
        file
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in suffixes
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    ]


def find_films(paths: Iterable) -> list[Path]:
    """Film files named by `paths`, folders searched to their depth.

    Parameters
    ----------
    paths : iterable of path-like
        Files, taken as they are, and folders, of which files with a film's suffix are taken.

    Returns
    -------
    list of Path
        In alphabetical order, hidden files left out, each file once.

    Raises
    ------
    FilmError
        If a path does not exist or a folder holds no film.
    """
    found: dict[Path, Path] = {}
    for path in map(Path, paths):
        if path.is_dir():
            inside = files_below(path, SUFFIXES)
            if not inside:
                raise FilmError(path, "holds no films; put films there or name another folder.")
        elif path.exists():
            inside = [path]
        else:
            raise FilmError(path, "does not exist; check the name.")
        for file in inside:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def fingerprint(path) -> str:
    """Twelve hex digits of BLAKE2 over the whole content.

    Raises
    ------
    FilmError
        If the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=6)).hexdigest()
    except OSError as error:
        raise FilmError(path, f"cannot be read ({error.strerror}); check the file.") from error


def credit_of(path) -> Credit:
    """Title, year, source and licence of a film.

    Read from the row of ``credits.csv`` in its folder whose ``file`` names it; failing that,
    title and year come from the file's name, as in ``Nosferatu (1922).mp4``.
    """
    path = Path(path)
    try:
        with open(path.parent / CREDITS, encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                if row.get("file") == path.name:
                    return Credit(**{k: row.get(k) or "" for k in Credit.__dataclass_fields__})
    except (OSError, csv.Error, UnicodeDecodeError):
        pass
    title = re.sub(r"[_\s]+", " ", path.stem).strip()
    # A year in brackets, or else the last: there are films called 1984 and Blade Runner 2049.
    bare = r"\b(18[89]\d|19\d\d|20\d\d)\b"
    years = [*re.finditer(rf"\(?{bare}\)?", title), *re.finditer(rf"\({bare}\)", title)]
    year = years[-1] if years else None
    if year and year.start() > 0:
        title = (title[: year.start()] + title[year.end() :]).strip(" -,")
    return Credit(title=title, year=year.group(1) if year else "")


def add_credit(path, credit: Credit) -> None:
    """Write what is known of a film to the ``credits.csv`` beside it.

    A row that is there already stays as it is: someone may have written it by hand.

    Raises
    ------
    FilmError
        If the file that is there is no table.
    """
    path = Path(path)
    table = path.parent / CREDITS
    columns, rows = ["file", *Credit.__dataclass_fields__], []
    try:
        with open(table, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = list(dict.fromkeys([*(reader.fieldnames or []), *columns]))
            rows = list(reader)
    except FileNotFoundError:
        pass
    except (csv.Error, UnicodeDecodeError) as error:
        raise FilmError(table, f"is no table ({error}); save it as CSV, in UTF-8.") from error
    if any(row.get("file") == path.name for row in rows):
        return
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows([*rows, {"file": path.name, **vars(credit)}])
    write_whole(table, text.getvalue())


def named(film) -> str:
    """A film's title and year, or its file's name where no title is known.

    Parameters
    ----------
    film
        Anything with `title`, `year` and `path`.
    """
    title = film.title or Path(film.path).stem
    return f"{title} ({film.year})" if film.year else title


class Register:
    """The films a workspace knows: where each was last seen, and in which role.

    Kept in ``work/films.json``. Content is read once; path, size and time of change tell
    whether it must be read again.
    """

    def __init__(self, workspace: Workspace):
        self.file = workspace.work / "films.json"
        known = read_json(self.file, {})
        known = known if isinstance(known, dict) else {}
        self.films: dict[str, dict] = known.get("films", {})
        self.seen: dict[str, list] = known.get("seen", {})

    def identify(self, path) -> str:
        """The `film_id` of a file."""
        path = Path(path).resolve()
        try:
            stat = path.stat()
        except OSError as error:
            raise FilmError(path, f"cannot be read ({error.strerror}); check the file.") from error
        stamp = [stat.st_size, stat.st_mtime_ns]
        known = self.seen.get(str(path))
        if known and known[1:] == stamp:
            return known[0]
        film_id = fingerprint(path)
        self.seen[str(path)] = [film_id, *stamp]
        return film_id

    def add(self, film_id: str, path, role: str) -> None:
        """Remember a film; one that is in the archive stays there when it is also a trailer."""
        before = self.films.get(film_id, {})
        role = "archive" if before.get("role") == "archive" else role
        self.films[film_id] = {"path": str(Path(path).resolve()), "role": role}

    def save(self) -> None:
        write_json(self.file, {"films": self.films, "seen": self.seen})
