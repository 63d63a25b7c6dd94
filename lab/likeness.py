"""How alike a trailer's shots and an archive's are, and what speaks against an answer.

The score of two moments is the weighted sum of their channels' dot products; of two shots, the
mean over the trailer shot's moments of the best moment in the archive shot. Scores are divided by
the sum of the weights, so that doubles score 1 whatever the sliders say.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from lab.channels import CHANNELS, Calibration, mirrored
from lab.ingest import Archive

NEAREST, SAMPLE = 10, 1000  # moments that say what is like everything; those they are among
SHAPE = 0.15  # score that a tall picture loses beside a wide one


class Weights(BaseModel):
    """How much each channel has to say.

    The defaults are those whose answers judges preferred, blind (``benchmarks/RESULTS.md``). Scores
    of strangers spread seven times as widely in framing as in what is shown, so that a small weight
    there says much.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: float = Field(1.0, ge=0, le=1)
    composition: float = Field(0.4, ge=0, le=1)
    colour: float = Field(0.2, ge=0, le=1)
    motion: float = Field(0.05, ge=0, le=1)
    framing: float = Field(0.25, ge=0, le=1)

    def shares(self) -> dict[str, float]:
        """Weights that add up to one; all equal when every slider is at zero."""
        weights = self.model_dump()
        total = sum(weights.values())
        return {name: w / total if total else 1 / len(weights) for name, w in weights.items()}


def _only(**weights: float) -> Weights:
    return Weights(**(dict.fromkeys(Weights.model_fields, 0.0) | weights))


# Ways of matching, by name; whatever one looks for, a little of what is shown keeps it from
# answering with anything at all.
WAYS = {
    "as it comes": Weights(),
    "same subject": _only(subject=1),
    "same shape": _only(composition=1, subject=0.1),
    "same movement": _only(motion=1, subject=0.2),
    "same light": _only(colour=1, subject=0.1),
    "same framing": _only(framing=1, subject=0.2),
}


@dataclass(frozen=True)
class Likeness:
    """Scores of a trailer's moments against an archive's, kept so that sliders only reweight.

    Attributes
    ----------
    straight, turned : dict of ndarray of float32, shape (trailer moments, archive moments)
        A channel's scores, and those against the archive seen in a mirror, if asked for.
    left, right : ndarray of int
        First moment of every trailer shot and of every archive shot.
    lengths : ndarray of float
        Seconds that the trailer's moments last.
    """

    straight: dict[str, np.ndarray]
    turned: dict[str, np.ndarray] | None
    left: np.ndarray
    right: np.ndarray
    lengths: np.ndarray

    @classmethod
    def between(
        cls, trailer: Archive, archive: Archive, calibration: Calibration, mirror: bool = False
    ) -> Likeness:
        queries = calibration.apply(trailer.vectors)
        sides = []
        for raw in [archive.vectors, *([mirrored(archive.vectors)] if mirror else [])]:
            answers = calibration.apply(raw)
            sides.append({c: (queries[c] @ answers[c].T).astype(np.float32) for c in CHANNELS})
        lengths = (trailer.moments.end - trailer.moments.start).to_numpy()
        turned = sides[1] if mirror else None
        return cls(sides[0], turned, _firsts(trailer.moments), _firsts(archive.moments), lengths)

    def sides(self, weights: Weights) -> list[np.ndarray]:
        """Weighted scores of the moments: straight, and in the mirror if asked for."""
        return [_weigh(side, weights) for side in (self.straight, self.turned) if side is not None]

    def shots(self, score: np.ndarray) -> np.ndarray:
        """Scores of the moments brought together to shots."""
        best = np.maximum.reduceat(score, self.right, axis=1)
        total = np.add.reduceat(best * self.lengths[:, None], self.left, axis=0)
        return total / np.add.reduceat(self.lengths, self.left)[:, None]

    @cached_property
    def spread(self) -> dict[str, float]:
        """How widely each channel's scores spread, among some thousand archive moments."""
        step = max(1, len(next(iter(self.straight.values())).T) // SAMPLE)
        return {name: float(score[:, ::step].std()) for name, score in self.straight.items()}

    def span(self, row: int, column: int) -> tuple[slice, slice]:
        """The moments of a trailer shot and of an archive shot."""
        stops = [*self.left[1:], len(self.lengths)], [*self.right[1:], None]
        return slice(self.left[row], stops[0][row]), slice(self.right[column], stops[1][column])

    def numbers(self, row: int, column: int, mirror: bool, weights: Weights) -> dict[str, float]:
        """`score` of a pair of shots, and what each channel says of it (``score_<channel>``)."""
        left, right = self.span(row, column)
        side = self.turned if mirror else self.straight
        score = _weigh({name: side[name][left, right] for name in CHANNELS}, weights)
        best, lengths = (np.arange(len(score)), score.argmax(axis=1)), self.lengths[left]
        found = {"score": score} | {f"score_{name}": side[name][left, right] for name in CHANNELS}
        return {name: float(np.average(v[best], weights=lengths)) for name, v in found.items()}


def sameness(archive: Archive, calibration: Calibration, weights: Weights) -> np.ndarray:
    """How far each archive shot is a little like everything: such shots would answer all.

    The mean score with the ten most alike of other films, part of which goes off a score, as in
    cross-domain similarity local scaling (Conneau et al. 2018, arXiv 1710.04087). It is sought
    among a thousand moments.
    """
    film = archive.moments.shot_id.str.split("-").str[0].to_numpy()
    some = np.linspace(0, len(film) - 1, min(len(film), SAMPLE)).round().astype(int)
    ready = calibration.apply(archive.vectors)
    score = _weigh({name: ready[name][some] @ ready[name].T for name in CHANNELS}, weights)
    score = np.where(film[some][:, None] == film[None], 0, np.maximum(score, 0))
    nearest = np.sort(score, axis=0)[-NEAREST:].mean(axis=0)
    return np.maximum.reduceat(nearest, _firsts(archive.moments))


def shapes(trailer: Archive, archive: Archive) -> np.ndarray:
    """What a tall picture loses beside a wide one, and a wide one beside a tall one."""
    tall = [
        (table.shots.film_id.map(_tall(table.films))).to_numpy(bool) for table in (trailer, archive)
    ]
    return SHAPE * (tall[0][:, None] != tall[1][None])


def _tall(films: pd.DataFrame) -> dict[str, bool]:
    """Whether films are higher than wide, bars aside."""
    tall = {}
    for film in films.itertuples():
        left, top, right, bottom = film.crop
        tall[film.film_id] = film.height * (bottom - top) > film.width * (right - left)
    return tall


def _weigh(channels: dict[str, np.ndarray], weights: Weights) -> np.ndarray:
    total = np.zeros_like(channels[CHANNELS[0]])
    for name, share in weights.shares().items():
        if share:
            total += np.float32(share) * channels[name]
    return total


def _firsts(moments: pd.DataFrame) -> np.ndarray:
    return np.flatnonzero((moments.shot_id != moments.shot_id.shift()).to_numpy())
