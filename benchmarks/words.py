"""Film language against eyes, and against cameras that moved in a known way.

    python benchmarks/words.py CLIPS [--parts labels camera] [--work DIR]

- *labels*: framing, camera and light of 120 shots (``labels.csv``), which two people labelled by
  eye before any of these words were made: each looked at eight frames of every shot, on the seven
  scales, for the camera's movement (judged by the background), and for light, and said of what
  they were sure. Neither saw the other's labels. Where a word has no counterpart (mixed) it counts
  as wrong. Chance is what always saying the commonest word would get.
- *camera*: shots of which both said, and were sure, that the camera stands still (without what
  lies beyond a cut, where one was missed when they were cut out for labelling), filmed anew
  through a window that pans, tilts, zooms, shakes or stands still, at speeds drawn evenly on a
  logarithmic scale; once clean, once worn (flicker, grain, gate weave). What moves in these shots
  is still there, and may fill the window.

The shot scales that ship have seen these labels; `fit_framing.py` measures them on films that
its fit left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from lab import video
from lab.films import find_films
from lab.framing import SCALES
from lab.ingest import ingest
from lab.language import camera_word
from lab.motion import MotionFinder, movement
from lab.store import Workspace
from lab.tables import load_archive

LABELS = Path(__file__).with_name("labels.csv")
SIZE = (256, 144)  # pixels of the window
WIDE = 0.65  # part of the picture's width that it shows
SPEEDS, GROWTHS, SHAKES = (0.04, 0.5), (0.06, 0.5), (0.006, 0.02)  # widths, a second; of jitter
SECONDS = (1.0, 4.0)
WEAVE, FLICKER, GRAIN = 0.003, 0.04, 5.0  # widths; part of light; levels of 255
KINDS = (
    *("static", "pan left", "pan right", "tilt up", "tilt down"),
    *("zoom in", "zoom out", "handheld"),
)


def labels(clips: Path, workspace: Workspace) -> None:
    """Print how often the words are those that two people gave."""
    ingest(find_films([clips]), workspace)
    archive, known = load_archive(workspace), pd.read_csv(LABELS)
    paths = archive.films.set_index("film_id").path
    shots = archive.shots.assign(path=archive.shots.film_id.map(paths))
    told = pd.concat([_shot(shots, clips, row) for row in known.itertuples()], axis=1).T
    told = told[["framing", "camera", "light"]].reset_index(drop=True)
    told["camera"] = told.camera.str.replace(r"track .*", "track", regex=True)
    rows = []
    for word in ("framing", "camera", "light"):
        one, other = known[f"{word}_a"], known[f"{word}_b"]
        both = (one == other) & (told[word] != "")
        commonest = one[both].value_counts(normalize=True).iloc[0]
        right = (told[word] == one)[both]
        sure = known.get(f"sure_{word}", pd.Series(0, known.index))[both] == 2
        rows.append(
            {
                "word": word,
                "they agree": (one == other).mean(),
                "shots": int(both.sum()),
                "right": right.mean(),
                "commonest": commonest,
                "sure": int(sure.sum()),
                "right of those": right[sure].mean(),
            }
        )
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.3f}".format))
    steps = pd.DataFrame({"said": known.framing_a, "told": told.framing})
    steps = steps[(known.framing_a == known.framing_b) & (steps.told != "")]
    apart = (steps.said.map(SCALES.index) - steps.told.map(SCALES.index)).abs()
    print(f"\nframing within one of the seven scales: {(apart <= 1).mean():.3f}")
    both = (known.camera_a == known.camera_b) & (told.camera != "")
    print("\ncamera: rows as labelled, columns as told")
    print(pd.crosstab(known.camera_a[both], told.camera[both]).to_string())


def _shot(shots: pd.DataFrame, clips: Path, row) -> pd.Series:
    """The row of the shots table that shows the middle of what was labelled."""
    middle = (row.start + row.end) / 2
    here = (shots.path == str(clips / row.clip)) & (shots.start <= middle) & (middle < shots.end)
    return shots[here].iloc[0].rename(row.Index)


class Still(NamedTuple):
    """Some seconds of film under a camera that stands still: luma and times."""

    clip: str
    frames: list[np.ndarray]
    times: list[float]


def stills(clips: Path, workspace: Workspace) -> Iterator[Still]:
    """Shots of which both are sure that their camera stands still."""
    ingest(find_films([clips]), workspace)
    archive, known = load_archive(workspace), pd.read_csv(LABELS)
    paths = archive.films.set_index("film_id").path
    cut = archive.shots.assign(path=archive.shots.film_id.map(paths))
    sure = (known.camera_a == "static") & (known.camera_b == "static") & (known.sure_camera == 2)
    for shot in tqdm(known[sure & (known.end - known.start > SECONDS[0])].itertuples()):
        path, whole = clips / shot.clip, _shot(cut, clips, shot)
        start, end = max(shot.start, whole.clean_start), min(shot.end, whole.clean_end)
        end = min(end, start + SECONDS[1])
        info, frames, times = video.probe(path), [], []
        for frame in video.Reader(path, size=video.proxy_size(info.width, info.height)):
            if frame.time >= end:
                break
            if frame.time >= start:
                frames.append(video.luma(frame.picture).copy())
                times.append(float(frame.time))
        yield Still(shot.clip, frames, times)


def path_of(kind: str, times: np.ndarray, rng) -> np.ndarray:
    """Middle (x, y) of the window and its size, in picture widths: (n, 3)."""
    since = times - times.mean()
    length, room = max(since[-1] - since[0], 1e-3), (1 - WIDE) * 0.9
    way = np.tile([0.5, 0.5, WIDE], (len(times), 1))

    def drawn(bounds):
        return np.exp(rng.uniform(*np.log(bounds)))

    if kind.startswith(("pan", "tilt")):
        axis, sign = int(kind.startswith("tilt")), 1 if kind.endswith(("right", "down")) else -1
        speed = min(drawn(SPEEDS) * WIDE, room / length)
        way[:, axis] += sign * speed * since
    elif kind.startswith("zoom"):
        rate = min(drawn(GROWTHS), np.log(1 / WIDE) / length)
        way[:, 2] = WIDE * np.exp((-1 if kind == "zoom in" else 1) * rate * since)
    elif kind == "handheld":
        beats = rng.uniform(0.5, 3.5, (6, 2))
        waves = np.sin(2 * np.pi * since[:, None, None] * beats + rng.uniform(0, 2 * np.pi, (6, 2)))
        shake = (waves * rng.normal(size=(6, 2)) / np.sqrt(beats)).sum(axis=1)
        way[:, :2] += drawn(SHAKES) * WIDE * shake / shake.std(axis=0)
    return way


def filmed(still: Still, kind: str, worn: bool, rng) -> tuple[str, float]:
    """What the lab says of the camera, of a shot filmed through a window that moves."""
    count = max(
        2, int(rng.uniform(*SECONDS) / (still.times[-1] - still.times[0]) * len(still.times))
    )
    count = min(count, len(still.times))
    finder = MotionFinder()
    for frame, time, (x, y, size) in zip(
        still.frames, still.times, path_of(kind, np.array(still.times[:count]), rng), strict=False
    ):
        height, width = frame.shape
        scale = size * width / SIZE[0]
        x, y = (np.array([x, y]) + (rng.normal(0, WEAVE * WIDE, 2) if worn else 0)).tolist()
        corner = x * width - scale * SIZE[0] / 2, y * height - scale * SIZE[1] / 2
        matrix = np.float32([[scale, 0, corner[0]], [0, scale, corner[1]]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        shown = cv2.warpAffine(frame, matrix, SIZE, flags=flags, borderMode=cv2.BORDER_REFLECT)
        if worn:
            shown = shown * (1 + rng.normal(0, FLICKER)) + rng.normal(0, GRAIN, shown.shape)
        finder.push(np.clip(shown, 0, 255).astype(np.uint8), time)
    move = movement(finder.finish()[1])
    return camera_word(move).replace("track", "pan"), move.things


def camera(clips: Path, workspace: Workspace, seed: int) -> None:
    """Print how often made movements are told right."""
    rng, rows = np.random.default_rng(seed), []
    for still in stills(clips, workspace):
        things = filmed(still, "static", False, rng)[1]
        for kind in KINDS:
            for worn in (False, True):
                told = filmed(still, kind, worn, rng)[0]
                rows.append((still.clip, kind, worn, told, things))
    table = pd.DataFrame(rows, columns=["clip", "kind", "worn", "told", "things"])
    table["right"] = table.kind == table.told
    print(f"{table['clip'].nunique()} clips, {len(table)} shots; right {table.right.mean():.3f}")
    for worn in (False, True):
        print(f"{'worn' if worn else 'clean'}: {table.right[table.worn == worn].mean():.3f}")
    middle = table.things.median()
    calm = table.things <= middle
    print(
        f"half of the clips in which less moves (<= {middle:.3f}): {table.right[calm].mean():.3f}"
    )
    called = table[table.told.str.startswith(("pan", "tilt"))]
    called = called[called.kind.str[:3] == called.told.str[:3]]
    print(f"called pan or tilt, and one: {len(called)}; direction right {called.right.mean():.3f}")
    print(pd.crosstab(table.kind, table.told).to_string())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("clips", type=lambda path: Path(path).resolve())
    parser.add_argument("--parts", nargs="+", default=["labels", "camera"])
    parser.add_argument("--work", type=Path, default=Path("data/work/seeing"))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if "labels" in args.parts:
        labels(args.clips, Workspace(args.work))
    if "camera" in args.parts:
        camera(args.clips, Workspace(args.work), args.seed)


if __name__ == "__main__":
    main()
