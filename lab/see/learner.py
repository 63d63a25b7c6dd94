"""A network that is learning: its state, and one step."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from pydantic import Field
from torch.optim.swa_utils import AveragedModel

from lab.encoders.device import best_device
from lab.lettering import font
from lab.see.checkpoints import (
    BROKEN,
    STATE,
    VERSION,
    flat,
    read_arrays_whole,
    restore,
    write_arrays_whole,
    write_model,
)
from lab.see.degrade import Recipe, dimmed, grey, middle, pair, stranger, view
from lab.see.images import Images, SeeError, photographs, split
from lab.see.networks import TILE, Discriminator, Generator, features_on, misshapen, unlike
from lab.store import image_file, write_whole

LOSSES = "step", "pixels", "features", "kind", "shapes", "adversarial", "discriminator", "held_out"
LOOKED_AT = 16  # held-out images by which progress is told
CALM = 1000  # steps from which on it learns the slower, the more it has learnt
KNOWN = 64  # of the kind's images, at most, that what has no target is compared with
# Pixels of a side that the encoder is shown, now so many and then so many: what pleases it at one
# scale alone pleases nobody else.
SIDES = (136, 152, 168, 184)
TYPICAL = (
    0.25  # of the kind's views, the part that is nearer to the others than strangers are drawn
)
LONGEST = 60.0  # seconds from one checkpoint to the next, however slow the machine
MARGIN = 0.1  # that strangers are to be nearer to the kind than to any picture that is not of it
SHOWN = 8  # held-out images on the strip
ROWS = "what the network is shown", "what it sees", "what was there"
LABEL = 18  # pixels of a row's name


class Training(Recipe):
    """All that can be set about learning; the same settings and images learn the same."""

    size: int = Field(128, ge=64, le=512, multiple_of=32, description="pixels learnt at")
    seed: int = Field(0, ge=0, description="the same seed learns the same")
    batch: int = Field(4, ge=1, le=64, description="images of a step")
    strangers: int = Field(
        2, ge=0, le=64, description="inputs of a step that are of no kind, and have no target"
    )
    rate: float = Field(5e-4, gt=0, le=0.1, description="how fast it learns (Adam)")
    pixels: float = Field(0.5, ge=0, le=100, description="weight of the pixels' difference (L1)")
    features: float = Field(5.0, ge=0, le=100, description="weight of the features' distance")
    kind: float = Field(
        2.5, ge=0, le=100, description="weight of the distance of what has no target from the kind"
    )
    shapes: float = Field(
        1.0, ge=0, le=100, description="weight of the shapes that what has no target keeps"
    )
    adversarial: float = Field(
        0.2, ge=0, le=10, description="weight of the discriminator's word; 0 for none"
    )
    warm: int = Field(200, ge=0, description="steps before the discriminator has a say")
    every: int = Field(100, ge=1, description="steps from one checkpoint to the next")
    patience: int = Field(
        30, ge=1, description="checkpoints without progress on held-out images before it ends"
    )


class Learner:
    """A network that is learning.

    Parameters
    ----------
    images : Images
    out : Path
    settings : Training
    """

    def __init__(self, images: Images, out: Path, settings: Training):
        self.out, self.settings, self.sources = out, settings, images.sources
        self.images, held = split(images, settings.seed)
        self.others = [*images.others, *photographs()]
        self.fingerprint = images.fingerprint
        self.device, _ = best_device()
        self.features = features_on(self.device)
        with torch.random.fork_rng():
            torch.manual_seed(settings.seed)
            self.generator = self._placed(Generator())
            self.discriminator = self._placed(Discriminator(self.features.depths[1:]))
        self.average = AveragedModel(self.generator, multi_avg_fn=_follow)
        adam = {"lr": settings.rate, "betas": (0.5, 0.99)}
        self.painting = torch.optim.Adam(self.generator.parameters(), **adam)
        self.judging = torch.optim.Adam(self.discriminator.parameters(), **adam)
        self.rng = np.random.default_rng(settings.seed)
        self.kind = self._known()
        self.typical = _typical(self.kind)
        self.foreign = self._foreign()
        self.losses: list[tuple[float, ...]] = []
        self.seconds, self.since = 0.0, time.monotonic()
        self.saved = -1
        chosen = held.pictures[:: max(1, len(held.pictures) // LOOKED_AT)][:LOOKED_AT]
        targets = [middle(picture, settings.size) for picture in chosen]
        self.held = self._tensors([dimmed(grey(one), settings) for one in targets], targets)

    @property
    def parts(self) -> dict:
        """All that changes as it learns."""
        return {
            "generator": self.generator,
            "average": self.average,
            "discriminator": self.discriminator,
            "painting": self.painting,
            "judging": self.judging,
        }

    @property
    def count(self) -> int:
        return len(self.losses)

    @property
    def table(self) -> pd.DataFrame:
        """The losses, a row a step, as `lab.see.train` returns them."""
        rows = np.array(self.losses, np.float64).reshape(-1, len(LOSSES))
        return pd.DataFrame(rows, columns=list(LOSSES)).astype({"step": int})

    @property
    def rate(self) -> float:
        """How fast it learns now: the slower, the more it has learnt (Karras et al. 2024).

        It follows from the steps alone, not from when the training ends: one that goes on, or
        that is given more time, learns as if it had never been told to stop.
        """
        return self.settings.rate / max(1.0, self.count / CALM) ** 0.5

    def step(self) -> None:
        """Learn from one batch; every so often look at what is held out, and save."""
        settings, rng = self.settings, self.rng
        own = [pair(one, settings.size, settings, rng) for one in self._drawn(settings.batch)]
        other = self._drawn(settings.strangers)
        other = [stranger(one, self.others, settings.size, settings, rng) for one in other]
        given, target = self._tensors([*(one for one, _ in own), *other], [one for _, one in own])
        for group in (*self.painting.param_groups, *self.judging.param_groups):
            group["lr"] = self.rate
        losses = self._learn(given, target)
        self.average.update_parameters(self.generator)
        number = self.count + 1
        due = number % settings.every == 0
        self.losses.append((number, *losses, self._held_out() if due else np.nan))
        if due or time.monotonic() - self.since > LONGEST:
            self.save()

    def _drawn(self, count: int) -> list[np.ndarray]:
        chosen = self.rng.integers(len(self.images.pictures), size=count)
        return [self.images.pictures[k] for k in chosen]

    @torch.no_grad()
    def _known(self) -> torch.Tensor:
        """What the kind looks like: `Features.whole` of views of its images, (images, views, d)."""
        rng, size = np.random.default_rng(self.settings.seed), self.settings.size
        pictures, found = self.images.pictures, []
        for k in np.linspace(0, len(pictures) - 1, min(KNOWN, len(pictures))).astype(int):
            views = [view(pictures[k], size, self.settings, rng) for _ in SIDES]
            shown = zip(self._targets(views).split(1), SIDES, strict=True)
            found.append(torch.cat([self.features.whole(self.features(*one)) for one in shown]))
        return torch.stack(found)

    @torch.no_grad()
    def _foreign(self) -> torch.Tensor:
        """What others look like, (pictures, d) of `Features.whole`; those of the kind left out."""
        found = []
        for number, side in enumerate(SIDES):
            some = [middle(one, self.settings.size) for one in self.others[number :: len(SIDES)]]
            batches = self._targets(some).split(8)
            found += [self.features.whole(self.features(few, side)) for few in batches]
        others = torch.cat(found)
        return others[unlike(others, self.kind.flatten(0, 1)) > self.typical]

    def _learn(self, given: torch.Tensor, target: torch.Tensor) -> list[float]:
        """One step of both networks; of what is given, those with a target come first."""
        weights, own = self.settings, len(target)
        heard = weights.adversarial > 0 and self.count >= weights.warm
        self.discriminator.requires_grad_(False)
        with self._precision():
            seen = self.generator(given, tuple(self.rng.integers(TILE, size=2).tolist()))
        # The encoder looks in strides: were they always the same, they would leave a pattern.
        top, left = self.rng.integers(4, size=2)
        seen, target = seen.float()[..., top:, left:], target[..., top:, left:]
        side = int(self.rng.choice(SIDES))
        made = self.features(seen, side)
        with torch.no_grad():
            wanted = self.features(target, side)
        pixels = F.l1_loss(seen[:own], target)
        features = self.features.apart([one[:own] for one in made], wanted)
        kind = shapes = adversarial = judged = given.new_zeros(())
        if len(given) > own:
            kind = self._strange([one[own:] for one in made])
            if not weights.edges:  # they are not light that could be kept
                shown = given[own:, :, top:, left:]
                shapes = misshapen(seen[own:], shown, weights.reduction).mean()
        if heard:
            adversarial = -_mean(self._said(seen, made))
        total = weights.pixels * pixels + weights.features * features
        total = total + weights.kind * kind + weights.shapes * shapes
        self.painting.zero_grad()
        (total + weights.adversarial * adversarial).backward()
        self.painting.step()
        if heard:
            self.discriminator.requires_grad_(True)
            real = [F.relu(1 - said) for said in self._said(target, wanted)]
            fake = self._said(seen.detach(), [one.detach() for one in made])
            judged = _mean(real) + _mean([F.relu(1 + said) for said in fake])
            self.judging.zero_grad()
            judged.backward()
            self.judging.step()
        return [loss.item() for loss in (pixels, features, kind, shapes, adversarial, judged)]

    def _strange(self, made: list[torch.Tensor]) -> torch.Tensor:
        """How far the features of what has no target are from its kind."""
        whole = self.features.whole(made)
        near = unlike(whole, self.kind.flatten(0, 1))
        # Nearer than they are to one another, all would become the same picture; nearer to
        # something else, nobody would call it of the kind.
        far = F.relu(near - self.typical) + F.relu(near - unlike(whole, self.foreign) + MARGIN)
        return far.mean()

    def _said(self, pictures: torch.Tensor, features: list[torch.Tensor]) -> list[torch.Tensor]:
        with self._precision():
            # Pixels tell what the first features would, for far less.
            return [said.float() for said in self.discriminator(pictures, features[1:])]

    def _precision(self):
        """Half precision where it pays: on a GPU, and on a CPU that reckons in it."""
        kind = self.device.type
        pays = kind != "cpu" or torch.cpu.get_capabilities().get("avx512_bf16", False)
        return torch.autocast(kind, torch.bfloat16, enabled=pays)

    def done(self, minutes: float, steps: int | None) -> float:
        """The part of the training that is done, 1 at the end."""
        seconds = self.seconds + time.monotonic() - self.since
        return max(seconds / (60 * minutes), self.count / steps if steps else 0.0)

    def ends(self, minutes: float, steps: int | None) -> bool:
        """Whether the time or the steps are over, or it has learnt nothing more for long."""
        looked = [row[-1] for row in self.losses if not np.isnan(row[-1])]
        idle = len(looked) - 1 - int(np.argmin(looked)) if looked else 0
        return self.done(minutes, steps) >= 1 or idle >= self.settings.patience

    def told(self) -> dict[str, str]:
        looked = [row[-1] for row in self.losses if not np.isnan(row[-1])]
        return {"step": str(self.count), "held_out": f"{looked[-1]:.3f}" if looked else "-"}

    @torch.no_grad()
    def _held_out(self) -> float:
        """The distance of what is seen as a whole from held-out images."""
        given, target = self.held
        seen = self.average.module(given).clamp(0, 1)
        # Of places, the nearest is what is soft: as texture comes, they would tell of no progress.
        return float(self.features.wholes_apart(self.features(seen), self.features(target)))

    @torch.no_grad()
    def draw(self) -> None:
        """Write ``strip.png``: held-out images as they are shown, seen, and are."""
        given, target = (some[:SHOWN] for some in self.held)
        seen = self.average.module(given).clamp(0, 1)
        rows = given.expand(-1, 3, -1, -1), seen, target
        _write_strip(self.out / "strip.png", [_pictures(row) for row in rows])

    def save(self) -> None:
        """Write all that goes on learning needs, and what is for people to see."""
        if self.count == self.saved:
            return
        self.seconds, self.since, self.saved = (
            self.seconds + time.monotonic() - self.since,
            time.monotonic(),
            self.count,
        )
        table = self.table
        told = self._card() | {"rng": self.rng.bit_generator.state}
        # The state comes last: where there is one, there is a model.
        write_model(self.out, self.average.module.state_dict(), self._card())
        write_arrays_whole(
            self.out / STATE, flat(self.parts) | {"losses": table.to_numpy(np.float64)}, told
        )
        write_whole(self.out / "losses.csv", table.to_csv(index=False))
        self.draw()

    def _card(self) -> dict:
        return {
            "version": VERSION,
            "settings": self.settings.model_dump(),
            "images": self.fingerprint,
            "sources": self.sources,
            "others": len(self.others),
            "steps": self.count,
            "minutes": round(self.seconds / 60, 2),
        }

    def resume(self) -> None:
        """Go on from where it was, if it was begun.

        Raises
        ------
        SeeError
        """
        if not (self.out / STATE).exists():
            return
        arrays, told = read_arrays_whole(self.out / STATE)
        if told.get("settings") != self.settings.model_dump():
            raise SeeError(f"{self.out}: was trained with other settings; name another folder.")
        if told.get("images") != self.fingerprint:
            raise SeeError(f"{self.out}: was trained on other images; name another folder.")
        try:
            restore(self.parts, arrays)
            self.rng.bit_generator.state = told["rng"]
            self.losses = [tuple(row) for row in arrays["losses"].tolist()]
            self.seconds = 60 * told["minutes"]
        except (*BROKEN, RuntimeError, AttributeError) as error:
            raise SeeError(f"{self.out}: cannot be gone on with; name another folder.") from error
        self.saved = self.count

    def _placed(self, network: torch.nn.Module) -> torch.nn.Module:
        return network.to(self.device, memory_format=torch.channels_last)

    def _tensors(self, given, targets) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs (n, 1, h, w) and targets (m, 3, h, w), 0 to 1."""
        shown = torch.from_numpy(np.stack(given))[:, None].to(self.device)
        return shown, self._targets(targets)

    def _targets(self, pictures) -> torch.Tensor:
        """Pictures, uint8 (size, size, 3), as (n, 3, h, w), 0 to 1."""
        target = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).to(self.device)
        return (target.float() / 255).contiguous(memory_format=torch.channels_last)


def _mean(said: list[torch.Tensor]) -> torch.Tensor:
    """The mean of what was said, every depth counting the same."""
    return torch.stack([one.mean() for one in said]).mean()


def _typical(kind: torch.Tensor) -> float:
    """How far the nearest of a kind, (images, views, d) of `Features.whole`, are from the others.

    What is typical of a kind, not all that is of it, is told from other kinds.
    """
    rest = [torch.cat([kind[:k], kind[k + 1 :]]).flatten(0, 1) for k in range(len(kind))]
    apart = torch.stack([unlike(*both) for both in zip(kind, rest, strict=True)])
    return apart.quantile(TYPICAL).item()


def _follow(average: list[torch.Tensor], now: list[torch.Tensor], count: torch.Tensor) -> None:
    """A running mean of weights, of about the last ninth of all steps.

    A part of all steps, not a number of them, as of Karras et al. 2024
    (https://arxiv.org/abs/2312.02696).
    """
    torch._foreach_lerp_(average, now, 9 / (10 + float(count)))


def _pictures(batch: torch.Tensor) -> np.ndarray:
    """Pictures (n, 3, h, w), 0 to 1, as uint8 (n, h, w, 3)."""
    return (batch.permute(0, 2, 3, 1) * 255).round().byte().cpu().numpy()


def _write_strip(path: Path, rows: list[np.ndarray]) -> None:
    """Rows of pictures under one another, each under its name, as PNG."""
    side, wide = rows[0].shape[1], len(rows[0]) * rows[0].shape[2]
    whole = Image.new("RGB", (wide, len(rows) * (side + LABEL)))
    for number, (name, row) in enumerate(zip(ROWS, rows, strict=True)):
        top = number * (side + LABEL)
        ImageDraw.Draw(whole).text((4, top + LABEL / 2), name, "white", font(LABEL - 6), "lm")
        whole.paste(Image.fromarray(np.concatenate(list(row), axis=1)), (0, top + LABEL))
    write_whole(path, image_file(whole, "PNG"))
