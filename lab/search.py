"""Shots found by a text, by a picture, by another shot, or by their words alone.

Texts are compared with what the shots show (their *subject*); pictures and shots as in matching,
by all channels that can speak of them. A shot is as near as its nearest moment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from lab import LabError
from lab.channels import Calibration, describe, pool, see
from lab.encoders import read_texts
from lab.language import WORDS, caption, clock
from lab.likeness import Likeness, Weights
from lab.looks import still_framing
from lab.sheets import Cell, draw_sheet
from lab.stages import IngestSettings
from lab.store import Workspace, picture_in, write_whole
from lab.tables import Archive, load_archive, load_films, no_films
from lab.video import proxy_size

HITS = ["rank", "shot_id", "film_id", "path", "start", "end", "score"]
COUNT = 10  # hits given where no other number is asked for
# What Pillow raises of a broken file.
UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    RuntimeError,
    EOFError,
    Image.DecompressionBombError,
)


class SearchError(LabError):
    """A search that cannot be made: one sentence on why and what to do instead."""


def open_archive(workspace: Workspace, looking: IngestSettings | None = None) -> Archive:
    """The archive as an encoder saw it.

    Raises
    ------
    SearchError
        If it is empty, or was not ingested with that encoder.
    """
    looking = looking or IngestSettings()
    archive = load_archive(workspace, looking)
    if len(archive.films):
        return archive
    if (load_films(workspace).role == "archive").any():
        raise SearchError(
            f"the archive was not ingested with {looking.encoder}; run `lab ingest --encoder "
            f"{looking.encoder}` first (no film is decoded again)."
        )
    raise SearchError(no_films(workspace))


def by_text(
    archive: Archive, text: str, encoder, *, count: int = COUNT, where: Sequence[str] = ()
) -> pd.DataFrame:
    """The shots that show what a text says.

    Parameters
    ----------
    archive : Archive
        As `encoder` saw it.
    text : str
    encoder
        From `lab.encoders`, one that reads words.
    count : int
        Hits, at most.
    where : sequence of str
        Conditions on columns of the shots table that all must hold, such as
        ``"framing=close-up"``.

    Returns
    -------
    DataFrame
        Columns `HITS`, best first. The score is the cosine between the text's vector and the
        shot's: with CLIP 0.3 is a good one.

    Raises
    ------
    EncoderError
        If the encoder reads no words.
    SearchError
    """
    score = archive.vectors["subject"] @ read_texts(encoder, [text])[0]
    nearest = pd.Series(score).groupby(archive.moments.shot_id.to_numpy()).max()
    return _hits(archive, nearest.reindex(archive.shots.shot_id).to_numpy(), count, where)


def by_image(
    archive: Archive,
    path,
    encoder,
    *,
    weights: Weights | None = None,
    count: int = COUNT,
    where: Sequence[str] = (),
) -> pd.DataFrame:
    """The shots that look like a picture, by the channels that a still has.

    Parameters
    ----------
    archive : Archive
        As `encoder` saw it.
    path : path-like
        A picture file; any that Pillow reads.
    encoder
        From `lab.encoders`.
    weights : Weights, optional
        As in matching.
    count, where
        As in `by_text`.

    Returns
    -------
    DataFrame
        Columns `HITS`, best first; scores as in matching.

    Raises
    ------
    SearchError
        If the file is no picture, or has nothing to say in the channels that have weight.
    """
    picture = np.asarray(read_picture(path))[None].repeat(encoder.frames, axis=0)
    seen = describe(picture, see(picture, encoder)) | {"framing": still_framing(picture[:1])}
    silent = {name: np.zeros((1, raw.shape[1])) for name, raw in archive.vectors.items()}
    vectors = silent | {name: pool(rows, [0] * len(rows), 1) for name, rows in seen.items()}
    spoken = {name for name, vector in vectors.items() if vector.any()}
    weights = weights or Weights()
    weights = weights.model_copy(update=dict.fromkeys(set(vectors) - spoken, 0.0))
    if not any(weights.model_dump().values()):
        raise SearchError(
            f"{path}: this picture only speaks of {', '.join(sorted(spoken))}; give them weight."
        )
    moment = {"moment_id": ["picture"], "shot_id": ["picture"], "start": [0.0], "end": [1.0]}
    query = replace(archive, moments=pd.DataFrame(moment), vectors=vectors)
    return _hits(archive, _alike(query, archive, weights), count, where)


def by_shot(
    archive: Archive,
    shot_id: str,
    *,
    source: Archive | None = None,
    weights: Weights | None = None,
    count: int = COUNT,
    where: Sequence[str] = (),
) -> pd.DataFrame:
    """The shots that are like another one, itself left out.

    Parameters
    ----------
    archive : Archive
    shot_id : str
    source : Archive, optional
        Where the shot comes from, seen by the same encoder; by default the archive itself.
    weights, count, where
        As in `by_image`.

    Returns
    -------
    DataFrame
        Columns `HITS`, best first; scores as in matching.

    Raises
    ------
    SearchError
        If there is no such shot.
    """
    source = source or archive
    own = (source.moments.shot_id == shot_id).to_numpy()
    if not own.any():
        raise SearchError(
            f"{shot_id}: there is no such shot, or its film was not ingested with this encoder; "
            "tables of searches and matches name shots."
        )
    vectors = {name: raw[own] for name, raw in source.vectors.items()}
    query = replace(source, moments=source.moments[own], vectors=vectors)
    score = _alike(query, archive, weights or Weights())
    score[archive.shots.shot_id == shot_id] = -np.inf
    return _hits(archive, score, count, where)


def by_words(
    archive: Archive, *, count: int | None = None, where: Sequence[str] = ()
) -> pd.DataFrame:
    """The archive's shots that meet conditions, film by film, in order: no score is given.

    Parameters
    ----------
    archive : Archive
    count : int, optional
        Shots, at most; by default all.
    where
        As in `by_text`.

    Returns
    -------
    DataFrame
        Columns `HITS`; `rank` counts them.

    Raises
    ------
    SearchError
    """
    nothing = np.zeros(len(archive.shots))
    return _hits(archive, nothing, count, where).assign(score=np.nan)


def hit_sheet(
    hits: pd.DataFrame,
    shots: pd.DataFrame,
    thumbnails: Callable[[str, int], Path],
    out,
    query: Cell | None = None,
) -> None:
    """Hits as pictures, with their ranks, scores, places and words, as a PNG.

    Parameters
    ----------
    hits : DataFrame
        As a search gives it.
    shots : DataFrame
        The shots table that they come from.
    thumbnails : callable
        Gives the picture of a shot by its `film_id` and `index`.
    out : path-like
    query : Cell, optional
        What was searched by, drawn before them.

    Raises
    ------
    SearchError
        If there are no hits.
    """
    if not len(hits):
        raise SearchError("there are no hits to draw.")
    cells, rows = [query] if query else [], shots.set_index("shot_id")
    for hit in hits.itertuples():
        score = "" if np.isnan(hit.score) else f"   score {hit.score:.2f}"
        head = f"{hit.rank}   {clock(hit.start)}{score}"
        shot, film = rows.loc[hit.shot_id], Path(hit.path).stem[:48]
        with picture_in(thumbnails(hit.film_id, shot["index"])) as picture:
            cells.append(Cell([picture.convert("RGB")], head, film, caption(shot)))
    sizes = [picture.size for cell in cells for picture in cell.pictures if picture]
    panel = tuple(max(size[side] for size in sizes) for side in (0, 1))
    write_whole(Path(out), draw_sheet(cells, panel, min(5, len(cells))))


def _alike(query: Archive, archive: Archive, weights: Weights) -> np.ndarray:
    """Scores of the archive's shots against one shot, as in matching."""
    likeness = Likeness.between(query, archive, Calibration.fit(archive.vectors))
    return likeness.shots(weights)[0][0]


def _hits(
    archive: Archive, score: np.ndarray, count: int | None, where: Sequence[str]
) -> pd.DataFrame:
    table = archive.shots.assign(score=score)
    paths = archive.films.set_index("film_id").path
    table["path"] = table.film_id.map(paths)
    table = table[_meets(archive.shots, where) & np.isfinite(score)]
    table = table.sort_values("score", ascending=False, kind="stable")[:count]
    return table.assign(rank=np.arange(1, len(table) + 1))[HITS].reset_index(drop=True)


def _meets(shots: pd.DataFrame, where: Sequence[str]) -> np.ndarray:
    """Which shots meet all conditions; values are compared as text."""
    met = np.ones(len(shots), bool)
    for condition in where:
        column, _, value = condition.partition("=")
        if column not in shots or "=" not in condition:
            raise SearchError(
                f"{condition}: write COLUMN=VALUE with one of these: {', '.join(shots.columns)}."
            )
        said = shots[column].astype(str)
        here = (said == value).to_numpy()
        if not here.any() and column in WORDS and (known := sorted(set(said) - {""})):
            raise SearchError(f"{condition}: no shot says so; {column} is {', '.join(known)}.")
        met &= here
    return met


def read_picture(path) -> Image.Image:
    """A picture file as the lab sees frames: upright, RGB, no larger than a proxy.

    Raises
    ------
    SearchError
    """
    try:
        with Image.open(path) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGB")
    except UNREADABLE as error:
        why = "does not exist" if isinstance(error, FileNotFoundError) else "is not a picture"
        raise SearchError(f"{path}: {why}; give a JPEG, PNG or the like.") from None
    return upright.resize(proxy_size(*upright.size))
