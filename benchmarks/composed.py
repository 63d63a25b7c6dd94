"""Films composed of single shots, of which every transition is known to the frame.

Takes come from a folder of clips: what TransNetV2 sees no transition in. They are cut, dissolved,
faded and wiped together; in between stands what a detector must not fall for: flashes, strobe,
whip pans, someone walking past the lens, light switched on and off, and worn film.

Used to fit what `lab.change` knows and, with other takes, to measure it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from lab import video
from lab.cuts import look, runs
from lab.films import find_films
from lab.shots import Transition

SMALL = (96, 54)
LONGEST = 400  # frames of a clip that are used
QUIET, SHORTEST = 0.1, 24  # network's likelihood below which nothing happens; frames of a take
STANDS = 12  # frames of black from which it is a shot of its own
HOLDS = (0, 0, 1, 3, 8, 20)  # frames that the black of a fade lasts
KINDS = {"cut": 0.6, "dissolve": 0.22, "fade": 0.1, "blend": 0.05, "wipe": 0.03}


def read_takes(folder: Path, size=SMALL, cache: Path | None = None) -> dict[str, list[np.ndarray]]:
    """What a folder's clips show between their transitions.

    Returns
    -------
    dict of list of ndarray
        By the clip's path under the folder: takes, uint8 (n, height, width, 3).
    """
    found = {}
    for path in tqdm(find_films([folder]), desc="takes"):
        name = str(path.relative_to(folder))
        try:
            frames = _read(path, size)
        except video.FilmError:
            continue
        found[name] = [
            frames[a + 2 : b - 1]
            for a, b in runs(_quiet(path, name, cache)[: len(frames)])
            if b - a > SHORTEST + 3
        ]
    return {name: takes for name, takes in found.items() if takes}


def _read(path: Path, size) -> np.ndarray:
    frames = []
    for frame in video.Reader(path, size=size, pixels="rgb24"):
        frames.append(frame.picture.to_ndarray())
        if len(frames) == LONGEST:
            break
    return np.stack(frames)


def _quiet(path: Path, name: str, cache: Path | None) -> np.ndarray:
    """Frames at which the full network sees nothing; remembered, for it is slow."""
    known = cache / f"{name.replace('/', '-')}.json" if cache else None
    if known and known.exists():
        return np.array(json.loads(known.read_text()), bool)
    here, reach = full_network(_read(path, (48, 27)))
    quiet = (here < QUIET) & (reach < 2 * QUIET)
    if known:
        cache.mkdir(parents=True, exist_ok=True)
        known.write_text(json.dumps(quiet.astype(int).tolist()))
    return quiet


def full_network(strip: np.ndarray, window: int = 100, step: int = 50) -> np.ndarray:
    """TransNetV2 on every frame in its authors' windows: float32 (2, n)."""
    margin, count = (window - step) // 2, len(strip)
    short = -count % step
    padded = np.concatenate(
        [strip[:1].repeat(margin, 0), strip, strip[-1:].repeat(margin + short, 0)]
    )
    parts = [
        np.stack(look(padded[start : start + window]))[:, margin : margin + step]
        for start in range(0, count, step)
    ]
    return np.concatenate(parts, axis=1)[:, :count]


def read_stills(folder: Path, size=SMALL) -> dict[str, list[np.ndarray]]:
    """Still pictures as takes of one frame, twice as large: a camera can move over them."""
    wide, high = 2 * size[0], 2 * size[1]
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    pictures = [Image.open(p).convert("RGB").resize((wide, high)) for p in paths]
    names = [str(p.relative_to(folder)) for p in paths]
    return {n: [np.asarray(p)[None]] for n, p in zip(names, pictures, strict=True)}


def draw_stills(rng, count: int = 120, size=SMALL) -> dict[str, list[np.ndarray]]:
    """Soft or hard-edged patterns as takes of one frame: what animation and graphics add."""
    found = {}
    for number in range(count):
        cells = rng.integers(3, 14), rng.integers(3, 24), 3
        pattern = rng.uniform(0, 255, cells) * rng.uniform(0.3, 1) + rng.uniform(0, 120, 3)
        image = Image.fromarray(np.clip(pattern, 0, 255).astype(np.uint8))
        way = Image.NEAREST if rng.random() < 0.4 else Image.BICUBIC
        found[f"drawn {number}"] = [np.asarray(image.resize((2 * size[0], 2 * size[1]), way))[None]]
    return found


@dataclass(frozen=True)
class Wear:
    """What a worn print adds, in parts of full brightness or of the picture's width.

    Attributes
    ----------
    grain, flicker : float
        Standard deviation of noise in a pixel of 640 x 360, and of a frame's brightness.
    weave : float
        Standard deviation of a frame's place.
    dirt : float
        Blots a frame, on average; each is there for that frame alone.
    """

    grain: float = 0.0
    flicker: float = 0.0
    weave: float = 0.0
    dirt: float = 0.0


def worn(frames: np.ndarray, wear: Wear, rng) -> np.ndarray:
    """Frames, float32 (n, height, width, 3), as a worn print shows them."""
    count, high, wide, _ = frames.shape
    if wear.weave:
        frames = np.stack([shifted(f, *(rng.normal(0, wear.weave * wide, 2))) for f in frames])
    if wear.flicker:
        frames = frames * (1 + rng.normal(0, wear.flicker, (count, 1, 1, 1))).astype(np.float32)
    if wear.grain:
        # Scaling a picture down averages the grain of many pixels into one.
        sigma = 255 * wear.grain * wide / 640
        frames = frames + rng.normal(0, sigma, (count, high, wide, 1)).astype(np.float32)
    for frame in frames if wear.dirt else ():
        for _ in range(rng.poisson(wear.dirt)):
            y, x, side = rng.integers(high), rng.integers(wide), rng.integers(1, 2 + wide // 24)
            frame[y : y + side, x : x + int(side * rng.uniform(0.3, 2)) + 1] = rng.choice([10, 245])
    return frames


def shifted(frame: np.ndarray, down: float, right: float) -> np.ndarray:
    """A frame moved by parts of a pixel; its borders are stretched."""
    for axis, by in ((0, down), (1, right)):
        size = frame.shape[axis]
        at = np.clip(np.arange(size) - by, 0, size - 1)
        low = np.minimum(at.astype(int), size - 2)
        share = (at - low).astype(np.float32).reshape([-1, 1, 1] if axis == 0 else [1, -1, 1])
        frame = frame.take(low, axis) * (1 - share) + frame.take(low + 1, axis) * share
    return frame


class Camera:
    """Films shots: takes of some length, reframed, regraded, with tricks in between."""

    def __init__(self, takes: dict[str, list[np.ndarray]], rng, size=SMALL, tricks: float = 1.0):
        self.takes, self.rng, self.size, self.tricks = takes, rng, size, tricks
        self.names, self.last = sorted(takes), None

    def shot(self, length: int) -> np.ndarray:
        """The next shot, float32 (length, height, width, 3), 0 to 255."""
        rng = self.rng
        if self.last is None or rng.random() > 0.15 * self.tricks:
            name = self.names[rng.integers(len(self.names))]
            self.last = self.takes[name][rng.integers(len(self.takes[name]))]
            again = False
        else:
            again = True  # the same scene from nearer or farther
        frames = self._reframed(self._stretch(self.last, length), force=again)
        if rng.random() < 0.2:
            frames = frames[:, :, ::-1]
        return self._tricked(self._graded(frames))

    def _stretch(self, take: np.ndarray, length: int) -> np.ndarray:
        """Some frames on end, there and back again where the take is too short."""
        rng = self.rng
        step = rng.choice([0.5, 1, 2], p=[0.08, 0.8, 0.12])
        at = np.floor(np.arange(length) * step + rng.integers(len(take))).astype(int)
        turn = max(1, 2 * (len(take) - 1))
        at = np.minimum(at % turn, turn - at % turn) if len(take) > 1 else at * 0
        return take[at].astype(np.float32)

    def _reframed(self, frames: np.ndarray, force: bool) -> np.ndarray:
        rng, (wide, high) = self.rng, self.size
        still = frames.shape[2] != wide
        if not (force or still or rng.random() < 0.3):
            return frames
        count = len(frames)
        near = rng.uniform(1.3 if force else 1.05, 2.0) * np.ones(count)
        centre = rng.uniform(0, 1, 2)
        moving = rng.random() < (0.7 if still else 0.3)
        drift = rng.normal(0, rng.choice([0.004, 0.01, 0.025]), 2) if moving else np.zeros(2)
        if moving:
            near = near * np.linspace(1, rng.uniform(0.8, 1.25), count)
        shake = np.cumsum(rng.normal(0, rng.choice([0, 0.004, 0.012]), (count, 2)), axis=0)
        places = centre + drift * np.arange(count)[:, None] + shake
        whip = np.zeros(count, bool)
        if rng.random() < 0.1 * self.tricks and count > 30:
            begin, span = rng.integers(5, count - 20), rng.integers(4, 14)
            way = np.clip((np.arange(count) - begin) / span, 0, 1)[:, None]
            places = places + way * rng.uniform(-1, 1, 2)
            whip = (way[:, 0] > 0) & (way[:, 0] < 1)
        places = 1 - np.abs(places % 2 - 1)  # turned back at the border
        result = np.empty((count, high, wide, 3), np.float32)
        for n, frame in enumerate(frames):
            result[n] = self._window(frame, places[n], max(1.0, near[n]))
            if whip[n]:
                steps = np.linspace(places[n - 1], places[n], 6)
                blurred = [self._window(frame, place, max(1.0, near[n])) for place in steps]
                result[n] = np.mean(blurred, axis=0)
        return result

    def _window(self, frame: np.ndarray, place, near: float) -> np.ndarray:
        (wide, high), (h, w) = self.size, frame.shape[:2]
        x, y = place[0] * (w - w / near), place[1] * (h - h / near)
        box = (x, y, x + w / near, y + h / near)
        image = Image.fromarray(frame.astype(np.uint8))
        return np.asarray(image.resize((wide, high), Image.BILINEAR, box=box), np.float32)

    def _graded(self, frames: np.ndarray) -> np.ndarray:
        rng = self.rng
        if rng.random() < 0.4:
            frames = frames * rng.uniform(0.75, 1.2, 3).astype(np.float32)
        if rng.random() < 0.15:
            frames = frames.mean(axis=3, keepdims=True).repeat(3, 3)
        if rng.random() < 0.1 * self.tricks:
            frames = frames * np.float32(rng.uniform(0.12, 0.4))  # night
        return frames

    def _tricked(self, frames: np.ndarray) -> np.ndarray:
        rng, count = self.rng, len(frames)
        wide = frames.shape[2]

        def happens(share: float, room: int = 24) -> bool:
            return count > room and rng.random() < share * self.tricks

        frames = frames.copy()
        if happens(0.12):
            self._flash(frames)
        if happens(0.05, 40):
            at, span, beat = rng.integers(4, count - 30), rng.integers(8, 26), rng.integers(1, 4)
            on = (np.arange(span) // beat % 2).astype(bool)
            frames[at : at + span][on] *= np.float32(rng.choice([0.1, 0.3, 1.8, 3]))
        if happens(0.07):
            at, over = rng.integers(4, count - 8), rng.integers(1, 6)
            light = np.interp(
                np.arange(count),
                [at - 0.5, at + over - 0.5],
                [1, rng.choice([0.4, 0.55, 0.7, 1.4, 1.8])],
            )
            light[:at] = 1
            frames *= light.astype(np.float32)[:, None, None, None]
        if happens(0.08):
            at, span = rng.integers(4, count - 10), rng.integers(4, 18)
            broad, colour = rng.uniform(0.3, 1.0) * wide, rng.uniform(5, 160, 3).astype(np.float32)
            for n in range(span):
                left = -broad + (wide + 2 * broad) * n / span - broad * 0.5
                if at + n < count:
                    frames[at + n, :, max(0, int(left)) : max(0, int(left + broad))] = colour
        if happens(0.08, 2):
            frames[1:] = 0.5 * (frames[1:] + frames[:-1])  # made from another rate
        return frames

    def _flash(self, frames: np.ndarray) -> None:
        """Light that is there at once and goes at once, or dies away; now and then on a cut."""
        rng, count = self.rng, len(frames)
        at = 0 if rng.random() < 0.1 else rng.integers(4, count - 8)
        full, fading = rng.integers(1, 4), rng.integers(1, 9) if rng.random() < 0.5 else 0
        light = np.concatenate([np.ones(full), np.linspace(1, 0, fading + 2)[1:-1]])[: count - at]
        light = light.astype(np.float32)[:, None, None, None]
        lit = frames[at : at + len(light)]
        lit += light * (lit * np.float32(rng.uniform(0.2, 2)) + np.float32(rng.uniform(20, 255)))


def compose(
    takes: dict[str, list[np.ndarray]],
    rng,
    shots: int = 24,
    *,
    size=SMALL,
    tricks: float = 1.0,
    wear: Wear | None = None,
    kinds: dict[str, float] = KINDS,
    mean: float = 55.0,
) -> tuple[np.ndarray, list[Transition]]:
    """A film and its transitions.

    Parameters
    ----------
    takes : dict of list of ndarray
        From `read_takes`.
    rng : numpy.random.Generator
    shots : int
    size : (int, int)
        Width and height in pixels.
    tricks : float
        How much there is of what a detector must not fall for; 0 leaves it out.
    wear : Wear, optional
        By default drawn at random, as strong as `tricks` says.
    kinds : dict
        How likely each kind of transition is.
    mean : float
        Frames that a shot lasts on average, transitions aside.

    Returns
    -------
    frames : ndarray of uint8, shape (n, height, width, 3)
    transitions : list of Transition
        Kinds as in `KINDS`; a blend is a cut with one or two mixed frames.
    """
    camera = Camera(takes, rng, size, tricks)
    spans, names = [], list(kinds)
    for _ in range(shots - 1):
        kind = str(rng.choice(names, p=np.array(list(kinds.values())) / sum(kinds.values())))
        spans.append((kind, _span(kind, rng)))
    spans = [("cut", 0), *spans, ("cut", 0)]
    parts, found, total, before = [], [], 0, None
    for (kind, into), (following, out) in pairwise(spans):
        # Both shots run on under a dissolve; a fade takes half its frames from each.
        body = int(np.clip(rng.exponential(mean), 14, 250))
        lead, tail = (
            (into // 2 if kind == "fade" else into),
            (out // 2 if following == "fade" else out),
        )
        shot = camera.shot(lead + body + tail)
        if before is not None:
            hold = int(rng.choice(HOLDS)) if kind == "fade" else 0
            mixed, begin = _joined(kind, before, shot[:lead], into, hold, rng)
            parts.append(mixed)
            last = total + len(mixed) - 1
            if hold < STANDS:
                found.append(Transition(total + begin, kind, total, last))
            else:  # the black, or white, is a shot of its own
                half = into // 2
                found.append(Transition(total + half, kind, total, total + half - 1))
                found.append(Transition(total + half + hold, kind, total + half + hold, last))
            total += len(mixed)
        parts.append(shot[lead : lead + body])
        total += body
        before = shot[lead + body :]
    frames = np.concatenate(parts)
    if wear is None:
        wear = _some_wear(rng, tricks)
    bar = int(rng.uniform(0.06, 0.14) * size[1]) if rng.random() < 0.2 else 0
    frames = np.clip(worn(frames, wear, rng), 0, 255).astype(np.uint8)
    frames[:, :bar] = frames[:, size[1] - bar :] = 0
    return frames, found


def _span(kind: str, rng) -> int:
    """Frames that a transition takes: dissolves 0.2 to 4 s at 25 frames a second."""
    return {
        "cut": lambda: 0,
        "blend": lambda: int(rng.integers(1, 3)),
        "dissolve": lambda: int(np.exp(rng.uniform(np.log(5), np.log(100)))),
        "fade": lambda: 2 * int(np.exp(rng.uniform(np.log(4), np.log(35)))),
        "wipe": lambda: int(rng.integers(8, 36)),
    }[kind]()


def _joined(kind: str, before, after, count: int, hold: int, rng) -> tuple[np.ndarray, int]:
    """The frames of a transition, and which of them is the first of the new shot."""
    share = ((np.arange(count) + 1) / (count + 1)).astype(np.float32)[:, None, None, None]
    if kind == "cut":
        return after[:0], 0
    if kind == "fade":
        half = count // 2
        held = np.zeros((hold, *after.shape[1:]), np.float32)
        colour = np.float32(255 if hold < STANDS and rng.random() < 0.3 else 0)
        level = (np.arange(half) + 1)[:, None, None, None] / np.float32(half)
        out = before[:half] * (1 - level) + colour * level
        into = after[:half] * level + colour * (1 - level)
        mixed = np.concatenate([out, held + colour, into])
        return mixed, half + hold // 2
    if kind == "wipe":
        passed = np.linspace(0, 1, after.shape[2]) < share.reshape(-1, 1)
        mask = (passed if rng.random() < 0.5 else passed[:, ::-1])[:, None, :, None]
        return np.where(mask, after, before), count // 2
    if rng.random() < 0.3:
        share = share * share * (3 - 2 * share)
    return before * (1 - share) + after * share, (count + 1) // 2


def _some_wear(rng, tricks: float) -> Wear:
    def some(share: float, most: float) -> float:
        return float(rng.uniform(0, most)) if rng.random() < share * tricks else 0.0

    return Wear(some(0.5, 0.08), some(0.25, 0.08), some(0.2, 0.006), some(0.2, 3))
