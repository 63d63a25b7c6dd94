"""How well and how fast shots are found, beside TransNetV2 on every frame and PySceneDetect.

    python benchmarks/shots.py CLIPS [--weights FILE --half] [--films 24] [--parts plain hard ...]

Films are composed of a folder's clips (`composed.py`), written as H.264 of 320 x 180 and read
again; every detector sees the same file. Parts:

- *plain*: cuts, dissolves of 0.2 to 4 s, fades, and a flash now and then;
- *hard*: besides these flashes, strobe, whip pans, night, passers-by, light switched, worn film;
- *wear*: the plain films clean, and with grain, dirt, flicker and gate weave;
- *density*: CPU time over the length of shots;
- *real*: the clips themselves, ours against the full network, with a picture of each difference.

TransNetV2 runs as its authors do: windows of 100 frames, 50 of them used, threshold 0.5.
PySceneDetect (``pip install scenedetect opencv-python-headless``) runs with its own settings.

A cut is found if a shot begins within the tolerance of it, a gradual transition if one begins
inside it. What begins elsewhere, or a second time, is false. Detectors that do not tell the two
kinds apart are not charged for that. ``--half`` measures on every other clip, those that
``fit_cuts.py --half`` left out, with the weights that it wrote.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from composed import Wear, compose, full_network, read_takes
from PIL import Image, ImageDraw
from safetensors.numpy import load_file
from tqdm import tqdm

from lab import cuts, shots, video
from lab.change import Perceptron
from lab.films import find_films
from lab.shots import Transition

SIZE, RATE = (320, 180), 25
PLAIN = {"cut": 0.6, "dissolve": 0.25, "fade": 0.15}
WEARS = {
    "clean": Wear(),
    "grain, 6 % of white in a pixel of 640 x 360": Wear(grain=0.06),
    "dirt, 2 blots a frame": Wear(dirt=2),
    "flicker, 4 %": Wear(flicker=0.04),
    "gate weave, 0.3 % of the width": Wear(weave=0.003),
    "all four": Wear(0.06, 0.04, 0.003, 2),
}
GOOD = {"preset": "veryfast", "crf": "23"}  # how films are written
STOCK = 0.5  # the authors' threshold


class Film(NamedTuple):
    """A composed film, as every detector sees it."""

    path: Path
    strip: np.ndarray
    light: np.ndarray
    truth: list[Transition]


class Tally:
    """Counts of what was found, what was false and what was missed."""

    def __init__(self):
        self.right, self.false, self.missed, self.overlaps = 0, 0, 0, []

    def line(self) -> str:
        precision = self.right / max(1, self.right + self.false)
        recall = self.right / max(1, self.right + self.missed)
        known = self.right + self.missed
        counts = f"{known:>6}{self.false:>7}{self.missed:>8}"
        return f"{counts}{precision:>8.3f}{recall:>8.3f}{self.f1():>8.3f}"

    def f1(self) -> float:
        return 2 * self.right / max(1, 2 * self.right + self.false + self.missed)


def make(
    frames: np.ndarray, truth: list[Transition], path: Path, options: dict[str, str] = GOOD
) -> Film:
    """Write a composed film and read it as an ingest does."""
    from av import VideoFrame

    with video.Writer(path, SIZE, RATE, options=options) as out:
        for number, frame in enumerate(frames):
            picture = VideoFrame.from_ndarray(frame, format="rgb24")
            out.write(picture.reformat(format="yuv420p", dst_colorspace="ITU709"), number / RATE)
    strip, _ = read_strip(path)
    return Film(path, strip, light_of(strip), truth)


def read_strip(path: Path) -> tuple[np.ndarray, float]:
    """A film's frames as an ingest sees them, and its rate."""
    info = video.probe(path)
    reader = video.Reader(path, size=video.proxy_size(info.width, info.height), matrix="bt601")
    return np.stack([video.small_rgb(f.picture, *cuts.STRIP) for f in reader]), info.fps


def light_of(strip: np.ndarray) -> np.ndarray:
    return np.array([(frame.mean(), frame.std()) for frame in strip], np.float32)


def cascade(strip: np.ndarray, rate: float) -> tuple[np.ndarray, int]:
    """What `lab.cuts` says of every frame, and how many the network was shown."""
    finder = cuts.CutFinder(rate)
    for frame in strip:
        finder.push(frame)
    return finder.finish(), finder.seen


def ours(film: Film) -> list[Transition]:
    found, seen = cascade(film.strip, RATE)
    ours.seen += seen
    return shots.find_transitions(found, film.light)


ours.seen = 0


def stock(film: Film) -> list[Transition]:
    here = full_network(film.strip)[0] > STOCK
    return [Transition(last + 1, "any", last + 1, last) for _, last in cuts.runs(here)]


def pyscenedetect(name: str) -> Callable[[Film], list[Transition]]:
    def found(film: Film) -> list[Transition]:
        import scenedetect

        scenes = scenedetect.detect(str(film.path), getattr(scenedetect, name)())
        begins = [start.frame_num for start, _ in scenes[1:]]
        return [Transition(begin, "any", begin, begin - 1) for begin in begins]

    return found


DETECTORS = {
    "lab": ours,
    "TransNetV2, every frame": stock,
    "PySceneDetect adaptive": pyscenedetect("AdaptiveDetector"),
    "PySceneDetect content": pyscenedetect("ContentDetector"),
}


def compare(found: list[Transition], truth: list[Transition], tolerance: int) -> dict[str, Tally]:
    """Tallies of cuts, gradual transitions and all; a false one is charged to its own kind.

    A detector that knows no kinds is charged for a false one as for a cut.
    """
    tallies = {"cuts": Tally(), "gradual": Tally()}
    open_ones = list(truth)
    for one in found:
        near = [t for t in open_ones if _hits(one, t, tolerance)]
        if not near:
            tallies["cuts" if one.kind in ("cut", "any") else "gradual"].false += 1
            continue
        known = min(near, key=lambda t: abs(t.begin - one.begin))
        open_ones.remove(known)
        name = "cuts" if _sharp(known) else "gradual"
        tallies[name].right += 1
        if name == "gradual" and one.last >= one.first:
            tallies[name].overlaps.append(_overlap(one, known))
    for known in open_ones:
        tallies["cuts" if _sharp(known) else "gradual"].missed += 1
    return tallies


def typed(found: list[Transition], truth: list[Transition], tolerance: int) -> dict[str, Tally]:
    """As `compare`, but a cut must be called one, and a gradual transition another."""
    tallies = {}
    for name, sharp in (("cuts", True), ("gradual", False)):
        mine = [t for t in found if (t.kind == "cut") == sharp]
        known = [t for t in truth if _sharp(t) == sharp]
        tallies[name] = compare(mine, known, tolerance)[name]
        other = compare(mine, known, tolerance)["gradual" if sharp else "cuts"]
        tallies[name].false += other.false
    return tallies


def _sharp(t: Transition) -> bool:
    return t.kind in ("cut", "blend")


def _hits(one: Transition, known: Transition, tolerance: int) -> bool:
    if _sharp(known):
        low, high = min(known.first, known.begin), max(known.last + 1, known.begin)
        return low - tolerance <= one.begin <= high + tolerance
    return known.first - 2 <= one.begin <= known.last + 2


def _overlap(one: Transition, known: Transition) -> float:
    both = min(one.last, known.last) - max(one.first, known.first) + 1
    return max(0, both) / (max(one.last, known.last) - min(one.first, known.first) + 1)


def films(takes, count: int, seed: int, folder: Path, **how) -> list[Film]:
    made = []
    for number in tqdm(range(count), desc="films"):
        rng = np.random.default_rng((seed, number))
        frames, truth = compose(takes, rng, size=SIZE, mean=40, **how)
        made.append(make(frames, truth, folder / f"{seed}-{number}.mp4"))
    return made


def accuracy(made: list[Film], detectors: dict) -> None:
    """Print every detector's counts, at each tolerance, and what it costs."""
    frames = sum(len(film.strip) for film in made)
    print(f"{len(made)} films, {frames} frames, {sum(len(f.truth) for f in made)} transitions")
    head = f"{'known':>6}{'false':>7}{'missed':>8}{'prec.':>8}{'recall':>8}{'F1':>8}"
    print(f"{'':<26}{'':<16}{head}")
    for who, detect in detectors.items():
        ours.seen, before = 0, time.process_time()
        found = [detect(film) for film in tqdm(made, desc=who)]
        spent = time.process_time() - before
        rules = {"": compare} | ({", kinds told": typed} if detect is ours else {})
        for rule, judge in rules.items():
            for tolerance in (0, 1, 2) if not rule else (1,):
                total = {"cuts": Tally(), "gradual": Tally()}
                for film, mine in zip(made, found, strict=True):
                    for name, tally in judge(mine, film.truth, tolerance).items():
                        for count in ("right", "false", "missed", "overlaps"):
                            more = getattr(total[name], count) + getattr(tally, count)
                            setattr(total[name], count, more)
                print(f"{who + rule:<26}{f'cuts, +-{tolerance}':<16}{total['cuts'].line()}")
            print(f"{who + rule:<26}{'gradual':<16}{total['gradual'].line()}")
        errors = sum(t.false + t.missed for t in total.values())
        overlaps = total["gradual"].overlaps
        spans = f", span overlap {np.mean(overlaps):.2f}" if overlaps else ""
        share = f", network on {ours.seen / frames:.1%} of frames" if detect is ours else ""
        print(
            f"{who:<26}{errors} errors, {1000 * spent / frames:.1f} CPU-ms a frame{share}{spans}",
            flush=True,
        )


def wear(takes, count: int, seed: int, folder: Path) -> None:
    """Print what worn film costs."""
    for name, how in WEARS.items():
        print(f"\n{name}")
        made = films(takes, count, seed, folder, tricks=0, kinds=PLAIN, wear=how)
        accuracy(made, {"lab": ours})


def density(takes, seed: int) -> None:
    """Print the cost of a frame over the length of shots, and how much faster that is."""
    print(f"{'mean shot, s':>12}{'frames':>8}{'CPU-ms':>8}{'network':>9}{'x stock':>9}")
    for seconds in (1, 2, 4, 8, 16):
        rng = np.random.default_rng((seed, seconds))
        count = max(3, 120 // seconds)
        parts = [
            compose(takes, rng, count, tricks=0.3, kinds=PLAIN, mean=RATE * seconds - 14)[0]
            for _ in range(3)
        ]
        strip = np.concatenate(parts)
        strip = strip.reshape(len(strip), 27, 2, 48, 2, 3).mean((2, 4)).astype(np.uint8)
        before = time.process_time()
        _, seen = cascade(strip, RATE)
        spent = (time.process_time() - before) / len(strip)
        before = time.process_time()
        full_network(strip[:1000])
        full = (time.process_time() - before) / 1000
        print(
            f"{seconds:>12}{len(strip):>8}{1000 * spent:>8.2f}{seen / len(strip):>9.1%}"
            f"{full / spent:>9.1f}",
            flush=True,
        )


def real(folder: Path, out: Path, cache: Path | None) -> None:
    """Print where the cascade and the full network disagree on the clips, and draw it."""
    found, shown = [], []
    frames = seen = 0
    for path in tqdm(find_films([folder]), desc="real"):
        try:
            strip, fps = read_strip(path)
        except video.FilmError:
            continue
        full = _remembered(strip, cache / f"{path.parent.name}-{path.stem}.npy")
        light = light_of(strip)
        here = np.concatenate([[0], full[0][:-1]])  # it marks the frame before a cut
        theirs = shots.find_transitions(np.stack([here, full[1]], axis=1), light)
        marks, shown_it = cascade(strip, fps)
        mine = shots.find_transitions(marks, light)
        frames, seen = frames + len(strip), seen + shown_it
        for who, ones, others in (("lab", mine, theirs), ("network", theirs, mine)):
            for one in ones:
                alone = not any(_near(one, other) for other in others)
                found.append((who, one.kind == "cut", alone))
                if alone:
                    name = f"{path.stem}, frame {one.begin}: {one.kind}, only {who}"
                    print(f"{name} ({one.first}-{one.last})")
                    shown.append((name, row_of(strip, one)))
    for kind in ("cut", "gradual"):
        for who in ("network", "lab"):
            alone = [a for w, cut, a in found if w == who and cut == (kind == "cut")]
            print(f"{who} finds {len(alone)} {kind}, {sum(alone)} of them alone")
    print(f"{frames} frames, network on {seen / frames:.1%}")
    if shown:
        out.mkdir(parents=True, exist_ok=True)
        draw(shown, out / "differences.png")
        print(f"{len(shown)} differences, each with sixteen frames: {out / 'differences.png'}")


def _remembered(strip: np.ndarray, known: Path) -> np.ndarray:
    """The full network's answers, which are slow to come by."""
    if not known.exists():
        known.parent.mkdir(parents=True, exist_ok=True)
        np.save(known, full_network(strip))
    return np.load(known)


def _near(one: Transition, other: Transition) -> bool:
    return (
        abs(one.begin - other.begin) <= 2
        or other.first - 2 <= one.begin <= other.last + 2
        or one.first - 2 <= other.begin <= one.last + 2
    )


def row_of(strip: np.ndarray, one: Transition) -> Image.Image:
    """Sixteen frames about a transition, the first of the new shot marked."""
    step = max(1, (one.last - one.first) // 10)
    at = np.clip(one.begin + step * np.arange(-8, 8), 0, len(strip) - 1)
    row = [np.pad(strip[k], ((3, 3), (1, 1), (0, 0)), constant_values=0) for k in at]
    row[8][:3] = 255
    wide = Image.fromarray(np.concatenate(row, axis=1))
    return wide.resize((wide.width * 2, wide.height * 2), Image.NEAREST)


def draw(rows: list[tuple[str, Image.Image]], path: Path) -> None:
    """Rows of frames beneath each other, each with its name."""
    high, wide = rows[0][1].height + 18, rows[0][1].width
    sheet = Image.new("RGB", (wide, high * len(rows)), (40, 40, 40))
    for number, (name, row) in enumerate(rows):
        ImageDraw.Draw(sheet).text((4, high * number + 3), name, (255, 255, 255))
        sheet.paste(row, (0, high * number + 18))
    sheet.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--half", action="store_true", help="use every other clip only")
    parser.add_argument("--weights", type=Path, help="in place of those that ship")
    parser.add_argument("--films", type=int, default=24)
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--parts", nargs="+", default=["plain", "hard", "wear", "density", "real"])
    parser.add_argument("--detectors", nargs="+", default=list(DETECTORS))
    parser.add_argument("--cache", type=Path, default=Path("data/work/takes"))
    parser.add_argument("--out", type=Path, default=Path("data/out/looks"))
    args = parser.parse_args()
    if args.weights:
        weights = load_file(args.weights)
        Perceptron.packaged = lambda name: Perceptron.named(name, weights)
    detectors = {name: DETECTORS[name] for name in args.detectors}
    if set(args.parts) - {"real", "density"}:
        takes = chosen(read_takes(args.clips, SIZE, args.cache), args.half)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if "plain" in args.parts:
            print("\n== plain")
            how = {"tricks": 0.3, "kinds": PLAIN, "wear": Wear()}
            accuracy(films(takes, args.films, args.seed, folder, **how), detectors)
        if "hard" in args.parts:
            print("\n== hard")
            accuracy(films(takes, args.films, args.seed + 1, folder, tricks=1.5), detectors)
        if "wear" in args.parts:
            print("\n== wear")
            wear(takes, args.films, args.seed, folder)
    if "density" in args.parts:
        print("\n== density")
        density(chosen(read_takes(args.clips, cache=args.cache), args.half), args.seed)
    if "real" in args.parts:
        print("\n== real")
        real(args.clips, args.out, args.cache / "full")


def chosen(takes: dict, half: bool) -> dict:
    return {name: takes[name] for name in sorted(takes)[1 if half else 0 :: 2 if half else 1]}


if __name__ == "__main__":
    main()
