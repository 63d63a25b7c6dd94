"""Titles, leader, test cards, stills and repeats, on pictures and films made here."""

import numpy as np
import pandas as pd
import pytest
from av import VideoFrame
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from lab.duplicates import find_duplicates
from lab.encoders import load_encoder
from lab.flags import find_cards, is_still
from lab.ingest import ingest, recut
from lab.store import Workspace
from lab.tables import load_archive
from lab.video import Writer

SIZE = (320, 240)
WORDS = ("the sea", "was calm", "that night", "nobody heard", "meanwhile", "back in town")


def title(seed):
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", SIZE, tuple(int(v) for v in rng.integers(0, 50, 3)))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(int(rng.integers(16, 30)))
    for line in range(int(rng.integers(1, 5))):
        text = " ".join(rng.choice(WORDS, 2))
        draw.text((SIZE[0] / 2, 70 + 36 * line), text, (235, 230, 215), font, anchor="mm")
    return picture


def leader(seed):
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", SIZE, (int(rng.integers(90, 180)),) * 3)
    draw = ImageDraw.Draw(picture)
    draw.pieslice((-200, -200, 520, 440), -90, int(rng.integers(0, 200)), fill=(70, 70, 70))
    for radius in (80, 100):
        draw.ellipse((160 - radius, 120 - radius, 160 + radius, 120 + radius), outline=(20,) * 3)
    draw.line((0, 120, 320, 120), (20, 20, 20), 2)
    draw.line((160, 0, 160, 240), (20, 20, 20), 2)
    number = str(rng.integers(1, 10))
    draw.text((160, 120), number, (15, 15, 15), ImageFont.load_default(120), anchor="mm")
    return picture


def bars(seed):
    rng = np.random.default_rng(seed)
    level = int(rng.integers(160, 256))
    picture, draw = Image.new("RGB", SIZE), None
    draw = ImageDraw.Draw(picture)
    for place in range(8):
        colour = tuple(level * (7 - place >> bit & 1) for bit in (1, 2, 0))
        draw.rectangle((place * 40, 0, place * 40 + 39, 240), fill=colour)
    return picture


def scenery(seed):
    """Hills, a sky, a house: no words, no test pattern."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:1:240j, 0:1:320j]
    sky = np.array([150, 180, 220]) * (1 - 0.4 * y[..., None])
    hills = 0.5 + 0.15 * np.sin(x * rng.uniform(3, 9) + rng.uniform(0, 6)) * rng.uniform(0.3, 1)
    ground = rng.uniform(20, 140, 3) + rng.normal(0, 12, (240, 320, 1))
    picture = np.where((y > hills)[..., None], ground, sky) + rng.normal(0, 5, (240, 320, 1))
    image = Image.fromarray(picture.clip(0, 255).astype(np.uint8))
    draw, left = ImageDraw.Draw(image), int(rng.integers(20, 220))
    draw.rectangle(
        (left, 110, left + 70, 190), fill=tuple(int(v) for v in rng.integers(40, 200, 3))
    )
    draw.polygon([(left - 8, 110), (left + 35, 70), (left + 78, 110)], fill=(90, 40, 30))
    return image.filter(ImageFilter.GaussianBlur(0.8))


@pytest.mark.parametrize(
    ("draw", "kind"), [(title, "title"), (leader, "leader"), (bars, "testcard"), (scenery, "")]
)
def test_cards_are_told_from_pictures(draw, kind):
    pictures = np.stack([np.asarray(draw(seed)) for seed in range(20)])
    found = find_cards(load_encoder().encode(pictures).pooled)
    assert sum(one == kind for one in found) >= 19


def test_no_pictures_no_cards():
    assert find_cards(np.zeros((0, 1280), np.float32)) == []


def test_stills_are_told_from_movement():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (9, 16))
    still = np.clip(picture + rng.integers(0, 2, (50, 9, 16)), 0, 255).astype(np.uint8)
    assert is_still(still, 2.0)
    assert not is_still(still[:5], 0.2)  # too short to tell
    moving = np.stack([np.roll(picture, k // 5, 1) for k in range(50)]).astype(np.uint8)
    assert not is_still(moving, 2.0)


def write(path, pictures):
    with Writer(path, SIZE, 25) as out:
        for number, picture in enumerate(pictures):
            frame = VideoFrame.from_ndarray(np.asarray(picture, np.uint8), format="rgb24")
            out.write(frame.reformat(format="yuv420p", dst_colorspace="ITU709"), number / 25)


def moving(seed, count=50):
    """A camera that pans over a scene in a rhythm of its own."""
    rng = np.random.default_rng(seed)
    wide = np.concatenate([np.asarray(scenery(seed + k)) for k in (0, 100)], axis=1)
    path = np.cumsum(rng.uniform(0, 6, count)).astype(int)
    return [wide[:, left : left + SIZE[0]] for left in path]


def test_cards_and_stills_in_a_film_are_flagged_and_answer_only_when_asked(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.archive.mkdir(parents=True)
    pictures = moving(1) + [title(3)] * 50 + moving(2) + [scenery(9)] * 50 + [leader(4)] * 50
    write(workspace.archive / "film.mp4", pictures)
    (film,) = ingest([workspace.archive / "film.mp4"], workspace).made
    recut(workspace, film, [0.0, 2.0, 4.0, 6.0, 8.0])
    archive = load_archive(workspace)
    said = [set(words.split()) - {"still"} for words in archive.shots["flags"]]
    assert said == [set(), {"title"}, set(), set(), {"leader"}]
    still = archive.shots["flags"].str.contains("still").tolist()
    assert still == [False, True, False, True, True]


def changed(frames, how):
    for frame in frames:
        picture = frame.astype(float)
        if how == "grey":
            picture = picture.mean(axis=2, keepdims=True).repeat(3, 2)
        if how == "cropped":
            inside = Image.fromarray(frame).crop((12, 9, 308, 231))
            picture = np.asarray(inside.resize(SIZE), float)
        if how == "logo":
            picture[12:40, 260:305] = 250
        yield picture.clip(0, 255).astype(np.uint8)


CUTS = ([0, 60, 120], [0, 40, 90])


@pytest.mark.parametrize("how", ["recompressed", "grey", "cropped", "logo"])
def test_repeats_are_found_through_what_was_done_to_them(tmp_path, how):
    workspace = Workspace(tmp_path)
    workspace.archive.mkdir(parents=True)
    first, second = workspace.archive / "first.mp4", workspace.archive / "second.mp4"
    frames = moving(1, 60) + moving(2, 60) + moving(3, 60)
    write(first, frames)
    write(second, changed(moving(4, 40) + frames[60:110] + moving(5, 40), how))
    # Where the cuts lie is given: only what repeats is asked here.
    for film, begins in zip(ingest([first, second], workspace).made, CUTS, strict=True):
        recut(workspace, film, [begin / 25 for begin in begins])
    table = load_archive(workspace).shots.set_index("shot_id")
    repeats = table[table["flags"].str.contains("duplicate-of")]
    assert len(repeats) == 1 and repeats["index"].tolist() == [1]
    kept = repeats["flags"].iloc[0].split("duplicate-of:")[1].split()[0]
    assert table.loc[kept, "index"] == 1 and table.loc[kept, "film_id"] != repeats.film_id.iloc[0]


def test_the_same_place_at_another_time_is_no_repeat():
    rng = np.random.default_rng(1)
    place = rng.integers(40, 200, (9, 16))
    traces, rows = [], []
    for number in range(2):
        frames = np.repeat(place[None], 75, 0)
        for k in range(75):  # someone walks through, at another pace and the other way
            column = (k // 3) % 16 if number else 15 - (k // 5) % 16
            frames[k, 2:7, column] = 250
        traces.append(frames.astype(np.uint8))
        rows.append((f"f{number}-0-3000", f"f{number}", 0.0, 3.0, ""))
    shots = pd.DataFrame(rows, columns=["shot_id", "film_id", "clean_start", "clean_end", "flags"])
    known = {f"f{k}": {"times": np.arange(75) / 25, "trace": traces[k]} for k in range(2)}
    assert find_duplicates(shots, known.get) == {}
    known["f1"] = known["f0"]
    assert find_duplicates(shots, known.get) == {"f1-0-3000": "f0-0-3000"}
