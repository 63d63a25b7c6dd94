"""Looking through a network: one pure step from a camera's frame to what is seen in it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from lab.canvas import even
from lab.encoders.device import best_device
from lab.see.checkpoints import NO_MODEL, read_model
from lab.see.degrade import Recipe, dimmed, edges, grey
from lab.see.images import SeeError
from lab.see.networks import Generator


class Looking(BaseModel):
    """All that can be set about looking, live or through a film."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(256, ge=64, le=1024, description="pixels of the shorter side of what is seen")
    square: bool = Field(False, description="look at the middle square alone")
    crop: float = Field(
        1, ge=0.1, le=1, description="the part of the picture's sides that is looked at"
    )
    flip: bool = Field(False, description="look into a mirror")
    blur: float = Field(0, ge=0, le=20, description="soften what is shown (pixels)")
    difference: bool = Field(False, description="show only what changed since the last frame")
    accumulate: float = Field(0, ge=0, le=0.99, description="how slowly bright things fade")
    threshold: float = Field(0, ge=0, le=1, description="lighter is white, darker black; 0: off")
    edges: bool = Field(False, description="show edges alone")
    before: float = Field(
        0.5, ge=0, le=0.99, description="how much of the last input stays: less flicker, more trail"
    )
    after: float = Field(0.3, ge=0, le=0.99, description="how much of what was seen last stays")
    mix: float = Field(0, ge=0, le=1, description="how much of the camera's picture is laid over")
    freeze: bool = Field(False, description="keep what is seen")


@dataclass(frozen=True)
class Model:
    """A network to look through.

    Attributes
    ----------
    network : Module
    recipe : Recipe
        What it is shown of a picture.
    card : dict
        Where it is from: ``settings``, ``sources``, ``steps``, ``minutes``, ``version``.
    device : torch device
    name : str
        What it is called: as its folder is.
    """

    network: nn.Module
    recipe: Recipe
    card: dict
    device: torch.device
    name: str = ""

    @torch.inference_mode()
    def see(self, given: np.ndarray) -> np.ndarray:
        """What it makes of light, float32 (h, w), 0 to 1: float32 (h, w, 3), 0 to 1."""
        shown = torch.from_numpy(np.ascontiguousarray(given, np.float32))[None, None]
        seen = self.network(shown.to(self.device))[0].clamp(0, 1)
        return np.ascontiguousarray(seen.permute(1, 2, 0).float().cpu().numpy())


@dataclass(frozen=True)
class State:
    """What looking remembers from frame to frame; `step` gives the next one.

    Attributes
    ----------
    model : Model
        May be another at any step (``dataclasses.replace``), as may the settings.
    settings : Looking
    light, gathered, blended : ndarray of float32, shape (h, w), or None
        The last frame's light, what accumulated, and the last input before it was degraded.
    shown : ndarray of float32, shape (h, w), or None
        The last input as the network was given it.
    seen : ndarray of float32, shape (h, w, 3), or None
        What was seen, blended over time, 0 to 1.
    image : ndarray of uint8, shape (h, w, 3), or None
        The last image.
    """

    model: Model
    settings: Looking = field(default_factory=Looking)
    light: np.ndarray | None = None
    gathered: np.ndarray | None = None
    blended: np.ndarray | None = None
    shown: np.ndarray | None = None
    seen: np.ndarray | None = None
    image: np.ndarray | None = None


def load_model(path) -> Model:
    """A network that `lab see train` wrote.

    Parameters
    ----------
    path : path-like
        The folder, or the ``.safetensors`` file in it.

    Raises
    ------
    SeeError
        If it is none, is damaged, or is of another version.
    """
    weights, card = read_model(path)
    network = Generator()
    try:
        network.load_state_dict(weights)
        recipe = Recipe(**{name: card["settings"][name] for name in Recipe.model_fields})
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        raise SeeError(f"{path}: {NO_MODEL.format('its content is another')}") from error
    device, _ = best_device()
    network = network.eval().requires_grad_(False)
    network = network.to(device, memory_format=torch.channels_last)
    folder = Path(path).resolve() if Path(path).is_dir() else Path(path).resolve().parent
    return Model(network, recipe, card, device, folder.name)


def step(frame: np.ndarray, state: State) -> tuple[np.ndarray, State]:
    """Look at one frame; nothing but the new state remembers it.

    Parameters
    ----------
    frame : ndarray of uint8, shape (height, width, 3)
        RGB.
    state : State
        ``State(model)`` to begin with.

    Returns
    -------
    image : ndarray of uint8, shape (h, w, 3)
        The shorter side `Looking.size`.
    state : State
    """
    settings = state.settings
    if settings.freeze and state.image is not None:
        return state.image, state
    camera = framed(frame, settings)
    light = grey(camera)
    now, gathered = _prepared(light, state)
    blended = _blend(now, state.blended, settings.before)
    shown = dimmed(blended, state.model.recipe)
    seen = _blend(state.model.see(shown), state.seen, settings.after)
    image = seen
    if settings.mix:
        image = (1 - settings.mix) * seen + settings.mix * camera.astype(np.float32) / 255
    image = (image * 255 + 0.5).astype(np.uint8)
    return image, replace(
        state,
        light=light,
        gathered=gathered,
        blended=blended,
        shown=shown,
        seen=seen,
        image=image,
    )


def framed(frame: np.ndarray, settings: Looking) -> np.ndarray:
    """The part of a frame that is looked at, scaled: uint8 (h, w, 3), both sides even."""
    height, width = frame.shape[:2]
    sides = [min(height, width)] * 2 if settings.square else [height, width]
    high, wide = (max(1, round(side * settings.crop)) for side in sides)
    top, left = (height - high) // 2, (width - wide) // 2
    part = frame[top : top + high, left : left + wide]
    scale = settings.size / min(high, wide)
    size = even(wide * scale), even(high * scale)
    if size != (wide, high):
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        part = cv2.resize(part, size, interpolation=way)
    return part[:, ::-1] if settings.flip else part


def _prepared(light: np.ndarray, state: State) -> tuple[np.ndarray, np.ndarray]:
    """Light as the settings want it, and what accumulated."""
    settings, now = state.settings, light
    if settings.difference:
        before = light if _other(state.light, light) else state.light
        now = cv2.absdiff(light, before)
    if settings.blur:
        now = cv2.GaussianBlur(now, (0, 0), settings.blur)
    if settings.accumulate and not _other(state.gathered, now):
        now = np.maximum(now, settings.accumulate * state.gathered)
    gathered = now
    if settings.threshold:
        now = (now > settings.threshold).astype(np.float32)
    return (edges(now) if settings.edges else now), gathered


def _blend(now: np.ndarray, before: np.ndarray | None, stays: float) -> np.ndarray:
    return (
        now
        if not stays or _other(before, now)
        else cv2.addWeighted(now, 1 - stays, before, stays, 0)
    )


def _other(before: np.ndarray | None, now: np.ndarray) -> bool:
    """Whether there is nothing before, or it had another shape."""
    return before is None or before.shape != now.shape
