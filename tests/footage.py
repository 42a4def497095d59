"""Videos that tests make, and what plainest PyAV reads of any video."""

import struct
import zlib
from contextlib import suppress

import av
import cv2
import numpy as np


def write(path, *, codec="libx264", frames=24, size=(48, 64), pix_fmt="yuv420p", **options):
    """A video of `size` (height, width) that grows brighter from frame to frame, with a gradient
    from left to right under noise."""
    height, width = size
    noise = np.random.default_rng(0).uniform(0, 40, (height, width, 3))
    ramp = np.linspace(0, 60, width)[None, :, None] + noise
    with av.open(path, "w") as container:
        container.metadata["title"] = "METADATA"
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        for t in range(frames):
            pixels = (ramp + 150 * t / frames).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def reference(path):
    """Every frame, by PyAV's plainest means: sequential, at its own size."""
    with av.open(str(path), metadata_errors="ignore") as container:
        stream = container.streams.video[0]
        return [
            np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
            for frame in container.decode(stream)
        ]


def folder_of(folder, frames, template="img_{:05d}.png"):
    """A folder of images of these frames, numbered from 1."""
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames, start=1):
        cv2.imwrite(str(folder / template.format(number)), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return folder


def gigantic(path):
    """Make the header of a PNG tell of more pixels than OpenCV takes; it is whole all the same."""
    content = path.read_bytes()
    header = b"IHDR" + struct.pack(">II", 60_000, 60_000) + content[24:29]
    path.write_bytes(content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:])


def fill(disk):
    """Leave no room on a small disk."""
    with (disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(4096))
