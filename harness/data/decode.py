"""The one door to video files: a whole clip, once, in order, at the size that is wanted.

A sequential read is the only one that is exact on every file: random access returns other frames
than asked for where an AVI has B-frames, and containers misstate how many frames they hold. PyAV's
sequential decode defines what a clip is:

- of several video streams the first in the file, whatever its size;
- frames in display order, as many as there are: none is repeated or dropped to even out a variable
  rate, and what an edit list cuts off is not there;
- upright, where the file says how it was turned; eight bits a channel, whatever it had.

decord reads it where it provably returns the same. It is not believed, and PyAV reads, where

- the stream is MPEG-4 with B-frames (packed B-frames: the container counts one or two too many);
- its number of frames is not the number of packets, or its first frame is not PyAV's (another
  stream, an MPEG-TS that does not start at a key frame);
- its last two frames are identical, as when it pads what it could not decode;
- it raises, as it does on every GIF and on AV1, or only a part of the file is wanted.

Both resize inside FFmpeg by the same filter, each frame as it is decoded: twice as fast as resizing
afterwards, without a large video ever being held; and their frames agree to two levels out of 255.
"""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import UInt8

from harness.data import images
from harness.data.clip import Span
from harness.data.part import Part
from harness.data.resize import Resize, upright
from harness.data.video import MAX_LOSS, Unreadable, Video, gather, require_room

try:
    import decord
except ImportError:  # there are no wheels for ARM
    decord = None
else:
    decord.logging.set_level(decord.logging.QUIET)

PYAV = f"PyAV {av.__version__}"


def decode(
    path: Path,
    resize: int | None,
    *,
    span: Span | None = None,
    declared: int | None = None,
    max_loss: float = MAX_LOSS,
) -> Video:
    """Decode a clip.

    Args:
        path: a file that FFmpeg can read, or a folder of images.
        resize: length of the frames' short side in pixels, the aspect being kept; None keeps all.
        span: the part of the file that is the clip; seconds count from its first frame.
        declared: how many frames an annotation promises.
        max_loss: share of the declared frames, or of the span, that may be missing.

    Raises:
        Unreadable: not a video, fewer than two frames, too many of them lost, or too large.
    """
    with refusals():
        if is_folder(path):
            video = images.read(path, resize, span, declared)
        elif span is not None:
            video = _read_part(path, resize, span, declared or 0, max_loss)
        else:
            video = _read_all(path, resize, declared or 0)
    return video.require(max_loss)


@contextmanager
def refusals() -> Iterator[None]:
    """Whatever FFmpeg or the system has against a file makes it Unreadable, in their words."""
    try:
        yield
    except av.FFmpegError as error:
        raise Unreadable(_words(error)) from error
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from error


def is_folder(path: Path) -> bool:
    """False for a file; Unreadable for a pipe, which would be waited for, or a device."""
    mode = path.stat().st_mode
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise Unreadable("neither a file nor a folder")
    return stat.S_ISDIR(mode)


def _words(error: av.FFmpegError) -> str:
    return error.strerror or str(error)


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """An open file and its first video stream."""
    # Absolute, lest FFmpeg takes "a:b.avi" for a protocol; old metadata is seldom UTF-8.
    with av.open(str(path.absolute()), metadata_errors="ignore") as container:
        if not container.streams.video:
            raise Unreadable("no video stream")
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise Unreadable("no decoder for its video stream")
        stream.thread_type = "NONE"  # one thread a worker; clips are decoded side by side
        yield container, stream


@dataclass(frozen=True, kw_only=True)
class _Survey:
    """What PyAV tells of a file before it is decoded: every packet is read, one frame decoded."""

    first: UInt8[np.ndarray, "height width 3"]
    packets: int
    declared: int
    fps: float
    codec: str
    width: int
    height: int
    packed: bool


def _read_all(path: Path, resize: int | None, declared: int) -> Video:
    survey = _survey(path, resize)
    require_room(survey.packets, *survey.first.shape[:2])
    frames = None if decord is None or survey.packed else _read_with_decord(path, survey)
    decoder, stopped = f"decord {decord.__version__}" if decord else "", ""
    if frames is None:
        decoder = PYAV
        frames, stopped = _read_with_pyav(path, resize)
    return Video(
        frames=frames,
        decoder=decoder,
        codec=survey.codec,
        declared=max(survey.declared, declared),
        fps=survey.fps,
        width=survey.width,
        height=survey.height,
        stopped=stopped,
    )


def _survey(path: Path, resize: int | None) -> _Survey:
    first, packets, discarded, reached = None, 0, 0, Fraction(0)
    with opened(path) as (container, stream):
        for packet in container.demux(stream):
            packets += packet.size > 0
            reached = max(reached, _end(packet))
            discarded += packet.is_discard  # outside the edit list: decoded, never shown
            if first is None:
                first = next(iter(packet.decode()), None)
        if first is None:
            raise Unreadable("no frame could be decoded")
        width, height = upright(first)
        promised = stream.frames or _promised(container, packets, reached)
        return _Survey(
            first=Resize(resize)(first),
            packets=packets - discarded,
            declared=max(packets, promised) - discarded,
            fps=float(stream.average_rate or 0),
            codec=stream.codec_context.codec.canonical_name,
            width=width,
            height=height,
            packed=stream.codec_context.name == "mpeg4" and stream.codec_context.has_b_frames,
        )


def _end(packet: Packet) -> Fraction:
    """The time in seconds at which the frame of a packet ends."""
    if packet.pts is None or packet.time_base is None:
        return Fraction(0)
    return (packet.pts + (packet.duration or 0)) * packet.time_base


def _promised(container: InputContainer, packets: int, reached: Fraction) -> int:
    """How many frames a file promises that counts none, as Matroska does: by its duration.

    Beside a longer sound track, that says nothing about the pictures.
    """
    seconds = Fraction(container.duration or 0, av.time_base)
    start = Fraction(container.start_time or 0, av.time_base)
    if len(container.streams) > 1 or not start < reached:
        return 0
    return round(packets * seconds / (reached - start))


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
    except (RuntimeError, UnicodeEncodeError, decord.DECORDError):  # a name that is not UTF-8
        return None
    padded = len(frames) > 1 and np.array_equal(frames[-1], frames[-2])
    # MPEG-4's inverse transform may round differently: two levels, where another frame differs
    # by many.
    same_start = np.abs(frames[0].astype(np.int16) - survey.first).max() <= 2
    return frames if same_start and not padded else None


def _read_with_pyav(
    path: Path, resize: int | None
) -> tuple[UInt8[np.ndarray, "frames height width 3"], str]:
    """All frames up to the end or to the first error, and that error."""
    ended = _Ending()
    with opened(path) as (container, stream):
        frames = gather(map(Resize(resize), ended.watch(container.decode(stream))))
    return frames, ended.reason


class _Ending:
    """Why there are no more frames: "" at the end of the file, FFmpeg's words at an error."""

    reason = ""

    def watch(self, frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
        try:
            yield from frames
        except av.FFmpegError as error:
            self.reason = _words(error)


def _read_part(path: Path, resize: int | None, span: Span, declared: int, max_loss: float) -> Video:
    ended = _Ending()
    with opened(path) as (container, stream):
        part = Part(span, container, stream)
        wanted = part.pick(ended.watch(container.decode(stream)))
        frames = gather(map(Resize(resize), wanted))
        part.require(max_loss, ended.reason)
        width, height = part.size
        return Video(
            frames=frames,
            decoder=PYAV,
            codec=stream.codec_context.codec.canonical_name,
            declared=max(part.promised(len(frames)), declared),
            fps=float(stream.average_rate or 0),
            width=width,
            height=height,
            stopped=ended.reason,
        )
