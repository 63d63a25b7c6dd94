"""What the tests share: films with known answers, made once a session."""

from __future__ import annotations

import os
from fractions import Fraction

import pytest

# Before anything imports transformers: no test may ask a hub.
os.environ["HF_HUB_OFFLINE"] = "1"

from lab.sample import numbered_film

CLOSED = {"x264-params": "keyint=12:bframes=2:open-gop=0:scenecut=0"}
OPEN = {"x264-params": "keyint=12:min-keyint=12:bframes=3:open-gop=1:scenecut=0"}
VARIABLE = [Fraction(i, 24) + Fraction(i % 3, 90) + Fraction(i // 24, 7) for i in range(96)]

# A film of each kind that archives hold, four shots of 24 numbered frames.
KINDS = {
    "h264-closed.mp4": {"options": CLOSED, "sound": "aac"},
    "h264-open.mp4": {"options": OPEN, "sound": "libmp3lame"},
    "h264-open.mkv": {"options": OPEN, "sound": "flac"},
    "h264.ts": {"options": CLOSED, "sound": "aac", "rate": Fraction(25)},
    "mpeg2.mpg": {"codec": "mpeg2video", "options": {"g": "12", "bf": "2", "b": "3M"}}
    | {"sound": "mp2", "rate": Fraction(25)},
    "mpeg2.ts": {"codec": "mpeg2video", "options": {"g": "12", "bf": "2", "b": "3M"}}
    | {"sound": "mp2", "rate": Fraction(30000, 1001)},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"g": "12", "bf": "2", "b": "3M"}}
    | {"sound": "libmp3lame", "rate": Fraction(25)},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}}
    | {"sound": "libopus"},
    "prores.mov": {"codec": "prores_ks", "pix_fmt": "yuv422p10le", "sound": "pcm_s16le"},
    "variable.mp4": {"times": VARIABLE, "options": {"bf": "2"}, "sound": "aac"},
    "23976.mp4": {"rate": Fraction(24000, 1001), "sound": "aac"},
    "2997.mov": {"rate": Fraction(30000, 1001), "sound": "ac3"},
    "rotated.mp4": {"rotation": 90, "size": (192, 320)},
    "anamorphic.mp4": {"sar": Fraction(4, 3), "size": (240, 192)},
    "late.mp4": {"times": [Fraction(i, 24) + 3 for i in range(96)], "sound": "aac"},
    "interlaced.mpg": {"codec": "mpeg2video", "interlaced": True, "rate": Fraction(25)}
    | {"options": {"b": "4M", "bf": "2"}},
}


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    """Makes a film of a kind, once; gives its path."""
    folder, made = tmp_path_factory.mktemp("films"), {}

    def make(kind: str):
        if kind not in made:
            numbered_film(folder / kind, (24, 24, 24, 24), **KINDS[kind])
            made[kind] = folder / kind
        return made[kind]

    return make
