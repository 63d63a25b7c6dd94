"""Widgets, moved from Python and, with keys and mouse, in a real browser."""

import io
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from test_notebooks import films_of_the_sample

from lab.ingest import ingest
from lab.sample import numbered_film
from lab.store import Workspace
from lab.tables import load_archive
from lab.widgets import CutStrip, cutting

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


@pytest.fixture
def strip(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.archive.mkdir(parents=True)
    numbered_film(workspace.archive / "film.mp4", [40, 30, 50], first=None, looks=(1, 2, 3))
    (film_id,) = ingest([workspace.archive / "film.mp4"], workspace).made
    return CutStrip(workspace, film_id)


def test_the_strip_says_what_was_found(strip):
    assert strip.begins == [40, 70] and strip.count == 120 and len(strip.times) == 120
    score = np.frombuffer(strip.score, np.uint8)
    assert np.flatnonzero(score > 128).tolist() == [40, 70]
    assert Image.open(io.BytesIO(strip.strip)).size == (5 * 96, 54)
    strip.act({"do": "look", "frame": 40})
    row = np.asarray(Image.open(io.BytesIO(strip.near)), int)
    frames = row.reshape(90, 8, 160, 3).transpose(1, 0, 2, 3)
    steps = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3))
    assert steps.argmax() == 3  # the new shot begins with the fifth


def test_cuts_are_kept_and_survive_a_new_ingest(strip):
    for said in ({"do": "move", "frame": 40, "to": 43}, {"do": "remove", "frame": 70}):
        strip.act(said)
    strip.act({"do": "add", "frame": 99})
    strip.act({"do": "undo"})
    assert strip.begins == [43] and "Undone" in strip.status
    strip.act({"do": "keep"})
    workspace = strip.workspace
    assert load_archive(workspace).shots.start_frame.tolist() == [0, 43]
    shutil.rmtree(workspace.work)
    ingest([workspace.archive / "film.mp4"], workspace)
    assert load_archive(workspace).shots.start_frame.tolist() == [0, 43]


def test_a_long_film_is_shown_page_by_page(strip, monkeypatch):
    monkeypatch.setattr(cutting, "PAGE", 50)
    for frame, first, last in ((0, 0, 49), (49, 0, 49), (50, 50, 99), (500, 100, 119), (-3, 0, 49)):
        strip.act({"do": "page", "frame": frame})
        assert strip.first == first and len(strip.times) == len(strip.score) == last - first + 1


def test_what_nobody_offers_is_not_done(strip):
    strip.act({"do": "__init__", "frame": 3})
    assert strip.begins == [40, 70] and strip.status == ""


@pytest.fixture
def lab(tmp_path):
    """JupyterLab on the sample notebooks, with small films in the samples' place."""
    shutil.copytree(NOTEBOOKS, tmp_path / "notebooks")
    films_of_the_sample(tmp_path / "data" / "demo")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--no-browser", "--allow-root", f"--ServerApp.port={port}"]
    words += ["--IdentityProvider.token=", f"--ServerApp.root_dir={tmp_path}"]
    words += ["--LabApp.expose_app_in_browser=True", "--ServerApp.disable_check_xsrf=True"]
    home = {**os.environ, "HOME": str(tmp_path), "JUPYTER_CONFIG_DIR": str(tmp_path / "jupyter")}
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *words], env=home, cwd=tmp_path,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/api", timeout=2)
                break
            except OSError:
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait()


def run_all(page, address, name):
    page.goto(f"{address}/lab/tree/notebooks/{name}", timeout=120_000)
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
    idle = "() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status"
    page.wait_for_function(f"{idle} === 'idle'".replace("() => ", "() => (") + ")", timeout=120_000)
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")


@pytest.mark.long
def test_cuts_are_corrected_with_mouse_and_keyboard(lab, page, tmp_path):
    run_all(page, lab, "07_shots.ipynb")
    page.wait_for_selector(".cutting .mark", timeout=240_000)
    begins = lambda: [  # noqa: E731
        int(mark.get_attribute("data-frame")) for mark in page.query_selector_all(".cutting .mark")
    ]
    assert begins() == [20, 40]
    says = lambda words: page.wait_for_selector(  # noqa: E731
        f".cutting .status:has-text('{words}')", timeout=30_000
    )
    page.focus(".cutting .mark[data-frame='20']")
    page.keyboard.press("ArrowRight")
    says("is at 21 now")
    page.keyboard.press("Shift+ArrowRight")  # it kept the focus
    says("is at 31 now")
    assert begins() == [31, 40]
    page.wait_for_selector(".cutting .near[src^='blob:']")
    canvas = page.query_selector(".cutting canvas").bounding_box()
    page.mouse.click(canvas["x"] + 50 * 4 + 1, canvas["y"] + 30)
    says("added at frame 50")
    mark = page.query_selector(".cutting .mark[data-frame='50']").bounding_box()
    middle = mark["x"] + mark["width"] / 2, mark["y"] + 40
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 20, middle[1], steps=4)
    page.mouse.up()
    says("is at 55 now")
    page.click(".cutting button:has-text('Undo')")
    says("Undone")
    assert begins() == [31, 40, 50]
    page.focus(".cutting .mark[data-frame='40']")
    page.keyboard.press("Delete")
    says("at frame 40 was removed")
    page.screenshot(path=str(tmp_path / "strip.png"))
    page.click(".cutting button:has-text('Keep')")
    says("Kept: 3 shots")
    (kept,) = (tmp_path / "data" / "demo" / "corrections").glob("*.csv")
    assert (pd.read_csv(kept).start * 25).round().tolist() == [0, 31, 50]
