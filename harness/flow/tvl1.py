"""Total variation with an L1 data term.

Zach, Pock, Bischof, "A Duality Based Approach for Realtime TV-L1 Optical Flow", DAGM 2007; the
algorithm and its parameters as in Sánchez, Meinhardt-Llopis, Facciolo, "TV-L1 Optical Flow
Estimation", IPOL 2013, as OpenCV implements it. The method behind TSN's published flow.
"""

from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from harness.errors import UserError
from harness.flow.grey import grey
from harness.flow.ranges import more_than_zero


def tvl1(  # noqa: PLR0913  the parameters of the paper and of OpenCV
    *,
    tau: float = 0.25,
    lambda_: float = 0.15,
    theta: float = 0.3,
    scales: int = 5,
    scale_step: float = 0.8,
    warps: int = 5,
    epsilon: float = 0.01,
    inner_iterations: int = 30,
    outer_iterations: int = 10,
    median: Literal[1, 3, 5] = 5,
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Flow by TV-L1; the defaults are OpenCV's. Frames of any size are accepted.

    Raises UserError for an option that is not positive, and a `scale_step` of 1 or more.

    Args:
        tau: time step of the dual problem.
        lambda_: weight of the data term; smaller is smoother.
        theta: tightness of the coupling between the two variables.
        scales: pyramid levels, the full resolution included.
        scale_step: size of a level relative to the finer one.
        warps: warpings at each level.
        epsilon: the change at which the iterations stop.
        inner_iterations: between two median filterings.
        outer_iterations: of the inner loop, at each warping.
        median: side of the median filter in pixels: 1 (none), 3 or 5.
    """
    more_than_zero(
        tau=tau,
        lambda_=lambda_,
        theta=theta,
        scales=scales,
        scale_step=scale_step,
        warps=warps,
        epsilon=epsilon,
        inner_iterations=inner_iterations,
        outer_iterations=outer_iterations,
    )
    if scale_step >= 1:
        raise UserError(f"scale_step: must be less than 1, got {scale_step}")

    def flow(
        previous: UInt8[np.ndarray, "height width 3"],
        following: UInt8[np.ndarray, "height width 3"],
    ) -> Float32[np.ndarray, "height width 2"]:
        # OpenCV shortens an instance's pyramid for small frames and never restores it.
        opencv = cv2.optflow.DualTVL1OpticalFlow.create(
            tau=tau,
            lambda_=lambda_,
            theta=theta,
            nscales=scales,
            warps=warps,
            epsilon=epsilon,
            innnerIterations=inner_iterations,
            outerIterations=outer_iterations,
            scaleStep=scale_step,
            medianFiltering=median,
        )
        return opencv.calc(
            grey(previous), grey(following), np.empty((*previous.shape[:2], 2), np.float32)
        )

    return flow
