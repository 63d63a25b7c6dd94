"""What each channel finds by itself: sheets to be looked at, and how much each has to say.

    python benchmarks/neighbours.py FILMS [--work DIR] [--out DIR] [--seed 0]

A sheet a channel (``neighbours-motion.png``): ten shots, one a film, each with the eight shots
of other films that the channel alone finds most like it. Printed is each channel's part of the
variance of scores among the best hundred answers, all sliders being equal.
"""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from plain import is_useful

from lab.channels import CHANNELS, Calibration
from lab.films import find_films
from lab.ingest import ingest
from lab.likeness import Likeness, only
from lab.sheets import Cell, draw_sheet
from lab.store import Workspace
from lab.tables import Archive, load_archive, thumbnail_path

ROWS, ANSWERS, BEST = 10, 8, 100
PANEL = (160, 120)  # pixels of a picture


def sheet(workspace: Workspace, archive: Archive, queries, score: np.ndarray) -> bytes:
    """Queries, each with its best answers, as a PNG."""
    shots, cells = archive.shots, []

    @cache
    def picture(at: int) -> Image.Image:
        shot = shots.iloc[at]
        image = Image.open(thumbnail_path(workspace, shot.film_id, shot["index"]))
        image.thumbnail(PANEL)
        return image

    for at in queries:
        best = np.argsort(-score[at])[:ANSWERS]
        words = [shots[word][at] for word in ("framing", "camera", "light", "pace")]
        told = "   ".join(f"{score[at, other]:.2f}" for other in best)
        pictures = [picture(int(at)), None, *(picture(int(other)) for other in best)]
        cells.append(Cell(pictures, ", ".join(filter(None, words)), f"scores {told}"))
    return draw_sheet(cells, PANEL, 1)


def shares(score: dict[str, np.ndarray], forbidden: np.ndarray) -> pd.Series:
    """Each channel's part of the variance among the best hundred answers, sliders equal."""
    together = np.where(forbidden, -np.inf, sum(score.values()))
    variance = dict.fromkeys(score, 0.0)
    for row, order in enumerate(np.argsort(-together, axis=1)[:, :BEST]):
        for name, scores in score.items():
            variance[name] += scores[row, order].var()
    return pd.Series(variance) / sum(variance.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("films", nargs="+", type=Path)
    parser.add_argument("--work", type=Path, default=Path("data/work/seeing"))
    parser.add_argument("--out", type=Path, default=Path("data/out/looks"))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    workspace = Workspace(args.work)
    ingest(find_films(args.films), workspace)
    archive = load_archive(workspace)
    likeness = Likeness.between(archive, archive, Calibration.fit(archive.vectors))
    score = {name: likeness.shots(only(**{name: 1}))[0] for name in CHANNELS}
    film, useful = archive.shots.film_id.to_numpy(), is_useful(archive.shots)
    forbidden = (film[:, None] == film[None]) | ~useful[None]
    print(shares(score, forbidden).round(3).to_string())
    order = np.random.default_rng(args.seed).permutation(np.flatnonzero(useful))
    _, firsts = np.unique(film[order], return_index=True)
    queries = order[np.sort(firsts)][:ROWS]
    args.out.mkdir(parents=True, exist_ok=True)
    for name, scores in score.items():
        allowed = np.where(forbidden, -1.0, scores)
        (args.out / f"neighbours-{name}.png").write_bytes(
            sheet(workspace, archive, queries, allowed)
        )
    print(args.out)


if __name__ == "__main__":
    main()
