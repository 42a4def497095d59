"""A folder of images as a clip: which are its frames, in which order, and what is refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from footage import folder_of, gigantic

from harness.data.clip import Span
from harness.data.decode import decode
from harness.data.images import frame_files
from harness.data.video import Unreadable
from harness.flow.layouts import LAYOUTS, find

FRAMES = np.random.default_rng(0).integers(256, size=(12, 24, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "template",
    ["img_{:05d}.png", "image_{:05d}.png", "frame{:06d}.png", "{:05d}.png", "{}.png", "img_{}.PNG"],
)
def test_frames_come_in_the_order_of_their_numbers(tmp_path, template):
    video = decode(folder_of(tmp_path / "clip", FRAMES, template), None)
    np.testing.assert_array_equal(video.frames, FRAMES)
    assert (video.width, video.height, video.codec, video.fps) == (32, 24, "png", 0)
    assert video.declared == 12
    assert video.decoder == f"OpenCV {cv2.__version__}"


def test_numbers_without_leading_zeros_and_with_them_are_in_one_order(tmp_path):
    names = ["img_1.png", "img_02.png", "img_2.png", "img_10.png", "img_010b.png", "b.png", "a.png"]
    for name in names:
        (tmp_path / name).touch()
    assert [path.name for path in frame_files(tmp_path)] == [
        "a.png", "b.png", "img_1.png", "img_02.png", "img_2.png", "img_10.png", "img_010b.png"
    ]  # fmt: skip


def test_flow_images_hidden_files_folders_and_other_files_are_no_frames(tmp_path):
    folder = folder_of(tmp_path / "clip", FRAMES)
    for name in ("flow_x_00001.png", "flow_y_00001.png", "._img_00001.png", "notes.txt", "img_1"):
        (folder / name).write_text("no image")
    (folder / "img_00003b.png").mkdir()
    np.testing.assert_array_equal(decode(folder, None).frames, FRAMES)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_flow_images_of_a_clips_own_folder_are_no_frames_in_any_layout(tmp_path, layout):
    """One folder holds both: what flow 'images' reads there is what the frames leave out."""
    folder = folder_of(tmp_path / "clip", FRAMES)
    fields = len(FRAMES) - 1
    for prefix in LAYOUTS[layout]:
        start = Path(prefix.format(home=folder, parent=tmp_path, name="clip"))
        start.parent.mkdir(parents=True, exist_ok=True)
        for number in range(1, fields + 1):
            cv2.imwrite(f"{start}{number:05d}.jpg", FRAMES[0, :, :, 0])
    assert len(find(folder).x) == len(find(folder).y) == fields
    np.testing.assert_array_equal(decode(folder, None).frames, FRAMES)


def test_a_name_that_only_begins_like_a_flow_image_is_a_frame(tmp_path):
    names = ["x_ray_00001.png", "y_00001b.png", "flow.png", "flowers_1.png"]
    for name in names:
        (tmp_path / name).touch()
    assert {path.name for path in frame_files(tmp_path)} == set(names)


def test_images_are_resized_as_video_frames_are(tmp_path):
    smooth = cv2.GaussianBlur(FRAMES[0], (0, 0), 3)
    folder = folder_of(tmp_path / "clip", [smooth] * 2)
    video = decode(folder, 12)
    assert video.frames.shape == (2, 12, 16, 3)
    halved = smooth.reshape(12, 2, 16, 2, 3).mean(axis=(1, 3))
    assert np.abs(video.frames[0] - halved).mean() < 2


def test_a_span_of_frames_is_cut_out(tmp_path):
    folder = folder_of(tmp_path / "clip", FRAMES)
    video = decode(folder, None, span=Span(first=3, after=7, unit="frames"))
    np.testing.assert_array_equal(video.frames, FRAMES[3:7])
    assert video.declared == 4


def smaller(folder):
    cv2.imwrite(str(folder / "img_00005.png"), FRAMES[0, :12])


def garbage(folder):
    (folder / "img_00005.png").write_bytes(b"no image")


def empty(folder):
    (folder / "img_00005.png").write_bytes(b"")


def truncated(folder):
    content = (folder / "img_00005.png").read_bytes()
    (folder / "img_00005.png").write_bytes(content[: len(content) // 2])


def too_large(folder):
    gigantic(folder / "img_00005.png")


def truncated_jpeg(folder):
    (folder / "img_00005.png").unlink()
    content = cv2.imencode(".jpg", FRAMES[4])[1].tobytes()
    (folder / "img_00005.jpg").write_bytes(content[: len(content) // 2])


def single(folder):
    for path in frame_files(folder)[1:]:
        path.unlink()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (smaller, "'img_00005.png' is 32 x 12 pixels, the first is 32 x 24"),
        (garbage, "'img_00005.png' is not a whole image"),
        (empty, "'img_00005.png' is not a whole image"),
        (too_large, "'img_00005.png' is not a whole image"),
        (truncated, "'img_00005.png' is not a whole image"),
        (truncated_jpeg, "'img_00005.jpg' is not a whole image"),
        (single, "1 frame: no flow"),
    ],
)
def test_a_damaged_folder_is_refused(tmp_path, damage, reason):
    folder = folder_of(tmp_path / "clip", FRAMES)
    damage(folder)
    with pytest.raises(Unreadable) as caught:
        decode(folder, None)
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"declared": 20}, "12 of 20 frames could be decoded"),
        ({"span": Span(first=8, after=20, unit="frames")}, "4 of 12 frames could be decoded"),
        (
            {"span": Span(first=12, after=20, unit="frames")},
            "its part, frames 12 to 20, lies outside of 12 frames",
        ),
        (
            {"span": Span(first=0, after=0.5, unit="seconds")},
            "a folder of images has no time: name its part in frames",
        ),
    ],
)
def test_what_the_annotation_promises_is_held_against_the_folder(tmp_path, options, reason):
    folder = folder_of(tmp_path / "clip", FRAMES)
    with pytest.raises(Unreadable) as caught:
        decode(folder, None, **options)
    assert str(caught.value) == reason
