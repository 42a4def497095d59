"""A contact sheet: frames of a clip in a row, evenly spaced, and beneath each the flow from it.

Flow is shown in the usual colours (`harness.flow.colour`), with their wheel beside it: the sheet
says at which length, in pixels of the cached frames, the colours are full. White does not move.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from harness.errors import UserError
from harness.files import write_atomic
from harness.flow.colour import colour

Image = UInt8[np.ndarray, "height width 3"]

SHORTEST = 112  # pixels of a tile's short side; smaller frames are enlarged by a whole factor
GAP, LINE, WHEEL = 6, 18, 96  # pixels: between tiles, of a line of text, of the wheel
INK = (30, 30, 30)
LETTER = 0.42  # size of the font
LEAST = 0.5  # pixels: full colours never stand for less, lest noise looks like motion


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A clip to be shown: its frames, its flow in pixels, and lines of text that name it."""

    frames: UInt8[np.ndarray, "frames height width 3"]
    flow: Float[np.ndarray, "fields height width 2"]
    caption: Sequence[str]


def sheet(picture: Picture, count: int) -> Image:
    """At most `count` frames with their flow, as RGB."""
    fields = len(picture.flow)
    chosen = np.unique(np.linspace(0, fields - 1, min(count, fields)).round().astype(int))
    flow = picture.flow[chosen]
    largest = scale_of(flow)
    enlarged = ceil(SHORTEST / min(flow.shape[1:3]))
    top = _row([_tile(picture.frames[t], enlarged) for t in chosen])
    bottom = _row([_tile(field, enlarged) for field in colour(flow, largest)])
    pictures = _beside(np.concatenate([top, bottom]), legend(largest))
    caption = [*picture.caption, f"frames {', '.join(map(str, chosen))}"]
    return _below(_text(caption, pictures.shape[1]), pictures)


def sheets(pictures: Sequence[Picture], count: int) -> Image:
    """One clip below the other."""
    made = [sheet(picture, count) for picture in pictures]
    whole = made[0]
    for image in made[1:]:
        whole = _below(whole, image)
    return whole


def scale_of(flow: Float[np.ndarray, "fields height width 2"]) -> float:
    """The length where colours are full; one displacement in a hundred is longer."""
    return max(LEAST, float(np.percentile(np.hypot(flow[..., 0], flow[..., 1]), 99)))


def legend(largest: float) -> Image:
    """The wheel of colours: how a pixel looks that moves from the centre to there."""
    axis = np.linspace(-1, 1, WHEEL)
    x, y = np.meshgrid(axis, axis)
    wheel = colour(np.stack([x, y], axis=-1) * largest, largest)
    wheel[np.hypot(x, y) > 1] = 255
    return np.concatenate([wheel, _text([f"rim: {largest:.1f} px"], WHEEL)])


def _tile(image: Image, enlarged: int) -> Image:
    """Enlarged, with white to the right of it and below."""
    large = image.repeat(enlarged, axis=0).repeat(enlarged, axis=1)
    return np.pad(large, ((0, GAP), (0, GAP), (0, 0)), constant_values=255)


def _row(tiles: Sequence[Image]) -> Image:
    return np.concatenate(tiles, axis=1)


def _beside(left: Image, right: Image) -> Image:
    return _below(left.transpose(1, 0, 2), right.transpose(1, 0, 2)).transpose(1, 0, 2)


def _below(top: Image, bottom: Image) -> Image:
    """The narrower one is filled up with white."""
    width = max(top.shape[1], bottom.shape[1])
    filled = [
        np.pad(i, ((0, 0), (0, width - i.shape[1]), (0, 0)), constant_values=255)
        for i in (top, bottom)
    ]
    return np.concatenate(filled)


def _text(lines: Sequence[str], width: int) -> Image:
    """Lines of text, wrapped to the width; letters that the font lacks become question marks."""
    each = max(1, width // 8)
    wrapped = [line[at : at + each] for line in lines for at in range(0, len(line) or 1, each)]
    image = np.full((LINE * len(wrapped) + GAP, width, 3), 255, np.uint8)
    for number, line in enumerate(wrapped, start=1):
        plain = line.encode("ascii", "replace").decode()
        place = (0, LINE * number - 4)
        cv2.putText(image, plain, place, cv2.FONT_HERSHEY_SIMPLEX, LETTER, INK, 1, cv2.LINE_AA)
    return image


def write_png(path: Path, image: Image) -> None:
    """UserError if the file is not named as a PNG, or cannot be written."""
    if path.suffix.lower() != ".png":
        raise UserError(f"{path}: a contact sheet is a PNG file; give it a name that ends in .png")
    _, content = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    write_atomic(path, content.tobytes())
