"""Figures say what the numbers say."""

import pandas as pd

from lab import plots
from lab.edit import Row
from lab.tables import COSTS

WHY = "Two close-ups; most alike in colour (-0.12)."


def test_why_draws_a_bar_a_channel_under_the_sentence():
    scores = {"subject": 0.25, "colour": -0.125, "framing": 0.9}
    row = Row(position=7, in_query=0, out_query=1, scores=scores, why=WHY)
    figure = plots.why(row)
    bars = figure.data[0]
    assert list(bars.y) == ["subject", "colour", "framing"]
    assert list(bars.x) == [0.25, -0.125, 0.9] and list(bars.text) == ["0.25", "-0.12", "0.90"]
    assert figure.layout.title.text == f"7. {WHY}"
    assert list(bars.marker.color) == [plots.GREY, plots.STRONG, plots.GREY]
    assert "strangers 0, doubles 1" in figure.layout.xaxis.title.text


def test_a_row_without_scores_can_be_drawn():
    assert not plots.why(Row(position=1, kind="black", in_query=0, out_query=1)).data[0].x


def costs(*films):
    """A costs table: of each film its identifier, length, and seconds of its three stages."""
    rows = [
        (film, "the same title", lasts, stage, seconds, seconds / 2)
        for film, lasts, *all_ in films
        for stage, seconds in zip(("decode", "shots", "looks"), all_, strict=True)
    ]
    return pd.DataFrame(rows, columns=COSTS)


def test_costs_are_a_bar_a_film_the_slowest_first():
    figure = plots.costs(costs(("a", 60.0, 3, 0.5, 1.5), ("b", 100.0, 6, 1, 3)))
    *bars, beside = figure.data
    assert [bar.name for bar in bars] == ["decode", "shots", "looks"]
    assert [dict(zip(bar.y, bar.x, strict=True)) for bar in bars] == [
        {"a": 3, "b": 6},
        {"a": 0.5, "b": 1},
        {"a": 1.5, "b": 3},
    ]
    assert figure.layout.barmode == "stack" and figure.layout.xaxis.title.text == "seconds of work"
    assert list(figure.layout.yaxis.categoryarray) == ["b", "a"]  # films that are called the same
    assert list(figure.layout.yaxis.ticktext) == ["the same title"] * 2
    assert list(beside.x) == [10, 5]
    assert list(beside.text) == [" 10.0 s, 10.0 x real time", " 5.0 s, 12.0 x real time"]
    title = "How long 2 films took: 2:40.0 of film in 0:15.0, 10.7 x real time"
    assert figure.layout.title.text == title


def test_of_many_films_the_slowest_are_drawn_and_all_are_counted():
    table = costs(*((f"f{k}", 10.0, k, 0, 0) for k in range(1, 6)))
    figure = plots.costs(table, most=2)
    assert list(figure.data[0].y) == ["f4", "f5"]
    assert figure.layout.title.text.startswith("How long 5 films took: 0:50.0 of film in 0:15.0")
    assert "the 2 that took longest" in figure.layout.title.text


def test_a_long_title_leaves_room_for_the_bars():
    table = costs(("a", 10.0, 1, 0, 0)).assign(title="x" * 99)
    assert plots.costs(table).layout.yaxis.ticktext == ("x" * (plots.TITLE - 1) + "…",)


def test_costs_of_nothing_can_be_drawn():
    assert not len(plots.costs(costs()).data[0].x)
