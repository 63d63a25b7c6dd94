"""Films that are known to be dangerous, and that no encoder writes of itself.

Every function of `ODDITIES` writes a film and gives its answer: number and second of every frame
that is to be seen, on a clock that may begin elsewhere.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
from formats import CLOSED, MPEG, OPEN

from lab.sample import numbered_film

Answer = list[tuple[int, Fraction]]
SIZE = (256, 128)
PAL, NTSC = Fraction(25), Fraction(30000, 1001)
STEADY = [(number, number / PAL) for number in range(24)]


def plain(path: Path, **film) -> Answer:
    """A film of 24 frames at 25 a second, of a kind that the matrix has not."""
    numbered_film(path, [24], rate=PAL, **{"size": SIZE} | film)
    return STEADY


def changed(source: Path, path: Path, change: Callable[[list[av.Packet]], Iterator[bytes]]) -> None:
    """Write a film with other bytes in its packets."""
    with av.open(str(source)) as film, av.open(str(path), "w") as out:
        stream = film.streams.video[0]
        track = out.add_stream_from_template(stream)
        packets = [packet for packet in film.demux(stream) if packet.size]
        for old, data in zip(packets, change(packets), strict=True):
            packet = av.Packet(data)
            packet.pts, packet.dts, packet.time_base = old.pts, old.dts, old.time_base
            packet.is_keyframe, packet.stream = old.is_keyframe, track
            out.mux(packet)
    source.unlink()


def hard_telecine(path: Path, **film) -> Answer:
    """Film as television shows it, woven.

    Of frames AA BB BC CD DD the reader gives five: a frame is what its first field shows, the
    lines of the other filled in. So B is seen twice, of one that is half B, half C.
    """
    times = [number / NTSC for number in range(30)]
    numbered_film(path, [24], rate=NTSC, times=times, telecine=True, **{"size": SIZE} | film)
    shown = [4 * four + picture for four in range(6) for picture in (0, 1, 1, 2, 3)]
    return list(zip(shown, times, strict=True))


def soft_telecine(path: Path, length: int = 24) -> Answer:
    """Film as discs hold it: whole pictures, of which every second says to show a field again.

    The reader gives each once, at its own time: two or three fields after the one before.
    """
    starts = [5 * number // 2 for number in range(length)]  # fields
    times = [start / NTSC / 2 for start in starts]
    source, codec = path.with_suffix(".mov"), {"codec": "mpeg2video", "options": MPEG}
    numbered_film(source, [length], size=SIZE, rate=NTSC, times=times, **codec)
    changed(source, path, partial(_flagged, starts=starts))
    return list(enumerate(times))


def _flagged(packets: list[av.Packet], starts: list[int]) -> Iterator[bytes]:
    """MPEG-2 pictures with `top_field_first` and `repeat_first_field` (ISO 13818-2, 6.3.10)."""
    order = sorted(packet.pts for packet in packets)
    for packet in packets:
        number, data = order.index(packet.pts), bytearray(bytes(packet))
        whole = data.find(b"\0\0\1\xb5\x14")  # sequence extension
        if whole >= 0:
            data[whole + 5] &= 0xF7  # no progressive sequence, whose flags mean frames
        picture = data.find(b"\0\0\1\xb5", whole + 1)
        data[picture + 7] |= 0x80 * (starts[number] % 2 == 0) | 0x02 * (number % 2)
        yield bytes(data)


def packed(path: Path) -> Answer:
    """MPEG-4 as DivX packed it for AVI: a picture and the B picture before it in one packet.

    A packet that says "nothing coded" follows and keeps the count.
    """
    source = path.with_suffix(".plain.avi")
    options = {"g": "12", "bf": "1", "b": "1M"}
    numbered_film(source, [24], size=SIZE, rate=PAL, codec="mpeg4", options=options)
    changed(source, path, _packed)
    return STEADY


def _packed(packets: list[av.Packet]) -> Iterator[bytes]:
    mark, number = b"\0\0\1\xb2DivX503b1393p", 0
    while number < len(packets):
        data = bytes(packets[number])
        if number == 0:
            data = data.replace(b"\0\0\1\xb6", mark + b"\0\0\1\xb6", 1)
        if number + 1 < len(packets) and packets[number + 1].pts < packets[number].pts:
            yield data + bytes(packets[number + 1])
            yield b"\0\0\1\xb6\x50\x8f"  # a P picture, not coded
            number += 2
        else:
            yield data
            number += 1


def edited(path: Path, edits: list[tuple[int, int]], first: int = 0, **film) -> Answer:
    """Frames from and to, one stretch after another, as an edit list picks them (ISO 14496-12,
    8.6.6), after `first` frames of nothing."""
    numbered_film(path, [60], size=SIZE, rate=PAL, **film)
    data = path.read_bytes()
    at = data.rindex(b"elst")
    (begin,) = struct.unpack_from(">i", data, at + 16)  # of the picture that is shown first
    scale = _media_scale(path)
    entries = [(first * 40, -1)] * bool(first)
    entries += [((end - start) * 40, begin + start * scale // 25) for start, end in edits]
    box = b"elst" + struct.pack(">II", 0, len(entries))
    box += b"".join(struct.pack(">IiI", *entry, 1 << 16) for entry in entries)
    old = struct.unpack_from(">I", data, at - 4)[0]
    path.write_bytes(_replaced(data, at - 4, old, struct.pack(">I", len(box) + 4) + box))
    numbers = [number for start, end in edits for number in range(start, end)]
    return [(number, (place + first) / PAL) for place, number in enumerate(numbers)]


def _media_scale(path: Path) -> int:
    with av.open(str(path)) as film:
        return film.streams.video[0].time_base.denominator


def _replaced(data: bytes, at: int, old: int, box: bytes) -> bytes:
    """An MP4 whose index stands last, with a box of it replaced; those around it grow."""
    data = bytearray(data[:at] + box + data[at + old :])
    for around in (b"edts", b"trak", b"moov"):
        place = data.rindex(around, 0, at) - 4
        size = struct.unpack_from(">I", data, place)[0]
        struct.pack_into(">I", data, place, size + len(box) - old)
    return bytes(data)


DIVX = {"codec": "mpeg4", "options": MPEG}
REFRESHED = {"options": {"x264-params": "keyint=12:intra-refresh=1:scenecut=0"}}
PIECES = {"options": OPEN, "into": {"movflags": "+frag_keyframe+empty_moov"}}
NEGATIVE = {"options": OPEN, "into": {"movflags": "+frag_keyframe+negative_cts_offsets+empty_moov"}}
PRORES = {"codec": "prores_ks", "pix_fmt": "yuv422p10le"}
DISC = {"codec": "mpeg2video", "options": MPEG}
TAPE = {"codec": "dvvideo", "pix_fmt": "yuv411p", "fields": "bottom", "size": (720, 480)}
CAMERA = {"codec": "dnxhd", "pix_fmt": "yuv422p", "options": {"b": "120M"}, "size": (1920, 1080)}
# Pictures too large to share a packet of a program stream: each has a stamp.
LARGE = {"options": {"x264-params": f"{OPEN['x264-params']}:qp=1"}, "size": (720, 576)}
ODDITIES: dict[str, Callable[[Path], Answer]] = {
    "telecined-top.mpg": partial(hard_telecine, fields="top", **DISC),
    "telecined-bottom.vob": partial(hard_telecine, fields="bottom", **DISC),
    "telecined.ts": partial(hard_telecine, fields="top", options=OPEN),
    "telecined.mov": partial(hard_telecine, fields="top", **PRORES),
    "telecined-tape.avi": partial(hard_telecine, **TAPE),
    "repeated-fields.ts": soft_telecine,
    "repeated-fields.vob": partial(soft_telecine, length=22),
    "large.vob": partial(plain, **LARGE),
    "unpacked.avi": partial(plain, **DIVX),
    "packed.avi": packed,
    "pieces.mp4": partial(plain, **PIECES),
    "negative-offsets.mp4": partial(plain, **NEGATIVE),
    "refreshed.ts": partial(plain, **REFRESHED),
    "broadcast.ts": partial(plain, fields="top", options=OPEN),
    "camera-fields.mxf": partial(plain, fields="top", **CAMERA),
    "camera.mov": partial(plain, **CAMERA),
    "edited.mp4": partial(edited, edits=[(7, 44)], first=10, options=CLOSED),
    "edited-open.mp4": partial(edited, edits=[(17, 44)], options=OPEN),
    "edited-twice.mov": partial(edited, edits=[(31, 44), (7, 20), (7, 20)], first=10, **PRORES),
}
