"""The hand-over of an edit to editing programs, and what they changed, back.

OpenTimelineIO holds everything; FCPXML and FCP 7 XML both tracks and the sound; an EDL the
matches alone, cut from conformed copies in a folder beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import opentimelineio as otio
from defusedxml import DefusedXmlException
from tqdm.auto import tqdm

from lab.conform import conform, plan
from lab.edit import Edit, EditError
from lab.edl import from_edl, to_edl
from lab.fcp7 import to_fcp7
from lab.fcpxml import from_fcpxml, to_fcpxml
from lab.handback import changed, slots_of
from lab.sources import Films, Source, local_path, plain
from lab.store import write_whole
from lab.timeline import (
    Piece,
    TimelineError,
    Unreadable,
    exact_seconds,
    lay_out,
    ours,
    parsed,
    pieces,
    spans,
)

ODDITIES = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, OSError)
ODDITIES += (otio.exceptions.OTIOError,)  # what odd values in a timeline may lead to
OUT = (".otio", ".edl", ".xml", ".fcpxml")
BACK = (".otio", ".edl", ".fcpxml")
LARGEST = 64 * 2**20  # bytes of a timeline that is read; a feature's is some 5 MB


def hand_over(edit: Edit, out) -> list[Path]:
    """Write an edit as a timeline for editing programs.

    Parameters
    ----------
    edit : Edit
    out : path-like
        ``.otio`` (OpenTimelineIO), ``.fcpxml`` (Final Cut Pro, Resolve), ``.xml`` (Final Cut
        Pro 7's, for Premiere, Resolve, Avid) or ``.edl`` (CMX 3600). Films are named relative
        to its folder. Beside an EDL a folder ``<name>-media`` is filled with a conformed copy
        of every answer, at the timeline's rate, with handles of up to a second.

    Returns
    -------
    list of Path
        The file, and the copies that were made for it.

    Raises
    ------
    EditError, FilmError, WriteError
        If the suffix is another, a film is gone, or a file cannot be written.

    References
    ----------
    https://opentimelineio.readthedocs.io; the other formats' pages stand in `lab.fcpxml`,
    `lab.fcp7` and `lab.edl`.
    """
    out = Path(out)
    if out.suffix.lower() not in OUT:
        raise EditError(f"{out}: is no timeline that lab writes; end the name in {_names(OUT)}.")
    if not edit.shots:
        raise EditError(f"{out}: the edit has no shots to hand over; run `lab match`.")
    desk = _Desk(edit, out)
    text, copies = desk.text(), [*(desk.copies or {}).values()]
    places = [out.parent / unquote(copy.url) for copy in copies]
    try:
        for copy, place in zip(
            tqdm(copies, desc="copies", disable=not copies), places, strict=True
        ):
            place.parent.mkdir(parents=True, exist_ok=True)
            conform(edit, copy, place)
        write_whole(out, text)
    except OSError as error:
        why = error.strerror or error
        raise EditError(f"{out}: could not be written ({why}); check the folder.") from None
    return [out, *places]


def hand_back(edit: Edit, changed_path) -> tuple[Edit, list[str]]:
    """Read what an editing program made of a hand-over.

    Parameters
    ----------
    edit : Edit
        The edit as it was handed over.
    changed_path : path-like
        ``.otio``, ``.fcpxml`` or ``.edl``. An EDL speaks of the copies that it was written
        with; slips and trims are led back to the films.

    Returns
    -------
    edit : Edit
        Rows whose frames did not move are as they were; those that changed are pinned.
    changes : list of str
        A sentence for each, that counts shots as the edit given does.

    Raises
    ------
    EditError
        If the file is no such timeline, is too large, shows films that the edit does not know,
        or holds what no edit can; or if a film is gone.
    """
    path = Path(changed_path)
    if path.suffix.lower() not in BACK:
        raise EditError(f"{path}: is no timeline that lab reads; save it as {_names(BACK)}.")
    text, desk = _read(path), _Desk(edit, path)
    try:
        before, after = desk.read(desk.text()), desk.read(text)
        slots = slots_of(desk.places, before.shown)
        rows, changes = changed(edit, slots, after.shown, desk.films, desk.rate)
    except TimelineError as error:
        raise EditError(f"{path}: {error}") from None
    changes += _left_out(before, after)
    return edit.model_copy(deep=True, update={"shots": rows}), changes


class Held(NamedTuple):
    """What a timeline shows for the trailer's frames, and plays; clips that lie beside the
    trailer, and dissolves."""

    shown: list[Piece]
    heard: list[tuple]
    beside: int
    mixed: int


def _left_out(before: Held, after: Held) -> list[str]:
    """What of a timeline no edit holds, and that does not change what answers what."""
    told = []
    if after.beside:
        what = "a clip lies" if after.beside == 1 else f"{after.beside} clips lie"
        told.append(f"{what} where the trailer does not run, and is left out.")
    if after.mixed:
        what = "a dissolve or wipe" if after.mixed == 1 else f"{after.mixed} dissolves or wipes"
        told.append(f"{what}: cut hard, for an edit knows none.")
    if after.heard != before.heard:
        told.append("the sound was changed: an edit plays the trailer's own.")
    return told


class _Desk:
    """An edit, and the format that a file's name asks for."""

    def __init__(self, edit: Edit, path: Path):
        self.edit, self.form = edit, path.suffix.lower()
        self.films = Films(edit, path.parent)
        self.trailer = self.films[edit.trailer]
        self.rate = self.trailer.rate
        self.places = spans(edit, self.trailer, self.rate)
        folder = f"{path.stem}-media"
        edl = self.form == ".edl"
        self.copies = plan(edit, self.films, self.rate, folder) if edl else None

    def text(self) -> str:
        """The edit in this format."""
        timeline = lay_out(self.edit, self.films, self.rate, self.copies)
        if self.form == ".fcpxml":
            return to_fcpxml(timeline, self.rate)
        if self.form == ".xml":
            return to_fcp7(timeline, self.rate)
        if self.form == ".edl":
            return to_edl(timeline, self.edit, self.rate)
        return otio.adapters.write_to_string(timeline, "otio_json")

    def read(self, text: str) -> Held:
        """What a timeline holds, in frames of the trailer.

        Raises
        ------
        TimelineError
        """
        timeline = self._parsed(text)
        said = ours(timeline).get("trailer", self.edit.trailer)
        if said != self.edit.trailer:
            raise TimelineError(
                f"is the hand-over of another edit, whose trailer is film {said}; name that edit."
            )
        try:
            below, runs = self._tracks(timeline)
            shown = [list(_under(piece, runs, self.trailer, self.rate)) for piece in below]
            return Held(
                shown=[*chain(*shown)],
                heard=_heard(timeline, self.rate),
                beside=shown.count([]),
                mixed=_mixed(timeline),
            )
        except ODDITIES as error:
            cause = plain(str(error))[:200]
            raise TimelineError(f"holds what cannot be read ({cause}); export it anew.") from None

    def _tracks(self, timeline: otio.schema.Timeline) -> tuple[list[Piece], list[Piece]]:
        """The matches, and the runs of the trailer above them."""
        tracks = timeline.video_tracks()
        if not tracks:
            raise TimelineError("holds no video track; export the whole timeline.")
        if self.form == ".edl":  # the trailer runs through, unseen
            lasts = max(self.trailer.length, self.places[-1][1])
            run = Piece(0, lasts, self.edit.trailer, self.trailer.t0)
            return list(pieces(tracks[0], self.rate, self.find)), [run]
        if len(tracks) == 1:
            raise TimelineError(
                "holds one video track; the matches belong below, the trailer above."
            )
        *below, above = tracks
        matches = [*chain(*(pieces(track, self.rate, self.find) for track in below))]
        trailer = pieces(above, self.rate, self.find, hidden=True)
        return matches, _runs(trailer, self.trailer, self.rate)

    def _parsed(self, text: str) -> otio.schema.Timeline:
        try:
            if self.form == ".fcpxml":
                return from_fcpxml(text)
            if self.form == ".edl":
                return from_edl(text, self.rate)
            json.loads(text)  # what is nested without end stops here, and not in C++
            timeline = parsed(text, "otio_json")
        except DefusedXmlException:
            raise TimelineError("declares XML entities, which no editing program does.") from None
        except RecursionError:
            raise TimelineError("is nested too deeply for a timeline.") from None
        except (ET.ParseError, json.JSONDecodeError, Unreadable) as error:
            cause = plain(str(error))[:200]
            raise TimelineError(f"is damaged, or no {self.form} timeline ({cause}).") from None
        if not isinstance(timeline, otio.schema.Timeline):
            raise TimelineError("is OpenTimelineIO, but no timeline; export the timeline itself.")
        return timeline

    def find(self, clip: otio.schema.Clip) -> Source:
        """What a clip was cut from: a copy by its reel or file, a film by its file.

        Raises
        ------
        TimelineError
            If the edit knows it not.
        """
        url = getattr(clip.media_reference, "target_url", "") or ""
        path = local_path(url, self.films.folder)
        if self.form == ".edl":
            reel = clip.metadata.get("cmx_3600", {}).get("reel", "")
            names = {reel, Path(clip.name).stem, path.stem if path else ""}
            copy = next((copy for copy in self.copies.values() if copy.reel in names), None)
            if copy:
                return copy
        elif path is not None:
            film = self.films.named(path)
            if film:
                return self.films[film]
        raise TimelineError(self._unknown(clip.name, path, url))

    def _unknown(self, name: str, path: Path | None, url: str) -> str:
        what = f"shows {url or 'a clip without a file'} ({name or 'no name'})"
        if self.form == ".edl":
            return (
                f"{what}, which is none of the copies that this edit is handed over with; is it "
                "the hand-over of another edit, or of this one before it changed?"
            )
        if path is None or path.resolve().parent not in self.films.folders():
            return (
                f"{what}, which lies in none of the folders of this edit's films; is it the "
                "hand-over of another edit? Else put the film beside the others."
            )
        if path.is_file():
            return (
                f"{what}, a film that the edit does not name; run `lab ingest` on it, add it under "
                "films: in the edit, and try again."
            )
        return f"{what}, which is no film of this edit, and not there; is it of another edit?"


def _heard(timeline: otio.schema.Timeline, rate: Fraction) -> list[tuple]:
    """What is played: where from, where to, which file from where on."""
    heard = []
    for track in timeline.audio_tracks():
        for clip in track.find_clips():
            place, start = track.range_of_child(clip), clip.trimmed_range().start_time
            times = [exact_seconds(time) for time in (place.start_time, place.duration, start)]
            file = getattr(clip.media_reference, "target_url", "").rpartition("/")[2]
            heard.append((*(round(time * rate) for time in times), file))
    return heard


def _mixed(timeline: otio.schema.Timeline) -> int:
    found = timeline.find_children(otio.schema.Transition)
    return len(found) + timeline.metadata.get("fcpxml", {}).get("transitions", 0)


def _runs(above: Iterable[Piece], trailer: Source, rate: Fraction) -> list[Piece]:
    """The trailer's clips, those that follow each other without a break made one."""
    runs: list[Piece] = []
    for piece in above:
        if piece.film != trailer.film or piece.speed != 1:
            raise TimelineError(
                "changes the trailer on the upper track; only what answers it can be changed."
            )
        onward = runs[-1].at(piece.begin, rate) if runs else piece.seconds
        near = abs(onward - piece.seconds) < 0.5 / trailer.rate
        if near and runs and runs[-1].end == piece.begin:
            runs[-1] = runs[-1]._replace(end=piece.end)
        else:
            runs.append(piece)
    return runs


def _under(piece: Piece, runs: list[Piece], trailer: Source, rate: Fraction) -> Iterator[Piece]:
    """A piece moved from frames of the timeline to those of the trailer that runs above it."""
    for run in runs:
        begin, end = max(piece.begin, run.begin), min(piece.end, run.end)
        if begin < end:
            shift = round((run.at(begin, rate) - trailer.t0) * rate) - begin
            cut = piece.cut(begin, end, rate)
            yield cut._replace(begin=begin + shift, end=end + shift)


def _read(path: Path) -> str:
    """A timeline's text; one sentence where there is none to be had."""
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise EditError(
                f"{path}: is {size / 2**20:.0f} MB, more than any timeline of an edit "
                f"({LARGEST // 2**20} MB); export the timeline alone."
            )
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise EditError(f"{path}: does not exist; check the name.") from None
    except UnicodeDecodeError:
        raise EditError(f"{path}: is no text in UTF-8; export it anew.") from None
    except OSError as error:
        raise EditError(f"{path}: cannot be read ({error.strerror or error}).") from None


def _names(suffixes: tuple[str, ...]) -> str:
    return ", ".join(suffixes[:-1]) + " or " + suffixes[-1]
