"""Films: which files they are, and what is known of them besides the picture.

A film is known by its content, so that a rename or a move changes nothing. Title, year,
source and licence come from a ``credits.csv`` beside the films, where there is one.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import os
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lab.store import Workspace, read_json, write_json, write_whole
from lab.video import FilmError

SUFFIXES = set(
    """.3gp .asf .avi .divx .dv .f4v .flv .gif .m1v .m2ts .m2v .m4v .mkv .mov .mp4 .mpeg .mpg
    .mts .mxf .ogm .ogv .qt .rm .rmvb .ts .vob .webm .wmv .y4m""".split()  # noqa: SIM905
)
CREDITS = "credits.csv"
READ = 2**20  # bytes of a file read at once


@dataclass(frozen=True)
class Credit:
    """What a credits roll needs to know of a film; empty strings where nothing is known."""

    title: str = ""
    year: str = ""
    source: str = ""
    licence: str = ""


def find_films(paths: Iterable) -> list[Path]:
    """Film files named by `paths`, folders searched to their depth.

    Parameters
    ----------
    paths : iterable of path-like
        Files, taken as they are, and folders, of which all is taken that has a film's suffix:
        also links that lead nowhere and folders without films, to be told of.

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
            inside = _inside(path)
            if not inside:
                raise FilmError(path, "holds no films; put films there or name another folder.")
        elif os.path.lexists(path):
            inside = [path]
        else:
            raise FilmError(path, "does not exist; check the name.")
        for file in inside:
            found.setdefault(file.resolve() if os.path.exists(file) else file, file)
    return list(found.values())


def _inside(folder: Path) -> list[Path]:
    """What is a film by its name, in a folder; and what of it cannot be looked into."""
    closed: list[str] = []
    every = [
        Path(place, name)
        for place, folders, files in os.walk(folder, onerror=lambda e: closed.append(e.filename))
        for name in (*folders, *files)
    ]
    found = {path for path in every if path.suffix.lower() in SUFFIXES}
    found -= {parent for path in found for parent in path.parents}  # a folder has films in it
    return [path for path in sorted({*found, *map(Path, closed)}) if not hidden(path, folder)]


def hidden(path: Path, folder: Path) -> bool:
    """Whether a path, or a folder on the way to it from `folder`, is hidden."""
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def legible(path) -> str:
    r"""A path as text; bytes in it that are none, as old systems left them, are spelt out.

    >>> legible(os.fsdecode(b"caf\xe9.mp4"))
    'caf\\xe9.mp4'
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def fingerprint(path, tell: Callable[[int], object] = lambda size: None) -> str:
    """Twelve hex digits of BLAKE2 over the whole content.

    Parameters
    ----------
    path : path-like
    tell : callable
        Told of the bytes that were read so far, each time.

    Raises
    ------
    FilmError
        If the file cannot be read.
    """
    digest, done = hashlib.blake2b(digest_size=6), 0
    try:
        with open(path, "rb") as file:
            while some := file.read(READ):
                digest.update(some)
                done += len(some)
                tell(done)
        return digest.hexdigest()
    except OSError as error:
        raise FilmError(path, f"cannot be read ({error.strerror}); check the file.") from error


class Read(NamedTuple):
    """A file as it was when it was read: `size` in bytes, `changed` in nanoseconds of the clock."""

    film_id: str
    size: int
    changed: int


def read_film(path, tell: Callable[[float], object] = lambda share: None) -> Read:
    """Know the film that lies at a path by its content.

    Parameters
    ----------
    path : path-like
    tell : callable
        Told how much of the file is read, 0 to 1.

    Returns
    -------
    Read

    Raises
    ------
    FilmError
        If there is no file, or it cannot be read.
    """
    real = os.path.realpath(path)
    for place in (str(path), real):
        if legible(place) != place:
            raise FilmError(legible(place), "has a name that is no UTF-8; rename it.")
    path = Path(real)
    try:
        told = path.stat()
        if stat.S_ISDIR(told.st_mode):
            os.listdir(path)  # one that is closed is told as that
            raise FilmError(path, "is a folder without films.")
    except OSError as error:
        raise FilmError(path, f"cannot be read ({error.strerror}); check the file.") from error
    if not stat.S_ISREG(told.st_mode):  # to read a pipe would wait for ever
        raise FilmError(path, "is no file, and no film.")
    film_id = fingerprint(path, lambda done: tell(min(1.0, done / max(1, told.st_size))))
    return Read(film_id, told.st_size, told.st_mtime_ns)


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
        self.workspace, self.file = workspace, workspace.work / "films.json"
        known = read_json(self.file, {})
        known = known if isinstance(known, dict) else {}
        self.films: dict[str, dict] = known.get("films", {})
        self.seen: dict[str, list] = known.get("seen", {})
        self._added: dict[str, tuple] = {}  # since it was read
        self._read: dict[str, list] = {}

    def identify(self, path) -> str:
        """The `film_id` of a file; it is read where it is new or was changed.

        Raises
        ------
        FilmError
            As `read_film`.
        """
        return self.known(path) or self.learn(path, read_film(path))

    def learn(self, path, read: Read) -> str:
        """Remember what was read at a path; gives its `film_id`."""
        place = os.path.realpath(path)
        self.seen[place] = self._read[place] = [*read]
        return read.film_id

    def recall(self, path) -> Read | None:
        """What was read of a file, if that is as it was then; None of any other."""
        path = os.path.realpath(path)
        try:
            told = os.stat(path)
        except OSError:
            return None
        film_id, *stamp = self.seen.get(path, [None])
        return Read(film_id, *stamp) if stamp == [told.st_size, told.st_mtime_ns] else None

    def known(self, path) -> str | None:
        """The `film_id` of a file that was read before and is as it was; None of any other."""
        return read.film_id if (read := self.recall(path)) else None

    def read_at(self, path) -> str | None:
        """The film that was read at a path last, whatever lies there now; None if none was."""
        return self.seen.get(os.path.realpath(path), [None])[0]

    def places(self, film_id: str) -> list[Path]:
        """Where a film was ever seen, the latest place first."""
        latest = [self.films[film_id]["path"]] if film_id in self.films else []
        seen = [path for path, (known, *_) in self.seen.items() if known == film_id]
        return [Path(path) for path in dict.fromkeys(latest + seen)]

    def place(self, film_id: str) -> Path | None:
        """The latest of its places where there is a file, which is not read; None if at none."""
        return next((place for place in self.places(film_id) if place.is_file()), None)

    def where(self, film_id: str) -> Path | None:
        """Where a film lies now, of the places where it was seen; None if at none of them."""
        for place in self.places(film_id):
            with contextlib.suppress(FilmError):
                if self.identify(place) == film_id:
                    return place
        return None

    def find(self, name: str) -> Path:
        """A film's file by its name, its `film_id` or, if there is nothing now, where it was.

        Raises
        ------
        FilmError
            If a film that was known is at none of its places any more.
        """
        if Path(name).exists():
            return Path(name)
        film_id = name if name in self.films else self.read_at(name)
        if film_id is None:
            return Path(name)
        if (place := self.place(film_id)) is None:
            why = "is not there any more; if it was moved, `lab films --relink FOLDER` finds it."
            raise FilmError(self.places(film_id)[0], why)
        return place

    def relink(self, folder) -> dict[str, Path]:
        """Look in a folder for the films that are at none of their places any more.

        Found by content, whatever they are called now; of size another than any of theirs, files
        are not read. `save` keeps it.

        Returns
        -------
        dict of str to Path
            Those found: `film_id`, and the place that is the film's from now on.

        Raises
        ------
        FilmError
            If there is no such folder.
        """
        if not Path(folder).is_dir():
            raise FilmError(folder, "is no folder; name the one to look in.")
        missing = set(self.missing())
        sizes = {size for film_id, size, _ in self.seen.values() if film_id in missing}
        found: dict[str, Path] = {}
        for path in sorted(Path(folder).rglob("*")):
            with contextlib.suppress(FilmError, OSError):
                if path.is_file() and path.stat().st_size in sizes:
                    film_id = self.identify(path)
                    if film_id in missing - found.keys():
                        found[film_id] = path
                        self.add(film_id, path, self.films[film_id]["role"])
        return found

    def missing(self) -> list[str]:
        """The films that are at none of their places."""
        return [film_id for film_id in self.films if self.where(film_id) is None]

    def add(self, film_id: str, path, role: str) -> None:
        """Remember a film; one that is in the archive stays there when it is also a trailer."""
        self._added[film_id] = path, role
        before = self.films.get(film_id, {})
        role = "archive" if before.get("role") == "archive" else role
        self.films[film_id] = {"path": os.path.realpath(path), "role": role}

    def save(self) -> None:
        """Add what was learnt here to what stands by now: others may have learnt more."""
        with self.workspace.alone(self.file.name):
            now = Register(self.workspace)
            now.seen |= self._read
            for film_id, (path, role) in self._added.items():
                now.add(film_id, path, role)
            write_json(self.file, {"films": now.films, "seen": now.seen})
        self.films, self.seen, self._added, self._read = now.films, now.seen, {}, {}
