"""Fit how `lab.framing` reads shot scale, and measure it on stills that the fit has not seen.

    python benchmarks/fit_framing.py STILLS [--out framing.safetensors]

STILLS holds a folder a scale: extreme_close_up, close_up, medium, long_shot, extreme_long_shot.
Five folds, four times over: fitted on four fifths, each still also mirrored and in grey; measured
on the last fifth as it is. What is written was fitted on all.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import RepeatedStratifiedKFold
from tqdm import tqdm

from lab import framing
from lab.encoders import load_encoder
from lab.faces import find_faces

FOLDERS = ("extreme_close_up", "close_up", "medium", "long_shot", "extreme_long_shot")
STRENGTH = 2.0  # inverse of the regression's penalty


def seen(pictures: list[np.ndarray]) -> np.ndarray:
    """What scale is read from, of pictures."""
    pooled = np.concatenate([load_encoder().encode(picture[None]).pooled for picture in pictures])
    return framing.measures(pooled, [find_faces(picture) for picture in pictures])


def versions(picture: np.ndarray) -> list[np.ndarray]:
    """A still as it is, mirrored, in grey, and both."""
    grey = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    return [np.ascontiguousarray(p) for p in (picture, picture[:, ::-1], grey, grey[:, ::-1])]


def fit(measures: np.ndarray, scales: np.ndarray) -> LogisticRegression:
    """`measures` (n, versions, d) and scales (n,)."""
    rows = measures.reshape(-1, measures.shape[-1])
    return LogisticRegression(C=STRENGTH, max_iter=2000).fit(rows, scales.repeat(measures.shape[1]))


def report(found: np.ndarray, scales: np.ndarray, name: str) -> None:
    apart = np.abs(found - scales)
    print(f"\n{name}: exact {(apart == 0).mean():.3f}, within one {(apart <= 1).mean():.3f}")
    print(confusion_matrix(scales, found, normalize="true").round(2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stills", type=Path)
    parser.add_argument("--out", type=Path, default=Path("framing.safetensors"))
    args = parser.parse_args()
    measures, scales = [], []
    for number, folder in enumerate(FOLDERS):
        for path in tqdm(sorted((args.stills / folder).iterdir()), desc=folder):
            measures.append(seen(versions(np.asarray(Image.open(path).convert("RGB")))))
            scales.append(number)
    measures, scales = np.array(measures), np.array(scales)
    found = {"colour": [], "grey": []}
    truth = []
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=4, random_state=0)
    for learn, test in tqdm(folds.split(scales, scales), total=20, desc="folds"):
        model = fit(measures[learn], scales[learn])
        truth.append(scales[test])
        for name, version in (("colour", 0), ("grey", 2)):
            found[name].append(model.predict(measures[test, version]))
    for name, guesses in found.items():
        report(np.concatenate(guesses), np.concatenate(truth), name)
    model = fit(measures, scales)
    weights = {"weight": model.coef_, "bias": model.intercept_}
    save_file({k: np.ascontiguousarray(w, np.float32) for k, w in weights.items()}, args.out)
    print(args.out)


if __name__ == "__main__":
    main()
