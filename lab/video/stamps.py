"""When pictures are shown, and when a film ends, by the word of its container.

FFmpeg passes on what containers tell, or guesses; archives hold those that tell little, or wrong.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from heapq import heappop, heappush

import av

UNTIMED = {"avi", "asf"}  # containers that tell when a packet comes, not when its picture is shown
REORDER = 16  # pictures that H.264 may hold back, at most
LEAP = 3600.0  # seconds; a timestamp further on than that from the one before is broken
MP4 = "mov,mp4,m4a,3gp,3g2,mj2"


def ticks(
    container, stream, decoded: Iterable[av.VideoFrame]
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Give every frame a strictly increasing PTS, filling what the file left out or broke."""
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    step = max(1, round(1 / (rate * stream.time_base)))
    leap = LEAP / stream.time_base
    last, name = None, container.format.name
    for pts, frame in _stamped(name, stream, decoded):
        if last is not None and (pts is None or pts - last > leap):
            pts = last + step
        if pts is None:
            pts = 0
        if last is not None and pts <= last:
            pts = last + 1
        if last is not None and name in UNTIMED and not stream.average_rate:
            step = pts - last  # what FFmpeg guesses without a rate may be half of it
        last = pts
        yield pts, frame


def _stamped(
    name: str, stream, decoded: Iterable[av.VideoFrame]
) -> Iterator[tuple[int | None, av.VideoFrame]]:
    """Every frame with the PTS that a container of this name has for it, if any.

    Where a container tells only when packets come, FFmpeg guesses wrong of H.264, and in part of
    MPEG-1 and -2, which picture is shown when. A picture is shown when the packet comes that lets
    the decoder give it: that is its DTS. The last ones, which nothing follows, have none.
    """
    if name == "mxf" and stream.codec_context.has_b_frames:
        yield from _in_order(decoded)
        return
    told = False  # whether there are PTS: then what lacks one goes on from the last
    for frame in decoded:
        told = name not in UNTIMED and (told or frame.pts is not None)
        yield frame.pts if told else frame.dts, frame


def _in_order(decoded: Iterable[av.VideoFrame]) -> Iterator[tuple[int | None, av.VideoFrame]]:
    """Frames with their PTS put in order: MXF may number them as they were coded."""
    waiting: deque[av.VideoFrame] = deque()
    stamps: list[int] = []
    for frame in decoded:
        waiting.append(frame)
        if frame.pts is not None:
            heappush(stamps, frame.pts)
        if len(waiting) > REORDER:
            yield heappop(stamps) if stamps else None, waiting.popleft()
    for frame in waiting:
        yield heappop(stamps) if stamps else None, frame


def promised(container, stream) -> float | None:
    """When a stream ends, seconds, by the word of the file.

    FFmpeg works AVI's duration out of what is left of the file; its head counts frames. Matroska
    has a tag. ASF, and MP4 with an edit list that begins with nothing and hides the end, count from
    zero.
    """
    if container.format.name == "avi" and stream.frames and stream.average_rate:
        return float(stream.frames / stream.average_rate)
    if stream.duration is not None:
        counts_from_zero = container.format.name == "asf" or _begins_with_nothing(container, stream)
        start = 0 if counts_from_zero else stream.start_time or 0
        return float((stream.duration + start) * stream.time_base)
    told = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if told is None:
        return None
    hours, minutes, seconds = map(float, told.groups())
    return hours * 3600 + minutes * 60 + seconds


def _begins_with_nothing(container, stream) -> bool:
    """Whether an MP4's duration holds the time before its first picture: its index tells."""
    index, start = stream.index_entries, stream.start_time or 0
    if container.format.name != MP4 or start <= 0:
        return False
    places = range(len(index) - 1, -1, -1)
    last = next((index[place].timestamp for place in places if not index[place].is_discard), 0)
    return abs(stream.duration - last) < abs(stream.duration + start - last)
