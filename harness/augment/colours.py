"""Changes of colour, as torchvision and PIL define them.

Where a change looks at the pixels (their mean, range or histogram), it looks at all frames of the
sample together, so that a clip does not flicker; of a single frame, that is the definition itself.
"""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from harness.augment.distortion import Frames

LEVELS = np.arange(256)
LUMA = np.array([[0.299, 0.587, 0.114]])


def brightness(rgb: Frames, factor: float) -> Frames:
    """Towards black (0), unchanged (1), or brighter."""
    return _look_up(rgb, _bytes(LEVELS * factor))


def contrast(rgb: Frames, factor: float) -> Frames:
    """Towards the mean grey (0), unchanged (1), or away from it."""
    mean = cv2.mean(cv2.cvtColor(_tall(rgb), cv2.COLOR_RGB2GRAY))[0]
    return _look_up(rgb, _bytes(mean + (LEVELS - mean) * factor))


def saturation(rgb: Frames, factor: float) -> Frames:
    """Towards grey (0), unchanged (1), or more colourful."""
    matrix = factor * np.eye(3) + (1 - factor) * LUMA
    return cv2.transform(_tall(rgb), matrix).reshape(rgb.shape)


def hue(rgb: Frames, turns: float) -> Frames:
    """Every colour moved along the colour circle; in floats, as bytes would round it too far."""
    hsv = cv2.cvtColor(np.multiply(_tall(rgb), np.float32(1 / 255)), cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + np.float32(360 * turns)) % 360
    return cv2.convertScaleAbs(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), alpha=255).reshape(rgb.shape)


def solarize(rgb: Frames, threshold: float) -> Frames:
    """Levels from the threshold on are inverted."""
    return _look_up(rgb, _bytes(np.where(threshold <= LEVELS, 255 - LEVELS, LEVELS)))


def posterize(rgb: Frames, bits: int) -> Frames:
    """Only the first bits of each level are kept."""
    return _look_up(rgb, _bytes(LEVELS >> (8 - bits) << (8 - bits)))


def auto_contrast(rgb: Frames) -> Frames:
    """The levels of each colour stretched to 0 .. 255."""
    used = [np.flatnonzero(counts)[[0, -1]] for counts in _histograms(rgb)]
    stretched = [
        _bytes((LEVELS - low) * 255 // (high - low) if high > low else LEVELS) for low, high in used
    ]
    return _look_up(rgb, np.stack(stretched, axis=-1))


def equalize(rgb: Frames) -> Frames:
    """The levels of each colour spread so that all are about equally frequent."""
    return _look_up(rgb, np.stack([_equalized(h) for h in _histograms(rgb)], axis=-1))


def sharpness(rgb: Frames, factor: float) -> Frames:
    """Towards a smoothed frame (0), unchanged (1), or away from it; the border stays."""
    smooth = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
    kernel = (1 - factor) * smooth
    kernel[1, 1] += factor
    sharp = rgb.copy()
    if min(rgb.shape[1:3]) > 2:
        for frame, target in zip(rgb, sharp, strict=True):
            target[1:-1, 1:-1] = cv2.filter2D(frame, -1, kernel)[1:-1, 1:-1]
    return sharp


def _equalized(counts: Float[np.ndarray, " levels"]) -> UInt8[np.ndarray, " levels"]:
    counts = counts.astype(np.int64)
    step = (counts.sum() - counts[np.flatnonzero(counts)[-1]]) // 255
    if step == 0:
        return _bytes(LEVELS)
    below = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return _bytes((below + step // 2) // step)


def _tall(rgb: Frames) -> UInt8[np.ndarray, "rows width 3"]:
    """All frames as one image, for what treats each pixel alone."""
    return rgb.reshape(-1, *rgb.shape[-2:])


def _look_up(rgb: Frames, table: UInt8[np.ndarray, "256 ..."]) -> Frames:
    return cv2.LUT(_tall(rgb), table.reshape(1, 256, -1)).reshape(rgb.shape)


def _bytes(levels: np.ndarray) -> UInt8[np.ndarray, " levels"]:
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def _histograms(rgb: Frames) -> list[Float[np.ndarray, " levels"]]:
    return [cv2.calcHist([_tall(rgb)], [c], None, [256], [0, 256]).ravel() for c in range(3)]
