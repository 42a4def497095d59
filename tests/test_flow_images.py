"""Flow that was computed elsewhere: the layouts of other tools, and all that can be wrong."""

import cv2
import numpy as np
import pytest
from footage import gigantic

from harness.data.clip import Clip
from harness.data.sources import source_hashes
from harness.errors import UserError
from harness.flow.codes import ZERO
from harness.flow.codes import decode as pixels_of
from harness.flow.fields import FlowRecipe, fields
from harness.flow.images import Images, homes, survey
from harness.flow.layouts import LAYOUTS

NAMES = {
    "flow_x_00001.jpg": "{clip}/flow_{xy}_{n:05d}.{suffix}",
    "x_00001.jpg": "{clip}/{xy}_{n:05d}.{suffix}",
    "u/frame000001.jpg": "{clip}/{uv}/frame{n:06d}.{suffix}",
    "u/<clip>/frame000001.jpg": "{uv}/{clip}/frame{n:06d}.{suffix}",
}
SIZE = (24, 32)


def levels(flow, bound=20.0):
    """As TSN's dense_flow writes displacements."""
    return np.clip(np.rint(255 * (flow + bound) / (2 * bound)), 0, 255).astype(np.uint8)


def smooth(count, size=SIZE, seed=0):
    """Fields of up to 15 pixels."""
    noise = np.random.default_rng(seed).normal(size=(count, *size, 2)).astype(np.float32)
    blurred = np.stack([cv2.GaussianBlur(field, (0, 0), 5) for field in noise])
    return 15 * blurred / np.abs(blurred).max()


def write(root, flow, *, layout="flow_x_00001.jpg", clip="a", first=1, suffix="png", bound=20.0):
    """Flow images; lossless unless asked otherwise."""
    for n, field in enumerate(levels(flow, bound), start=first):
        for axis, (xy, uv) in enumerate(("xu", "yv")):
            name = NAMES[layout].format(clip=clip, xy=xy, uv=uv, n=n, suffix=suffix)
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(root / name), field[..., axis])
    return root / clip


def read(home, count, size=SIZE, **options):
    return np.stack(list(Images(**options).read(home, count, *size)))


def black(frames, size=SIZE):
    return np.zeros((frames, *size, 3), np.uint8)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_reads_every_layout(tmp_path, layout, first):
    flow = smooth(12)
    home = write(tmp_path, flow, layout=layout, first=first)
    found = read(home, 12)
    assert found.dtype == np.float32
    assert np.abs(found - flow).max() <= 20 / 255 * (1 + 1e-4)


def test_jpegs_lose_little(tmp_path):
    flow = smooth(3)
    assert np.abs(read(write(tmp_path, flow, suffix="jpg"), 3) - flow).max() < 0.6


@pytest.mark.parametrize(
    ("level", "zero", "bound", "pixels"),
    [
        (255, 127.5, 20, 20),
        (0, 127.5, 20, -20),
        (191, 127.5, 15, 63.5 / 127.5 * 15),
        (128, 128, 20, 0),
        (255, 128, 20, 127 / 127.5 * 20),
        (0, 128, 10, -128 / 127.5 * 10),
    ],
)
def test_exact_pixels_of_a_grey_value(tmp_path, level, zero, bound, pixels):
    home = write(tmp_path, np.zeros((1, *SIZE, 2)))
    for path in home.iterdir():
        cv2.imwrite(str(path), np.full(SIZE, level, np.uint8))
    found = read(home, 1, zero=float(zero), image_bound=float(bound))
    np.testing.assert_allclose(found, pixels, rtol=1e-5)


@pytest.mark.parametrize("zero", [127.5, 128.0])
def test_no_motion_is_exactly_zero_in_codes(tmp_path, zero):
    home = write(tmp_path, np.zeros((2, *SIZE, 2)))
    recipe = FlowRecipe(name="images", options={"zero": zero})
    assert (fields(black(3), recipe, home)["flow"] == ZERO).all()


@pytest.mark.parametrize("size", [(12, 16), (48, 64), (12, 64)], ids=str)
def test_flow_scales_with_frames_of_another_size(tmp_path, size):
    flow = np.zeros((2, *SIZE, 2), np.float32)
    flow[:] = (6, -4)
    found = read(write(tmp_path, flow), 2, size)
    assert found.shape == (2, *size, 2)
    expected = np.multiply((6, -4), (size[1] / SIZE[1], size[0] / SIZE[0]))
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), atol=0.2)


def test_the_mean_is_subtracted_and_the_bound_is_the_recipes(tmp_path):
    flow = np.zeros((2, *SIZE, 2), np.float32)
    flow[:, : SIZE[0] // 2, :, 0] = 8
    home = write(tmp_path, flow)
    recipe = FlowRecipe(name="images", mean="subtract", bound=5.0)
    found = pixels_of(fields(black(3), recipe, home)["flow"], 5.0)
    np.testing.assert_allclose(found[:, 0, 0, 0], 4, atol=0.1)
    np.testing.assert_allclose(found[:, -1, 0, 0], -4, atol=0.1)


def test_a_last_image_that_repeats_is_left_out(tmp_path):
    flow = smooth(4)
    home = write(tmp_path, np.concatenate([flow, flow[-1:]]))
    assert read(home, 4).shape[0] == 4
    np.testing.assert_array_equal(read(home, 4), read(home, 5)[:4])
    other = write(tmp_path, smooth(5), clip="b")
    with pytest.raises(UserError, match="5 flow images of x, as many as frames, all different"):
        read(other, 4)


def remove(number, xy="xy"):
    def spoil(home):
        for axis in xy:
            (home / f"flow_{axis}_{number:05d}.png").unlink()

    return spoil


def other_size(home):
    cv2.imwrite(str(home / "flow_y_00003.png"), np.zeros((7, 9), np.uint8))


def garbage(home):
    (home / "flow_x_00002.png").write_text("not an image")


def too_large(home):
    gigantic(home / "flow_x_00002.png")


def empty(home):
    (home / "flow_x_00002.png").write_bytes(b"")


def folder(home):
    (home / "flow_x_00002.png").unlink()
    (home / "flow_x_00002.png").mkdir()


def twice(home):
    for axis in "xy":
        cv2.imwrite(str(home / f"flow_{axis}_2.png"), np.zeros(SIZE, np.uint8))


SPOILT = [
    (remove(3, "y"), "5 flow images of x and 4 of y"),
    (remove(3), "the numbers of the 4 flow images from 1 to 5 have gaps"),
    (remove(5), "4 flow images of x, not 5"),
    (remove(1), "the first flow image has the number 2, not 0 or 1"),
    (other_size, "flow_y_00003.png is 7 x 9 pixels, not 24 x 32"),
    (garbage, "flow_x_00002.png is not an image"),
    (too_large, "flow_x_00002.png is not an image"),
    (empty, "flow_x_00002.png is not an image"),
    (folder, "flow_x_00002.png: Is a directory"),
    (twice, "the numbers of the 6 flow images from 1 to 5 have gaps or repeat"),
]


@pytest.mark.parametrize(("spoil", "reason"), SPOILT, ids=range(len(SPOILT)))
def test_each_fault_has_its_reason(tmp_path, spoil, reason):
    home = write(tmp_path, smooth(5))
    spoil(home)
    with pytest.raises(UserError, match=reason) as told:
        fields(black(6), FlowRecipe(name="images"), home)
    assert str(tmp_path) not in str(told.value)


def test_no_images_is_a_reason(tmp_path):
    with pytest.raises(UserError, match="no flow images; looked for flow_x_00001.jpg, "):
        fields(black(3), FlowRecipe(name="images"), tmp_path / "absent")


@pytest.mark.parametrize(("option", "value"), [("zero", 127.0), ("image_bound", 0.0)])
def test_options_are_checked(option, value):
    with pytest.raises(UserError, match=f"flow 'images': {option} is {value}; it must be "):
        Images(**{option: value})


def test_a_clips_folder_is_called_as_the_clip_or_shorter(tmp_path):
    ids = ["Dive/v_1.avi", "Dive/v_2.avi", "Jump/v_2.avi", "v_3", "v_3.5", "Dive/gone.avi"]
    for name in ("v_1", "Dive/v_2", "v_2", "v_3", "u/gone"):
        (tmp_path / name).mkdir(parents=True)
    found = {id: str(home.relative_to(tmp_path)) for id, home in homes(tmp_path, ids).items()}
    assert found == {
        "Dive/v_1.avi": "v_1",
        "Dive/v_2.avi": "Dive/v_2",
        "Jump/v_2.avi": "Jump/v_2.avi",  # v_2 may be the other's
        "v_3": "v_3",
        "v_3.5": "v_3.5",  # and v_3 is
        "Dive/gone.avi": "gone",
    }


def test_a_survey_tells_what_there_is(tmp_path):
    write(tmp_path, smooth(3), clip="good")
    write(tmp_path, smooth(2), clip="release", layout="u/<clip>/frame000001.jpg")
    remove(3, "y")(write(tmp_path, smooth(3), clip="bad"))
    garbled = write(tmp_path, smooth(2), clip="garbled")
    (garbled / "flow_y_00001.png").write_text("not an image")
    rows = survey(tmp_path, ["good.avi", "release.avi", "bad.avi", "garbled.avi", "none.avi"])
    told = {row["id"]: row for row in rows}
    assert told["good.avi"] == {
        "id": "good.avi",
        "layout": "flow_x_00001.jpg",
        "x": 3,
        "y": 3,
        "size": SIZE,
        "problem": "",
    }
    assert told["release.avi"]["layout"] == "u/<clip>/frame000001.jpg"
    assert told["bad.avi"]["problem"].startswith("3 flow images of x and 2 of y")
    assert told["garbled.avi"]["problem"] == "flow_y_00001.png is not an image"
    assert told["none.avi"]["problem"].startswith("no flow images")
    assert told["none.avi"]["size"] is None


def test_flow_images_are_known_by_names_and_bytes(tmp_path):
    def known(home):
        clip = Clip(id="a", path=home, label=0, group="", subset="train", flow=home)
        return source_hashes([clip], tmp_path / "memory", lambda *_: None)["a"]["flow"]

    home = write(tmp_path, smooth(3))
    before = known(home)
    (home / "notes.txt").write_text("no flow")
    assert known(home) == before
    assert known(write(tmp_path / "copy", smooth(3))) == before
    (home / "flow_y_00003.png").rename(home / "flow_y_00004.png")
    renamed = known(home)
    (home / "flow_y_00004.png").write_bytes(b"other")
    assert len({before, renamed, known(home)}) == 3
