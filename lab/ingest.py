"""The one pass: films in, shots, channels, thumbnails and proxies out.

A film goes through three stages, each a part in the store:

- ``film``: decoded once, in order, into the proxy, the frames' times, the cut network's
  findings, brightness, traces and flow;
- ``shots``: the shots and moments tables;
- ``looks``: channels of every moment, words and a thumbnail of every shot, from the proxy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pydantic import BaseModel, ConfigDict
from tqdm.auto import tqdm

from lab import channels, cuts, duplicates, motion, shots, video
from lab.apart import DiedError, patience, spread
from lab.cutlists import (
    CutListError,
    drop_correction,
    load_correction,
    nearest_frames,
    save_correction,
)
from lab.encoders import PACKAGED, EncoderError
from lab.films import Register, credit_of, find_films, legible
from lab.language import WORDS, counted
from lab.looks import VERSIONS, look
from lab.store import (
    Workspace,
    key_of,
    read_arrays,
    read_json,
    read_table,
    write_arrays,
    write_json,
    write_table,
)
from lab.video import Box, FilmError, WriteError

VERSION = 1
# Short closed GOPs without B frames: any frame is near, and decord counts them right.
PROXY = {"preset": "ultrafast", "crf": "23", "g": "12", "bf": "0", "flags": "+cgop"}
BAR_EVERY = 12  # frames between two looks for bars
PATIENCE = 20.0  # seconds without a picture after which a decoder is given up
TOLD = 3  # stretches that were lost, named in a sentence


class IngestSettings(BaseModel):
    """What an archive is looked at with."""

    model_config = ConfigDict(frozen=True)

    encoder: str = PACKAGED


@dataclass
class Report:
    """What an ingest did: films worked on, films that stood already, and `problems`."""

    made: list[str] = field(default_factory=list)
    stood: list[str] = field(default_factory=list)
    problems: pd.DataFrame = field(default_factory=lambda: _problems([]))


@dataclass(frozen=True)
class Archive:
    """All that is known of some films: tables, and vectors aligned with `moments`."""

    films: pd.DataFrame
    shots: pd.DataFrame
    moments: pd.DataFrame
    vectors: dict[str, np.ndarray]
    encoder: str = ""  # by which `subject` was seen


def film_key() -> str:
    return key_of("film", VERSION, cuts.VERSION, PROXY, channels.TRACE, motion.VERSION)


def shots_key(workspace: Workspace, film_id: str) -> str:
    return key_of("shots", shots.VERSION, film_key(), load_correction(workspace, film_id))


def looks_key(workspace: Workspace, film_id: str, settings: IngestSettings) -> str:
    return key_of("looks", *VERSIONS, settings.encoder, shots_key(workspace, film_id))


def ingest(
    paths: Iterable,
    workspace: Workspace,
    settings: IngestSettings | None = None,
    *,
    role: str = "archive",
    jobs: int = 1,
) -> Report:
    """Bring films into the workspace; what stands already is left alone.

    Parameters
    ----------
    paths : iterable of path-like
        Film files.
    workspace : Workspace
    settings : IngestSettings, optional
    role : str
        ``"archive"`` or ``"trailer"``.
    jobs : int
        Films worked on at once, each in a process of its own: a decoder that dies or hangs takes
        only its own film with it. 0 works in this process, without that safety.

    Returns
    -------
    Report
        A film that cannot be read is a row in its `problems`, not an error.

    Raises
    ------
    WriteError
        If the disk takes no more.
    EncoderError
        If the encoder cannot be had.
    """
    settings = settings or IngestSettings()
    workspace.sweep()
    register, report, found = Register(workspace), Report(), []
    todo: dict[str, list[Path]] = {}  # a film may lie there twice
    for path in map(Path, paths):
        try:
            film_id = register.identify(path)
            stands = complete(workspace, film_id, settings)
        except FilmError as error:
            found.append((legible(path), "open", error.why, None))
            continue
        except CutListError as error:
            found.append((str(path), "shots", str(error), None))
            continue
        if stands:
            register.add(film_id, path, role)
            report.stood.append(film_id)
            found += _damage(path, workspace.part("film", film_id, film_key()))
        else:
            todo.setdefault(film_id, []).append(path)
    register.save()
    sizes = {film_id: size for film_id, size, _ in register.seen.values() if film_id in todo}
    try:
        for film_id, problems in _work(todo, sizes, workspace, settings, jobs):
            found += [(str(path), *row[1:]) for path in todo[film_id] for row in problems]
            if complete(workspace, film_id, settings):
                register.add(film_id, todo[film_id][0], role)
                register.save()
                report.made.append(film_id)
    finally:
        workspace.sweep()  # what died left something half done
    report.problems = _problems(found)
    _remember(workspace, list(map(legible, paths)), report.problems)
    return report


def ingest_one(
    path, workspace: Workspace, settings: IngestSettings | None = None, role: str = "trailer"
) -> str:
    """Bring one film in, where that is still to be done, and give its `film_id`.

    Raises
    ------
    FilmError
        If it cannot be read.
    """
    report = ingest(find_films([path]), workspace, settings, role=role)
    if not report.made and not report.stood:
        raise FilmError(path, report.problems.what.iloc[0])
    return [*report.made, *report.stood][0]


def recut(
    workspace: Workspace,
    film_id: str,
    starts: list[float] | None,
    settings: IngestSettings | None = None,
) -> None:
    """Divide a film anew where a person says, and see its new shots.

    Parameters
    ----------
    workspace : Workspace
    film_id : str
        A film that was ingested; it is not decoded again.
    starts : list of float or None
        Seconds at which shots begin, kept in the workspace; None goes back to those found.
    settings : IngestSettings, optional

    Raises
    ------
    FilmError
    """
    if starts is None:
        drop_correction(workspace, film_id)
    else:
        save_correction(workspace, film_id, starts)
    path = Register(workspace).films[film_id]["path"]
    problems = ingest_film(path, film_id, workspace.root, settings or IngestSettings())
    lost = [why for _, stage, why, _ in problems if stage != "decode"]
    if lost:
        raise FilmError(path, lost[0])


def complete(workspace: Workspace, film_id: str, settings: IngestSettings) -> bool:
    """Whether every part of a film stands."""
    parts = (
        workspace.part("film", film_id, film_key()),
        shots_part(workspace, film_id),
        looks_part(workspace, film_id, settings),
    )
    return all(part.exists() for part in parts)


def shots_part(workspace: Workspace, film_id: str) -> Path:
    return workspace.part("shots", film_id, shots_key(workspace, film_id))


def looks_part(workspace: Workspace, film_id: str, settings: IngestSettings) -> Path:
    return workspace.part("looks", film_id, looks_key(workspace, film_id, settings))


def _work(
    todo: dict[str, list[Path]],
    sizes: dict[str, int],
    workspace: Workspace,
    settings: IngestSettings,
    jobs: int,
) -> Iterator[tuple[str, list[tuple]]]:
    """Films one by one, or `jobs` at once, largest first; with each its problems."""
    order = sorted(todo, key=sizes.get, reverse=True) if jobs > 1 else list(todo)
    threads = max(1, torch.get_num_threads() // max(1, jobs))
    pieces = {
        film_id: (todo[film_id][0], film_id, workspace.root, settings, threads, PATIENCE)
        for film_id in order
    }
    done, stage = dict.fromkeys(order, 0), dict.fromkeys(order, "decode")
    with _bar(sum(sizes.values())) as bar:
        for film_id, kind, content in _here(pieces) if jobs < 1 else spread(_apart, pieces, jobs):
            share = 1.0
            if kind == "told":
                stage[film_id], share = content
                bar.set_description_str(f"ingest {todo[film_id][0].name[:32]}", refresh=False)
            now = round(share * sizes[film_id])
            bar.update(now - done[film_id])
            done[film_id] = now
            if kind == "failed":
                content = [_failed(todo[film_id][0], stage[film_id], content)]
            if kind != "told":
                yield film_id, content


def _bar(size: int) -> tqdm:
    form = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} of film, {remaining} left"
    return tqdm(
        total=size, desc="ingest", bar_format=form, unit="B", unit_scale=True, disable=not size
    )


def _here(pieces: dict[str, tuple]) -> Iterator[tuple]:
    """As `lab.apart.spread`, in this process."""
    for film_id, (*args, _, _) in pieces.items():
        yield film_id, "done", ingest_film(*args)


def _apart(path, film_id, root, settings, threads: int, longest: float, tell) -> list[tuple]:
    """`ingest_film` in a process of its own."""
    torch.set_num_threads(threads)

    def progress(stage: str, share: float) -> None:
        patience(longest if share < 1 else math.inf)
        tell(stage, share)

    return ingest_film(path, film_id, root, settings, progress)


def _failed(path: Path, stage: str, error: Exception) -> tuple:
    """A row for a film that ended its process, or was too odd for us; the rest is raised."""
    if isinstance(error, (WriteError, EncoderError, OSError)):
        raise error
    why = f"its process {error}" if isinstance(error, DiedError) else repr(error)
    return str(path), stage, f"cannot be worked on ({why}); convert it, or leave it out.", None


def ingest_film(
    path,
    film_id: str,
    root,
    settings: IngestSettings,
    progress: Callable[[str, float], object] = lambda stage, share: None,
) -> list[tuple]:
    """Make what is missing of one film's parts.

    Parameters
    ----------
    path : path-like
    film_id : str
    root : path-like
        Of the workspace.
    settings : IngestSettings
    progress : callable
        Told the stage, and how much of the film is decoded, 0 to 1.

    Returns
    -------
    list of tuple
        Rows of the problems table; empty when all went well.
    """
    workspace, stage = Workspace(root), "decode"
    try:
        progress(stage, 0.0)
        film = _part(workspace, "film", film_id, film_key(), _decode, path, progress)
        stage = "shots"
        progress(stage, 1.0)
        key, corrected = shots_key(workspace, film_id), load_correction(workspace, film_id)
        cut = _part(workspace, "shots", film_id, key, _cut, film_id, film, corrected)
        stage = "looks"
        progress(stage, 1.0)
        key, by = looks_key(workspace, film_id, settings), {"encoder": settings.encoder}
        _part(workspace, "looks", film_id, key, _look, film, cut, settings, **by)
    except WriteError:
        raise
    except FilmError as error:
        return [(str(path), stage, error.why, None)]
    except CutListError as error:
        return [(str(path), stage, str(error), None)]
    return _damage(path, film)


def _damage(path, film: Path) -> list[tuple]:
    """A row for a film that was read and is not whole."""
    row, told = read_json(film / "film.json", {}), []
    if row.get("damaged"):
        told.append(f"{counted(row['damaged'], 'packet')} could not be decoded")
    if row.get("broken"):
        told.append(f"{counted(row['broken'], 'picture')} came out damaged")
    if lost := row.get("lost", []):
        stretches = [f"{begin:.2f} to {end:.2f} s" for begin, end in lost[:TOLD]]
        more = [f"{len(lost) - TOLD} stretches more"] if len(lost) > TOLD else []
        told.append(f"there is no picture from {' and '.join([*stretches, *more])}")
    what = f"{', '.join(told)}; the rest of the film was used."
    return [(str(path), "decode", what, lost or None)] if told else []


def _part(
    workspace: Workspace, stage: str, film_id: str, key: str, make, *args, **made_with
) -> Path:
    folder = workspace.part(stage, film_id, key)
    if not folder.exists():
        with workspace.making(stage, film_id, key, **made_with) as scratch:
            make(scratch, *args)
    return folder


def _decode(folder: Path, path, progress) -> None:
    """The one pass over the original."""
    info = video.probe(path)
    size = video.proxy_size(info.width, info.height)
    reader = video.Reader(path, size=size, matrix="bt601")
    cut_finder, bars = cuts.CutFinder(info.fps), shots.BarFinder()
    mover = motion.MotionFinder()
    times, lights, traces = [], [], bytearray()
    proxy = None
    try:
        for index, frame in enumerate(reader):
            if proxy is None:
                proxy = video.Writer(
                    folder / "proxy.mp4",
                    size,
                    info.fps,
                    soundtrack=path,
                    t0=frame.time,
                    copy_sound=False,
                    matrix="bt601",
                    options=PROXY,
                )
                t0 = frame.time
            strip = video.small_rgb(frame.picture, *cuts.STRIP)
            cut_finder.push(strip)
            lights.append((strip.mean(), strip.std()))
            traces += channels.trace(strip).tobytes()
            luma = video.luma(frame.picture)
            mover.push(luma, float(frame.time))
            if index % BAR_EVERY == 0:
                bars.push(luma)
                progress("decode", min(0.99, float(frame.time - t0) / max(info.duration, 0.1)))
            times.append(float(frame.time))
            proxy.write(frame.picture, frame.time - t0)
        progress("decode", 1.0)
        proxy.close()
    except BaseException:
        if proxy is not None:
            proxy.discard()
        raise
    times = np.array(times)
    gaps = np.diff(times)
    step = float(np.median(gaps)) if len(gaps) else 1 / info.fps
    flow_times, flow = mover.finish()
    arrays = {
        "times": times,
        "flow_times": flow_times,
        "flow": flow,
        "cuts": cut_finder.finish(),
        "light": np.array(lights, np.float32),
        "trace": np.frombuffer(traces, np.uint8).reshape(-1, *channels.TRACE[::-1]),
    }
    write_arrays(folder / "frames.safetensors", arrays)
    row = {
        "t0": times[0],
        "duration": times[-1] + step - times[0],
        "width": info.width,
        "height": info.height,
        "fps": info.fps,
        "vfr": bool(len(gaps) and np.abs(gaps - step).max() > max(0.1 * step, 0.0015)),
        "interlaced": info.interlaced,
        "rotation": info.rotation,
        "sar": info.sar,
        "has_audio": info.has_audio,
        "crop": list(bars.finish()),
        "frames": len(times),
        "damaged": reader.damaged,
        "broken": reader.broken,
        "lost": video.lost(times, step, reader.trouble, reader.promised),
    }
    write_json(folder / "film.json", row)


def _cut(folder: Path, film_id: str, film: Path, corrected: list[float] | None) -> None:
    frames, row = read_arrays(film / "frames.safetensors"), read_json(film / "film.json")
    times, end = frames["times"], row["t0"] + row["duration"]
    begins = None if corrected is None else nearest_frames(times, corrected)
    table = shots.find_shots(film_id, times, end, frames["cuts"], frames["light"], begins)
    write_table(folder / "shots.parquet", table)
    write_table(folder / "moments.parquet", shots.find_moments(table))


def _look(folder: Path, film: Path, cut: Path, settings: IngestSettings) -> None:
    """What is seen in a film, from its proxy."""
    frames = read_arrays(film / "frames.safetensors")
    box = Box(*read_json(film / "film.json")["crop"])
    table, moments = read_table(cut / "shots.parquet"), read_table(cut / "moments.parquet")
    look(folder, film / "proxy.mp4", frames, box, table, moments, settings.encoder)


def load_films(workspace: Workspace) -> pd.DataFrame:
    """The films table: a row for every film that has been decoded."""
    rows = []
    for film_id, known in Register(workspace).films.items():
        row = read_json(workspace.part("film", film_id, film_key()) / "film.json")
        if row:
            credit = credit_of(known["path"])
            rows.append({"film_id": film_id, **known, **row, **vars(credit)})
    head = ["film_id", "role", "path", "title", "year", "t0", "duration", "width", "height"]
    table = pd.DataFrame(rows, columns=None if rows else head)
    return table[head + [c for c in table if c not in head]]


def load_archive(
    workspace: Workspace, settings: IngestSettings | None = None, *, films=None
) -> Archive:
    """Everything that stands in the workspace, for the films named or for all.

    Parameters
    ----------
    workspace : Workspace
    settings : IngestSettings, optional
    films : list of str, optional
        Identifiers; by default every film with the role ``archive``.
    """
    settings = settings or IngestSettings()
    table = load_films(workspace)
    table = table[table.film_id.isin(films) if films is not None else table.role == "archive"]
    stands = [complete(workspace, film_id, settings) for film_id in table.film_id]
    table = table[np.array(stands, bool)]
    tables, moments, vectors = [], [], {}
    for film_id in table.film_id:
        cut = shots_part(workspace, film_id)
        looks = looks_part(workspace, film_id, settings)
        words = pd.DataFrame(read_json(looks / "words.json"), columns=list(WORDS))
        table_of = read_table(cut / "shots.parquet").assign(flags=read_json(looks / "flags.json"))
        tables.append(pd.concat([table_of, words], axis=1))
        moments.append(read_table(cut / "moments.parquet"))
        for name, array in read_arrays(looks / "vectors.safetensors").items():
            vectors.setdefault(name, []).append(array)
    none = pd.DataFrame(columns=[*shots.SHOTS, *WORDS]), shots.find_moments(pd.DataFrame())
    every = pd.concat(tables, ignore_index=True) if tables else none[0]
    if films is None and tables:
        _flag_repeats(workspace, every)
    return Archive(
        table.reset_index(drop=True),
        every,
        pd.concat(moments, ignore_index=True) if moments else none[1],
        {name: np.concatenate(parts) for name, parts in vectors.items()},
        settings.encoder,
    )


def _flag_repeats(workspace: Workspace, table: pd.DataFrame) -> None:
    """Flag the shots of an archive that another shot shows already; worked out once."""
    key = key_of("duplicates", duplicates.VERSION, sorted(table.shot_id), film_key())
    place = workspace.work / "duplicates" / f"{key}.json"
    first = read_json(place)
    if first is None:
        first = duplicates.find_duplicates(table, partial(load_frames, workspace))
        write_json(place, first)
    more = [f"duplicate-of:{first[i]}" if i in first else "" for i in table.shot_id]
    table["flags"] = [
        " ".join(filter(None, both)) for both in zip(table["flags"], more, strict=True)
    ]


def load_frames(workspace: Workspace, film_id: str) -> dict[str, np.ndarray]:
    """What is known of every frame of a film.

    Returns
    -------
    dict of ndarray
        ``times``, ``cuts``, ``light``, ``trace``, a row a frame; ``flow`` and ``flow_times``, a row
        about a twelfth of a second; ``box``, the picture inside its bars.
    """
    part = workspace.part("film", film_id, film_key())
    box = np.array(read_json(part / "film.json")["crop"])
    return read_arrays(part / "frames.safetensors") | {"box": box}


def proxy_path(workspace: Workspace, film_id: str) -> Path:
    return workspace.part("film", film_id, film_key()) / "proxy.mp4"


def thumbnail_path(
    workspace: Workspace, film_id: str, index: int, settings: IngestSettings | None = None
) -> Path:
    """A shot's thumbnail, by its index in the film."""
    return looks_part(workspace, film_id, settings or IngestSettings()) / f"{index}.jpg"


def load_problems(workspace: Workspace) -> pd.DataFrame:
    """The problems table, a row for a film that cannot be read or is not whole.

    Returns
    -------
    DataFrame
        `path`; `stage` (``open``, ``decode``, ``shots``, ``looks``); `what`, one sentence; `lost`,
        where known the stretches without a picture, pairs of seconds on the film's own clock.
    """
    return _problems(read_json(workspace.work / "problems.json", []))


def _problems(rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["path", "stage", "what", "lost"])


def _remember(workspace: Workspace, paths: list[str], problems: pd.DataFrame) -> None:
    """Replace what was said of these paths before; keep what was said of others."""
    before = load_problems(workspace)
    kept = before[~before.path.isin(paths)]
    rows = [*kept.itertuples(index=False, name=None), *problems.itertuples(index=False, name=None)]
    write_json(workspace.work / "problems.json", rows)
