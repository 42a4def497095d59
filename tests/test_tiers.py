"""The two ways in which a cache keeps its arrays: both give back what they were given."""

import tracemalloc

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.augment.box import Box
from harness.data import cache as layout
from harness.data.cache import Builder, Cache, kinds, verify_cache
from harness.data.tiers import CHANNELS, TIERS
from harness.errors import UserError

KEY = "0123456789abcdef" * 4
SETTINGS = {"flow": {"bound": 20.0, "backward": True}}
SHAPES = [(6, 24, 33), (2, 17, 40), (9, 30, 21)]


def scene(seed, shape):
    """Arrays as videos have them: smooth, in motion, most of the flow zero."""
    frames, height, width = shape
    rng = np.random.default_rng(seed)
    noise = rng.integers(256, size=(frames, height, width, 3)).astype(np.uint8)
    rgb = np.stack([cv2.GaussianBlur(frame, (0, 0), 2) for frame in noise])
    flow = np.full((frames - 1, height, width, 2), 128, np.uint8)
    flow[:, 8:16, 8:16] = 140, 100
    return {"rgb": rgb, "flow": flow, "backward": 255 - flow + 1}


def build(folder, tier, shapes=SHAPES):
    builder = Builder(folder, KEY, tier=tier, kinds=kinds(SETTINGS))
    for number, shape in enumerate(shapes):
        entry = dict(zip(("frames", "height", "width"), shape, strict=True))
        builder.append(f"clip {number}", entry, scene(number, shape))
    builder.finish(SETTINGS, dict.fromkeys(builder.done, "sha"))
    return Cache.open(folder, KEY)


@pytest.fixture(scope="module")
def caches(tmp_path_factory):
    return {tier: build(tmp_path_factory.mktemp(tier), tier) for tier in TIERS}


def test_settings_say_which_arrays_there_are():
    assert kinds(SETTINGS) == ("rgb", "flow", "backward")
    assert kinds({"flow": {"backward": False}}) == kinds({"flow": {}}) == ("rgb", "flow")


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("kind", CHANNELS)
def test_what_is_written_is_read(caches, tier, kind):
    for number, shape in enumerate(SHAPES):
        whole, expected = caches[tier].whole(kind, f"clip {number}"), scene(number, shape)[kind]
        assert whole.shape == expected.shape
        assert whole.dtype == np.uint8
        difference = np.abs(whole.astype(int) - expected)
        if tier == "raw":
            assert difference.max() == 0
        elif kind == "rgb":
            assert difference.mean() < 4
        else:
            assert difference.mean() < 0.6


def test_jpeg_keeps_stillness_still(caches):
    """Far from what moves exactly so, and beside it by no more than a code."""
    for number, shape in enumerate(SHAPES):
        still = scene(number, shape)["flow"] == 128
        codes = caches["jpeg"].flow(f"clip {number}").astype(int)
        assert np.abs(codes - 128)[still].mean() < 0.3
        np.testing.assert_array_equal(codes[:, :, 24 if shape[2] > 24 else 21 :, :], 128)


@given(data=st.data())
@pytest.mark.parametrize("tier", TIERS)
def test_a_cut_is_a_copy_of_a_part_of_the_whole(caches, tier, data):
    cache = caches[tier]
    number = data.draw(st.integers(0, len(SHAPES) - 1))
    kind = data.draw(st.sampled_from(list(CHANNELS)))
    frames, height, width = SHAPES[number]
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    box = Box(
        top=top,
        left=left,
        height=data.draw(st.integers(1, height - top)),
        width=data.draw(st.integers(1, width - left)),
    )
    positions = np.array(
        data.draw(
            st.lists(st.lists(st.integers(0, frames - 2), min_size=3, max_size=3), min_size=1)
        )
    )
    cut = cache.cut(kind, f"clip {number}", positions, box)
    whole = cache.whole(kind, f"clip {number}")
    expected = whole[positions, box.top : box.bottom, box.left : box.right]
    np.testing.assert_array_equal(cut, expected)
    cut[:] = 0  # writable, and of no one else
    np.testing.assert_array_equal(cache.whole(kind, f"clip {number}"), whole)


def test_jpeg_decodes_only_the_frames_that_are_asked_for(caches, monkeypatch):
    decoded = []
    decode = cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda *a: (decoded.append(a), decode(*a))[1])
    box = Box(top=0, left=0, height=4, width=4)
    caches["jpeg"].cut("rgb", "clip 2", np.array([[3, 5, 5], [3, 3, 3]]), box)
    assert len(decoded) == 2


def test_jpeg_files_are_images_end_to_end_and_where_they_begin(tmp_path):
    cache = build(tmp_path, "jpeg")
    home = layout.home(tmp_path, KEY)
    content, offsets = (home / "rgb.jpegs").read_bytes(), np.load(home / "rgb.offsets.npy")
    assert offsets.dtype == np.int64
    assert len(offsets) == sum(frames for frames, _, _ in SHAPES) + 1
    assert offsets[-1] == len(content)
    image = cv2.imdecode(np.frombuffer(content[offsets[7] : offsets[8]], np.uint8), 1)
    np.testing.assert_array_equal(image[..., ::-1], cache.rgb("clip 1")[1])
    assert sorted(path.name for path in home.iterdir()) == sorted(
        [f"{kind}.{end}" for kind in CHANNELS for end in ("jpegs", "offsets.npy")] + ["index.json"]
    )


def test_a_builder_keeps_eight_bytes_for_an_image(tmp_path):
    images = 50_000
    builder = Builder(tmp_path, KEY, tier="jpeg")
    pieces = [bytes(300)] * images
    tracemalloc.start()
    try:
        builder.write("clip", {"frames": images}, {"rgb": pieces, "flow": []})
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 12 * images


def test_opening_does_not_read_where_images_begin(tmp_path):
    """Kinetics has hundreds of millions of them."""
    images = 2_000_000
    (tmp_path / "rgb.jpegs").write_bytes(b"x")
    np.save(tmp_path / "rgb.offsets.npy", np.zeros(images + 1, np.int64))
    tracemalloc.start()
    try:
        TIERS["jpeg"](tmp_path / "rgb.jpegs", 3)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < images


def test_natural_video_takes_what_the_arithmetic_allows(real_clips):
    from harness.data.decode import decode
    from harness.flow.fields import FlowRecipe, fields

    path = sorted(real_clips.glob("ucf101_samples/*/*"))[0]
    frames = decode(path, 128).frames[:20]
    arrays = {"rgb": frames, **fields(frames, FlowRecipe(name="dis"))}
    held = sum(len(piece) for array in arrays.values() for piece in TIERS["jpeg"].pack(array))
    raw = sum(array.nbytes for array in arrays.values())
    estimate = TIERS["jpeg"].share * raw + TIERS["jpeg"].each * 2 * len(frames)
    assert estimate / 3 < held < estimate


def test_a_damaged_image_is_told(tmp_path):
    cache = build(tmp_path, "jpeg")
    file = layout.home(tmp_path, KEY) / "rgb.jpegs"
    file.write_bytes(bytes(file.stat().st_size))
    with pytest.raises(UserError, match=r"rgb.jpegs: image 0 is damaged; delete the folder"):
        cache.rgb("clip 0")
    with pytest.raises(UserError, match=r"damaged cache \(rgb.jpegs is not what was written\)"):
        verify_cache(tmp_path, KEY)
