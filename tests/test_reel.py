"""A reel shows exactly the frames of its shots, in their order, and nothing from over a cut."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from lab import reel as room
from lab.reel import ReelError, grid, reel
from lab.sample import numbered_film, read_number
from lab.video import FilmError, Reader, probe


def films_of(**paths):
    """A films table: identifiers and the files they name."""
    rows = [
        {"film_id": film_id, "path": str(path), "title": "", "year": "", "crop": [0, 0, 1, 1]}
        for film_id, path in paths.items()
    ]
    return pd.DataFrame(rows)


def shots_of(*rows):
    return pd.DataFrame(rows, columns=["film_id", "clean_start", "clean_end"])


def pictures(path):
    return [frame.picture.to_ndarray() for frame in Reader(path, pixels="rgb24")]


def lit(picture):
    """The rectangle that is not black: left, top, right, bottom."""
    rows, columns = (np.flatnonzero(picture.max(axis=(2, axis)) > 40) for axis in (1, 0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Two films of 25 frames a second, numbered from 0 and from 500."""
    folder = tmp_path_factory.mktemp("films")
    for name, first, looks in (("one", 0, (1, 2)), ("two", 500, (3, 4))):
        path = folder / f"{name}.mp4"
        numbered_film(path, (30, 30), first=first, looks=looks, size=(320, 180), rate=Fraction(25))
    return films_of(one=folder / "one.mp4", two=folder / "two.mp4")


def test_shots_follow_each_other_frame_for_frame(films, tmp_path):
    chosen = shots_of(("two", 1.2, 1.6), ("one", 0.4, 1.2), ("two", 0, 0.001))
    done = reel(films, chosen, tmp_path / "out.mp4", width=321)
    shown = pictures(done.path)
    assert done.frames == 10 + 20 + 1 and done.sound_copied is None
    assert [read_number(p) for p in shown] == [*range(530, 540), *range(10, 30), 500]
    assert shown[0].shape == (180, 320, 3)
    times = [frame.time for frame in Reader(done.path)]
    assert times == [Fraction(index, 25) for index in range(31)]
    assert probe(done.path).fps == 25 and not probe(done.path).has_audio


def test_of_a_long_shot_the_middle_is_shown(films, tmp_path):
    chosen = shots_of(("one", 0.0, 1.2), ("two", 0, 0.2))
    reel(films, chosen, tmp_path / "out.mp4", width=320, longest=0.4)
    shown = [read_number(picture) for picture in pictures(tmp_path / "out.mp4")]
    assert shown == [*range(10, 20), *range(500, 505)]


@pytest.mark.parametrize("kind", ["variable.mp4", "late.mp4", "2997.mov", "mpeg2.mpg"])
def test_other_rates_show_what_is_on_screen_and_stop_before_the_cut(film, kind, tmp_path):
    times = [float(frame.time) for frame in Reader(film(kind))]
    chosen = shots_of(("it", times[48], times[72]), ("it", times[3], times[24]))
    reel(films_of(it=film(kind)), chosen, tmp_path / "out.mp4", width=320)
    expected = []
    for first, stop in ((48, 72), (3, 24)):
        for index in range(round((times[stop] - times[first]) * 25)):
            moment = times[first] + index / 25
            expected.append(sum(time <= moment + 6e-4 for time in times) - 1)
            assert first <= expected[-1] < stop
    assert [read_number(picture) for picture in pictures(tmp_path / "out.mp4")] == expected


def test_other_shapes_stand_between_bars_and_a_films_own_are_cut_away(tmp_path):
    numbered_film(tmp_path / "film.mp4", (4,), size=(320, 240), bars=(0, 40), looks=(5,))
    films = films_of(it=tmp_path / "film.mp4")
    films.at[0, "crop"] = [0.125, 0, 0.875, 1]
    reel(films, shots_of(("it", 0, 0.1)), tmp_path / "out.mp4", width=320)
    left, top, right, bottom = lit(pictures(tmp_path / "out.mp4")[0])
    assert (top, bottom) == (0, 180) and abs(left - 70) <= 2 and abs(right - 250) <= 2


def test_a_caption_changes_the_lower_left_and_nothing_else(films, tmp_path):
    films = films.assign(title=["Nosferatu", ""], year=["1922", ""])
    chosen = shots_of(("one", 0, 0.2), ("two", 0, 0.2))
    reel(films, chosen, tmp_path / "bare.mp4", width=640)
    reel(films, chosen, tmp_path / "named.mp4", width=640, titles=True)
    pairs = zip(pictures(tmp_path / "bare.mp4"), pictures(tmp_path / "named.mp4"), strict=True)
    reach = []
    for bare, named in pairs:
        changed = np.abs(bare.astype(int) - named).max(axis=2) > 32
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        assert rows[0] >= 325 and columns[-1] < 320
        words = named[rows[0] : rows[-1], columns[0] : columns[-1]]
        assert words.max() > 200 and words.min() < 50
        reach.append(columns[-1])
    assert reach[0] > 1.3 * reach[-1]  # "Nosferatu (1922)  0:00.0" and "two  0:00.0"


# Cells of a grid 640 pixels wide, of two columns and two rows: 316 x 178 with 4 pixels between.
CELLS = [(2, 0), (322, 0), (2, 182), (322, 182)]


def cells(path):
    """The numbers in the four cells, frame by frame."""
    return [
        [read_number(picture[y : y + 178, x : x + 316]) for x, y in CELLS]
        for picture in pictures(path)
    ]


@pytest.mark.parametrize("held", [150, 3])
def test_every_cell_of_a_grid_begins_again_when_it_is_over(films, tmp_path, monkeypatch, held):
    opened = []
    monkeypatch.setattr(room, "HELD", held)
    monkeypatch.setattr(room, "open_panel", lambda *a, f=room.open_panel: opened.append(a) or f(*a))
    chosen = shots_of(("one", 0.4, 0.6), ("two", 0.0, 0.8), ("one", 1.2, 1.8), ("two", 0, 9))
    options = {"columns": 2, "rows": 2, "width": 640}
    done = grid(films, chosen[:3], tmp_path / "out.mp4", **options)
    assert done.frames == 20
    expected = [[10 + k % 5, 500 + k, 30 + k % 15, None] for k in range(20)]
    assert cells(done.path) == expected
    assert len(opened) == (3 if held == 150 else 3 + 3 + 1)

    assert grid(films, chosen, tmp_path / "long.mp4", seconds=1.5, **options).frames == 38
    assert cells(tmp_path / "long.mp4")[37] == [10 + 37 % 5, 500 + 37 % 20, 30 + 37 % 15, 537]


def test_a_grid_is_dark_between_its_cells_and_where_there_is_no_shot(films, tmp_path):
    chosen = shots_of(("one", 0, 0.2), ("two", 0, 0.2), ("one", 1.2, 1.4), ("one", 0, 0.04))
    grid(films, chosen, tmp_path / "out.mp4", columns=3, rows=2, width=960)
    picture = pictures(tmp_path / "out.mp4")[0]
    assert picture.shape == (360, 960, 3)
    assert np.allclose(lit(picture), (8, 2, 952, 358), atol=2)
    assert picture[184:, 330:].max() < 12  # two cells without a shot


def test_a_grid_lasts_twelve_seconds_at_most(tmp_path):
    numbered_film(tmp_path / "film.mp4", (30,), size=(160, 96), rate=Fraction(2))
    chosen = shots_of(("it", 0, 14.5))
    done = grid(films_of(it=tmp_path / "film.mp4"), chosen, tmp_path / "out.mp4", width=320)
    assert done.frames == 300


@pytest.mark.parametrize("make", [reel, grid])
def test_what_cannot_be_shown_is_told_before_the_work(films, tmp_path, make):
    out, one = tmp_path / "out" / "it.mp4", shots_of(("one", 0, 0.2))
    with pytest.raises(ReelError, match="no shot to show; choose"):
        make(films, one[:0], out)
    with pytest.raises(ReelError, match="three: is not among the films"):
        make(films, shots_of(("one", 0, 0.2), ("three", 0, 1)), out)
    with pytest.raises(FilmError, match=r"gone\.mp4: does not exist"):
        make(films_of(one=tmp_path / "gone.mp4"), one, out)
    with pytest.raises(ReelError, match="is one of the films"):
        make(films, one, films.path[0])
    assert probe(films.path[0]).duration == 2.4 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("make", [reel, grid])
@pytest.mark.parametrize("when", ["lab.reel.centre", "os.replace"])
def test_stopping_leaves_what_was_there(films, tmp_path, make, when, monkeypatch):
    """Ctrl-C as a picture is made, and when all is written but for the file's name."""

    def stopped(*_):
        raise KeyboardInterrupt

    (tmp_path / "it.mp4").write_text("an older one")
    monkeypatch.setattr(when, stopped)
    with pytest.raises(KeyboardInterrupt):
        make(films, shots_of(("one", 0, 1)), tmp_path / "it.mp4", width=320)
    assert [path.name for path in tmp_path.iterdir()] == ["it.mp4"]
    assert (tmp_path / "it.mp4").read_text() == "an older one"
