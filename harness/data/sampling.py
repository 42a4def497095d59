"""Which frames of a video are looked at: index arithmetic, without any pixels.

Positions are those that have both a frame and a flow field, 0 .. frames-2, so that one index serves
both. A window is `frames` positions `stride` apart; its possible starts are cut into `segments`
equal shares, with one window in each (Wang et al., "Temporal Segment Networks", ECCV 2016,
arXiv 1608.00859, section 3.1). In training the start is uniform in its share; in testing, `views`
starts divide each share evenly. In a video shorter than the window, the last position is repeated.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from harness.errors import UserError


@dataclass(kw_only=True)
class ClipSpec:
    """What one sample is: `data.clip` of an experiment.

    `segments` windows of `frames` positions, `stride` apart; a square `crop` of so many pixels
    (None: the whole frame), placed and, if `flip`, mirrored at random in training.
    """

    segments: int = 1
    frames: int = 10
    stride: int = 1
    crop: int | None = None
    flip: bool = False

    def __post_init__(self) -> None:
        for name in ("segments", "frames", "stride", "crop"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"data.clip.{name}: {value} is not a positive number")

    @property
    def span(self) -> int:
        """Positions from the first of a window to its last, both included."""
        return (self.frames - 1) * self.stride + 1


def shares(frames: int, spec: ClipSpec) -> Int64[np.ndarray, "segments 2"]:
    """The first start of each segment and the one after its last, for a video of `frames`.

    >>> shares(12, ClipSpec(segments=3, frames=3)).tolist()
    [[0, 3], [3, 6], [6, 9]]
    """
    starts = max(1, frames - spec.span)
    edges = np.arange(spec.segments + 1, dtype=np.int64) * starts // spec.segments
    return np.stack([edges[:-1], np.maximum(edges[1:], edges[:-1] + 1)], axis=-1)


def random_windows(
    frames: int, spec: ClipSpec, rng: np.random.Generator
) -> Int64[np.ndarray, "segments frames"]:
    """One random window a segment."""
    return _windows(frames, spec, rng.integers(*shares(frames, spec).T))


def even_windows(
    frames: int, spec: ClipSpec, views: int = 1
) -> Int64[np.ndarray, "views segments frames"]:
    """The windows of each of `views` evenly spaced views; a single one is in the middle.

    >>> even_windows(12, ClipSpec(segments=3, frames=3), views=1).tolist()
    [[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]
    """
    first, after = shares(frames, spec).T
    view = np.arange(views, dtype=np.int64)[:, None]
    return _windows(frames, spec, first + (2 * view + 1) * (after - first) // (2 * views))


def _windows(
    frames: int, spec: ClipSpec, starts: Int64[np.ndarray, "*segments"]
) -> Int64[np.ndarray, "*segments frames"]:
    return np.minimum(starts[..., None] + np.arange(spec.frames) * spec.stride, frames - 2)


def middles(windows: Int64[np.ndarray, "*segments frames"]) -> Int64[np.ndarray, "*segments 1"]:
    """The position that stands for a window where a single frame is wanted."""
    middle = windows.shape[-1] // 2
    return windows[..., middle : middle + 1]
