"""Where networks run, and the way back from there."""

from __future__ import annotations

import numpy as np
import torch


def best_device() -> tuple[torch.device, torch.dtype]:
    """Where models run, and how precisely: half on a GPU, for on a CPU half is slow."""
    if torch.cuda.is_available():
        return torch.device("cuda"), torch.float16
    if torch.backends.mps.is_available():
        return torch.device("mps"), torch.float16
    return torch.device("cpu"), torch.float32


def as_numpy(tensor: torch.Tensor) -> np.ndarray:
    """A tensor as float32, wherever it is."""
    return tensor.float().cpu().numpy()
