"""Which frames of a video are looked at: index arithmetic, without any pixels.

Positions are those that have both a frame and a flow field, 0 .. frames-2, so that one index serves
both. A window is `frames` positions; a sample has `segments` of them, placed by one of

- segments: windows `stride` apart inside; their possible starts are cut into `segments` equal
  shares, one start in each (Wang et al., "Temporal Segment Networks", ECCV 2016, arXiv 1608.00859,
  section 3.1). One segment with a stride is the strided clip of 3-D networks;
- uniform: all segments x frames positions one by one, each in an equal share of the whole video;
- dense: the starts lie evenly within one stretch of `sample_range` positions (Lin et al., "TSM",
  ICCV 2019, arXiv 1811.08383, and DenseSampleFrames of MMAction2). They wrap around where the
  video is shorter; here the stretch is then as long as the video allows.

In training each start is uniform in its share; in testing, `views` starts divide each share evenly.
In a video shorter than the window, the last position is repeated.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int64

from harness.errors import UserError

SAMPLE_RANGE = 64  # positions: two seconds of video, as in TSM


@dataclass(kw_only=True)
class ClipSpec:
    """What one sample is: `data.clip` of an experiment.

    `segments` windows of `frames` positions, `stride` apart, placed by `sampling`; a square `crop`
    of so many pixels (None: the whole frame), mirrored at random in training if `flip`.
    """

    segments: int = 1
    frames: int = 10
    stride: int = 1
    sampling: Literal["segments", "uniform", "dense"] = "segments"
    sample_range: int = SAMPLE_RANGE
    crop: int | None = None
    flip: bool = False

    def __post_init__(self) -> None:
        for name in ("segments", "frames", "stride", "sample_range", "crop"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"data.clip.{name}: {value} is not a positive number")
        if self.sampling == "uniform" and self.stride != 1:
            raise UserError(
                f"data.clip.stride: {self.stride}, but uniform sampling spreads frames over the "
                "whole video; set it to 1"
            )
        if self.sampling != "dense" and self.sample_range != SAMPLE_RANGE:
            raise UserError(
                f"data.clip.sample_range: {self.sample_range} is for dense sampling, "
                f"not {self.sampling}"
            )

    @property
    def span(self) -> int:
        """Positions from the first of a window to its last, both included."""
        return (self.frames - 1) * self.stride + 1


@dataclass(frozen=True)
class Placing:
    """Independent starts, each in [first, after), and what is looked at from there.

    `first` and `after` have as many axes as `offsets` and broadcast with it to (segments, frames).
    """

    first: Int64[np.ndarray, "starts steps"]
    after: Int64[np.ndarray, "starts steps"]
    offsets: Int64[np.ndarray, "starts steps"]


def random_windows(
    frames: int, spec: ClipSpec, rng: np.random.Generator
) -> Int64[np.ndarray, "segments frames"]:
    """One random window a segment."""
    placing = PLACINGS[spec.sampling](frames, spec)
    starts = rng.integers(placing.first, placing.after)
    return np.minimum(starts + placing.offsets, frames - 2)


def even_windows(
    frames: int, spec: ClipSpec, views: int = 1
) -> Int64[np.ndarray, "views segments frames"]:
    """The windows of each of `views` evenly spaced views; a single one is in the middle.

    >>> even_windows(12, ClipSpec(segments=3, frames=3), views=1).tolist()
    [[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]
    """
    placing = PLACINGS[spec.sampling](frames, spec)
    view = np.arange(views, dtype=np.int64)[:, None, None]
    starts = placing.first + (2 * view + 1) * (placing.after - placing.first) // (2 * views)
    return np.minimum(starts + placing.offsets, frames - 2)


def _segments(frames: int, spec: ClipSpec) -> Placing:
    first, after = shares(_starts(frames, spec), spec.segments)[..., None]
    return Placing(first, after, _steps(spec))


def _uniform(frames: int, spec: ClipSpec) -> Placing:
    grid = 2, spec.segments, spec.frames
    first, after = shares(max(1, frames - 1), spec.segments * spec.frames).reshape(grid)
    return Placing(first, after, np.zeros((1, 1), np.int64))


def _dense(frames: int, spec: ClipSpec) -> Placing:
    starts = _starts(frames, spec)
    stretch = min(spec.sample_range, starts)
    first, after = shares(starts - stretch + 1, 1)[..., None]
    intervals = np.arange(spec.segments, dtype=np.int64)[:, None] * stretch // spec.segments
    return Placing(first, after, intervals + _steps(spec))


PLACINGS = {"segments": _segments, "uniform": _uniform, "dense": _dense}


def shares(positions: int, count: int) -> Int64[np.ndarray, "2 count"]:
    """The first position of each of `count` equal shares, and the one after its last.

    Where there are fewer positions than shares, neighbours share one.

    >>> shares(9, 3).tolist()
    [[0, 3, 6], [3, 6, 9]]
    """
    edges = np.arange(count + 1, dtype=np.int64) * positions // count
    return np.stack([edges[:-1], np.maximum(edges[1:], edges[:-1] + 1)])


def _starts(frames: int, spec: ClipSpec) -> int:
    return max(1, frames - spec.span)


def _steps(spec: ClipSpec) -> Int64[np.ndarray, "1 frames"]:
    return np.arange(spec.frames, dtype=np.int64)[None] * spec.stride


def middles(windows: Int64[np.ndarray, "*segments frames"]) -> Int64[np.ndarray, "*segments 1"]:
    """The position that stands for a window where a single frame is wanted."""
    middle = windows.shape[-1] // 2
    return windows[..., middle : middle + 1]
