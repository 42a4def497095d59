"""Decoded frames -> upright RGB arrays of the wanted size, by one filter for every decoder.

swscale, bilinear, as decord has it built in: a plain `reformat` would place the chroma samples
elsewhere and differ by up to 29 levels.
"""

from fractions import Fraction

import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame
from jaxtyping import UInt8


class Resize:
    """To a short side of `short` pixels, the long side to the nearest pixel; None keeps the size.

    Frames of one clip share a filter, which takes frames of the size of its first.
    """

    def __init__(self, short: int | None) -> None:
        self.short = short
        self.graph: Graph | None = None

    def __call__(self, frame: VideoFrame) -> UInt8[np.ndarray, "height width 3"]:
        if self.graph is None:
            self.graph = _filter(frame, *resized(frame.width, frame.height, self.short))
        self.graph.vpush(frame)
        return np.rot90(self.graph.vpull().to_ndarray(), turns(frame))


def turns(frame: VideoFrame) -> int:
    """Quarters to the left that set a frame upright; other angles count as the nearest quarter."""
    return round(frame.rotation / 90)


def upright(frame: VideoFrame) -> tuple[int, int]:
    """Width and height of a frame as it is to be seen."""
    size = frame.width, frame.height
    return size[::-1] if turns(frame) % 2 else size


def resized(width: int, height: int, short: int | None) -> tuple[int, int]:
    """Width and height after resizing.

    >>> resized(320, 240, 128)
    (171, 128)
    """
    scale = short / min(width, height) if short else 1
    return max(1, round(width * scale)), max(1, round(height * scale))


def _filter(frame: VideoFrame, width: int, height: int) -> Graph:
    graph = Graph()
    graph.link_nodes(
        graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000)
        ),
        graph.add("scale", f"{width}:{height}:flags=bilinear"),
        graph.add("format", "pix_fmts=rgb24"),
        graph.add("buffersink"),
    )
    graph.configure()
    return graph
