"""Fit how `lab.framing` reads shot scale, and measure it on what the fit has not seen.

    python benchmarks/fit_framing.py STILLS CLIPS [--work DIR] [--out framing.safetensors]

STILLS holds a folder a scale: extreme_close_up, close_up, medium, long_shot, extreme_long_shot;
people, nearly all of them, from feature films. What stands large or small without a person in it
is learnt from CLIPS, 120 shots that two people labelled (``labels.csv``: each looked at eight
frames of every shot, without knowing of the other, and of the seven scales; medium close-up,
medium shot and medium long shot are one here).

Stills are measured in five folds: fitted on four fifths and all clips, each still also mirrored
and in grey. Clips are measured in six folds over films: no shot of a film is measured by what was
fitted on another of its shots. What is written was fitted on all.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import GroupKFold, StratifiedKFold
from tqdm import tqdm

from lab import framing
from lab.encoders import load_encoder
from lab.faces import find_faces
from lab.films import find_films
from lab.ingest import ingest
from lab.looks import cropped
from lab.store import Workspace
from lab.tables import load_archive, load_frames, proxy_path
from lab.video import Box, shown_at

FOLDERS = ("extreme_close_up", "close_up", "medium", "long_shot", "extreme_long_shot")
FIVE = dict(zip(framing.SCALES, (0, 1, 2, 2, 2, 3, 4), strict=True))
STRENGTH = 5.0  # inverse of the regression's penalty
CLIP = 2.0  # weight of a labelled shot beside a still
LABELS = Path(__file__).with_name("labels.csv")


def seen(pictures: list[np.ndarray]) -> np.ndarray:
    """What scale is read from, of pictures."""
    pooled = np.concatenate([load_encoder().encode(picture[None]).pooled for picture in pictures])
    return framing.measures(pooled, [find_faces(picture) for picture in pictures])


def versions(picture: np.ndarray) -> list[np.ndarray]:
    """A still as it is, mirrored, in grey, and both."""
    grey = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    return [np.ascontiguousarray(p) for p in (picture, picture[:, ::-1], grey, grey[:, ::-1])]


def read_stills(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Measures (n, 4, d), for each version, and scales (n,)."""
    measures, scales = [], []
    for number, name in enumerate(FOLDERS):
        for path in tqdm(sorted((folder / name).iterdir()), desc=name):
            measures.append(seen(versions(np.asarray(Image.open(path).convert("RGB")))))
            scales.append(number)
    return np.array(measures), np.array(scales)


def read_clips(clips: Path, workspace: Workspace, labels: pd.DataFrame) -> np.ndarray:
    """Measures (n, 3, d) of three pictures of each labelled shot."""
    ingest(find_films([clips]), workspace)
    films = load_archive(workspace).films.set_index("path")
    measures = []
    for shot in tqdm(labels.itertuples(), desc="clips", total=len(labels)):
        film = films.loc[str(clips / shot.clip)]
        seconds = shot.start + (shot.end - shot.start) * np.array([1, 3, 5]) / 6
        times = load_frames(workspace, film.film_id)["times"]
        places = shown_at(times, seconds)
        proxy = proxy_path(workspace, film.film_id)
        measures.append(seen(list(cropped(proxy, places, Box(*film["crop"])))))
    return np.array(measures)


def fit(stills, clips) -> LogisticRegression:
    """`stills` and `clips` are pairs of measures (n, versions, d) and scales (n, labels)."""
    rows, scales, weights = [], [], []
    for (measures, known), weight in ((stills, 1.0), (clips, CLIP)):
        for column in known.T:
            rows.append(measures.reshape(-1, measures.shape[-1]))
            scales.append(column.repeat(measures.shape[1]))
            share = weight / measures.shape[1] / known.shape[1]
            weights.append(np.full(len(rows[-1]), share))
    model = LogisticRegression(C=STRENGTH, max_iter=2000)
    return model.fit(*map(np.concatenate, (rows, scales)), sample_weight=np.concatenate(weights))


def report(name: str, found: np.ndarray, scales: np.ndarray) -> None:
    apart = np.abs(found - scales)
    exact, near = (apart == 0).mean(), (apart <= 1).mean()
    print(f"\n{name} ({len(scales)}): exact {exact:.3f}, within one {near:.3f}")
    print(confusion_matrix(scales, found, labels=range(len(FOLDERS))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stills", type=Path)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--work", type=Path, default=Path("data/work/seeing"))
    parser.add_argument("--out", type=Path, default=Path("framing.safetensors"))
    args = parser.parse_args()
    labels = pd.read_csv(LABELS)
    stills, scales = read_stills(args.stills)
    clips = read_clips(args.clips, Workspace(args.work), labels)
    known = labels[["framing_a", "framing_b"]].replace(FIVE).to_numpy(int)
    agreed = known[:, 0] == known[:, 1]
    print(f"the two who labelled agree in {agreed.mean():.3f}")

    found = np.zeros((2, len(scales)), int)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    for learn, test in folds.split(scales, scales):
        model = fit((stills[learn], scales[learn, None]), (clips, known))
        found[:, test] = [model.predict(stills[test, version]) for version in (0, 2)]
    report("stills", found[0], scales)
    report("stills in grey", found[1], scales)

    found = np.zeros(len(clips), int)
    for learn, test in GroupKFold(6).split(clips, groups=labels["clip"]):
        model = fit((stills, scales[:, None]), (clips[learn], known[learn]))
        likely = model.predict_proba(clips[test].reshape(-1, clips.shape[-1]))
        found[test] = likely.reshape(len(test), -1, len(FOLDERS)).mean(axis=1).argmax(axis=1)
    report("clips where both agree", found[agreed], known[agreed, 0])

    model = fit((stills, scales[:, None]), (clips, known))
    weights = {"weight": model.coef_, "bias": model.intercept_}
    save_file({k: np.ascontiguousarray(w, np.float32) for k, w in weights.items()}, args.out)
    print(args.out)


if __name__ == "__main__":
    main()
