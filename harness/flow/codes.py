"""Flow as bytes: displacements up to a bound, rounded to 254 equal steps.

    code = clip(rint(pixels * 127 / bound), -127, 127) + 128

No motion is exactly 128 and mirroring is exact (256 - code): the usual 127.5 has no code for zero
and moves a still picture by half a step. Inside the bound the error is at most bound / 254.
"""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

ZERO = 128


def encode(
    flow: Float32[np.ndarray, "*frames height width 2"], bound: float
) -> UInt8[np.ndarray, "*frames height width 2"]:
    """Pixels -> codes from 1 to 255; motion beyond `bound` pixels is clipped to it."""
    steps = np.rint(flow * np.float32(127 / bound))
    return (np.clip(steps, -127, 127) + ZERO).astype(np.uint8)


def decode(
    codes: UInt8[np.ndarray, "*frames height width 2"], bound: float
) -> Float32[np.ndarray, "*frames height width 2"]:
    """Codes -> pixels."""
    return (codes.astype(np.float32) - ZERO) * np.float32(bound / 127)


def mirror(
    codes: UInt8[np.ndarray, "*frames height width 2"],
) -> UInt8[np.ndarray, "*frames height width 2"]:
    """The flow of the video seen in a mirror: left and right change places, and so does x."""
    mirrored = reflect(codes)
    np.negative(mirrored[..., 0], out=mirrored[..., 0])  # 256 - code, in bytes
    return mirrored


def reflect(
    pixels: UInt8[np.ndarray, "*frames height width channels"],
) -> UInt8[np.ndarray, "*frames height width channels"]:
    """Left and right change places: all rows as one image, many times faster than a slice."""
    rows = pixels.reshape(-1, *pixels.shape[-2:])
    return cv2.flip(rows, 1).reshape(pixels.shape)


def rescale(
    codes: UInt8[np.ndarray, "*frames height width 2"], scale_x: float, scale_y: float
) -> UInt8[np.ndarray, "*frames height width 2"]:
    """The flow of a video whose frames were resized by these factors; no motion stays exactly 0."""
    steps = np.rint(np.outer(np.arange(256) - ZERO, (scale_x, scale_y)))
    table = (np.clip(steps, -127, 127) + ZERO).astype(np.uint8)
    return cv2.LUT(codes.reshape(-1, *codes.shape[-2:]), table[None]).reshape(codes.shape)
