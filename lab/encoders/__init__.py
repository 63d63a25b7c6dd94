"""Neural encoders: pictures to features, behind one small interface.

An encoder has a `name` that goes into keys and edits, and ``encode(pictures)``, which gives one
row of features for every `frames` pictures: 1, or as many as a video model looks at together.
The packaged one, EfficientNet-Lite0 on ImageNet, needs no network; any image, video or
vision-text model of `transformers` is taken by its hub name or from a folder.

Networks are slow to import: that waits until one is loaded.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from lab import LabError

PACKAGED = "efficientnet-lite0"
WITH_WORDS = "openai/clip-vit-base-patch32"  # a model that reads words, for those who ask


class Features(NamedTuple):
    """What an encoder saw: `pooled` (n, d) and `grid` (n, d, rows, columns), float32."""

    pooled: np.ndarray
    grid: np.ndarray


class EncoderError(LabError):
    """A model that cannot be had: one sentence with its name, the cause and what to do."""


def load_encoder(name: str = PACKAGED):
    """An encoder by name.

    Parameters
    ----------
    name : str
        ``"efficientnet-lite0"``, or a `transformers` model: hub name or local folder.

    Returns
    -------
    lab.encoders.efficientnet.PackagedEncoder or lab.encoders.hub.TransformersEncoder

    Raises
    ------
    EncoderError
        If there is no such model or it sees no pictures.
    """
    return _load(name)


def packaged():
    """The `PackagedEncoder`: all that is fitted here looks through it, whichever one is chosen."""
    return _load(PACKAGED)


@lru_cache(maxsize=2)
def _load(name: str):
    if name == PACKAGED:
        from lab.encoders.efficientnet import PackagedEncoder

        return PackagedEncoder()
    from lab.encoders.hub import TransformersEncoder

    return TransformersEncoder(name)


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
