"""Warped flow: what moves once the camera's own motion is taken away.

Wang, Schmid, "Action Recognition with Improved Trajectories", ICCV 2013, section 3.1, and Wang et
al., "Temporal Segment Networks", ECCV 2016 (arXiv 1608.00859), section 3.1: a homography between
two frames is estimated from matches, the second frame is warped by it, and the flow is computed
again.

How we differ: matches are corners followed by pyramidal Lucas-Kanade, without SURF and without a
detector of people; what the camera lost sight of is taken from the first frame, and so stands
still.
"""

from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from harness.flow.grey import grey

CORNERS, DISTANCE = 500, 4  # how many at most, and how far apart in pixels
QUALITY = 0.001  # of the best one: plain ground must be heard, too, not the people on it alone
MATCHES = 12  # at least; four would fit any four
AGREE = 0.5  # of the matches must; in noise it is a fifth or less
ACCURACY = 0.5  # pixels between a match and what a homography makes of it


def without_camera(
    method: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The method on stabilised frames; on the frames themselves where no homography is found."""

    def flow(
        previous: UInt8[np.ndarray, "height width 3"],
        following: UInt8[np.ndarray, "height width 3"],
    ) -> Float32[np.ndarray, "height width 2"]:
        homography = camera_motion(previous, following)
        if homography is not None:
            following = _stabilised(previous, following, homography)
        return method(previous, following)

    return flow


def camera_motion(
    previous: UInt8[np.ndarray, "height width 3"], following: UInt8[np.ndarray, "height width 3"]
) -> Float[np.ndarray, "3 3"] | None:
    """The homography that takes pixels (x, y) of the first frame to the second; None if unsure."""
    first, second = grey(previous), grey(following)
    corners = cv2.goodFeaturesToTrack(first, CORNERS, QUALITY, DISTANCE)
    if corners is None or len(corners) < MATCHES:
        return None
    followed, found, _ = cv2.calcOpticalFlowPyrLK(first, second, corners, corners.copy())
    kept = found.ravel() == 1
    if kept.sum() < MATCHES:
        return None
    cv2.setRNGSeed(0)  # the draws of RANSAC depend on these two frames alone
    homography, agree = cv2.findHomography(corners[kept], followed[kept], cv2.RANSAC, ACCURACY)
    sure = homography is not None and agree.sum() >= max(MATCHES, AGREE * len(agree))
    return homography if sure else None


def _stabilised(
    previous: np.ndarray, following: np.ndarray, homography: np.ndarray
) -> UInt8[np.ndarray, "height width 3"]:
    """The second frame as the first one's camera would have seen it."""
    height, width = previous.shape[:2]
    return cv2.warpPerspective(
        following,
        homography,
        (width, height),
        previous.copy(),
        cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        cv2.BORDER_TRANSPARENT,
    )
