"""Cached clips whose every pixel tells where it is from, and batches of them."""

from pathlib import Path

import numpy as np

from harness.data.batches import Batches
from harness.data.cache import Builder, Cache
from harness.data.clip import Clip
from harness.data.sampling import ClipSpec

KEY = "k" * 64


def cache_of(folder, videos):
    """A cache of {id: (rgb, flow) or the reason why there is neither}."""
    builder = Builder(folder, KEY)
    for id, video in videos.items():
        if isinstance(video, str):
            builder.append(id, {"reason": video}, {})
            continue
        rgb, flow = video
        entry = dict(zip(("frames", "height", "width"), rgb.shape[:3], strict=True))
        builder.append(id, entry, {"rgb": rgb, "flow": flow})
    builder.finish({"flow": {"bound": 20.0}}, dict.fromkeys(videos, ""))
    return Cache.open(folder, KEY)


def telling(number, frames=20, height=10, width=12):
    """A video whose every pixel tells the video, the frame, the row and the column."""
    rgb = np.empty((frames, height, width, 3), np.uint8)
    rgb[..., 0] = np.arange(frames)[:, None, None]
    rgb[..., 1] = np.arange(height)[:, None] + 100 * (number % 2)
    rgb[..., 2] = np.arange(width) + 20 * number
    flow = np.empty((frames - 1, height, width, 2), np.uint8)
    flow[..., 0] = np.arange(width) + 1
    flow[..., 1] = 20 * np.arange(height)[:, None] // 2 + np.arange(frames - 1)[:, None, None]
    return rgb, flow


def clip(id, label=0):
    return Clip(id=id, path=Path(id), label=label, group="", subset="train")


def telling_cache(folder):
    """Seven videos of different lengths and sizes, and one that cannot be read."""
    videos = {
        f"v{number}": telling(number, frames=8 + 3 * number, width=12 + number % 3)
        for number in range(7)
    }
    return cache_of(folder, videos | {"x": "broken"})


CLIPS = [clip(f"v{number}", label=number % 3) for number in range(7)]
SPEC = ClipSpec(frames=4, segments=2, crop=8, flip=True)


def batches(cache, clips=CLIPS, spec=SPEC, **changes):
    usual = {"rgb_frames": spec.frames, "flow": True, "batch_size": 3, "seed": 1, "training": True}
    return Batches(cache, clips, spec, **usual | {"mirrored": range(3)} | changes)


def epoch_of(iterable, epoch=0):
    """One epoch, as a dictionary of whole arrays."""
    iterable.set_epoch(epoch)
    parts = list(iterable)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def by_video(epoch):
    return {name: array[np.argsort(epoch["video"])] for name, array in epoch.items()}
