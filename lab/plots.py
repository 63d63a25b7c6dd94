"""Tables drawn: figures for notebooks."""

from __future__ import annotations

import textwrap

import plotly.graph_objects as go

from lab.channels import CHANNELS
from lab.edit import Row

GREY, STRONG = "#9aa0a6", "#2a6f97"


def why(row: Row) -> go.Figure:
    """Why a pair is one: what each channel says of it, under the sentence that says it in words.

    Parameters
    ----------
    row : Row
        Of an edit.

    Returns
    -------
    plotly Figure
        A bar a channel, from -0.5 to 1; strangers score about 0, doubles 1.
    """
    names = [name for name in CHANNELS if name in row.scores]
    values = [row.scores[name] for name in names]
    best = max(values, default=0)
    bars = go.Bar(
        x=values,
        y=names,
        orientation="h",
        text=[f"{value:.2f}" for value in values],
        marker_color=[STRONG if value == best else GREY for value in values],
    )
    title = "<br>".join(textwrap.wrap(f"{row.position}. {row.why}", 90))
    figure = go.Figure(bars)
    figure.update_layout(
        title={"text": title, "font": {"size": 14}},
        width=760,
        height=300,
        margin={"l": 110, "r": 30, "t": 70, "b": 50},
        template="simple_white",
    )
    figure.update_xaxes(title="score (strangers 0, doubles 1)", range=[-0.5, 1.05])
    figure.update_yaxes(autorange="reversed")
    return figure
