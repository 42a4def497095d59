"""Boxes that are not drawn: the centre, three along the longer side, four corners and the centre.

Five and their mirror images are the ten crops of Krizhevsky et al., NIPS 2012, used for two-stream
networks by Simonyan and Zisserman, NIPS 2014, section 5; three are those of Feichtenhofer et al.,
"SlowFast", ICCV 2019, section 4, who first resize the short side to the crop.
"""

from typing import Literal

import numpy as np

from harness.augment.box import Box, Crop, Size

Crops = Literal[1, 3, 5]
PLACES = {  # in halves of the room that a box has, rows before columns
    1: ((1, 1),),
    3: ((1, 0), (1, 1), (1, 2)),
    5: ((0, 0), (0, 2), (2, 0), (2, 2), (1, 1)),
}


def centre_crop() -> Crop:
    """The box of the sample's own size in the centre of the frame."""

    def crop(frame: Size, size: Size, _: np.random.Generator) -> Box:
        return fixed_crops(frame, size, 1)[0]

    return crop


def fixed_crops(frame: Size, size: Size, count: Crops) -> list[Box]:
    """Boxes of `size` in a frame: the centre alone; or three; or corners row by row, then centre.

    >>> [(box.top, box.left) for box in fixed_crops((10, 14), (8, 8), 3)]
    [(1, 0), (1, 3), (1, 6)]
    """
    room, places = np.subtract(frame, size), np.array(PLACES[count])
    if count == 3 and room[0] > room[1]:
        places = places[:, ::-1]
    return [Box.of(size, corner) for corner in room * places // 2]
