"""How well shots are seen: doubles found again, kinds told apart, film language kept, the eye.

    python benchmarks/seeing.py CLIPS --parts doubles classes language eye
        [--stills SET ...] [--categories FILE.tsv] [--work DIR]
    python benchmarks/seeing.py --parts votes --key KEY.csv --votes ONE.csv TWO.csv

Every channel that there is gets a column, beside all of them together at the default weights and
beside what is seen plainly. Parts:

- *doubles*: a stretch of film, changed in one way, is looked for among its neighbours and all
  other clips (`doubles.py` says how); baselines are the packaged encoder's pooled features of the
  middle frame, and of the best of ten, a colour histogram, dHash and pHash;
- *classes*: folders of labelled stills: leave-one-out accuracy of ten neighbours, mean average
  precision, purity of as many clusters (k-means) as there are classes. Baseline: the encoder's
  pooled features, raw; ours are calibrated on the set. ``--encoder`` names other encoders;
- *language*: how often a shot and its best answer from another film agree in what the shots table
  says of film language, and in an upstream category (a TSV of `file` and `category`). Only shots
  that have a word take part. Baseline: pooled features of the middle frame, cosine. Chance is the
  expected agreement with a random useful shot of a random other film;
- *eye*: pictures to be judged blind: query, our first answer as an edit would show it, and the
  baseline's; which is A is in ``key.csv``. Both leave out the query's own film, useless shots and
  shots of less than half its length. Where both give the same answer the query is skipped;
- *votes*: what judges said (CSV: `pair` and `vote`, which is A, B or same).
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace
from functools import lru_cache, partial
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from doubles import doubles, our_scores
from PIL import Image, ImageDraw, ImageFont
from plain import is_useful, plain_looks, plain_scores, read_pictures
from scipy.stats import binomtest
from sklearn.cluster import KMeans
from sklearn.metrics import average_precision_score, cohen_kappa_score
from tqdm import tqdm

from lab import channels
from lab.channels import Calibration, unit
from lab.encoders import PACKAGED, load_encoder
from lab.films import find_films
from lab.ingest import ingest
from lab.likeness import Likeness, Weights
from lab.looks import still_framing
from lab.match import match
from lab.rules import MatchError, MatchSettings
from lab.store import Workspace
from lab.tables import Archive, load_archive, load_frames

LANGUAGE = ("framing", "camera", "light", "faces", "pace")  # columns of the shots table, if there
NEIGHBOURS = 10
BASELINE = "pooled, middle frame"
FRAME = (320, 240)  # size of a frame on a sheet, at most
PARTS = ("doubles", "classes", "language", "eye")


def show(title: str, table: pd.DataFrame, digits: int = 3) -> None:
    """Print a table under its title."""
    print(f"\n{title}\n{table.to_string(float_format=lambda v: f'{v:.{digits}f}')}", flush=True)


def read_stills(folder: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Pictures of a folder of which every folder is a class, and their classes."""
    paths = sorted(p for p in folder.glob("*/*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    pictures = [np.array(Image.open(path).convert("RGB")) for path in paths]
    return pictures, np.array([path.parent.name for path in paths])


def classes(folder: Path, encoder: str, seed: int) -> pd.DataFrame:
    """How well a folder's classes are told apart.

    Parameters
    ----------
    folder : Path
        Holds a folder a class.
    encoder : str
    seed : int
        For k-means.

    Returns
    -------
    DataFrame
        A row a channel, those together, and the baseline; ``10-NN``, ``mAP``, ``purity``.
    """
    pictures, labels = read_stills(folder)
    parts, pooled = [], []
    for picture in tqdm(pictures, desc=folder.name):
        looking = load_encoder(encoder)
        still = picture[None].repeat(looking.frames, axis=0)  # a clip of itself
        features = channels.see(still, looking)
        seen = channels.describe(still, features) | {"framing": still_framing(still[:1])}
        parts.append({name: vectors[:1] for name, vectors in seen.items()})
        pooled.append(features.pooled[:1])
    raw = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    ready = Calibration.fit(raw).apply(raw)
    shares = {name: share for name, share in Weights().shares().items() if name in ready}
    together = np.concatenate([ready[n] * share**0.5 for n, share in shares.items()], axis=1)
    rows = {"pooled, raw": unit(np.concatenate(pooled)), **ready, "together": together}
    return pd.DataFrame({name: told_apart(v, labels, seed) for name, v in rows.items()}).T


def told_apart(vectors: np.ndarray, labels: np.ndarray, seed: int) -> dict[str, float]:
    """How well vectors (n, d) tell labels (n,) apart, by their dot products."""
    kinds, kind = np.unique(labels, return_inverse=True)
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    near = np.argsort(-scores, axis=1, kind="stable")[:, :NEIGHBOURS]
    counts = np.zeros((len(labels), len(kinds)))
    np.add.at(counts, (np.arange(len(labels))[:, None], kind[near]), 1)
    first = np.argmax(kind[near][:, :, None] == np.arange(len(kinds)), axis=1)
    told = (counts - 0.01 * first).argmax(axis=1)  # of as many votes each, the nearer
    others = ~np.eye(len(labels), dtype=bool)
    precision = [
        average_precision_score(kind[other] == k, row[other])
        for row, k, other in zip(scores, kind, others, strict=True)
    ]
    cluster = KMeans(len(kinds), n_init=10, random_state=seed).fit_predict(vectors)
    table = pd.crosstab(cluster, kind).to_numpy()
    return {
        "10-NN": float((told == kind).mean()),
        "mAP": float(np.mean(precision)),
        "purity": table.max(axis=1).sum() / len(labels),
    }


def all_scores(workspace: Workspace, archive: Archive, cache: Path) -> dict[str, np.ndarray]:
    """Every shot against every shot: ours together, by channel, and the baseline."""
    calibration = Calibration.fit(archive.vectors)
    scores = our_scores(Likeness.between(archive, archive, calibration))
    looks = plain_looks(workspace, archive, cache)
    return scores | {BASELINE: plain_scores(looks, looks)[BASELINE]}


def words_of(shots: pd.DataFrame, column: str) -> np.ndarray:
    """A column as words, empty where nothing is said; many numbers become three steps."""
    values = shots[column]
    if pd.api.types.is_float_dtype(values) and values.nunique() > 6:
        values = pd.qcut(values, 3, labels=["low", "middle", "high"], duplicates="drop")
    words = values.astype(object).where(values.notna(), "").astype(str)
    return words.str.strip().to_numpy(str)


def language(
    workspace: Workspace, archive: Archive, categories: Path | None, cache: Path
) -> pd.DataFrame:
    """How often answers keep the query's film language and category.

    Parameters
    ----------
    workspace : Workspace
    archive : Archive
    categories : Path, optional
        TSV with the columns `file` (name of a film) and `category`.
    cache : Path

    Returns
    -------
    DataFrame
        A row a method, and chance; a column a column of the shots table, with the number of
        queries.
    """
    shots, films = archive.shots, archive.films.set_index("film_id")
    said = {name: words_of(shots, name) for name in LANGUAGE if name in shots}
    if categories:
        known = pd.read_csv(categories, sep="\t").set_index("file").category
        names = shots.film_id.map(films.path).map(lambda path: Path(path).name)
        said["category"] = names.map(known).fillna("").to_numpy(str)
    useful, scores = is_useful(shots), all_scores(workspace, archive, cache)
    found = {}
    for name, words in said.items():
        usable = useful & (words != "")
        words, film = words[usable], shots.film_id.to_numpy()[usable]
        other = film[:, None] != film[None]
        same = words[:, None] == words[None]
        column = {}
        for method, score in scores.items():
            best = np.where(other, score[np.ix_(usable, usable)], -np.inf).argmax(axis=1)
            column[method] = same[np.arange(len(best)), best].mean()
        found[f"{name} (n = {len(words)})"] = {**column, "chance": chance(same, film)}
    return pd.DataFrame(found)


def chance(same: np.ndarray, film: np.ndarray) -> float:
    """Expected agreement with a random shot of a random other film."""
    names = np.unique(film)
    shares = np.stack([same[:, film == name].mean(axis=1) for name in names], axis=1)
    others = film[:, None] != names[None]
    return float(((shares * others).sum(axis=1) / others.sum(axis=1)).mean())


class Shown(NamedTuple):
    """A stretch of a shot, as it would be seen: row of the shots table, seconds."""

    row: int
    start: float
    end: float


def first_answer(archive: Archive, at: int, frames, calibration: Calibration) -> Shown | None:
    """What an edit would show for a shot if it were a trailer's only one; None for nothing."""
    shot = archive.shots.iloc[[at]]
    inside = (archive.moments.shot_id == shot.shot_id.iloc[0]).to_numpy()
    moments = archive.moments[inside].reset_index(drop=True)
    vectors = {name: array[inside] for name, array in archive.vectors.items()}
    trailer = replace(archive, shots=shot.reset_index(drop=True), moments=moments, vectors=vectors)
    try:
        edit, _ = match(trailer, archive, frames, calibration=calibration)
    except MatchError:
        return None
    answer = edit.iloc[0]
    row = int(np.flatnonzero(archive.shots.shot_id == answer.match_id)[0])
    return Shown(row, answer.in_match, answer.out_match)


def plain_answer(archive: Archive, at: int, score: np.ndarray) -> Shown | None:
    """The shot most like the query by `score`, around its middle; None where none may answer."""
    shots = archive.shots
    length = (shots.clean_end - shots.clean_start).to_numpy()
    asked = shots.end[at] - shots.start[at]
    allowed = is_useful(shots) & (shots.film_id != shots.film_id[at]).to_numpy()
    allowed &= length >= MatchSettings().slowest * asked
    if not allowed.any():
        return None
    row = int(np.where(allowed, score[at], -np.inf).argmax())
    middle = (shots.clean_start[row] + shots.clean_end[row]) / 2
    half = min(asked, length[row]) / 2
    return Shown(row, middle - half, middle + half)


def pairs(workspace: Workspace, archive: Archive, cache: Path, args) -> tuple[list, int]:
    """Queries with our answer and the baseline's, and how many had only one."""
    looks = plain_looks(workspace, archive, cache)
    score, useful = plain_scores(looks, looks)[BASELINE], is_useful(archive.shots)
    frames = lru_cache(maxsize=None)(partial(load_frames, workspace))
    calibration, shots = Calibration.fit(archive.vectors), archive.shots
    taken, alike, found = Counter(), 0, []
    for at in np.random.default_rng(args.seed).permutation(np.flatnonzero(useful)):
        film = shots.film_id[at]
        if taken[film] == args.per_film or len(found) == args.queries:
            continue
        ours = first_answer(archive, at, frames, calibration)
        theirs = plain_answer(archive, at, score)
        if not ours or not theirs:
            continue
        if ours.row == theirs.row:
            alike += 1
            continue
        taken[film] += 1
        found.append((Shown(int(at), shots.clean_start[at], shots.clean_end[at]), ours, theirs))
    return found, alike


def eye(workspace: Workspace, archive: Archive, cache: Path, out: Path, args) -> None:
    """Draw sheets, ``eye/000.jpg`` ..., and write the key to them, ``key.csv``.

    Parameters
    ----------
    workspace : Workspace
    archive : Archive
    cache, out : Path
    args
        `queries`, `per_film` (at most) and `seed`.
    """
    found, alike = pairs(workspace, archive, cache, args)
    rng, rows, ids = np.random.default_rng(args.seed + 1), [], archive.shots.shot_id
    (out / "eye").mkdir(parents=True, exist_ok=True)
    for number, (query, ours, theirs) in enumerate(tqdm(found, desc="sheets")):
        turned = bool(rng.integers(2))
        sides = (theirs, ours) if turned else (ours, theirs)
        strips = [three_frames(workspace, archive, s) for s in (sides[0], query, sides[1])]
        sheet(strips, ["A", f"{number:03d}", "B"]).save(out / f"eye/{number:03d}.jpg", quality=88)
        names = ("baseline", "ours") if turned else ("ours", "baseline")
        shown = ids[query.row], ids[ours.row], ids[theirs.row]
        rows.append((f"{number:03d}", *names, *shown))
    columns = ["pair", "A", "B", "query_shot", "our_shot", "baseline_shot"]
    pd.DataFrame(rows, columns=columns).to_csv(out / "key.csv", index=False)
    print(f"\n{len(rows)} sheets in {out / 'eye'}; {alike} queries left out: both answer alike")


def three_frames(workspace: Workspace, archive: Archive, shown: Shown) -> list[Image.Image]:
    """First, middle and last frame of a stretch, at most `FRAME` in size."""
    shot = archive.shots.iloc[shown.row]
    film = archive.films[archive.films.film_id == shot.film_id].iloc[0]
    times = load_frames(workspace, shot.film_id)["times"][shot.start_frame : shot.end_frame]
    first, after = np.searchsorted(times, [shown.start - 0.001, shown.end - 0.001])
    last = max(first, min(after, len(times)) - 1)
    at = shot.start_frame + np.array([first, (first + last) // 2, last])
    pictures = [Image.fromarray(p) for p in read_pictures(workspace, film, at)]
    scale = min(FRAME[0] / pictures[0].width, FRAME[1] / pictures[0].height)
    size = round(pictures[0].width * scale), round(pictures[0].height * scale)
    return [picture.resize(size, Image.Resampling.LANCZOS) for picture in pictures]


def sheet(strips: list[list[Image.Image]], labels: list[str]) -> Image.Image:
    """Strips of frames one below another, each with its label at the left."""
    gap, margin, font = 8, 76, ImageFont.load_default(30)
    high = sum(strip[0].height + gap for strip in strips) + 2 * gap
    page = Image.new("RGB", (margin + 3 * (FRAME[0] + gap), high), "white")
    draw, top = ImageDraw.Draw(page), gap
    for number, (strip, label) in enumerate(zip(strips, labels, strict=True)):
        if number == 1:  # the query stands out
            draw.rectangle(
                (0, top - gap // 2, page.width, top + strip[0].height + gap // 2), "gold"
            )
        draw.text((8, top + strip[0].height // 2 - 18), label, "black", font)
        for place, picture in enumerate(strip):
            page.paste(picture, (margin + place * (FRAME[0] + gap), top))
        top += strip[0].height + gap + (gap // 2 if number < 2 else 0)
    return page


def votes(key: Path, files: list[Path]) -> None:
    """Print what judges preferred, and how far they agree.

    Parameters
    ----------
    key : Path
        From `eye`.
    files : list of Path
        A CSV a judge: `pair`, `vote` (A, B or same).
    """
    sides = pd.read_csv(key, dtype=str).set_index("pair")[["A", "B"]]
    said = pd.DataFrame({file.stem: read_votes(file) for file in files}).reindex(sides.index)
    won = said.apply(lambda one: [won_by(sides, pair, vote) for pair, vote in one.items()])
    if len(files) > 1:
        balance = (won == "ours").sum(axis=1) - (won == "baseline").sum(axis=1)
        won["most of them"] = np.sign(balance).map({1: "ours", -1: "baseline", 0: "same"})
    table = {name: preference(one.dropna()) for name, one in won.items()}
    for name in said:
        table[name]["A of A, B"] = (said[name] == "A").sum() / said[name].isin(["A", "B"]).sum()
    show("what judges prefer", pd.DataFrame(table).T.convert_dtypes())
    agreement = {}
    for one, other in combinations(said, 2):
        both = said[[one, other]].dropna()
        kappa = cohen_kappa_score(both[one], both[other])
        raw = (both[one] == both[other]).mean()
        agreement[f"{one} / {other}"] = {"pairs": len(both), "raw": raw, "kappa": kappa}
    if agreement:
        show("agreement", pd.DataFrame(agreement).T.convert_dtypes())


def read_votes(file: Path) -> pd.Series:
    """A judge's votes by pair: A, B or same."""
    table = pd.read_csv(file, dtype=str, skipinitialspace=True)
    said = table.vote.str.strip().str.upper().replace("SAME", "same")
    wrong = sorted(set(said.dropna()) - {"A", "B", "same"})
    if wrong:
        raise SystemExit(f"{file}: {', '.join(wrong)} is no vote; write A, B or same.")
    return pd.Series(said.to_numpy(), index=table.pair.str.strip().str.zfill(3))


def won_by(sides: pd.DataFrame, pair: str, vote):
    """Whose answer a vote is for: ours, baseline, same."""
    return sides.loc[pair, vote] if vote in ("A", "B") else vote


def preference(won: pd.Series) -> dict[str, float]:
    """Counts, our share of the decided, and the sign test's p (two-sided)."""
    ours, theirs = int((won == "ours").sum()), int((won == "baseline").sum())
    decided = ours + theirs
    counts = {"ours": ours, "baseline": theirs, "same": int((won == "same").sum())}
    test = binomtest(ours, decided).pvalue if decided else np.nan
    return {**counts, "share of ours": ours / decided if decided else np.nan, "p": test}


def read_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="?", type=Path, help="folder of films")
    parser.add_argument("--parts", nargs="+", choices=[*PARTS, "votes"], default=["doubles"])
    parser.add_argument("--work", type=Path, default=Path("data/work/seeing"), help="workspace")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=150, help="doubles: queries")
    parser.add_argument("--without", nargs="*", default=[], help="doubles: parts of paths")
    parser.add_argument("--stills", nargs="*", type=Path, default=[], help="classes: sets")
    parser.add_argument("--encoder", nargs="+", default=[PACKAGED], help="classes: models")
    parser.add_argument("--categories", type=Path, help="language: TSV of file and category")
    parser.add_argument("--queries", type=int, default=60, help="eye: sheets")
    parser.add_argument("--per-film", type=int, default=1, help="eye: queries of one film")
    parser.add_argument("--out", type=Path, default=Path("data/out/looks"), help="eye: sheets")
    parser.add_argument("--key", type=Path, help="votes: key.csv")
    parser.add_argument("--votes", nargs="+", type=Path, default=[], help="votes: CSV files")
    args = parser.parse_args()
    if args.clips is None and set(args.parts) & {"doubles", "language", "eye"}:
        parser.error("name a folder of clips")
    if "classes" in args.parts and not args.stills:
        parser.error("--parts classes needs --stills FOLDER ...")
    if "votes" in args.parts and not (args.key and args.votes):
        parser.error("--parts votes needs --key and --votes")
    return args


def main() -> None:
    args = read_arguments()
    if "classes" in args.parts:
        for folder in args.stills:
            for encoder in args.encoder:
                show(f"classes: {folder.name}, {encoder}", classes(folder, encoder, args.seed))
    workspace, cache = Workspace(args.work), args.work / "plain"
    if set(args.parts) & {"doubles", "language", "eye"}:
        report = ingest(find_films([args.clips]), workspace)
        for problem in report.problems.itertuples():
            print(f"{problem.path}: {problem.what}")
    if "doubles" in args.parts:
        place = args.work / "stretches"
        for name, table in doubles(workspace, place, args.most, args.seed, args.without).items():
            show(f"doubles: {name}", table)
    if "language" in args.parts:
        table = language(workspace, load_archive(workspace), args.categories, cache)
        if len(table):
            show("language: share of answers that agree with their query", table)
        else:
            print("\nlanguage: the shots table says nothing of it; name --categories")
    if "eye" in args.parts:
        eye(workspace, load_archive(workspace), cache, args.out, args)
    if "votes" in args.parts:
        votes(args.key, args.votes)


if __name__ == "__main__":
    main()
