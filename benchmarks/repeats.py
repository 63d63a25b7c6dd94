"""How well stretches that are shown twice are found, through what is done to them.

    python benchmarks/repeats.py CLIPS [--still]

Every take of a folder's clips is shown again in another film: compressed hard, grey, cropped by
a twentieth at every side, with a channel's mark, and with all of it; each time only its middle
part, one that begins off the rhythm of looks. Printed are the repeats found, those that name the
wrong shot, and the takes that are called repeats of each other though they come from different
clips. Takes in which nothing moves are left out (a still has no time by which to tell it from
another of the same place); ``--still`` lets them in.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from composed import read_takes
from PIL import Image
from shots import RATE, SIZE, make
from tqdm import tqdm

from lab.channels import trace
from lab.duplicates import find_duplicates
from lab.flags import is_still

LEAST = 40  # frames of a take that is used
HARD = {"preset": "veryfast", "crf": "40"}


def grey(frames: np.ndarray) -> np.ndarray:
    return frames.mean(axis=3, keepdims=True).repeat(3, 3).astype(np.uint8)


def cropped(frames: np.ndarray) -> np.ndarray:
    wide, high = SIZE
    box = (wide * 0.05, high * 0.05, wide * 0.95, high * 0.95)
    return np.stack([np.asarray(Image.fromarray(f).resize(SIZE, box=box)) for f in frames])


def marked(frames: np.ndarray) -> np.ndarray:
    frames = frames.copy()
    frames[:, 10:34, -60:-14] = 240
    return frames


WAYS = {
    "compressed": lambda frames: frames,
    "grey": grey,
    "cropped": cropped,
    "with a mark": marked,
    "all of it": lambda frames: marked(cropped(grey(frames))),
}


def layouts(frames: np.ndarray, path: Path, **how) -> np.ndarray:
    strip = make(frames, [], path, **how).strip
    return np.stack([trace(frame) for frame in strip])


def _linked(one: str, other: str, pairs: set[tuple[str, str]]) -> bool:
    return (one, other) in pairs or (other, one) in pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--still", action="store_true", help="also takes in which nothing moves")
    parser.add_argument("--cache", type=Path, default=Path("data/work/takes"))
    args = parser.parse_args()
    takes = read_takes(args.clips, SIZE, args.cache)
    known: dict[str, dict[str, np.ndarray]] = {}
    origin: dict[str, str] = {}
    clip_of: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "film.mp4"
        for clip, parts in tqdm(takes.items(), desc="clips"):
            for number, frames in enumerate(part for part in parts if len(part) >= LEAST):
                shown = layouts(frames, path)
                if not args.still and is_still(shown, len(shown) / RATE):
                    continue
                name = f"{clip}:{number}"
                known[name], clip_of[name] = _film(shown), clip
                middle = frames[7 : len(frames) - 5]
                for way, change in WAYS.items():
                    again = f"{name}:{way}"
                    known[again] = _film(layouts(change(middle), path, options=HARD))
                    origin[again], clip_of[again] = name, clip
    report(known, origin, clip_of)


def _film(shown: np.ndarray) -> dict[str, np.ndarray]:
    return {"times": np.arange(len(shown)) / RATE, "trace": shown}


def report(known: dict, origin: dict[str, str], clip_of: dict[str, str]) -> None:
    """Each way by itself: the takes, and what was made of them in that way."""
    originals = [name for name in known if name not in origin]
    print(f"{'':<14}{'known':>7}{'found':>7}{'wrong':>7}{'recall':>8}{'precision':>11}")
    for way in WAYS:
        again = [name for name in origin if name.endswith(f":{way}")]
        rows = [(name, name, 0.0, known[name]["times"][-1], "") for name in originals + again]
        columns = ["shot_id", "film_id", "clean_start", "clean_end", "flags"]
        found = find_duplicates(pd.DataFrame(rows, columns=columns), known.get)
        right = [a for a, b in found.items() if origin.get(a) == b]
        wrong = {(a, b) for a, b in found.items() if clip_of[a] != clip_of[b]}
        # Clips of one source repeat each other as they are: whatever links them is right.
        linked = {(clip_of[a], clip_of[b]) for a, b in wrong if a not in origin}
        right += [a for a, b in wrong if a in origin and _linked(clip_of[a], clip_of[b], linked)]
        wrong = {(a, b) for a, b in wrong if not _linked(clip_of[a], clip_of[b], linked)}
        recall = len(right) / max(1, len(again))
        precision = len(right) / max(1, len(right) + len(wrong))
        counts = f"{len(again):>7}{len(right):>7}{len(wrong):>7}"
        print(f"{way:<14}{counts}{recall:>8.3f}{precision:>11.3f}")
        for a, b in sorted(wrong):
            print(f"    {a} as {b}")
    print(
        "clips taken to show the same:", *sorted(" = ".join(pair) for pair in linked), sep="\n    "
    )


if __name__ == "__main__":
    main()
