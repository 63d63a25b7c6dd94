"""Read and write moving pictures: the only room that imports a decoder.

Time is the presentation timestamp (PTS) in seconds on the film's own clock, never
``index / fps``. PyAV reads originals, in order; decord reads proxies, by index: on anything
but a short closed GOP it can return a wrong frame without an error.

Pictures are upright with square pixels: rotation and sample aspect ratio are applied, and
interlaced frames are deinterlaced one to one (``bwdif``), before anyone sees them.
"""

from lab.video.gaps import lost
from lab.video.joining import Piece, join, shrink
from lab.video.opening import INDEXED, FilmError, WriteError, timecode
from lab.video.probing import Probe, probe
from lab.video.reading import (
    EPSILON,
    Player,
    Reader,
    luma,
    proxy_frames,
    shown_at,
    small_rgb,
)
from lab.video.sound import (
    COPIED_SOUND,
    SOUND_RATE,
    Loudness,
    Sound,
    copied,
    encoded,
    loudness,
    reblocked,
    samples,
    sound_codec,
)
from lab.video.upright import WHOLE, Box, Frame, upright_size
from lab.video.writing import (
    ENCODER,
    HOST,
    Writer,
    excerpt,
    gif,
    maker,
    proxy_size,
    soundtrack,
)

__all__ = [
    "COPIED_SOUND",
    "ENCODER",
    "EPSILON",
    "HOST",
    "INDEXED",
    "SOUND_RATE",
    "WHOLE",
    "Box",
    "FilmError",
    "Frame",
    "Loudness",
    "Piece",
    "Player",
    "Probe",
    "Reader",
    "Sound",
    "WriteError",
    "Writer",
    "copied",
    "encoded",
    "excerpt",
    "gif",
    "join",
    "lost",
    "loudness",
    "luma",
    "maker",
    "probe",
    "proxy_frames",
    "proxy_size",
    "reblocked",
    "samples",
    "shown_at",
    "shrink",
    "small_rgb",
    "sound_codec",
    "soundtrack",
    "timecode",
    "upright_size",
]
