"""What a network sees of whole films, of shots and of folders of pictures, written to files."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from fractions import Fraction
from itertools import chain, takewhile
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from PIL import Image
from tqdm.auto import tqdm

from lab.canvas import centre, even, fit, scaled, shape, size_of
from lab.cuts import STRIP, CutFinder
from lab.edit import Edit, FilmEntry, Row
from lab.films import credit_of
from lab.presets import RenderSettings
from lab.render import FADE, Rendered, render
from lab.see.images import SeeError, open_picture, stills
from lab.see.looking import Looking, Model, State, step
from lab.shots import BarFinder, find_shots
from lab.soundtrack import closed
from lab.stages import BAR_EVERY
from lab.store import Workspace, image_file, sweep_beside, write_json, write_whole
from lab.tables import load_archive
from lab.video import (
    EPSILON,
    Box,
    Frame,
    Reader,
    Writer,
    luma,
    probe,
    proxy_size,
    samples,
    small_rgb,
)

ENCODING = {"preset": "veryfast", "crf": "18"}
RATE = 25  # frames a second of a film that is made of pictures
SHOT = re.compile(r"[0-9a-f]{12}-\d+-\d+")  # a shot_id
STAYS = 3.0  # seconds that a picture stays in it


class Survey(NamedTuple):
    """A film's shots, as of `lab.shots.find_shots`, and its picture inside its bars."""

    shots: pd.DataFrame
    crop: Box


def survey(path, span: tuple[float, float] | None = None) -> Survey:
    """Find the cuts and bars of a film, or of a span of its seconds.

    A quick pass that sees it small, as an ingest does.

    Raises
    ------
    FilmError
    SeeError
        If the film is over before the span begins.
    """
    info = probe(path)
    begin, end = span or (None, info.t0 + info.duration)
    reader = Reader(path, size=proxy_size(info.width, info.height), matrix="bt601", start=begin)
    finder, bars, times, lights = CutFinder(info.fps), BarFinder(), [], []
    total = round((min(end, info.t0 + info.duration) - (begin or info.t0)) * info.fps)
    frames = _until(reader, span)
    for index, frame in enumerate(tqdm(frames, "cuts", max(0, total), unit="frame")):
        strip = small_rgb(frame.picture, *STRIP)
        finder.push(strip)
        lights.append((strip.mean(), strip.std()))
        times.append(float(frame.time))
        if index % BAR_EVERY == 0:
            bars.push(luma(frame.picture))
    end = times[-1] + 1 / info.fps
    if span and span[0] >= end:  # what is read then is the last frame
        raise SeeError(f"{path}: is over at {end:.2f} s; begin before.")
    light = np.array(lights, np.float32)
    return Survey(find_shots("", np.array(times), end, finder.finish(), light), bars.finish())


def see_film(
    model: Model,
    path,
    out,
    settings: Looking | None = None,
    *,
    span: tuple[float, float] | None = None,
) -> int:
    """A film as a network sees it: every frame, in order, at its time, with the film's sound.

    Seen is the picture inside its black bars. What stays of the frames before (`Looking.before`,
    `after`, ...) does not run over a cut. Beside the video, a JSON file of the same name keeps
    the settings and the model's card.

    Parameters
    ----------
    model : Model
    path : path-like
        A film.
    out : path-like
        An MP4; it appears under this name only when complete.
    settings : Looking, optional
    span : (float, float), optional
        Seconds of the film's own clock, from and to, that are seen; by default all.

    Returns
    -------
    int
        Frames.

    Raises
    ------
    FilmError, WriteError
    SeeError
        If the video would take the place of the film, or the span holds nothing of it.
    """
    out = _free(out, path)
    part = span is not None
    return _see(model, path, out, settings or Looking(), survey(path, span), part=part)


def see_beside(
    model: Model,
    path,
    out,
    settings: Looking | None = None,
    preset: str = "side-by-side",
    looks: RenderSettings | None = None,
) -> Rendered:
    """A film and what a network sees of it, in one picture, with the film's sound.

    Parameters
    ----------
    model, path, out, settings
        As of `see_film`.
    preset : str
        Of `lab.presets.PRESETS`: what is seen stands where an answer would.
    looks : RenderSettings, optional

    Returns
    -------
    Rendered

    Raises
    ------
    FilmError, WriteError, SeeError
    """
    settings, looks, out = settings or Looking(), looks or RenderSettings(), _free(out, path)
    found = survey(path)
    with tempfile.TemporaryDirectory(prefix=".lab-", dir=out.parent) as folder:
        seen = Path(folder) / "seen.mp4"
        _see(model, path, seen, settings, found)
        looks = looks.model_copy(update={"seen": str(seen)})
        done = render(_unanswered(path, found), out, preset, looks)
    _tell(out, model, settings, film=str(path))
    return done


def see_shot(
    model: Model, workspace: Workspace, shot_id: str, out, settings: Looking | None = None
) -> int:
    """A shot of an ingested film as a network sees it, from the film itself, with its sound.

    Parameters
    ----------
    model : Model
    workspace : Workspace
    shot_id : str
        As searches print it.
    out, settings
        As of `see_film`.

    Returns
    -------
    int
        Frames.

    Raises
    ------
    FilmError, WriteError
    SeeError
        If there is no such shot, or the video would take the place of its film.
    """
    settings, (film, shots) = settings or Looking(), find_shot(workspace, shot_id)
    out = _free(out, film.path)
    return _see(model, film.path, out, settings, Survey(shots, Box(*film.crop)), part=True)


def find_shot(workspace: Workspace, shot_id: str) -> tuple[pd.Series, pd.DataFrame]:
    """The row of a shot's film, and a table of the shot alone.

    Raises
    ------
    SeeError
        If there is no such shot.
    """
    archive = load_archive(workspace, films=[shot_id.split("-")[0]])
    shots = archive.shots[archive.shots.shot_id == shot_id]
    if not len(shots):
        raise SeeError(
            f"{shot_id}: is neither a file nor a shot of {workspace.root}; `lab shots FILM` lists "
            "a film's."
        )
    return archive.films.iloc[0], shots


def see_pictures(
    model: Model, folder, out, settings: Looking | None = None, *, stays: float = STAYS
) -> int:
    """The pictures of a folder as a network sees them, each by itself.

    Parameters
    ----------
    model : Model
    folder : path-like
        Is searched to its depth; pictures come in alphabetical order.
    out : path-like
        A folder that is given PNGs of the same names; or, where it ends in ``.mp4``, a silent
        video in which one picture follows the other, shaped like the first. Nothing appears under
        its name before it is complete.
    settings : Looking, optional
    stays : float
        Seconds that a picture stays in the video.

    Returns
    -------
    int
        Pictures.

    Raises
    ------
    FilmError, WriteError
    SeeError
        If there is no picture, one cannot be read, or one would take the place of another.
    """
    settings, folder, out = settings or Looking(), Path(folder), Path(out)
    paths = stills(folder)
    if not paths:
        raise SeeError(f"{folder}: holds no pictures; name another folder, or a film.")
    seen = (step(open_picture(path), State(model, settings))[0] for path in paths)
    shown = tqdm(seen, "see", len(paths), unit="picture")
    if out.suffix.lower() == ".mp4":
        _play(shown, out, stays)
    else:
        _keep(shown, _names(paths, folder, out))
    _tell(out, model, settings, folder=str(folder))
    return len(paths)


def _see(
    model: Model,
    path,
    out: Path,
    settings: Looking,
    found: Survey,
    *,
    part: bool = False,
) -> int:
    """Write what is seen of a film, or of a part: the shots found; gives the number of frames."""
    info, shots = probe(path), found.shots
    span = (float(shots.start.min()), float(shots.end.max())) if part else None
    begin = span[0] if span else None
    size = read_at(shape(path, found.crop), settings.size / settings.crop)
    frames: Iterable[Frame] = Reader(path, size=size, pixels="rgb24", crop=found.crop, start=begin)
    frames = _until(frames, span)
    cuts = set(shots.start[shots.transition_in == "cut"])
    seen, count = _seen(model, settings, frames, cuts), 0
    first, image = next(seen)  # a film without a frame is told by its reader
    total = int(shots.end_frame.max() - shots.start_frame.min())
    with Writer(
        out,
        image.shape[1::-1],
        info.fps,
        soundtrack=_stretch(path, first, span[1]) if span else path,
        t0=first,
        time_base=info.time_base,
        matrix="bt601",
        options=ENCODING,
    ) as writer:
        for time, now in tqdm(chain([(first, image)], seen), "see", total, unit="frame"):
            writer.write(packed(now), time - first)
            count += 1
    _tell(out, model, settings, film=str(path), **({"seconds": span} if span else {}))
    return count


def _until(frames: Iterable[Frame], span: tuple[float, float] | None) -> Iterable[Frame]:
    """The frames before a span ends; all of them where there is none."""
    if span is None:
        return frames
    return takewhile(lambda frame: float(frame.time) < span[1] - EPSILON, frames)


def _seen(
    model: Model, settings: Looking, frames: Iterable[Frame], cuts: Collection[float]
) -> Iterator[tuple[Fraction, np.ndarray]]:
    """Every frame's time, and what is seen in it; with each cut, what came before is forgotten."""
    state = State(model, settings)
    for frame in frames:
        if float(frame.time) in cuts:
            state = State(model, settings)
        image, state = step(frame.picture.to_ndarray(), state)
        yield frame.time, image


def read_at(whole: tuple[float, float], side: float) -> tuple[int, int]:
    """The size at which a film is read: its shorter side no larger than is needed."""
    scale = min(1.0, side / min(whole))
    return even(whole[0] * scale), even(whole[1] * scale)


def _stretch(path, first: Fraction, end: float) -> Iterator[np.ndarray] | None:
    """A film's sound between two of its seconds; it fades at the end, as a cut would click."""
    if not probe(path).has_audio:
        return None
    last = Fraction(end).limit_denominator(10**6)
    return closed(samples(path, first, last), last - first - FADE, last - first)


def packed(image: np.ndarray) -> np.ndarray:
    """An RGB image as packed yuv420p: OpenCV's is BT.601 in limited range, as writers are told."""
    return cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420)


def fitted(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A packed picture as large as goes into a panel, in its middle."""
    return centre(scaled(picture, fit(*size_of(picture), size)), size)


def _unanswered(path, found: Survey) -> Edit:
    """An edit of a film that keeps all its shots as they are."""
    entry = FilmEntry(path=str(Path(path).resolve()), crop=found.crop, **vars(credit_of(path)))
    rows = [
        Row(position=number, kind="keep", in_query=shot.start, out_query=shot.end)
        for number, shot in enumerate(found.shots.itertuples(), 1)
    ]
    return Edit(trailer="film", encoder="", calibration="", films={"film": entry}, shots=rows)


def _play(images: Iterable[np.ndarray], out: Path, stays: float) -> None:
    """Write images one after the other into a silent video."""
    out, images = _free(out), iter(images)
    first = packed(next(images))
    size, count = size_of(first), max(1, round(stays * RATE))
    with Writer(out, size, RATE, matrix="bt601", options=ENCODING) as writer:
        for place, one in enumerate(chain([first], map(packed, images))):
            picture = fitted(one, size)
            for index in range(place * count, (place + 1) * count):
                writer.write(picture, Fraction(index, RATE))


def _keep(images: Iterable[np.ndarray], places: list[Path]) -> None:
    """Write images as PNGs, each whole."""
    for image, place in zip(images, places, strict=True):
        write_whole(place, image_file(Image.fromarray(image), "PNG"))


def _names(paths: list[Path], folder: Path, out: Path) -> list[Path]:
    """Where the pictures of a folder go as PNGs."""
    if out.resolve().is_relative_to(folder.resolve()):
        raise SeeError(f"{out}: lies in the folder that is looked at; name another.")
    places = [out / path.relative_to(folder).with_suffix(".png") for path in paths]
    place, often = Counter(places).most_common(1)[0]
    if often > 1:
        raise SeeError(f"{folder}: {often} pictures of it would be {place}; rename all but one.")
    return places


def _free(out, path=None) -> Path:
    """A place for a video that is not the film's own."""
    out = Path(out)
    if path is not None and out.resolve() == Path(path).resolve():
        raise SeeError(f"{out}: is the film itself; give the video another name.")
    out.parent.mkdir(parents=True, exist_ok=True)
    sweep_beside(out)
    return out


def _tell(out: Path, model: Model, settings: Looking, **source) -> None:
    """Write beside a video, or a folder, what was looked at, how, and through which network."""
    told = {"settings": settings.model_dump(), "name": model.name, "model": model.card}
    write_json(out.with_suffix(".json"), source | told)
