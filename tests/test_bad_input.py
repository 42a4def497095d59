"""Files that are no videos, or broken ones: each has an outcome with a name, none is waited for."""

import errno
import os
import re
import socket
import subprocess
import sys
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
import pytest
from footage import folder_of, reference, write
from hypothesis import given
from hypothesis import strategies as st

from harness.data import decode as door
from harness.data import video as limits
from harness.data.clip import Clip, Span
from harness.data.decode import decode
from harness.data.manifest import examine
from harness.data.pool import Lost, Pool
from harness.data.video import Unreadable

REASON = re.compile(
    r"(\d+ of \d+ frames could be decoded|1 frame: no flow)( \(.+\))?"
    r"|no frame could be decoded|no video stream|no decoder for its video stream"
)


def words_of(code):
    """What FFmpeg, or the system, calls an error."""
    with pytest.raises(av.FFmpegError) as error:
        av.error.err_check(-code)
    return error.value.strerror


WORDS = {words_of(code) for code in av.error.classes} | set(map(os.strerror, errno.errorcode))


def outcome(path):
    """The frames, or the reason; nothing else may come of any file."""
    try:
        return decode(path, 24).frames
    except Unreadable as reason:
        return named(str(reason))


def named(reason):
    assert REASON.fullmatch(reason) or reason in WORDS, reason
    return reason


@cache
def whole(name):
    """The bytes of a good file, and its frames."""
    codec = "mpeg4" if name.endswith(".avi") else "libx264"
    with TemporaryDirectory() as folder:
        path = write(Path(folder, name), codec=codec, frames=20)
        return path.read_bytes(), decode(path, 24).frames


@pytest.mark.parametrize("tenth", range(10))
@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.mkv"])
def test_a_file_cut_at_any_tenth_gives_its_beginning_or_a_reason(tmp_path, name, tenth):
    content, frames = whole(name)
    path = tmp_path / name
    path.write_bytes(content[: len(content) * tenth // 10])
    found = outcome(path)
    if not isinstance(found, str):  # no more than a tenth of the frames is lost
        assert 18 <= len(found) <= 20
        assert np.abs(found[:18].astype(int) - frames[:18]).max() <= 2


@pytest.fixture(scope="module")
def pool():
    """Now and then a flipped bit makes a decoder abort, which only ends a process of the pool."""
    with Pool(1, seconds=60) as processes:
        yield processes


@given(
    where=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20),
    bit=st.integers(0, 7),
)
def test_flipped_bits_give_frames_or_a_reason(pool, tmp_path_factory, where, bit):
    content, _ = whole("a.mp4")
    damaged = bytearray(content)
    for share in where:
        damaged[int(share * len(damaged))] ^= 1 << bit
    path = tmp_path_factory.mktemp("flipped") / "a.mp4"
    path.write_bytes(damaged)
    clip = Clip(id="a", path=path, label=0, group="", subset="train")
    [(_, found)] = pool.in_order(examine, [clip])
    if not isinstance(found, Lost):
        assert named(found["reason"]) if "reason" in found else found["frames"] >= 2


def fifo(folder):
    os.mkfifo(folder / "pipe.mp4")
    return folder / "pipe.mp4"


def socketed(folder):
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(folder / "socket.mp4"))
    return folder / "socket.mp4"


def loop(folder):
    (folder / "a.mp4").symlink_to(folder / "b.mp4")
    (folder / "b.mp4").symlink_to(folder / "a.mp4")
    return folder / "a.mp4"


def dangling(folder):
    (folder / "a.mp4").symlink_to(folder / "gone.mp4")
    return folder / "a.mp4"


def below_a_file(folder):
    (folder / "file").touch()
    return folder / "file" / "a.mp4"


NO_FILES = {
    "neither a file nor a folder": [fifo, socketed, lambda _: Path("/dev/zero")],
    "Too many levels of symbolic links": [loop],
    "No such file or directory": [dangling],
    "Not a directory": [below_a_file],
    "File name too long": [lambda folder: folder / ("x" * 300)],
    "no images in this folder": [lambda folder: folder],
}


@pytest.mark.parametrize("reason", NO_FILES)
def test_what_is_no_file_is_refused_without_being_opened(tmp_path, reason):
    for number, make in enumerate(NO_FILES[reason]):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(Unreadable) as caught:
            decode(make(folder), 24)
        assert str(caught.value) == reason


def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "a.mp4")
    path.chmod(0)
    if os.geteuid() == 0:  # whom nothing is forbidden

        def forbidden(*_, **__):
            raise av.error.PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(av, "open", forbidden)
    with pytest.raises(Unreadable, match="^Permission denied$"):
        decode(path, 24)


NAMES = [
    "new\nline.mp4",
    "\"double\" and 'single'.mp4",
    "#1.mp4",
    "-i.mp4",
    "%03d.mp4",
    "http:a.mp4",
    "concat:a|b.mp4",
    "ünïcödé 视频.mp4",
    os.fsdecode(b"\xff\xfe latin \xe9.mp4"),
    " .mp4",
    "*?[a].mp4",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize("installed", [True, False])
def test_any_name_will_do(tmp_path, monkeypatch, name, installed):
    if not installed:
        monkeypatch.setattr(door, "decord", None)
    path = tmp_path / "plain.mp4"
    write(path)
    expected = reference(path)
    path = path.rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for way in (path, Path(name)):
        assert len(decode(way, None).frames) == len(expected)


def test_a_single_pixel_and_two_frames_are_enough(tmp_path):
    path = write(tmp_path / "a.mkv", codec="ffv1", frames=2, size=(1, 1), pix_fmt="yuv444p")
    video = decode(path, None)
    assert video.frames.shape == (2, 1, 1, 3)
    assert (video.width, video.height) == (1, 1)


def test_ten_bits_become_eight(tmp_path):
    deep = write(tmp_path / "a.mkv", codec="ffv1", pix_fmt="yuv420p10le")
    flat = write(tmp_path / "b.mkv", codec="ffv1", pix_fmt="yuv420p")
    ten, eight = decode(deep, None).frames, decode(flat, None).frames
    assert ten.dtype == np.uint8
    assert np.abs(ten.astype(int) - eight).mean() < 1.5


def test_frames_of_a_variable_rate_come_as_they_are(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(path, "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for number, at in enumerate([0, 1, 2, 50, 51, 300]):
            pixels = np.full((24, 32, 3), 40 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = at
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    levels = decode(path, None).frames[:, 0, 0, 0]
    np.testing.assert_allclose(levels, 40 * np.arange(6), atol=2)


PEAK = """
import sys
from pathlib import Path
from harness.data import decode as door
if sys.argv[2] == "PyAV":
    door.decord = None
video = door.decode(Path(sys.argv[1]), 64)
assert video.decoder.startswith(sys.argv[2]), video.decoder
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(video.frames.shape, status["VmHWM"].split()[0])
"""


@pytest.fixture(scope="module")
def huge(tmp_path_factory):
    """24 frames of 8192 x 4096 pixels: two pictures by turns, each compressed once."""
    path = tmp_path_factory.mktemp("huge") / "a.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 8192, 4096, "yuvj420p"
        stream.codec_context.thread_count = 1
        pictures = []
        for level in (50, 200):
            frame = av.VideoFrame(8192, 4096, "yuvj420p")
            for plane in frame.planes:
                plane.update(bytes([level]) * plane.buffer_size)
            pictures += [bytes(packet) for packet in stream.encode(frame)]
        for number in range(24):
            packet = av.Packet(pictures[number % 2])
            packet.stream, packet.pts, packet.dts, packet.is_keyframe = stream, number, number, True
            packet.time_base = Fraction(1, 25)
            container.mux(packet)
    return path


@pytest.mark.parametrize("decoder", ["decord", "PyAV"])
def test_frames_of_8k_by_4k_are_never_held_together(huge, decoder):
    """As pictures they are 2.4 GB; each is resized as it is decoded."""
    if decoder == "decord" and door.decord is None:
        pytest.skip("decord is not installed")
    if not Path("/proc/self/status").exists():
        pytest.skip("this system does not tell a process's peak memory")
    command = [sys.executable, "-c", PEAK, huge, decoder]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    shape, peak = told.stdout.rsplit(maxsplit=1)
    assert shape == "(24, 64, 128, 3)"
    assert int(peak) < 900_000  # kB


@pytest.mark.parametrize("how", ["whole file", "part", "images"])
def test_a_clip_whose_frames_exceed_their_share_of_memory_is_refused(tmp_path, monkeypatch, how):
    monkeypatch.setattr(limits, "memory", lambda: 16 * 20 * 48 * 64 * 3)  # room for 20 frames
    path = write(tmp_path / "a.mp4", frames=24)
    decode(path, 24)  # a quarter each
    if how == "images":
        path = folder_of(tmp_path / "images", decode(path, 24).frames.repeat(2, 1).repeat(2, 2))
    span = Span(first=0, after=24, unit="frames") if how == "part" else None
    with pytest.raises(Unreadable, match=r"^2[14] frames of 64 x 48 pixels take .* data.resize$"):
        decode(path, None, span=span)
