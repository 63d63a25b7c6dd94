"""How alike a trailer's shots and an archive's are, and what speaks against an answer.

The score of two moments is the weighted sum of their channels' dot products; of two shots, the
mean over the trailer shot's moments of the best moment in the archive shot. Scores are divided by
the sum of the weights, so that doubles score 1 whatever the sliders say.

torch, which reckons with all cores, is slow to import, and not needed by who only reads settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from lab.channels import CHANNELS, Calibration
from lab.tables import Archive

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


def only(**weights: float) -> Weights:
    """Weights of the channels that are named; the others weigh nothing."""
    return Weights(**(dict.fromkeys(Weights.model_fields, 0.0) | weights))


# Ways of matching, by name; whatever one looks for, a little of what is shown keeps it from
# answering with anything at all.
WAYS = {
    "as it comes": Weights(),
    "same subject": only(subject=1),
    "same shape": only(composition=1, subject=0.1),
    "same movement": only(motion=1, subject=0.2),
    "same light": only(colour=1, subject=0.1),
    "same framing": only(framing=1, subject=0.2),
}


def shares(weights: Weights) -> np.ndarray:
    """Each channel's part of all weights, float32, in the order of `CHANNELS`."""
    parts = weights.shares()
    return np.array([parts[name] for name in CHANNELS], np.float32)


def lowered(score: np.ndarray, lost: np.ndarray) -> np.ndarray:
    """Scores less what shots lose, in their place: float32 (rows, columns), by all cores."""
    import torch

    torch.from_numpy(score).sub_(torch.from_numpy(np.asarray(lost, np.float32)))
    return score


@dataclass(frozen=True)
class Likeness:
    """Scores of a trailer's moments against an archive's, kept so that sliders only reweight.

    Attributes
    ----------
    straight, turned : ndarray of float32, shape (channels, trailer moments, archive moments)
        Scores, and those against the archive seen in a mirror, if asked for. Channels are in the
        order of `CHANNELS`; the archive's moments stand layer by layer: every shot's first, then
        every second, and so on.
    left, right : ndarray of int
        First moment of every trailer shot and of every archive shot.
    lengths : ndarray of float
        Seconds that the trailer's moments last.
    columns : ndarray of int, shape (archive moments,)
        Where in the scores each of the archive's moments stands.
    """

    straight: np.ndarray
    turned: np.ndarray | None
    left: np.ndarray
    right: np.ndarray
    lengths: np.ndarray
    columns: np.ndarray

    @classmethod
    def between(
        cls, trailer: Archive, archive: Archive, calibration: Calibration, mirror: bool = False
    ) -> Likeness:
        queries, right = calibration.apply(trailer.vectors), _firsts(archive.moments)
        order = np.argsort(_layers(right, len(archive.moments)), kind="stable")
        sides = []
        for turned in (False, True)[: 1 + mirror]:
            side = np.empty((len(CHANNELS), len(trailer.moments), len(order)), np.float32)
            for scores, channel in zip(side, CHANNELS, strict=True):
                raw = archive.vectors[channel]
                for some, answers in calibration.blocks(channel, raw, order, turned):
                    scores[:, some] = queries[channel] @ answers.T
            sides.append(side)
        lengths = (trailer.moments.end - trailer.moments.start).to_numpy()
        columns = np.empty(len(order), int)
        columns[order] = np.arange(len(order))
        turned = sides[1] if mirror else None
        return cls(sides[0], turned, _firsts(trailer.moments), right, lengths, columns)

    def shots(self, weights: Weights, mirror: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Scores of shots against shots, the better side of each pair; and which side that is.

        Parameters
        ----------
        weights : Weights
        mirror : bool
            Look at the mirrored side as well, where it is known.

        Returns
        -------
        score : ndarray of float32, shape (trailer shots, archive shots)
        turned : ndarray of bool, same shape
        """
        score = self._brought(self.straight, weights)
        if self.turned is None or not mirror:
            return score, np.broadcast_to(False, score.shape)
        # A shot is shown mirrored as a whole, or not at all.
        other = self._brought(self.turned, weights)
        return np.maximum(score, other), other > score

    def _brought(self, side: np.ndarray, weights: Weights) -> np.ndarray:
        """Scores of the moments, weighted and brought together to shots."""
        import torch

        total, count = self._scratch, len(self.right)
        every = torch.from_numpy(side).view(len(CHANNELS), -1)
        torch.mv(every.t(), torch.from_numpy(shares(weights)), out=total.view(-1))
        best, begin = total[:, :count], count
        for owners in self._later:
            layer = total[:, begin : begin + len(owners)]
            best[:, owners] = torch.maximum(best[:, owners], layer)
            begin += len(owners)
        best *= torch.from_numpy(self.parts)[:, None]
        shots = torch.zeros(len(self.left), count)
        return shots.index_add_(0, torch.from_numpy(self._owners), best).numpy()

    @cached_property
    def parts(self) -> np.ndarray:
        """Each trailer moment's part of its shot's length, float32."""
        whole = np.add.reduceat(self.lengths, self.left)
        return (self.lengths / whole[self._owners]).astype(np.float32)

    @cached_property
    def _owners(self) -> np.ndarray:
        """The trailer shot of each of its moments."""
        return np.repeat(np.arange(len(self.left)), np.diff([*self.left, len(self.lengths)]))

    @cached_property
    def _later(self) -> list:
        """For every layer of archive moments but the first, the shots that have it: tensors."""
        import torch

        counts, layers = np.diff([*self.right, len(self.columns)]), []
        while (counts > len(layers) + 1).any():
            layers.append(torch.from_numpy(np.flatnonzero(counts > len(layers) + 1)))
        return layers

    @cached_property
    def _scratch(self):
        import torch

        return torch.empty(len(self.lengths), len(self.columns))

    @cached_property
    def spread(self) -> dict[str, float]:
        """How widely each channel's scores spread, among some thousand archive moments."""
        step = max(1, len(self.columns) // SAMPLE)
        some = self.straight[:, :, ::step]
        return {name: float(one.std()) for name, one in zip(CHANNELS, some, strict=True)}

    def moments(self, row: int, column: int) -> tuple[slice, np.ndarray]:
        """The moments of a trailer shot and of an archive shot, as they stand in the scores."""
        stops = [*self.left[1:], len(self.lengths)], [*self.right[1:], len(self.columns)]
        here = slice(self.right[column], stops[1][column])
        return slice(self.left[row], stops[0][row]), self.columns[here]

    def pair(self, row: int, column: int, turned: bool, weights: Weights) -> np.ndarray:
        """Weighted scores of a trailer shot's moments against an archive shot's."""
        rows, columns = self.moments(row, column)
        side = self.turned if turned else self.straight
        return np.tensordot(shares(weights), side[:, rows][:, :, columns], 1)

    def numbers(self, row: int, column: int, turned: bool, weights: Weights) -> dict[str, float]:
        """`score` of a pair of shots, and what each channel says of it (``score_<channel>``)."""
        rows, columns = self.moments(row, column)
        score, parts = self.pair(row, column, turned, weights), self.parts[rows]
        side, best = self.turned if turned else self.straight, score.argmax(axis=1)
        names, scores = [f"score_{name}" for name in CHANNELS], side[:, rows][:, :, columns]
        found = {"score": score} | dict(zip(names, scores, strict=True))
        every = np.arange(len(best))
        return {name: float(parts @ value[every, best]) for name, value in found.items()}


def _layers(firsts: np.ndarray, count: int) -> np.ndarray:
    """For every moment, how many of its shot come before it."""
    owners = np.repeat(np.arange(len(firsts)), np.diff([*firsts, count]))
    return np.arange(count) - firsts[owners]


def sameness(archive: Archive, calibration: Calibration, weights: Weights) -> np.ndarray:
    """How far each archive shot is a little like everything: such shots would answer all.

    The mean score with the ten most alike of other films, part of which goes off a score, as in
    cross-domain similarity local scaling (Conneau et al. 2018, arXiv 1710.04087). It is sought
    among a thousand moments.
    """
    film = pd.factorize(archive.moments.shot_id.str.split("-").str[0])[0]
    some = np.linspace(0, len(film) - 1, min(len(film), SAMPLE)).round().astype(int)
    names = {name: np.float32(share) for name, share in weights.shares().items() if share}
    asked = calibration.apply({name: archive.vectors[name][some] for name in names})
    asked = {name: share * asked[name].astype(np.float32) for name, share in names.items()}
    nearest = np.empty(len(film))
    every = (calibration.blocks(name, archive.vectors[name]) for name in names)
    for blocks in zip(*every, strict=True):
        here = blocks[0][0]
        pairs = zip(asked.values(), blocks, strict=True)
        score = sum(ours @ ready.T.astype(np.float32) for ours, (_, ready) in pairs)
        score = np.where(film[some][:, None] == film[here], 0, np.maximum(score, 0))
        most = max(0, len(score) - NEAREST)
        nearest[here] = np.partition(score, most, axis=0)[most:].mean(axis=0)
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


def _firsts(moments: pd.DataFrame) -> np.ndarray:
    return np.flatnonzero((moments.shot_id != moments.shot_id.shift()).to_numpy())
