"""A timeline's text in each format, written from an edit, and read for what it shows.

OpenTimelineIO's own form lies between: every format is written from it and read into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

import opentimelineio as otio
from defusedxml import DefusedXmlException

from lab.cutlists import strict
from lab.edit import Edit, EditError
from lab.handover.conform import plan
from lab.handover.edl import from_edl, to_edl
from lab.handover.fcp7 import to_fcp7
from lab.handover.fcpxml import from_fcpxml, to_fcpxml
from lab.handover.sources import Films, Source, local_path, plain
from lab.handover.timeline import (
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


class Held(NamedTuple):
    """What a timeline shows for the trailer's frames, and plays; clips that lie beside the
    trailer, and dissolves."""

    shown: list[Piece]
    heard: list[tuple]
    beside: int
    mixed: int


class Exchange:
    """An edit, and the format that a file's name asks for.

    Raises
    ------
    EditError, FilmError
        If the edit has no shots, or a film that it shows is gone or cannot be read.
    """

    def __init__(self, edit: Edit, path: Path):
        self.edit, self.form = edit, path.suffix.lower()
        self.films = Films(edit, path.parent)
        self.trailer = self.films[edit.trailer]
        self.rate = self.trailer.rate
        self.places = spans(edit, self.trailer, self.rate)
        if not any(begin < end for begin, end in self.places):
            raise EditError(f"{path}: the edit has no shots to hand over; run `lab match`.")
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
            timeline = parsed(strict(text), "otio_json")
        except DefusedXmlException:
            raise TimelineError("declares XML entities, which no editing program does.") from None
        except RecursionError:
            raise TimelineError("is nested too deeply for a timeline.") from None
        except (ET.ParseError, ValueError, Unreadable) as error:
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
