"""The map by itself: a page, a picture, a drawing; and by the command."""

import base64
import io
import json
import re
import xml.etree.ElementTree as ET
from functools import partial

import numpy as np
import pytest
from PIL import Image, ImageOps

from lab import cli
from lab import page as pages
from lab.favourites import favourites
from lab.ingest import ingest
from lab.sample import numbered_film
from lab.scenes import open_map
from lab.store import Workspace
from lab.tables import load_archive, thumbnail_path
from lab.video import Reader


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("page"))
    workspace.archive.mkdir(parents=True)
    for number, name in enumerate(("one", "</script> & two")):
        looks = range(3 * number, 3 * number + 3)
        place = workspace.archive / f"{name.replace('/', '⁄')}.mp4"
        numbered_film(place, [30] * 3, looks=looks, first=None, rate=25)
    ingest(sorted(workspace.archive.iterdir()), workspace)
    return workspace


def held(text):
    """The data that a page holds."""
    return json.loads(re.search(r"const archive = (.*);\n", text)[1])


def lab(*words):
    return cli.main([str(word) for word in words])


def test_a_page_needs_no_other_file_and_holds_every_thumbnail(house, tmp_path, capsys):
    assert lab("map", "--work", house.root) == 0
    assert "6 shots, 1 scene ->" in capsys.readouterr().out
    text = (house.out / "map.html").read_text("utf-8")
    assert not re.search(r"<(script|link|img|iframe)[^>]* (src|href)=", text)
    shots, kept = open_map(house).shots, held(text)
    assert [told.split("  ")[0] for told in kept["texts"]] == shots.title.tolist()
    assert kept["groups"] == shots.cluster.tolist() and len(kept["scenes"]) == 1
    sheet = Image.open(io.BytesIO(base64.b64decode(kept["sheets"][0])))
    wide, high = kept["tile"]
    for k, shot in enumerate(shots.itertuples()):
        left, top = k % (2048 // wide) * wide, k // (2048 // wide) * high
        told = np.asarray(sheet.crop((left, top, left + wide, top + high)), float)
        picture = Image.open(thumbnail_path(house, shot.film_id, shot.index))
        assert np.abs(told - np.asarray(ImageOps.pad(picture, (wide, high)), float)).mean() < 6
    # A title cannot end the script that it stands in.
    assert text.count("</script>") == text.count("<script")


def test_a_picture_shows_the_thumbnails_where_the_shots_lie(house, tmp_path):
    found = open_map(house)
    pages.write_map(found, partial(thumbnail_path, house), tmp_path / "map.png")
    drawn = np.asarray(Image.open(tmp_path / "map.png"), float)
    assert drawn.shape == (pages.SIZE[1], pages.SIZE[0], 3)
    shown = 0
    for (x, y), shot in zip(pages.on_paper(found), found.shots.itertuples(), strict=True):
        tile = Image.open(thumbnail_path(house, shot.film_id, shot.index))
        tile.thumbnail(pages._tile(6))
        left, top = round(x - tile.width / 2), round(y - tile.height / 2)
        part = drawn[top : top + tile.height, left : left + tile.width]
        rows = slice(tile.height // 2, None)  # its number stands above
        shown += np.abs(part[rows] - np.asarray(tile, float)[rows]).mean() < 12
    assert shown == 6  # none hides another


def test_a_drawing_is_xml_with_a_title_a_shot(house, tmp_path):
    pages.write_map(open_map(house), partial(thumbnail_path, house), tmp_path / "map.svg")
    tree = ET.parse(tmp_path / "map.svg")
    titles = [one.text for one in tree.iter("{http://www.w3.org/2000/svg}title")]
    assert len(titles) == 6 and sum("& two" in title for title in titles) == 3
    assert len(list(tree.iter("{http://www.w3.org/2000/svg}image"))) == 6


def test_films_that_come_later_are_placed(house, tmp_path, capsys):
    work = Workspace(tmp_path)
    for folder in ("archive", "work"):
        (tmp_path / folder).mkdir()
    numbered_film(work.archive / "a.mp4", [30] * 3, looks=(1, 2, 3), first=None, rate=25)
    assert lab("ingest", "--work", tmp_path) == 0 and lab("map", "--work", tmp_path) == 0
    before = open_map(work).shots.set_index("shot_id")[["x", "y"]]
    numbered_film(work.archive / "b.mp4", [30] * 2, looks=(4, 5), first=None, rate=25)
    assert lab("ingest", "--work", tmp_path) == 0 and lab("map", "--work", tmp_path) == 0
    assert "5 shots, 2 of them placed since it was drawn" in capsys.readouterr().out
    after = open_map(work).shots.set_index("shot_id")[["x", "y"]]
    assert after.loc[before.index].equals(before)
    assert lab("map", "--redraw", "--work", tmp_path) == 0
    assert "placed since" not in capsys.readouterr().out


def test_a_scene_is_rendered_in_the_maps_order(house, tmp_path, capsys):
    out = tmp_path / "scene.mp4"
    assert lab("map", "--scene", 0, "--out", out, "--work", house.root) == 0
    assert sum(1 for _ in Reader(out)) == 6 * 30
    asked = ["map", "--scene", 0, "--work", house.root, "--out"]
    assert lab(*asked, tmp_path / "nine.mp4", "--nine") == 0
    assert lab(*asked, tmp_path / "few.mp4", "--most", 2, "--longest", 0.4) == 0
    assert sum(1 for _ in Reader(tmp_path / "few.mp4")) == 2 * 10


def test_a_scene_is_named_and_a_shot_put_aside_by_command(house, capsys):
    assert lab("map", "--scene", 0, "--name", "numbers", "--work", house.root) == 0
    assert "scene 0 is called numbers now" in capsys.readouterr().out
    assert open_map(house).names[0] == "numbers"
    assert lab("map", "--scene", 0, "--name", "", "--work", house.root) == 0
    assert open_map(house).names[0] != "numbers"
    assert lab("map", "--name", "x", "--work", house.root) == 1
    shot = open_map(house).shots.iloc[2]
    asked = ["favourites", "--work", house.root, "--add"]
    assert lab(*asked, shot.shot_id, "--tags", "a, b", "--note", "c") == 0
    kept = favourites(house).iloc[-1]
    assert (kept.film_id, kept.start, kept.tags, kept.note) == (
        shot.film_id,
        shot.start,
        "a, b",
        "c",
    )
    assert lab(*asked, shot.film_id + "-1-2") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "{}/map.jpg"], "end the name in .html or .png or .svg"),
        (["--scene", "9"], "the map has scenes 0 to 0, no 9"),
        (["--scene", "0", "--out", "{}/a.html"], "a scene is a video: end the name in .mp4"),
        (["--scene", "0", "--out", "{}/a.avi"], "a.avi: end the name in .mp4"),
        (["--out", "{}/a.mp4"], "a video is of one scene; name it"),
        (["--work", "{}"], "the archive is empty"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(words, said, house, tmp_path, capsys):
    words = [word.format(tmp_path) for word in words]
    assert lab("map", "--work", house.root, *words) == 1
    assert said in capsys.readouterr().err.strip().splitlines()[-1]
    assert len(load_archive(house).films) == 2 and not list(tmp_path.iterdir())


@pytest.mark.long
def test_a_page_is_moved_through_by_hand_and_keys(house, page, tmp_path):
    found, said = open_map(house), []
    pages.write_map(found, partial(thumbnail_path, house), tmp_path / "map.html")
    page.on("console", lambda line: said.append(line.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"file://{tmp_path}/map.html")
    page.wait_for_function("document.querySelector('#map .says').textContent === '6 shots'")

    # The left upper shot: under the pointer its card, after a click its picture and line.
    places = pages.on_paper(found)
    left, top = places.min(axis=0)
    first = int(np.hypot(*(places - (left, top)).T).argmin())
    box = page.query_selector("#map canvas").bounding_box()
    room = np.array([box["width"], box["height"]]) - 100
    by = (room / np.ptp(places, axis=0).clip(1e-6)).min()
    middle = np.array([box["x"] + box["width"] / 2, box["y"] + box["height"] / 2])
    at = middle + (places[first] - (places.min(axis=0) + places.max(axis=0)) / 2) * by
    page.mouse.move(*at)
    line = held((tmp_path / "map.html").read_text("utf-8"))["texts"][first]
    page.wait_for_selector("#map .card:not([hidden])")
    assert page.text_content("#map .card").startswith(line.split("; ")[0])
    page.mouse.click(*at)
    assert page.text_content("#clicked figcaption") == line
    assert page.eval_on_selector("#clicked div", "one => one.style.backgroundImage")

    page.click("#scenes button")
    assert page.inner_text("#map .says").endswith("6 lit")
    page.fill("#find", "</SCRIPT> & two".replace("/", "⁄"))
    assert page.inner_text("#map .says").endswith("3 lit")
    assert page.inner_text("#found") == "3 shots have all these words."
    page.fill("#find", "xyzzy")
    assert page.inner_text("#found") == "0 shots have this word."
    page.focus("#map canvas")
    reached = []
    for key in ("ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
        reached.append(page.inner_text("#map .says"))
    page.keyboard.press("Enter")
    assert len(set(reached)) > 1 and len(page.query_selector_all("#clicked figure")) == 2
    page.keyboard.press(" ")
    assert page.inner_text("#count") == "1 shots chosen"
    assert len(page.query_selector_all("#chosen figure")) == 1
    assert said == []
