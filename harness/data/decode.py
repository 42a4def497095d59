"""The one door to video files: a whole clip, once, in order, at the size that is wanted.

A sequential read of the whole clip is the only one that is exact on every file: random access
returns other frames than asked for where an AVI has B-frames, and containers misstate how many
frames they hold. PyAV's sequential decode, upright and in display order, defines what a clip is.

decord reads it where it provably returns the same. It is not believed, and PyAV reads, where

- the stream is MPEG-4 with B-frames (packed B-frames: the container counts one or two too many);
- its number of frames is not the number of packets, or its first frame is not PyAV's (another
  stream, an MPEG-TS that does not start at a key frame);
- its last two frames are identical, as when it pads what it could not decode.

Both resize inside FFmpeg by the same filter (swscale, bilinear): twice as fast as resizing
afterwards, and their frames agree to two levels out of 255.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import UInt8

try:
    import decord
except ImportError:  # there are no wheels for ARM
    decord = None
else:
    decord.logging.set_level(decord.logging.QUIET)

MAX_LOSS = 0.1  # of the declared frames; packed B-frames lose one or two of fifty or more


class Unreadable(Exception):  # noqa: N818  a finding about a file, not a failure of the program
    """A video that cannot be used, with the reason in one line that names no folder."""


@dataclass(frozen=True, kw_only=True)
class Video:
    """A decoded clip: its frames (RGB), who decoded them, and what the file had promised.

    `stopped` is the error that ended the decoding early, where one did.
    """

    frames: UInt8[np.ndarray, "frames height width 3"]
    decoder: str
    declared: int
    fps: float
    stopped: str = ""


@dataclass(frozen=True, kw_only=True)
class _Survey:
    """What PyAV tells of a file before it is decoded: every packet is read, one frame decoded."""

    first: UInt8[np.ndarray, "height width 3"]
    packets: int
    declared: int
    fps: float
    packed: bool


def decode(path: Path, resize: int | None, *, max_loss: float = MAX_LOSS) -> Video:
    """Decode a whole clip.

    Args:
        path: a file that FFmpeg can read; of several video streams the first is taken.
        resize: length of the frames' short side in pixels, the aspect being kept; None keeps all.
        max_loss: share of the declared frames that may be missing.

    Raises:
        Unreadable: not a video, fewer than two frames, or more than `max_loss` of them lost.
    """
    with _readable(path) as (container, stream):
        survey = _survey(container, stream, resize)
    frames = None if decord is None or survey.packed else _read_with_decord(path, survey)
    decoder, stopped = f"decord {decord.__version__}" if decord else "", ""
    if frames is None:
        decoder = f"PyAV {av.__version__}"
        with _readable(path) as (container, stream):
            frames, stopped = _read_with_pyav(container, stream, resize)
    because = f" ({stopped})" if stopped else ""
    if len(frames) < (1 - max_loss) * survey.declared:
        raise Unreadable(f"{len(frames)} of {survey.declared} frames could be decoded{because}")
    if len(frames) < 2:
        raise Unreadable(f"1 frame: no flow{because}")
    return Video(
        frames=frames, decoder=decoder, declared=survey.declared, fps=survey.fps, stopped=stopped
    )


@contextmanager
def _readable(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The open file and its first video stream; FFmpeg's own words where it is not one."""
    try:
        # Absolute, lest FFmpeg takes "a:b.avi" for a protocol; old metadata is seldom UTF-8.
        with av.open(str(path.absolute()), metadata_errors="ignore") as container:
            if not container.streams.video:
                raise Unreadable("no video stream")
            stream = container.streams.video[0]
            stream.thread_type = "NONE"  # one thread a worker; clips are decoded side by side
            yield container, stream
    except av.FFmpegError as error:
        raise Unreadable(error.strerror or str(error)) from error


def _survey(container: InputContainer, stream: VideoStream, resize: int | None) -> _Survey:
    sizer = _Sizer(resize)
    first, packets, discarded = None, 0, 0
    for packet in container.demux(stream):
        packets += packet.size > 0
        discarded += packet.is_discard  # outside the edit list: decoded, never shown
        if first is None:
            first = next(map(sizer, packet.decode()), None)
    if first is None:
        raise Unreadable("no frame could be decoded")
    return _Survey(
        first=first,
        packets=packets - discarded,
        declared=max(packets, stream.frames) - discarded,
        fps=float(stream.average_rate or 0),
        packed=stream.codec_context.name == "mpeg4" and stream.codec_context.has_b_frames,
    )


def _read_with_decord(
    path: Path, survey: _Survey
) -> UInt8[np.ndarray, "frames height width 3"] | None:
    """All frames, or None where they may differ from what PyAV decodes."""
    height, width, _ = survey.first.shape
    try:
        reader = decord.VideoReader(str(path), width=width, height=height, num_threads=1)
        if len(reader) != survey.packets:
            return None
        frames: np.ndarray = reader.get_batch(range(len(reader))).asnumpy()
    except (RuntimeError, decord.DECORDError):
        return None
    padded = len(frames) > 1 and np.array_equal(frames[-1], frames[-2])
    # MPEG-4's inverse transform may round differently: two levels, where another frame differs
    # by many.
    same_start = np.abs(frames[0].astype(np.int16) - survey.first).max() <= 2
    return frames if same_start and not padded else None


def _read_with_pyav(
    container: InputContainer, stream: VideoStream, resize: int | None
) -> tuple[UInt8[np.ndarray, "frames height width 3"], str]:
    """All frames up to the end or to the first error, and that error."""
    frames: list[np.ndarray] = []
    stopped = ""
    try:
        frames.extend(map(_Sizer(resize), container.decode(stream)))
    except av.FFmpegError as error:
        stopped = error.strerror or str(error)
    return np.stack(frames), stopped


class _Sizer:
    """Decoded frames -> upright RGB arrays, through the filter that decord uses.

    A plain `reformat` would place the chroma samples elsewhere and differ by up to 29 levels.
    """

    def __init__(self, resize: int | None) -> None:
        self.resize = resize
        self.graph: Graph | None = None

    def __call__(self, frame: VideoFrame) -> UInt8[np.ndarray, "height width 3"]:
        if self.graph is None:
            self.graph = _filter(frame, self.resize)
        self.graph.vpush(frame)
        return np.rot90(self.graph.vpull().to_ndarray(), frame.rotation // 90)


def _filter(frame: VideoFrame, resize: int | None) -> Graph:
    """Resize to a short side of `resize`, the long side to the nearest pixel."""
    scale = resize / min(frame.width, frame.height) if resize else 1
    width, height = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
    graph = Graph()
    graph.link_nodes(
        graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000)
        ),
        graph.add("scale", f"{width}:{height}:flags=bilinear"),
        graph.add("format", "pix_fmts=rgb24"),
        graph.add("buffersink"),
    )
    graph.configure()
    return graph
