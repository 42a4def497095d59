"""What may be done to a cropped sample, one step after the other.

Colours are those of the frames alone. What moves pixels moves frames and flow alike, and turns and
stretches the flow vectors with them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from harness.flow.codes import ZERO

Frames = UInt8[np.ndarray, "frames height width 3"]
Codes = UInt8[np.ndarray, "frames height width 2"]
GREY = (128, 128, 128)


class Distortion:
    """Changes all frames, and all flow codes, of one sample by one draw; this one leaves both."""

    def frames(self, rgb: Frames) -> Frames:
        return rgb

    def fields(self, codes: Codes) -> Codes:
        return codes


Distort = Callable[[np.random.Generator], Distortion]


def none() -> Distort:
    """Samples stay as they were cut."""
    return lambda _: Distortion()


@dataclass(frozen=True)
class Steps(Distortion):
    """Distortions one after the other."""

    steps: Sequence[Distortion]

    def frames(self, rgb: Frames) -> Frames:
        for step in self.steps:
            rgb = step.frames(rgb)
        return rgb

    def fields(self, codes: Codes) -> Codes:
        for step in self.steps:
            codes = step.fields(codes)
        return codes


@dataclass(frozen=True)
class Recolour(Distortion):
    """Another colour for each pixel; flow, computed from the frames as filmed, stays."""

    change: Callable[[Frames], Frames]

    def frames(self, rgb: Frames) -> Frames:
        return self.change(rgb)


@dataclass(frozen=True)
class Affine(Distortion):
    """Pixels move by a linear map about the centre of the frame, then by a `shift`.

    `linear` maps (x, y) in pixels, y downwards; `shift` is (x, y) in shares of width and height.
    What comes in from outside is grey and does not move.
    """

    linear: Float[np.ndarray, "2 2"]
    shift: tuple[float, float] = (0.0, 0.0)

    def frames(self, rgb: Frames) -> Frames:
        return self._warp(rgb, GREY)

    def fields(self, codes: Codes) -> Codes:
        """A vector between two points is mapped by the linear part, as the points are."""
        origin = np.full(2, ZERO)
        turn = np.column_stack([self.linear, origin - self.linear @ origin])
        moved = self._warp(codes, (ZERO, ZERO))
        turned = cv2.transform(moved.reshape(-1, *moved.shape[-2:]), turn)
        return np.maximum(turned, 1, out=turned).reshape(moved.shape)  # there is no code 0

    def _warp(self, pixels: np.ndarray, outside: tuple[int, ...]) -> np.ndarray:
        height, width = pixels.shape[1:3]
        centre = np.array([width - 1, height - 1]) / 2
        shift = centre + np.multiply(self.shift, (width, height)) - self.linear @ centre
        matrix, warped = np.column_stack([self.linear, shift]), np.empty_like(pixels)
        for frame, target in zip(pixels, warped, strict=True):
            cv2.warpAffine(frame, matrix, (width, height), dst=target, borderValue=outside)
        return warped
