"""The one door to video files: what is decoded, by whom, and what is refused."""

import csv
import wave

import av
import numpy as np
import pytest
from footage import reference, write

from harness.data import decode as door
from harness.data.decode import Unreadable, decode

needs_decord = pytest.mark.skipif(door.decord is None, reason="decord is not installed")


def assert_same_video(frames, expected):
    """The same frames in the same order, whatever the rounding of colours."""
    assert frames.shape == (len(expected), *expected[0].shape)
    for ours, theirs in zip(frames, expected, strict=True):
        every_fourth = np.s_[::4, ::4]
        assert np.abs(ours[every_fourth].astype(int) - theirs[every_fourth]).mean() < 4


KINDS = {
    "h264.mp4": {"codec": "libx264", "bf": "2", "g": "8"},
    "packets_only.mkv": {"codec": "libx264", "bf": "2"},
    "mpeg4.avi": {"codec": "mpeg4"},
    "mpeg4_with_b_frames.avi": {"codec": "mpeg4", "bf": "2"},
    "late_start.ts": {"codec": "libx264", "bf": "2", "g": "8"},
    "full_range.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "animated.gif": {"codec": "gif", "pix_fmt": "rgb8"},
    "a b:c%d.mp4": {"codec": "libx264"},
}


@pytest.mark.parametrize("name", KINDS)
def test_gives_every_frame_once_in_order(tmp_path, name):
    path = write(tmp_path / name, **KINDS[name])
    video = decode(path, None)
    assert_same_video(video.frames, reference(path))
    assert (np.diff(video.frames.mean(axis=(1, 2, 3))) > 0).all()
    assert video.frames.dtype == np.uint8
    assert video.declared == 24
    assert video.fps == pytest.approx(25)
    assert video.stopped == ""


@needs_decord
@pytest.mark.parametrize("resize", [None, 32, 80])
@pytest.mark.parametrize("name", KINDS)
def test_both_decoders_give_the_same_pixels(tmp_path, monkeypatch, name, resize):
    path = write(tmp_path / name, **KINDS[name])
    first_choice = decode(path, resize)
    monkeypatch.setattr(door, "decord", None)
    floor = decode(path, resize)
    assert floor.decoder == f"PyAV {av.__version__}"
    difference = np.abs(first_choice.frames.astype(int) - floor.frames)
    assert difference.max() <= 2


@needs_decord
@pytest.mark.parametrize(
    ("name", "decoder"),
    [
        ("h264.mp4", "decord"),
        ("packets_only.mkv", "decord"),
        ("mpeg4.avi", "decord"),
        ("mpeg4_with_b_frames.avi", "PyAV"),
        ("late_start.ts", "PyAV"),
        ("animated.gif", "PyAV"),
    ],
)
def test_decord_reads_what_it_reads_right(tmp_path, name, decoder):
    video = decode(write(tmp_path / name, **KINDS[name]), 32)
    assert video.decoder.split() == [decoder, video.decoder.split()[1]]


@needs_decord
def test_a_still_end_could_be_padding_so_pyav_decides(tmp_path):
    path = tmp_path / "still.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(5):
            grey = np.full((48, 64, 3), 90, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode())
    video = decode(path, None)
    assert video.decoder.startswith("PyAV")
    assert len(video.frames) == 5


@needs_decord
@pytest.mark.parametrize(("frames", "begins"), [(6, 0), (9, 90)])
def test_takes_the_first_of_two_video_streams(tmp_path, frames, begins):
    """decord takes the richer one, here the second: another picture, or another number of them."""
    path = tmp_path / "two.mp4"
    grey = lambda size, level: np.full((*size, 3), level, np.uint8)  # noqa: E731
    pictures = {
        (48, 64): [grey((48, 64), 90 + 20 * t) for t in range(6)],
        (96, 128): [grey((96, 128), begins)]
        + [
            np.random.default_rng(t).integers(256, size=(96, 128, 3), dtype=np.uint8)
            for t in range(1, frames)
        ],
    }
    with av.open(path, "w") as container:
        streams = {size: container.add_stream("libx264", rate=25) for size in pictures}
        for (height, width), stream in streams.items():
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for size, stream in streams.items():
            for pixels in pictures[size]:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
    assert door.decord.VideoReader(str(path))[0].shape == (96, 128, 3)
    video = decode(path, 24)
    assert len(video.frames) == 6
    np.testing.assert_allclose(video.frames[:, 0, 0, 0], 90 + 20 * np.arange(6), atol=3)


@pytest.mark.parametrize(
    ("size", "resize", "expected"),
    [
        ((48, 64), 24, (24, 32)),
        ((64, 48), 24, (32, 24)),
        ((48, 64), 31, (31, 41)),
        ((48, 64), 26, (26, 35)),
        ((48, 64), 96, (96, 128)),
        ((50, 50), 33, (33, 33)),
        ((48, 64), None, (48, 64)),
    ],
    ids=str,
)
def test_resizes_the_short_side_and_keeps_the_aspect(tmp_path, size, resize, expected):
    video = decode(write(tmp_path / "a.mp4", size=size), resize)
    assert video.frames.shape[1:3] == expected
    # Still a gradient from left to right: neither transposed nor cropped.
    row = video.frames[0].mean(axis=(0, 2))
    assert row[-1] - row[0] == pytest.approx(60, abs=12)


def no_file(folder):
    return folder / "absent.avi"


def text(folder):
    (folder / "text.avi").write_text("not a video\n" * 100)
    return folder / "text.avi"


def empty(folder):
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def sound(folder):
    with wave.open(str(folder / "sound.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16000))
    return folder / "sound.wav"


def headless(folder):
    content = write(folder / "whole.mp4").read_bytes()
    (folder / "headless.mp4").write_bytes(content[: len(content) // 3])
    return folder / "headless.mp4"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (no_file, "No such file"),
        (lambda folder: folder, "no images in this folder"),
        (text, "Invalid data"),
        (empty, "Invalid data"),
        (sound, "no video stream"),
        (headless, "Invalid data"),
        (lambda folder: write(folder / "still.mp4", frames=1), "1 frame: no flow"),
    ],
)
def test_says_in_one_line_why_a_file_is_unreadable(tmp_path, make, reason):
    with pytest.raises(Unreadable, match=reason) as caught:
        decode(make(tmp_path), 32)
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 100
    assert str(tmp_path) not in said


def test_counts_what_a_truncated_file_has_lost(tmp_path):
    whole = write(tmp_path / "whole.avi", codec="mjpeg", pix_fmt="yuvj420p")
    content = whole.read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(Unreadable, match=r"^1\d of 24 frames could be decoded"):
        decode(cut, None)
    video = decode(cut, None, max_loss=0.9)
    assert video.declared == 24
    assert_same_video(video.frames, reference(whole)[: len(video.frames)])


def test_keeps_what_came_before_an_error_and_the_error(tmp_path):
    whole = write(tmp_path / "whole.mp4", frames=60)
    with av.open(whole) as container:
        thirtieth = [packet.pos for packet in container.demux(video=0)][29]
    content = bytearray(whole.read_bytes())
    content[thirtieth : thirtieth + 4] = b"\xff" * 4  # a length beyond the end of the file
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(content)
    with pytest.raises(Unreadable, match=r"^\d+ of 60 frames could be decoded \(Invalid data"):
        decode(broken, None)
    video = decode(broken, None, max_loss=0.9)
    assert 20 < len(video.frames) < 30
    assert video.stopped.startswith("Invalid data")


def test_reads_a_file_whose_metadata_is_not_unicode(tmp_path):
    content = write(tmp_path / "whole.avi", codec="mpeg4").read_bytes()
    assert b"METADATA" in content
    path = tmp_path / "latin.avi"
    path.write_bytes(content.replace(b"METADATA", b"\xe9\xff\xfe\xe8\xe9\xff\xfe\xe8"))
    assert len(decode(path, 32).frames) == 24


def test_real_clips_equal_a_sequential_decode(real_clips, depth):
    samples = [*real_clips.glob("ucf101_samples/*/*"), *real_clips.glob("hmdb51_samples/*/*")]
    many = sorted(real_clips.glob("ut_interaction/*/*.avi"))[:: depth(24, 1)]
    assert samples
    for path in samples + many:
        assert_same_video(decode(path, None).frames, reference(path))


def test_real_clips_have_the_number_of_frames_that_is_known(real_clips, depth):
    with (real_clips / "annotations/ut_interaction/clips.csv").open() as file:
        rows = list(csv.DictReader(file))[:: depth(12, 1)]
    for row in rows:
        video = decode(real_clips / "ut_interaction" / row["path"], 64)
        assert len(video.frames) == int(row["decoded_pyav"])
        assert video.declared >= int(row["nb_frames_container"])


ODD = {  # frames, declared, width, height, codec, frames a second, decoder; or the reason
    "-video-with-dash-.mp4": (5, 5, 1, 1, "h264", 1, "decord"),
    "animated.gif": (4, 4, 64, 48, "gif", 10, "PyAV"),
    "av1_video.mkv": (125, 125, 640, 360, "av1", 25, "PyAV"),
    "bitmap.mp4": (5, 5, 1, 1, "h264", 1, "decord"),
    "corrupted.mp4": "28 of 50 frames could be decoded (Invalid data found when processing input)",
    "discard_first_keyframe.mp4": (25, 25, 64, 64, "h264", 25, "PyAV"),
    "empty_0byte_result.webm": "Invalid data found when processing input",
    "frame_exceeds_screen.gif": "1 frame: no flow",
    "h264_10bits.mp4": (30, 30, 200, 200, "h264", 30, "decord"),
    "h265_10bits.mp4": (30, 30, 200, 200, "hevc", 30, "decord"),
    "h265_video.mp4": (10, 10, 128, 128, "hevc", 10, "decord"),
    "nasa_13013.mp4": (325, 325, 320, 180, "h264", 25, "PyAV"),
    "nasa_13013_rotated.mp4": (17, 17, 270, 480, "h264", 29.97, "PyAV"),
    "no_duration.webm": (74, 74, 1280, 720, "vp9", 14.99, "PyAV"),
    "realshort.mp4": (36, 36, 320, 240, "h264", 30.02, "decord"),
    "rotated_90.mov": (3, 3, 320, 568, "h264", 30, "PyAV"),
    "test_non_zero_start.mp4": (12, 12, 200, 112, "h264", 30, "decord"),
    "testsrc2_mpeg4.avi": (30, 30, 1280, 720, "mpeg4", 30, "decord"),
    "testsrc2_odd_height_and_width_vp9.mp4": (25, 25, 321, 241, "vp9", 25, "decord"),
    "testsrc2_odd_width_mpeg2.mp4": (10, 10, 121, 80, "mpeg2video", 25, "decord"),
    "testsrc2_vp8.webm": (30, 30, 1280, 720, "vp8", 30, "decord"),
    "testsrc2_vp9.webm": (30, 30, 1280, 720, "vp9", 30, "decord"),
    "unordered.mov": (4, 4, 50, 50, "h264", 32, "PyAV"),
}


def test_odd_clips_are_all_named(real_clips):
    assert sorted(path.name for path in (real_clips / "odd_clips").iterdir()) == sorted(ODD)


@pytest.mark.parametrize("name", ODD)
def test_an_odd_clip_is_right_or_refused(real_clips, name):
    path, expected = real_clips / "odd_clips" / name, ODD[name]
    if isinstance(expected, str):
        with pytest.raises(Unreadable) as caught:
            decode(path, 64)
        assert str(caught.value) == expected
        return
    video = decode(path, 64)
    facts = len(video.frames), video.declared, video.width, video.height, video.codec
    assert facts == expected[:5]
    assert video.fps == pytest.approx(expected[5], abs=0.01)
    assert video.stopped == ""
    if door.decord is not None:
        assert video.decoder.split()[0] == expected[6]
    native = decode(path, None).frames
    assert native.shape[1:3] == (video.height, video.width)
    assert_same_video(native, reference(path))
