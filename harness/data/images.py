"""A folder of images as a clip: one image a frame, in the order of the numbers in their names.

`img_00001.jpg` (TSN, MMAction2), `image_00001.jpg`, `frame000001.jpg`, `00001.jpg`, `1.png`: any
names do. Precomputed flow (`flow_*`, and `x_00001.jpg` with `y_00001.jpg`) is no frame; hidden
files are none either.
"""

import re
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from av.video.frame import VideoFrame

from harness.data.clip import IMAGES, Span
from harness.data.resize import Resize
from harness.data.video import Unreadable, Video, gather, outside
from harness.flow.layouts import is_flow

ENDS = {b"\xff\xd8": b"\xff\xd9", b"\x89P": b"IEND"}  # what a whole JPEG or PNG ends with
TAIL = 1024  # bytes in which that is sought: some writers append padding


def frame_files(folder: Path) -> list[Path]:
    """The images that are frames, in order."""
    images = (
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGES
        and not path.name.startswith(".")
        and not is_flow(path.name)
    )
    return sorted((path for path in images if path.is_file()), key=_natural)


def read(folder: Path, resize: int | None, span: Span | None, declared: int | None) -> Video:
    """Every image of a folder, or those of a span, as a clip.

    Raises:
        Unreadable: there is no image, one of them is damaged, or they differ in size.
    """
    files = _part(frame_files(folder), span)
    promised = len(files) if span is None else int(span.after - span.first)
    first = read_image(files[0])
    height, width, _ = first.shape
    sizer = Resize(resize)

    def frame(file: Path) -> np.ndarray:
        image = read_image(file)
        if image.shape != first.shape:
            size = f"{image.shape[1]} x {image.shape[0]}"
            raise Unreadable(f"{file.name!r} is {size} pixels, the first is {width} x {height}")
        return sizer(VideoFrame.from_ndarray(image, format="rgb24"))

    return Video(
        frames=gather(map(frame, files)),
        decoder=f"OpenCV {cv2.__version__}",
        codec=files[0].suffix.lower().removeprefix("."),
        declared=max(promised, declared or 0),
        fps=0.0,
        width=width,
        height=height,
    )


def _natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    """`img_9` before `img_10`; names that differ only in leading zeros in a fixed order."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts], path.name


def _part(files: list[Path], span: Span | None) -> list[Path]:
    if not files:
        raise Unreadable("no images in this folder")
    if span is None:
        return files
    if span.unit != "frames":
        raise Unreadable("a folder of images has no time: name its part in frames")
    chosen = files[int(span.first) : int(span.after)]
    if not chosen:
        raise Unreadable(outside(span, f"{len(files)} frames"))
    return chosen


def read_image(path: Path) -> np.ndarray:
    """RGB; cv2 alone would fill up what a truncated file lacks."""
    content = path.read_bytes()
    end = ENDS.get(content[:2], b"")
    pixels = None
    if content and end in content[-TAIL:]:
        with suppress(cv2.error):  # raised where the header tells of too many pixels
            pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise Unreadable(f"{path.name!r} is not a whole image")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
