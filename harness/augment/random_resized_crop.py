"""A box of random area and aspect ratio, resized to the sample.

Szegedy et al., "Going deeper with convolutions", CVPR 2015, arXiv 1409.4842, section 6; the drawing
is torchvision's RandomResizedCrop: the area uniform, the ratio uniform in its logarithm, ten tries
to fit, then the largest box in the centre whose ratio is allowed.
"""

from math import log, sqrt

import numpy as np

from harness.augment.box import Box, Crop, Size
from harness.augment.fixed_crops import fixed_crops
from harness.errors import UserError

TRIES = 10


def random_resized_crop(
    *, scale: tuple[float, float] = (0.08, 1.0), ratio: tuple[float, float] = (3 / 4, 4 / 3)
) -> Crop:
    """A box of a random share `scale` of the area and a random `ratio` of width to height."""
    for name, (low, high) in {"scale": scale, "ratio": ratio}.items():
        if not 0 < low <= high:
            raise UserError(f"{name}: needs 0 < low <= high, got {low} to {high}")
    if scale[1] > 1:
        raise UserError(f"scale: must be at most 1, the frame, got {scale[1]}")

    def crop(frame: Size, _size: Size, rng: np.random.Generator) -> Box:
        for _ in range(TRIES):
            area = frame[0] * frame[1] * rng.uniform(*scale)
            aspect = np.exp(rng.uniform(log(ratio[0]), log(ratio[1])))
            height, width = round(sqrt(area / aspect)), round(sqrt(area * aspect))
            if 0 < height <= frame[0] and 0 < width <= frame[1]:
                room = frame[0] - height, frame[1] - width
                return Box.of((height, width), rng.integers(room, endpoint=True))
        return _largest(frame, ratio)

    return crop


def _largest(frame: Size, ratio: tuple[float, float]) -> Box:
    """The largest box of an allowed ratio, in the centre."""
    height, width = frame
    size = (
        max(1, min(height, round(width / ratio[0]))),
        max(1, min(width, round(height * ratio[1]))),
    )
    return fixed_crops(frame, size, 1)[0]
