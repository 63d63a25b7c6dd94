"""The networks: one that sees, one that judges while it learns, one that knows how things look."""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from lab.encoders import packaged

ENTRY = 4  # pixels of a side that enter as one: what is shown is too soft to hold more
DEEPEST = 32  # sides are multiples of this inside
WIDTHS = (48, 96, 160, 192)  # channels at a 4th, 8th, 16th and 32nd of the size
STAGES = (0, 2, 4, 10, 15)  # blocks of Lite0 whose features are compared: at a 2nd to a 32nd
SHARES = (1.0, 1.0, 1.0, 1.0, 2.0)  # how much each counts


def _conv(wide: int, out: int, side: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(wide, out, side, stride, side // 2, padding_mode="zeros")


class Block(nn.Module):
    """Two convolutions beside a way past them (He et al. 2016), without normalisation.

    What is normalised over a batch or a picture flickers or shifts when the picture does.
    """

    def __init__(self, wide: int):
        super().__init__()
        self.one, self.two = _conv(wide, wide), _conv(wide, wide)
        nn.init.zeros_(self.two.weight)  # at first it changes nothing: deep stacks learn at once
        nn.init.zeros_(self.two.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.two(F.relu(self.one(F.relu(x))))


class Generator(nn.Module):
    """A compact U-Net (Ronneberger et al. 2015): soft grey in, colour out, at any size.

    All the work is done at a quarter of the size and below; pixel shuffling (Shi et al. 2016)
    brings it to full size, as few channels as possible being carried there.

    Parameters
    ----------
    widths : sequence of int
        Channels at a 4th, an 8th ... of the size.
    """

    def __init__(self, widths=WIDTHS):
        super().__init__()
        first, deeper = widths[0], [*pairwise(widths)]
        self.entry = nn.Conv2d(ENTRY**2, first, 3, padding=1)
        self.down = nn.ModuleList(
            nn.Sequential(Block(one), _conv(one, two, stride=2)) for one, two in deeper
        )
        self.deep = nn.Sequential(Block(widths[-1]), Block(widths[-1]))
        self.up = nn.ModuleList(
            nn.ModuleList([nn.Conv2d(two, one, 1), nn.Conv2d(2 * one, one, 1), Block(one)])
            for one, two in reversed(deeper)
        )
        self.twice = nn.Sequential(nn.ReLU(), _conv(first, 2 * first), nn.PixelShuffle(2))
        self.full = nn.Sequential(
            Block(first // 2), nn.ReLU(), _conv(first // 2, 12), nn.PixelShuffle(2)
        )

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        """Look at pictures.

        Parameters
        ----------
        given : Tensor, shape (n, 1, height, width)
            Light as `lab.see.degrade.dimmed` has it, 0 to 1.

        Returns
        -------
        Tensor, shape (n, 3, height, width)
            RGB, 0 to 1 and at times a little beyond.
        """
        height, width = given.shape[-2:]
        more = -width % DEEPEST, -height % DEEPEST
        if any(more):
            given = F.pad(given, (0, more[0], 0, more[1]), mode="replicate")
        x = self.entry(F.pixel_unshuffle(2 * given - 1, ENTRY))
        kept = []
        for block, smaller in self.down:
            x = block(x)
            kept.append(x)
            x = smaller(x)
        x = self.deep(x)
        for narrow, join, block in self.up:
            x = F.interpolate(narrow(x), scale_factor=2, mode="nearest")
            x = block(join(torch.cat([x, kept.pop()], dim=1)))
        return (self.full(self.twice(x)) + 0.5)[..., :height, :width]


class Discriminator(nn.Module):
    """Says of each patch whether it is of the kind, given what was shown (Isola et al. 2017).

    Spectral normalisation (Miyato et al. 2018) keeps it from running away on few images.
    """

    def __init__(self, wide: int = 48):
        super().__init__()
        steps, channels = [], 4
        for out in (wide, 2 * wide, 4 * wide):
            steps += [spectral_norm(nn.Conv2d(channels, out, 4, 2, 1)), nn.LeakyReLU(0.2)]
            channels = out
        self.steps = nn.Sequential(*steps, spectral_norm(nn.Conv2d(channels, 1, 3, 1, 1)))

    def forward(self, given: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
        """(n, 1, h, w) and (n, 3, h, w), both 0 to 1, to (n, 1, h / 8, w / 8): real above 0."""
        return self.steps(torch.cat([given, picture], dim=1) * 2 - 1)


class Features(nn.Module):
    """How far pictures are apart to the packaged encoder, at several depths.

    At every place the features are unit vectors, as of Zhang et al. 2018 (LPIPS,
    https://arxiv.org/abs/1801.03924), here unweighted, of EfficientNet-Lite0. Deep ones are
    compared as means over the picture too: which things are seen, wherever they are.
    """

    def __init__(self):
        super().__init__()
        self.model = copy.deepcopy(packaged().model).float().eval().requires_grad_(False)

    def see(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """Features of pictures (n, 3, h, w), 0 to 1, at `STAGES`."""
        model = self.model
        x = model._swish(model._conv_stem((pictures * 255 - 127) / 128))
        found = []
        for number, block in enumerate(model._blocks):
            x = block(x)
            if number in STAGES:
                found.append(x)
        return found

    def forward(self, seen: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Mean distance of pictures (n, 3, h, w) from their targets."""
        with torch.no_grad():
            wanted = self.see(target)
        total = seen.new_zeros(())
        for one, other, share in zip(self.see(seen), wanted, SHARES, strict=True):
            near = 1 - F.cosine_similarity(one, other, dim=1).mean()
            whole = 1 - F.cosine_similarity(one.mean((2, 3)), other.mean((2, 3)), dim=1).mean()
            total = total + share * (near + whole)
        return total / sum(SHARES)
