"""One film's way through the house: three stages, each a part in the store.

- ``film``: decoded once, in order, into the proxy, the frames' times, the cut network's
  findings, brightness, traces and flow;
- ``shots``: the shots and moments tables;
- ``looks``: channels of every moment, words and a thumbnail of every shot, from the proxy.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from lab import channels, cuts, looks, motion, shots, video
from lab.apart import watched
from lab.cutlists import CutListError, load_correction, nearest_frames
from lab.encoders import PACKAGED
from lab.language import counted
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
# Short closed GOPs without B frames: any frame is near, and decord counts them right. One thread
# makes the same file on every machine, and is not slower at this size.
PROXY = {"preset": "ultrafast", "crf": "23", "g": "12", "bf": "0", "flags": "+cgop"}
PROXY |= {"threads": "1"}
BAR_EVERY = 12  # frames between two looks for bars
PATIENCE = 20.0  # seconds without a picture after which a decoder is given up
TOLD = 3  # stretches that were lost, named in a sentence
# What each stage takes of the time of a film of 720p (benchmarks/stages.py).
TAKES = {"decode": 0.65, "shots": 0.01, "looks": 0.34}


class IngestSettings(BaseModel):
    """What an archive is looked at with."""

    model_config = ConfigDict(frozen=True)

    encoder: str = PACKAGED


class Worked(NamedTuple):
    """What came of a film: whether anything was made, and rows of the problems table."""

    made: bool
    problems: list[tuple]


def film_key() -> str:
    return key_of("film", VERSION, cuts.VERSION, PROXY, channels.TRACE, motion.VERSION)


def shots_key(workspace: Workspace, film_id: str) -> str:
    return key_of("shots", shots.VERSION, film_key(), load_correction(workspace, film_id))


def looks_key(workspace: Workspace, film_id: str, settings: IngestSettings) -> str:
    return key_of("looks", *looks.VERSIONS, settings.encoder, shots_key(workspace, film_id))


def shots_part(workspace: Workspace, film_id: str) -> Path:
    return workspace.part("shots", film_id, shots_key(workspace, film_id))


def looks_part(workspace: Workspace, film_id: str, settings: IngestSettings) -> Path:
    return workspace.part("looks", film_id, looks_key(workspace, film_id, settings))


def parts(workspace: Workspace, film_id: str, settings: IngestSettings) -> dict[str, Path]:
    """Where what each stage makes of a film lies, once it is made."""
    return {
        "decode": workspace.part("film", film_id, film_key()),
        "shots": shots_part(workspace, film_id),
        "looks": looks_part(workspace, film_id, settings),
    }


def complete(workspace: Workspace, film_id: str, settings: IngestSettings) -> bool:
    """Whether every part of a film stands."""
    return all(part.exists() for part in parts(workspace, film_id, settings).values())


def ingest_film(
    path,
    film_id: str,
    root,
    settings: IngestSettings,
    progress: Callable[[str, float], object] = lambda stage, share: None,
    waits: Callable[[], object] = lambda: None,
) -> Worked:
    """Make what is missing of one film's parts; of several who ask for that, one does it.

    Parameters
    ----------
    path : path-like
    film_id : str
    root : path-like
        Of the workspace.
    settings : IngestSettings
    progress : callable
        Told the stage, and how much of all that is missing is done, 0 to 1, by the time it takes.
    waits : callable
        Called if another is at work on the film; what it raises goes up, else it is waited for.
        The lock lies in the workspace: it holds on every machine that shares the folder.

    Returns
    -------
    Worked

    Raises
    ------
    WriteError, EncoderError
    """
    workspace = Workspace(root)
    with workspace.alone(film_id, waits):
        missing = _missing(workspace, film_id, settings)
        tell = partial(_tell, progress, missing)
        return Worked(bool(missing), _worked(path, film_id, workspace, settings, tell))


def _missing(workspace: Workspace, film_id: str, settings: IngestSettings) -> list[str]:
    """The stages that are still to be done, in order."""
    try:
        made = parts(workspace, film_id, settings)
    except CutListError:  # which will be told
        return list(TAKES)
    return [stage for stage, part in made.items() if not part.exists()]


def _tell(progress: Callable, missing: list[str], stage: str, share: float) -> None:
    """Pass on how far a stage is as a share of all that is missing."""
    if stage in missing:
        before = sum(TAKES[one] for one in missing[: missing.index(stage)])
        whole = sum(TAKES[one] for one in missing)
        progress(stage, (before + TAKES[stage] * share) / whole)


def _worked(path, film_id: str, workspace: Workspace, settings, progress) -> list[tuple]:
    """Rows of the problems table; none when all went well."""
    stage = "decode"
    try:
        progress(stage, 0.0)
        film = _part(workspace, "film", film_id, film_key(), _decode, path, settings, progress)
        stage = "shots"
        progress(stage, 0.0)
        key, corrected = shots_key(workspace, film_id), load_correction(workspace, film_id)
        cut = _part(workspace, "shots", film_id, key, _cut, film_id, film, corrected)
        stage = "looks"
        progress(stage, 0.0)
        key, by = looks_key(workspace, film_id, settings), {"encoder": settings.encoder}
        seen = film, cut, settings, partial(progress, stage)
        _part(workspace, "looks", film_id, key, _look, *seen, **by)
    except WriteError:
        raise
    except FilmError as error:
        return [(str(path), stage, error.why, None)]
    except CutListError as error:
        return [(str(path), stage, str(error), None)]
    return damage(path, film)


def _part(
    workspace: Workspace, stage: str, film_id: str, key: str, make, *args, **made_with
) -> Path:
    folder = workspace.part(stage, film_id, key)
    if not folder.exists():
        workspace.clear(stage, film_id)
        with workspace.making(stage, film_id, key, **made_with) as scratch:
            make(scratch, *args)
    return folder


def _decode(folder: Path, path, settings: IngestSettings, progress) -> None:
    """The one pass over the original."""
    import torch  # slow, and not needed to know what is still to be done

    (info,) = watched(map(video.probe, [path]), PATIENCE)
    looks.load_encoder(settings.encoder)  # what cannot be had is told before hours of decoding
    size = video.proxy_size(info.width, info.height)
    reader = video.Reader(path, size=size, matrix="bt601", threads=torch.get_num_threads())
    noted, frames = _Noted(info.fps), watched(reader, PATIENCE)
    first = next(frames)
    t0 = first.time
    with proxy_writer(folder, path, info, t0) as proxy:
        for index, frame in enumerate(chain([first], frames)):
            noted.push(frame)
            proxy.write(frame.picture, frame.time - t0)
            if index % BAR_EVERY == 0:
                progress("decode", min(0.99, float(frame.time - t0) / max(info.duration, 0.1)))
        progress("decode", 1.0)
    write_arrays(folder / "frames.safetensors", noted.arrays())
    write_json(folder / "film.json", _row(info, reader, np.array(noted.times), noted.bars.finish()))


def proxy_writer(folder: Path, path, info: video.Probe, t0: Fraction) -> video.Writer:
    """What writes a film's proxy, with its sound: frames from the second `t0` of the film on."""
    return video.Writer(
        folder / "proxy.mp4",
        video.proxy_size(info.width, info.height),
        info.fps,
        soundtrack=path,
        t0=t0,
        copy_sound=False,
        matrix="bt601",
        options=PROXY,
    )


class _Noted:
    """What is noted of every frame of a film."""

    def __init__(self, fps: float):
        self.cuts, self.bars = cuts.CutFinder(fps), shots.BarFinder()
        self.mover = motion.MotionFinder()
        self.times, self.lights, self.traces = array("d"), array("f"), bytearray()  # lists weigh

    def push(self, frame: video.Frame) -> None:
        strip, luma = video.small_rgb(frame.picture, *cuts.STRIP), video.luma(frame.picture)
        self.cuts.push(strip)
        self.lights.extend((strip.mean(), strip.std()))
        self.traces += channels.trace(strip).tobytes()
        self.mover.push(luma, float(frame.time))
        if len(self.times) % BAR_EVERY == 0:
            self.bars.push(luma)
        self.times.append(float(frame.time))

    def arrays(self) -> dict[str, np.ndarray]:
        flow_times, flow = self.mover.finish()
        return {
            "times": np.array(self.times),
            "flow_times": flow_times,
            "flow": flow,
            "cuts": self.cuts.finish(),
            "light": np.array(self.lights).reshape(-1, 2),
            "trace": np.frombuffer(self.traces, np.uint8).reshape(-1, *channels.TRACE[::-1]),
        }


def _row(info: video.Probe, reader: video.Reader, times: np.ndarray, crop: Box) -> dict:
    """What there is to say of a film as a whole."""
    gaps = np.diff(times)
    step = float(np.median(gaps)) if len(gaps) else 1 / info.fps
    return {
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
        "crop": list(crop),
        "frames": len(times),
        "damaged": reader.damaged,
        "broken": reader.broken,
        "lost": video.lost(times, step, reader.trouble, reader.promised),
    }


def _cut(folder: Path, film_id: str, film: Path, corrected: list[float] | None) -> None:
    frames, row = read_arrays(film / "frames.safetensors"), read_json(film / "film.json")
    times, end = frames["times"], row["t0"] + row["duration"]
    begins = None if corrected is None else nearest_frames(times, corrected)
    table = shots.find_shots(film_id, times, end, frames["cuts"], frames["light"], begins)
    write_table(folder / "shots.parquet", table)
    write_table(folder / "moments.parquet", shots.find_moments(table))


def _look(folder: Path, film: Path, cut: Path, settings: IngestSettings, progress) -> None:
    """What is seen in a film, from its proxy."""
    frames = read_arrays(film / "frames.safetensors")
    box = Box(*read_json(film / "film.json")["crop"])
    table, moments = read_table(cut / "shots.parquet"), read_table(cut / "moments.parquet")
    looks.look(folder, film / "proxy.mp4", frames, box, table, moments, settings.encoder, progress)


def wholeness(film: Mapping) -> str:
    """What a film's row (``film.json``) says of damage in two words; nothing where it is whole."""
    if lost := film.get("lost"):
        return f"{sum(end - begin for begin, end in lost):.1f} s lost"
    return "damaged" if film.get("damaged") or film.get("broken") else ""


def damage(path, film: Path) -> list[tuple]:
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
