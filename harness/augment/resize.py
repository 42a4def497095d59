"""Frames and flow fields brought to the size of the sample."""

import cv2
import numpy as np
from jaxtyping import UInt8

from harness.augment.box import Size
from harness.flow import codes as flow_codes


def resize_frames(
    pixels: UInt8[np.ndarray, "frames _ _ channels"], size: Size
) -> UInt8[np.ndarray, "frames height width channels"]:
    """Bilinear where a side grows, the mean over areas where both shrink, so nothing flickers.

    One frame at a time: frames stacked in the channels of one image take six times as long.
    """
    height, width = size
    shrinks = height <= pixels.shape[1] and width <= pixels.shape[2]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = np.empty((len(pixels), height, width, pixels.shape[-1]), np.uint8)
    for frame, target in zip(pixels, resized, strict=True):
        cv2.resize(frame, (width, height), dst=target, interpolation=how)
    return resized


def resize_fields(
    codes: UInt8[np.ndarray, "frames _ _ 2"], size: Size
) -> UInt8[np.ndarray, "frames height width 2"]:
    """Displacements are in pixels, so they grow and shrink with the frame."""
    scale_y, scale_x = np.divide(size, codes.shape[1:3])
    return flow_codes.rescale(resize_frames(codes, size), scale_x, scale_y)
