"""Models of `transformers`: image, video and vision-text models by their hub name or folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer, ViTImageProcessorPil

from lab.encoders import EncoderError, Features
from lab.encoders.device import as_numpy, at_once, best_device

BROKEN = (OSError, ValueError, ImportError, KeyError, SafetensorError)  # a model that won't load


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
        step = self.frames * max(1, at_once(self.device) // self.frames)
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
        found = Features(as_numpy(pooled), as_numpy(grid))
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
        found, step = [], at_once(self.device)
        for start in range(0, len(texts), step):
            tokens = self._tokens(tokenizer, texts[start : start + step]).to(self.device)
            features = self.model.get_text_features(**tokens)
            features = getattr(features, "pooler_output", features)
            found.append(as_numpy(F.normalize(features.flatten(1).float(), dim=1)))
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


def _cause(error: Exception) -> str:
    """An error's first sentence."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].split(". ")[0]
