"""Figures say what the numbers say."""

from lab import plots
from lab.edit import Row

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
