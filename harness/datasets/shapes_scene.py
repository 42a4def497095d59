"""The pictures of moving_shapes: textured discs that glide over a textured ground.

A frame is drawn in the planes that a video stores, luma (Y) apart from chroma (U, V). All texture
is luma, and all colour is chroma of one radius: so hue cannot be seen in grey frames, nor in the
optical flow between them, and RGB clips neither.

The ground and the discs carry noise of one statistic, periodic over the frame: a disc that leaves
on one side enters on the other, and its texture moves by fractions of a pixel without being
interpolated (the shift theorem of the Fourier transform). Lengths are shares of the frame's side.
"""

from dataclasses import dataclass
from io import BytesIO
from math import cos, radians, sin

import av
import numpy as np
from jaxtyping import Float, UInt8
from numpy.random import Generator

HUES = {"red": 108, "green": 198, "cyan": 288, "violet": 18}  # degrees in the (U, V) plane
RADIUS = 0.175  # of a disc: 5.6 px of 32
GREY, CHROMA = 126, 36  # mid-range luma, and the distance of every hue from grey
CONTRAST, PEAK = 22, 46  # standard deviation of the texture, and where it is cut off
FINEST = 6  # texture detail: cycles per frame side
FRAMES_PER_SECOND = 25

Trajectory = Float[np.ndarray, "frames xy"]


@dataclass(frozen=True, kw_only=True)
class Disc:
    """A disc of one hue; `path` is its centre in every frame, x before y, in frame sides."""

    hue: str
    path: Trajectory


def draw(
    discs: list[Disc], size: int, rng: Generator
) -> tuple[UInt8[np.ndarray, "frames size size"], UInt8[np.ndarray, "2 frames half half"]]:
    """The Y plane of each frame, and its U and V planes at half the resolution."""
    frames = len(discs[0].path)
    luma = np.repeat(noise(np.zeros((1, 2)), size, rng), frames, axis=0)
    chroma = np.zeros((2, frames, size // 2, size // 2))
    for disc in discs:
        cover = coverage(disc.path, size)
        luma += cover * (noise(disc.path, size, rng) - luma)
        tint = cover.reshape(frames, size // 2, 2, size // 2, 2).mean(axis=(2, 4))
        angle = radians(HUES[disc.hue])
        colour = CHROMA * np.array([cos(angle), sin(angle)]).reshape(2, 1, 1, 1)
        chroma += tint * (colour - chroma)
    luma = GREY + np.clip(CONTRAST * luma, -PEAK, PEAK)
    return luma.round().astype(np.uint8), (128 + chroma).round().astype(np.uint8)


def noise(path: Trajectory, size: int, rng: Generator) -> Float[np.ndarray, "frames size size"]:
    """Band-limited periodic noise of mean 0 and deviation 1, carried along a path."""
    down = np.fft.fftfreq(size, 1 / size)[:, None]
    right = np.fft.rfftfreq(size, 1 / size)[None, :]
    distance = np.hypot(down, right)
    spectrum = (
        np.fft.rfft2(rng.standard_normal((size, size))) * (distance <= FINEST) * (distance > 0)
    )
    x, y = path.T[:, :, None, None]
    moved = np.fft.irfft2(spectrum * np.exp(-2j * np.pi * (x * right + y * down)), s=(size, size))
    return moved / moved[0].std()


def coverage(path: Trajectory, size: int) -> Float[np.ndarray, "frames size size"]:
    """How much of each pixel lies inside the disc, 0 to 1."""
    pixels = (np.arange(size) + 0.5) / size
    offset = pixels - path[:, :, None]  # (frames, xy, size)
    offset -= offset.round()  # the shorter way round
    distance = np.hypot(offset[:, 0, None, :], offset[:, 1, :, None])
    return np.clip(0.5 + (RADIUS - distance) * size, 0, 1)


def encode(
    luma: UInt8[np.ndarray, "frames size size"], chroma: UInt8[np.ndarray, "2 frames half half"]
) -> bytes:
    """An MP4 file of H.264, near lossless; one thread, so that the same frames give the same bytes.

    Every frame is coded by itself, at a constant quantiser: predicted frames keep traces of their
    neighbours, off which a network reads motion in a single frame (`bind`: 0.92 in place of 0.50).
    """
    size = luma.shape[1]
    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        options = {"preset": "fast", "qp": "12", "g": "1", "threads": "1"}
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options=options)
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        for y, u, v in zip(luma, *chroma, strict=True):
            planar = np.concatenate([y.ravel(), u.ravel(), v.ravel()]).reshape(-1, size)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planar, format="yuv420p")))
        container.mux(stream.encode())
    return file.getvalue()
