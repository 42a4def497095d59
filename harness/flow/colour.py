"""Flow in the usual colours: the hue is the direction, the saturation the length.

The colour wheel of Baker, Scharstein, Lewis, Roth, Black, Szeliski, "A Database and Evaluation
Methodology for Optical Flow", IJCV 2011, as in Middlebury's code: right is red, down yellow, left
cyan, up violet, and no motion is white.
"""

import numpy as np
from jaxtyping import Float, UInt8

# Where the pure colours stand on a wheel of 55 steps: more where the eye tells more hues apart.
STEPS = (0, 15, 21, 25, 36, 49, 55)
RED = (1, 1, 0, 0, 0, 1, 1)
GREEN = (0, 1, 1, 1, 0, 0, 0)
BLUE = (0, 0, 0, 1, 1, 1, 0)
TOO_LONG = 0.75  # brightness of what is longer than the wheel's radius


def colour(
    pixels: Float[np.ndarray, "*fields height width 2"], largest: float
) -> UInt8[np.ndarray, "*fields height width 3"]:
    """RGB of displacements x, y: fully saturated at the length `largest`, dark beyond it."""
    x, y = pixels[..., 0], pixels[..., 1]
    radius = (np.hypot(x, y) / largest)[..., None]
    hue = (np.arctan2(-y, -x) / np.pi + 1) / 2 * (STEPS[-1] - 1)
    pure = np.stack([np.interp(hue, STEPS, channel) for channel in (RED, GREEN, BLUE)], axis=-1)
    shade = np.where(radius <= 1, 1 - radius * (1 - pure), TOO_LONG * pure)
    return np.floor(255 * shade).astype(np.uint8)
