"""How far films are: each and all together, whatever they are called."""

import math
import sys

from lab.progress import SHOWN, FilmBars


def test_bars_count_by_size_and_close_when_films_end(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with FilmBars(["a.mp4", "b.mp4"], [300, 100]) as bars:
        assert bars.all.total == 400
        bars.told(0, "decode", 0.5)
        bars.told(1, "looks", 0.75)
        assert bars.all.n == 150 + 75
        assert {film: bar.n for film, bar in bars.each.items()} == {0: 150, 1: 75}
        bars.ended(0)
        assert bars.all.n == 300 + 75 and list(bars.each) == [1]
        bars.ended(1)  # in the midst of it: it cannot be read to its end
        assert bars.all.n == 400 and not bars.each


def test_of_very_many_some_are_shown(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    names = [f"{k}.mp4" for k in range(3 * SHOWN)]
    with FilmBars(names, [10] * len(names)) as bars:
        for film in range(len(names)):
            bars.told(film, "decode", 0.5)
        assert list(bars.each) == [*range(SHOWN)] and bars.all.n == 5 * len(names)


def test_how_many_are_in_work_is_told(capsys):
    for names, at_once in (("ab", math.inf), ("abc", 2), ("ab", 4), ("a", 4)):
        with FilmBars([*names], [10] * len(names), at_once):
            pass
    said = [line.partition(":")[0].strip() for line in capsys.readouterr().err.splitlines()]
    told = ["ingest 2 films", "ingest 3 films, 2 at once", "ingest 2 films, 2 at once"]
    assert list(dict.fromkeys(filter(None, said))) == [*told, "ingest a"]


def test_a_name_stays_in_its_line(capsys):
    """Also one with a newline in it, or with what colours a terminal."""
    with FilmBars(["two\nlines \x1b[31mred.mp4"], [10]) as bars:
        bars.told(0, "decode", 1.0)
    said = capsys.readouterr().err
    assert "ingest two lines  [31mred.mp4: 100%" in said and "\x1b[31m" not in said
    with FilmBars([], []) as bars:  # nothing to do is nothing to show
        pass
    assert capsys.readouterr().err == ""
