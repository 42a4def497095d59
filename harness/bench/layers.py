"""The layers that `harness bench convs` times: a named list, or one shape.

resnet18: the stride-1 3x3 layers of ResNet-18 (He et al., CVPR 2016, table 1,
https://arxiv.org/abs/1512.03385); r3d18: those of R3D-18 (Tran et al., CVPR 2018, table 1,
https://arxiv.org/abs/1711.11248) on clips of 16 frames. The last stage of R3D-18 has one frame
left, two of whose three temporal taps fall on padding: it is listed apart and is in no mean.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from harness.bench.memory import must_fit
from harness.convs.geometry import Conv, channels_last, times
from harness.errors import UserError
from harness.registry import hint

LARGEST = 2**28  # values of an input sample: a gigabyte


@dataclass(frozen=True, kw_only=True)
class Layer:
    """As many channels out as in, stride 1, odd kernels padded to keep `size` ([T,] H, W)."""

    network: str
    channels: int
    size: tuple[int, ...]
    kernel: tuple[int, ...]
    apart: bool = False

    @property
    def name(self) -> str:
        name = times((self.channels, *self.size))
        return name if set(self.kernel) == {3} else f"{name}/{times(self.kernel)}"

    def must_fit(self, batch: int) -> None:
        """UserError if weights, input and output cannot be in memory."""
        weights = self.channels**2 * prod(self.kernel)
        maps = 2 * batch * self.channels * prod(self.size)
        must_fit(f"--layers {self.name} --batch {batch}", weights + maps)

    def posed(self, batch: int) -> tuple[Conv, Tensor]:
        """Its convolution without bias and `batch` inputs, both channels last.

        He's weights (fan-in, ReLU), and of N(0, 1) what a ReLU leaves, as such layers see it.
        """
        last = channels_last(len(self.size))
        kind: Any = nn.Conv2d if len(self.size) == 2 else nn.Conv3d
        padding = tuple(k // 2 for k in self.kernel)
        conv = kind(self.channels, self.channels, self.kernel, padding=padding, bias=False)
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        x = torch.randn(batch, self.channels, *self.size).relu_()
        return conv.to(memory_format=last).eval(), x.contiguous(memory_format=last)


def _list(network: str, *shapes: tuple[int, ...], apart: Sequence[tuple[int, ...]] = ()) -> list:
    return [
        Layer(
            network=network,
            channels=channels,
            size=tuple(size),
            kernel=(3,) * len(size),
            apart=(channels, *size) in apart,
        )
        for channels, *size in (*shapes, *apart)
    ]


LISTS: dict[str, list[Layer]] = {
    "resnet18": _list("resnet18", (64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7)),
    "r3d18": _list(
        "r3d18", (64, 8, 56, 56), (128, 4, 28, 28), (256, 2, 14, 14), apart=[(512, 1, 7, 7)]
    ),
}


def layers_of(text: str) -> list[Layer]:
    """A named list, or the one layer that `C x [T x] H x W [/ kernel]` is; UserError otherwise.

    >>> [layer.name for layer in layers_of("64x8x56x56/3x1x1")]
    ['64x8x56x56/3x1x1']
    """
    if text in LISTS:
        return LISTS[text]
    if not re.match(r"\d", text):
        raise UserError(f"--layers {text!r}: {hint(text, [*LISTS, '64x56x56'])}")
    shape, slash, kernel = text.partition("/")
    channels, *size = _numbers(text, shape)
    if len(size) not in (2, 3):
        raise UserError(f"--layers {text!r}: expected CxHxW or CxTxHxW, for example 64x56x56")
    taps = _numbers(text, kernel) if slash else [3] * len(size)
    if len(taps) != len(size):
        raise UserError(f"--layers {text!r}: a kernel of {len(taps)} axes for {len(size)}")
    if any(k % 2 == 0 for k in taps):
        raise UserError(f"--layers {text!r}: an even kernel cannot keep the size; take odd ones")
    layer = Layer(network=text, channels=channels, size=tuple(size), kernel=tuple(taps))
    return [layer]


def _numbers(text: str, part: str) -> list[int]:
    numbers = [int(word) if re.fullmatch(r"\d{1,9}", word) else 0 for word in part.split("x")]
    product = 1
    for number in numbers:
        product *= number
    if not 0 < product <= LARGEST:
        raise UserError(
            f"--layers {text!r}: {part!r} is not a shape such as 64x56x56 (64x8x56x56/3x1x1), "
            f"of at most {LARGEST} values"
        )
    return numbers
