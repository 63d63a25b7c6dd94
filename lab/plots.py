"""Tables drawn: figures for notebooks."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from lab.channels import CHANNELS
from lab.edit import Row
from lab.language import clock, counted
from lab.layout import NONE
from lab.scenes import SceneMap

GREY, STRONG, ORANGE = "#9aa0a6", "#2a6f97", "#c8553d"
# Okabe and Ito's colours, told apart by the colour-blind too, and shapes: 8 and 9 of them make 72.
COLOURS = "#0072b2 #d55e00 #009e73 #cc79a7 #e69f00 #56b4e9 #7a5195 #8a8a2b".split()  # noqa: SIM905
SHAPES = "circle square diamond cross x triangle-up star pentagon hourglass".split()  # noqa: SIM905
SYMBOLS = "●■◆✚✖▲★⬟⧗"  # the same shapes, as they are written
STAGES = {"decode": COLOURS[0], "shots": COLOURS[4], "looks": COLOURS[2]}
TITLE = 32  # letters of a film's title beside a bar
ALONE = 0.25  # company, below which a shot of one film is alone


def why(row: Row) -> go.Figure:
    """Why a pair is one: what each channel says of it, under the sentence that says it in words.

    Parameters
    ----------
    row : Row
        Of an edit.

    Returns
    -------
    plotly Figure
        A bar a channel, from -0.5 to 1; strangers score about 0, doubles 1. Dark is the channel in
        which the pair stands out most.
    """
    names = [name for name in CHANNELS if name in row.scores]
    values = [row.scores[name] for name in names]
    bars = go.Bar(
        x=values,
        y=names,
        orientation="h",
        text=[f"{value:.2f}" for value in values],
        marker_color=[STRONG if f"alike in {name}" in row.why else GREY for name in names],
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


def scene_map(found: SceneMap, *, width: int = 700, height: int = 700) -> go.Figure:
    """An archive's shots on the map, a colour and a shape a scene.

    Parameters
    ----------
    found : SceneMap
    width, height : int
        Pixels.

    Returns
    -------
    plotly Figure
        A WebGL trace a scene, the largest first, and one for shots of no scene; ``customdata`` is
        the row in ``found.shots``. What hover shows is left to who shows the figure
        (`lab.page`, `lab.widgets.SceneExplorer`).
    """
    figure = go.Figure(map_traces(found))
    _on_plane(figure, "Like beside like (distance has no unit)", width, height)
    figure.update_layout(
        dragmode="lasso",
        hovermode="closest",
        legend={
            "itemsizing": "constant",
            "itemclick": False,
            "itemdoubleclick": False,
            "orientation": "h",
            "y": 0,
        },
        uirevision="kept",
    )
    return figure


def map_traces(found: SceneMap, kept: np.ndarray | None = None) -> list[go.Scattergl]:
    """What a map shows: its scenes, shots of no scene, and, last, the rings of what is found.

    Parameters
    ----------
    found : SceneMap
    kept : ndarray of bool, shape (shots,), optional
        Which shots are shown; by default all.
    """
    clusters = [*found.scenes.cluster, NONE]
    return [*(_scene_trace(found, cluster, kept) for cluster in clusters), _lit_trace()]


def _scene_trace(found: SceneMap, cluster: int, kept) -> go.Scattergl:
    inside = (found.shots.cluster == cluster).to_numpy()
    rows = np.flatnonzero(inside if kept is None else inside & kept)
    name = "in no scene" if cluster == NONE else f"{cluster}  {found.names[cluster]}"
    colour, shape = look_of(cluster)
    return go.Scattergl(
        x=found.shots.x.to_numpy()[rows],
        y=found.shots.y.to_numpy()[rows],
        customdata=rows,
        mode="markers",
        name=f"{name} ({len(rows)})",
        hoverinfo="none",
        marker={"color": colour, "symbol": shape, "size": 8, "line": {"width": 0.5}},
    )


def look_of(cluster: int) -> tuple[str, str]:
    """A scene's colour and shape; no two of the first 72 have both alike."""
    if cluster == NONE:
        return GREY, "circle-open"
    return COLOURS[cluster % len(COLOURS)], SHAPES[cluster % len(SHAPES)]


def timeline(found: SceneMap, film_id: str) -> go.Figure:
    """A film's scenes against its time: which kind of shot comes when.

    Parameters
    ----------
    found : SceneMap
    film_id : str

    Returns
    -------
    plotly Figure
        A bar a shot, in seconds of the film's own clock; a row a scene.
    """
    shots = found.shots[found.shots.film_id == film_id]
    figure = go.Figure()
    for cluster, inside in shots.groupby("cluster"):
        figure.add_bar(
            base=inside.start,
            x=inside.end - inside.start,
            y=[found.names.get(cluster, "in no scene")] * len(inside),
            orientation="h",
            marker_color=look_of(cluster)[0],
            showlegend=False,
            hovertemplate="%{base:.1f} s, %{x:.1f} s long<extra>%{y}</extra>",
        )
    title = shots.title.iloc[0] if len(shots) else film_id
    figure.update_layout(
        title=f"{title}: which kind of shot comes when",
        barmode="overlay",  # else a bar stands beside its label, not on it
        template="simple_white",
        width=900,
        height=140 + 26 * shots.cluster.nunique(),
        margin={"l": 10, "r": 10, "t": 50, "b": 50},
    )
    figure.update_xaxes(title="seconds")
    figure.update_yaxes(automargin=True, autorange="reversed")
    return figure


def two_films(compared: pd.DataFrame, one: str = "one", other: str = "other") -> go.Figure:
    """Two films on one map: each a colour and a shape, filled where it is alone.

    Parameters
    ----------
    compared : DataFrame
        From `lab.scenes.compare`.
    one, other : str
        What they are called.
    """
    figure = go.Figure()
    for side, name, colour, shape in (
        ("one", one, STRONG, "circle"),
        ("other", other, ORANGE, "diamond"),
    ):
        for alone in (True, False):
            here = compared[(compared.side == side) & ((compared.company < ALONE) == alone)]
            figure.add_scattergl(
                x=here.x,
                y=here.y,
                mode="markers",
                name=f"{name}, {'alone' if alone else 'near the other'} ({len(here)})",
                text=[f"{s.title} {clock(s.start)}, {s.label}" for s in here.itertuples()],
                hoverinfo="text",
                marker={"color": colour, "symbol": f"{shape}{'' if alone else '-open'}", "size": 9},
            )
    title = f"Where {one} and {other} meet, and where each is alone<br>"
    title += "<sup>near as the channels see it; a plane cannot keep all of that</sup>"
    return _on_plane(figure, title, 900, 600)


def _on_plane(figure: go.Figure, title: str, width: int, height: int) -> go.Figure:
    """Points on a map: its axes have no unit, and are alike."""
    figure.update_layout(
        title=title,
        template="simple_white",
        width=width,
        height=height,
        margin={"l": 10, "r": 10, "t": 50, "b": 10},
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, scaleanchor="x")
    return figure


def _lit_trace() -> go.Scattergl:
    """The rings of shots that a search found; numbers are their ranks."""
    return go.Scattergl(
        x=[],
        y=[],
        mode="markers+text",
        name="found",
        textposition="top center",
        hoverinfo="skip",
        visible=False,
        marker={"color": "rgba(0,0,0,0)", "size": 18, "line": {"width": 3, "color": ORANGE}},
    )


def costs(table: pd.DataFrame, most: int = 40) -> go.Figure:
    """How long each film took, stage by stage, and how many times faster than it plays that is.

    Parameters
    ----------
    table : DataFrame
        From `lab.tables.load_costs`.
    most : int
        Films shown: those that took longest.

    Returns
    -------
    plotly Figure
        A bar a film, in seconds by the clock, a colour a stage; those that took longest first.
    """
    films = table.groupby("film_id").agg({"title": "first", "duration": "first", "seconds": "sum"})
    films = films.sort_values("seconds", ascending=False)
    shown, figure = films.head(most), go.Figure()
    for stage in STAGES:
        figure.add_trace(_stage_bars(table[table.film_id.isin(shown.index)], stage))
    figure.add_scatter(
        x=shown.seconds,
        y=shown.index,
        text=[f" {one.seconds:.1f} s, {_pace(one)}" for one in shown.itertuples()],
        mode="text",
        textposition="middle right",
        hoverinfo="skip",
        showlegend=False,
    )
    whole = films[["duration", "seconds"]].sum()
    title = f"How long {counted(len(films), 'film')} took: {clock(whole.duration)} of film in "
    title += f"{clock(whole.seconds)}, {_pace(whole)}"
    if len(films) > most:
        title += f"<br><sup>the {most} that took longest</sup>"
    figure.update_layout(
        title=title,
        barmode="stack",
        template="simple_white",
        width=900,
        height=190 + 24 * len(shown),
        margin={"l": 10, "r": 10, "t": 70, "b": 50},
        legend={"orientation": "h", "y": 1, "yanchor": "bottom", "traceorder": "normal"},
    )
    room = 1.35 * shown.seconds.max() if len(shown) else 1
    figure.update_xaxes(title="seconds of work", range=[0, room])
    order = list(shown.index)  # films may be called the same
    titles = [one if len(one) <= TITLE else one[: TITLE - 1] + "…" for one in shown.title]
    figure.update_yaxes(tickvals=order, ticktext=titles, automargin=True, autorange="reversed")
    figure.update_yaxes(categoryorder="array", categoryarray=order)
    return figure


def _stage_bars(table: pd.DataFrame, stage: str) -> go.Bar:
    part = table[table.stage == stage]
    hover = f"%{{customdata[0]}}<br>{stage}: %{{x:.2f}} s, %{{customdata[1]:.2f}} CPU-seconds"
    return go.Bar(
        x=part.seconds,
        y=part.film_id,
        customdata=part[["title", "cpu_seconds"]],
        name=stage,
        orientation="h",
        marker_color=STAGES[stage],
        hovertemplate=f"{hover}<extra></extra>",
    )


def _pace(film) -> str:
    """Of a film's `duration` and `seconds` of work."""
    return f"{film.duration / max(film.seconds, 1e-3):.1f} x real time"


def losses(table: pd.DataFrame) -> go.Figure:
    """How a network learnt to see: each loss over the steps, and how it did on held-out images.

    Parameters
    ----------
    table : DataFrame
        From `lab.see.train` or `lab.see.read_losses`.

    Returns
    -------
    plotly Figure
        Means of about a hundredth of all steps; ``held out`` is as it was measured.
    """
    span, figure = max(1, len(table) // 100), go.Figure()
    parts = table.columns.drop(["step", "held_out"])
    for name, colour in zip(parts, COLOURS, strict=False):
        mean = table[name].rolling(span, min_periods=1).mean()
        line = {"color": colour}
        figure.add_scatter(x=table.step, y=mean, name=name, line=line, visible=_shown(name))
    held = table.dropna(subset="held_out")
    figure.add_scatter(x=held.step, y=held.held_out, name="held out", mode="lines+markers")
    figure.update_layout(width=760, height=340, template="simple_white")
    figure.update_xaxes(title="step")
    figure.update_yaxes(title="loss (less is nearer)")
    return figure


def _shown(name: str) -> bool | str:
    """The two that play against each other neither fall nor tell much: a click shows them."""
    return True if name in ("pixels", "features") else "legendonly"
