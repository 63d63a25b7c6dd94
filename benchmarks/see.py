"""Learning to see: how fast the generator is, and how much what it sees looks like its kind.

    python benchmarks/see.py speed [--threads 2]
    python benchmarks/see.py quality MODEL --held FOLDER --learnt FOLDER --kinds FOLDER --kind NAME
        [--sheet FILE.png]
    python benchmarks/see.py answer CLIP --work DIR [--shots 100000] [--threads 1]

- *speed*: frames a second at 128, 256 and 512 pixels, of the network alone and of a whole step
  from uint8 frame (720p) to uint8 image; beside the generator of pix2pix, the U-Net with which
  the original was made (54 million parameters, untrained), both in turn in one process. CPU
  seconds and seconds.
- *quality*: on images held out, how far what is seen is from what there is, in the features of
  EfficientNet-Lite2 (`judge.py`): beside the blurred input, and the nearest of the images learnt
  from (by the judge's features of the blurred input: what retrieval would show). Then on images of
  other kinds (a folder of folders): the part that the judge's ten nearest real images, sources
  left out, call the trained kind; before, and as it is seen. ``--sheet`` draws them. Flicker is
  of one held-out picture with noise that changes.
- *answer*: a clip before the camera, 640 x 360 and 15 frames a second, answered by an archive's
  shots, and by so many made of them by jitter: CPU milliseconds of a whole step, from frame to
  image of 256 pixels, and of those in which an answer begins; frames a second. Recall is the part
  of frames, one a second, for which the nearest moment that is found is the nearest of all,
  compared exactly; lost, how much score that costs at most.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from judge import apart, called, discrepancy, judged
from PIL import Image
from torch import nn

from lab.search import open_archive
from lab.see import (
    Answering,
    AnswerState,
    Archive,
    Looking,
    State,
    answer,
    load_model,
    read_folder,
    step,
)
from lab.see.degrade import Recipe, dimmed, grey, middle
from lab.see.looking import Model
from lab.see.networks import Generator
from lab.store import Workspace
from lab.tables import Archive as Ingested
from lab.video import Reader

SIZES = (128, 256, 512)
NOISE = 8.0  # of a camera indoors, standard deviation, of 255
OTHERS = 20  # images of each other kind
CAMERA, RATE = (640, 360), 15  # pixels, and frames a second, of a camera
JITTER = 0.3  # length of what is added to a vector, in parts of its own


class Pix2pix(nn.Module):
    """The U-Net of pix2pix (Isola et al. 2017, https://arxiv.org/abs/1611.07004), for 256 x 256.

    Encoder C64-C128-C256-C512-C512-C512-C512-C512, decoder CD512-CD512-CD512-C512-C256-C128-C64,
    skips between mirrored layers, convolutions of 4 x 4 and stride 2, batch normalisation but in
    the first and innermost layer; three channels in and out. Other sizes need multiples of 256.
    """

    def __init__(self):
        super().__init__()
        wide = [64, 128, 256, 512, 512, 512, 512, 512]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for number, (one, two) in enumerate(zip([3, *wide[:-1]], wide, strict=True)):
            steps = [nn.LeakyReLU(0.2)] if number else []
            steps.append(nn.Conv2d(one, two, 4, 2, 1, bias=number in (0, 7)))
            steps += [nn.BatchNorm2d(two)] if 0 < number < 7 else []
            self.down.append(nn.Sequential(*steps))
        for number in range(7, -1, -1):
            one = wide[number] * (1 if number == 7 else 2)
            two = wide[number - 1] if number else 3
            steps = [nn.ReLU(), nn.ConvTranspose2d(one, two, 4, 2, 1, bias=not number)]
            steps += [nn.BatchNorm2d(two)] if number else [nn.Tanh()]
            self.up.append(nn.Sequential(*steps))

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        x, kept = given.expand(-1, 3, -1, -1) * 2 - 1, []
        for layer in self.down:
            x = layer(x)
            kept.append(x)
        kept.pop()
        for layer in self.up:
            x = layer(x)
            x = torch.cat([x, kept.pop()], dim=1) if kept else x
        return x / 2 + 0.5


def timed(work, least: float = 2.0) -> tuple[float, float]:
    """Runs a second, and CPU-seconds of one, of `work()` over at least so many seconds."""
    for _ in range(2):
        work()
    runs, begun, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - begun < least:
        work()
        runs += 1
    return runs / (time.perf_counter() - begun), (time.process_time() - cpu) / runs


def speed(threads: int) -> pd.DataFrame:
    """Frames a second of both networks, alone and end to end."""
    torch.set_num_threads(threads)
    networks, rows = {"ours": Generator(), "pix2pix": Pix2pix()}, []
    frame = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)
    for name, network in networks.items():
        network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        count = sum(weight.numel() for weight in network.parameters()) / 1e6
        print(f"{name}: {count:.1f} million parameters")
    for size in SIZES:
        given = torch.rand(1, 1, size, size)
        for name, network in networks.items():
            if name == "pix2pix" and size < 256:  # its innermost layer would be less than a pixel
                continue
            with torch.inference_mode():
                alone = timed(lambda network=network, given=given: network(given))
            model = Model(network, Recipe(), {}, torch.device("cpu"))
            whole = timed(_steps(frame, State(model, Looking(size=size, square=True))))
            rows.append((size, name, alone[0], alone[1] * 1e3, whole[0], whole[1] * 1e3))
    columns = ["size", "network", "alone, 1/s", "CPU ms", "end to end, 1/s", "CPU ms, all"]
    return pd.DataFrame(rows, columns=columns)


def _steps(frame, state):
    """A function that looks at a frame again and again, as a camera would."""

    def once():
        nonlocal state
        _, state = step(frame, state)

    return once


def quality(model: Model, size: int, held: Path, learnt: Path) -> tuple[pd.DataFrame, list]:
    """How far what is seen is from what there is; and the pictures."""
    targets = np.stack([middle(one, size) for one in read_folder(held, size).pictures])
    known = np.stack([middle(one, size) for one in read_folder(learnt, size).pictures])
    given = [dimmed(grey(one), model.recipe) for one in targets]
    blurred, seen = _bytes(given), _bytes([model.see(one) for one in given])
    truth, shown, gallery = judged(targets), judged(blurred), judged(known)
    blurred_known = judged(_bytes([dimmed(grey(one), model.recipe) for one in known]))
    nearest = (shown @ blurred_known.T).argmax(axis=1)
    rows = {"blurred input": shown, "nearest learnt": gallery[nearest], "seen": judged(seen)}
    table = pd.DataFrame(
        {name: (apart(v, truth), discrepancy(v, truth)) for name, v in rows.items()},
        index=["distance", "discrepancy"],
    ).T
    table["of the blurred"] = table.distance / table.distance["blurred input"]
    return table, [blurred, known[nearest], seen, targets]


def strangers(model: Model, size: int, folder: Path, kind: str, held: Path):
    """What images of other kinds are called as they are, and as they are seen; and the pictures."""
    gallery, kinds, others, blurred, of = [], [], [], [], []
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        pictures = [middle(one, size) for one in read_folder(place, size).pictures]
        taken = [] if place.name == kind else pictures[:: len(pictures) // OTHERS][:OTHERS]
        others += taken
        of += [place.name] * len(taken)
        rest = [one for one in pictures if not any(one is other for other in taken)]
        gallery += rest
        kinds += [place.name] * len(rest)
    given = [dimmed(grey(one), model.recipe) for one in others]
    blurred, seen = _bytes(given), _bytes([model.see(one) for one in given])
    known, kinds, of = judged(np.stack(gallery)), np.array(kinds), np.array(of)
    rows = {
        name: called(judged(pictures), known, kinds) == kind
        for name, pictures in (("are", np.stack(others)), ("blurred", blurred), ("seen", seen))
    }
    table = pd.DataFrame(rows).groupby(of).mean()
    table.loc["all"] = pd.DataFrame(rows).mean()
    return table, [np.stack(others), blurred, seen]


def flicker(model: Model, size: int, picture: np.ndarray) -> pd.Series:
    """Mean change from frame to frame, 0 to 255, where a picture stands still in camera noise."""
    rng, found = np.random.default_rng(0), {}
    clip = [picture + rng.normal(0, NOISE, picture.shape) for _ in range(24)]
    clip = [frame.clip(0, 255).astype(np.uint8) for frame in clip]
    found["camera"] = clip
    for name, settings in (
        ("seen, no blending", Looking(size=size, before=0, after=0)),
        ("seen, as by default", Looking(size=size)),
    ):
        state, found[name] = State(model, settings), []
        for frame in clip:
            image, state = step(frame, state)
            found[name].append(image)
    return pd.Series(
        {name: np.abs(np.diff(np.float32(one[4:]), axis=0)).mean() for name, one in found.items()}
    )


def answering(clip: Path, work: Path, shots: int) -> pd.DataFrame:
    """What a step of answering takes, for an archive and for one made of it by jitter."""
    workspace, frames, rows = Workspace(work), _camera(clip), []
    own = open_archive(workspace)
    for seen in (own, _multiplied(own, shots)):
        archive = Archive.of(seen, workspace)
        for grid in (False, True):
            state, costs, found = AnswerState(archive, Answering(grid=grid)), [], []
            for number, frame in enumerate(frames):
                before, begun = state.cells, (time.process_time(), time.perf_counter())
                _, state = answer(frame, number / RATE, state)
                cost = time.process_time() - begun[0], time.perf_counter() - begun[1]
                costs.append((*cost, state.cells != before))
                if number % RATE == 0:
                    found.append(_lost(state))
            # The first loads what the rest has.
            (cpu, wall, new), lost = np.array(costs[1:]).T, np.array(found)
            row = len(archive.shots), "nine" if grid else "one", 1e3 * cpu.mean()
            row += 1e3 * np.percentile(cpu, 95), 1e3 * cpu[new > 0].mean(), 1e3 * cpu.max()
            rows.append((*row, 1 / wall.mean(), np.mean(lost == 0), lost.max()))
    columns = ["shots", "answers", "CPU ms", "95 %", "begins", "most", "1/s", "recall", "lost"]
    return pd.DataFrame(rows, columns=columns)


def _camera(clip: Path) -> list[np.ndarray]:
    """A clip's frames as a camera would give them."""
    frames, due = [], 0.0
    for frame in Reader(clip, size=CAMERA, pixels="rgb24"):
        if float(frame.time) >= due:
            frames.append(frame.picture.to_ndarray())
            due += 1 / RATE
    return frames


def _multiplied(own: Ingested, count: int) -> Ingested:
    """So many shots, made of those there are: what is seen in each copy differs a little."""
    times, rng = -(-count // len(own.shots)), np.random.default_rng(0)
    tables = {}
    for name in ("shots", "moments"):
        table = pd.concat([getattr(own, name)] * times, ignore_index=True)
        copy = np.repeat(np.arange(times), len(getattr(own, name))).astype(str)
        tables[name] = table.assign(shot_id=table.shot_id + "-" + copy)
    vectors = {}
    for name, raw in own.vectors.items():
        noise = rng.standard_normal((times, *raw.shape), np.float32)
        noise *= JITTER * np.linalg.norm(raw, axis=1, keepdims=True) / raw.shape[1] ** 0.5
        vectors[name] = (raw + noise).reshape(-1, raw.shape[1])
    return replace(own, **tables, vectors=vectors)


def _lost(state: AnswerState) -> float:
    """Score that the nearest shot found has less than the nearest there is."""
    archive = state.archive
    shares = state.shares
    found = archive.nearest(state.seen, shares)[1].max()
    every = sum(archive.vectors[name] @ (shares[name] * one) for name, one in state.seen.items())
    lost = every.max() - found
    return float(lost) if lost > 1e-5 else 0.0


def _bytes(pictures) -> np.ndarray:
    """Pictures or light, 0 to 1, as uint8 (n, h, w, 3)."""
    stack = np.stack(pictures)
    stack = stack if stack.ndim == 4 else np.repeat(stack[..., None], 3, axis=3)
    return (stack * 255 + 0.5).astype(np.uint8)


def sheet(path: Path, *groups) -> None:
    """Groups of rows of pictures under one another, twelve of each at most, evenly taken."""
    lines = []
    for rows in groups:
        some = np.linspace(0, len(rows[0]) - 1, min(12, len(rows[0]))).astype(int)
        lines += [np.concatenate(list(row[some]), axis=1) for row in rows]
    widest = max(line.shape[1] for line in lines)
    lines = [np.pad(one, ((0, 0), (0, widest - one.shape[1]), (0, 0))) for one in lines]
    Image.fromarray(np.concatenate(lines)).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = parser.add_subparsers(dest="part", required=True)
    one = parts.add_parser("speed")
    one.add_argument("--threads", type=int, default=2)
    one = parts.add_parser("quality")
    one.add_argument("model", type=Path)
    for name in ("held", "learnt", "kinds"):
        one.add_argument(f"--{name}", type=Path, required=True)
    one.add_argument("--kind", required=True)
    one.add_argument("--sheet", type=Path)
    one = parts.add_parser("answer")
    one.add_argument("clip", type=Path)
    one.add_argument("--work", type=Path, required=True)
    one.add_argument("--shots", type=int, default=100_000)
    one.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    pd.set_option("display.width", 200)
    if args.part == "speed":
        print(speed(args.threads).round(1).to_string(index=False))
        return
    if args.part == "answer":
        torch.set_num_threads(args.threads)
        cv2.setNumThreads(args.threads)
        table = answering(args.clip, args.work, args.shots)
        print(table.round({"recall": 3, "lost": 4}).round(1).to_string(index=False))
        return
    model = load_model(args.model)
    size = model.card["settings"]["size"]
    print(f"{args.model}: {model.card['steps']} steps, {model.card['minutes']} minutes")
    own, pictures = quality(model, size, args.held, args.learnt)
    print(own.round(4).to_string())
    print(f"\nflicker\n{flicker(model, size, pictures[-1][0]).round(2).to_string()}")
    other, strange = strangers(model, size, args.kinds, args.kind, args.held)
    print(f"\npart called {args.kind}\n{other.round(2).to_string()}")
    if args.sheet:
        sheet(args.sheet, pictures, strange)


if __name__ == "__main__":
    main()
