"""What a network is shown of an image: the input made from the target alone, no pairs.

The recipe of Akten, Fiebrink and Grierson (2019): grey, made far smaller and large again, its
brightness and contrast varied, at any scale, cropped and mirrored; or its edges alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

MOST_LEAVES = 6  # the power of two that a scene's dead leaves are fewer than
SMALLEST = 0.25  # part of a stranger's shorter side that is shown alone: it comes out soft anyway
LEAST_LEAF = 1 / 32  # the smallest one's radius, of a scene's side; half of it is the largest


class Recipe(BaseModel):
    """How inputs are made from targets; kept with a model, for it sees nothing else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reduction: float = Field(
        24, ge=1, le=400, description="how many pixels become one before it is enlarged again"
    )
    edges: bool = Field(False, description="learn from edges instead of soft grey pictures")
    brightness: float = Field(
        0.2, ge=0, le=1, description="how much brightness varies, of the whole range"
    )
    contrast: float = Field(
        0.4, ge=0, lt=1, description="how much contrast varies, as a part of it"
    )
    closest: float = Field(
        0.6, gt=0, le=1, description="the smallest part of an image's shorter side that is taken"
    )
    mirror: bool = Field(True, description="show images mirrored as often as not")


def grey(picture: np.ndarray) -> np.ndarray:
    """Light of a picture: uint8 (h, w, 3) to float32 (h, w), 0 to 1 (ITU-R BT.601)."""
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255


def reduced(light: np.ndarray, reduction: float) -> np.ndarray:
    """Light made smaller by area, and large again by cubic interpolation.

    Parameters
    ----------
    light : ndarray of float32, shape (height, width)
        0 to 1.
    reduction : float
        Pixels that become one: 24 takes a side of 128 to 26.

    Returns
    -------
    ndarray of float32, shape (height, width)
        0 to 1.
    """
    height, width = light.shape
    small = tuple(max(2, round(side / reduction**0.5)) for side in (width, height))
    few = cv2.resize(light, small, interpolation=cv2.INTER_AREA)
    return cv2.resize(few, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)


def edges(light: np.ndarray) -> np.ndarray:
    """Edges of light (Canny 1986), softened by a pixel: float32 (height, width), 0 to 1."""
    smooth = cv2.GaussianBlur(light, (0, 0), 1.0)
    # The median sets the thresholds: what counts as an edge follows how dark a picture is.
    middle = 255 * float(np.median(smooth))
    found = cv2.Canny((255 * smooth).astype(np.uint8), 0.66 * middle / 2, 1.33 * middle / 2)
    return cv2.GaussianBlur(found.astype(np.float32) / 255, (0, 0), 1.0)


def dimmed(light: np.ndarray, recipe: Recipe) -> np.ndarray:
    """All that a network sees of light: float32 (height, width), 0 to 1."""
    return edges(light) if recipe.edges else reduced(light, recipe.reduction)


def view(picture: np.ndarray, size: int, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """A square part of a picture, of any scale and place, perhaps mirrored.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width, 3)
    size : int
        Pixels of the result.
    recipe : Recipe
    rng : Generator
        Draws four numbers, whatever the recipe.

    Returns
    -------
    ndarray of uint8, shape (size, size, 3)
    """
    height, width = picture.shape[:2]
    near, down, along, turned = rng.random(4)
    side = max(1, round(min(height, width) * (recipe.closest + near * (1 - recipe.closest))))
    top, left = round(down * (height - side)), round(along * (width - side))
    part = picture[top : top + side, left : left + side]
    part = _scaled(part, (size, size))
    return np.ascontiguousarray(part[:, ::-1]) if recipe.mirror and turned < 0.5 else part


def middle(picture: np.ndarray, size: int) -> np.ndarray:
    """The largest square in the middle of a picture, uint8 (size, size, 3)."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return _scaled(picture[top : top + side, left : left + side], (size, size))


def jittered(light: np.ndarray, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """Light with brightness and contrast varied about its mean: float32 (height, width), 0 to 1."""
    brighter, stronger = rng.uniform(-1, 1, 2)
    mean = light.mean()
    changed = (light - mean) * (1 + recipe.contrast * stronger) + mean
    return (changed + recipe.brightness * brighter).clip(0, 1).astype(np.float32)


def pair(
    picture: np.ndarray, size: int, recipe: Recipe, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """An input and its target, made from one picture.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width, 3)
    size : int
        Pixels.
    recipe : Recipe
    rng : Generator
        The same state gives the same pair.

    Returns
    -------
    given : ndarray of float32, shape (size, size)
        0 to 1.
    target : ndarray of uint8, shape (size, size, 3)
    """
    target = view(picture, size, recipe, rng)
    return jittered(dimmed(grey(target), recipe), recipe, rng), target


def stranger(
    picture: np.ndarray,
    others: Sequence[np.ndarray],
    size: int,
    recipe: Recipe,
    rng: np.random.Generator,
) -> np.ndarray:
    """An input that is of no kind: another picture, or clouds or some part, and dead leaves on it.

    Leaves are shades, or parts of pictures as well: of a hundred, no two strangers are alike.

    What a network is looked through at is not of the kind that it learns; by these it learns to
    make something of the kind of anything. Shapes of all sizes that hide one another have the
    statistics of photographs (the dead leaves model, Lee, Mumford & Huang 2001), and networks that
    learn from them alone know much of photographs (Baradad et al. 2021,
    https://arxiv.org/abs/2106.05963); yet what it will look at is known best from such pictures.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width, 3)
        Of the kind.
    others : sequence of ndarray of uint8
        Not of it, or as good as not.
    size : int
    recipe : Recipe
    rng : Generator

    Returns
    -------
    ndarray of float32, shape (size, size)
        0 to 1.
    """
    draw = rng.random()
    if draw < 0.35:  # as it would come before a camera
        light = grey(view(_any(others, rng), size, recipe, rng))
        return jittered(dimmed(light, recipe), recipe, rng)
    if draw < 0.55:
        light = clouds(size, rng)
    else:
        light = _part(picture if draw < 0.65 else _any(others, rng), size, recipe, rng)
    upright = rng.random() < 0.5  # what people build is
    for _ in range(int(2 ** rng.uniform(0, MOST_LEAVES)) - 1):
        mask = _leaf(size, upright, rng)
        shade = rng.random() < 0.5
        leaf = _shade(size, rng) if shade else _part(_any(others, rng), size, recipe, rng)
        light[mask] = leaf[mask]
    return jittered(dimmed(light, recipe), recipe, rng)


def _any(pictures: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    return pictures[rng.integers(len(pictures))]


def _part(picture: np.ndarray, size: int, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """Light of some part of a picture, however small, upright or not, perhaps inverted."""
    small = recipe.model_copy(update={"closest": SMALLEST})
    light = np.rot90(grey(view(picture, size, small, rng)), rng.integers(4))
    return np.ascontiguousarray(1 - light if rng.random() < 0.5 else light)


def clouds(size: int, rng: np.random.Generator) -> np.ndarray:
    """Noise that is the stronger the larger it is: float32 (size, size), 0 to 1."""
    light = np.full((size, size), 0.5, np.float32)
    for cells in (2, 4, 8, 16, 32):
        noise = rng.normal(0, 0.3 / cells**0.5, (cells, cells)).astype(np.float32)
        light += cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    return light.clip(0, 1)


def _leaf(size: int, upright: bool, rng: np.random.Generator) -> np.ndarray:
    """Where a leaf lies: an ellipse or a box, of a size whose cube its number falls with."""
    draw = rng.random()
    radius = ((1 - draw) / LEAST_LEAF**2 + draw / 0.5**2) ** -0.5 * size
    x, y = rng.uniform(0, size, 2).tolist()
    sides = (2 * radius * np.exp(rng.uniform(-0.7, 0.7, 2))).tolist()
    box, mask = ((x, y), sides, 0.0 if upright else rng.uniform(0, 90)), np.zeros((size, size))
    if rng.random() < (0.8 if upright else 0.4):
        cv2.fillConvexPoly(mask, cv2.boxPoints(box).round().astype(np.int32), 1)
    else:
        cv2.ellipse(mask, box, 1, cv2.FILLED)
    return mask > 0


def _shade(size: int, rng: np.random.Generator) -> np.ndarray:
    """A leaf's light: a tone that falls off to one side, at times in rows, as windows are."""
    down, along = np.mgrid[:size, :size].astype(np.float32) / size
    slope = rng.normal(0, 0.3, 2)
    light = rng.random() + slope[0] * (down - 0.5) + slope[1] * (along - 0.5)
    if rng.random() < 0.3:
        rows = rng.uniform(2, 16, 2)
        light += rng.normal(0, 0.3) * ((down * rows[0] % 1 < 0.5) & (along * rows[1] % 1 < 0.5))
    return light.clip(0, 1).astype(np.float32)


def _scaled(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture scaled: by area where it becomes smaller, else by cubic interpolation."""
    smaller = size[0] < picture.shape[1]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
