"""From the fields of a window to the stack that a network sees.

Simonyan and Zisserman, "Two-Stream Convolutional Networks for Action Recognition in Videos", NIPS
2014 (arXiv 1406.2199), section 3.1: besides the plain stack, one along trajectories and one in both
directions of time.

How we differ: on the bytes of `harness.flow.codes`. A path therefore follows what the fields hold,
which is cut at the bound and, with `mean: subtract`, goes without their mean. In a bidirectional
stack backward fields come in the order in which they lead away from the middle frame.
"""

import cv2
import numpy as np
from jaxtyping import Int64, UInt8

from harness.flow.codes import decode, encode


def trajectory(
    window: UInt8[np.ndarray, "fields height width 2"], bound: float
) -> UInt8[np.ndarray, "fields height width 2"]:
    """Successive fields, each sampled where the pixel of the first has got to.

    With d_k the displacements of field k, a pixel's path is p_1 = (x, y) and
    p_k = p_(k-1) + d_(k-1)(p_(k-1)), read bilinearly; beyond the edge the nearest pixel counts.
    The fields must follow one another (a stride of one); `bound`, in pixels, is that of the codes.
    """
    pixels = decode(window, bound)
    path = np.indices(window.shape[1:3], dtype=np.float32)[::-1]  # x before y
    followed = np.empty_like(pixels)
    for step, field in enumerate(pixels):
        followed[step] = cv2.remap(
            field, path[0], path[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        path = path + np.moveaxis(followed[step], -1, 0)
    return encode(followed, bound)


def bidirectional(
    windows: Int64[np.ndarray, "*segments positions"],
) -> tuple[Int64[np.ndarray, "*segments ahead"], Int64[np.ndarray, "*segments behind"]]:
    """Which fields a window takes: of "flow" those ahead, then of "backward" those behind.

    The frame at the middle position, `positions // 2`, is the one from which both lead away: the
    forward fields of the upper half from there on, and their mirror images in time, backward field
    t leading from frame t + 1 to t. The stack is forward first, then backward, as many fields as
    there are positions; before the first frame there is nothing, so that field is repeated.

    >>> ahead, behind = bidirectional(np.arange(20, 26))
    >>> ahead.tolist(), behind.tolist()
    ([23, 24, 25], [22, 21, 20])
    >>> [fields.tolist() for fields in bidirectional(np.arange(20, 44, 4))]  # a stride of 4
    [[32, 36, 40], [31, 27, 23]]
    """
    middle = windows.shape[-1] // 2
    ahead = windows[..., middle:]
    behind = 2 * windows[..., middle, None] - 1 - ahead[..., :middle]
    return ahead, np.maximum(behind, 0)
