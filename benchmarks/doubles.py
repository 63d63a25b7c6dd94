"""Doubles: a stretch of film, changed in one way, to be found again among its neighbours.

Part of `seeing.py`. Every shot of a folder's clips is divided into stretches of one second, each
a shot of its own (a rest of less than half a second stays with the stretch before), so that its
neighbours are there to be taken for it. Clips that show what another clip shows are left out.

A query is half a second of a stretch, beginning where its looks fall farthest from the
stretch's own; changed, and shown in a trailer of which the cuts are known, one trailer for each
change and shape of picture. Stretches are asked for if at least 0.9 s of them are clean, they are
not black, and something moves: 48 x 27 frames a tenth of a second apart differ by `MOVES` levels
in the mean.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from av import VideoFrame
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from plain import plain_looks, plain_scores
from repeats import grey
from tqdm import tqdm

from lab import video
from lab.align import align
from lab.channels import CHANNELS, Calibration
from lab.cutlists import save_correction
from lab.films import Register
from lab.ingest import ingest_one, recut
from lab.likeness import Likeness, Weights, only
from lab.match import open_desk
from lab.rules import MatchSettings
from lab.stages import IngestSettings, complete, film_key
from lab.store import Workspace, key_of
from lab.tables import Archive, load_archive, load_frames
from lab.video import EPSILON, Box, shown_at

VERSION = 1
HALF, LEAST = 0.5, 0.9  # seconds of a query, and of a stretch that is asked for
MOVES = 1.0  # levels (of 255)
LOOKS = np.array([1, 3, 5]) / 6  # where in a moment the packaged encoder's pictures lie
SHAPES = ((640, 360), (640, 272), (480, 360), (272, 480))  # pictures of the trailers
GOOD = {"preset": "veryfast", "crf": "18", "threads": "1", "rc-lookahead": "8"}
NEAR, NEAR_FAST = 2, 4  # frames by which an in-point may be off; where the speed was changed


def each(change: Callable[[Image.Image], Image.Image]) -> Callable[[np.ndarray], np.ndarray]:
    """A change of one picture as a change of frames, uint8 (n, height, width, 3)."""
    return lambda frames: np.stack([np.asarray(change(Image.fromarray(f))) for f in frames])


def hue_turned(image: Image.Image) -> Image.Image:
    """Every hue a quarter of the circle further."""
    hue, *rest = image.convert("HSV").split()
    turned = hue.point(lambda value: (value + 64) % 256)
    return Image.merge("HSV", (turned, *rest)).convert("RGB")


def warmer(frames: np.ndarray) -> np.ndarray:
    """More red, less blue, a little darker: as a graded or faded print."""
    return np.clip(frames * np.array([1.15, 0.9, 0.65]), 0, 255).astype(np.uint8)


def cropped(part: float) -> Callable[[np.ndarray], np.ndarray]:
    """The middle of the picture, `part` of its width and height gone."""

    def change(image: Image.Image) -> Image.Image:
        wide, high = image.size
        box = [wide * part / 2, high * part / 2, wide * (1 - part / 2), high * (1 - part / 2)]
        return image.resize(image.size, Image.Resampling.BICUBIC, box)

    return each(change)


def letterboxed(frames: np.ndarray) -> np.ndarray:
    """Bars above and below, each a sixth of the picture's height; the picture is whole."""
    bar = frames.shape[1] // 12 * 2
    return np.pad(frames, ((0, 0), (bar, bar), (0, 0), (0, 0)))


def noised(frames: np.ndarray) -> np.ndarray:
    """Noise of 25 levels in every pixel and frame."""
    noise = np.random.default_rng(0).normal(0, 25, frames.shape).astype(np.float32)
    return np.clip(frames + noise, 0, 255).astype(np.uint8)


def with_logo(image: Image.Image) -> Image.Image:
    """A channel's mark in the upper right corner, a sixth of the picture wide."""
    image, (wide, high) = image.copy(), image.size
    draw = ImageDraw.Draw(image)
    box = (0.79 * wide, 0.06 * high, 0.96 * wide, 0.18 * high)
    draw.rounded_rectangle(box, 6, fill=(235, 235, 235))
    font = ImageFont.load_default(0.08 * high)
    draw.text((0.81 * wide, 0.07 * high), "TV 1", fill=(200, 20, 20), font=font)
    return image


class Way(NamedTuple):
    """What is done to a stretch: to its frames, its speed, its compression."""

    change: Callable[[np.ndarray], np.ndarray] = lambda frames: frames
    speed: float = 1.0
    crf: str = GOOD["crf"]
    mirror: bool = False


WAYS = {
    "as it is": Way(),
    "black and white": Way(grey),
    "hue turned": Way(each(hue_turned)),
    "warmer": Way(warmer),
    "cropped 10 %": Way(cropped(0.1)),
    "cropped 20 %": Way(cropped(0.2)),
    "cropped 30 %": Way(cropped(0.3)),
    "letterboxed": Way(letterboxed),
    "mirrored": Way(lambda frames: frames[:, :, ::-1], mirror=True),
    "blurred": Way(each(lambda image: image.filter(ImageFilter.GaussianBlur(4)))),
    "noise": Way(noised),
    "CRF 40": Way(crf="40"),
    "20 % faster": Way(speed=1.2),
    "20 % slower": Way(speed=0.8),
    "with a logo": Way(each(with_logo)),
}


def doubles(
    clips: Workspace, place: Path, most: int, seed: int, without: list[str]
) -> dict[str, pd.DataFrame]:
    """Measure how well stretches are found again.

    Parameters
    ----------
    clips : Workspace
        In which the clips were ingested.
    place : Path
        A folder for the stretches, the trailers and what is remembered of them.
    most : int
        Queries, at most.
    seed : int
    without : list of str
        Films whose path holds one of these are left out.

    Returns
    -------
    dict of DataFrame
        By title; a row a change, a column a method.
    """
    workspace, archive = stretches(clips, place, without)
    queries = choose(workspace, archive, most, seed)
    print(f"{len(archive.shots)} stretches, {len(queries)} queries in each of {len(WAYS)} ways")
    trailers = film_queries(archive, queries, place, key_of(VERSION, most, seed, without))
    known = plain_looks(workspace, archive, place / "plain", many=True)
    calibration = Calibration.fit(archive.vectors)
    frames = lru_cache(maxsize=None)(partial(load_frames, workspace))
    films = archive.shots.film_id.to_numpy()
    found = []
    for (way, name), rows in tqdm(trailers.groupby(["way", "file"], sort=False), desc="ways"):
        trailer = bring(workspace, place / name, rows.start.tolist())
        asked, mirror = queries.loc[rows["query"]], WAYS[way].mirror
        right = asked.row.to_numpy()
        ours = our_scores(Likeness.between(trailer, archive, calibration, mirror))
        settings = MatchSettings(mirror=mirror, own_film=True, useless=True)
        desk, _ = open_desk(trailer, archive, frames, settings, calibration)
        ours = {"as matched": desk.lay(np.arange(len(trailer.shots)))} | ours
        plain = baselines(workspace, trailer, known, place / "plain", mirror)
        off = errors(frames, trailer, archive, asked, mirror)
        for method, score in [*ours.items(), *plain.items()]:
            said = {"way": way, "method": method, "rank": rank(score, right)}
            said |= {"film": films[score.argmax(axis=1)] == films[right]}
            said |= {"off": off if method in ours else np.nan}
            found.append(pd.DataFrame(said))
    return tables(pd.concat(found, ignore_index=True))


def stretches(clips: Workspace, place: Path, without: list[str]) -> tuple[Workspace, Archive]:
    """The clips in a workspace of their own, cut into stretches; decoded films are linked."""
    whole = load_archive(clips)
    left_out = _repeated(whole) | {
        film.film_id for film in whole.films.itertuples() if any(w in film.path for w in without)
    }
    films = whole.films[~whole.films.film_id.isin(left_out)]
    names = whole.films.path[whole.films.film_id.isin(left_out)].map(lambda p: Path(p).name)
    print(f"{len(films)} clips; left out: {', '.join(names) or 'none'}")
    workspace = Workspace(place)
    register = Register(workspace)
    for film in films.itertuples():
        register.add(film.film_id, film.path, "archive")
        part = "film", film.film_id, film_key()
        if not workspace.part(*part).exists():
            with workspace.making(*part) as scratch:
                decoded = clips.part(*part)
                shutil.copytree(decoded, scratch, copy_function=os.link, dirs_exist_ok=True)
    register.save()
    for film_id, shots in tqdm(whole.shots.groupby("film_id", sort=False), desc="stretches"):
        if film_id in left_out:
            continue
        starts = [
            start + second
            for start, end in zip(shots.start, shots.end, strict=True)
            for second in range(max(1, int(end - start + 0.5)))
        ]
        save_correction(workspace, film_id, starts)
        if not complete(workspace, film_id, IngestSettings()):
            recut(workspace, film_id, starts)
    return workspace, load_archive(workspace, films=films.film_id.tolist())


def _repeated(archive: Archive) -> set[str]:
    """Films of which a shot repeats another film's."""
    flags = archive.shots["flags"].str.extract(r"duplicate-of:(\w+)-")[0]
    return set(archive.shots.film_id[flags.notna() & (flags != archive.shots.film_id)])


def choose(workspace: Workspace, archive: Archive, most: int, seed: int) -> pd.DataFrame:
    """The stretches that are asked for, and where in them the queries begin.

    Returns
    -------
    DataFrame
        `row` (of the archive's shots), `film_id`, `begin` (seconds), `step` (seconds of a
        frame), `shape` (of `SHAPES`); in the archive's order.
    """
    rng, rows = np.random.default_rng(seed), []
    frames = lru_cache(maxsize=1)(partial(load_frames, workspace))
    films = archive.films.set_index("film_id")
    for at in rng.permutation(len(archive.shots)):
        shot = archive.shots.iloc[at]
        length = shot.clean_end - shot.clean_start
        if length < LEAST or "black" in shot["flags"].split() or len(rows) == most:
            continue
        film = films.loc[shot.film_id]
        times = frames(shot.film_id)["times"][shot.start_frame : shot.end_frame]
        clean = (times >= shot.clean_start - EPSILON) & (times < shot.clean_end - EPSILON)
        if not moves(film, shot.clean_start, shot.clean_end):
            continue
        begin = begins(times[clean], shot.clean_start, shot.clean_end, rng)
        box = Box(*film.crop)
        aspect = film.width * (box.right - box.left) / (film.height * (box.bottom - box.top))
        shape = min(range(len(SHAPES)), key=lambda s: abs(np.log(aspect / np.divide(*SHAPES[s]))))
        rows.append((at, shot.film_id, begin, float(np.median(np.diff(times))), shape))
    found = pd.DataFrame(rows, columns=["row", "film_id", "begin", "step", "shape"])
    return found.sort_values("row").reset_index(drop=True)


def moves(film, start: float, end: float) -> bool:
    """Whether something moves in a stretch of a film."""
    seen, due = [], start
    for time, picture in _frames(film, start, end, (64, 48)):
        if time >= due - EPSILON:
            small = Image.fromarray(picture).resize((48, 27), Image.Resampling.BOX)
            seen.append(np.asarray(small).astype(float))
            due += 0.1
    return len(seen) > 1 and float(np.abs(np.diff(seen, axis=0)).mean()) >= MOVES


def begins(times: np.ndarray, start: float, end: float, rng) -> float:
    """Where a query begins: its looks farthest from the stretch's, few of which it shows."""
    held = shown_at(times, start + (end - start) * LOOKS)
    fast = max(way.speed for way in WAYS.values())
    places = np.flatnonzero(times + HALF * fast <= end + EPSILON)
    costs = []
    for place in places:
        ours = shown_at(times, times[place] + HALF * LOOKS)
        after = np.searchsorted(times, times[place] + HALF - EPSILON)
        costs.append(
            (-np.abs(ours[:, None] - held).min(), ((held >= place) & (held < after)).sum())
        )
    best = [place for place, cost in zip(places, costs, strict=True) if cost == min(costs)]
    return float(times[rng.choice(best)])


def _frames(film, start: float, end: float, size):
    """Frames of an original from `start` to `end`, bars cropped away: (seconds, picture)."""
    crop = Box(*film.crop)
    reader = video.Reader(film.path, size=size, pixels="rgb24", crop=crop, start=start)
    for frame in reader:
        if frame.time >= end - EPSILON:
            return
        if frame.time >= start - EPSILON:
            yield float(frame.time), frame.picture.to_ndarray()


def film_queries(archive: Archive, queries: pd.DataFrame, place: Path, key: str) -> pd.DataFrame:
    """Write the trailers, a file for each change and shape; made once.

    Returns
    -------
    DataFrame
        `way`, `file`, `query` (index of `queries`) and `start` (seconds in the file).
    """
    key = key_of(key, archive.shots.shot_id[queries.row].tolist(), queries.begin.round(4).tolist())
    folder, known = place / f"queries-{key}", place / f"queries-{key}" / "places.csv"
    if known.exists():
        return pd.read_csv(known)
    folder.mkdir(parents=True, exist_ok=True)
    films = archive.films.set_index("film_id")
    with ExitStack() as stack:
        reels: dict[str, Reel] = {}
        for number, query in tqdm(queries.iterrows(), desc="queries", total=len(queries)):
            film, size = films.loc[query.film_id], SHAPES[query["shape"]]
            shown = [*_frames(film, query.begin, query.begin + 1, size)]
            for at, name in enumerate(WAYS):
                path = folder / f"{at:02d}-{query['shape']}.mp4"
                if path.name not in reels:
                    reels[path.name] = Reel(path, name, stack)
                reels[path.name].add(number, shown)
    table = pd.DataFrame([row for name in sorted(reels) for row in reels[name].rows])
    table["file"] = folder.name + "/" + table["file"]
    table.to_csv(known, index=False)
    return table


class Reel:
    """A trailer of queries, all changed in one way, one after another."""

    def __init__(self, path: Path, way: str, stack: ExitStack):
        self.path, self.way, self.stack = path, way, stack
        self.time, self.rows, self.out = 0.0, [], None

    def add(self, query: int, shown: list[tuple[float, np.ndarray]]) -> None:
        """Add a query of which `shown` (seconds, picture) is at least what it needs."""
        way, start = WAYS[self.way], shown[0][0]
        shown = [(t, p) for t, p in shown if t < start + HALF * way.speed - EPSILON]
        pictures = way.change(np.stack([picture for _, picture in shown]))
        if self.out is None:
            size, options = pictures.shape[2:0:-1], {**GOOD, "crf": way.crf}
            writer = video.Writer(self.path, size, 25, options=options)
            self.out = self.stack.enter_context(writer)
        self.rows.append(
            {"way": self.way, "file": self.path.name, "query": query, "start": self.time}
        )
        for (time, _), picture in zip(shown, pictures, strict=True):
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
            self.out.write(frame, self.time + (time - start) / way.speed)
        self.time += HALF


def bring(workspace: Workspace, path: Path, starts: list[float]) -> Archive:
    """Ingest a trailer of which the cuts are known."""
    register = Register(workspace)
    film_id = register.identify(path)
    save_correction(workspace, film_id, starts)
    ingest_one(path, workspace)
    trailer = load_archive(workspace, films=[film_id])
    if len(trailer.shots) != len(starts):
        raise RuntimeError(f"{path}: {len(trailer.shots)} shots instead of {len(starts)}")
    return trailer


def our_scores(likeness: Likeness, weights: Weights | None = None) -> dict[str, np.ndarray]:
    """Scores of shots against shots: together at the default weights, and by every channel."""
    ways = {"together": weights or Weights()} | {n: only(**{n: 1}) for n in CHANNELS}
    return {name: likeness.shots(way)[0] for name, way in ways.items()}


def baselines(workspace, trailer, known: dict, cache: Path, mirror: bool) -> dict[str, np.ndarray]:
    """What plain methods say; where mirrors are allowed, of the query in a mirror, too."""
    found = [
        plain_scores(plain_looks(workspace, trailer, cache, turned=turned), known)
        for turned in ((False, True) if mirror else (False,))
    ]
    return {name: np.max([scores[name] for scores in found], axis=0) for name in found[0]}


def rank(scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    """How many answers come before the right one; of those that score the same, half."""
    value = scores[np.arange(len(right)), right][:, None]
    return (scores > value).sum(axis=1) + ((scores == value).sum(axis=1) - 1) / 2


def errors(frames, trailer: Archive, archive: Archive, asked, mirror: bool) -> np.ndarray:
    """Frames between where each query was taken and where the right stretch is joined to it."""
    found = []
    for query, truth in zip(trailer.shots.itertuples(), asked.itertuples(), strict=True):
        answer = archive.shots.iloc[truth.row]
        window = answer.clean_start, answer.clean_end
        begin = align(frames, query, answer, window, 1.0, mirror)
        found.append(abs(begin - truth.begin) / truth.step)
    return np.array(found)


def tables(found: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """A row a change and a column a method, from ranks, films and errors."""
    near = np.where(found.way.map(lambda way: WAYS[way].speed == 1), NEAR, NEAR_FAST)
    found = found.assign(
        one=found["rank"] < 1, five=found["rank"] < 5, near=found.off <= near + 0.5
    )
    hits = found[found.one & found.off.notna()]
    ours = found[found.method == "together"]
    off = ours.groupby("way", sort=False).off.quantile([0.5, 0.9]).unstack()
    return {
        "recall@1": _table(found, "one"),
        "recall@5": _table(found, "five"),
        "first answer is of the right film": _table(found, "film"),
        f"hits whose in-point is right (to {NEAR} frames; {NEAR_FAST} if the speed is changed)": (
            _table(hits, "near")
        ),
        "in-point in the right stretch, found or not: frames off (median, 90 %)": off,
    }


def _table(found: pd.DataFrame, what: str) -> pd.DataFrame:
    table = found.groupby(["way", "method"], sort=False)[what].mean().unstack("method")
    order = [list(names.unique()) for names in (found.way, found.method)]
    table = table.reindex(index=order[0], columns=order[1])
    return pd.concat([table, table.mean().to_frame("mean").T])
