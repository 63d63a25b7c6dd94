"""An edit as a timeline, in OpenTimelineIO's terms, and what lies on a timeline.

The trailer lies above, one clip a shot; the matches lie below, the trailer's whole sound at the
bottom. The timeline runs at the trailer's rate. Places on it are whole frames, rounded from the
trailer's seconds and not from each other's lengths, so that no gap of a frame arises.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import opentimelineio as otio

from lab.edit import Edit, Row
from lab.handover.sources import Films, Source, exact_rate, plain
from lab.video import EPSILON, Player

OURS = "lab"  # the name of our metadata
KIND = otio.schema.TrackKind
TOUCH = 1e-3  # seconds by which rows that meet may differ, as far as an edit lets them


def spans(edit: Edit, trailer: Source, rate: Fraction) -> list[tuple[int, int]]:
    """Where every row lies on the timeline: its first frame, and the first behind it."""

    def place(seconds: float) -> int:
        return max(0, round((seconds - trailer.t0) * rate))

    ends = []
    for row, after in zip_longest(edit.shots, edit.shots[1:]):
        # One that ends where the next begins ends in the same frame, however it was rounded.
        meets = after is not None and abs(after.in_query - row.out_query) <= TOUCH
        ends.append(place(after.in_query if meets else row.out_query))
    return [(place(row.in_query), end) for row, end in zip(edit.shots, ends, strict=True)]


def lay_out(
    edit: Edit, films: Films, rate: Fraction, copies: dict[int, Source] | None = None
) -> otio.schema.Timeline:
    """An edit as a timeline.

    Parameters
    ----------
    edit : Edit
    films : Films
    rate : Fraction
        Frames a second of the timeline.
    copies : dict of int to Source, optional
        Conformed copies by row; with them the matches lie there alone, cut from these.

    Returns
    -------
    Timeline
        Video tracks from below, ``matches`` and ``trailer``, and ``sound``. What other formats
        cannot hold lies in the metadata ``lab``: the row on every match, the rest on the
        timeline.
    """
    trailer, places = films[edit.trailer], spans(edit, films[edit.trailer], rate)
    below, above = (otio.schema.Track(name, kind=KIND.Video) for name in ("matches", "trailer"))
    for number, (row, (begin, end)) in enumerate(zip(edit.shots, places, strict=True)):
        if end <= begin:  # shorter than a frame
            continue
        for track in (below, above):
            _fill(track, begin, rate)
        shown = trailer.t0 + float(begin / rate)
        twin = _clip(f"{row.position:03}", trailer, trailer.frame(shown), end - begin, rate)
        copy = copies.get(number) if copies is not None else None
        answer = _answer(row, films, copy, twin, end - begin, rate)
        answer.metadata[OURS] = {"row": number, **row.model_dump(mode="json", exclude_none=True)}
        below.append(answer)
        above.append(twin)
    timeline = otio.schema.Timeline(plain(Path(edit.films[edit.trailer].path).stem))
    timeline.metadata[OURS] = edit.model_dump(mode="json", exclude={"shots"}, exclude_none=True)
    timeline.tracks.extend([below, above] if copies is None else [below])
    if trailer.sound and copies is None:
        sound = otio.schema.Track("sound", kind=KIND.Audio)
        whole = round(Fraction(trailer.length) / trailer.rate * rate)
        sound.append(_clip("sound", trailer, trailer.first, whole, rate))
        timeline.tracks.append(sound)
    return timeline


def _fill(track: otio.schema.Track, until: int, rate: Fraction) -> None:
    """A gap from a track's end to a frame of the timeline, where there is one."""
    missing = until - round(exact_seconds(track.duration()) * rate) if len(track) else until
    if missing > 0:
        track.append(_gap(missing, rate))


def _gap(frames: int, rate: Fraction) -> otio.schema.Gap:
    return otio.schema.Gap(source_range=time_range(0, rate, frames, rate))


def _answer(
    row: Row, films: Films, copy: Source | None, twin: otio.schema.Clip, frames: int, rate: Fraction
) -> otio.schema.Item:
    """What answers a row: a clip of the film or of its copy, the trailer's own, or nothing."""
    if row.kind == "black":
        return _gap(frames, rate)
    if copy is not None:
        seconds = row.in_query if row.kind == "keep" else row.in_match
        return _clip(f"{row.position:03} {copy.name}", copy, copy.frame(seconds), frames, rate)
    if row.kind == "keep":
        return twin.clone()
    film = films[row.match_film]
    start = in_point(film, row.in_match)
    return _clip(f"{row.position:03} {film.name}", film, start, frames, rate, row.speed)


def in_point(film: Source, seconds: float) -> int:
    """The frame that stands for a second of a film.

    That is the one on show. Between the frames of the grid, where a film's rate varies or
    somebody wrote any second, only the film itself knows which one that is.
    """
    start = film.frame(seconds)
    if abs(film.seconds(start) - seconds) <= EPSILON:
        return start
    player = Player(film.path, seconds)
    shown = float(player.at(seconds).time)
    player.close()
    return film.frame(shown)


def _clip(
    name: str, source: Source, start: int, frames: int, rate: Fraction, speed: float = 1.0
) -> otio.schema.Clip:
    """A clip from a frame of a source on, so many frames of the timeline long."""
    whole = time_range(source.first, source.rate, source.length, source.rate)
    media = otio.schema.ExternalReference(source.url, whole)
    media.name = source.name
    media.metadata[OURS] = {"film": source.film, "size": list(source.size), "sound": source.sound}
    clip = otio.schema.Clip(name, media, time_range(start, source.rate, frames, rate))
    clip.metadata["cmx_3600"] = {"reel": source.reel}
    if speed != 1:
        clip.effects.append(otio.schema.LinearTimeWarp("speed", time_scalar=speed))
    return clip


def time_range(
    start: int, start_rate: Fraction, frames: int, rate: Fraction
) -> otio.opentime.TimeRange:
    """A range from a frame on, so many frames long; each counted at its own rate."""
    time = otio.opentime.RationalTime
    return otio.opentime.TimeRange(time(start, float(start_rate)), time(frames, float(rate)))


def exact_seconds(time: otio.opentime.RationalTime) -> Fraction:
    """A time in seconds; rates such as 23.98 are taken for what they mean.

    Raises
    ------
    TimelineError
        If it is no number.
    """
    if not (math.isfinite(time.value) and math.isfinite(time.rate) and time.rate > 0.1):
        raise TimelineError(f"holds a time that is no number ({time}); export it anew.")
    return Fraction(time.value) / exact_rate(time.rate)


class TimelineError(Exception):
    """A part of a sentence, from its verb on: what of a timeline no edit can hold."""


class Unreadable(Exception):
    """A text that is not in the format it should be, in the words of who tried to read it."""


def parsed(text: str, adapter: str, **more) -> otio.schema.Timeline:
    """What an adapter of OpenTimelineIO makes of a text.

    Raises
    ------
    Unreadable
    """
    try:
        return otio.adapters.read_from_string(text, adapter, **more)
    except Exception as error:  # adapters raise whatever they stumble over
        raise Unreadable(str(error) or type(error).__name__) from None


class Piece(NamedTuple):
    """A stretch of a track: frames of the timeline, and the film's second with which it begins.

    `film` is empty where nothing is shown; `row` is the row that it says it came from.
    """

    begin: int
    end: int
    film: str = ""
    seconds: float = 0.0
    speed: float = 1.0
    row: int | None = None

    def at(self, frame: int, rate: Fraction) -> float:
        """The film's second at a frame of the timeline."""
        return self.seconds + float((frame - self.begin) / rate) * self.speed

    def cut(self, begin: int, end: int, rate: Fraction) -> Piece:
        """The part between two frames of the timeline."""
        return self._replace(begin=begin, end=end, seconds=self.at(begin, rate))


def pieces(
    track: otio.schema.Track,
    rate: Fraction,
    find: Callable[[otio.schema.Clip], Source],
    hidden: bool = False,
) -> Iterator[Piece]:
    """What a track shows, in order.

    Parameters
    ----------
    track : Track
    rate : Fraction
        Frames a second of the timeline.
    find : callable
        Gives what a clip was cut from.
    hidden : bool
        Whether clips that are switched off count as well. A whole track that is switched off
        does always: somebody wanted to see the other.

    Raises
    ------
    TimelineError
        What lies there that no edit can hold.
    """
    at = -exact_seconds(track.source_range.start_time) if track.source_range else Fraction(0)
    for item in track:
        if isinstance(item, otio.schema.Transition):
            continue
        begin, at = at, at + exact_seconds(item.duration())
        if isinstance(item, otio.schema.Gap) or not (item.enabled or hidden):
            continue
        if not isinstance(item, otio.schema.Clip):
            raise TimelineError(f"holds a compound clip ({item.name}); break it apart first.")
        source, speed = find(item), _speed(item)
        start = round(exact_seconds(item.trimmed_range().start_time) * source.rate)
        if not -source.rate < start - source.first < source.length + source.rate:
            raise TimelineError(f"begins a clip outside its film ({item.name}); trim it.")
        row = ours(item).get("row", source.row)
        yield Piece(
            round(begin * rate),
            round(at * rate),
            source.film,
            source.seconds(start),
            speed * source.pace,
            row if isinstance(row, int) else None,
        )


def ours(thing: otio.core.SerializableObjectWithMetadata) -> dict:
    """Our metadata on a clip or timeline; none where somebody else wrote under our name."""
    found = thing.metadata.get(OURS)
    return dict(found) if hasattr(found, "items") else {}


def _speed(clip: otio.schema.Clip) -> float:
    speed = 1.0
    for effect in clip.effects:
        if isinstance(effect, otio.schema.LinearTimeWarp):
            speed *= effect.time_scalar
        elif isinstance(effect, otio.schema.TimeEffect):
            raise TimelineError(f"changes the speed within a clip ({clip.name}); make it even.")
    if not 0 < speed <= 4:
        raise TimelineError(
            f"plays a clip at {speed:.0%} of its speed ({clip.name}); an edit knows speeds above "
            "0 up to 400 %."
        )
    return speed
