"""Contact sheets: frames, their flow in colours, and the check on known motion beside them."""

import json

import cv2
import numpy as np
import pytest

from harness.data.sheet import GAP, SHORTEST, WHEEL, Picture, legend, sheet
from harness.flow.colour import colour

SMALL = ("--set", "task=direction", "--set", "train=8", "--set", "test=4", "--set", "frames=6")


def flow_tiles(image):
    """The lower row of a sheet without the legend, and of that what is coloured."""
    tiles = image[-(SHORTEST + GAP) : -GAP, :-WHEEL]
    return tiles[tiles.min(axis=-1) < 128]


@pytest.mark.parametrize(
    ("way", "strong", "weak"),
    [("right", "r", "gb"), ("down", "rg", "b"), ("left", "gb", "r"), ("up", "b", "g")],
)
def test_the_flow_of_a_sheet_has_the_colour_of_the_motion(here, tmp_path, way, strong, weak):
    size = ("--set", "size=112", "--set", "flow.preset=fast")
    done = here("data", "show", "moving_shapes", f"test/{way}", *SMALL, *size, "-o", "sheet.png")
    assert done.returncode == 0, done.stderr
    image = cv2.imread(str(tmp_path / "sheet.png"))[..., ::-1]
    channels = dict(zip("rgb", np.median(flow_tiles(image), axis=0), strict=True))
    assert min(channels[c] for c in strong) > 180, channels
    assert max(channels[c] for c in weak) < 100, channels


def test_show_checks_the_flow_method_on_known_motion(here):
    done = here("data", "show", "moving_shapes", "test/up", *SMALL, "-f", "json")
    rows = json.loads(done.stdout)
    assert {row["scene"] for row in rows} == {"whole picture", "disc alone"}
    moved = [row for row in rows if row["scene"] == "whole picture"]
    assert all(row["ratio"] == pytest.approx(1, abs=0.2) for row in moved)


def test_a_sheet_is_the_same_from_the_cache(here, tmp_path):
    show = ("data", "show", "moving_shapes", "--count", "3", *SMALL)
    assert here(*show, "-o", "decoded.png").returncode == 0
    assert here("data", "prepare", "moving_shapes", *SMALL).returncode == 0
    assert here(*show, "-o", "cached.png").returncode == 0
    decoded, cached = (cv2.imread(str(tmp_path / f"{n}.png")) for n in ("decoded", "cached"))
    rows = slice(-2 * (SHORTEST + GAP), None)  # the last clip, without its caption
    np.testing.assert_array_equal(decoded[rows], cached[rows])


def test_a_sheet_without_motion_is_white_and_shows_the_frames():
    frames = np.full((5, 112, 112, 3), (10, 200, 30), np.uint8)
    image = sheet(Picture(frames=frames, flow=np.zeros((4, 112, 112, 2)), caption=["still"]), 3)
    tile = SHORTEST + GAP
    assert (image[-tile:, : 3 * tile] == 255).all()
    assert (image[-2 * tile + SHORTEST // 2, SHORTEST // 2] == (10, 200, 30)).all()
    assert image.shape[1] == 3 * tile + WHEEL


def test_the_wheel_shows_every_motion_in_its_own_colour():
    wheel = legend(4.0)[:WHEEL]
    middle = WHEEL // 2
    ends = {(3.9, 0): wheel[middle, -2], (-3.9, 0): wheel[middle, 1], (0, 3.9): wheel[-2, middle]}
    for motion, shown in ends.items():
        expected = colour(np.array([[motion]], np.float32), 4.0)[0, 0]
        assert np.abs(shown.astype(int) - expected).max() <= 8
