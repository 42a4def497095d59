"""The flow of a whole clip, as bytes: a field for each pair of successive frames.

What is done to a field, in this order: the camera's motion is removed (`harness.flow.camera`), the
field's mean displacement is subtracted (Simonyan and Zisserman, NIPS 2014, section 3.1), it is cut
at the bound and quantised (`harness.flow.codes`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from harness.errors import UserError
from harness.files import sha256_of
from harness.flow import FLOWS, codes
from harness.flow.camera import without_camera


@dataclass(frozen=True, kw_only=True)
class FlowRecipe:
    """How flow is made: a method of FLOWS with its options, and what becomes of its fields.

    `bound` is in pixels of the frames that the flow is computed on. `stacking` says how a window of
    fields becomes a stack; here it only decides whether backward fields are needed. Of the options,
    `weights` and `folder` are places on this machine. Raises UserError where flow that was computed
    elsewhere would have to be computed again.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    bound: float = 20.0
    mean: Literal["keep", "subtract"] = "keep"
    camera: Literal["keep", "remove"] = "keep"
    stacking: Literal["forward", "bidirectional", "trajectory"] = "forward"

    def __post_init__(self) -> None:
        for key, value in (("camera", "remove"), ("stacking", "bidirectional")):
            if self.is_read and getattr(self, key) == value:
                raise UserError(
                    f"data.flow.{key}: {value!r} needs flow computed from frames, "
                    f"and {self.name!r} reads it as it was computed elsewhere"
                )

    def method(self) -> Any:
        """The method of FLOWS; UserError for an option that it cannot take."""
        return FLOWS[self.name](**self.options)

    @property
    def is_read(self) -> bool:
        """Whether the flow was computed elsewhere."""
        return hasattr(FLOWS[self.name], "read")

    @property
    def is_backward(self) -> bool:
        """Whether there are fields from each frame to the one before it."""
        return self.stacking == "bidirectional"

    def settings(self) -> dict[str, Any]:
        """All that changes a byte of a field; options left at their defaults are written out."""
        defaults = {name: option.default for name, option in FLOWS.options(self.name).items()}
        options = defaults | self.options
        options.pop("folder", None)  # what lies there is hashed clip by clip
        if "weights" in options:
            options["weights"] = sha256_of(Path(options["weights"]))
        return {
            "name": self.name,
            "options": options,
            "revision": FLOWS.revision(self.name),
            "bound": float(self.bound),
            "mean": self.mean,
            "camera": self.camera,
            "backward": self.is_backward,
        }


def fields(
    frames: UInt8[np.ndarray, "frames height width 3"],
    recipe: FlowRecipe,
    home: Path | None = None,
) -> dict[str, UInt8[np.ndarray, "fields height width 2"]]:
    """Codes by kind, each with a field less than there are frames.

    Field t of "flow" leads from frame t to t + 1; field t of "backward", which is there for
    bidirectional stacks alone, from frame t + 1 to t. `home` is the folder of flow that was
    computed elsewhere. Raises UserError where the method cannot take frames of this size, or where
    that flow does not fit the frames.
    """
    try:
        return _fields(frames, recipe, home)
    except cv2.error as error:  # what a method has against these frames
        raise UserError(f"flow {recipe.name!r}: {error.err}") from error


def _fields(
    frames: UInt8[np.ndarray, "frames height width 3"], recipe: FlowRecipe, home: Path | None
) -> dict[str, UInt8[np.ndarray, "fields height width 2"]]:
    method = recipe.method()
    if recipe.is_read:
        return {"flow": _encoded(method.read(home, len(frames) - 1, *frames.shape[1:3]), recipe)}
    if recipe.camera == "remove":
        method = without_camera(method)
    forward = (method(before, after) for before, after in pairwise(frames))
    if not recipe.is_backward:
        return {"flow": _encoded(forward, recipe)}
    backward = (method(after, before) for before, after in pairwise(frames))
    return {"flow": _encoded(forward, recipe), "backward": _encoded(backward, recipe)}


def _encoded(
    flow: Iterable[Float32[np.ndarray, "height width 2"]], recipe: FlowRecipe
) -> UInt8[np.ndarray, "fields height width 2"]:
    if recipe.mean == "subtract":
        flow = (pixels - _mean(pixels) for pixels in flow)
    return np.stack([codes.encode(_finite(pixels, recipe), recipe.bound) for pixels in flow])


def _finite(pixels: np.ndarray, recipe: FlowRecipe) -> np.ndarray:
    if not np.isfinite(pixels).all():
        raise UserError(f"flow {recipe.name!r} found displacements that are no numbers")
    return pixels


def _mean(pixels: Float32[np.ndarray, "height width 2"]) -> Float32[np.ndarray, "2"]:
    """In double precision, so that a constant field is its own mean exactly."""
    return pixels.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
