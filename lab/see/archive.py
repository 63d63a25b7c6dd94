"""The archive's shots as they answer a camera: compared with what is seen, and played."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from lab import channels, tables
from lab.encoders import load_encoder
from lab.flags import USELESS
from lab.search import open_archive
from lab.see.playing import Loop, Projector, filling
from lab.stages import IngestSettings
from lab.store import Workspace
from lab.tables import proxy_path

LONGEST = 8.0  # seconds of a shot that play, at most
AXES = 64  # principal axes of a channel on which the whole archive is looked through
SAMPLE = 4096  # moments by which the axes are found
FINE = 256  # shots that are then compared exactly
EMPTY = ("black", "flat")


class Showing(NamedTuple):
    """An answer that plays: a moment of the archive, by its place, and since when."""

    moment: int
    since: float


@dataclass(frozen=True)
class Archive:
    """The shots that may answer, ready to be compared and played.

    Attributes
    ----------
    films, shots : DataFrame
        Films by `film_id`; the shots that may answer.
    owners : ndarray of int, shape (moments,)
        Place in `shots` of each moment's shot; it never decreases.
    loops : ndarray of float64, shape (moments, 2)
        Seconds of the film between which plays what answers by this moment: its shot, or of a
        long one `LONGEST` about the moment.
    vectors : dict of ndarray of float32, shape (moments, d)
        Calibrated, a channel each.
    axes : dict of ndarray of float32, shape (d, few)
        Of channels with many numbers, the principal axes; of a small archive, none.
    coarse : dict of ndarray of float32, shape (moments, few)
        The vectors on these axes; where a channel has none, the vectors.
    calibration : Calibration
    encoder
        From `lab.encoders`; the archive was seen by it.
    proxies : dict of str
        Paths of the films' proxies, by `film_id`.
    projector : Projector
    """

    films: pd.DataFrame
    shots: pd.DataFrame
    owners: np.ndarray
    loops: np.ndarray
    vectors: Mapping[str, np.ndarray]
    axes: Mapping[str, np.ndarray]
    coarse: Mapping[str, np.ndarray]
    calibration: channels.Calibration
    encoder: object
    proxies: Mapping[str, str]
    projector: Projector = field(default_factory=Projector)

    @classmethod
    def of(cls, seen: tables.Archive, workspace: Workspace) -> Archive:
        """An archive as `lab.tables.load_archive` gives it, made ready."""
        shots = seen.shots[_useful(seen.shots["flags"])].reset_index(drop=True)
        places = pd.Index(shots.shot_id).get_indexer(seen.moments.shot_id)
        kept, calibration = np.flatnonzero(places >= 0), channels.Calibration.fit(seen.vectors)
        owners = places[kept]
        vectors = {name: _ready(name, raw, kept, calibration) for name, raw in seen.vectors.items()}
        axes = {
            name: _axes(rows)
            for name, rows in vectors.items()
            if rows.shape[1] > AXES and len(shots) > FINE
        }
        return cls(
            seen.films.set_index("film_id", drop=False),
            shots,
            owners,
            _loops(shots.iloc[owners], seen.moments.iloc[kept]),
            vectors,
            axes,
            {n: rows @ axes[n] if n in axes else rows for n, rows in vectors.items()},
            calibration,
            load_encoder(seen.encoder),
            {film_id: str(proxy_path(workspace, film_id)) for film_id in seen.films.film_id},
        )

    def nearest(
        self, seen: Mapping[str, np.ndarray], shares: Mapping[str, float], also: Iterable[int] = ()
    ) -> tuple[np.ndarray, np.ndarray]:
        """The shots that are most like what is seen, moment by moment.

        All are compared on the principal axes; the nearest `FINE` of them exactly.

        Parameters
        ----------
        seen : mapping of ndarray of float32, shape (d,)
            Calibrated, a channel each.
        shares : mapping of float
            Each channel's part of all weights.
        also : iterable of int
            Places of shots that are compared exactly whatever they are like.

        Returns
        -------
        moments : ndarray of int, shape (n,)
            All moments of these shots, by their places.
        scores : ndarray of float32, shape (n,)
            As in matching: strangers about 0, doubles 1.
        """
        told = {name: np.float32(shares[name]) * one for name, one in seen.items() if shares[name]}
        chosen = np.ones(len(self.shots), bool)
        if len(self.shots) > FINE:
            score = sum(
                rows @ (self.axes[name].T @ told[name] if name in self.axes else told[name])
                for name, rows in self.coarse.items()
                if name in told
            )
            best = np.maximum.reduceat(score, self._firsts)
            chosen[np.argpartition(best, -FINE)[:-FINE]] = False
            chosen[list(also)] = True
        moments = np.flatnonzero(chosen[self.owners])
        return moments, sum(self.vectors[name][moments] @ one for name, one in told.items())

    def varied(self, moments: np.ndarray, count: int) -> list[int]:
        """The first moments of different shots, and of as many films as there are.

        A film gives a second shot only when there are no others, and so on.

        Parameters
        ----------
        moments : ndarray of int
            Places, best first.
        count : int
            Of shots, at most.
        """
        ranks, taken, uses = [], set(), Counter()
        pairs = [*zip(self.owners[moments].tolist(), self._films[moments].tolist(), strict=True)]
        for most in range(1, count + 1):
            for rank, (shot, film) in enumerate(pairs):
                if len(ranks) == count:
                    break
                if shot not in taken and uses[film] < most:
                    ranks.append(rank)
                    taken.add(shot)
                    uses[film] += 1
        return moments[sorted(ranks)].tolist()

    def picture(self, showing: Showing, seconds: float, panel: tuple[int, int]) -> np.ndarray:
        """What an answer shows at a time: uint8 (height, width, 3), filling a panel."""
        start, end = self.loops[showing.moment]
        film = self.film(showing.moment)
        crop, size = filling(film, panel)
        loop = Loop(self.proxies[film.film_id], start - film.t0, end - film.t0, crop, size)
        return self.projector.show(loop, seconds - showing.since, panel)

    def film(self, moment: int) -> pd.Series:
        """The row of the films table of a moment's film."""
        return self.films.loc[self.shots.film_id[self.owners[moment]]]

    @cached_property
    def _firsts(self) -> np.ndarray:
        """Each shot's first moment."""
        return np.searchsorted(self.owners, np.arange(len(self.shots)))

    @cached_property
    def _films(self) -> np.ndarray:
        """A number for each moment's film."""
        return pd.factorize(self.shots.film_id)[0][self.owners]


def load_archive(workspace: Workspace, looking: IngestSettings | None = None) -> Archive:
    """The shots of a workspace that may answer: no titles, leader, stills, repeats, no black.

    Where there is nothing else, these answer too.

    Parameters
    ----------
    workspace : Workspace
    looking : IngestSettings, optional
        The encoder that the archive was ingested with.

    Raises
    ------
    SearchError
        If there is no archive, or none that was ingested with that encoder.
    EncoderError
    """
    return Archive.of(open_archive(workspace, looking), workspace)


def _useful(flags: pd.Series) -> np.ndarray:
    """Which shots may answer: those with something to see; the useless only among themselves."""
    empty, useless = (flags.str.contains("|".join(words)) for words in (EMPTY, USELESS))
    for some in (~empty & ~useless, ~empty):
        if some.any():
            return some.to_numpy(bool)
    return np.ones(len(flags), bool)


def _ready(name: str, raw: np.ndarray, kept: np.ndarray, calibration) -> np.ndarray:
    """The rows of a channel that are kept, calibrated: float32."""
    ready = np.empty((len(kept), raw.shape[1]), np.float32)
    for some, rows in calibration.blocks(name, raw, kept):
        ready[some] = rows
    return ready


def _axes(rows: np.ndarray) -> np.ndarray:
    """The principal axes of vectors (n, d) about zero: float32 (d, `AXES`)."""
    some = rows[:: -(-len(rows) // SAMPLE)]
    return np.ascontiguousarray(np.linalg.eigh(some.T @ some)[1][:, -AXES:])


def _loops(shots: pd.DataFrame, moments: pd.DataFrame) -> np.ndarray:
    """Seconds between which a shot plays, (n, 2); a long one about its moment."""
    first, last = shots.clean_start.to_numpy(), shots.clean_end.to_numpy()
    middle = (moments.start + moments.end).to_numpy() / 2
    start = np.clip(middle - LONGEST / 2, first, np.maximum(first, last - LONGEST))
    return np.stack([start, np.minimum(start + LONGEST, last)], axis=1)
