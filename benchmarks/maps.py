"""The scene map: are kinds found, how fast is a map, how fast does it answer in a browser.

    python benchmarks/maps.py STILLS... [--parts kinds speed] [--shots 10000] [--work DIR]
    python benchmarks/maps.py FILMS --parts browser [--shots 5000] [--work DIR]

- *kinds*: folders of stills, a folder a kind, as shots of one frame. Nobody tells the map how many
  kinds there are; beside it k-means is, on the pooled features (what a tutorial would do) and
  on the map's own vectors. Adjusted mutual information, scenes, part in no scene; several seeds.
- *speed*: the vectors of these stills, jittered, as many as asked for; the first map in a process
  of its own against stock umap-learn in another, cold and once more warm; CPU-seconds, and how well
  neighbours are kept (trustworthiness on a sample).
- *browser*: an archive of the films, its shots repeated, each a little different, in JupyterLab:
  from the pointer's move to the card with its picture, from a slider's move to the moved map.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from seeing import read_stills
from sklearn.cluster import KMeans
from sklearn.manifold import trustworthiness
from sklearn.metrics import adjusted_mutual_info_score as information
from tqdm import tqdm

from lab import layout
from lab.channels import Calibration, see, subject, unit
from lab.encoders import packaged

SEEDS = 5
NEAR, SAMPLE = 15, 3000
JITTER = 0.5  # of the deviation of each number among the real vectors


def seen(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The subject vectors of a folder's stills, and their kinds."""
    pictures, labels = read_stills(folder)
    looked = [subject(see(one[None], packaged())) for one in tqdm(pictures, desc=folder.name)]
    return np.concatenate(looked), labels


def kinds(folders: list[Path]) -> None:
    """Print how well kinds are found, seed by seed."""
    for folder in folders:
        pooled, labels = seen(folder)
        number = len(set(labels))
        ready = Calibration.fit({"subject": pooled}).apply({"subject": pooled})["subject"]
        space = layout.axes_of(ready)
        told = {}
        for name, vectors in (("pooled", unit(pooled)), ("the map's vectors", ready)):
            found = [
                KMeans(number, n_init=10, random_state=s).fit_predict(vectors) for s in range(3)
            ]
            told[name] = np.mean([information(labels, one) for one in found])
        print(
            f"\n{folder.name}: {len(labels)} stills, {number} kinds; k-means that is told so:", told
        )
        near = layout.neighbours(space, NEAR)
        for seed in range(SEEDS):
            cluster = layout.group(space, near, seed)
            noise, count = (cluster < 0).mean(), cluster.max() + 1
            score = information(labels, cluster)
            print(f"  seed {seed}: {score:.3f} with {count} scenes, {noise:.3f} in none")


def jittered(folders: list[Path], count: int) -> np.ndarray:
    """Real vectors, each moved a little: float32 (count, d)."""
    real = np.concatenate([seen(folder)[0] for folder in folders])
    rng = np.random.default_rng(0)
    vectors = real[rng.integers(0, len(real), count)]
    vectors = vectors + rng.normal(0, JITTER, vectors.shape) * real.std(axis=0)
    return unit(vectors - real.mean(axis=0)).astype(np.float32)


def ours(vectors: np.ndarray) -> np.ndarray:
    space = layout.axes_of(vectors)
    return layout.lay_out(space, layout.neighbours(space, NEAR), 0)


def grouped(vectors: np.ndarray) -> np.ndarray:
    space = layout.axes_of(vectors)
    near = layout.neighbours(space, NEAR)
    points = layout.lay_out(space, near, 0)
    layout.group(space, near, 0)
    return points


def stock(vectors: np.ndarray) -> np.ndarray:
    from umap import UMAP

    return UMAP(metric="cosine", random_state=0).fit_transform(vectors)


MAKERS = {"ours": ours, "ours, and groups": grouped, "stock umap-learn": stock}


def once(name: str, place: str) -> None:
    """In a process of its own: make a map cold, then warm, and say what each took."""
    vectors = np.load(place)
    for state in ("cold", "warm"):
        before, began = sum(os.times()[:2]), time.perf_counter()
        points = MAKERS[name](vectors)
        spent, wall = sum(os.times()[:2]) - before, time.perf_counter() - began
        some = np.random.default_rng(1).choice(len(vectors), min(SAMPLE, len(vectors)), False)
        kept = trustworthiness(vectors[some], points[some], n_neighbors=NEAR, metric="cosine")
        print(json.dumps({"name": name, "state": state, "cpu": spent, "wall": wall, "kept": kept}))


def speed(folders: list[Path], count: int, work: Path) -> None:
    """Print CPU-seconds of a first map, and ratios."""
    work.mkdir(parents=True, exist_ok=True)
    place = work / "vectors.npy"
    np.save(place, jittered(folders, count))
    rows = []
    for name in ("stock umap-learn", "ours", "ours, and groups"):
        words = [sys.executable, __file__, "--once", name, str(place)]
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        rows += [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    peer = {row["state"]: row for row in rows[:2]}
    print(f"\n{count} shots")
    for row in rows:
        ratio = row["cpu"] / peer[row["state"]]["cpu"]
        print(
            f"{row['name']:18} {row['state']}: {row['cpu']:6.1f} CPU-s, {row['wall']:6.1f} s, "
            f"ratio {ratio:.2f}, trustworthiness {row['kept']:.4f}"
        )


MANY = """
import numpy as np, pandas as pd
from lab import scenes, search
from lab.tables import Archive
from lab.store import Workspace
from lab.widgets import SceneExplorer, exploring
work, count = Workspace("../data"), {count}
real, rng = search.open_archive(work), np.random.default_rng(0)
times = -(-count // len(real.shots))
def again(table):
    parts = [table.assign(shot_id=table.shot_id + f"-{{k}}") for k in range(times)]
    return pd.concat(parts, ignore_index=True)
vectors = {{c: np.tile(v, (times, 1)) for c, v in real.vectors.items()}}
def moved(v):
    return (v + rng.normal(0, 0.5, v.shape) * v.std(axis=0)).astype("f4")
vectors = {{c: moved(v) for c, v in vectors.items()}}
large = Archive(real.films, again(real.shots), again(real.moments), vectors)
scenes.open_archive = exploring.open_archive = lambda *_: large
explorer = SceneExplorer(work)
explorer
"""
IDLE = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
PLACES = """() => {
  const plot = document.querySelector('.js-plotly-plot'), { xaxis, yaxis } = plot._fullLayout;
  const box = plot.getBoundingClientRect(), found = [];
  for (const data of plot._fullData)
    Array.from(data.customdata || []).forEach((row, k) => found.push([
      row,
      box.left + xaxis._offset + xaxis.d2p(data.x[k]),
      box.top + yaxis._offset + yaxis.d2p(data.y[k]),
    ]));
  return found;
}"""
# Resolves with the milliseconds from the pointer's next move to a card whose picture is there.
HOVER = """() => new Promise((told) => {
  let began = null;
  const begin = () => { began ??= performance.now(); };
  document.addEventListener('mousemove', begin, { capture: true, once: true });
  const card = document.querySelector('.lab-card'), old = card.querySelector('img');
  setTimeout(() => told(Infinity), 3000);
  const look = () => {
    const image = card.querySelector('img');
    const there = !card.hidden && image && image !== old && image.complete && image.naturalWidth;
    if (began !== null && there) told(performance.now() - began);
    else requestAnimationFrame(look);
  };
  look();
})"""


def browser(films: Path, count: int, work: Path) -> None:
    """Print how fast a map of `count` shots answers hands."""
    import nbformat
    from playwright.sync_api import sync_playwright

    from lab.films import find_films
    from lab.ingest import ingest
    from lab.store import Workspace

    ingest(find_films([films]), Workspace(work / "data"))
    (work / "notebooks").mkdir(exist_ok=True)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(MANY.format(count=count))])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, work / "notebooks" / "many.ipynb")
    words = ["--no-browser", "--allow-root", "--ServerApp.port=8931", "--IdentityProvider.token="]
    words += [f"--ServerApp.root_dir={work}", "--LabApp.expose_app_in_browser=True"]
    words += ["--ServerApp.disable_check_xsrf=True"]
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *words], cwd=work, stderr=subprocess.DEVNULL
    )
    try:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            page = chromium.new_page(viewport={"width": 1500, "height": 1300})
            _answers(page)
    finally:
        server.terminate()
        server.wait()


def _answers(page) -> None:
    for _ in range(60):  # until the server is up
        try:
            page.goto("http://127.0.0.1:8931/lab/tree/notebooks/many.ipynb")
            break
        except Exception:
            time.sleep(1)
    page.wait_for_function(IDLE, timeout=120_000)
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_selector(".exploring[data-ready='true']", timeout=240_000)
    page.wait_for_function(IDLE, timeout=240_000)
    page.evaluate("document.querySelector('.js-plotly-plot').scrollIntoView({block: 'center'})")
    page.wait_for_timeout(15_000)  # what draws maps has compiled itself meanwhile
    places, took = page.evaluate(PLACES), []
    for k in np.random.default_rng(0).permutation(len(places))[:40]:
        page.evaluate(f"void (window.took = ({HOVER})())")
        page.mouse.move(*places[k][1:])
        took.append(page.evaluate("window.took"))
        page.mouse.move(5, 5)
        page.wait_for_timeout(60)
    print(
        f"{len(places)} shots; hover: median {np.median(took):.0f} ms, "
        f"p95 {np.quantile(took, 0.95):.0f} ms"
    )
    for name in ("colour", "framing", "motion", "colour", "composition"):
        slider = f"//div[contains(@class,'widget-hslider')][.//label[text()='{name}']]"
        page.focus(f"xpath={slider}//div[contains(@class,'noUi-handle')]")
        before = page.evaluate(PLACES)[0]
        began = time.perf_counter()
        page.keyboard.press("PageUp")
        page.wait_for_function(
            "document.querySelector('.lab-map-says').textContent.includes('anew')", timeout=60_000
        )
        sign = time.perf_counter() - began
        page.wait_for_function(
            f"([row, x, y]) => ({PLACES})().some((one) => one[0] === row && "
            "Math.hypot(one[1] - x, one[2] - y) > 1)",
            arg=before,
            timeout=120_000,
        )
        moved = time.perf_counter() - began
        page.wait_for_function(
            "document.querySelector('.lab-map-says').textContent.includes('Drawn')", timeout=120_000
        )
        done = time.perf_counter() - began
        print(f"{name}: sign {sign:.2f} s, map moved {moved:.2f} s, scenes too {done:.2f} s")
        page.wait_for_function(IDLE, timeout=120_000)
        page.wait_for_timeout(3000)


def main() -> None:
    if "--once" in sys.argv:
        once(*sys.argv[sys.argv.index("--once") + 1 :])
        return
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stills", nargs="+", type=Path)
    parser.add_argument("--parts", nargs="+", default=["kinds", "speed"])
    parser.add_argument("--shots", type=int, default=10_000)
    parser.add_argument("--work", type=Path, default=Path("data/work/maps"))
    args = parser.parse_args()
    if "kinds" in args.parts:
        kinds(args.stills)
    if "speed" in args.parts:
        speed(args.stills, args.shots, args.work)
    if "browser" in args.parts:
        browser(args.stills[0].resolve(), args.shots, args.work.resolve())


if __name__ == "__main__":
    main()
