"""A few operations of one magnitude, drawn with replacement from fourteen.

Cubuk et al., "RandAugment: practical automated data augmentation with a reduced search space",
CVPR Workshops 2020, arXiv 1909.13719. Ranges are torchvision's: magnitude 30 is the strongest, and
each operation that has a direction goes either way. Two things differ for video: rotation, shear
and translation are about the centre, bilinear, and take the flow with them; and an operation that
looks at the pixels looks at all frames of the sample together.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from harness.augment import colours
from harness.augment.distortion import Affine, Distort, Distortion, Recolour, Steps
from harness.errors import UserError

STRONGEST = 30


def rand_augment(*, ops: int = 2, magnitude: int = 9) -> Distort:
    """Random operations on colours and on geometry, `ops` of one `magnitude` from 0 to 30."""
    if ops < 1:
        raise UserError(f"ops: must be at least 1, got {ops}")
    if not 0 <= magnitude <= STRONGEST:
        raise UserError(f"magnitude: must be from 0 to {STRONGEST}, got {magnitude}")
    table = list(OPERATIONS.values())

    def distort(rng: np.random.Generator) -> Distortion:
        drawn = rng.integers(len(table), size=ops)
        strengths = rng.choice((-1, 1), size=ops) * magnitude / STRONGEST
        return Steps([table[op](float(s)) for op, s in zip(drawn, strengths, strict=True)])

    return distort


def _rotate(strength: float) -> Distortion:
    cos, sin = np.cos(np.pi / 6 * strength), np.sin(np.pi / 6 * strength)
    return Affine(np.array([[cos, -sin], [sin, cos]]))


def _shear_x(strength: float) -> Distortion:
    return Affine(np.array([[1, 0.3 * strength], [0, 1]]))


def _shear_y(strength: float) -> Distortion:
    return Affine(np.array([[1, 0], [0.3 * strength, 1]]))


def _translate_x(strength: float) -> Distortion:
    return Affine(np.eye(2), shift=(150 / 331 * strength, 0.0))


def _translate_y(strength: float) -> Distortion:
    return Affine(np.eye(2), shift=(0.0, 150 / 331 * strength))


def _posterize(strength: float) -> Distortion:
    return Recolour(partial(colours.posterize, bits=8 - round(4 * abs(strength))))


def _solarize(strength: float) -> Distortion:
    return Recolour(partial(colours.solarize, threshold=255 * (1 - abs(strength))))


def _factor(change: Callable[..., np.ndarray]) -> Callable[[float], Distortion]:
    return lambda strength: Recolour(partial(change, factor=1 + 0.9 * strength))


def _always(step: Distortion) -> Callable[[float], Distortion]:
    return lambda _: step


# From a signed strength, in shares of the strongest, to what is done.
OPERATIONS: dict[str, Callable[[float], Distortion]] = {
    "identity": _always(Distortion()),
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _translate_x,
    "translate_y": _translate_y,
    "rotate": _rotate,
    "brightness": _factor(colours.brightness),
    "saturation": _factor(colours.saturation),
    "contrast": _factor(colours.contrast),
    "sharpness": _factor(colours.sharpness),
    "posterize": _posterize,
    "solarize": _solarize,
    "auto_contrast": _always(Recolour(colours.auto_contrast)),
    "equalize": _always(Recolour(colours.equalize)),
}
