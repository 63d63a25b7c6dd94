"""Where networks run, and the way back from there."""

from __future__ import annotations

import numpy as np
import torch

# Pictures, or texts, shown at once. A CPU's caches hold what passes between layers of a few: with
# 16, two threads were hardly faster than one. Graphics cards want many.
FEW, MANY = 4, 16


def best_device() -> tuple[torch.device, torch.dtype]:
    """Where models run, and how precisely: half on a GPU, for on a CPU half is slow."""
    if torch.cuda.is_available():
        return torch.device("cuda"), torch.float16
    if torch.backends.mps.is_available():
        return torch.device("mps"), torch.float16
    return torch.device("cpu"), torch.float32


def at_once(device: torch.device) -> int:
    """How many pictures, or texts, a model that runs there is best shown at once."""
    return FEW if device.type == "cpu" else MANY


def as_numpy(tensor: torch.Tensor) -> np.ndarray:
    """A tensor as float32, wherever it is."""
    return tensor.float().cpu().numpy()
