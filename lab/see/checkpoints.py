"""What is kept of a network: its weights with a card, and all that goes on learning needs.

Data alone, as safetensors and JSON: a file from a stranger runs nothing. Each file is written
whole and renamed; the card travels inside the weights, so that the two cannot disagree.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from lab.see.images import SeeError
from lab.store import write_json, write_whole

VERSION = 3  # of the networks, the recipe and what the files hold
MODEL, STATE, CARD = "model.safetensors", "training.safetensors", "card.json"
NO_MODEL = "is no model of `lab see train` ({}); name the folder that it wrote."
BROKEN = (SafetensorError, OSError, ValueError, KeyError, TypeError)


def write_arrays_whole(path: Path, arrays: dict[str, np.ndarray], told: dict) -> None:
    """Arrays by name, and what is told of them (JSON), in one safetensors file."""
    kept = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_whole(path, save(kept, {"told": json.dumps(told)}))


def read_arrays_whole(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    """What `write_arrays_whole` wrote.

    Raises
    ------
    SeeError
        If there is no such file, it is none of these, or of another version.
    """
    if not path.exists():
        raise SeeError(f"{path.parent}: {NO_MODEL.format(f'there is no {path.name} in it')}")
    try:
        with safe_open(path, "numpy") as file:
            told = json.loads((file.metadata() or {})["told"])
            version = told["version"]
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except BROKEN as error:
        raise SeeError(f"{path}: {NO_MODEL.format('its content is another')}") from error
    if version != VERSION:
        raise SeeError(
            f"{path}: is of version {version}, and {VERSION} is read here; train it anew."
        )
    return arrays, told


def write_model(folder: Path, weights: dict[str, torch.Tensor], card: dict) -> None:
    """A network that can be looked through, and its card beside it for people to read."""
    write_arrays_whole(folder / MODEL, _numpy(weights), card)
    write_json(folder / CARD, card)


def read_model(path) -> tuple[dict[str, torch.Tensor], dict]:
    """A network's weights and card, from a folder or a file.

    Raises
    ------
    SeeError
    """
    path = Path(path)
    if not path.exists():
        raise SeeError(f"{path}: does not exist; name a folder that `lab see train` wrote.")
    arrays, card = read_arrays_whole(path / MODEL if path.is_dir() else path)
    return {name: torch.from_numpy(array) for name, array in arrays.items()}, card


def flat(parts: dict[str, torch.nn.Module | torch.optim.Optimizer]) -> dict[str, np.ndarray]:
    """The states of networks and optimizers as arrays, named ``part/entry``."""
    arrays = {}
    for part, one in parts.items():
        state = one.state_dict()
        if isinstance(one, torch.optim.Optimizer):
            state = {f"{k}/{n}": v for k, held in state["state"].items() for n, v in held.items()}
        arrays |= {f"{part}/{name}": array for name, array in _numpy(state).items()}
    return arrays


def restore(parts: dict, arrays: dict[str, np.ndarray]) -> None:
    """Give networks and optimizers the states that `flat` told."""
    for part, one in parts.items():
        state = {
            name.removeprefix(f"{part}/"): torch.from_numpy(array)
            for name, array in arrays.items()
            if name.startswith(f"{part}/")
        }
        if isinstance(one, torch.optim.Optimizer):
            held: dict[int, dict] = {}
            for name, value in state.items():
                number, _, entry = name.partition("/")
                held.setdefault(int(number), {})[entry] = value
            state = one.state_dict() | {"state": held}
        one.load_state_dict(state)


def _numpy(state: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {name: value.detach().cpu().contiguous().numpy() for name, value in state.items()}
