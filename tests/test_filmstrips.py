"""Every film is a strip of its shots, each as wide as it lasts, in the place where it lies."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lab.filmstrips import (
    APART,
    EDGE,
    GREY,
    HEAD,
    HIGH,
    LINE,
    TIGHT,
    TITLES,
    UNREAD,
    WIDE,
    film_strips,
    pieces,
    row_seconds,
    rows_of,
)

COLOURS = [(220, 30, 30), (30, 200, 40), (40, 60, 220), (220, 210, 40)]


def films(**durations):
    rows = [(n, n.upper(), "", f"{n}.mp4", 5.0, d, "", []) for n, d in durations.items()]
    columns = ["film_id", "title", "year", "path", "t0", "duration", "state", "lost"]
    return pd.DataFrame(rows, columns=columns)


def shots(film_id, *lengths):
    """Shots of these seconds, one after the other, on a clock that begins at 5."""
    ends = 5.0 + np.cumsum(lengths)
    table = pd.DataFrame({"index": range(len(lengths)), "start": ends - lengths, "end": ends})
    return table.assign(film_id=film_id)


@pytest.fixture
def thumbnails(tmp_path):
    """Pictures of one colour, by the shot's index."""
    for index, colour in enumerate(COLOURS):
        Image.new("RGB", (160, 90), colour).save(tmp_path / f"{index}.png")
    return lambda film_id, index: tmp_path / f"{index % len(COLOURS)}.png"


def drawn(out, film, row, after=0):
    """Colours of a row's middle line, without its titles; `after` rows of films before it."""
    top = EDGE + HEAD + film * APART + (after + row) * (HIGH + TIGHT)
    sheet = np.asarray(Image.open(out).convert("RGB"))
    return sheet[top + HIGH // 2, EDGE + TITLES : EDGE + TITLES + WIDE].astype(int)


def test_shots_are_as_wide_as_they_last(tmp_path, thumbnails):
    table = shots("a", 1, 2, 0.5, 1.5)
    film_strips(films(a=5.0), table, thumbnails, tmp_path / "out.png")
    seconds = row_seconds(pd.Series([5.0]), table.end - table.start)
    line = drawn(tmp_path / "out.png", 0, 0)
    assert seconds == 20  # of which a shot of 1.25 s takes 82 pixels
    for (begin, end), colour in zip(((0, 1), (1, 3), (3, 3.5), (3.5, 5)), COLOURS, strict=True):
        first, last = (round(t * WIDE / seconds) for t in (begin, end))
        own = line[first : min(last, first + round(HIGH * 16 / 9)) - 1]  # then its colours follow
        assert np.abs(own - colour).max() < 3
        assert np.abs(line[last - 1] - 18).max() == 0  # the joint
    assert np.abs(line[round(5 * WIDE / seconds) :] - 18).max() == 0  # the film is over


def test_a_long_shot_shows_its_picture_once_and_then_its_colours(tmp_path, thumbnails):
    film_strips(films(a=39.0), shots("a", 3, 3, 3, 30), thumbnails, tmp_path / "out.png")
    line = drawn(tmp_path / "out.png", 0, 0)
    own, colour = round(HIGH * 16 / 9), np.array(COLOURS[3])
    first, last = (round(seconds * WIDE / 45) for seconds in (9, 39))
    assert np.abs(line[first : first + own] - colour).max() < 3
    assert np.abs(line[first + own : last - 1] - (colour + GREY) // 2).max() < 3


def test_films_stand_below_each_other_and_long_ones_go_on(tmp_path, thumbnails):
    lengths = [4.0] * 40
    table = pd.concat([shots("a", *lengths), shots("b", 2, 3)], ignore_index=True)
    film_strips(films(a=160.0, b=5.0), table, thumbnails, tmp_path / "out.png")
    seconds = row_seconds(pd.Series([160.0, 5.0]), table.end - table.start)
    assert seconds == 60 and rows_of(160, seconds) == 3
    size = Image.open(tmp_path / "out.png").size
    assert size == (TITLES + WIDE + 2 * EDGE, 4 * (HIGH + TIGHT) + APART + HEAD + 2 * EDGE)
    second = drawn(tmp_path / "out.png", 0, 1)
    assert np.abs(second[4] - COLOURS[15 % 4]).max() < 3  # the shot of the film's 61st second
    assert np.abs(drawn(tmp_path / "out.png", 0, 2)[-1] - 18).max() == 0
    other = drawn(tmp_path / "out.png", 1, 0, after=3)
    assert np.abs(other[4] - COLOURS[0]).max() < 3


def test_pieces_fill_the_rows_without_a_hole():
    rng = np.random.default_rng(5)
    cuts = np.sort(rng.uniform(0, 500, 300))
    found = [
        part for a, b in zip([0, *cuts], [*cuts, 500], strict=True) for part in pieces(a, b, 45)
    ]
    at = [(row * WIDE + left, row * WIDE + right) for row, left, right in found]
    assert at[0][0] == 0 and at[-1][1] == round(500 * WIDE / 45)
    assert all(one[1] == other[0] for one, other in pairwise(at))
    assert all(0 <= left < right <= WIDE for _, left, right in found)
    assert pieces(3, 3.001, 45) == []  # too short to be seen


def test_rows_are_as_long_as_it_takes_for_all_to_have_room():
    assert row_seconds(pd.Series([7200.0]), pd.Series([4.0] * 1800)) == 120
    assert row_seconds(pd.Series([7200.0] * 100), pd.Series([4.0])) == 7200
    assert row_seconds(pd.Series([36000.0] * 100), pd.Series([4.0])) == 7200  # more rows, then
    assert row_seconds(pd.Series(dtype=float), pd.Series(dtype=float)) == 10


def test_no_films_are_an_empty_sheet(tmp_path, thumbnails):
    film_strips(films(), shots("a"), thumbnails, tmp_path / "out.png")
    assert Image.open(tmp_path / "out.png").width == TITLES + WIDE + 2 * EDGE


def test_many_films_take_more_pages(tmp_path, thumbnails, monkeypatch):
    """No film is divided or left out; one that is higher than a page has one to itself."""
    monkeypatch.setattr("lab.filmstrips.TALL", 3 * (HIGH + TIGHT + APART))
    table = films(**{name: 5.0 for name in "abcde"}, f=600.0, g=5.0)
    every = pd.concat([shots(name, 5) for name in "abcdeg"] + [shots("f", 600)])
    unread = pd.DataFrame({"path": ["/far/letter.mp4"], "what": ["is a text."]})
    pages = film_strips(table, every, thumbnails, tmp_path / "out.png", unread)
    assert [page.name for page in pages] == ["out.png", "out-2.png", "out-3.png", "out-4.png"]
    seconds = row_seconds(table.duration, every.end - every.start)
    rows = rows_of(600, seconds)
    assert rows > 3
    high = [Image.open(page).height - HEAD - 2 * EDGE + APART for page in pages]
    one = HIGH + TIGHT + APART
    assert high == [3 * one, 2 * one, rows * (HIGH + TIGHT) + APART, one + LINE + APART]
    assert sorted(path.name for path in tmp_path.glob("out*")) == sorted(p.name for p in pages)


def test_titles_that_are_too_long_stay_beside_the_pictures(tmp_path, thumbnails):
    table = films(a=5.0).assign(title="x" * 300)
    film_strips(table, shots("a", 5), thumbnails, tmp_path / "out.png")
    sheet = np.asarray(Image.open(tmp_path / "out.png").convert("RGB")).astype(int)
    between = sheet[EDGE + HEAD : EDGE + HEAD + HIGH, EDGE + TITLES - 12 : EDGE + TITLES]
    assert np.abs(between - 18).max() == 0
    assert np.abs(sheet[EDGE + HEAD : EDGE + HEAD + HIGH, EDGE : EDGE + 200] - 18).max() > 100


def test_what_is_lost_is_crossed_out_also_behind_the_end(tmp_path, thumbnails):
    table = films(a=10.0)
    table.at[0, "lost"] = [[7.0, 9.0], [15.0, 19.0], [12.0, 12.001]]
    plain, crossed = tmp_path / "plain.png", tmp_path / "crossed.png"
    film_strips(films(a=10.0), shots("a", 2, 3, 2, 3), thumbnails, plain)
    film_strips(table, shots("a", 2, 3, 2, 3), thumbnails, crossed)
    before, after = (drawn(path, 0, 0) for path in (plain, crossed))
    seconds = row_seconds(pd.Series([10.0]), pd.Series([2.0, 3, 2, 3]))
    lost = np.zeros(WIDE, bool)
    for begin, end in ((2, 4), (10, 14)):
        first, last = (round(t * WIDE / seconds) for t in (begin, end))
        lost[first:last] = True
        line = after[first:last].max(axis=1)
        assert (line > 100).sum() > 0.2 * len(line) and (line < 30).sum() > 0.2 * len(line)
    assert np.array_equal(before[~lost], after[~lost])  # what is too short to be seen is not shown


def test_what_cannot_be_read_is_told_below(tmp_path, thumbnails):
    unread = pd.DataFrame({"path": ["/far/letter.mp4"] * 30, "what": ["is a text. " * 40] * 30})
    one, other = tmp_path / "one.png", tmp_path / "other.png"
    film_strips(films(a=5.0), shots("a", 5), thumbnails, one)
    film_strips(films(a=5.0), shots("a", 5), thumbnails, other, unread)
    size, larger = Image.open(one).size, Image.open(other).size
    assert larger == (size[0], size[1] + APART + LINE * (UNREAD + 1))
    sheet = np.asarray(Image.open(other).convert("RGB")).astype(int)
    told = np.abs(sheet[size[1] - EDGE + APART : -EDGE] - 18).max(axis=2)
    assert all(told[at * LINE : (at + 1) * LINE].max() > 100 for at in range(UNREAD + 1))
    assert told[:, :EDGE].max() == told[:, -EDGE:].max() == 0
