"""Batches of cached clips: what is drawn, on what it depends, and that both inputs agree."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.augment import CROPS, DISTORTIONS, MIXES
from harness.augment.augmentation import Augmentation
from harness.data.batches import Batches
from harness.data.cache import Builder, Cache
from harness.data.clip import Clip
from harness.data.sampling import ClipSpec
from harness.data.views import Views
from harness.errors import UserError
from harness.flow import FLOWS
from harness.flow.codes import ZERO, decode, encode

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


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return telling_cache(tmp_path_factory.mktemp("cache"))


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


@pytest.mark.parametrize("rgb_frames", [0, 1, 4])
@pytest.mark.parametrize("flow", [True, False])
def test_shapes_and_types(cache, rgb_frames, flow):
    made = epoch_of(batches(cache, rgb_frames=rgb_frames, flow=flow))
    shapes = {"label": (7,), "video": (7,), "mirrored": (7,)}
    if rgb_frames:
        shapes["rgb"] = (7, 2, rgb_frames, 8, 8, 3)
    if flow:
        shapes["flow"] = (7, 2, 4, 8, 8, 2)
    assert {name: array.shape for name, array in made.items()} == shapes
    assert made["label"].dtype == made["video"].dtype == np.int64
    assert all(made[name].dtype == np.uint8 for name in shapes.keys() & {"rgb", "flow"})


def test_every_video_once_an_epoch_with_its_label(cache):
    made = batches(cache)
    epoch = epoch_of(made)
    assert sorted(epoch["video"]) == list(range(7))
    for video, label, rgb in zip(epoch["video"], epoch["label"], epoch["rgb"], strict=True):
        assert made.ids[video] == f"v{video}"
        assert label == video % 3
        assert (rgb[..., 2] // 20 == video).all()


def test_the_same_seed_and_epoch_give_the_same_bits(cache):
    once = epoch_of(batches(cache), 3)
    assert_equal(once, epoch_of(batches(cache), 3))
    twice = batches(cache)
    epoch_of(twice, 2)
    assert_equal(once, epoch_of(twice, 3))


def test_epochs_and_seeds_differ_in_order_and_in_draws(cache):
    first = epoch_of(batches(cache), 0)
    for other in (epoch_of(batches(cache), 1), epoch_of(batches(cache, seed=2), 0)):
        assert (first["video"] != other["video"]).any()
        assert (by_video(first)["rgb"] != by_video(other)["rgb"]).any()


def test_clips_of_an_epoch_are_drawn_independently(cache):
    rows = epoch_of(batches(cache))["rgb"][:, 0, 0, 0, 0, 1] % 100
    assert len(set(rows.tolist())) > 1


@given(batch_size=st.integers(1, 9))
def test_a_clip_is_drawn_alike_whatever_the_batch_size(cache, batch_size):
    assert_equal(epoch_of(batches(cache)), epoch_of(batches(cache, batch_size=batch_size)))


def test_a_clip_is_drawn_alike_whatever_is_taken_of_it(cache):
    both = epoch_of(batches(cache))
    np.testing.assert_array_equal(epoch_of(batches(cache, rgb_frames=0))["flow"], both["flow"])
    np.testing.assert_array_equal(epoch_of(batches(cache, flow=False))["rgb"], both["rgb"])
    one = epoch_of(batches(cache, rgb_frames=1))["rgb"]
    np.testing.assert_array_equal(one, both["rgb"][:, :, 2:3])


@given(videos=st.integers(0, 7), batch_size=st.integers(1, 9), training=st.booleans())
def test_batches_are_full_but_the_last_and_never_one_sample(cache, videos, batch_size, training):
    made = batches(cache, CLIPS[:videos], batch_size=batch_size, training=training)
    lengths = [len(batch["label"]) for batch in made]
    assert len(made) == len(lengths)
    assert sum(lengths) == videos
    assert all(length == batch_size for length in lengths[:-1])
    if training and batch_size > 1 and videos > 1:
        assert 2 <= lengths[-1] <= batch_size + 1
    elif videos:
        assert 1 <= lengths[-1] <= batch_size + training


def test_crops_are_one_place_of_the_video_for_frames_and_flow(cache):
    epochs = [epoch_of(batches(cache), epoch) for epoch in range(30)]
    corners = set()
    for epoch in epochs:
        for rgb, flow in zip(epoch["rgb"], epoch["flow"], strict=True):
            rows, columns = rgb[..., 1].astype(int) % 100, rgb[..., 2].astype(int) % 20
            x = flow[..., 0].astype(int) - 1
            mirrored = columns[0, 0, 0, 0] > columns[0, 0, 0, -1]
            if mirrored:  # negated: 256 - (column + 1) - 1
                x = 254 - x
            np.testing.assert_array_equal(columns, x)
            np.testing.assert_array_equal((flow[..., 1] - rgb[..., 0]) // 10, rows)
            assert (rgb[..., 0] == rgb[:, :, :1, :1, 0]).all()  # one frame at a time, whole
            corners.add((rows.min(), columns.min(), bool(mirrored)))
    assert {row for row, _, _ in corners} == {0, 1, 2}
    assert {column for _, column, _ in corners} >= {0, 1, 2, 3, 4}
    assert {mirrored for _, _, mirrored in corners} == {True, False}


def test_positions_are_windows_in_order(cache):
    for epoch in range(5):
        times = epoch_of(batches(cache), epoch)["rgb"][..., 0, 0, 0].astype(int)
        assert (np.diff(times, axis=-1) == 1).all()
        assert (times[:, 0, 0] <= times[:, 1, 0]).all()


def test_nothing_is_mirrored_unless_asked(cache):
    spec = ClipSpec(frames=4, crop=8)
    for epoch in range(5):
        columns = epoch_of(batches(cache, spec=spec), epoch)["rgb"][..., 2].astype(int)
        assert (np.diff(columns, axis=-1) == 1).all()


def test_mirroring_where_labels_have_no_mirror_image_is_a_programming_error(cache):
    with pytest.raises(ValueError, match="no mirror image"):
        batches(cache, mirrored=None)
    with pytest.raises(ValueError, match="no mirror image"):
        batches(cache, training=False, mirrored=None, views=Views(mirror=True))
    assert epoch_of(batches(cache, mirrored=None, spec=ClipSpec(frames=4, crop=8)))


STRONG = Augmentation(
    crop=CROPS["random_resized"](), distort=DISTORTIONS["rand_augment"](), mix=MIXES["mixup"]()
)


def test_augmented_samples_depend_on_seed_epoch_and_video_alone(cache):
    strong = replace(STRONG, mix=MIXES["none"]())
    made = [epoch_of(batches(cache, batch_size=n, augmentation=strong), 2) for n in (1, 3, 7)]
    assert_equal(made[0], made[1])
    assert_equal(made[0], made[2])
    flow = epoch_of(batches(cache, rgb_frames=0, augmentation=strong), 2)["flow"]
    np.testing.assert_array_equal(flow, made[0]["flow"])
    assert made[0]["rgb"].shape == (7, 2, 4, 8, 8, 3)
    assert (made[0]["rgb"] != epoch_of(batches(cache), 2)["rgb"]).any()


def test_mixing_depends_on_seed_epoch_and_the_number_of_the_batch(cache):
    def shares(seed=1, epoch=0, take=slice(None), **changes):
        made = batches(cache, seed=seed, augmentation=STRONG, batch_size=2, **changes)
        made.set_epoch(epoch)
        return [float(batch["share"][0]) for batch in made][take]

    assert len(set(shares())) == 3
    assert shares() == shares() == shares(rgb_frames=0)
    assert not set(shares()) & set(shares(epoch=1))
    assert not set(shares()) & set(shares(seed=2))


def test_no_two_draws_of_an_epoch_share_a_stream(cache, monkeypatch):
    seeds, default_rng = [], np.random.default_rng
    monkeypatch.setattr(
        np.random, "default_rng", lambda seed: seeds.append(seed) or default_rng(seed)
    )
    made = batches(cache, augmentation=STRONG, batch_size=2)
    epoch_of(made, 4)
    assert len(seeds) == len(set(seeds)) == 7 + 1 + len(made)
    assert {seed[:2] for seed in seeds} == {(1, 4)}


def test_testing_is_never_augmented(cache):
    plain = epoch_of(batches(cache, training=False))
    assert_equal(plain, epoch_of(batches(cache, training=False, augmentation=STRONG)))


def test_clips_that_are_not_cached_are_left_out_and_counted(cache):
    made = batches(cache, [CLIPS[4], clip("x"), CLIPS[2]])
    assert made.ids == ["v4", "v2"]
    assert made.missing == 1
    epoch = by_video(epoch_of(made))
    assert epoch["label"].tolist() == [1, 2]
    assert (epoch["rgb"][0, ..., 2] // 20 == 4).all()


def test_a_mirrored_sample_is_the_flow_of_mirrored_frames(tmp_path):
    """The flow method itself is the reference: it is run on the frames in a mirror."""
    noise = np.random.default_rng(0).normal(size=(60, 80)).astype(np.float32)
    scene = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    grey = [scene[8:48, 4 + 3 * t : 52 + 3 * t].astype(np.uint8) for t in range(4)]
    method = FLOWS["dis"]()
    rgb = np.repeat(np.stack(grey)[..., None], 3, axis=-1)
    flow = np.stack([encode(method(*pair), 20.0) for pair in pairwise(rgb)])
    cache = cache_of(tmp_path, {"a": (rgb, flow)})
    made = batches(
        cache,
        [clip("a")],
        ClipSpec(frames=3),
        training=False,
        mirrored=[0],
        views=Views(mirror=True),
        batch_size=2,
    )
    plain, mirrored = epoch_of(made)["flow"][:, 0].astype(int)
    seen = np.ascontiguousarray(rgb[:, :, ::-1])
    recomputed = np.stack([encode(method(*pair), 20.0) for pair in pairwise(seen)])
    inside = np.s_[:, 10:-10, 10:-10]
    assert np.median(plain[..., 0]) < ZERO - 10  # it moves
    assert np.abs(mirrored - recomputed)[inside].mean() < 1
    assert np.median(decode(recomputed, 20.0)[..., 0]) == pytest.approx(3, abs=0.2)


def test_no_crop_takes_the_whole_frame(tmp_path):
    cache = cache_of(tmp_path, {f"v{number}": telling(number) for number in range(3)})
    made = epoch_of(batches(cache, CLIPS[:3], ClipSpec(frames=4)))
    assert made["rgb"].shape == (3, 1, 4, 10, 12, 3)


def test_no_crop_of_videos_that_differ_in_size_is_refused(cache):
    with pytest.raises(UserError, match=r"set it to 10 or less \(v0 is 10 x 12\)"):
        batches(cache, spec=ClipSpec(frames=4))


def test_a_crop_that_does_not_fit_is_refused_with_the_clip(cache):
    assert batches(cache, spec=ClipSpec(frames=4, crop=10)).size == (10, 10)
    with pytest.raises(UserError, match=r"data.clip.crop: 11, but v0 is 10 x 12 pixels"):
        batches(cache, spec=ClipSpec(frames=4, crop=11))


def test_some_other_number_of_frames_is_a_programming_error(cache):
    with pytest.raises(ValueError, match="rgb_frames: 3, not 0, 1 or 4"):
        batches(cache, rgb_frames=3)
