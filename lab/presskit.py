"""A finished film's words: subtitles, a credits file, the text of a post."""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from lab.credits import Cited, answered, cited, licence_name, said_by
from lab.edit import Edit, EditError, Row
from lab.films import named
from lab.language import clock, counted
from lab.panels import Trailer
from lab.render import chosen
from lab.sheets import ending
from lab.store import write_whole
from lab.video import WHOLE, probe

POST, SHORTEST = 2200, 80  # characters of a post, unless told otherwise, and at least
GLANCE = (32, 18)  # pixels of a frame of which only the time is wanted


class Cue(NamedTuple):
    """A subtitle: milliseconds from and to, and its lines."""

    begin: int
    end: int
    lines: tuple[str, ...]


def subtitles(
    edit: Edit,
    out,
    *,
    only: tuple[int, int] | None = None,
    span: tuple[float, float] | None = None,
    shift: float = 0.0,
) -> int:
    """Subtitles that name the film, its second and its source, for every answered shot.

    Parameters
    ----------
    edit : Edit
    out : path-like
        ``.srt`` or ``.vtt``.
    only, span : optional
        What part of the trailer the video shows, as of `lab.render.render`.
    shift : float
        Seconds by which all comes later, such as a title card lasts.

    Returns
    -------
    int
        How many there are.

    Raises
    ------
    EditError
        If a film is gone, or nothing of the trailer is there.
    WriteError
        If the ending is another.

    Examples
    --------
    >>> subtitles(load_edit("edit.yaml"), "edit.srt", span=(10, 25))  # doctest: +SKIP
    """
    kind, told = ending(out, ".srt", ".vtt"), list(_cues(edit, chosen(edit, only, span), shift))
    blocks = []
    for number, cue in enumerate(told, 1):
        lines = [_escaped(" ".join(line.split()), kind) for line in cue.lines]
        times = f"{_stamp(cue.begin, kind)} --> {_stamp(cue.end, kind)}"
        blocks.append("\n".join([str(number), times, *lines, ""]))
    head = ["WEBVTT\n"] if kind == ".vtt" else []
    write_whole(Path(out), "\n".join(head + blocks))
    return len(told)


def _cues(edit: Edit, seconds: tuple[float, float], shift: float) -> Iterator[Cue]:
    path = edit.path(edit.trailer)
    frame = next(Trailer(path, WHOLE, GLANCE).between(*seconds), None)
    if frame is None:
        raise EditError("the trailer has no frame there; choose another part of it.")
    first, before = float(frame.time), 0
    for shot in edit.shots:
        begin, end = max(shot.in_query, first), min(shot.out_query, seconds[1])
        from_, to = (round((time - first + shift) * 1000) for time in (begin, end))
        if shot.kind != "match" or to <= max(from_, before):
            continue
        yield Cue(max(from_, before), to, _source_of(edit, shot, begin))
        before = to


def _source_of(edit: Edit, shot: Row, time: float) -> tuple[str, ...]:
    film = Cited(shot.match_film, edit.films[shot.match_film], ())
    at = clock(max(0.0, shot.moment(time) - probe(edit.path(shot.match_film)).t0))
    return tuple(filter(None, (f"{named(film.entry)}, {at}", film.page or film.entry.source)))


def _stamp(ms: int, kind: str) -> str:
    """Milliseconds as subtitles have them.

    >>> _stamp(3_723_004, ".srt"), _stamp(3_723_004, ".vtt")
    ('01:02:03,004', '01:02:03.004')
    """
    rest, ms = divmod(ms, 1000)
    mark = "," if kind == ".srt" else "."
    return f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}{mark}{ms:03d}"


def _escaped(line: str, kind: str) -> str:
    return html.escape(line, quote=False) if kind == ".vtt" else line.replace("-->", "→")


def credits_file(edit: Edit, out) -> int:
    """Every film that is seen: title, year, source, licence, and when.

    Times are counted from the trailer's first frame; in the CSV they are seconds.

    Parameters
    ----------
    edit : Edit
    out : path-like
        ``.txt``, ``.md`` or ``.csv``.

    Returns
    -------
    int
        Films named, the trailer included.

    Raises
    ------
    EditError
        If the trailer is gone.
    WriteError
        If the ending is another.

    Examples
    --------
    >>> credits_file(load_edit("edit.yaml"), "credits.md")  # doctest: +SKIP
    """
    kind, films = ending(out, ".txt", ".md", ".csv"), cited(edit)
    t0 = probe(edit.path(edit.trailer)).t0
    seen = {
        film.film_id: [
            (shot.in_query - t0, shot.out_query - t0)
            for shot in edit.shots
            if shot.position in film.positions
        ]
        for film in films
    }
    write = {".txt": _plain, ".md": _markdown, ".csv": _table}[kind]
    write_whole(Path(out), write(films, seen))
    return len(films)


def _plain(films: list[Cited], seen: dict) -> str:
    return "\n".join(
        "\n    ".join([named(film.entry), *_told(films, film, seen)]) + "\n" for film in films
    )


def _markdown(films: list[Cited], seen: dict) -> str:
    entries = []
    for film in films:
        lines = map(_marked, _told(films, film, seen))
        if film.page:
            lines = [line.replace(_marked(film.page), f"<{film.page}>") for line in lines]
        entries.append("  \n  ".join([f"- **{_marked(named(film.entry))}**", *lines]) + "\n")
    return "# Films\n\n" + "\n".join(entries)


def _marked(text: str) -> str:
    """Text whose signs mean nothing to Markdown."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>#&" else sign for sign in text)


def _told(films: list[Cited], film: Cited, seen: dict) -> list[str]:
    """What is said of a film, line by line."""
    times = ", ".join(f"{clock(begin)}-{clock(end)}" for begin, end in seen[film.film_id])
    return [
        *([f"Source: {film.source}"] if film.source else []),
        f"Licence: {licence_name(film.entry.licence) or 'not known'}",
        *(["The trailer that is answered"] if film is films[-1] else []),
        *([f"Seen at {times}"] if times else []),
    ]


def _table(films: list[Cited], seen: dict) -> str:
    rows = [
        {
            "title": film.entry.title or named(film.entry),
            "year": film.entry.year,
            "source": film.entry.source,
            "page": film.page,
            "licence": film.entry.licence,
            "role": "trailer" if film is films[-1] else "archive",
            "seen": " ".join(f"{begin:.3f}-{end:.3f}" for begin, end in seen[film.film_id]),
        }
        for film in films
    ]
    return pd.DataFrame(rows).to_csv(index=False)


def post(edit: Edit, most: int = POST) -> str:
    """The text of a post: what it is, and every film with year, page and licence.

    Where that is too long, pages go first, then films: those whose licences ask for no
    attribution before the others.

    Parameters
    ----------
    edit : Edit
    most : int
        Characters that it may have: 300 at Bluesky, 500 at Mastodon, 2200 at Instagram.

    Raises
    ------
    EditError
        If the edit answers nothing, or `most` leaves no room.

    Examples
    --------
    >>> print(post(load_edit("edit.yaml"), most=300))  # doctest: +SKIP
    """
    if most < SHORTEST:
        raise EditError(f"{most} characters are too few for a post; allow {SHORTEST} at least.")
    films, count = cited(edit), len(answered(edit))
    others = sum(bool(film.positions) for film in films)
    head = (
        f"{named(films[-1].entry)}, reinterpreted: {counted(count, 'shot')} answered from "
        f"{counted(others, 'film')}."
    )
    # Who must be named is left out last, the trailer least of all.
    ranked = sorted(
        films[-1:] + films[:-1],
        key=lambda film: said_by(film.entry.licence) in ("free", "missing", "unknown"),
    )
    ways = [(films, True), *((ranked[:count], False) for count in range(len(films), -1, -1))]
    texts = (_listed(head, films, told, pages) for told, pages in ways)
    rest = f", reinterpreted with {counted(others, 'film')}; see the credits."
    least = _cut(named(films[-1].entry), most - len(rest)) + rest
    return next((text for text in texts if len(text) <= most), least)


def _listed(head: str, films: list[Cited], told: list[Cited], pages: bool) -> str:
    lines = []
    for film in films:
        if film in told:
            where = [film.page or film.source] if pages else []
            words = [named(film.entry), *where, licence_name(film.entry.licence)]
            line = " ".join(", ".join(filter(None, words)).split())
            lines.append(f"Trailer: {line}" if film is films[-1] else line)
    if len(told) < len(films):
        lines.append(f"and {counted(len(films) - len(told), 'more film')}, see the credits")
    return f"{head}\n\n" + "\n".join(lines)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
