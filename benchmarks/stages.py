"""What each stage of an ingest costs, in units of a bare decode of the same film.

    python benchmarks/stages.py [FILM] [--repeats 3] [--grain 4]

CPU-seconds are user and system time of this process and all its threads. A row is the median
of the repeats, and the repeats take the stages in turn, so that a busy machine weighs on all
of them alike. Models are loaded and warmed up before the clock starts. Without a film, one is
made: 40 s of 720p H.264 with a cut every 4 s, under a moving grain, since a film without grain
is far cheaper to decode than any that was shot.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import av
import numpy as np

from lab import channels, cuts, motion, stages, video
from lab.encoders import load_encoder
from lab.faces import find_faces
from lab.framing import scale_of
from lab.sample import numbered_film
from lab.store import Workspace

BUDGETS = {
    "decode + proxy + strip": 2.7,
    "shots": 0.8,
    "channels and traces": 1.0,
    "whole ingest": 4.5,
}
PARTS = ("subject", "composition", "colour", "faces, framing", "motion", "traces")
SHOT_SECONDS, SHOT_COUNT, RATE, SIZE = 4, 10, 24, (1280, 720)


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU-seconds that a piece of work takes, all threads of this process together."""
    before = time.process_time()
    work()
    return time.process_time() - before


def make_film(path: Path, grain: float) -> Path:
    """A 720p film with known cuts, under grain that moves from frame to frame."""
    soft = path.with_name("soft.mp4")
    numbered_film(soft, [SHOT_SECONDS * RATE] * SHOT_COUNT, first=None, size=SIZE)
    noise = np.random.default_rng(0).normal(0, grain, (SIZE[1] * 2, SIZE[0] * 2))
    noise = noise.round().astype(np.int16)
    places = np.random.default_rng(1).integers(0, SIZE[1], (SHOT_SECONDS * SHOT_COUNT * RATE, 2))
    with video.Writer(path, SIZE, RATE, options={"preset": "medium", "crf": "23"}) as out:
        for frame, (y, x) in zip(video.Reader(soft), places, strict=True):
            packed = frame.picture.to_ndarray()
            light = packed[: SIZE[1]] + noise[y : y + SIZE[1], x : x + SIZE[0]]
            packed[: SIZE[1]] = light.clip(16, 235)
            out.write(packed, frame.time)
    return path


def bare_decode(film: Path) -> int:
    """Decode every frame and throw it away; returns their number."""
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        return sum(1 for _ in container.decode(stream))


def proxy_and_strip(film: Path, folder: Path) -> Iterator[np.ndarray]:
    """The one pass without its lookers-on: the film decoded once, into a proxy and a strip."""
    info = video.probe(film)
    size = video.proxy_size(info.width, info.height)
    proxy = None
    for frame in video.Reader(film, size=size, matrix="bt601"):
        if proxy is None:
            t0 = frame.time
            proxy = stages.proxy_writer(folder, film, info, t0)
        yield video.small_rgb(frame.picture, *cuts.STRIP)
        proxy.write(frame.picture, frame.time - t0)
    proxy.close()


def find_cuts(strip: list[np.ndarray]) -> np.ndarray:
    """Cut detection over a strip."""
    finder = cuts.CutFinder(RATE)
    for frame in strip:
        finder.push(frame)
    return finder.finish()


def find_traces(frames: list[tuple[np.ndarray, float]], strip: list[np.ndarray]) -> tuple:
    """Flow, and the brightness layout of every frame."""
    finder = motion.MotionFinder()
    for light, time_of in frames:
        finder.push(light, time_of)
    for frame in strip:
        channels.trace(frame)
    return finder.finish()


def lumas(film: Path) -> list[tuple[np.ndarray, float]]:
    """Every frame as the one pass shows it to whom measures movement, and its time."""
    info = video.probe(film)
    size = video.proxy_size(info.width, info.height)
    frames = video.Reader(film, size=size, matrix="bt601")
    return [(video.luma(frame.picture).copy(), float(frame.time)) for frame in frames]


def by_channel(pictures: np.ndarray, flow: np.ndarray, moments: int) -> dict[str, float]:
    """CPU-seconds that each channel takes for a film: three pictures a moment, faces in one."""
    encoder, middles = load_encoder(), pictures[1::3]
    found: dict[str, float] = {}
    found["subject"] = cpu_seconds(lambda: found.update(seen=encoder.encode(pictures)))
    features = found.pop("seen")
    found["composition"] = cpu_seconds(lambda: channels.composition(features, pictures))
    found["colour"] = cpu_seconds(lambda: channels.colour(pictures))
    faces = []
    found["faces, framing"] = cpu_seconds(
        lambda: faces.extend(find_faces(picture) for picture in middles)
    )
    found["faces, framing"] += cpu_seconds(lambda: scale_of(features.pooled[1::3], faces))
    parts = np.array_split(flow, moments)
    found["motion"] = cpu_seconds(
        lambda: [(channels.motion([part]), motion.movement(part)) for part in parts]
    )
    return found


def run_ingest(film: Path, workspace: Workspace) -> None:
    """Make the parts of a film that do not stand yet."""
    problems = stages.ingest_film(film, "film", workspace.root, stages.IngestSettings()).problems
    if problems:
        raise SystemExit(problems[0][2])


def warm_up() -> None:
    """Load both networks and let them choose their kernels."""
    cuts.look(np.zeros((100, *cuts.STRIP[::-1], 3), np.uint8))
    channels.see(np.zeros((16, 360, 640, 3), np.uint8), load_encoder())
    find_faces(np.zeros((360, 640, 3), np.uint8))


def measure(film: Path, folder: Path) -> dict[str, float]:
    """CPU-seconds of every stage, once."""
    strip: list[np.ndarray] = []
    workspace = Workspace(folder / "workspace")
    seconds = {
        "bare decode": cpu_seconds(lambda: bare_decode(film)),
        "decode + proxy + strip": cpu_seconds(lambda: strip.extend(proxy_and_strip(film, folder))),
        "shots": cpu_seconds(lambda: find_cuts(strip)),
        "whole ingest": cpu_seconds(lambda: run_ingest(film, workspace)),
    }
    # With only the looks missing, an ingest does the looks and nothing else.
    shutil.rmtree(stages.looks_part(workspace, "film", stages.IngestSettings()))
    seconds["channels and traces"] = cpu_seconds(lambda: run_ingest(film, workspace))
    shutil.rmtree(workspace.root)
    frames, traced = lumas(film), []
    seconds["traces"] = cpu_seconds(lambda: traced.extend(find_traces(frames, strip)))
    seconds["channels and traces"] += seconds["traces"]
    moments = max(1, round(frames[-1][1] / (SHOT_SECONDS / 2)))
    places = np.linspace(0, len(frames) - 1, 3 * moments).astype(int)
    proxy = folder / "proxy.mp4"
    pictures = video.proxy_frames(proxy, places)
    return seconds | by_channel(pictures, traced[1], moments)


def report(frames: int, seconds: dict[str, float]) -> None:
    """Print the table: CPU-seconds, ratio to the bare decode, and the budget."""
    bare = seconds["bare decode"]
    print(f"{'stage':<24}{'CPU-s':>8}{'frames/CPU-s':>14}{'ratio':>8}{'budget':>8}")
    for stage in ["bare decode", *BUDGETS]:
        ratio, budget = seconds[stage] / bare, BUDGETS.get(stage)
        verdict = "" if budget is None else "  met" if ratio <= budget else "  missed"
        print(
            f"{stage:<24}{seconds[stage]:>8.2f}{frames / seconds[stage]:>14.0f}{ratio:>8.2f}"
            f"{budget or '':>8}{verdict}"
        )
    for part in PARTS:
        print(f"  of these {part:<15}{seconds[part]:>8.2f}{'':>14}{seconds[part] / bare:>8.2f}")
    rest = seconds["whole ingest"] - sum(seconds[stage] for stage in list(BUDGETS)[:3])
    print(f"{'(the rest of ingest)':<24}{rest:>8.2f}{'':>14}{rest / bare:>8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("film", nargs="?", type=Path, help="a film; by default one is made")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--grain", type=float, default=4.0, help="of the film made, in grey levels")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        film = args.film or make_film(folder / "film.mp4", args.grain)
        info = video.probe(film)
        with closing(av.open(str(film))) as container:
            kbps = (container.bit_rate or 0) / 1000
        print(f"{info.width} x {info.height} {info.video_codec}, {kbps:.0f} kbit/s")
        warm_up()
        frames = bare_decode(film)
        runs = [measure(film, folder) for _ in range(args.repeats)]
    report(frames, {stage: statistics.median(run[stage] for run in runs) for stage in runs[0]})


if __name__ == "__main__":
    main()
