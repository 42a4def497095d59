"""A clip that is a part of a file: its frames and no others, by number or by time."""

import av
import numpy as np
import pytest
from footage import write
from hypothesis import given
from hypothesis import strategies as st

from harness.data import decode as door
from harness.data.clip import Span
from harness.data.decode import decode
from harness.data.video import Unreadable

KINDS = {
    "a.mp4": {"codec": "libx264", "bf": "2", "g": "8"},
    "packed.avi": {"codec": "mpeg4", "bf": "2"},
    "late.ts": {"codec": "libx264", "bf": "2", "g": "8"},
    "a.webm": {"codec": "libvpx-vp9"},
    "a.gif": {"codec": "gif", "pix_fmt": "rgb8"},
}
FRAMES = 50  # of 25 in a second


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    paths = {name: write(folder / name, frames=FRAMES, **kind) for name, kind in KINDS.items()}
    return {name: (path, decode(path, 16).frames) for name, path in paths.items()}


def near(frames, expected):
    assert frames.shape == expected.shape
    assert np.abs(frames.astype(int) - expected).max() <= 2


@pytest.mark.parametrize("name", KINDS)
@given(first=st.integers(0, FRAMES - 2), length=st.integers(2, FRAMES))
def test_frames_of_a_part_are_those_of_the_whole(files, name, first, length):
    path, whole = files[name]
    after = min(first + length, FRAMES)
    video = decode(path, 16, span=Span(first=first, after=after, unit="frames"))
    near(video.frames, whole[first:after])
    assert video.declared == after - first
    assert video.decoder.startswith("PyAV")


@pytest.mark.parametrize("name", KINDS)
def test_seconds_count_from_the_first_frame(files, name):
    path, whole = files[name]
    near(decode(path, 16, span=Span(first=0.4, after=1.2, unit="seconds")).frames, whole[10:30])
    near(decode(path, 16, span=Span(first=0.41, after=1.21, unit="seconds")).frames, whole[11:31])
    near(decode(path, 16, span=Span(first=0, after=2, unit="seconds")).frames, whole)


def test_seconds_follow_the_time_stamps_of_a_variable_rate(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(path, "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for number, at in enumerate([0, 25, 26, 27, 75]):
            pixels = np.full((24, 32, 3), 40 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = at
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    video = decode(path, None, span=Span(first=1, after=2, unit="seconds"))
    np.testing.assert_allclose(video.frames[:, 0, 0, 0], [40, 80, 120], atol=2)


def test_decoding_stops_at_the_end_of_the_part(files, monkeypatch):
    pulled = []
    whole = door._Ending.watch

    def counting(self, frames):
        for frame in whole(self, frames):
            pulled.append(frame.pts)
            yield frame

    monkeypatch.setattr(door._Ending, "watch", counting)
    assert (
        len(decode(files["a.mp4"][0], 16, span=Span(first=5, after=9, unit="frames")).frames) == 4
    )
    assert len(pulled) == 10


OUTSIDE = [
    ((60, 70, "frames"), "its part, frames 60 to 70, lies outside of 50 frames"),
    ((40, 60, "frames"), "its part, frames 40 to 60, lies outside of 50 frames"),
    ((2.5, 3, "seconds"), "its part, seconds 2.5 to 3, lies outside of 2 seconds"),
    ((1, 3, "seconds"), "its part, seconds 1 to 3, lies outside of 2 seconds"),
    ((5, 5, "frames"), "no frame in frames 5 to 5"),
    ((1.001, 1.002, "seconds"), "no frame in seconds 1.001 to 1.002"),
    ((3, 4, "frames"), "1 frame: no flow"),
]


@pytest.mark.parametrize(("span", "reason"), OUTSIDE, ids=lambda value: str(value)[:24])
def test_a_part_outside_of_the_file_is_a_reason(files, span, reason):
    first, after, unit = span
    with pytest.raises(Unreadable) as caught:
        decode(files["a.mp4"][0], 16, span=Span(first=first, after=after, unit=unit))
    assert str(caught.value) == reason


def test_a_little_beyond_the_end_is_within_the_loss_that_is_allowed(files):
    path, whole = files["a.mp4"]
    video = decode(path, 16, span=Span(first=30, after=52, unit="frames"))
    near(video.frames, whole[30:])
    assert video.declared == 22
