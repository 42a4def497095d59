"""Grey values, which most methods work on."""

import cv2
import numpy as np
from jaxtyping import UInt8


def grey(frame: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "height width"]:
    """The luma of ITU-R BT.601."""
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
