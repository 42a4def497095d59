"""Brightness, contrast, saturation and hue changed at random, in random order.

torchvision's ColorJitter, after Howard, "Some improvements on deep convolutional neural network
based image classification", arXiv 1312.5402, section 2.2.
"""

from functools import partial

import numpy as np

from harness.augment import colours
from harness.augment.distortion import Distort, Distortion, Recolour, Steps
from harness.errors import UserError


def jitter(
    *, brightness: float = 0.4, contrast: float = 0.4, saturation: float = 0.4, hue: float = 0.1
) -> Distort:
    """Colours changed by random factors, each up to so far from 1, and the hue by so many turns."""
    strengths = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
    for name, strength in strengths.items():
        if strength < 0:
            raise UserError(f"{name}: must be at least 0, got {strength}")
    if not 0 <= hue <= 0.5:
        raise UserError(f"hue: must be from 0 to 0.5 turns, got {hue}")
    ranges = {name: (max(0.0, 1 - by), 1 + by) for name, by in strengths.items() if by}
    if hue:
        ranges["hue"] = (-hue, hue)

    def distort(rng: np.random.Generator) -> Distortion:
        steps = [
            Recolour(partial(getattr(colours, name), **{_argument(name): rng.uniform(*bounds)}))
            for name, bounds in ranges.items()
        ]
        return Steps([steps[index] for index in rng.permutation(len(steps))])

    return distort


def _argument(name: str) -> str:
    return "turns" if name == "hue" else "factor"
