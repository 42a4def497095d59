"""A part of a video, by frames or by seconds, out of a sequential decode of it.

Seconds count from the first frame, by the time stamps of the file. AVI has none, and what FFmpeg
makes up for B-frames there is not even in order: its frames are evenly spaced.
"""

from collections.abc import Iterator
from fractions import Fraction

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from harness.data.clip import Span
from harness.data.resize import upright
from harness.data.video import Unreadable, outside


class Part:
    """Picks a span's frames; `size` is theirs, and `end` where the video ended, if it did."""

    def __init__(self, span: Span, container: InputContainer, stream: VideoStream) -> None:
        self.span = span
        self.size = (0, 0)
        self.end: Fraction | None = Fraction(0)
        self._first, self._after = Fraction(str(span.first)), Fraction(str(span.after))
        self._evenly = container.format.name == "avi"
        self._step = 1 / Fraction(stream.average_rate or 1) if span.unit == "seconds" else 1
        self._start: Fraction | None = None

    def pick(self, frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
        for index, frame in enumerate(frames):
            at = self._at(index, frame)
            if at >= self._after:
                self.end = None
                return
            self.end = at + self._step
            if at >= self._first:
                self.size = upright(frame)
                yield frame

    def require(self, max_loss: float, stopped: str) -> None:
        """Unreadable if the video ended long before the span does, or has no frame in it."""
        span = self.span
        if self.end is not None and self._after - self.end > max_loss * (span.after - span.first):
            because = f" ({stopped})" if stopped else ""
            raise Unreadable(outside(span, f"{float(self.end):g} {span.unit}{because}"))
        if self.size == (0, 0):
            raise Unreadable(f"no frame in {span.unit} {span.first:g} to {span.after:g}")

    def promised(self, found: int) -> int:
        """How many frames the span names; a span of seconds names none."""
        return int(self._after - self._first) if self.span.unit == "frames" else found

    def _at(self, index: int, frame: VideoFrame) -> Fraction:
        if self.span.unit == "frames":
            return Fraction(index)
        if self._evenly or frame.pts is None or frame.time_base is None:
            return index * Fraction(self._step)
        time = frame.pts * frame.time_base
        if self._start is None:
            self._start = time
        return time - self._start
