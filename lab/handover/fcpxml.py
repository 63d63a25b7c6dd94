"""FCPXML, Final Cut Pro's and DaVinci Resolve's: a timeline out and in.

The trailer is the primary storyline, the matches are connected below it, so that moving one
moves no other. OpenTimelineIO's own adapter fails at 23.976 and 29.97 frames a second.

Reference: https://developer.apple.com/documentation/professional-video-applications/fcpxml-reference
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple
from xml.etree import ElementTree as ET

import opentimelineio as otio
from defusedxml.ElementTree import fromstring

from lab.handover.sources import drops, exact_rate
from lab.handover.timeline import KIND, OURS, TimelineError, exact_seconds, ours, time_range

VERSION = "1.9"  # the first with media-rep; Final Cut Pro 10.4.9, Resolve 17 and later
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n'
# Rates that `conform-rate` can name.
NAMED = dict.fromkeys(("24", "25", "30", "48", "50", "60"))
NAMED = {Fraction(name): name for name in NAMED}
NAMED |= {Fraction(24000, 1001): "23.98", Fraction(30000, 1001): "29.97"}
NAMED |= {Fraction(48000, 1001): "47.95", Fraction(60000, 1001): "59.94"}


def to_fcpxml(timeline: otio.schema.Timeline, rate: Fraction) -> str:
    """A timeline of `lab.handover.timeline.lay_out` as FCPXML."""
    return HEAD + _Document(timeline, rate).text() + "\n"


class _Document:
    """FCPXML in the making: its resources, and the clips that name them."""

    def __init__(self, timeline: otio.schema.Timeline, rate: Fraction):
        self.timeline, self.rate = timeline, rate
        self.root = ET.Element("fcpxml", version=VERSION)
        self.resources = ET.SubElement(self.root, "resources")
        self.ids: dict = {}

    def text(self) -> str:
        below, above = self.timeline.video_tracks()
        first = next(iter(above.find_clips()))
        frame = self._format(self.rate, first.media_reference)
        event = ET.SubElement(ET.SubElement(self.root, "library"), "event", name=self.timeline.name)
        project = ET.SubElement(event, "project", name=self.timeline.name)
        lasts = _time(exact_seconds(above.duration()))
        sequence = ET.SubElement(project, "sequence", format=frame, duration=lasts, tcStart="0s")
        sequence.set("tcFormat", _counting(self.rate))
        spine = ET.SubElement(sequence, "spine")
        hosts = [(begin, self._item(spine, item, begin)) for begin, item in _placed(above)]
        for lane, track in ((-1, below), *((-2, track) for track in self.timeline.audio_tracks())):
            for begin, item in _placed(track):
                if isinstance(item, otio.schema.Clip):
                    since, host = [pair for pair in hosts if pair[0] <= begin][-1]
                    self._item(host, item, _seconds(host.get("start")) + begin - since, lane)
        ET.indent(self.root)
        return ET.tostring(self.root, encoding="unicode")

    def _item(self, parent: ET.Element, item: otio.schema.Item, offset: Fraction, lane: int = 0):
        lasts = _time(exact_seconds(item.duration()))
        if isinstance(item, otio.schema.Gap):
            tags = {"name": "Gap", "offset": _time(offset), "start": "0s", "duration": lasts}
            return ET.SubElement(parent, "gap", tags)
        media, speed = item.media_reference, _speed(item)
        own = exact_rate(media.available_range.start_time.rate)
        base = exact_seconds(media.available_range.start_time)
        start = base + (exact_seconds(item.source_range.start_time) - base) / speed
        clip = ET.SubElement(parent, "asset-clip", ref=self._asset(media))
        if lane:
            clip.set("lane", str(lane))
        clip.attrib |= {"offset": _time(offset), "name": item.name, "start": _time(start)}
        clip.attrib |= {"duration": lasts, "format": self._format(own, media)}
        clip.attrib |= {"tcFormat": _counting(own)}
        clip.set("srcEnable", "audio" if lane == -2 else "video")
        if own != self.rate:  # in real time, not frame for frame
            named = {"srcFrameRate": NAMED[own]} if own in NAMED else {}
            ET.SubElement(clip, "conform-rate", {"scaleEnabled": "0", **named})
        if speed != 1:
            whole = exact_seconds(media.available_range.duration)
            remap = ET.SubElement(clip, "timeMap")
            for part in (Fraction(0), whole):
                time, value = _time(base + part / speed), _time(base + part)
                ET.SubElement(remap, "timept", time=time, value=value, interp="smooth2")
        if ours(item).get("mirror"):
            ET.SubElement(clip, "adjust-transform", scale="-1 1")
        return clip

    def _asset(self, media: otio.schema.ExternalReference) -> str:
        known = self.ids.get(media.target_url)
        if known:
            return known
        known = self.ids[media.target_url] = f"r{len(self.ids) + 1}"
        own, whole = exact_rate(media.available_range.start_time.rate), media.available_range
        frame = self._format(own, media)
        tags = {"id": known, "name": media.name, "start": _time(exact_seconds(whole.start_time))}
        tags |= {"duration": _time(exact_seconds(whole.duration)), "hasVideo": "1", "format": frame}
        if media.metadata[OURS]["sound"]:
            tags |= {"hasAudio": "1", "audioSources": "1", "audioChannels": "2"}
        asset = ET.SubElement(self.resources, "asset", tags)
        ET.SubElement(asset, "media-rep", kind="original-media", src=media.target_url)
        return known

    def _format(self, rate: Fraction, media: otio.schema.ExternalReference) -> str:
        width, height = (int(side) for side in media.metadata[OURS]["size"])
        key = (rate, width, height)
        if key not in self.ids:
            self.ids[key] = f"r{len(self.ids) + 1}"
            tags = {"id": self.ids[key], "frameDuration": _time(1 / rate)}
            tags |= {"width": str(width), "height": str(height)}
            ET.SubElement(self.resources, "format", tags)
        return self.ids[key]


def _placed(track: otio.schema.Track) -> Iterator[tuple[Fraction, otio.schema.Item]]:
    """A track's items and the seconds at which they begin."""
    at = Fraction(0)
    for item in track:
        yield at, item
        at += exact_seconds(item.duration())


def _speed(clip: otio.schema.Clip) -> Fraction:
    # Few digits, so that times keep to 32 bits below the line; the last place is 0.01 %.
    scalars = [Fraction(effect.time_scalar).limit_denominator(5000) for effect in clip.effects]
    return scalars[0] if scalars else Fraction(1)


def _counting(rate: Fraction) -> str:
    return "DF" if drops(rate) else "NDF"


def _time(seconds: Fraction) -> str:
    """Seconds as FCPXML writes them.

    >>> _time(Fraction(1001, 24000)), _time(Fraction(2))
    ('1001/24000s', '2s')
    """
    top, below = seconds.as_integer_ratio()
    return f"{top}s" if below == 1 else f"{top}/{below}s"


def _lane(text: str) -> int:
    if not re.fullmatch(r"-?\d{1,4}", text):
        raise TimelineError(f"says {text!r} where the number of a lane belongs.")
    return int(text)


def _seconds(text: str | None) -> Fraction:
    """Seconds that FCPXML wrote; 0 where it wrote none."""
    told = re.fullmatch(r"(-?\d{1,19})(?:/(0*[1-9]\d{0,18}))?s", text or "0s")
    if not told:
        raise TimelineError(f"says {text!r} where a time such as 1001/24000s belongs.")
    return Fraction(int(told[1]), int(told[2] or 1))


class _Placed(NamedTuple):
    lane: int
    sound: bool
    begin: Fraction
    clip: otio.schema.Clip


def from_fcpxml(text: str) -> otio.schema.Timeline:
    """A timeline that an editing program wrote.

    Returns
    -------
    Timeline
        Video tracks from the lowest lane up, the primary storyline among them; audio tracks.

    Raises
    ------
    TimelineError, ElementTree.ParseError, defusedxml.DefusedXmlException
        Where it is no FCPXML, holds no timeline, or one that cannot be read; part of a sentence.
    """
    root = fromstring(text)
    sequence = root.find(".//project/sequence")
    spine = sequence.find("spine") if sequence is not None else None
    if root.tag != "fcpxml" or spine is None:
        raise TimelineError("holds no FCPXML project with a timeline; export the project as XML.")
    reading = _Reading(root, sequence)
    reading.storyline(spine, 0, -_seconds(sequence.get("tcStart")))
    return reading.timeline()


class _Reading:
    """FCPXML being read: resources by id, and what was found on which lane."""

    def __init__(self, root: ET.Element, sequence: ET.Element):
        self.resources = {element.get("id"): element for element in root.iterfind("resources/*")}
        self.rate = self._rate(sequence.get("format"))
        self.found: list[_Placed] = []
        self.transitions = 0

    def timeline(self) -> otio.schema.Timeline:
        lanes = defaultdict(list)
        for placed in sorted(self.found, key=lambda placed: placed.begin):
            lanes[placed.sound, placed.lane].append(placed)
        # Without a single match left there is a track below the trailer all the same.
        pictures = {lane for sound, lane in lanes if not sound}
        if not any(lane < 0 for lane in pictures):
            lanes[False, -1] = []
        timeline = otio.schema.Timeline()
        timeline.metadata["fcpxml"] = {"transitions": self.transitions}
        for sound, lane in sorted(lanes):
            kind = KIND.Audio if sound else KIND.Video
            timeline.tracks.append(self._track(lanes[sound, lane], f"lane {lane}", kind))
        return timeline

    def _track(self, found: list[_Placed], name: str, kind: str) -> otio.schema.Track:
        track, at = otio.schema.Track(name, kind=kind), Fraction(0)
        for placed in found:
            missing = round((placed.begin - at) * self.rate)
            if missing < 0:
                raise TimelineError(f"lays two clips over each other ({placed.clip.name}, {name}).")
            if missing:
                gap = time_range(0, self.rate, missing, self.rate)
                track.append(otio.schema.Gap(source_range=gap))
            track.append(placed.clip)
            at = placed.begin + exact_seconds(placed.clip.duration())
        return track

    def storyline(self, spine: ET.Element, lane: int, shift: Fraction) -> None:
        """A storyline's items, one after the other, and what is connected to each."""
        at = -shift
        for item in spine:
            if item.tag == "transition":
                self.transitions += 1
                continue
            at = _seconds(item.get("offset")) if item.get("offset") else at
            self._item(item, lane, at + shift)
            at += self._lasts(item)

    def _item(self, item: ET.Element, lane: int, begin: Fraction) -> None:
        asset = self._asset(item)
        start = self._start(item, asset)
        if item.tag not in ("gap", "asset-clip", "clip", "video", "audio"):
            raise TimelineError(
                f"holds {item.tag!r} ({item.get('name', 'no name')}), which no edit can hold; "
                "break it apart, or take it out."
            )
        if asset is not None:
            heard = item.tag == "audio" or item.get("srcEnable") == "audio"
            sound = heard or asset.get("hasVideo", "0") == "0"
            self.found.append(_Placed(lane, sound, begin, self._clip(item, asset, start)))
        for child in item:
            if child.get("lane") is None:
                continue
            place = begin + _seconds(child.get("offset")) - start
            beside = _lane(child.get("lane"))
            if child.tag == "spine":
                self.storyline(child, beside, place)
            else:
                self._item(child, beside, place)

    def _clip(self, item: ET.Element, asset: ET.Element, start: Fraction) -> otio.schema.Clip:
        media, form = asset.find("media-rep"), asset.get("format")
        own = self._rate(form) if form else self.rate  # music has none
        url = (asset if media is None else media).get("src", "")
        whole = [_seconds(asset.get(name)) for name in ("start", "duration")]
        reference = otio.schema.ExternalReference(
            url, time_range(round(whole[0] * own), own, round(whole[1] * own), own)
        )
        inside = item.find("video") if item.tag == "clip" else None
        if inside is not None:  # on whose clock the film lies
            start += self._start(inside, asset) - _seconds(inside.get("offset"))
        value, speed = _mapped(item, start)
        frames = round(self._lasts(item) * self.rate)
        span = time_range(round(value * own), own, frames, self.rate)
        clip = otio.schema.Clip(item.get("name", ""), reference, span)
        clip.enabled = item.get("enabled", "1") == "1"
        if speed != 1:
            clip.effects.append(otio.schema.LinearTimeWarp("speed", time_scalar=float(speed)))
        return clip

    def _asset(self, item: ET.Element) -> ET.Element | None:
        """The film that an item shows; older programs wrap it in a ``clip``."""
        inside = item.find("video") if item.tag == "clip" else item
        found = self.resources.get(inside.get("ref")) if inside is not None else None
        return found if found is not None and found.tag == "asset" else None

    def _start(self, item: ET.Element, asset: ET.Element | None) -> Fraction:
        """Where an item begins on its own clock; left away, where its film begins."""
        told = item.get("start") or (asset.get("start") if asset is not None else None)
        return _seconds(told)

    def _lasts(self, item: ET.Element) -> Fraction:
        asset = self._asset(item)
        told = item.get("duration") or (asset.get("duration") if asset is not None else None)
        return _seconds(told)

    def _rate(self, name: str | None) -> Fraction:
        frame = self.resources.get(name)
        step = _seconds(frame.get("frameDuration")) if frame is not None else 0
        if step <= 0:
            raise TimelineError(
                f"names a format without a rate ({name}); set one, and export again."
            )
        return exact_rate(float(1 / step))


def _mapped(item: ET.Element, start: Fraction) -> tuple[Fraction, Fraction]:
    """The film's second at a clip's start, and its speed, both through its time map."""
    points = [
        (_seconds(p.get("time")), _seconds(p.get("value"))) for p in item.iterfind("timeMap/timept")
    ]
    if len(points) < 2:
        return start, Fraction(1)
    (time, value), (later, behind) = points[0], points[-1]
    if len(points) > 2 or later == time:
        name = item.get("name", "")
        raise TimelineError(f"changes the speed within a clip ({name}); make it even.")
    speed = (behind - value) / (later - time)
    return value + (start - time) * speed, speed
