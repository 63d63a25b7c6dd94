"""Cut lists: what people bring from other programs, and what they correct here.

A list is read from and written to CSV (our own, or as PySceneDetect writes it), EDL
(CMX 3600) and OTIO, by its name: ``-Scenes.csv``, as PySceneDetect names its own, ``.csv``,
``.edl``, ``.otio``. A correction is kept in the workspace as the seconds at which shots begin,
outside ``work/``, so that it outlives what is derived.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import opentimelineio as otio
import pandas as pd

from lab import LabError
from lab.store import Workspace, write_whole

FORMATS = (".csv", ".edl", ".otio")
COLUMNS = ["index", "start", "end", "start_frame", "end_frame", "transition_in"]
EDL_RATES = (24000 / 1001, 24, 25, 30000 / 1001, 30, 50, 60000 / 1001, 60)
FAR = 0.25  # seconds that a cut in a list may lie outside the film before the list is doubted


class CutListError(LabError):
    """A cut list that cannot be used: one sentence with the file, the cause and what to do."""

    def __init__(self, path, why: str):
        super().__init__(f"{path}: {why}")


def read_cuts(path, times: np.ndarray, fps: float, known: Sequence[int] = ()) -> list[int]:
    """First frames of the shots that a cut list names; the film's first frame is left out.

    Parameters
    ----------
    path : path-like
        ``.csv`` with a column `start` (seconds on the film's own clock) or `start_frame`, or
        as PySceneDetect writes it; ``.edl`` or ``.otio``, of which the first video track is
        laid against the film from its first frame on.
    times : ndarray of float64, shape (n,)
        PTS of the film's frames, seconds. Every cut goes to the frame nearest in time, so that
        a film of variable rate is cut where it was meant.
    fps : float
        The film's nominal rate, at which an EDL counts.
    known : sequence of int, optional
        First frames of the shots as they are. Where `start` and `start_frame` of a list that
        `write_cuts` wrote say different things, the one that was changed counts; in lists from
        elsewhere it is `start`.

    Raises
    ------
    CutListError
        If the file is missing, of another kind, damaged, or made for a longer film.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise CutListError(path, f"is not a cut list that lab reads; use {', '.join(FORMATS)}.")
    try:
        if path.suffix.lower() == ".csv":
            seconds = _read_csv(path, times, {0, *known})
        else:
            seconds = _read_timeline(path, times, fps)
    except OSError as error:
        raise CutListError(path, f"cannot be read ({error.strerror or error}).") from None
    except CutListError:
        raise
    except Exception as error:  # otio's adapters raise whatever they stumble over
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CutListError(path, f"is damaged or of another kind ({why}).") from None
    if not np.isfinite(seconds).all():
        raise CutListError(path, "holds a time that is no number; correct that row.")
    late = [second for second in seconds if not times[0] - FAR <= second <= times[-1] + FAR]
    if late:
        raise CutListError(
            path,
            f"has a cut at {late[0]:.3f} s, but the film runs from {times[0]:.3f} to "
            f"{times[-1]:.3f} s; is it the list of another film?",
        )
    return nearest_frames(times, seconds)


def nearest_frames(times: np.ndarray, seconds: list[float]) -> list[int]:
    """Frames nearest in time, in order, once each, without the film's first.

    >>> nearest_frames(np.array([5.0, 5.04, 5.08, 5.2]), [5.0, 5.05, 5.19])
    [1, 3]
    """
    return sorted(set(_nearest(times, seconds).tolist()) - {0})


def _nearest(times: np.ndarray, seconds) -> np.ndarray:
    return np.searchsorted((times[1:] + times[:-1]) / 2, seconds, side="right")


def write_cuts(path, shots: pd.DataFrame, times: np.ndarray, fps: float, film) -> None:
    """Write a film's shots as a cut list, in the format that its name asks for.

    Parameters
    ----------
    path : path-like
    shots : DataFrame
        One film's shots table.
    times : ndarray of float64, shape (n,)
        PTS of the film's frames, seconds.
    fps : float
        Nominal rate. EDL and OTIO count frames of it from the film's first frame; an EDL knows
        the usual rates only, others are written at the next.
    film : path-like
        The film, for the clips' names.

    Raises
    ------
    CutListError
        If the name ends in none of `FORMATS`.
    """
    path, film = Path(path), Path(film)
    if path.suffix.lower() not in FORMATS:
        raise CutListError(path, f"is not a cut list that lab writes; use {', '.join(FORMATS)}.")
    if path.suffix.lower() == ".csv":
        scenes = path.name.endswith("-Scenes.csv")
        text = _scenes(shots, times[0], fps) if scenes else shots[COLUMNS].to_csv(index=False)
    elif path.suffix.lower() == ".otio":
        text = otio.adapters.write_to_string(_timeline(shots, times[0], fps, film), "otio_json")
    else:
        rate = _edl_rate(fps)
        text = otio.adapters.write_to_string(
            _timeline(shots, times[0], rate, film), "cmx_3600", rate=rate
        )
    write_whole(path, text)


def _read_csv(path: Path, times: np.ndarray, known: set[int]) -> list[float]:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    # PySceneDetect may write a line of timecodes above the header.
    head = next((n for n, line in enumerate(lines[:2]) if "start" in line.lower()), None)
    if head is None:
        raise CutListError(path, "has no column `start`, `start_frame` or `Start Time (seconds)`.")
    table = pd.read_csv(io.StringIO("\n".join(lines[head:])))
    if "Start Time (seconds)" in table:
        return (table["Start Time (seconds)"].astype(float) + times[0]).tolist()
    if not {"start", "start_frame"} & set(table):
        raise CutListError(path, "has no column `start`, `start_frame` or `Start Time (seconds)`.")
    nothing = pd.Series(np.nan, table.index)
    seconds = table.get("start", nothing).astype(float)
    frames = table.get("start_frame", nothing).astype(float).dropna().astype(int)
    if not frames.between(0, len(times) - 1).all():
        raise CutListError(path, f"names a frame that a film of {len(times)} frames does not have.")
    for row, frame in frames.items():
        here = None if np.isnan(seconds[row]) else int(_nearest(times, seconds[row]))
        # In a list of our own, of which the seconds are as they were, the frame was changed.
        ours = here in known and frame not in known and set(COLUMNS) <= set(table)
        if here is None or ours:
            seconds[row] = times[frame]
    return seconds.tolist()


def _read_timeline(path: Path, times: np.ndarray, fps: float) -> list[float]:
    if path.suffix.lower() == ".edl":
        rate = _edl_rate(fps)
        text = path.read_text(encoding="utf-8-sig")
        timeline = otio.adapters.read_from_string(text, "cmx_3600", rate=rate)
    else:
        text = strict(path.read_text(encoding="utf-8"))
        timeline = otio.adapters.read_from_string(text, "otio_json")
    if not isinstance(timeline, otio.schema.Timeline) or not timeline.video_tracks():
        raise CutListError(path, "holds no video track.")
    clips = list(timeline.video_tracks()[0].find_clips())
    if not clips:
        raise CutListError(path, "holds no clip.")
    starts = [clip.range_in_parent().start_time.to_seconds() for clip in clips]
    return [times[0] + start for start in starts]


def strict(text: str) -> str:
    """JSON of which nothing is left to doubt: OpenTimelineIO's reader, which is C++, can bring
    down the whole program over a number that is none or a nesting without end.

    Raises
    ------
    ValueError, RecursionError
    """
    same = json.dumps(json.loads(text, parse_int=_small), allow_nan=False, ensure_ascii=False)
    same.encode()  # a half of a surrogate pair is no text
    return same


def _small(digits: str) -> int:
    if abs(number := int(digits)) >= 2**63:
        raise ValueError(f"{digits[:20]}... is too large a number")
    return number


def _edl_rate(fps: float) -> float:
    """The slowest rate an EDL knows that still gives every frame a number of its own."""
    return next((rate for rate in EDL_RATES if rate > fps - 0.01), EDL_RATES[-1])


def _timeline(shots: pd.DataFrame, t0: float, rate: float, film: Path) -> otio.schema.Timeline:
    """A timeline on which a film's shots follow each other, in frames of a rate."""
    timeline = otio.schema.Timeline(film.stem)
    track = otio.schema.Track("shots", kind=otio.schema.TrackKind.Video)
    timeline.tracks.append(track)
    bounds = [round((at - t0) * rate) for at in [*shots.start, shots.end.iloc[-1]]]
    time = otio.opentime.RationalTime
    whole = otio.opentime.TimeRange(time(0, rate), time(bounds[-1], rate))
    for index, (first, after) in enumerate(pairwise(bounds)):
        source = otio.schema.ExternalReference(film.name, whole)
        span = otio.opentime.TimeRange(time(first, rate), time(after - first, rate))
        track.append(otio.schema.Clip(f"{film.stem} {index}", source, span))
    return timeline


def _scenes(shots: pd.DataFrame, t0: float, fps: float) -> str:
    """Shots as PySceneDetect's ``list-scenes`` writes them, without its line of timecodes."""
    start, end = shots.start - t0, shots.end - t0
    first, last = shots.start_frame, shots.end_frame
    columns = {
        "Scene Number": range(1, len(shots) + 1),
        "Start Frame": first + 1,
        "Start Timecode": start.map(_timecode),
        "Start Time (seconds)": start.map("{:.3f}".format),
        "End Frame": last,
        "End Timecode": end.map(_timecode),
        "End Time (seconds)": end.map("{:.3f}".format),
        "Length (frames)": last - first,
        "Length (timecode)": (end - start).map(_timecode),
        "Length (seconds)": (end - start).map("{:.3f}".format),
    }
    return pd.DataFrame(columns).to_csv(index=False)


def _timecode(seconds: float) -> str:
    """Hours, minutes, seconds and thousandths.

    >>> _timecode(3723.5)
    '01:02:03.500'
    """
    whole = round(seconds * 1000)
    hours, minutes = whole // 3_600_000, whole // 60_000 % 60
    return f"{hours:02}:{minutes:02}:{whole // 1000 % 60:02}.{whole % 1000:03}"


class Cutting:
    """A film's cuts while a person corrects them, with undo.

    Every act returns a sentence that says what was done, or why not.

    Parameters
    ----------
    begins : list of int
        First frames of shots, without the film's first.
    count : int
        Frames of the film.

    Examples
    --------
    >>> cutting = Cutting([30, 80], 100)
    >>> cutting.move(30, 32)
    'The cut at frame 30 is at 32 now.'
    >>> cutting.undo(), cutting.begins
    ('Undone.', [30, 80])
    """

    ACTS = ("add", "move", "remove", "undo")

    def __init__(self, begins: list[int], count: int):
        self.begins, self.count = sorted(begins), count
        self._before: list[list[int]] = []

    @property
    def undoable(self) -> bool:
        return bool(self._before)

    def add(self, frame: int) -> str:
        return self._put(set(), frame) or f"A cut was added at frame {frame}."

    def move(self, frame: int, to: int) -> str:
        if frame not in self.begins:
            return f"There is no cut at frame {frame}."
        return self._put({frame}, to) or f"The cut at frame {frame} is at {to} now."

    def remove(self, frame: int) -> str:
        if frame not in self.begins:
            return f"There is no cut at frame {frame}."
        self._before.append(self.begins)
        self.begins = [begin for begin in self.begins if begin != frame]
        return f"The cut at frame {frame} was removed."

    def undo(self) -> str:
        if not self._before:
            return "There is nothing to undo."
        self.begins = self._before.pop()
        return "Undone."

    def _put(self, taken: set[int], frame: int) -> str:
        if not 0 < frame < self.count:
            return f"A cut can lie at frames 1 to {self.count - 1}."
        if frame in self.begins:
            return f"There is a cut at frame {frame} already."
        self._before.append(self.begins)
        self.begins = sorted({*self.begins, frame} - taken)
        return ""


def save_correction(workspace: Workspace, film_id: str, starts: list[float]) -> None:
    """Keep where a person says that a film's shots begin, in seconds on the film's clock."""
    text = pd.DataFrame({"start": sorted(starts)}).to_csv(index=False)
    write_whole(workspace.correction(film_id), text)


def load_correction(workspace: Workspace, film_id: str) -> list[float] | None:
    """Seconds at which shots begin, as corrected; None where nobody did.

    Raises
    ------
    CutListError
        If the file was changed by hand into something else.
    """
    path = workspace.correction(film_id)
    if not path.exists():
        return None
    try:
        return pd.read_csv(path)["start"].astype(float).tolist()
    except (KeyError, ValueError):
        raise CutListError(path, "is damaged; correct it, or delete it to go back.") from None


def drop_correction(workspace: Workspace, film_id: str) -> None:
    """Go back to the cuts that were found."""
    workspace.correction(film_id).unlink(missing_ok=True)
