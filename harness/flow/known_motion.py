"""How well a flow method finds motion that is known: a picture that moves, and a disc that does.

The two differ on purpose. A method that smooths may follow a whole picture exactly and still lose
half of what a small thing on a still ground does; and what the recipe takes away (the camera's
motion, the mean) is missing here as it will be in the data.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from harness.flow.codes import decode
from harness.flow.fields import FlowRecipe, fields

HEIGHT, WIDTH = 128, 160  # large enough for every method
RADIUS = 10  # of the disc, in pixels
MARGIN = 12  # what moves in from outside is anybody's guess
MOTIONS = ((4, 0), (0, -3), (-2, 2))  # right, up, left and down


def known_motion(recipe: FlowRecipe) -> list[dict[str, Any]]:
    """A row for each scene and motion; none for flow that is read instead of computed.

    "scene", "true" and "found" (the displacement x, y, and the median of what was found of it),
    "error" (the mean end-point error) in pixels, and "ratio", the share of the true displacement
    that was found in its direction: 1 is right, 0 is none of it. Codes are decoded again, so that
    bound and quantisation count.
    """
    if recipe.is_read:
        return []
    scenes = {"whole picture": whole_picture, "disc alone": disc_alone}
    return [
        _row(name, scene, motion, recipe) for name, scene in scenes.items() for motion in MOTIONS
    ]


def _row(
    name: str, scene: Callable[[int, int], Any], motion: tuple[int, int], recipe: FlowRecipe
) -> dict[str, Any]:
    frames, inside = scene(*motion)
    found = decode(fields(frames, recipe)["flow"][0], recipe.bound)[inside]
    median = np.median(found, axis=0)
    return {
        "scene": name,
        "true": motion,
        "found": tuple(median.tolist()),
        "error": float(np.linalg.norm(found - np.array(motion), axis=-1).mean()),
        "ratio": float(median @ motion / np.dot(motion, motion)),
    }


Scene = tuple[UInt8[np.ndarray, "2 height width 3"], Bool[np.ndarray, "height width"]]


def whole_picture(x: int, y: int) -> Scene:
    """Two frames between which everything moves, and where that can be seen."""
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[MARGIN:-MARGIN, MARGIN:-MARGIN] = True
    return np.stack([_texture(0), _texture(0, x, y)]), inside


def disc_alone(x: int, y: int) -> Scene:
    """Two frames between which a disc moves on a still ground, and where it is in the first."""
    ground, first, second = _texture(1), _disc(0, 0), _disc(x, y)
    frames = [
        np.where(disc[..., None], _texture(2, *moved), ground)
        for disc, moved in ((first, (0, 0)), (second, (x, y)))
    ]
    return np.stack(frames), first


def _disc(x: int, y: int) -> Bool[np.ndarray, "height width"]:
    rows, columns = np.indices((HEIGHT, WIDTH))
    return np.hypot(rows - HEIGHT // 2 - y, columns - WIDTH // 2 - x) <= RADIUS


def _texture(seed: int, x: int = 0, y: int = 0) -> UInt8[np.ndarray, "height width 3"]:
    """A cut-out of smooth noise with detail at two scales, moved right by x and down by y."""
    top, left = MARGIN - y, MARGIN - x
    return _noise(seed)[top : top + HEIGHT, left : left + WIDTH]


def _noise(seed: int) -> UInt8[np.ndarray, "rows columns 3"]:
    size = (HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN, 3)
    noise = np.random.default_rng(seed).normal(size=size).astype(np.float32)
    scene = sum(cv2.GaussianBlur(noise, (0, 0), sigma) * sigma for sigma in (1.5, 4.0))
    return np.asarray(np.interp(scene, (np.min(scene), np.max(scene)), (0, 255)), np.uint8)
