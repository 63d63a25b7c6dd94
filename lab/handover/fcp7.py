"""FCP 7 XML (xmeml), which Premiere, Resolve and Avid read: a timeline out.

OpenTimelineIO's own adapter writes parts of frames where a film's rate is not the timeline's,
and no speeds. What it wrote of ours it reads.

Reference: https://developer.apple.com/library/archive/documentation/AppleApplications/Reference/FinalCutPro_XML
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from xml.etree import ElementTree as ET

import opentimelineio as otio

from lab.handover.sources import drops, exact_rate
from lab.handover.timeline import OURS, exact_seconds

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE xmeml>\n'
CHANNELS = 2  # of the trailer's sound, each on a track of its own, as the format has it


def to_fcp7(timeline: otio.schema.Timeline, rate: Fraction) -> str:
    """A timeline of `lab.handover.timeline.lay_out` as FCP 7 XML."""
    root = ET.Element("xmeml", version="5")
    sequence = ET.SubElement(root, "sequence", id="sequence-1")
    below, above = timeline.video_tracks()
    _tell(sequence, name=timeline.name, duration=_frames(above.duration(), rate))
    _rate(sequence, rate)
    _timecode(sequence, 0, rate)
    media = ET.SubElement(sequence, "media")
    video, audio = ET.SubElement(media, "video"), ET.SubElement(media, "audio")
    _picture(ET.SubElement(video, "format"), next(iter(above.find_clips())).media_reference, rate)
    items = _Items(rate)
    for track in (below, above):
        items.track(ET.SubElement(video, "track"), track)
    for track in timeline.audio_tracks():
        for channel in range(CHANNELS):
            place = {"currentExplodedTrackIndex": str(channel)}
            place["totalExplodedTrackCount"] = str(CHANNELS)
            items.track(ET.SubElement(audio, "track", place), track, channel + 1)
    ET.indent(root)
    return HEAD + ET.tostring(root, encoding="unicode") + "\n"


class _Items:
    """Clip items in the making: numbered, each film described where it first comes."""

    def __init__(self, rate: Fraction):
        self.rate, self.count, self.files = rate, 0, {}

    def track(self, parent: ET.Element, track: otio.schema.Track, channel: int = 0) -> None:
        for begin, clip in _placed(track, self.rate):
            self._clip(parent, clip, begin, channel)
        _tell(parent, enabled="TRUE", locked="FALSE")

    def _clip(
        self, parent: ET.Element, clip: otio.schema.Clip, begin: int, channel: int
    ) -> ET.Element:
        media, speed = clip.media_reference, _speed(clip)
        whole, span = media.available_range, clip.source_range
        own = _countable(exact_rate(whole.start_time.rate))
        # Both count frames of the film as it is sped up or slowed down, from its first.
        since = exact_seconds(span.start_time) - exact_seconds(whole.start_time)
        first = round(since / Fraction(speed) * own)
        lasts = _frames(span.duration, self.rate)
        self.count += 1
        item = ET.SubElement(parent, "clipitem", id=f"clipitem-{self.count}")
        _tell(
            item,
            name=clip.name,
            enabled="TRUE",
            duration=round(_frames(whole.duration, own) / speed),
        )
        _rate(item, own)
        _tell(item, start=begin, end=begin + lasts)
        _tell(item, **{"in": first, "out": first + round(lasts / self.rate * own)})
        self._file(item, media, own, clip.metadata["cmx_3600"]["reel"])
        if channel:
            source = ET.SubElement(item, "sourcetrack")
            _tell(source, mediatype="audio", trackindex=channel)
        if speed != 1:
            _remap(item, speed)
        return item

    def _file(
        self, item: ET.Element, media: otio.schema.ExternalReference, own: Fraction, reel: str
    ) -> None:
        known = media.target_url in self.files
        name = self.files.setdefault(media.target_url, f"file-{len(self.files) + 1}")
        file = ET.SubElement(item, "file", id=name)
        if known:
            return
        _tell(file, name=media.name, pathurl=media.target_url)
        _rate(file, own)
        whole = media.available_range
        _tell(file, duration=_frames(whole.duration, own))
        timecode = _timecode(file, _frames(whole.start_time, own), own)
        _tell(ET.SubElement(timecode, "reel"), name=reel)
        inside = ET.SubElement(file, "media")
        _picture(ET.SubElement(inside, "video"), media, own)
        if media.metadata[OURS]["sound"]:
            _tell(ET.SubElement(inside, "audio"), channelcount=CHANNELS)


def _placed(track: otio.schema.Track, rate: Fraction) -> Iterator[tuple[int, otio.schema.Clip]]:
    """A track's clips and the frames at which they begin."""
    at = Fraction(0)
    for item in track:
        if isinstance(item, otio.schema.Clip):
            yield round(at * rate), item
        at += exact_seconds(item.duration())


def _frames(time: otio.opentime.RationalTime, rate: Fraction) -> int:
    return round(exact_seconds(time) * rate)


def _speed(clip: otio.schema.Clip) -> float:
    return clip.effects[0].time_scalar if clip.effects else 1.0


def _tell(parent: ET.Element, **told) -> None:
    for name, value in told.items():
        ET.SubElement(parent, name).text = str(value)


def _countable(rate: Fraction) -> Fraction:
    """The nearest rate that the format can name: whole, or a thousandth slower.

    >>> _countable(Fraction(24000, 1001)), _countable(Fraction(25, 2))
    (Fraction(24000, 1001), Fraction(12, 1))
    """
    whole = Fraction(max(1, round(rate)))
    return min(whole, whole * Fraction(1000, 1001), key=lambda near: abs(near - rate))


def _rate(parent: ET.Element, rate: Fraction) -> None:
    whole = rate.denominator == 1
    told = {"timebase": round(rate), "ntsc": "FALSE" if whole else "TRUE"}
    _tell(ET.SubElement(parent, "rate"), **told)


def _timecode(parent: ET.Element, frame: int, rate: Fraction) -> ET.Element:
    timecode = ET.SubElement(parent, "timecode")
    _rate(timecode, rate)
    time = otio.opentime.RationalTime(frame, float(rate))
    told = otio.opentime.to_timecode(time, float(rate))
    _tell(timecode, string=told, frame=frame, displayformat="DF" if drops(rate) else "NDF")
    return timecode


def _picture(parent: ET.Element, media: otio.schema.ExternalReference, rate: Fraction) -> None:
    width, height = media.metadata[OURS]["size"]
    told = ET.SubElement(parent, "samplecharacteristics")
    _rate(told, rate)
    _tell(told, width=int(width), height=int(height), pixelaspectratio="square")


def _remap(item: ET.Element, speed: float) -> None:
    """An even change of speed, in percent."""
    effect = ET.SubElement(ET.SubElement(item, "filter"), "effect")
    _tell(effect, name="Time Remap", effectid="timeremap", effectcategory="motion")
    _tell(effect, effecttype="motion", mediatype="video")
    for name, value in (
        ("variablespeed", 0),
        ("speed", f"{speed * 100:.10g}"),
        ("reverse", "FALSE"),
        ("frameblending", "FALSE"),
    ):
        _tell(ET.SubElement(effect, "parameter"), parameterid=name, name=name, value=value)
