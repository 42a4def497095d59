"""What a stream sees: raw uint8 batches as the tensors that backbones take.

References: Simonyan and Zisserman, "Two-Stream Convolutional Networks for Action Recognition in
Videos", NIPS 2014, section 3.1 (stacked flow: channel 2k - 1 is the horizontal displacement of
step k, channel 2k the vertical one), https://arxiv.org/abs/1406.2199

Wang et al., "Temporal Segment Networks", ECCV 2016, section 3.1 (stacked differences of successive
frames: channels 3k, 3k + 1 and 3k + 2 are the colours of frame k + 1 less those of frame k),
https://arxiv.org/abs/1608.00859

Frames are scaled by the mean and deviation of ImageNet's colours, differences are taken of frames
so scaled (TSN divides differences by twice the mean deviation instead). Flow is in pixels, its mean
subtracted where `data.flow.mean` says so.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from harness.errors import UserError
from harness.flow.codes import ZERO

COLOURS = {"rgb": 3, "flow": 2}  # channels of a raw frame
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, colours in [0, 1]


@dataclass(frozen=True)
class Input:
    """A modality as images (2 dimensions; time, if any, is in the channels) or as clips (3).

    `single` takes the middle frame of a window alone, `difference` what changes from each frame to
    the next.
    """

    modality: Literal["rgb", "flow"]
    dimensions: Literal[2, 3]
    single: bool = False
    difference: bool = False

    def raw_frames(self, frames: int) -> int:
        """How many raw frames it needs of windows of `frames`."""
        return 1 if self.single else frames

    def channels(self, frames: int) -> int:
        """Of one input; UserError for differences in windows of one frame."""
        if self.difference and frames < 2:
            raise UserError(f"data.clip.frames: rgb_diff needs 2 frames or more, not {frames}")
        stacked = self.raw_frames(frames) - self.difference if self.dimensions == 2 else 1
        return stacked * COLOURS[self.modality]

    def size(self, frames: int, image: tuple[int, int]) -> tuple[int, ...]:
        """Of one input: (channels, [frames,] height, width)."""
        time = () if self.dimensions == 2 else (frames,)
        return (self.channels(frames), *time, *image)


INPUTS = {
    "rgb": Input("rgb", 2, single=True),
    "rgb_diff": Input("rgb", 2, difference=True),
    "flow_stack": Input("flow", 2),
    "rgb_clip": Input("rgb", 3),
    "flow_clip": Input("flow", 3),
}


def to_input(
    raw: UInt8[Tensor, "batch segments frames height width colours"], kind: Input, bound: float
) -> Float[Tensor, "samples channels *size"]:
    """The float32 input, segments folded into samples: (batch * segments, channels, ...).

    Of several frames, a single image is the middle one. `bound` is the displacement, in pixels,
    that the codes 1 and 255 of raw flow stand for. Images are laid out with their channels last,
    as most networks keep them: small ones train 1.4 times as fast on a CPU, and predict twice as
    fast. Networks for clips would gain nothing.
    """
    frames = raw.shape[2]
    if kind.single:
        raw = raw[:, :, frames // 2, None]
    clip = kind.dimensions == 3
    ordered = raw.permute(0, 1, 5, 2, 3, 4) if clip else _pixel_by_pixel(raw)
    x = ordered.to(torch.float32, memory_format=torch.contiguous_format)
    if kind.modality == "flow":
        x = x.sub_(ZERO).mul_(bound / (ZERO - 1))
    else:
        shape = (3, 1, 1, 1) if clip else (3,)
        mean, deviation = (torch.tensor(v, device=x.device).view(shape) for v in (MEAN, DEVIATION))
        x = x.sub_(255 * mean).div_(255 * deviation)
    if kind.difference:
        x = x.diff(dim=-2)
    x = x.flatten(0, 1)
    return x if clip else x.flatten(-2).movedim(-1, 1)


def _pixel_by_pixel(
    raw: UInt8[Tensor, "batch segments frames height width colours"],
) -> UInt8[Tensor, "batch segments height width frames colours"]:
    """What the frames show of a pixel stands together.

    The two codes of flow move as one number of 16 bits: byte by byte takes ten times as long.
    """
    order = (0, 1, 3, 4, 2, 5)
    if raw.shape[-1] != COLOURS["flow"]:
        return raw.permute(order)
    return raw.contiguous().view(torch.int16).permute(order).contiguous().view(torch.uint8)
