"""A benchmarking harness for Two-Stream Convolutional Networks on video.

Words used once for axes, in every annotation: batch, segments, frames, channels, height,
width, classes. "spatial" and "temporal" name the streams; "rgb" and "flow" name the data.
A video tensor is (batch, channels, frames, height, width); x is horizontal, y vertical.
"""

from importlib import import_module
from typing import Any

VERBS = ("run", "sweep", "ablate", "board", "records")


def __getattr__(name: str) -> Any:
    """`harness.run` and the other verbs, without importing anything before they are used."""
    if name in VERBS:
        return getattr(import_module("harness.api"), name)
    raise AttributeError(f"module 'harness' has no attribute {name!r}")
