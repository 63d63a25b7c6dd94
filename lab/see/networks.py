"""The networks: one that sees, one that judges while it learns, one that knows how things look."""

from __future__ import annotations

import copy
from functools import lru_cache, partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from lab.encoders import packaged

ENTRY = 4  # pixels of a side that enter as one: what is shown is too soft to hold more
DEEPEST = 32  # sides are multiples of this inside
GRAIN = 8  # channels of noise beside the light: of what is smooth, texture cannot be made
TILE = 64  # entries of a side after which the noise comes again
WIDTHS = (48, 96, 160, 192)  # channels at a 4th, 8th, 16th and 32nd of the size
STAGES = (0, 2, 4, 10, 15)  # blocks of Lite0 whose features are looked at: at a 2nd to a 32nd
HEAD = 12.0  # weight of its last features, those that name things; the others weigh 1 each
NEAR = 0.02  # of a kind's images, those count as the nearest that are hardly farther than this
TOLD = 0.3  # how strong at first, beside the light, is what the encoder makes of it
GREY = (0.299, 0.587, 0.114)  # light of red, green and blue (ITU-R BT.601)
AROUND = 9  # soft pixels of a side that light is compared with
LEAST = 160  # pixels of a side that Lite0 is shown: it learnt at 224, and makes little of 128


def _conv(wide: int, out: int, side: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution that at first leaves the strength of what passes as it is."""
    made = nn.Conv2d(wide, out, side, stride, side // 2)
    nn.init.kaiming_normal_(made.weight, nonlinearity="linear")
    nn.init.zeros_(made.bias)
    return made


class Larger(nn.Module):
    """Twice the size by pixel shuffling (Shi et al. 2016), without a chequered pattern.

    The four pixels that become of one begin alike (Aitken et al. 2017,
    https://arxiv.org/abs/1707.02937), and their weights always sum up to the same: what is the
    same everywhere comes out the same everywhere, and only what differs makes detail.
    """

    def __init__(self, wide: int, out: int):
        super().__init__()
        self.conv = _conv(wide, 4 * out)
        with torch.no_grad():
            self.conv.weight.copy_(self.conv.weight[::4].repeat_interleave(4, dim=0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight, bias = self.conv.weight, self.conv.bias
        sums = weight.sum((2, 3), keepdim=True)
        weight = weight + (_of_four(sums) - sums) / weight[0, 0].numel()
        return F.pixel_shuffle(F.conv2d(F.relu(x), weight, _of_four(bias), padding=1), 2)


def _of_four(values: torch.Tensor) -> torch.Tensor:
    """The mean of every four rows, in place of each."""
    return values.unflatten(0, (-1, 4)).mean(1).repeat_interleave(4, dim=0)


class Block(nn.Module):
    """Two convolutions beside a way past them (He et al. 2016), without normalisation.

    What is normalised over a batch or a picture flickers or shifts when the picture does.
    """

    def __init__(self, wide: int):
        super().__init__()
        self.one, self.two = _conv(wide, wide), _conv(wide, wide)
        nn.init.zeros_(self.two.weight)  # at first it changes nothing: deep stacks learn at once

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.two(F.relu(self.one(F.relu(x))))


class Generator(nn.Module):
    """A compact U-Net (Ronneberger et al. 2015): soft grey in, colour out, at any size.

    Beside the light it is told, at every depth, what the packaged encoder makes of it: of a few
    hundred images the light alone would be learnt by heart, not what a sun or a shore is
    (Sauer et al. 2021 have a discriminator see so). The encoder itself does not learn.

    What is shown is smooth, and texture needs something to grow from: without noise that stands
    still behind it, as of Karras et al. 2019 (https://arxiv.org/abs/1812.04948), it grows from
    the lattice of shuffled pixels.

    All the work is done at a quarter of the size and below. What is soft, the light that was
    shown and the colours, comes to full size by interpolation; pixel shuffling adds what is
    fine, so that no channels but the colours are carried there.

    Parameters
    ----------
    widths : sequence of int
        Channels at a 4th, an 8th ... of the size.
    """

    def __init__(self, widths=WIDTHS):
        super().__init__()
        first, deeper = widths[0], [*pairwise(widths)]
        depths = features_on(torch.device("cpu")).depths[1:]
        self.told = nn.ModuleList(map(partial(_conv, side=1), depths, widths))
        self.entry = _conv(ENTRY**2 + GRAIN, first)
        grain = torch.randn(1, GRAIN, TILE, TILE, generator=torch.Generator().manual_seed(0))
        self.register_buffer("grain", grain, persistent=False)
        self.down = nn.ModuleList(
            nn.Sequential(Block(one), _conv(one, two, stride=2)) for one, two in deeper
        )
        self.deep = nn.Sequential(Block(widths[-1]), Block(widths[-1]))
        self.up = nn.ModuleList(
            nn.ModuleList([_conv(two, one, 1), _conv(2 * one, one, 1), Block(one)])
            for one, two in reversed(deeper)
        )
        self.twice = Larger(first, first // 2)
        self.full = nn.Sequential(Block(first // 2), Larger(first // 2, 3))
        self.colours = _conv(first, 3, 1)
        with torch.no_grad():
            for late in (self.full[1].conv, self.colours):  # at first the light alone is seen
                late.weight.zero_()
            for one in self.told:
                one.weight.mul_(TOLD)

    def forward(self, given: torch.Tensor, shift: tuple[int, int] = (0, 0)) -> torch.Tensor:
        """Look at pictures.

        Parameters
        ----------
        given : Tensor, shape (n, 1, height, width)
            Light as `lab.see.degrade.dimmed` has it, 0 to 1.
        shift : pair of int
            How far the grain is moved down and along, in entries of `ENTRY` pixels; were it always
            in one place while the network learns, places would be learnt by it.

        Returns
        -------
        Tensor, shape (n, 3, height, width)
            RGB, 0 to 1 and at times a little beyond.
        """
        height, width = given.shape[-2:]
        more = -width % DEEPEST, -height % DEEPEST
        if any(more):
            given = F.pad(given, (0, more[0], 0, more[1]), mode="replicate")
        told = features_on(given.device)(given.expand(-1, 3, -1, -1), least=0)[1:]
        told = [tell(_even(one)) for tell, one in zip(self.told, told, strict=True)]
        x = F.pixel_unshuffle(2 * given - 1, ENTRY)
        x = self.entry(torch.cat([x, self._grain(x, shift)], dim=1)) + told[0]
        kept = []
        for (block, smaller), heard in zip(self.down, told[1:], strict=True):
            x = block(x)
            kept.append(x)
            x = smaller(x) + heard
        x = self.deep(x)
        for narrow, join, block in self.up:
            x = F.interpolate(narrow(x), scale_factor=2, mode="nearest")
            x = block(join(torch.cat([x, kept.pop()], dim=1)))
        soft = F.interpolate(self.colours(x), scale_factor=ENTRY, mode="bilinear")
        return (given + soft + self.full(self.twice(x)))[..., :height, :width]

    def _grain(self, x: torch.Tensor, shift: tuple[int, int]) -> torch.Tensor:
        """The grain behind a batch, repeated where it is larger than a tile."""
        height, width = x.shape[-2:]
        tile = torch.roll(self.grain, shift, dims=(2, 3))
        tiles = tile.repeat(1, 1, -(-height // TILE), -(-width // TILE))
        return tiles[..., :height, :width].expand(len(x), -1, -1, -1)


class Discriminator(nn.Module):
    """Says of every patch whether it is of the kind, at several depths.

    It looks at pixels (Isola et al. 2017) and at the packaged encoder's features (Sauer et al.
    2021, https://arxiv.org/abs/2111.01007), which need not be learnt anew from few images. It is
    not told what was shown: whatever that was, what is made of it has to be of the kind. Spectral
    normalisation (Miyato et al. 2018) keeps it from running away.

    Parameters
    ----------
    depths : sequence of int
        Channels of the features, from `Features.depths`.
    """

    def __init__(self, depths, wide: int = 32):
        super().__init__()
        steps, channels = [], 3
        for out in (wide, 2 * wide, 4 * wide):
            steps += [spectral_norm(nn.Conv2d(channels, out, 4, 2, 1)), nn.LeakyReLU(0.2)]
            channels = out
        self.steps = nn.Sequential(*steps, spectral_norm(_conv(channels, 1)))
        self.heads = nn.ModuleList(
            nn.Sequential(
                spectral_norm(_conv(depth, 2 * wide, 1)),
                nn.LeakyReLU(0.2),
                spectral_norm(_conv(2 * wide, 1)),
            )
            for depth in depths
        )

    def forward(self, pictures: torch.Tensor, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """What it says of pictures (n, 3, h, w), 0 to 1, and their features: real above 0."""
        said = [self.steps(pictures * 2 - 1)]
        for head, feature in zip(self.heads, features, strict=True):
            said.append(head(_even(feature)))
        return said


def _even(feature: torch.Tensor) -> torch.Tensor:
    """Features (n, d, h, w), at every place as strong as any other: 1 in the mean of squares."""
    return F.normalize(feature, dim=1) * feature.shape[1] ** 0.5


class Features(nn.Module):
    """What the packaged encoder sees, at several depths, and how far pictures are apart to it.

    At every place the features are unit vectors, as of Zhang et al. 2018 (LPIPS,
    https://arxiv.org/abs/1801.03924), here unweighted, of EfficientNet-Lite0. They are
    compared as means over the picture too: what is seen, wherever it is.
    """

    def __init__(self):
        super().__init__()
        self.model = copy.deepcopy(packaged().model).float().eval().requires_grad_(False)
        self.depths = [self.model._blocks[k]._block_args.output_filters for k in STAGES]

    def forward(self, pictures: torch.Tensor, least: int = LEAST) -> list[torch.Tensor]:
        """Features of pictures (n, 3, h, w), 0 to 1, at `STAGES`, shown with sides of `least`."""
        if min(pictures.shape[-2:]) < least:
            scale = least / min(pictures.shape[-2:])
            size = [round(side * scale) for side in pictures.shape[-2:]]
            pictures = F.interpolate(pictures, size, mode="bilinear")
        model, found = self.model, []
        x = model._swish(model._conv_stem((pictures * 255 - 127) / 128))
        for number, block in enumerate(model._blocks):
            x = block(x)
            if number in STAGES:
                found.append(x)
        return found

    def apart(self, seen: list[torch.Tensor], wanted: list[torch.Tensor]) -> torch.Tensor:
        """Mean distance of pictures' features from others, 0 to about 2."""
        places = [
            1 - F.cosine_similarity(a, b, dim=1).mean() for a, b in zip(seen, wanted, strict=True)
        ]
        return sum(places) / (len(places) + HEAD) + self.wholes_apart(seen, wanted)

    def wholes_apart(self, seen: list[torch.Tensor], wanted: list[torch.Tensor]) -> torch.Tensor:
        """Mean distance of what is seen, wherever it is, 0 to about 1."""
        return 1 - (self.whole(seen) * self.whole(wanted)).sum(dim=1).mean()

    def whole(self, found: list[torch.Tensor]) -> torch.Tensor:
        """What is seen of pictures, wherever it is: unit vectors (n, d) of all depths and the head.

        The cosine of two is the weighted mean of their cosines at every depth.
        """
        head = self.model._swish(self.model._conv_head(found[-1]))
        means = [F.normalize(one.mean((2, 3))) for one in (*found, head)]
        weights = [*([1.0] * len(found)), HEAD]
        parts = [(w / sum(weights)) ** 0.5 * one for w, one in zip(weights, means, strict=True)]
        return torch.cat(parts, dim=1)


@lru_cache(maxsize=4)
def features_on(device: torch.device) -> Features:
    """The packaged encoder on a device, where everyone looks through the same one."""
    with torch.inference_mode(False):  # whoever asks first may only look, others learn by it
        return Features().to(device, memory_format=torch.channels_last)


def unlike(whole: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Distances of pictures from the nearest of others, both of `Features.whole`: 0 to about 1."""
    alike = whole @ known.T
    return 1 - (torch.softmax(alike / NEAR, dim=1) * alike).sum(dim=1)


def misshapen(seen: torch.Tensor, given: torch.Tensor, reduction: float) -> torch.Tensor:
    """How little of the shapes that were shown is kept: 0 at best, 1 where nothing is, (n,).

    One less the correlation of light, what is seen being made as soft as what was shown; of both,
    what is around a place is taken off. So neither counts how light or strong a picture is, and
    what belongs to all of a kind, such as a horizon, cannot be laid over any of them.

    Parameters
    ----------
    seen : Tensor, shape (n, 3, height, width)
        RGB, 0 to 1.
    given : Tensor, shape (n, 1, height, width)
        Light, 0 to 1.
    reduction : float
        `lab.see.degrade.Recipe.reduction`.
    """
    light = (seen * seen.new_tensor(GREY)[:, None, None]).sum(dim=1, keepdim=True)
    side = [max(2, round(n / reduction**0.5)) for n in given.shape[-2:]]
    soft = (F.interpolate(one, side, mode="area") for one in (light, given))
    bare = [
        one - F.avg_pool2d(one, AROUND, 1, AROUND // 2, count_include_pad=False) for one in soft
    ]
    return 1 - F.cosine_similarity(*(one.flatten(1) for one in bare), dim=1)
