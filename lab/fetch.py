"""Films from the Internet Archive (archive.org): found, fetched, checked, and who is to be named.

Every item has a folder of its own in the archive, ``archive/IDENTIFIER/``, with the film and a
``credits.csv`` beside it. What has not come whole lies there under a hidden name, which tells
the checksum as well: it is gone on with, and never with a film that has changed meanwhile.
"""

from __future__ import annotations

import errno
import hashlib
import html
import math
import re
import shutil
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import requests
from internetarchive import ArchiveSession, File, Item
from requests.adapters import HTTPAdapter
from tqdm.auto import tqdm
from urllib3.util import Retry

from lab.credits import Cited, doubts
from lab.edit import FilmEntry
from lab.films import SUFFIXES, Credit, add_credit, credit_of
from lab.store import Workspace
from lab.video import FilmError, WriteError

WIDTHS = (640, 1280)  # pixels: between them a film is neither small nor large
UNTOLD = 480  # pixels: the width taken where none is told
RATE = 6e6  # bits a second, above which a film is heavy
AS_LONG = 0.95  # of the longest: shorter ones are another film, or broken off
PICTURES = {".gif"}  # moving thumbnails, which archive.org makes of every film

# A busy archive is asked again after 0, 2, 4, 8 and 16 seconds, or when it says.
PATIENCE = Retry(
    total=5,
    connect=2,
    read=2,
    backoff_factor=1,
    retry_after_max=60,
    status_forcelist=(429, 500, 502, 503, 504),
)
TIMEOUT = (15, 60)  # seconds: to connect, and between two pieces
TRIES = 5  # times that a film may break off without anything new of it
PAUSE = 1.0  # seconds before the second of them; each next one waits twice as long
PIECE = 1 << 16  # bytes that are lost, at most, where a film breaks off

AGAIN = "run it again: what came is kept, and it goes on from there."
MEANINGS = {
    401: "is not open to everyone (401); if you may have it, log in with `ia configure`.",
    403: "is not open to everyone (403); if you may have it, log in with `ia configure`.",
    404: "archive.org has no such file (404); look at the item's page, or take another.",
}


class FetchError(FilmError):
    """A film that cannot be fetched: one sentence with the item, the cause and what to do."""


class Halted(FetchError):
    """What keeps every further film from coming as well: no network, no room on the disk."""


@dataclass
class Fetched:
    """What came: films fetched, films that stood already, `problems`, and what is to be noted."""

    made: list[Path] = field(default_factory=list)
    stood: list[Path] = field(default_factory=list)
    problems: pd.DataFrame = field(default_factory=lambda: _problems([]))
    notes: list[str] = field(default_factory=list)


def open_session() -> ArchiveSession:
    """A way to archive.org; with the keys that `ia configure` wrote, where it did.

    Raises
    ------
    FetchError
        If half a pair of keys is set in the environment.
    """
    try:
        session = ArchiveSession(http_adapter_kwargs={"max_retries": PATIENCE})
    except ValueError as error:
        raise FetchError("archive.org", str(error)) from error
    for start in ("https://", "http://"):  # films lie on machines with other names
        session.mount(start, HTTPAdapter(max_retries=PATIENCE))
    return session


def find_items(
    collection: str = "", query: str = "", limit: int = 20, session: ArchiveSession | None = None
) -> list[str]:
    """Identifiers of films, those first that were seen most often.

    Parameters
    ----------
    collection : str
        The identifier of a collection, such as ``"prelinger"``; by default all of archive.org.
    query : str
        As in the search there: ``"year:[1940 TO 1949] AND subject:highways"``.
    limit : int
        Items, at most.
    session : ArchiveSession, optional
        As `open_session` makes it.

    Raises
    ------
    FetchError
        If archive.org does not answer, does not understand, or has nothing of the kind.
    """
    wanted = ["mediatype:movies"]
    wanted += [f"collection:{_parts(collection)[0]}"] if collection else []
    wanted += [f"({query})"] if query else []
    what = " AND ".join(wanted)
    search = (session or open_session()).search_items(
        what,
        sorts=["downloads desc"],
        params={"rows": limit},
        request_kwargs={"timeout": TIMEOUT},
        max_retries=PATIENCE,
    )
    try:
        found = [item for item in search]  # not list(): it would ask for the length first
    except requests.RequestException as error:
        raise _told(what, error) from error
    if found and "error" in found[0]:
        raise FetchError(what, f"archive.org does not understand it ({found[0]['error']}).")
    if not found:
        raise FetchError(what, "archive.org has no such film; look for something wider.")
    return [item["identifier"] for item in found]


def fetch_films(
    workspace: Workspace, items: Iterable[str], session: ArchiveSession | None = None
) -> Fetched:
    """Bring films from archive.org into a workspace; what is there is not fetched again.

    Of every item one film, in the file that `best_file` takes. It has its name only when it is
    whole and its checksum is that of the archive. Title, year, creator, page and licence are
    written to the ``credits.csv`` beside it, unless that has a row for it.

    Parameters
    ----------
    workspace : Workspace
    items : iterable of str
        Identifiers, ``IDENTIFIER/FILE`` for a certain file, or addresses of their pages.
    session : ArchiveSession, optional
        As `open_session` makes it.

    Returns
    -------
    Fetched
        Of `problems`, `path` is what was asked for, `what` why it did not come; `notes` tell
        of items with several videos, and of licences that are missing or forbid something.

    Raises
    ------
    Halted
        If archive.org cannot be reached, or the disk is full.
    WriteError
        If the disk is full.
    """
    session, done, problems = session or open_session(), Fetched(), []
    asked = list(dict.fromkeys(items))
    for number, one in enumerate(asked, 1):
        head = f"{number}/{len(asked)} " if len(asked) > 1 else ""
        try:
            _fetch(session, workspace, one, head, done)
        except (Halted, WriteError):
            raise
        except FilmError as error:
            problems.append((one, error.why))
    done.problems = _problems(problems)
    entries = [FilmEntry(path=str(f), **vars(credit_of(f))) for f in (*done.made, *done.stood)]
    done.notes += doubts([Cited("", entry, ()) for entry in entries])
    return done


def best_file(files: Iterable[File]) -> File | None:
    """The file of moderate size among those that an item has of a film.

    Only files that can be read as film, fetched and checked are looked at, and of these only
    those about as long (95 %) as the longest: an item may hold a trailer besides, or a copy
    that broke off. What counts is how far a file is from moderate, in octaves: of its width
    from 640 to 1280 pixels, of its bits a second from 6 million downwards; half an octave more
    where it is not MP4. So a derivative of 640 x 480 is taken before ProRes in 1080p and before
    an MPEG-4 of 320 x 240, and MPEG-2 from a DVD before the latter. Of equals the widest is
    taken, and the smallest of those.

    Parameters
    ----------
    files : iterable of File
        As `internetarchive.Item.get_files` gives them.

    Returns
    -------
    File or None
        None where there is no film.
    """
    usable = _usable(files)
    longest = max(map(_seconds, usable), default=0)
    whole = [file for file in usable if _seconds(file, longest) >= AS_LONG * longest]
    return min(whole, key=lambda file: _distance(file, longest), default=None)


def _distance(file: File, longest: float) -> tuple[float, float, int, str]:
    width = _number(file.metadata.get("width")) or UNTOLD
    seconds = _seconds(file, longest)
    rate = file.size * 8 / seconds if seconds else RATE
    octaves = max(0, math.log2(WIDTHS[0] / width), math.log2(width / WIDTHS[1]))
    octaves += max(0, math.log2(rate / RATE))
    octaves += 0 if Path(file.name).suffix.lower() in (".mp4", ".m4v") else 0.5
    return octaves, -width, file.size, file.name


def _usable(files: Iterable[File]) -> list[File]:
    suffixes = SUFFIXES - PICTURES
    return [
        file
        for file in files
        if Path(file.name).suffix.lower() in suffixes
        and file.metadata.get("private") != "true"
        and file.size
        and (file.sha1 or file.md5)
    ]


def _seconds(file: File, untold: float = 0) -> float:
    """A file's length, told as ``555.2`` or as ``9:15``."""
    parts = str(file.metadata.get("length") or "").split(":")
    return sum(_number(part) * 60**place for place, part in enumerate(parts[::-1])) or untold


def _number(text: str | None) -> float:
    try:
        return max(float(text or 0), 0)
    except ValueError:
        return 0


def _fetch(session, workspace: Workspace, asked: str, head: str, done: Fetched) -> None:
    identifier, name = _parts(asked)
    item = _item(session, identifier)
    file = _chosen(item, name, done.notes)
    plain = re.sub(r'[\\/:*?"<>|]', "_", file.name).lstrip(".")
    place = workspace.archive / identifier / plain
    part = place.with_name(f".{place.name}.{(file.sha1 or file.md5)[:8]}.part")
    said = f"{identifier}: another process fetches it; waiting until that is done"
    with workspace.alone(f"fetch-{identifier}", partial(tqdm.write, said, file=sys.stderr)):
        stands = place.exists()
        if stands and place.stat().st_size != file.size:
            raise FetchError(
                asked, f"{place} is not what archive.org has; move it away to have that fetched."
            )
        if not stands:
            _bring(session, file, part, head)
        add_credit(place, _credit(item))  # before it has its name: no film stands without
        if not stands:
            part.replace(place)
        (done.stood if stands else done.made).append(place)


def _chosen(item: Item, name: str, notes: list[str]) -> File:
    """The file that is named, or else the best; what else the item holds is noted."""
    listing = f"archive.org/download/{item.identifier}"
    files = list(item.get_files())
    best = best_file(file for file in files if not name or file.name == name)
    if best is None:
        wrong = f"has no film {name!r}" if name else "has no film that everyone may fetch"
        raise FetchError(item.identifier, f"{wrong}; look at {listing}.")
    several = len({file.metadata.get("original") or file.name for file in _usable(files)})
    if several > 1 and not name:
        notes.append(
            f"{item.identifier} holds {several} videos: {best.name} was taken; another is fetched "
            f"as {item.identifier}/FILE, with a name from {listing}."
        )
    return best


def _parts(asked: str) -> tuple[str, str]:
    """Identifier and file's name, from both or from the address of a page.

    >>> _parts("https://archive.org/details/DuckandC1951?start=10"), _parts("DuckandC1951/a b.mp4")
    (('DuckandC1951', ''), ('DuckandC1951', 'a b.mp4'))
    """
    place, address = re.subn(
        r"^(https?://)?(www\.)?archive\.org/(details|download)/", "", asked.strip()
    )
    place = unquote(re.sub(r"[?#].*", "", place)) if address else place
    identifier, _, name = place.partition("/")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", identifier):
        raise FetchError(
            asked, "is no item of archive.org; take what stands behind archive.org/details/."
        )
    return identifier, name.strip("/")


def _item(session: ArchiveSession, identifier: str) -> Item:
    # Not the library's `get_metadata`, which hides what was answered.
    url = f"{session.protocol}//{session.host}/metadata/{identifier}"
    answer = _ask(session, url, identifier)
    try:
        known = answer.json()
    except requests.RequestException as error:
        raise _told(identifier, error) from error
    if not known:
        raise FetchError(
            identifier, "archive.org has no such item; see what stands behind archive.org/details/."
        )
    if known.get("is_dark") or "metadata" not in known:
        raise FetchError(
            identifier, f"cannot be had: {known.get('error') or 'archive.org has withdrawn it'}."
        )
    if known["metadata"].get("mediatype") == "collection":
        raise FetchError(identifier, f"is a collection; say --collection {identifier}.")
    return session.get_item(identifier, known)


def _credit(item: Item) -> Credit:
    known = {name: _plain(item.metadata.get(name)) for name in item.metadata}
    year = re.search(r"\b(1[89]|20)\d\d\b", f"{known.get('year')} {known.get('date')}")
    # Always the page that people see, wherever it was fetched from.
    page = f"https://archive.org/details/{item.identifier}"
    return Credit(
        title=known.get("title") or item.identifier,
        year=year[0] if year else "",
        source=f"{known['creator']}, {page}" if known.get("creator") else page,
        licence=known.get("licenseurl") or known.get("rights") or "",
    )


def _plain(value) -> str:
    """A field of an item, which may be several or HTML, as words in a line.

    >>> _plain(["Castle <b>Films</b>", "U.S. Army &amp; Navy"])
    'Castle Films, U.S. Army & Navy'
    """
    texts = [
        re.sub(r"<[^>]*>", " ", str(one or ""))
        for one in (value if isinstance(value, list) else [value])
    ]
    return ", ".join(" ".join(html.unescape(text).split()) for text in texts)


def _bring(session: ArchiveSession, file: File, part: Path, head: str) -> None:
    """All of a file, under the name of a part, checked; what is there of it is gone on from."""
    what = f"{file.identifier}/{file.name}"
    part.parent.mkdir(parents=True, exist_ok=True)
    have = part.stat().st_size if part.exists() else 0
    if file.size - have > shutil.disk_usage(part.parent).free:
        missing = f"{(file.size - have) / 1e6:.0f} MB are missing of it"
        raise Halted(what, f"{missing}, and {part.parent} has no room for them; make room.")
    bar = tqdm(
        total=file.size, initial=have, unit="B", unit_scale=True, desc=f"{head}{file.identifier}"
    )
    stuck = 0
    with bar:
        while bar.n < file.size and stuck < TRIES:
            time.sleep(PAUSE * (2**stuck - 1))
            before = bar.n
            _more(session, file, part, bar)
            stuck = 0 if bar.n > before else stuck + 1
    if bar.n < file.size:
        raise FetchError(what, f"breaks off after {bar.n} of {file.size} bytes; {AGAIN}")
    _check(file, part, what)


def _more(session: ArchiveSession, file: File, part: Path, bar: tqdm) -> None:
    """What comes of a file until it breaks off; not by the library, which then throws it away."""
    what = f"{file.identifier}/{file.name}"
    headers = {"Range": f"bytes={bar.n}-", "Accept-Encoding": "identity"}
    try:
        answer = _ask(session, file.url, what, headers=headers, auth=file.auth, stream=True)
    except Halted as error:  # a machine that holds this film: others lie elsewhere
        raise FetchError(what, error.why) from error
    try:
        # Without the range, all of it comes from the beginning.
        with answer, open(part, "ab" if answer.status_code == 206 else "wb") as out:
            for piece in answer.iter_content(PIECE):
                out.write(piece)
                bar.update(out.tell() - bar.n)
    except requests.RequestException:
        pass  # broken off: the rest is asked for next
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise Halted(what, f"the disk is full; make room, and {AGAIN}") from error


def _check(file: File, part: Path, what: str) -> None:
    kind = "sha1" if file.sha1 else "md5"
    with open(part, "rb") as whole:
        found = hashlib.file_digest(whole, lambda: hashlib.new(kind, usedforsecurity=False))
    if found.hexdigest() != getattr(file, kind).lower():
        part.unlink()
        raise FetchError(
            what, f"what came is not what archive.org has ({kind} differs); run it again."
        )


def _ask(session: ArchiveSession, url: str, what: str, **more) -> requests.Response:
    try:
        answer = session.get(url, timeout=TIMEOUT, **more)
    except requests.RequestException as error:
        raise _told(what, error) from error
    if not answer.ok:
        answer.close()
        status = f"archive.org answered {answer.status_code} ({answer.reason}); try another item."
        raise FetchError(what, MEANINGS.get(answer.status_code, status))
    return answer


def _told(what: str, error: requests.RequestException) -> FetchError:
    """The sentence for what requests and urllib3 say of an answer that did not come."""
    if isinstance(error, requests.exceptions.RetryError):
        status = re.search(r"too many (\d+)", str(error))
        code = f" ({status[1]})" if status else ""
        return FetchError(what, f"archive.org is busy or out of order{code}; wait, and {AGAIN}")
    if isinstance(error, requests.exceptions.InvalidJSONError):
        return FetchError(what, f"archive.org's answer makes no sense; wait, and {AGAIN}")
    reason = getattr(error.args[0], "reason", error) if error.args else error
    cause = str(reason).rpartition(": ")[2].strip(" .")
    return Halted(what, f"archive.org cannot be reached ({cause}); check the network, and {AGAIN}")


def _problems(rows: list[tuple[str, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["path", "what"])
