"""The flow of a clip: what a recipe takes away, adds, and lets into the hash."""

import cv2
import numpy as np
import pytest

from harness.data.decode import decode as decode_video
from harness.errors import UserError
from harness.flow import FLOWS
from harness.flow import fields as module
from harness.flow.camera import camera_motion
from harness.flow.codes import decode
from harness.flow.fields import FlowRecipe, fields
from harness.flow.known_motion import MARGIN, disc_alone, known_motion, whole_picture

COMPUTED = sorted(set(FLOWS) - {"raft", "images"})


def flow_of(frames, kind="flow", **recipe):
    made = FlowRecipe(**{"name": "dis", **recipe})
    return decode(fields(frames, made)[kind], made.bound)


def fixed(monkeypatch, field, bound=20.0):
    """Every method finds this field."""
    monkeypatch.setattr(module, "FLOWS", {"fixed": lambda: lambda *_: field})
    return FlowRecipe(name="fixed", mean="subtract", bound=bound)


@pytest.mark.parametrize("constant", [(3.7, -0.3), (0.1, 19.99), (0, 0)])
def test_a_constant_is_its_own_mean_exactly(monkeypatch, constant):
    field = np.full((37, 53, 2), constant, np.float32)
    recipe = fixed(monkeypatch, field, bound=1e-6)  # so that any remainder is seen
    codes = fields(np.zeros((4, 37, 53, 3), np.uint8), recipe)["flow"]
    assert codes.shape == (3, 37, 53, 2)
    assert (codes == 128).all()


def test_the_mean_is_each_fields_own_before_the_bound(monkeypatch):
    """A pan beyond the bound leaves what moves against it."""
    field = np.full((10, 10, 2), (30, 0), np.float32)
    field[:5, :, 0] = 34
    codes = fields(np.zeros((2, 10, 10, 3), np.uint8), fixed(monkeypatch, field))["flow"]
    pixels = decode(codes, 20.0)[0]
    np.testing.assert_allclose(pixels[:5, :, 0], 2, atol=20 / 254)
    np.testing.assert_allclose(pixels[5:, :, 0], -2, atol=20 / 254)
    assert (pixels[..., 1] == 0).all()


@pytest.mark.parametrize("name", COMPUTED)
def test_subtracting_the_mean_removes_a_global_motion(name):
    frames, inside = whole_picture(3, -2)
    assert np.abs(flow_of(frames, name=name, mean="subtract")[0][inside]).mean() < 0.2


@pytest.mark.parametrize("name", COMPUTED)
def test_removing_the_camera_cancels_a_pan_and_keeps_an_independent_mover(name):
    (first, second), disc = disc_alone(0, 4)
    panned = np.stack([first[:, 3:], second[:, :-3]])  # what is at x comes to x + 3
    disc = disc[:, 3:]
    near = cv2.dilate(disc.astype(np.uint8), np.ones((41, 41), np.uint8)) == 1
    ground = np.pad(~near[MARGIN:-MARGIN, MARGIN:-MARGIN], MARGIN)
    kept, removed = (flow_of(panned, name=name, camera=camera)[0] for camera in ("keep", "remove"))
    np.testing.assert_allclose(np.median(kept[ground], axis=0), (3, 0), atol=0.3)
    assert np.abs(removed[ground]).mean() < 0.25
    moved = np.median(removed[disc], axis=0)
    assert abs(moved[0]) < 1
    assert 2 < moved[1] < 4.6


def test_what_the_camera_loses_sight_of_stands_still():
    frames, _ = whole_picture(6, 0)
    removed = flow_of(frames, camera="remove")[0]
    assert np.abs(removed[:, -4:]).mean() < 0.3


def test_the_homography_is_that_of_the_camera():
    frames, _ = whole_picture(5, -3)
    corners = np.float32([[[20, 20], [140, 20], [140, 110], [20, 110]]])
    seen = cv2.perspectiveTransform(corners, camera_motion(*frames))
    np.testing.assert_allclose(seen, corners + np.float32((5, -3)), atol=0.2)


@pytest.mark.parametrize("scene", ["blank", "noise"])
def test_without_a_homography_the_flow_is_the_plain_one(scene):
    rng = np.random.default_rng(0)
    shape = (2, 64, 80, 3)
    frames = np.zeros(shape, np.uint8) if scene == "blank" else rng.integers(255, size=shape)
    frames = frames.astype(np.uint8)
    assert camera_motion(*frames) is None
    np.testing.assert_array_equal(flow_of(frames, camera="remove"), flow_of(frames))


def test_the_camera_is_removed_the_same_way_every_time():
    frames = np.concatenate([disc_alone(2, 3)[0], whole_picture(1, 1)[0]])
    once = flow_of(frames, camera="remove")
    np.testing.assert_array_equal(flow_of(frames, camera="remove"), once)
    np.testing.assert_array_equal(flow_of(frames[2:], camera="remove")[0], once[2])


def test_backward_fields_lead_from_each_frame_to_the_one_before():
    frames = np.stack([whole_picture(x, 0)[0][1] for x in (0, 2, 5)])
    made = FlowRecipe(name="dis", stacking="bidirectional")
    both = fields(frames, made)
    assert set(both) == {"flow", "backward"}
    reverse = fields(frames[::-1].copy(), FlowRecipe(name="dis"))["flow"]
    np.testing.assert_array_equal(both["backward"], reverse[::-1])
    inner = np.median(decode(both["backward"], 20.0)[:, 20:-20, 20:-20], axis=(1, 2))
    np.testing.assert_allclose(inner, [(-2, 0), (-3, 0)], atol=0.15)
    for stacking in ("forward", "trajectory"):
        alone = fields(frames, FlowRecipe(name="dis", stacking=stacking))
        np.testing.assert_array_equal(alone.pop("flow"), both["flow"])
        assert not alone


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("farneback", {"winsize": -3}, "winsize: must be more than 0, got -3"),
        ("farneback", {"iterations": 0}, "iterations: must be more than 0, got 0"),
        ("tvl1", {"theta": 0.0}, "theta: must be more than 0, got 0.0"),
        ("tvl1", {"scales": 0}, "scales: must be more than 0, got 0"),
        ("tvl1", {"scale_step": 1.0}, "scale_step: must be less than 1, got 1.0"),
    ],
)
def test_options_that_compute_nonsense_are_refused(name, options, told):
    with pytest.raises(UserError, match=f"^{told}$"):
        FlowRecipe(name=name, options=options).method()


def test_displacements_that_are_no_numbers_are_a_reason(monkeypatch):
    frames = np.zeros((2, 16, 16, 3), np.uint8)
    wild = np.full((16, 16, 2), np.nan, np.float32)
    monkeypatch.setattr(FlowRecipe, "method", lambda _: lambda *_: wild)
    with pytest.raises(UserError, match="flow 'dis' found displacements that are no numbers"):
        fields(frames, FlowRecipe(name="dis"))


def test_what_opencv_has_against_frames_is_a_reason(monkeypatch):
    frames = np.zeros((2, 16, 16, 3), np.uint8)
    monkeypatch.setattr(FlowRecipe, "method", lambda _: lambda *_: cv2.medianBlur(frames[0], 4))
    with pytest.raises(UserError, match="flow 'tvl1': .*ksize"):
        fields(frames, FlowRecipe(name="tvl1"))


def test_the_hash_knows_whatever_changes_a_byte():
    plain = FlowRecipe(name="dis").settings()
    changes = [
        {"name": "farneback"},
        {"options": {"preset": "fast"}},
        {"bound": 10.0},
        {"mean": "subtract"},
        {"camera": "remove"},
        {"stacking": "bidirectional"},
    ]
    for change in changes:
        assert FlowRecipe(**{"name": "dis", **change}).settings() != plain, change
    assert FlowRecipe(name="dis", options={"preset": "medium"}, bound=20.0).settings() == plain
    # How fields are stacked along a path is decided when they are read.
    assert FlowRecipe(name="dis", stacking="trajectory").settings() == plain


@pytest.mark.parametrize(("key", "value"), [("camera", "remove"), ("stacking", "bidirectional")])
def test_flow_that_is_read_is_not_computed_again(key, value):
    with pytest.raises(UserError, match=f"data.flow.{key}: '{value}' needs flow computed"):
        FlowRecipe(name="images", **{key: value})


@pytest.mark.parametrize("name", COMPUTED)
def test_known_motion_tells_what_a_method_finds(name):
    rows = known_motion(FlowRecipe(name=name))
    assert [row["scene"] for row in rows] == ["whole picture"] * 3 + ["disc alone"] * 3
    for row in rows[:3]:
        np.testing.assert_allclose(row["found"], row["true"], atol=0.25)
        assert abs(row["ratio"] - 1) < 0.08
        assert row["error"] < 0.25
    for row in rows[3:]:
        assert 0.5 < row["ratio"] < 1.1, row


def test_known_motion_tells_what_a_recipe_takes_away():
    for change in ({"mean": "subtract"}, {"camera": "remove"}):
        rows = known_motion(FlowRecipe(name="dis", **change))
        assert max(abs(row["ratio"]) for row in rows[:3]) < 0.05
        assert min(row["ratio"] for row in rows[3:]) > 0.5
    clipped = known_motion(FlowRecipe(name="dis", bound=2.0))
    assert clipped[0]["found"] == pytest.approx((2, 0))
    assert clipped[0]["ratio"] == pytest.approx(0.5)


def test_known_motion_has_nothing_to_tell_of_flow_that_is_read():
    assert known_motion(FlowRecipe(name="images")) == []


def test_on_real_video_a_still_camera_stays_and_a_moving_one_is_removed(real_clips):
    """The ground of UT-Interaction is plain, and the people on it have the better corners."""
    still = sorted((real_clips / "ut_interaction/push").glob("*.avi"))[0]
    moving = sorted((real_clips / "hmdb51_samples/cartwheel").glob("*.avi"))[0]
    kept, removed = {}, {}
    for video in (still, moving):
        frames = decode_video(video, 120).frames[:30]
        for found, camera in ((kept, "keep"), (removed, "remove")):
            flow = flow_of(frames, camera=camera, bound=8.0)
            found[video] = np.median(np.linalg.norm(flow, axis=-1))
    assert removed[still] < 0.1
    assert removed[moving] < 0.5 * kept[moving]
