"""What is seen in a film: channels of its moments, words and thumbnails of its shots.

All of it comes from the proxy and from what the one pass kept of every frame, so that another
encoder decodes no film again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from lab import channels, faces, flags, framing, language, motion
from lab.encoders import PACKAGED, load_encoder, packaged
from lab.store import image_file, write_arrays, write_json
from lab.video import Box, proxy_frames, shown_at

VERSIONS = (
    channels.VERSION,
    faces.VERSION,
    framing.VERSION,
    language.VERSION,
    flags.VERSION,
)
MOMENTS = 0.9  # of the time that looking takes; the rest goes into thumbnails
BATCH = 48  # frames of the proxy held in memory at once
THUMBNAIL = (320, 320)
SURE = 0.3  # likelihood from which the encoder's own word for what it sees is told


@dataclass
class _Seen:
    """What was seen in the middle picture of every moment, by the packaged encoder."""

    places: list[int] = field(default_factory=list)  # frames of the proxy
    pooled: list[np.ndarray] = field(default_factory=list)
    faces: list[list[faces.Face]] = field(default_factory=list)
    light: list[float] = field(default_factory=list)
    tones: list[np.ndarray] = field(default_factory=list)


def look(
    folder: Path,
    proxy: Path,
    frames: dict[str, np.ndarray],
    box: Box,
    shots: pd.DataFrame,
    moments: pd.DataFrame,
    encoder: str,
    progress: Callable[[float], object] = lambda share: None,
) -> None:
    """Write what is seen of a film into a folder: vectors, words, flags, thumbnails.

    Parameters
    ----------
    folder, proxy : Path
    frames : dict of ndarray
        What the one pass kept: `times`, `trace`, `flow`, `flow_times`.
    box : Box
        The picture inside its bars.
    shots, moments : DataFrame
    encoder : str
    progress : callable
        Told how much is done, 0 to 1, by the time it takes.
    """
    frames = frames | {"flow": motion.inside(frames["flow"], box)}

    def part(begin: float, end: float) -> Callable[[float], object]:
        return lambda share: progress(begin + (end - begin) * share)

    eyes = load_encoder(encoder)
    vectors, seen = _moments(proxy, frames, box, moments, eyes, part(0, MOMENTS))
    scales = framing.scale_of(np.array(seen.pooled), seen.faces)
    vectors["framing"] = channels.framing(scales, seen.faces)
    vectors["motion"] = channels.motion(
        [_flow(frames, one.start, one.end) for one in moments.itertuples()]
    )
    write_arrays(folder / "vectors.safetensors", vectors)
    pictures = folder, proxy, frames["times"], box, shots, seen
    cards = _thumbnails(*pictures, part(MOMENTS, 1))
    write_json(folder / "flags.json", _flags(shots, cards, frames))
    owners, words = moments.groupby("shot_id", sort=False).indices, []
    for shot, card in zip(shots.itertuples(), cards, strict=True):
        wordless = shot.flags or card  # nothing is framed in black, or on a card
        found = {} if wordless else _words(shot, owners[shot.shot_id], frames, scales, seen)
        words.append(dict.fromkeys(language.WORDS, "") | found)
    write_json(folder / "words.json", words)


def still_framing(pictures: np.ndarray) -> np.ndarray:
    """The framing channel of pictures, uint8 (n, height, width, 3), by themselves: (n, 27)."""
    found = [faces.find_faces(picture) for picture in pictures]
    pooled = packaged().encode(pictures).pooled
    return channels.framing(framing.scale_of(pooled, found), found)


def _moments(proxy: Path, frames, box: Box, moments: pd.DataFrame, encoder, progress):
    """The channels of pictures, pooled to moments; and what their middle pictures show."""
    parts = channels.looks(encoder)
    seconds = moments.start.to_numpy()[:, None] + np.outer(moments.end - moments.start, parts)
    places, middle = shown_at(frames["times"], seconds), len(parts) // 2
    plain, seen = packaged(), _Seen()
    found: dict[str, list] = {}
    step = max(1, BATCH // len(parts))
    for start in range(0, len(places), step):
        progress(start / len(places))
        some = places[start : start + step]
        pictures = cropped(proxy, some.ravel(), box)
        features = channels.see(pictures, encoder)
        owners = np.repeat(np.arange(len(some)), len(parts))
        for name, vectors in channels.describe(pictures, features).items():
            found.setdefault(name, []).append(channels.pool(vectors, owners, len(some)))
        middles = pictures[middle :: len(parts)]
        same = encoder.name == PACKAGED
        pooled = features.pooled[middle :: len(parts)] if same else plain.encode(middles).pooled
        seen.places += some[:, middle].tolist()
        seen.pooled += list(pooled)
        seen.faces += [faces.find_faces(picture) for picture in middles]
        seen.light += [float(picture.mean()) for picture in middles]
        seen.tones += list(channels.tone(middles))
    return {name: np.concatenate(rows) for name, rows in found.items()}, seen


def _words(shot, owned: np.ndarray, frames, scales: np.ndarray, seen: _Seen) -> dict[str, str]:
    flow = _flow(frames, shot.clean_start, shot.clean_end)
    pooled = np.mean([seen.pooled[k] for k in owned], axis=0, keepdims=True)
    return language.words_of(
        scales[owned],
        [seen.faces[k] for k in owned],
        motion.movement(flow) if len(flow) >= motion.LEAST else None,
        float(np.mean([seen.light[k] for k in owned])),
        np.mean([seen.tones[k] for k in owned], axis=0),
        packaged().words(pooled, SURE)[0],
    )


def _flow(frames: dict[str, np.ndarray], start: float, end: float) -> np.ndarray:
    return frames["flow"][motion.within(frames["flow_times"], start, end)]


def _thumbnails(
    folder: Path, proxy: Path, times, box: Box, shots, seen: _Seen, progress
) -> list[str]:
    """Write every shot's picture, and say which are cards."""
    known = dict(zip(seen.places, seen.pooled, strict=True))
    places = shown_at(times, shots.key.to_numpy())
    kinds: list[str] = []
    for start in range(0, len(places), BATCH):
        progress(start / len(places))
        some = places[start : start + BATCH]
        pictures = cropped(proxy, some, box)
        strange = [k for k, place in enumerate(some) if int(place) not in known]
        if strange:
            pooled = packaged().encode(pictures[strange]).pooled
            known |= {int(some[k]): row for k, row in zip(strange, pooled, strict=True)}
        kinds += flags.find_cards(np.array([known[int(place)] for place in some]))
        for index, picture in enumerate(pictures, start):
            thumbnail = Image.fromarray(picture)
            thumbnail.thumbnail(THUMBNAIL)
            (folder / f"{index}.jpg").write_bytes(image_file(thumbnail, "JPEG", quality=85))
    return kinds


def _flags(shots: pd.DataFrame, cards: list[str], frames) -> list[str]:
    """Flags of every shot in one line; what is empty needs no other reason."""
    lines = []
    for shot, card in zip(shots.itertuples(), cards, strict=True):
        first, last = np.searchsorted(frames["times"], [shot.clean_start, shot.clean_end])
        still = flags.is_still(frames["trace"][first:last], shot.clean_end - shot.clean_start)
        words = [*shot.flags.split(), *filter(None, [card]), *(["still"] if still else [])]
        lines.append(" ".join([w for w in words if w in ("black", "flat")] or words))
    return lines


def cropped(proxy: Path, places, box: Box) -> np.ndarray:
    """Frames of a proxy without the film's bars, uint8 (n, height, width, 3)."""
    pictures = proxy_frames(proxy, places)
    height, width = pictures.shape[1:3]
    top, bottom = round(box.top * height), round(box.bottom * height)
    return pictures[:, top:bottom, round(box.left * width) : round(box.right * width)]
