"""How `Batches` stacks flow: in both directions of time, and along paths that leave the crop."""

import numpy as np
from cached_clips import KEY, batches, clip, epoch_of

from harness.data.cache import Builder, Cache
from harness.data.sampling import ClipSpec
from harness.data.views import Views
from harness.flow.codes import ZERO


def stacked_cache(folder, flow, backward):
    """A cache of one video whose fields are given, in steps of one pixel."""
    kinds = ("rgb", "flow", "backward")
    builder = Builder(folder, KEY, kinds=kinds)
    frames, height, width = len(flow) + 1, *flow.shape[1:3]
    arrays = {"rgb": np.zeros((frames, height, width, 3), np.uint8), "flow": flow}
    entry = {"frames": frames, "height": height, "width": width}
    builder.append("a", entry, arrays | {"backward": backward})
    builder.finish({"flow": {"bound": 127.0, "backward": True}}, {"a": ""})
    return Cache.open(folder, KEY)


def test_a_bidirectional_stack_leads_away_from_the_middle_frame(tmp_path):
    """Field t of either kind is told by its value: 10 + t forward, 100 + t backward."""
    fields = np.broadcast_to(np.arange(9, dtype=np.uint8)[:, None, None, None], (9, 6, 6, 2))
    cache = stacked_cache(tmp_path, fields + np.uint8(10), fields + np.uint8(100))
    spec = ClipSpec(frames=4, crop=4)
    usual = {"rgb_frames": 1, "mirrored": None}
    made = batches(
        cache, [clip("a")], spec, **usual, training=False, views=Views(), stacking="bidirectional"
    )
    middle = made._test_cut(0)[1].windows[0, 2]  # the frame that both halves lead away from
    flow = epoch_of(made)["flow"][0, 0, :, 0, 0, 0].tolist()
    assert flow == [10 + middle, 11 + middle, 99 + middle, 98 + middle]


def test_a_path_is_followed_out_of_the_crop(tmp_path):
    """Everything moves 2 pixels right; what moves 3 more lies right of a crop of the left half."""
    step, fast = ZERO + 2, ZERO + 5
    flow = np.full((3, 8, 16, 2), ZERO, np.uint8)
    flow[..., 0] = step
    flow[1:, :, 8:, 0] = fast
    cache = stacked_cache(tmp_path, flow, flow)
    made = batches(cache, [clip("a")], ClipSpec(frames=3, crop=8), rgb_frames=1, mirrored=None,
                   training=False, stacking="trajectory", views=Views())  # fmt: skip
    cut = made._test_cut(0)[1]
    assert (cut.box.left, cut.box.right) == (4, 12)
    row = epoch_of(made)["flow"][0, 0, :, 4, :, 0].tolist()
    assert row[0] == [step] * 8
    assert row[1] == [step] * 2 + [fast] * 6  # x = 4 + 2 is left of 8 as yet, x = 6 + 2 is there
    assert row[2] == [fast] * 8  # x = 4 + 2 + 2 has come into what moves fast
