"""Dense inverse search.

Kroeger, Timofte, Dai, Van Gool, "Fast Optical Flow using Dense Inverse Search", ECCV 2016
(arXiv 1603.03590), as OpenCV implements it, variational refinement included.

How we differ: where a small frame's pyramid ends below the preset's finest level, OpenCV picks
its levels from the width alone, reads outside of frames that are too low for them (64 x 15
pixels: a crash), and keeps that choice for the larger frames that follow. We set the finest level
to full resolution there, and each frame size gets an instance of its own, so that the flow of two
frames does not depend on frames seen before.
"""

from collections.abc import Callable
from functools import lru_cache
from math import log2
from typing import Any, Literal

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from harness.errors import UserError
from harness.flow.grey import grey

PATCH = 8  # pixels, in every preset
LONG_SIDE = 12  # OpenCV's own limit


def dis(
    *, preset: Literal["ultrafast", "fast", "medium"] = "medium"
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Flow by dense inverse search; UserError for frames smaller than 8 x 12 pixels."""

    @lru_cache(maxsize=1)  # the frames of a clip share one size
    def method(height: int, width: int) -> Any:
        short, long = sorted((height, width))
        if short < PATCH or long < LONG_SIDE:
            raise UserError(
                f"flow 'dis' needs frames of {PATCH} x {LONG_SIDE} pixels or more, "
                f"these are {short} x {long}"
            )
        opencv = cv2.DISOpticalFlow.create(getattr(cv2, f"DISOPTICAL_FLOW_PRESET_{preset.upper()}"))
        coarsest = min(int(log2(long / (4 * PATCH)) + 0.5), int(log2(short / PATCH)))
        if coarsest < opencv.getFinestScale():
            opencv.setFinestScale(0)
        return opencv

    def flow(
        previous: UInt8[np.ndarray, "height width 3"],
        following: UInt8[np.ndarray, "height width 3"],
    ) -> Float32[np.ndarray, "height width 2"]:
        return method(*previous.shape[:2]).calc(grey(previous), grey(following), None)

    return flow
