"""Fit what `lab.flags` knows of titles, leader and test cards, and measure it.

    python benchmarks/fit_flags.py CLIPS STILLS [--out flags.safetensors] [--half]

Cards are drawn (`cards.py`), with the fonts of this machine; pictures come from clips and
stills, some of them with a subtitle, a caption or a logo over them, which make no title. Measured
is on cards in font families that the fit never saw, on every other clip and on every third
kind of still. ``--half`` writes the weights that were measured; without it they are fitted on
all once more.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from cards import DRAWN, LETTERS, SIZE, aged, fonts, ground, word
from composed import draw_stills
from PIL import Image, ImageDraw, ImageFont
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression
from tqdm import tqdm

from lab import video
from lab.channels import unit
from lab.encoders import load_encoder
from lab.films import find_films
from lab.flags import KINDS, SURE

NUMBERS = {"title": 3000, "leader": 900, "testcard": 900}
LOOKS = 12  # pictures taken of a clip
STRENGTH = 300.0  # inverse of the regression's penalty


def families(faces: list[Path]) -> list[str]:
    return sorted({face.stem.split("-")[0].rstrip("0123456789") for face in faces})


def of_family(faces: list[Path], names: list[str]) -> list[Path]:
    return [face for face in faces if face.stem.split("-")[0].rstrip("0123456789") in names]


def cards(faces: list[Path], numbers: dict[str, int], seed: int):
    """Features and kinds of drawn cards."""
    for kind, number in numbers.items():
        for n in tqdm(range(number), desc=kind):
            rng = np.random.default_rng((seed, n, KINDS.index(kind)))
            size = SIZE if rng.random() < 0.6 else (480, int(rng.choice([200, 270])))
            yield kind, aged(DRAWN[kind](rng, faces, size), rng)


def clip_pictures(folder: Path) -> dict[str, list[np.ndarray]]:
    """Some frames of every clip."""
    found = {}
    for path in tqdm(find_films([folder]), desc="clips"):
        try:
            frames = [
                f.picture.to_ndarray()
                for n, f in enumerate(video.Reader(path, size=(480, 270), pixels="rgb24"))
                if n % 12 == 0 and n < 1200
            ]
        except video.FilmError:
            continue
        at = np.linspace(0, len(frames) - 1, min(LOOKS, len(frames))).round().astype(int)
        # Black and title frames inside the clips are no pictures; they are nearly empty.
        kept = [frames[k] for k in at if np.median(np.abs(np.diff(frames[k].astype(int)))) > 0]
        if kept:
            found[str(path.relative_to(folder))] = kept
    return found


def written_over(picture: np.ndarray, rng, faces: list[Path]) -> np.ndarray:
    """A picture with a subtitle, a caption or a channel's mark."""
    image = Image.fromarray(picture)
    draw, (wide, high) = ImageDraw.Draw(image), image.size
    side = int(rng.uniform(0.04, 0.09) * high)
    face = ImageFont.truetype(str(faces[rng.integers(len(faces))]), side)
    text = " ".join(word(rng, LETTERS[0]) for _ in range(int(rng.integers(1, 7))))
    x, y = [(0.5, 0.9), (0.1, 0.08), (0.9, 0.08), (0.25, 0.8)][rng.integers(4)]
    place = x * wide, y * high
    if rng.random() < 0.4:
        draw.rectangle(draw.textbbox(place, text, face, anchor="mm"), fill=(0, 0, 0))
    draw.text(place, text, (240, 240, 240), face, anchor="mm", stroke_width=1, stroke_fill=(0,) * 3)
    return np.asarray(image)


def varied(pictures: list[np.ndarray], rng, faces: list[Path]):
    """Pictures as they are, and worn, cropped and written over."""
    for picture in pictures:
        yield picture
        high, wide = picture.shape[:2]
        top, left = (rng.uniform(0, 0.4, 2) * (high, wide)).astype(int)
        near = Image.fromarray(picture[top : top + high * 6 // 10, left : left + wide * 6 // 10])
        yield aged(near.resize((wide, high)), rng)
        yield written_over(picture, rng, faces)


def features(pictures) -> np.ndarray:
    encoder, found, batch = load_encoder(), [], []
    for picture in pictures:
        batch.append(np.asarray(Image.fromarray(picture).resize((320, 240))))
        if len(batch) == 64:
            found.append(encoder.encode(np.stack(batch)).pooled)
            batch = []
    if batch:
        found.append(encoder.encode(np.stack(batch)).pooled)
    return unit(np.concatenate(found)).astype(np.float32)


def gather(faces, pictures: list[np.ndarray], numbers, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, 1280) and kinds (n,)."""
    rng = np.random.default_rng(seed)
    drawn = list(cards(faces, numbers, seed))
    plain = list(tqdm(varied(pictures, rng, faces), desc="pictures", total=3 * len(pictures)))
    # What cards are written on makes no card, nor does any pattern.
    plain += [aged(ground(rng, SIZE), rng) for _ in range(numbers["title"] // 8)]
    patterns = draw_stills(rng, numbers["title"] // 8, (SIZE[0] // 2, SIZE[1] // 2))
    plain += [aged(Image.fromarray(take[0]), rng) for (take,) in patterns.values()]
    kinds = [KINDS.index(kind) for kind, _ in drawn] + [0] * len(plain)
    seen = features(tqdm([p for _, p in drawn] + plain, desc="looking"))
    return seen, np.array(kinds)


def fit(x: np.ndarray, y: np.ndarray) -> LogisticRegression:
    return LogisticRegression(C=STRENGTH, max_iter=3000).fit(x, y)


def report(model: LogisticRegression, x: np.ndarray, y: np.ndarray) -> None:
    likely = model.predict_proba(x)
    for sure in sorted({0.6, 0.8, 0.9, SURE}):
        print(f"\nbelieved from a likelihood of {sure:g}{' (as shipped)' if sure == SURE else ''}")
        _table(np.where(likely.max(axis=1) >= sure, likely.argmax(axis=1), 0), y)


def _table(found: np.ndarray, y: np.ndarray) -> None:
    print(f"{'':<10}{'known':>7}{'right':>7}{'false':>7}{'precision':>11}{'recall':>8}")
    rows = {kind: ([k], [k]) for k, kind in enumerate(KINDS) if k} | {"any card": ([1, 2, 3],) * 2}
    for name, (known, called) in rows.items():
        truth, said = np.isin(y, known), np.isin(found, called)
        right, false = (truth & said).sum(), (~truth & said).sum()
        precision, recall = right / max(1, right + false), right / max(1, truth.sum())
        print(f"{name:<10}{truth.sum():>7}{right:>7}{false:>7}{precision:>11.3f}{recall:>8.3f}")
    print(f"pictures called a card: {((y == 0) & (found > 0)).sum()} of {(y == 0).sum()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("stills", type=Path)
    parser.add_argument("--half", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("flags.safetensors"))
    args = parser.parse_args()
    faces, clips = fonts(), clip_pictures(args.clips)
    names = families(faces)
    folders = sorted({p.parent for p in args.stills.rglob("*.[jp][pn]*g")})
    stills = {
        str(folder): [
            np.asarray(Image.open(p).convert("RGB").resize((480, 360)))
            for p in sorted(folder.glob("*.[jp][pn]*g"))[:40]
        ]
        for folder in folders
    }
    print(f"{len(names)} families of fonts, {len(clips)} clips, {len(folders)} kinds of stills")
    parts = []
    for held in (False, True):
        mine = [name for n, name in enumerate(names) if (n % 3 == 0) == held]
        seen = [
            p for n, key in enumerate(sorted(clips)) if (n % 2 == 1) == held for p in clips[key]
        ]
        seen += [
            p for n, key in enumerate(sorted(stills)) if (n % 3 == 1) == held for p in stills[key]
        ]
        numbers = {kind: number // (3 if held else 1) for kind, number in NUMBERS.items()}
        parts.append(gather(of_family(faces, mine), seen, numbers, 5 + held))
    model = fit(*parts[0])
    report(model, *parts[1])
    if not args.half:
        model = fit(*(np.concatenate(both) for both in zip(*parts, strict=True)))
    weights = {"weight": model.coef_, "bias": model.intercept_}
    save_file({k: np.ascontiguousarray(w, np.float32) for k, w in weights.items()}, args.out)
    print(args.out)


if __name__ == "__main__":
    main()
