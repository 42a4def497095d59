"""Corner and centre boxes of a few fixed sides, resized to the sample.

Wang et al., "Towards good practices for very deep two-stream ConvNets", arXiv 1507.02159, section
2.2 (scale jittering and corner cropping), also of TSN, whose released numbers are the defaults:
sides are shares of the frame's short side, and height and width may differ by `max_distort` steps
of the list. A side within 2 pixels of the sample's is taken for it, which spares a resize.
"""

from itertools import product
from typing import Literal

import numpy as np

from harness.augment.box import Box, Crop, Size
from harness.errors import UserError

CORNERS = ((0, 0), (0, 4), (4, 0), (4, 4), (2, 2))  # in quarters of the room, rows before columns
BETWEEN = ((0, 2), (2, 0), (2, 4), (4, 2), (1, 1), (1, 3), (3, 1), (3, 3))


def multi_scale_crop(
    *,
    scales: tuple[float, ...] = (1.0, 0.875, 0.75, 0.66),
    max_distort: int = 1,
    places: Literal[5, 13] = 13,
) -> Crop:
    """A box with sides from `scales` of the short side, at one of 5 or 13 fixed places."""
    if not scales or not all(0 < scale <= 1 for scale in scales):
        raise UserError(f"scales: needs numbers over 0, at most 1, got {list(scales)}")
    if max_distort < 0:
        raise UserError(f"max_distort: must be at least 0, got {max_distort}")
    pairs = [
        (down, across)
        for down, across in product(range(len(scales)), repeat=2)
        if abs(down - across) <= max_distort
    ]
    quarters = CORNERS if places == 5 else CORNERS + BETWEEN

    def crop(frame: Size, size: Size, rng: np.random.Generator) -> Box:
        sides = [int(min(frame) * scales[index]) for index in pairs[rng.integers(len(pairs))]]
        box = _side(sides[0], size[0]), _side(sides[1], size[1])
        place = quarters[rng.integers(len(quarters))]
        return Box.of(box, np.subtract(frame, box) // 4 * place)

    return crop


def _side(side: int, wanted: int) -> int:
    return wanted if abs(side - wanted) < 3 else max(1, side)
