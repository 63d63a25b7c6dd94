"""How far films are: each and all together, whatever they are called."""

import sys

from lab.progress import SHOWN, FilmBars


def test_bars_count_by_size_and_close_when_films_end(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with FilmBars({"a": "a.mp4", "b": "b.mp4"}, {"a": 300, "b": 100, "c": 999}) as bars:
        assert bars.all.total == 400
        bars.told("a", "decode", 0.5)
        bars.told("b", "looks", 0.75)
        assert bars.all.n == 150 + 75
        assert {film: bar.n for film, bar in bars.each.items()} == {"a": 150, "b": 75}
        bars.ended("a")
        assert bars.all.n == 300 + 75 and list(bars.each) == ["b"]
        bars.ended("b")  # in the midst of it: it cannot be read to its end
        assert bars.all.n == 400 and not bars.each


def test_of_very_many_some_are_shown(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    names = {str(k): f"{k}.mp4" for k in range(3 * SHOWN)}
    with FilmBars(names, dict.fromkeys(names, 10)) as bars:
        for name in names:
            bars.told(name, "decode", 0.5)
        assert list(bars.each) == [str(k) for k in range(SHOWN)] and bars.all.n == 5 * len(names)


def test_a_name_stays_in_its_line(capsys):
    """Also one with a newline in it, or with what colours a terminal."""
    with FilmBars({"a": "two\nlines \x1b[31mred.mp4"}, {"a": 10}) as bars:
        bars.told("a", "decode", 1.0)
    said = capsys.readouterr().err
    assert "ingest two lines  [31mred.mp4: 100%" in said and "\x1b[31m" not in said
    with FilmBars({}, {}) as bars:  # nothing to do is nothing to show
        pass
    assert capsys.readouterr().err == ""
