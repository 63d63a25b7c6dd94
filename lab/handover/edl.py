"""EDL (CMX 3600): the matches alone, cut from conformed copies; out and in.

Reference: https://www.edlmax.com/EdlMaxHelp/Edl/maxguide.html
"""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from lab.edit import Edit
from lab.handover.sources import drops, plain
from lab.handover.timeline import OURS, parsed, time_range


def to_edl(timeline: otio.schema.Timeline, edit: Edit, rate: Fraction) -> str:
    """A timeline of conformed copies as CMX 3600."""
    (track,) = timeline.clone().video_tracks()
    for clip in track.find_clips():
        row = edit.shots[clip.metadata[OURS]["row"]]
        seconds = row.in_query if row.kind == "keep" else row.in_match
        film = edit.films[edit.trailer if row.kind == "keep" else row.match_film]
        said = f"SOURCE FILM: {Path(film.path).name} AT {seconds:.6f} S, SPEED {row.speed:g}"
        clip.metadata["cmx_3600"]["comments"] = [plain(said)]
    hour = _hour(drops(rate), rate)
    track.insert(0, otio.schema.Gap(source_range=time_range(0, rate, hour, rate)))
    alone = otio.schema.Timeline(plain(timeline.name))
    alone.tracks.append(track.clone())
    text = otio.adapters.write_to_string(alone, "cmx_3600", rate=float(rate))
    title, _, events = text.partition("\n")
    counting = "DROP FRAME" if drops(rate) else "NON-DROP FRAME"
    return f"{title}\nFCM: {counting}\n{events}"


def from_edl(text: str, rate: Fraction) -> otio.schema.Timeline:
    """A timeline that an editing program wrote as CMX 3600; its hour does not count.

    Raises
    ------
    Unreadable
    """
    # Of an even speed (M2) the adapter reads the timecode with colons only.
    plain_speeds = re.sub(r"^M2.*$", lambda line: line[0].replace(";", ":"), text, flags=re.M)
    timeline = parsed(plain_speeds, "cmx_3600", rate=float(rate))
    hour = _hour(";" in text, rate)
    for track in timeline.video_tracks():
        start = -track.source_range.start_time.value if track.source_range else 0
        begins = otio.opentime.RationalTime(-(start % hour), float(rate))
        track.source_range = otio.opentime.TimeRange(begins, track.available_range().duration)
    return timeline


def _hour(dropping: bool, rate: Fraction) -> int:
    """Frames that timecode counts in an hour."""
    mark = ";" if dropping else ":"
    return round(otio.opentime.from_timecode(f"01:00:00{mark}00", float(rate)).value)
