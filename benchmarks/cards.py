"""Pictures nobody filmed: title cards, leader and test cards, drawn by chance from a seed.

Used to fit what `lab.flags` knows and to measure it, with different seeds and fonts.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIZE = (480, 360)
LETTERS = ["abcdefghijklmnopqrstuvwxyz"] * 6 + [
    "абвгдежзиклмнопрстуфхцчшщыьэюя",
    "αβγδεζηθικλμνξοπρστυφχψω",
]
LATIN = ("NotoSans", "NotoSerif", "NotoSansMono", "NotoSansDisplay", "NotoSerifDisplay")
VOWELS = set("aeiouyаеиоуыэюяαεηιουω")


def fonts() -> list[Path]:
    """Font files of this machine that have letters."""
    found = [p for k in ("ttf", "otf") for p in Path("/usr/share/fonts").rglob(f"*.{k}")]
    odd = ("symbol", "dingbat", "d05", "math", "emoji", "standardsymbols")
    plain = [p for p in found if not any(word in p.name.lower() for word in odd)]
    # Noto's fonts for single scripts have no Latin letters.
    return sorted(p for p in plain if "Noto" not in p.name or p.name.split("-")[0] in LATIN)


def word(rng, letters: str) -> str:
    vowels = [c for c in letters if c in VOWELS]
    others = [c for c in letters if c not in VOWELS]
    return "".join(
        str(rng.choice(vowels if n % 2 == rng.integers(2) else others))
        for n in range(int(rng.integers(1, 10)))
    )


def lines(rng) -> list[str]:
    letters = LETTERS[rng.integers(len(LETTERS))]
    style = rng.integers(4)
    count = int(rng.choice([1, 1, 2, 2, 3, 4, 5, 6, 8, 12]))
    found = []
    for _ in range(count):
        text = " ".join(word(rng, letters) for _ in range(int(rng.integers(1, 6))))
        found.append([text.upper(), text.title(), text.capitalize(), text][style])
        if rng.random() < 0.15:
            found[-1] += rng.choice(["!", "...", "?", " 1923", " & Co.", "."])
    return found


def ground(rng, size) -> Image.Image:
    """What a title is written on."""
    wide, high = size
    kind = rng.choice(
        ["black", "dark", "colour", "slope", "paper", "soft"], p=[0.4, 0.15, 0.15, 0.1, 0.1, 0.1]
    )
    if kind == "black":
        plain = np.full((high, wide, 3), rng.uniform(0, 14))
    elif kind == "dark":
        plain = np.ones((high, wide, 3)) * rng.uniform(5, 60, 3)
    elif kind == "colour":
        plain = np.ones((high, wide, 3)) * rng.uniform(0, 255, 3)
    elif kind == "slope":
        one, other = rng.uniform(0, 255, (2, 3)) * rng.uniform(0.2, 1)
        share = np.linspace(0, 1, high)[:, None, None]
        plain = np.broadcast_to(one * share + other * (1 - share), (high, wide, 3)).copy()
    else:
        cells = (7, 9) if kind == "soft" else (60, 80)
        coarse = rng.normal(0, 25 if kind == "soft" else 12, (*cells, 1)) + rng.uniform(20, 200, 3)
        picture = Image.fromarray(np.clip(coarse, 0, 255).astype(np.uint8)).resize(size, 2)
        plain = np.asarray(picture, float)
    return Image.fromarray(np.clip(plain, 0, 255).astype(np.uint8))


def title(rng, faces: list[Path], size=SIZE) -> Image.Image:
    """A title, intertitle or credit, on a ground of its own."""
    picture = ground(rng, size)
    draw, (wide, high) = ImageDraw.Draw(picture), size
    light = np.asarray(picture).mean() < 110
    ink = tuple(int(v) for v in (rng.uniform(170, 255, 3) if light else rng.uniform(0, 60, 3)))
    if rng.random() < 0.6:
        ink = (245,) * 3 if light else (10,) * 3
    if rng.random() < 0.25:
        gap = int(rng.integers(6, 30))
        for step in range(int(rng.integers(1, 3))):
            inset = gap + 6 * step
            box = (inset, inset, wide - inset, high - inset)
            draw.rectangle(box, outline=ink, width=int(rng.integers(1, 4)))
    text = lines(rng)
    face = ImageFont.truetype(str(faces[rng.integers(len(faces))]), 40)
    longest = max(max(draw.textlength(line, font=face) for line in text), 1)
    side = min(0.82 * wide / longest, 0.75 * high / (len(text) * 56)) * 40
    side = int(np.clip(side * rng.uniform(0.35, 1), 11, 110))
    face = face.font_variant(size=side)
    top = (high - len(text) * side * 1.3) / 2 + rng.uniform(-0.1, 0.1) * high
    centred = rng.random() < 0.8
    for number, line in enumerate(text):
        left = (wide - draw.textlength(line, font=face)) / 2 if centred else 0.12 * wide
        draw.text((left, top + number * side * 1.3), line, fill=ink, font=face)
    return picture


def leader(rng, faces: list[Path], size=SIZE) -> Image.Image:
    """A countdown: a number, rings, cross-hairs, the hand that goes round; or marks on film."""
    wide, high = size
    grey = int(rng.choice([rng.uniform(10, 60), rng.uniform(100, 190), rng.uniform(200, 250)]))
    ink = (20,) * 3 if grey > 95 else (230,) * 3
    picture = Image.new("RGB", size, (grey,) * 3)
    draw = ImageDraw.Draw(picture)
    middle, most = (wide / 2, high / 2), min(wide, high) / 2
    if rng.random() < 0.6:
        shade = tuple(int(np.clip(grey + rng.choice([-45, 45]), 0, 255)) for _ in range(1)) * 3
        begin = rng.uniform(0, 360)
        draw.pieslice((-wide, -high, 2 * wide, 2 * high), -90, begin - 90, fill=shade)
    for ring in sorted(rng.uniform(0.45, 0.98, int(rng.integers(0, 4)))):
        box = [m + s * ring * most for s in (-1, 1) for m in middle]
        draw.ellipse(box, outline=ink, width=int(rng.integers(2, 7)))
    if rng.random() < 0.8:
        draw.line((0, high / 2, wide, high / 2), fill=ink, width=int(rng.integers(1, 5)))
        draw.line((wide / 2, 0, wide / 2, high), fill=ink, width=int(rng.integers(1, 5)))
    text = (
        str(rng.integers(1, 13))
        if rng.random() < 0.85
        else str(rng.choice(["START", "PICTURE\nSTART", "SOUND", "HEAD", "X"]))
    )
    side = int(high * (rng.uniform(0.3, 0.75) if len(text) < 3 else 0.18))
    face = ImageFont.truetype(str(faces[rng.integers(len(faces))]), side)
    draw.text(middle, text, fill=ink, font=face, anchor="mm" if "\n" not in text else None)
    return picture


BARS = {
    "smpte": [
        (180,) * 3,
        (180, 180, 16),
        (16, 180, 180),
        (16, 180, 16),
        (180, 16, 180),
        (180, 16, 16),
        (16, 16, 180),
    ],
    "ebu": [
        (255,) * 3,
        (255, 255, 0),
        (0, 255, 255),
        (0, 255, 0),
        (255, 0, 255),
        (255, 0, 0),
        (0, 0, 255),
        (0,) * 3,
    ],
}


def testcard(rng, faces: list[Path], size=SIZE) -> Image.Image:
    """Colour bars, grey steps, a grid with a circle."""
    wide, high = size
    picture = Image.new("RGB", size, (int(rng.uniform(60, 140)),) * 3)
    draw = ImageDraw.Draw(picture)
    kind = rng.choice(["smpte", "ebu", "steps", "card"], p=[0.35, 0.25, 0.1, 0.3])

    def row(colours, top, bottom, left=0.0, right=1.0):
        edges = np.linspace(left, right, len(colours) + 1) * wide
        for a, b, fill in zip(edges[:-1], edges[1:], colours, strict=True):
            draw.rectangle((a, top * high, b, bottom * high), fill=tuple(int(v) for v in fill))

    greys = [(int(v),) * 3 for v in np.linspace(0, 255, int(rng.integers(5, 12)))]
    if kind in BARS:
        bottom = rng.choice([0.67, 0.75, 1.0])
        row(BARS[kind], 0, bottom)
        if bottom < 1:
            row(BARS[kind][::-1], bottom, bottom + 0.08)
            row([(16, 16, 100), (235,) * 3, (60, 16, 100), (16,) * 3, (25,) * 3], bottom + 0.08, 1)
    elif kind == "steps":
        row(greys, 0, 0.5)
        row(greys[::-1], 0.5, 1)
    else:
        step = int(rng.integers(20, 50))
        for at in range(0, wide, step):
            draw.line((at, 0, at, high), fill=(230,) * 3, width=2)
        for at in range(0, high, step):
            draw.line((0, at, wide, at), fill=(230,) * 3, width=2)
        most = 0.45 * high
        box = (wide / 2 - most, high / 2 - most, wide / 2 + most, high / 2 + most)
        draw.ellipse(box, fill=(110,) * 3, outline=(240,) * 3, width=3)
        row(BARS["ebu"][:-1], 0.3, 0.45, 0.5 - most / wide * 0.85, 0.5 + most / wide * 0.85)
        row(greys, 0.45, 0.6, 0.5 - most / wide * 0.85, 0.5 + most / wide * 0.85)
    if rng.random() < 0.3:
        face = ImageFont.truetype(str(faces[rng.integers(len(faces))]), 24)
        draw.text((wide / 2, 0.85 * high), word(rng, LETTERS[0]).upper(), font=face, anchor="mm")
    return picture


DRAWN = {"title": title, "leader": leader, "testcard": testcard}


def aged(picture: Image.Image, rng) -> np.ndarray:
    """As film and tape leave it: soft, grainy, scratched, faded, cropped, letterboxed, grey."""
    wide, high = picture.size
    if rng.random() < 0.5:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.6)))
    image = np.asarray(picture, float)
    if rng.random() < 0.4:
        image = image.mean(axis=2, keepdims=True).repeat(3, 2) * rng.uniform(0.8, 1.0, 3)
    if rng.random() < 0.3:
        y, x = np.mgrid[-1 : 1 : high * 1j, -1 : 1 : wide * 1j]
        image = image * (1 - rng.uniform(0, 0.6) * (x * x + y * y) / 2)[..., None]
    image = image * rng.uniform(0.6, 1.05) + rng.uniform(0, 25)
    image = image + rng.normal(0, rng.uniform(0, 12) * (rng.random() < 0.6), (high, wide, 1))
    for _ in range(rng.poisson(2) if rng.random() < 0.3 else 0):
        image[:, rng.integers(wide)] += rng.choice([-90, 90])
    for _ in range(rng.poisson(12) if rng.random() < 0.3 else 0):
        y, x, side = rng.integers(high), rng.integers(wide), rng.integers(1, 6)
        image[y : y + side, x : x + side] = rng.choice([15, 240])
    image = np.clip(image, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        image = np.roll(image, rng.integers(-8, 8, 2), (0, 1))
    if rng.random() < 0.5:
        image = image[:, :, ::-1] if rng.random() < 0.1 else image
    if rng.random() < 0.3:  # through a small picture and back
        small = Image.fromarray(image).resize((wide // 2, high // 2))
        image = np.asarray(small.resize((wide, high)))
    return image
