"""The scene map: an archive's shots on a plane, like beside like, in groups that have names.

Shots are laid out and grouped (`lab.layout`) by how near they are in the weighted channels. A map,
once drawn, is kept: shots of new films are placed among those nearest to them, and no other moves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field
from scipy.sparse import csc_array

from lab.channels import Calibration, unit
from lab.language import clock
from lab.layout import NONE, axes_of, group, lay_out, neighbours, place
from lab.likeness import Weights
from lab.naming import scene_names, senses
from lab.search import open_archive
from lab.stages import IngestSettings
from lab.store import Workspace, key_of, read_json, read_table, write_json, write_whole
from lab.tables import Archive

VERSION = 1
SUBJECT = Weights(subject=1, composition=0, colour=0, motion=0, framing=0)
AGAIN = 40  # rounds from an earlier map on
KEPT = ["shot_id", "x", "y", "cluster"]
NAMELESS = pd.DataFrame(columns=["cluster", "name", "size", "tightness", "exemplar", "named"])
SAMPLE = 3000  # shots on which a map's quality is measured


class SceneSettings(BaseModel):
    """All that can be set about a map.

    What is *seen* groups shots into kinds of scenes best (``benchmarks/RESULTS.md``); the other
    channels pull them apart by framing, colour or movement.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: Weights = SUBJECT
    neighbours: int = Field(15, ge=2, le=200, description="shots that a shot is drawn to")
    seed: int = Field(0, ge=0, description="the same seed gives the same map")


@dataclass(frozen=True)
class SceneMap:
    """A map of an archive.

    Attributes
    ----------
    shots : DataFrame
        The archive's shots, and ``x``, ``y``, ``cluster`` (a scene, -1 for none), ``label``
        (the scene's name), ``typical`` (likeness to its scene's middle, 1 at most), ``path`` and
        ``title`` of the film.
    scenes : DataFrame
        A row a scene, largest first: ``cluster``, ``name``, ``size`` (shots), ``tightness`` (mean
        likeness of its shots to their middle, 1 at most), ``exemplar`` (the `shot_id` nearest
        to that), ``named`` (by a person).
    channels : dict of ndarray of float32, shape (shots, d)
        Where shots lie by each channel, on at most `lab.layout.AXES` principal axes.
    space : ndarray of float32, shape (shots, d)
        Where they lie by all, weighted; near is alike.
    settings : SceneSettings
    senses : ndarray or None
        What the axes of the subject say, from `lab.naming.senses`.
    placed : int
        Shots that came after the map was drawn.
    """

    shots: pd.DataFrame
    scenes: pd.DataFrame
    channels: dict[str, np.ndarray]
    space: np.ndarray
    settings: SceneSettings
    senses: np.ndarray | None = None
    placed: int = 0

    @property
    def points(self) -> np.ndarray:
        """Where shots lie on the map, (shots, 2)."""
        return self.shots[["x", "y"]].to_numpy(float)

    @property
    def names(self) -> dict[int, str]:
        """The scenes' names by their numbers."""
        return dict(zip(self.scenes.cluster, self.scenes.name, strict=True))


def open_map(
    workspace: Workspace,
    settings: SceneSettings | None = None,
    looking: IngestSettings | None = None,
    *,
    redraw: bool = False,
) -> SceneMap:
    """The map of a workspace's archive: as it was kept, new shots placed on it; else drawn.

    Parameters
    ----------
    workspace : Workspace
    settings : SceneSettings, optional
    looking : IngestSettings, optional
        By whose eyes.
    redraw : bool
        Draw it anew, though it was kept.

    Raises
    ------
    SearchError
        If there is no archive, or none that this encoder saw.
    """
    settings, looking = settings or SceneSettings(), looking or IngestSettings()
    archive = open_archive(workspace, looking)
    key = key_of(VERSION, looking.encoder, settings.model_dump())
    path = workspace.work / "scenes" / f"{key}.parquet"
    kept, names = None if redraw else _kept(path), read_names(workspace)
    if kept is None:
        found = draw_map(archive, settings, names)
    else:
        found = extend(archive, settings, kept, names)
    write_whole(path, found.shots[KEPT].to_parquet(index=False))
    return found


def draw_map(
    archive: Archive, settings: SceneSettings | None = None, names: Sequence[dict] = ()
) -> SceneMap:
    """Lay out and group an archive's shots.

    Parameters
    ----------
    archive : Archive
        With at least one shot.
    settings : SceneSettings, optional
    names : sequence of dict
        From `read_names`.
    """
    return _drawn(*shot_channels(archive), settings or SceneSettings(), names)


def extend(
    archive: Archive, settings: SceneSettings, kept: pd.DataFrame, names: Sequence[dict] = ()
) -> SceneMap:
    """A kept map (``shot_id``, ``x``, ``y``, ``cluster``) with new shots placed on it.

    Shots that stand on the map stay where they are; those that are gone, leave.
    """
    shots, channels, meanings = shot_channels(archive)
    there = shots.shot_id.isin(kept.shot_id).to_numpy()
    if not there.any():
        return _drawn(shots, channels, meanings, settings, names)
    space = weigh(channels, settings.weights)
    rows = kept.set_index("shot_id").loc[shots.shot_id[there]]
    points, cluster = np.zeros((len(shots), 2)), np.zeros(len(shots), int)
    points[there], cluster[there] = rows[["x", "y"]], rows.cluster
    new = np.flatnonzero(~there)
    if len(new):
        points[new], cluster[new] = place(space[new], space[there], points[there], cluster[there])
    shots = shots.assign(x=points[:, 0], y=points[:, 1], cluster=cluster)
    return named(SceneMap(shots, NAMELESS, channels, space, settings, meanings, len(new)), names)


def shot_channels(archive: Archive) -> tuple[pd.DataFrame, dict, np.ndarray | None]:
    """An archive's shots, and where each lies by each channel.

    Returns
    -------
    shots : DataFrame
        Those of the archive of which something is seen, black left out, with
        ``title`` and ``path`` of the film.
    channels : dict of ndarray of float32, shape (len(shots), d)
        The mean of a shot's moments, on at most `AXES` principal axes.
    senses : ndarray or None
        From `lab.naming.senses`.
    """
    flags, moments = archive.shots["flags"], archive.moments
    seen = archive.shots.shot_id.isin(moments.shot_id) & ~flags.str.contains("black|flat")
    shots, own = archive.shots[seen], moments.shot_id.isin(archive.shots.shot_id[seen]).to_numpy()
    films = archive.films[["film_id", "title", "path"]].copy()
    films["title"] = films.title.where(films.title != "", films.path.map(lambda p: Path(p).stem))
    shots = shots.merge(films, on="film_id", how="left")
    row = moments.shot_id[own].map(pd.Series(shots.index, shots.shot_id)).to_numpy()
    lasts = (moments.end - moments.start).to_numpy(np.float32)[own]
    share = csc_array((lasts / np.bincount(row, lasts)[row], (row, np.arange(len(row)))))
    calibration, means, rows = Calibration.fit(archive.vectors), {}, np.flatnonzero(own)
    for name, raw in archive.vectors.items():
        blocks = calibration.blocks(name, raw, rows)
        means[name] = sum(share[:, some] @ ready for some, ready in blocks)
    channels = {name: axes_of(vectors) for name, vectors in means.items()}
    return shots, channels, senses(channels["subject"], means["subject"], archive.encoder)


def weigh(channels: dict[str, np.ndarray], weights: Weights) -> np.ndarray:
    """Where shots lie by all channels, as far as each counts: float32 (shots, at most `AXES`)."""
    shares = weights.shares().items()
    return axes_of(
        np.concatenate([channels[n] * share**0.5 for n, share in shares if share], axis=1)
    )


def moved(found: SceneMap, weights: Weights):
    """A map under other weights, from where its shots lie now, in few rounds; scenes stay.

    Parameters
    ----------
    found : SceneMap
    weights : Weights

    Returns
    -------
    SceneMap
    near : (ndarray, ndarray)
        Its neighbours, as `regrouped` asks for them.
    """
    settings = found.settings.model_copy(update={"weights": weights})
    space = weigh(found.channels, weights)
    near = neighbours(space, settings.neighbours)
    points = lay_out(space, near, settings.seed, start=found.points, rounds=AGAIN)
    shots = found.shots.assign(x=points[:, 0], y=points[:, 1])
    return replace(found, shots=shots, space=space, settings=settings), near


def regrouped(found: SceneMap, near, names: Sequence[dict] = ()) -> SceneMap:
    """A map that was moved, with its scenes sought anew among its shots' neighbours."""
    cluster = group(found.space, near, found.settings.seed)
    return named(replace(found, shots=found.shots.assign(cluster=cluster)), names)


def typical(shots: pd.DataFrame, count: int) -> pd.DataFrame:
    """The shots most like the middle of their scene, of as many films as there are.

    Parameters
    ----------
    shots : DataFrame
        Rows of `SceneMap.shots`.
    count : int
    """
    near = shots.sort_values("typical", ascending=False, kind="stable")
    again = near.duplicated("film_id")
    return pd.concat([near[~again], near[again]]).head(count)


def quality(found: SceneMap, labels: Sequence | None = None) -> dict[str, float]:
    """How far a map can be believed.

    Parameters
    ----------
    found : SceneMap
    labels : sequence, optional
        What the shots are in truth.

    Returns
    -------
    dict
        ``trustworthiness`` (of neighbours on the map, part that are so by the channels: 1 at
        best, 0.5 by chance), ``noise`` (part of the shots in no scene), ``scenes``, and with
        labels ``purity`` (part of the shots that are of their scene's commonest kind).
    """
    from sklearn.manifold import trustworthiness  # slow to import, and seldom used

    some = np.linspace(0, len(found.shots) - 1, min(len(found.shots), SAMPLE)).astype(int)
    near = min(found.settings.neighbours, (len(some) - 1) // 2)
    cluster = found.shots.cluster
    kept = trustworthiness(found.space[some], found.points[some], n_neighbors=near) if near else 1
    told = {
        "trustworthiness": float(kept),
        "noise": float((cluster == NONE).mean()),
        "scenes": len(found.scenes),
    }
    if labels is not None:
        table = pd.crosstab(cluster[cluster != NONE], pd.Series(labels)[cluster != NONE])
        told["purity"] = float(table.max(axis=1).sum() / max(table.to_numpy().sum(), 1))
    return told


def compare(found: SceneMap, one: str | Sequence[str], other: str | Sequence[str]) -> pd.DataFrame:
    """Where two films, or two groups of films, meet on a map, and where each is alone.

    Parameters
    ----------
    found : SceneMap
    one, other : str or sequence of str
        Identifiers of films.

    Returns
    -------
    DataFrame
        A row a shot of either: the columns of `SceneMap.shots`, ``side`` (``one``, ``other``) and
        ``company``: of the shots of both that are nearest to it, the part of the other side,
        against what chance would have: 0 where its side is alone, 1 where both mix.

    Raises
    ------
    ValueError
        If one side has no shots on the map.
    """
    one, other = ([films] if isinstance(films, str) else films for films in (one, other))
    side = np.where(
        found.shots.film_id.isin(one), 1, np.where(found.shots.film_id.isin(other), 2, 0)
    )
    here = np.flatnonzero(side)
    of = side[here]
    counts = np.bincount(of, minlength=3)[1:]
    if not counts.all():
        raise ValueError("one of the two has no shots on the map; see `lab films` for film_ids.")
    # Among few shots all are near: no more are asked than the smaller side can tell.
    count = min(found.settings.neighbours, max(2, round(counts.min() ** 0.5)))
    near = neighbours(found.space[here], count + 1)[0][:, 1:]
    strangers = (of[near] != of[:, None]).mean(axis=1)
    chance = counts[2 - of] / (len(here) - 1)
    names = np.where(of == 1, "one", "other")
    company = np.minimum(1, strangers / chance)
    return found.shots.iloc[here].assign(side=names, company=company).reset_index(drop=True)


def name_scene(workspace: Workspace, found: SceneMap, cluster: int, name: str) -> SceneMap:
    """Call a scene by a name of one's own; it is kept, and follows the scene's shots.

    Parameters
    ----------
    workspace : Workspace
    found : SceneMap
    cluster : int
    name : str
        Empty: back to the name that is made.

    Raises
    ------
    ValueError
        If the map has no such scene.
    """
    if cluster not in set(found.scenes.cluster):
        raise ValueError(f"{cluster}: the map has no such scene; see its `scenes`.")
    inside = found.shots[found.shots.cluster == cluster]
    shots = [[shot.film_id, round(float(shot.key), 3)] for shot in inside.itertuples()]
    old = set(found.scenes[found.scenes.cluster == cluster].name)
    kept = [entry for entry in read_names(workspace) if entry["name"] not in old | {name}]
    kept += [{"name": name, "shots": shots}] if name else []
    write_json(workspace.scene_names, kept)
    return named(found, kept)


def read_names(workspace: Workspace) -> list[dict]:
    """Names given by hand, each with its shots as film and second."""
    return read_json(workspace.scene_names, [])


def named(found: SceneMap, names: Sequence[dict]) -> SceneMap:
    """A map whose scenes bear the names that were given to most of their shots."""
    scenes, typical = _scenes(found)
    for entry in names:
        inside = Counter(found.shots.cluster[_showing(found.shots, entry["shots"])])
        cluster, count = max(inside.items(), key=lambda pair: pair[1], default=(NONE, 0))
        row = scenes.cluster == cluster
        if cluster != NONE and 2 * count > scenes["size"][row].iloc[0] / 2:
            scenes.loc[row, ["name", "named"]] = [entry["name"], True]
    found = replace(found, scenes=scenes)
    label = found.shots.cluster.map(found.names).fillna("")
    return replace(found, shots=found.shots.assign(label=label, typical=typical))


def _kept(path: Path) -> pd.DataFrame | None:
    """A map as it was kept; None where there is none, or it is damaged."""
    try:
        return read_table(path)[KEPT]
    except (OSError, ValueError, KeyError):
        return None


def _showing(shots: pd.DataFrame, places: list) -> np.ndarray:
    """Which shots show one of these seconds of their films."""
    shown = np.zeros(len(shots), bool)
    seconds = pd.DataFrame(places, columns=["film_id", "second"])
    for film, some in seconds.groupby("film_id"):
        here = np.flatnonzero(shots.film_id == film)
        start, end = shots.start.to_numpy()[here], shots.end.to_numpy()[here]
        inside = (start[:, None] <= some.second.to_numpy()) & (
            some.second.to_numpy() < end[:, None]
        )
        shown[here] = inside.any(axis=1)
    return shown


def _drawn(shots, channels, meanings, settings: SceneSettings, names: Sequence[dict]) -> SceneMap:
    space = weigh(channels, settings.weights)
    near = neighbours(space, settings.neighbours)
    points, cluster = lay_out(space, near, settings.seed), group(space, near, settings.seed)
    shots = shots.assign(x=points[:, 0], y=points[:, 1], cluster=cluster)
    return named(SceneMap(shots, NAMELESS, channels, space, settings, meanings), names)


def _scenes(found: SceneMap) -> tuple[pd.DataFrame, np.ndarray]:
    """The scenes table, with names in film language; how like its scene's middle each shot is."""
    rows, ways, shots = [], unit(found.space), found.shots
    typical = np.zeros(len(shots))
    for cluster, inside in shots[shots.cluster != NONE].groupby("cluster"):
        likeness = ways[inside.index] @ unit(ways[inside.index].mean(axis=0))
        typical[inside.index] = likeness
        rows.append(
            {
                "cluster": int(cluster),
                "name": "",
                "size": len(inside),
                "tightness": float(likeness.mean()),
                "exemplar": inside.shot_id.iloc[int(likeness.argmax())],
                "named": False,
            }
        )
    scenes = pd.DataFrame(rows, columns=NAMELESS.columns)
    first = shots.set_index("shot_id").loc[scenes.exemplar]
    exemplars = [f"{one.title} {clock(one.start)}" for one in first.itertuples()]
    exemplars = dict(zip(scenes.cluster, exemplars, strict=True))
    weights, subject = found.settings.weights, found.channels["subject"]
    names = scene_names(shots, weights, exemplars, subject, found.senses)
    return scenes.assign(name=scenes.cluster.map(names)), typical
