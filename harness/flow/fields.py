"""The flow of a whole clip, as bytes: a field for each pair of successive frames."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

from harness.flow import FLOWS, codes


@dataclass(frozen=True, kw_only=True)
class FlowRecipe:
    """How flow is made: a method of FLOWS with its options, and where displacements are clipped.

    `bound` is in pixels of the frames that the flow is computed on.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    bound: float = 20.0

    def settings(self) -> dict[str, Any]:
        """All that changes a byte of a field; options left at their defaults are written out."""
        defaults = {name: option.default for name, option in FLOWS.options(self.name).items()}
        return {
            "name": self.name,
            "options": defaults | self.options,
            "revision": FLOWS.revision(self.name),
            "bound": float(self.bound),
        }


def fields(
    frames: UInt8[np.ndarray, "frames height width 3"], recipe: FlowRecipe
) -> dict[str, UInt8[np.ndarray, "fields height width 2"]]:
    """Codes by kind: "flow" leads from frame t to t + 1.

    Raises UserError where the method cannot take frames of this size.
    """
    method = FLOWS[recipe.name](**recipe.options)
    grey = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames)
    return {
        "flow": np.stack([codes.encode(method(*pair), recipe.bound) for pair in pairwise(grey)])
    }
