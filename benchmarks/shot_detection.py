"""How well cuts are found, beside TransNetV2 as its authors run it.

    python benchmarks/shot_detection.py FOLDER [--cuts cuts.json] [--seeds 1 2]

The single-shot clips of a folder are joined in a random order, seeded, into one film; every
joint is a cut. ``cuts.json`` may name what is inside the clips, by a key that ends with the
clip's file name: ``{"a/b.mp4": {"cuts": [30], "suspected": [76]}}``, first frames of new shots.
Listed cuts count as true. Suspected ones count once as neither right nor wrong, once as true.

The peer reads the same probabilities with its own rule: a new shot begins after every run of
frames above 0.5. A cut is found if a shot begins within one frame of it. The last table is
the cost of the network in its authors' windows (100 frames, 50 of them used) and in ours.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from lab import shots, video

SIZE, RATE, TOLERANCE = (640, 360), 25, 1
STOCK_THRESHOLD, STOCK_WINDOW, STOCK_STEP = 0.5, 100, 50
SPEED_FRAMES = 1000


class Truth(NamedTuple):
    """First frames of new shots: certain ones, and those that only may be cuts."""

    certain: list[int]
    suspected: list[int]


class Seen(NamedTuple):
    """A film as shot detection sees it."""

    strip: np.ndarray
    light: np.ndarray
    cuts: np.ndarray


def listed(clip: Path, notes: dict) -> dict:
    """What a cut list says of a clip."""
    keys = [key for key in notes if Path(key).parts[-2:] == clip.parts[-2:]]
    return notes[keys[0]] if keys else {}


def join(clips: list[Path], notes: dict, path: Path) -> Truth:
    """One film of many clips, encoded anew, and where its cuts are."""
    truth, count = Truth([], []), 0
    with video.Writer(path, SIZE, RATE, options={"preset": "veryfast", "crf": "23"}) as out:
        for clip in clips:
            if count:
                truth.certain.append(count)
            note = listed(clip, notes)
            truth.certain.extend(count + at for at in note.get("cuts", []))
            truth.suspected.extend(count + at for at in note.get("suspected", []))
            for frame in video.Reader(clip, size=SIZE):
                out.write(frame.picture, count / RATE)
                count += 1
    return truth


def look(film: Path) -> Seen:
    """The film's strip, brightness and the network's findings, as an ingest makes them."""
    finder, strip, light = shots.CutFinder(), [], []
    for frame in video.Reader(film, size=video.proxy_size(*SIZE), matrix="bt601"):
        small = video.small_rgb(frame.picture, *shots.STRIP)
        finder.push(small)
        strip.append(small)
        light.append((small.mean(), small.std()))
    return Seen(np.stack(strip), np.array(light), finder.finish())


def ours(seen: Seen) -> list[int]:
    """First frames of the shots that lab finds."""
    times = np.arange(len(seen.cuts)) / RATE
    table = shots.find_shots("film", times, times[-1] + 1 / RATE, seen.cuts, seen.light)
    return table.start_frame[1:].tolist()


def stock(seen: Seen) -> list[int]:
    """First frames of the shots that TransNetV2's own rule finds."""
    above = seen.cuts[:, 0] > STOCK_THRESHOLD
    return (np.flatnonzero(above[:-1] & ~above[1:]) + 1).tolist()


def score(found: list[int], truth: list[int], ignored: list[int]) -> tuple[int, int, int]:
    """Cuts found, shots begun wrongly, cuts missed; each cut is found at most once."""
    open_cuts, right, wrong = set(truth), 0, 0
    for at in found:
        near = [cut for cut in open_cuts if abs(cut - at) <= TOLERANCE]
        if near:
            open_cuts.discard(min(near, key=lambda cut: abs(cut - at)))
            right += 1
        elif not any(abs(cut - at) <= TOLERANCE for cut in ignored):
            wrong += 1
    return right, wrong, len(open_cuts)


def line(who: str, how: str, right: int, wrong: int, missed: int) -> str:
    precision, recall = right / max(1, right + wrong), right / max(1, right + missed)
    f1 = 2 * right / max(1, 2 * right + wrong + missed)
    counts = f"{right:>7}{wrong:>7}{missed:>8}"
    return f"{who:<18}{how:<10}{counts}{precision:>11.3f}{recall:>8.3f}{f1:>7.3f}"


def report(seen: Seen, truth: Truth) -> None:
    """Print both detectors, with the suspected cuts passed over and with them as true."""
    head = f"{'':<18}{'suspected':<10}{'found':>7}{'wrong':>7}{'missed':>8}"
    print(f"{head}{'precision':>11}{'recall':>8}{'F1':>7}")
    for who, found in {"lab": ours(seen), "TransNetV2 at 0.5": stock(seen)}.items():
        print(line(who, "neither", *score(found, truth.certain, truth.suspected)))
        print(line(who, "true", *score(found, truth.certain + truth.suspected, [])))


@torch.inference_mode()
def stock_windows(strip: np.ndarray) -> Iterator[torch.Tensor]:
    """The network over a strip in its authors' windows."""
    network, margin = shots._network(), (STOCK_WINDOW - STOCK_STEP) // 2
    padded = np.concatenate([strip[:1].repeat(margin, 0), strip, strip[-1:].repeat(margin, 0)])
    for start in range(0, len(strip), STOCK_STEP):
        window = torch.from_numpy(padded[start : start + STOCK_WINDOW])[None]
        yield network.predict_raw(window)[0][0, margin:-margin]


def our_windows(strip: np.ndarray) -> None:
    """The network over a strip as an ingest runs it."""
    finder = shots.CutFinder()
    for frame in strip:
        finder.push(frame)
    finder.finish()


def compare_speed(strip: np.ndarray) -> None:
    """Print frames per CPU-second of both ways to run the network, on the same frames."""
    print(f"\nframes per CPU-second, on {len(strip)} frames")
    rates = []
    for who, work in {
        "stock windows": lambda s: list(stock_windows(s)),
        "lab": our_windows,
    }.items():
        began = time.process_time()
        work(strip)
        rates.append(len(strip) / (time.process_time() - began))
        print(f"{who:<18}{rates[-1]:>7.1f}")
    ratio = rates[1] / rates[0]
    print(f"lab / stock: {ratio:.2f}  {'met' if ratio >= 5 else 'missed'} (5)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cuts", type=Path, help="a JSON file of what is inside the clips")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args()
    notes = json.loads(args.cuts.read_text(encoding="utf-8")) if args.cuts else {}
    for seed in args.seeds:
        clips = sorted(args.folder.resolve().glob("*.mp4"))
        random.Random(seed).shuffle(clips)
        with tempfile.TemporaryDirectory() as scratch:
            truth = join(clips, notes, Path(scratch) / "joined.mp4")
            seen = look(Path(scratch) / "joined.mp4")
        print(
            f"\nseed {seed}: {len(clips)} clips, {len(seen.strip)} frames, "
            f"{len(truth.certain)} cuts and {len(truth.suspected)} suspected",
            flush=True,
        )
        report(seen, truth)
    compare_speed(seen.strip[:SPEED_FRAMES])


if __name__ == "__main__":
    main()
