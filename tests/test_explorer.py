"""The map in a notebook: from Python, and with mouse and keys in a real browser."""

import base64
import json
import math
from fractions import Fraction

import nbformat
import numpy as np
import pytest
from test_widgets import lab, run_all  # noqa: F401 (fixtures)

from lab.favourites import favourites
from lab.ingest import ingest
from lab.likeness import Weights
from lab.sample import numbered_film
from lab.scenes import open_map
from lab.store import Workspace
from lab.tables import load_films, thumbnail_path
from lab.widgets import SceneExplorer


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("explorer"))
    workspace.archive.mkdir(parents=True)
    for number in range(4):
        looks = range(3 * number, 3 * number + 3)
        place = workspace.archive / f"film {number}.mp4"
        times = (
            None if number else [2 + Fraction(k, 25) for k in range(90)]
        )  # one begins at two seconds
        numbered_film(place, [30] * 3, looks=looks, first=None, rate=25, times=times)
    ingest(sorted(workspace.archive.iterdir()), workspace)
    return workspace


@pytest.fixture
def explorer(house):
    return SceneExplorer(house)


def rows_of(trace):
    return [] if trace.customdata is None else list(trace.customdata)


def test_every_shot_is_a_point_that_knows_its_row(explorer):
    found = explorer.found
    rows = [row for trace in explorer.figure.data for row in rows_of(trace)]
    assert sorted(rows) == list(range(12))
    for trace in explorer.figure.data:
        for x, y, row in zip(trace.x, trace.y, rows_of(trace), strict=True):
            assert (x, y) == tuple(found.points[row])


def test_the_stage_plays_shots_on_the_proxys_clock(explorer, house):
    shots, films = explorer.found.shots, load_films(house).set_index("film_id")
    for shot, (film, index, start, end) in zip(
        shots.itertuples(), explorer.stage.shots, strict=True
    ):
        assert films.path[shot.film_id].endswith(f"{shot.title}.mp4")
        assert start == pytest.approx(1.2 * index) and end == pytest.approx(1.2 * (index + 1))
        assert explorer.stage.films[film] == {"thumbnails": "", "proxy": ""}  # no server here
    assert films.t0.max() == 2
    told = [part.value for part in explorer.children if hasattr(part, "value")]
    assert any("start JupyterLab in a folder above" in line for line in told)


def test_what_is_chosen_is_a_table_in_the_order_of_a_tour(explorer):
    explorer.act({"do": "choose", "row": [7, 2, 5, 99, -1]})
    assert set(explorer.table.shot_id) == set(explorer.found.shots.shot_id[[2, 5, 7]])
    assert explorer.table.shot_id.tolist() == [
        explorer.found.shots.shot_id[row] for row in explorer.stage.chosen
    ]


def test_like_this_lights_the_nearest_and_aside_keeps(explorer, house):
    explorer.act({"do": "like", "row": 3})
    lit = explorer.figure.data[-1]
    assert lit.visible and len(lit.x) == 11 and 3 not in explorer.stage.chosen
    explorer.act({"do": "aside", "row": 3})
    assert favourites(house).film_id.tolist() == [explorer.found.shots.film_id[3]]
    explorer.find("film 2")
    assert set(explorer.table.title) == {"film 2"} and "3 shots" in explorer.status.value
    explorer.find("nothing like it")
    assert explorer.table.empty


def test_a_picture_lights_the_shots_that_look_like_it(explorer, house, tmp_path):
    shot = explorer.found.shots.iloc[8]
    content = thumbnail_path(house, shot.film_id, shot["index"]).read_bytes()
    explorer._picture([{"name": "../still.jpg", "content": content}])
    assert explorer.stage.chosen[0] == 8
    explorer.act({"do": "picture", "name": "bad.jpg"}, [memoryview(b"no picture")])
    assert "is not a picture" in explorer.status.value


def test_filters_leave_points_out_and_weights_move_them(explorer):
    film = explorer.children[1].children[0]
    film.value = "film 1"
    rows = [row for trace in explorer.figure.data for row in rows_of(trace)]
    assert set(explorer.found.shots.title[rows]) == {"film 1"} and len(rows) == 3
    film.value = "all"
    explorer.scene.value = 0
    assert len(explorer.table) == explorer.found.scenes["size"][0]
    before = explorer.found.points
    explorer.children[2].children[2].value = 1.0  # colour
    assert explorer.found.settings.weights == Weights(
        subject=1, composition=0, colour=1, motion=0, framing=0
    )
    assert not np.array_equal(before, explorer.found.points)


def test_the_atlas_shows_the_same_map_and_chooses_on_it(explorer):
    atlas = explorer.atlas()
    assert len(atlas.texts) == 12
    atlas.chosen = [4, 1]
    assert set(explorer.table.shot_id) == set(explorer.found.shots.shot_id[[1, 4]])
    atlas.clicked = 6
    assert explorer.stage.playing == 6


@pytest.mark.long
def test_the_map_is_used_with_mouse_and_keyboard(lab, page, tmp_path):  # noqa: F811
    said = []
    page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    run_all(page, lab, "02_scene_map.ipynb")
    page.wait_for_selector(".exploring[data-ready='true']", timeout=240_000)
    idle = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'"
    page.wait_for_selector("video[controls][src*='nine.mp4']", timeout=240_000, state="attached")
    page.wait_for_function(idle, timeout=240_000)
    page.evaluate("document.querySelector('.js-plotly-plot').scrollIntoView({block: 'center'})")
    workspace = Workspace(tmp_path / "data" / "demo")
    shots = open_map(workspace).shots

    places = lambda: {int(row): at for row, at in page.evaluate(PLACES).items()}  # noqa: E731
    page.wait_for_timeout(500)  # the notebook comes to rest
    row, at = next((row, at) for row, at in places().items() if alone(at, places()))
    shot, card = shots.iloc[row], ".lab-card:not([hidden])"
    page.mouse.move(*at)
    page.wait_for_selector(f"{card}[data-row='{row}']")
    shown = page.get_attribute(f"{card} img", "src")
    assert f"/{shot.film_id}-" in shown and shown.endswith(f"/{shot['index']}.jpg")
    page.wait_for_function(f"document.querySelector('{card} img').naturalWidth > 0")
    assert shot.title in page.inner_text(card)

    page.mouse.click(*at)
    video = page.wait_for_selector(f".exploring .large video[data-row='{row}']")
    page.wait_for_function("document.querySelector('.large video').currentTime > 0")
    source, second = video.get_attribute("src"), video.evaluate("video => video.currentTime")
    t0 = load_films(workspace).set_index("film_id").t0[shot.film_id]
    assert f"/{shot.film_id}-" in source
    assert shot.clean_start - t0 - 0.05 <= second <= shot.clean_end - t0 + 0.05

    box = page.query_selector(".nsewdrag").bounding_box()
    inside = draw_around(page, box, places())
    assert inside
    page.wait_for_function(
        """(inside) => {
          const nine = [...document.querySelectorAll('.nine video')];
          return nine.length === Math.min(9, inside.length)
            && nine.every((one) => inside.includes(Number(one.dataset.row)));
        }""",
        arg=sorted(inside),
        timeout=60_000,
    )
    wanted = set(shots.shot_id.iloc[sorted(inside)])
    waits_for(page, lambda: set(table_of(page)) == wanted)

    before = places()[row]
    handle = "//div[contains(@class,'widget-hslider')][.//label[text()='colour']]"
    page.focus(f"xpath={handle}//div[contains(@class,'noUi-handle')]")
    page.keyboard.press("End")
    page.wait_for_function(
        f"([x, y]) => {{ const [left, top] = ({PLACES})()[{row}] || [x, y];"
        "return Math.hypot(left - x, top - y) > 1 }",
        arg=list(before),
        timeout=60_000,
    )
    page.click(f"xpath={handle}//div[contains(@class,'noUi-handle')]")
    page.keyboard.press("ArrowLeft")  # moves the slider, not JupyterLab
    page.wait_for_function(
        "() => [...document.querySelectorAll('.lab-explorer .noUi-handle')]"
        ".some((one) => one.getAttribute('aria-valuetext') === '0.95')"
    )
    page.wait_for_function(idle, timeout=60_000)
    page.focus(".js-plotly-plot")
    reached = []
    for key in ("ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown"):
        page.keyboard.press(key)
        reached.append(page.get_attribute(card, "data-row"))
    reweigh = "from lab.likeness import Weights; explorer.reweigh(Weights(subject=0, colour=1))"
    assert asked(page, reweigh) == ""
    page.wait_for_timeout(1000)  # the keys stay at a shot whose place and scene are others now
    page.keyboard.press("Enter")
    page.wait_for_selector(f".exploring .large video[data-row='{reached[-1]}']")
    assert len(set(reached)) > 1

    here = shots.shot_id.iloc[int(reached[-1])]
    was = here in table_of(page)
    page.focus(".js-plotly-plot")
    page.keyboard.press(" ")  # the key leaves or joins what is chosen
    waits_for(page, lambda: (here in table_of(page)) is not was)

    page.click(".exploring button:text('Put aside')")
    waits_for(page, lambda: len(favourites(workspace)) == 1)
    assert favourites(workspace).film_id.iloc[-1] == shots.film_id.iloc[int(reached[-1])]

    film, index = shots.iloc[row][["film_id", "index"]]
    picture = thumbnail_path(workspace, film, index).read_bytes()
    page.evaluate(DROP, base64.b64encode(picture).decode())
    waits_for(page, lambda: shots.shot_id.iloc[row] in table_of(page)[:24])
    page.wait_for_function("document.querySelector('.lab-map-says').textContent.includes('found')")
    assert said == []

    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_timeout(3000)
    kept = tmp_path / "notebooks" / "02_scene_map.ipynb"
    assert any(cell.get("outputs") for cell in nbformat.read(kept, 4).cells)
    assert kept.stat().st_size < 3_000_000


DROP = """(picture) => {
  const file = new File([Uint8Array.from(atob(picture), (one) => one.charCodeAt(0))], 'still.jpg');
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(file);
  const dropped = new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true });
  document.querySelector('.js-plotly-plot').dispatchEvent(dropped);
}"""
PLACES = """() => {
  const plot = document.querySelector('.js-plotly-plot'), { xaxis, yaxis } = plot._fullLayout;
  const box = plot.getBoundingClientRect(), found = {};
  for (const data of plot._fullData)
    Array.from(data.customdata || []).forEach((row, k) => {
      const across = xaxis._offset + xaxis.d2p(data.x[k]);
      const down = yaxis._offset + yaxis.d2p(data.y[k]);
      found[row] = [box.left + across, box.top + down];
    });
  return found;
}"""


def waits_for(page, holds):
    """Ask again and again, as browser and kernel take their time, until something holds."""
    for _ in range(60):
        if holds():
            return
        page.wait_for_timeout(500)
    assert holds()


def alone(at, others):
    """Whether no other shot is so near that the pointer could mean it."""
    return sum(math.dist(at, other) < 25 for other in others.values()) == 1


def draw_around(page, box, places):
    """Draw a lasso around the left half of the map; the rows that lie in it."""
    margin = 4
    left, top = box["x"] + margin, box["y"] + margin
    right, bottom = box["x"] + box["width"] / 2, box["y"] + box["height"] - margin
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom), (left, top)):
        page.mouse.move(x, y, steps=6)
    page.mouse.up()
    return {row for row, (x, y) in places.items() if left < x < right and top < y < bottom}


def table_of(page):
    """What the kernel has as the explorer's table."""
    return json.loads(
        asked(page, "import json; print(json.dumps(explorer.table.shot_id.tolist()))")
    )


def asked(page, code):
    """What the notebook's kernel prints when it runs code."""
    return page.evaluate(
        """async (code) => {
          const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
          const asked = kernel.requestExecute({ code, store_history: false });
          let said = '';
          asked.onIOPub = ({ header, content }) => {
            if (header.msg_type === 'stream') said += content.text;
            if (header.msg_type === 'error') said = content.evalue;
          };
          await asked.done;
          return said;
        }""",
        code,
    )
