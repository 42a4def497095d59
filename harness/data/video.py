"""A decoded clip, and the only way in which there is none: `Unreadable`, with its reason."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from harness.data.clip import Span
from harness.data.space import GB, memory

MAX_LOSS = 0.1  # of the declared frames; packed B-frames lose one or two of fifty or more
MEMORY_SHARE = 1 / 16  # of the machine's memory that the resized frames of one clip may take


class Unreadable(Exception):  # noqa: N818  a finding about a file, not a failure of the program
    """A video that cannot be used, with the reason in one line that names no folder."""


@dataclass(frozen=True, kw_only=True)
class Video:
    """A decoded clip: its frames (RGB), who decoded them, and what had been promised.

    `declared` is the larger of what the container and what the annotation says; `width` and
    `height` are those of the upright picture before it was resized; `fps` is 0 where the file tells
    none; `stopped` is the error that ended the decoding early, where one did.
    """

    frames: UInt8[np.ndarray, "frames height width 3"]
    decoder: str
    codec: str
    declared: int
    fps: float
    width: int
    height: int
    stopped: str = ""

    def facts(self) -> dict[str, Any]:
        """What the manifest tells of it."""
        frames, height, width, _ = self.frames.shape
        return {
            "frames": frames,
            "height": height,
            "width": width,
            "native_height": self.height,
            "native_width": self.width,
            "fps": self.fps,
            "codec": self.codec,
            "declared": self.declared,
            "decoder": self.decoder,
            "stopped": self.stopped,
        }

    def require(self, max_loss: float) -> "Video":
        """Itself, unless it is too short for a flow field or lost too many frames: Unreadable."""
        count, because = len(self.frames), f" ({self.stopped})" if self.stopped else ""
        if count < (1 - max_loss) * self.declared:
            raise Unreadable(f"{count} of {self.declared} frames could be decoded{because}")
        if count < 2:
            raise Unreadable(f"{count} frame: no flow{because}")
        return self


def plain(name: str) -> str:
    """A name as it fits into one line: quoted if it holds a newline, say, or is not Unicode."""
    return name if name.isprintable() else repr(name)


def outside(span: Span, whole: str) -> str:
    return f"its part, {span.unit} {span.first:g} to {span.after:g}, lies outside of {whole}"


def require_room(frames: int, height: int, width: int) -> None:
    """Refuse what would not fit beside the work of others; Unreadable tells the sizes."""
    need, most = frames * height * width * 3, MEMORY_SHARE * memory()
    if need > most:
        raise Unreadable(
            f"{frames} frames of {width} x {height} pixels take {need / GB:.1f} GB, over the "
            f"{most / GB:.1f} GB that a clip may have; choose a smaller data.resize"
        )


def gather(
    frames: Iterable[UInt8[np.ndarray, "height width 3"]],
) -> UInt8[np.ndarray, "frames height width 3"]:
    """All of them in one array, for as long as there is room; Unreadable where they take more."""
    held: list[np.ndarray] = []
    for frame in frames:
        held.append(frame)
        require_room(len(held), *frame.shape[:2])
    return np.stack(held) if held else np.empty((0, 0, 0, 3), np.uint8)
