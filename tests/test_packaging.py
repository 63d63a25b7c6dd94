"""What the project asks for is one list in three files; its rooms stand one above the other."""

import ast
import importlib.metadata
import json
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NEEDED = [Requirement(line) for line in PROJECT["dependencies"]]
FOR_DEVELOPERS = [Requirement(line) for line in PROJECT["optional-dependencies"]["dev"]]
LOCKED = {
    canonicalize_name(name): Version(version)
    for name, _, version in (
        line.partition("==") for line in (ROOT / "requirements.lock").read_text().splitlines()
    )
}
# From the ground up; a room imports those before it and never one behind it.
ROOMS = """video store apart cluster films canvas lettering change cuts shots cutlists motion
encoders faces subject framing channels duplicates flags language looks stages tables progress
ingest inventory vocabulary align setups solve likeness rules candidates match edit credits
presets panels strip soundtrack sheets filmstrips render posters presskit handover studio reel
search layout naming scenes favourites see plots atlas page show widgets fetch sample cli"""
ROOMS = ROOMS.split()
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_everything_needed_here_is_locked_at_a_version_that_will_do():
    here = [need for need in NEEDED + FOR_DEVELOPERS if not need.marker or need.marker.evaluate()]
    assert len(here) >= 20
    for need in here:
        name = canonicalize_name(need.name)
        if name == "pip":  # the one that installs: a lock cannot pin its own reader
            assert name not in LOCKED
            continue
        assert name in LOCKED, f"{name} is in pyproject.toml and not in requirements.lock"
        assert need.specifier.contains(LOCKED[name], prereleases=True), (
            f"{need} and the lock differ"
        )


def test_the_lock_is_closed():
    """What the locked packages need in turn is locked as well, at versions that will do."""
    for name in LOCKED:
        try:
            lines = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # of another platform
        for need in map(Requirement, lines):
            below = canonicalize_name(need.name)
            if (need.marker and not need.marker.evaluate({"extra": ""})) or below in (
                "pip",
                "setuptools",
            ):
                continue
            assert below in LOCKED, f"{name} needs {below}, which requirements.lock leaves open"
            assert need.specifier.contains(LOCKED[below], prereleases=True), f"{name}: {need}"


def test_the_names_people_rely_on_are_there():
    names = {canonicalize_name(need.name) for need in NEEDED}
    assert names >= {
        "jupyterlab",
        "ipywidgets",
        "torch",
        "transformers",
        "umap-learn",
        "plotly",
        "decord",
        "scikit-learn",
        "pandas",
        "av",
    }


@pytest.mark.parametrize(
    ("system", "machine", "wanted"),
    [
        ("linux", "x86_64", "decord"),
        ("win32", "AMD64", "decord"),
        ("darwin", "arm64", "decord2"),
        ("darwin", "x86_64", "decord2"),
        ("linux", "aarch64", "decord2"),
    ],
)
def test_one_decord_and_never_both(system, machine, wanted):
    # They install the same module: two of them would overwrite each other.
    place = {"sys_platform": system, "platform_machine": machine}
    names = [
        need.name
        for need in NEEDED
        if need.name.startswith("decord") and need.marker.evaluate(place)
    ]
    assert names == [wanted]


def test_conda_leads_to_the_same_set():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    *plain, by_pip = environment["dependencies"]
    assert by_pip == {"pip": ["-e ."]}  # pyproject.toml decides, nothing is said twice
    stated = {need.name: need for need in map(Requirement, plain)}
    assert stated.keys() == {"python", "pip"}
    assert str(stated["python"].specifier) == PROJECT["requires-python"]
    assert environment["name"] == PROJECT["name"]


def test_this_python_will_do():
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(
        ".".join(map(str, sys.version_info[:3]))
    )


def test_every_room_is_packed():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packed = set(config["tool"]["setuptools"]["packages"])
    folders = {path.parent for path in (ROOT / "lab").rglob("__init__.py")}
    assert packed == {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    kinds = set(config["tool"]["setuptools"]["package-data"]["lab"])
    files = [path.relative_to(ROOT / "lab") for path in (ROOT / "lab").rglob("*") if path.is_file()]
    others = {path for path in files if path.suffix not in (".py", ".pyc")}
    assert others and all(any(path.match(kind) for kind in kinds) for path in others)


def imports(path):
    """Modules that a file imports when it runs; those for type checkers alone do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unseen = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    for node in set(ast.walk(tree)) - unseen:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: rooms are named in full"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms():
    """Every file of the package, and the room it belongs to."""
    for path in sorted((ROOT / "lab").rglob("*.py")):
        parts = path.relative_to(ROOT / "lab").with_suffix("").parts
        if parts != ("__init__",):
            yield parts[0], path


def test_every_room_has_its_place():
    assert {room for room, _ in rooms()} <= set(ROOMS)


@pytest.mark.parametrize("room", sorted({room for room, _ in rooms()}))
def test_lower_rooms_never_import_higher_ones(room):
    below = {*ROOMS[: ROOMS.index(room)], room}
    for name, path in rooms():
        if name == room:
            parts = [module.split(".") for module in imports(path)]
            used = {rest[0] for head, *rest in parts if head == "lab" and rest} & set(ROOMS)
            assert used <= below, f"{path.name} imports {used - below}"


def test_samples_need_only_the_ground():
    used = {module.split(".")[1] for module in imports(ROOT / "lab/sample.py") if "lab." in module}
    assert used & set(ROOMS) <= {"films", "store", "video"}


@pytest.mark.parametrize(
    ("decoder", "allowed"),
    [
        ("av", {"video", "sample"}),
        ("decord", {"video"}),
        ("cv2", {"apart", "canvas", "faces", "motion", "see", "subject"}),
    ],
)
def test_decoders_stay_in_their_room(decoder, allowed):
    users = {
        room
        for room, path in rooms()
        for module in imports(path)
        if module.split(".")[0] == decoder
    }
    assert users <= allowed


def test_only_what_is_asked_for_is_imported():
    """A package that comes along with another may be gone tomorrow."""
    given = importlib.metadata.packages_distributions()
    names = {canonicalize_name(need.name) for need in NEEDED}
    asked = {
        module for module, dists in given.items() for d in dists if canonicalize_name(d) in names
    }
    used = {module.split(".")[0] for _, path in rooms() for module in imports(path)}
    assert used - asked - set(sys.stdlib_module_names) - {"lab"} <= {"IPython"}  # a part of Jupyter


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_essays(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    codes = [cell for cell in cells if cell["cell_type"] == "code"]
    assert codes and len(codes) < len(cells)
    for cell in codes:
        source = "".join(cell["source"])
        assert cell["outputs"] == [] and cell["execution_count"] is None
        assert len(source.splitlines()) <= 10, source
        kinds = {type(node) for node in ast.walk(ast.parse(source))}
        assert not kinds & {ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef}, source


def test_there_is_a_notebook():
    assert NOTEBOOKS


def test_no_file_holds_two_versions_of_itself():
    """What a merge leaves where it could not decide is text like any other to a reader."""
    marks = tuple(mark * 7 + " " for mark in "<>")
    files = [*ROOT.glob("*.*"), *(f for part in PARTS for f in (ROOT / part).rglob("*"))]
    texts = [f for f in files if f.suffix in (".md", ".py", ".js", ".yaml", ".toml", ".ipynb")]
    assert len(texts) > 100
    for file in texts:
        lines = file.read_text(encoding="utf-8").splitlines()
        assert not [line for line in lines if line.startswith(marks)], file


PARTS = ("lab", "tests", "docs", "notebooks", "benchmarks")
