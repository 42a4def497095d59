"""Optical flow methods: two frames -> the displacement of every pixel.

Contract. An entry is a callable `f(*, options)` that returns a function
`(previous, following) -> flow`: two (height, width, 3) uint8 RGB frames to (height, width, 2)
float32 in pixels, x before y, such that `previous[y, x]` moves to
`following[y + flow_y, x + flow_x]`. One such function is used by one thread at a time.

Flow that was computed elsewhere is an entry, too: a class whose instances have two methods,
- `homes(clips) -> {id: folder}`: where the flow of each clip is, given {id: the clip's own path};
- `read(folder, count, height, width) -> fields`: an iterator over `count` such fields, in pixels
  of frames of height x width; UserError with the reason, one line, where the flow is unusable.

Two options name files and are paths relative to a data root: `weights` and `folder`. Where they
are on this machine is looked up before a method is built (`harness.source.recipe_of`), and what is
hashed is their content.
"""

from harness.registry import Registry

FLOWS = Registry(
    "flow",
    dis="harness.flow.dis:dis",
    farneback="harness.flow.farneback:farneback",
    images="harness.flow.images:Images",
    raft="harness.flow.raft:raft",
    tvl1="harness.flow.tvl1:tvl1",
)
