"""Fit what `lab.change` knows of sharp and slow change, on films composed of a folder's clips.

    python benchmarks/fit_cuts.py CLIPS [--stills FOLDER] [--half] [--out cuts.safetensors]

With ``--half`` every other clip is left out, so that `benchmarks/shots.py --half` can measure on
clips that the weights never saw. The weights that ship are fitted on all.
"""

from __future__ import annotations

import argparse
import multiprocessing
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from composed import compose, draw_stills, read_stills, read_takes
from safetensors.numpy import save_file
from tqdm import tqdm, trange

from lab.change import lit, sharp_change, slow_change, small
from lab.shots import Transition

LAYERS = {"sharp": (32, 16), "slow": (96, 48)}
CLOSE = 2  # frames beside a cut that are neither right nor wrong
GRADUAL = 5  # frames that a transition takes at least to be called slow


def labels(count: int, transitions: list[Transition]) -> tuple[np.ndarray, np.ndarray]:
    """What each frame should be found to be: sharp and slow, 1, 0 or -1 for either."""
    sharp, slow = np.zeros((2, count), np.int8)
    for begin, kind, first, last in transitions:
        length = last - first + 1
        if kind in ("cut", "blend"):
            sharp[max(0, begin - CLOSE) : begin + CLOSE + 1] = -1
            sharp[begin] = 1
        if length >= GRADUAL:
            edge = 1 + length // 16
            slow[max(0, first - 1) : last + 2] = -1
            slow[first + edge : last + 1 - edge] = 1
            if kind != "dissolve" or length < 10:
                sharp[max(0, first - 1) : last + 2] = -1
    return sharp, slow


def shrunk(frames: np.ndarray) -> np.ndarray:
    """Frames of 96 x 54 as the strip of 48 x 27 that the detectors see."""
    halves = frames.reshape(len(frames), 27, 2, 48, 2, 3).astype(np.float32).mean((2, 4))
    return np.round(halves).astype(np.uint8)


def gather(takes, stills, films: int, seed: int, jobs: int) -> dict[str, list[tuple]]:
    """Measures and labels of many composed films."""
    found: dict[str, list[tuple]] = {"sharp": [], "slow": []}
    work = partial(_measured, takes, stills, seed)
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        for both in tqdm(pool.imap(work, range(films)), total=films, desc="films"):
            for name, part in zip(found, both, strict=True):
                found[name].append(part)
    return found


def _measured(takes, stills, seed: int, number: int) -> list[tuple]:
    rng = np.random.default_rng((seed, number))
    # A third of the films is plain, as most films are.
    tricks = float(rng.choice([0.2, 1.0], p=[0.35, 0.65]))
    some = [name for name in stills if name.startswith("drawn") == (rng.random() < 0.5)]
    chosen = {k: stills[k] for k in rng.permutation(some)[:25]} if rng.random() < 0.4 else {}
    film, transitions = compose({**takes, **chosen}, rng, tricks=tricks)
    frames = lit(small(shrunk(film)))
    measures = sharp_change(frames), slow_change(frames)
    return [
        (measure[label >= 0], label[label >= 0])
        for measure, label in zip(measures, labels(len(film), transitions), strict=True)
    ]


def fit(name: str, parts: list[tuple], epochs: int) -> dict[str, np.ndarray]:
    """Weights of one perceptron."""
    torch.manual_seed(0)
    x, y = (np.concatenate(list(part)) for part in zip(*parts, strict=True))
    centre, scale = x.mean(axis=0), x.std(axis=0) + 1e-6
    data = torch.tanh(torch.from_numpy((x - centre) / scale) / 2)
    truth = torch.from_numpy(y.astype(np.float32))
    sizes = (x.shape[1], *LAYERS[name], 1)
    layers = [torch.nn.Linear(a, b) for a, b in pairwise(sizes)]
    net = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
    steps = epochs * (len(data) // 1024)
    optimiser = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    bar = trange(steps, desc=name)
    for step in bar:
        pick = torch.randint(len(data), (1024,))
        out = net(data[pick])[:, 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(out, truth[pick])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 500 == 0:
            bar.set_postfix(loss=f"{loss.item():.4f}")
    weights = {"centre": centre, "scale": scale}
    for number, layer in enumerate(layers):
        weights[f"weight{number}"] = layer.weight.detach().numpy()
        weights[f"bias{number}"] = layer.bias.detach().numpy()
    return {f"{name}.{key}": np.ascontiguousarray(w, np.float32) for key, w in weights.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--stills", type=Path, help="pictures over which a camera is moved")
    parser.add_argument("--half", action="store_true", help="leave every other clip out")
    parser.add_argument("--films", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2, help="films made at once")
    parser.add_argument("--cache", type=Path, default=Path("data/work/takes"))
    parser.add_argument("--out", type=Path, default=Path("cuts.safetensors"))
    args = parser.parse_args()
    takes = read_takes(args.clips, cache=args.cache)
    takes = {name: takes[name] for name in sorted(takes)[:: 2 if args.half else 1]}
    stills = read_stills(args.stills) if args.stills else {}
    stills |= draw_stills(np.random.default_rng(3))
    print(f"{len(takes)} clips, {sum(len(t) for t in takes.values())} takes, {len(stills)} stills")
    found = gather(takes, stills, args.films, 1, args.jobs)
    weights = {}
    for name in found:
        weights |= fit(name, found[name], args.epochs)
    save_file(weights, args.out)
    print(args.out)


if __name__ == "__main__":
    main()
