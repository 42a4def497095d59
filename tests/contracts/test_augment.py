"""What every crop, distortion and mix owes; an entry in a table is tested by being there."""

import cv2
import numpy as np
import pytest

from harness.augment import CROPS, DISTORTIONS, MIXES
from harness.data.cuts import Cut
from harness.flow.codes import decode, encode

BOUND = 20.0
FRAME, SIZE = (72, 96), (56, 56)
SEEDS = range(6)


def rng(seed=0):
    return np.random.default_rng(seed)


def video(height, width, frames=3, seed=1):
    """A scene that turns and comes nearer, and the flow that says so: rgb and codes."""
    scene = cv2.GaussianBlur(rng(seed).normal(size=(height, width, 3)), (0, 0), 3)
    scene = cv2.normalize(scene, None, 40, 215, cv2.NORM_MINMAX).astype(np.uint8)
    step = cv2.getRotationMatrix2D((width / 2 - 8, height / 2 + 5), 3, 1.04)  # (x, y) of t -> t + 1
    step[0, 2] += 1.5
    rgb = [scene]
    for _ in range(frames - 1):
        rgb.append(cv2.warpAffine(rgb[-1], step, (width, height), borderMode=cv2.BORDER_REFLECT))
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    field = np.stack([x, y, np.ones_like(x)], axis=-1) @ step.T - np.stack([x, y], axis=-1)
    flow = np.stack([field] * (frames - 1)).astype(np.float32)
    return np.stack(rgb), encode(flow, BOUND)


def unexplained(rgb, codes):
    """How far frames are from being moved by their flow: the error left over, of what there was."""
    height, width = rgb.shape[1:3]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    flow = decode(codes, BOUND)
    seen = [
        cv2.remap(frame, x + f[..., 0], y + f[..., 1], cv2.INTER_LINEAR)
        for frame, f in zip(rgb[1:], flow, strict=True)
    ]
    inside = np.s_[:, 8:-8, 8:-8]
    left = np.abs(np.stack(seen).astype(float) - rgb[:-1])[inside].mean()
    return left / np.abs(rgb[1:].astype(float) - rgb[:-1])[inside].mean()


def cut_of(crop="random", distort="none", mirrored=False, seed=0, frame=FRAME, size=SIZE):
    draws = rng(seed)
    box = CROPS[crop]()(frame, size, draws)
    distortion = DISTORTIONS[distort]()(draws)
    windows = np.zeros((1, 3), np.int64)
    return Cut(windows=windows, box=box, size=size, mirrored=mirrored, distortion=distortion)


def sample(cut, rgb, codes):
    """What a cut makes of a whole video."""
    inside = np.s_[:, cut.box.top : cut.box.bottom, cut.box.left : cut.box.right]
    return cut.frames(rgb[inside]), cut.fields(codes[inside])


def batch(samples=6):
    draws = rng(3)
    return {
        "rgb": draws.integers(256, size=(samples, 2, 3, 9, 12, 3), dtype=np.uint8),
        "flow": draws.integers(1, 256, size=(samples, 2, 4, 9, 12, 2), dtype=np.uint8),
        "label": draws.integers(4, size=samples),
        "video": np.arange(samples),
    }


@pytest.mark.parametrize("frame", [(72, 96), (96, 60), (56, 56)], ids=str)
@pytest.mark.parametrize("name", CROPS)
def test_a_box_lies_in_the_frame_and_depends_on_the_draw_alone(name, frame):
    crop = CROPS[name]()
    for seed in range(100):
        box = crop(frame, SIZE, rng(seed))
        assert 0 <= box.top < box.bottom <= frame[0]
        assert 0 <= box.left < box.right <= frame[1]
        assert {type(v) for v in (box.top, box.left, box.height, box.width)} == {int}
        assert crop(frame, SIZE, rng(seed)) == box == CROPS[name]()(frame, SIZE, rng(seed))


@pytest.mark.parametrize("distort", DISTORTIONS)
@pytest.mark.parametrize("crop", CROPS)
def test_a_sample_has_its_size_and_type_and_leaves_the_video_alone(crop, distort):
    rgb, codes = video(*FRAME)
    before = rgb.copy(), codes.copy()
    for seed in SEEDS:
        frames, fields = sample(cut_of(crop, distort, bool(seed % 2), seed), rgb, codes)
        again = sample(cut_of(crop, distort, bool(seed % 2), seed), rgb, codes)
        assert frames.shape == (3, *SIZE, 3)
        assert fields.shape == (2, *SIZE, 2)
        assert frames.dtype == fields.dtype == np.uint8
        assert fields.min() >= 1
        np.testing.assert_array_equal(frames, again[0])
        np.testing.assert_array_equal(fields, again[1])
    np.testing.assert_array_equal(rgb, before[0])
    np.testing.assert_array_equal(codes, before[1])


@pytest.mark.parametrize("mirrored", [False, True], ids=["filmed", "mirrored"])
@pytest.mark.parametrize("distort", DISTORTIONS)
@pytest.mark.parametrize("crop", CROPS)
def test_the_flow_of_a_sample_explains_its_frames(crop, distort, mirrored):
    rgb, codes = video(*FRAME)
    assert unexplained(rgb, codes) < 0.25
    for seed in SEEDS:
        seen = sample(cut_of(crop, distort, mirrored, seed), rgb, codes)
        assert unexplained(*seen) < 0.35, seed


@pytest.mark.parametrize("name", DISTORTIONS)
def test_a_distortion_treats_all_frames_alike(name):
    """A still picture stays one: nothing flickers."""
    still = np.repeat(video(*SIZE)[0][:1], 4, axis=0)
    for seed in range(20):
        frames = DISTORTIONS[name]()(rng(seed)).frames(still)
        assert (frames == frames[:1]).all()


@pytest.mark.parametrize("name", sorted({*DISTORTIONS} - {"none"}))
def test_distortions_differ_from_draw_to_draw(name):
    rgb, _ = video(*SIZE)
    drawn = {DISTORTIONS[name]()(rng(seed)).frames(rgb).tobytes() for seed in range(10)}
    assert len(drawn) > 5


@pytest.mark.parametrize("name", MIXES)
@pytest.mark.parametrize("streams", [("rgb", "flow"), ("rgb",), ("flow",)], ids="+".join)
def test_a_mix_keeps_shapes_and_types_and_the_batch_it_was_given(name, streams):
    given = {k: v for k, v in batch().items() if k in (*streams, "label", "video")}
    before = {key: array.copy() for key, array in given.items()}
    mixed = MIXES[name]()(given, rng(5))
    again = MIXES[name]()(given, rng(5))
    for key, array in before.items():
        np.testing.assert_array_equal(given[key], array)
        assert (mixed[key].shape, mixed[key].dtype) == (array.shape, array.dtype)
    for key, array in mixed.items():
        np.testing.assert_array_equal(array, again[key])
    if "share" in mixed:
        assert (mixed["share"].shape, mixed["share"].dtype) == ((6,), np.float32)
        assert (mixed["label_other"].shape, mixed["label_other"].dtype) == ((6,), np.int64)


@pytest.mark.parametrize("name", MIXES)
def test_a_mix_conserves_the_mass_of_every_label(name):
    given = batch(64)
    for seed in SEEDS:
        mixed = MIXES[name]()(given, rng(seed))
        share = mixed.get("share", np.ones(64, np.float32)).astype(float)
        assert ((share >= 0) & (share <= 1)).all()
        mass = np.bincount(mixed["label"], share, minlength=4)
        mass += np.bincount(mixed.get("label_other", mixed["label"]), 1 - share, minlength=4)
        np.testing.assert_allclose(mass, np.bincount(given["label"], minlength=4), rtol=1e-6)


@pytest.mark.parametrize("name", MIXES)
def test_a_mix_of_a_single_sample_is_the_sample(name):
    given = batch(1)
    mixed = MIXES[name]()(given, rng(2))
    np.testing.assert_array_equal(mixed["rgb"], given["rgb"])
    np.testing.assert_array_equal(mixed["flow"], given["flow"])
