"""Optical flow methods: two grey frames -> the displacement of every pixel.

Contract. An entry is a callable `f(*, options)` that returns a function
`(previous, following) -> flow`: two (height, width) uint8 frames to (height, width, 2) float32
in pixels, x before y, such that `previous[y, x]` moves to `following[y + flow_y, x + flow_x]`.
One such function is used by one thread at a time.
"""

from harness.registry import Registry

FLOWS = Registry(
    "flow",
    dis="harness.flow.dis:dis",
    farneback="harness.flow.farneback:farneback",
    tvl1="harness.flow.tvl1:tvl1",
)
