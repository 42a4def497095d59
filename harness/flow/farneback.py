"""Polynomial expansion.

Farnebäck, "Two-Frame Motion Estimation Based on Polynomial Expansion", SCIA 2003, as OpenCV
implements it, on a pyramid that halves each level. Frames of any size are accepted.
"""

from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from harness.flow.grey import grey
from harness.flow.ranges import more_than_zero


def farneback(
    *,
    levels: int = 3,
    winsize: int = 15,
    iterations: int = 3,
    poly_n: Literal[5, 7] = 5,
    poly_sigma: float = 1.1,
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Flow by polynomial expansion; UserError for an option that is not positive.

    Args:
        levels: pyramid levels, the full resolution included.
        winsize: side of the averaging window in pixels; larger is smoother.
        iterations: at each level.
        poly_n: side of the neighbourhood that a polynomial is fitted to, 5 or 7.
        poly_sigma: standard deviation of that fit's Gaussian weights, in pixels.
    """
    more_than_zero(levels=levels, winsize=winsize, iterations=iterations, poly_sigma=poly_sigma)

    def method(
        previous: UInt8[np.ndarray, "height width 3"],
        following: UInt8[np.ndarray, "height width 3"],
    ) -> Float32[np.ndarray, "height width 2"]:
        flow = np.empty((*previous.shape[:2], 2), np.float32)
        cv2.calcOpticalFlowFarneback(
            grey(previous),
            grey(following),
            flow,
            0.5,
            levels,
            winsize,
            iterations,
            poly_n,
            poly_sigma,
            0,
        )
        return flow

    return method
