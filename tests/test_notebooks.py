"""Every notebook runs from top to bottom, on films made here in place of the samples."""

import json
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from lab.edit import load_edit
from lab.sample import numbered_film, packages
from lab.video import probe

NOTEBOOKS = sorted(Path(__file__).parents[1].glob("notebooks/*.ipynb"))


def films_of_the_sample(folder):
    """Small films under the samples' names: then nothing is fetched."""
    seed = 0
    for package in packages():
        for film in package.films:
            place = folder / ("trailers" if film.role == "trailer" else "archive") / film.file
            place.parent.mkdir(parents=True, exist_ok=True)
            looks, seed = range(seed, seed + 3), seed + 3
            codec = "mpeg2video" if film.file.endswith("mpg") else "libx264"
            codec = {".webm": "libvpx", ".3gp": "mpeg4"}.get(place.suffix, codec)
            sound = "aac" if film.role == "trailer" else None
            numbered_film(
                place, [20] * 3, looks=looks, first=None, codec=codec, rate=25, sound=sound
            )


# The first of all is run always; the others take a quarter of a minute and more each.
QUICK = {"00_quickstart"}
EACH = [
    pytest.param(path, id=path.stem, marks=[] if path.stem in QUICK else [pytest.mark.long])
    for path in NOTEBOOKS
]


@pytest.mark.parametrize("path", EACH)
def test_notebook_runs_from_top_to_bottom(path, tmp_path):
    (tmp_path / "notebooks").mkdir()
    films_of_the_sample(tmp_path / "data" / "demo")
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=280, store_widget_state=False)
    client.execute(cwd=str(tmp_path / "notebooks"))
    shown = json.dumps([cell.get("outputs", []) for cell in notebook.cells])
    SHOWS[path.stem](shown, tmp_path)


def shows_the_finished_video(shown, tmp_path):
    assert "<video src=" in shown and "image/png" in shown
    video = tmp_path / "data" / "demo" / "out" / "demo.mp4"
    assert video.stat().st_size > 10_000
    assert os.path.relpath(video, tmp_path / "notebooks") in shown


def shows_films_problems_strips_and_seconds(shown, tmp_path):
    assert "is a text, not a film" in shown and "there is no picture from" in shown
    assert shown.count("<img src=") == 12 and "image/png" in shown
    assert "application/vnd.plotly" in shown and "x real time" in shown
    films = tmp_path / "data" / "demo" / "work" / "films.json"
    assert "a reel is lost" not in films.read_text()  # the demo's archive stays as it is


def shows_a_strip_and_the_shots(shown, tmp_path):
    assert "jupyter.widget-view+json" in shown and shown.count("<figure") >= 3


def shows_the_studio_and_its_film(shown, tmp_path):
    out = tmp_path / "data" / "demo" / "out"
    assert "jupyter.widget-view+json" in shown and "image/png" in shown
    assert ">same movement</th>" in shown and load_edit(out / "studio.yaml").shots
    assert (out / "studio.mp4").stat().st_size > 10_000


def shows_what_leaves_the_house(shown, tmp_path):
    out = tmp_path / "data" / "demo" / "out"
    names = "tall.mp4 wipe.mp4 poster.png teaser.webp credits.md export.srt export.otio"
    assert all((out / name).stat().st_size > 100 for name in names.split())
    assert shown.count("<video src=") == 2 and shown.count("<img src=") == 2
    assert "LUFS" in shown and '"[]"' in shown  # nothing was changed in the timeline


def shows_what_a_network_learnt_and_sees(shown, tmp_path):
    demo = tmp_path / "data" / "demo"
    assert "jupyter.widget-view+json" in shown and "application/vnd.plotly" in shown
    assert "image/png" in shown and shown.count("<video src=") == 1
    assert (demo / "models" / "scene" / "model.safetensors").exists()
    assert probe(demo / "out" / "as-it-sees.mp4").width == 1920


def shows_neighbours_and_why(shown, tmp_path):
    assert shown.count("<figure") >= 9 and "application/vnd.plotly" in shown
    assert "ost alike in" in shown and (tmp_path / "data/demo/out/seeing.yaml").exists()


def shows_a_map_scenes_and_films_of_them(shown, tmp_path):
    out = tmp_path / "data" / "demo" / "out"
    assert "jupyter.widget-view+json" in shown and shown.count("application/vnd.plotly") == 2
    assert "match_in" in shown and "trustworthiness" in shown
    assert all((out / name).exists() for name in ("scene.mp4", "nine.mp4"))
    assert len(shown) < 3_000_000


SHOWS = {
    "00_quickstart": shows_the_finished_video,
    "01_build_archive": shows_films_problems_strips_and_seconds,
    "02_scene_map": shows_a_map_scenes_and_films_of_them,
    "03_match_trailer": shows_the_studio_and_its_film,
    "04_export": shows_what_leaves_the_house,
    "05_learning_to_see": shows_what_a_network_learnt_and_sees,
    "06_seeing": shows_neighbours_and_why,
    "07_shots": shows_a_strip_and_the_shots,
}
