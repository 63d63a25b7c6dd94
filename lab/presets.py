"""How a finished video is laid out, and what the places want where it is posted: data, no code."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

ROLES = ("trailer", "answer", "runner-up", "seen")  # what stands in a panel


class Preset(NamedTuple):
    """A layout.

    Attributes
    ----------
    shows : tuple of str
        Of `ROLES`, in reading order; where one lies `over` the other, that one last.
    columns : int
        Panels in a row.
    size : (int, int) or None
        Pixels, width and height; None: as large as its panels, each shaped like the trailer.
    over : str
        ``"wipe"``: all in one place, a bar that moves between them; ``"inset"``: the last lies
        small in a corner of the first.
    posting : bool
        Meant to be posted: its sound is always AAC.
    """

    shows: tuple[str, ...]
    columns: int
    size: tuple[int, int] | None
    over: Literal["", "wipe", "inset"] = ""
    posting: bool = True


PRESETS = {
    "side-by-side": Preset(("trailer", "answer"), 2, (1920, 1080)),
    "stacked": Preset(("trailer", "answer"), 1, (1080, 1920)),
    "square": Preset(("trailer", "answer"), 1, (1080, 1080)),
    "alone": Preset(("answer",), 1, None, posting=False),
    "wipe": Preset(("trailer", "answer"), 1, (1920, 1080), over="wipe"),
    "picture-in-picture": Preset(("answer", "trailer"), 1, (1920, 1080), over="inset"),
    "triptych": Preset(("trailer", "answer", "runner-up"), 3, (1920, 1080)),
    "strip": Preset(("trailer", "answer"), 2, None, posting=False),
}


def laid_out(name: str, seen: str = "") -> Preset:
    """A preset; where there is a film seen through a network, it stands in the last answer's place.

    Parameters
    ----------
    name : str
        Of `PRESETS`.
    seen : str
        `RenderSettings.seen`.

    Examples
    --------
    >>> laid_out("triptych", "seen.mp4").shows
    ('trailer', 'answer', 'seen')
    """
    preset = PRESETS[name]
    if not seen:
        return preset
    last = [role for role in preset.shows if role != "trailer"][-1]
    return preset._replace(shows=tuple("seen" if r == last else r for r in preset.shows))


class Platform(NamedTuple):
    """What a place takes: seconds and megabytes at most, width / height from and to, letters."""

    longest: float
    most_mb: float
    aspects: tuple[float, float]
    letters: int


# As remembered of their help pages in 2025, not looked up: they change, and accounts differ.
PLATFORMS = {
    "bluesky": Platform(180, 100, (1 / 3, 3), 300),
    "instagram-reel": Platform(180, 300, (9 / 16, 9 / 16), 2200),
    "linkedin": Platform(900, 5000, (1 / 2.4, 2.4), 3000),
    "mastodon": Platform(3600, 99, (1 / 3, 3), 500),
    "tiktok": Platform(600, 500, (9 / 16, 16 / 9), 2200),
    "x": Platform(140, 512, (1 / 2.39, 2.39), 280),
    "youtube": Platform(43200, 256000, (1 / 3, 3), 5000),
    "youtube-short": Platform(180, 256000, (9 / 16, 1), 5000),
}


class RenderSettings(BaseModel):
    """All that can be set about a finished video, whatever its preset."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fit: Literal["letterbox", "crop", "blur"] = Field(
        "letterbox",
        description="pictures of another shape than their panel: with bars, cropped to the "
        "subject, or on a blurred fill of themselves",
    )
    labels: bool = Field(False, description="write film, year and time beside every picture")
    seen: str = Field(
        "",
        description="a film that `lab see run` made of the trailer: it stands in the answer's "
        "place, or, in a triptych, in that of the runner-up",
    )
    title: str = Field("", max_length=200, description="words of a title card before it all")
    credits: bool = Field(False, description="end with cards that name every film and licence")
    blend: bool = Field(False, description="where speeds differ, blend frames: else the nearest")
    archive_sound: float = Field(
        0, ge=0, le=1, description="how loud the archive's sound is, mixed under the trailer's"
    )
    loudness: float | None = Field(
        None, ge=-40, le=-5, description="bring the sound to so many LUFS (EBU R128); -14 is usual"
    )
    crf: int = Field(18, ge=0, le=40, description="quality of the picture: less is better")
    speed: Literal["ultrafast", "veryfast", "fast", "medium", "slow"] = Field(
        "veryfast", description="how much time the encoder takes: slower makes smaller files"
    )


def misfits(platform: str, size: tuple[int, int], seconds: float, mb: float | None) -> list[str]:
    """Why a place would not take a video: a sentence each.

    Parameters
    ----------
    platform : str
        Of `PLATFORMS`.
    size : (int, int)
        Pixels.
    seconds : float
    mb : float or None
        Millions of bytes that it will take; None: not known.

    Examples
    --------
    >>> misfits("x", (1920, 1080), 150, None)
    ['x takes 140 s, and this lasts 150 s; take a shorter range.']
    """
    limits, told = PLATFORMS[platform], []
    if seconds > limits.longest + 0.5:
        told.append(
            f"{platform} takes {limits.longest:g} s, and this lasts {seconds:.0f} s; "
            "take a shorter range."
        )
    if mb and mb > limits.most_mb:
        told.append(f"{platform} takes {limits.most_mb:g} MB; allow no more than that.")
    least, most = limits.aspects
    if not least - 0.01 <= size[0] / size[1] <= most + 0.01:
        told.append(
            f"{platform} wants another shape than {size[0]} x {size[1]}; take "
            f"{' or '.join(name for name, one in PRESETS.items() if _suits(one, limits))}."
        )
    return told


def _suits(preset: Preset, limits: Platform) -> bool:
    least, most = limits.aspects
    return preset.size is not None and least <= preset.size[0] / preset.size[1] <= most
