"""The scene map: are kinds found, how fast is a map, how fast does it answer in a browser.

    python benchmarks/maps.py STILLS... [--films FOLDER] [--parts kinds speed browser] [--work DIR]

- *kinds*: folders of stills, a folder a kind, as shots of one frame. Nobody tells the map how many
  kinds there are; beside it k-means is told, on the pooled features (what a tutorial would do) and
  on the map's own vectors. Adjusted mutual information, scenes, part in no scene; several seeds.
- *speed*: the vectors of these stills, jittered, as many as asked for; the first map in a process of
  its own against stock umap-learn in another, cold and once more warm; CPU-seconds, and how well
  neighbours are kept (trustworthiness on a sample).
- *browser*: an archive of the films, its shots repeated up to `--shots`, in JupyterLab: from the
  pointer's move to the card, and from a slider's move to the moved map.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from seeing import read_stills
from sklearn.cluster import KMeans
from sklearn.manifold import trustworthiness
from sklearn.metrics import adjusted_mutual_info_score as information
from tqdm import tqdm

from lab import scenes
from lab.channels import Calibration, see, subject, unit
from lab.encoders import packaged

SEEDS = 5
NEAR, SAMPLE = 15, 3000
JITTER = 0.5  # of the deviation of each number among the real vectors


def seen(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The subject vectors of a folder's stills, and their kinds."""
    pictures, labels = read_stills(folder)
    looked = [subject(see(one[None], packaged())) for one in tqdm(pictures, desc=folder.name)]
    return np.concatenate(looked), labels


def kinds(folders: list[Path]) -> None:
    """Print how well kinds are found, in CPU order of nothing: every seed is told."""
    for folder in folders:
        pooled, labels = seen(folder)
        number = len(set(labels))
        ready = Calibration.fit({"subject": pooled}).apply({"subject": pooled})["subject"]
        space = scenes.axes_of(ready)
        told = {}
        for name, vectors in (("pooled", unit(pooled)), ("the map's vectors", ready)):
            found = [
                KMeans(number, n_init=10, random_state=s).fit_predict(vectors) for s in range(3)
            ]
            told[name] = np.mean([information(labels, one) for one in found])
        print(
            f"\n{folder.name}: {len(labels)} stills, {number} kinds; k-means that is told so:", told
        )
        near = scenes.neighbours(space, NEAR)
        for seed in range(SEEDS):
            cluster = scenes.group(space, near, seed)
            noise, count = (cluster < 0).mean(), cluster.max() + 1
            score = information(labels, cluster)
            print(f"  seed {seed}: {score:.3f} with {count} scenes, {noise:.3f} in none")


def jittered(folders: list[Path], count: int) -> np.ndarray:
    """Real vectors, each moved a little: float32 (count, d)."""
    real = np.concatenate([seen(folder)[0] for folder in folders])
    rng = np.random.default_rng(0)
    vectors = real[rng.integers(0, len(real), count)]
    vectors = vectors + rng.normal(0, JITTER, vectors.shape) * real.std(axis=0)
    return unit(vectors - real.mean(axis=0)).astype(np.float32)


def ours(vectors: np.ndarray) -> np.ndarray:
    space = scenes.axes_of(vectors)
    return scenes.lay_out(space, scenes.neighbours(space, NEAR), 0)


def grouped(vectors: np.ndarray) -> np.ndarray:
    space = scenes.axes_of(vectors)
    near = scenes.neighbours(space, NEAR)
    points = scenes.lay_out(space, near, 0)
    scenes.group(space, near, 0)
    return points


def stock(vectors: np.ndarray) -> np.ndarray:
    from umap import UMAP

    return UMAP(metric="cosine", random_state=0).fit_transform(vectors)


MAKERS = {"ours": ours, "ours, and groups": grouped, "stock umap-learn": stock}


def once(name: str, place: str) -> None:
    """In a process of its own: make a map cold, then warm, and say what each took."""
    vectors = np.load(place)
    for state in ("cold", "warm"):
        before, began = sum(os.times()[:2]), time.perf_counter()
        points = MAKERS[name](vectors)
        spent, wall = sum(os.times()[:2]) - before, time.perf_counter() - began
        some = np.random.default_rng(1).choice(len(vectors), min(SAMPLE, len(vectors)), False)
        kept = trustworthiness(vectors[some], points[some], n_neighbors=NEAR, metric="cosine")
        print(json.dumps({"name": name, "state": state, "cpu": spent, "wall": wall, "kept": kept}))


def speed(folders: list[Path], count: int, work: Path) -> None:
    """Print CPU-seconds of a first map, and ratios."""
    work.mkdir(parents=True, exist_ok=True)
    place = work / "vectors.npy"
    np.save(place, jittered(folders, count))
    rows = []
    for name in ("stock umap-learn", "ours", "ours, and groups"):
        words = [sys.executable, __file__, "--once", name, str(place)]
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        rows += [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    peer = {row["state"]: row for row in rows[:2]}
    print(f"\n{count} shots")
    for row in rows:
        ratio = row["cpu"] / peer[row["state"]]["cpu"]
        print(
            f"{row['name']:18} {row['state']}: {row['cpu']:6.1f} CPU-s, {row['wall']:6.1f} s, "
            f"ratio {ratio:.2f}, trustworthiness {row['kept']:.4f}"
        )


def main() -> None:
    if "--once" in sys.argv:
        once(*sys.argv[sys.argv.index("--once") + 1 :])
        return
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stills", nargs="+", type=Path)
    parser.add_argument("--parts", nargs="+", default=["kinds", "speed"])
    parser.add_argument("--shots", type=int, default=10_000)
    parser.add_argument("--work", type=Path, default=Path("data/work/maps"))
    args = parser.parse_args()
    if "kinds" in args.parts:
        kinds(args.stills)
    if "speed" in args.parts:
        speed(args.stills, args.shots, args.work)


if __name__ == "__main__":
    main()
