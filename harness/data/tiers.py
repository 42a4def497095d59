"""How the arrays of a cache lie on the disk: as they are, or as one JPEG image a frame.

`raw` is a copy away from a batch. `jpeg` takes a tenth of the space, about, and decodes the frames
that are asked for: colour at quality 90; flow with its two components side by side as one grey
image at quality 95, where no motion stays what it is, since 128 is JPEG's zero.

A tier packs an array into pieces that are written one after another into one file, and reads frames
from that file again. What it writes is a function of the array alone.
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from jaxtyping import UInt8

from harness.augment.box import Box
from harness.errors import UserError
from harness.files import sync

CHANNELS = {"rgb": 3, "flow": 2, "backward": 2}
Shape = tuple[int, int, int]  # frames, height, width


class Tier(Protocol):
    """What a cache asks of the files of one kind of array ("rgb", say)."""

    suffix: str  # of the file that holds the pieces
    header: int  # bytes that are kept free before the first of them
    share: float  # of the bytes of an array, that its file takes at most on natural video
    each: int  # bytes that it takes besides for each frame

    @staticmethod
    def pack(array: UInt8[np.ndarray, "frames height width channels"]) -> list[np.ndarray]:
        """The pieces of a clip's array, bytes all of them."""

    @staticmethod
    def units(lengths: Sequence[int]) -> int:
        """How far a clip, of pieces of these lengths, moves on what `start` counts."""

    @staticmethod
    def complete(file: Path, lengths: Sequence[int]) -> list[Path]:
        """Add to a file that holds all pieces what is needed to read it; all its files, synced."""

    def __init__(self, file: Path, channels: int) -> None: ...

    def whole(self, start: int, shape: Shape) -> UInt8[np.ndarray, "frames height width channels"]:
        """A clip's array."""

    def cut(
        self, start: int, shape: Shape, positions: np.ndarray, box: Box
    ) -> UInt8[np.ndarray, "*positions height width channels"]:
        """A copy of a box of some frames of a clip."""


class Raw:
    """`<kind>.npy`: all clips end to end; `start` counts bytes."""

    suffix = ".npy"
    header = 128  # bytes of a .npy header, whatever the length of the array
    share, each = 1.0, 0

    @staticmethod
    def pack(array: np.ndarray) -> list[np.ndarray]:
        return [array.reshape(-1)]

    @staticmethod
    def units(lengths: Sequence[int]) -> int:
        return sum(lengths)

    @staticmethod
    def complete(file: Path, lengths: Sequence[int]) -> list[Path]:
        header = BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "|u1", "fortran_order": False, "shape": (sum(lengths),)}
        )
        if len(header.getvalue()) != Raw.header:
            raise RuntimeError(f"numpy wrote a header of {len(header.getvalue())} bytes")
        with file.open("r+b") as opened:
            opened.write(header.getvalue())
            sync(opened)
        return [file]

    def __init__(self, file: Path, channels: int) -> None:
        # A plain array: a slice of a memmap costs eight times as much.
        self._bytes = np.asarray(np.load(file, mmap_mode="r"))
        self._channels = channels

    def whole(self, start: int, shape: Shape) -> np.ndarray:
        length = prod(shape) * self._channels
        return self._bytes[start : start + length].reshape(*shape, self._channels)

    def cut(self, start: int, shape: Shape, positions: np.ndarray, box: Box) -> np.ndarray:
        whole = self.whole(start, shape)
        return whole[positions, box.top : box.bottom, box.left : box.right]


class Jpeg:
    """`<kind>.jpegs`: all images end to end, which begin at `<kind>.offsets.npy`; `start` counts
    images.
    """

    suffix = ".jpegs"
    header = 0
    share, each = 0.12, 800  # 1/11 to 1/19 was measured; the tables of an image's codes

    @staticmethod
    def pack(array: np.ndarray) -> list[np.ndarray]:
        return [cv2.imencode(".jpg", *_image(frame))[1] for frame in array]

    @staticmethod
    def units(lengths: Sequence[int]) -> int:
        return len(lengths)

    @staticmethod
    def complete(file: Path, lengths: Sequence[int]) -> list[Path]:
        table = file.with_suffix(".offsets.npy")
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        with table.open("wb") as opened:
            np.save(opened, offsets)
            sync(opened)
        return [file, table]

    def __init__(self, file: Path, channels: int) -> None:
        self._file, self._channels = file, channels
        self._bytes = np.asarray(np.memmap(file, np.uint8, mode="r"))
        self._offsets = np.asarray(np.load(file.with_suffix(".offsets.npy"), mmap_mode="r"))

    def whole(self, start: int, shape: Shape) -> np.ndarray:
        return np.stack([self._decode(start + at) for at in range(shape[0])])

    def cut(self, start: int, shape: Shape, positions: np.ndarray, box: Box) -> np.ndarray:
        asked, places = np.unique(positions % shape[0], return_inverse=True)
        rows, columns = slice(box.top, box.bottom), slice(box.left, box.right)
        frames = np.stack([self._decode(start + at)[rows, columns] for at in asked.tolist()])
        return frames[places.reshape(positions.shape)]

    def _decode(self, number: int) -> np.ndarray:
        content = self._bytes[self._offsets[number] : self._offsets[number + 1]]
        image = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
        if image is None:
            raise UserError(
                f"{self._file}: image {number} is damaged; delete the folder and run again"
            )
        if self._channels == 3:
            return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        return image.reshape(image.shape[0], 2, -1).transpose(0, 2, 1)


TIERS: Mapping[str, type[Tier]] = {"raw": Raw, "jpeg": Jpeg}


def _image(frame: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """A frame or a field as OpenCV's image, and how to encode it."""
    if frame.shape[-1] == 3:
        return cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90]
    return np.concatenate([frame[..., 0], frame[..., 1]], axis=1), [cv2.IMWRITE_JPEG_QUALITY, 95]
