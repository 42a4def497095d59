"""Winograd's minimal filtering as the way in which a convolution is computed.

References: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016,
https://arxiv.org/abs/1509.09308; Tong and Huang, "A Survey of Winograd Convolution Algorithms",
2021, https://arxiv.org/abs/2111.00977

In float32 on a CPU the native kernels compute (harness.convs.native) or, where they cannot run,
PyTorch's own convolution: then the record says `fallback`. Half precision is computed in float32
too. In double precision, on any other device, and within torch.func or forward-mode differentiation
it is the reference in plain PyTorch: exact, and no faster than PyTorch. What is channels-last, or
has channels-last weights, stays so, as with PyTorch's own convolutions; any other input costs a
copy.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import nn

from harness.convs.algorithms import winograd_calls
from harness.convs.algorithms.tiles import Tile, is_native, suits
from harness.convs.algorithms.winograd_again import Again
from harness.convs.algorithms.winograd_layer import (
    Layer,
    WinogradConv2d,
    WinogradConv3d,
    padding_of,
    runs_natively,
    tile_for,
)
from harness.convs.geometry import Conv, like, weights_channels_last
from harness.convs.swap import input_sizes
from harness.errors import UserError

SMALLEST = 3  # outputs along an axis for which a tile takes fewer products than the convolution


@dataclass(kw_only=True)
class Winograd:
    """Stride 1, kernels of 3 and 1; `tile`: outputs along all axes, 2 or 4, or one number an axis.

    `auto` chooses by a rule, from the lengths of the input; `tuned` measures them on this machine.
    """

    tile: str | int | list[int] = "auto"
    sizes: dict[nn.Module, set[tuple[int, ...]]] = field(
        default_factory=dict, init=False, repr=False
    )

    def __post_init__(self) -> None:
        listed = isinstance(self.tile, list) and len(self.tile) in (2, 3) and is_native(self.tile)
        if not (listed or (type(self.tile) in (str, int) and self.tile in ("auto", "tuned", 2, 4))):
            raise UserError(
                f"tile {self.tile!r}; allowed: auto, tuned, 2, 4, or a number for each axis: "
                "[2, 2], [2, 4], [4, 4], [2, 2, 2], [2, 4, 4], [4, 4, 4] in any order; "
                "1 is summed directly"
            )

    @property
    def kernel(self) -> str:
        return "native" if runs_natively() else "fallback"

    def survey(self, network: nn.Module, size: Sequence[int]) -> None:
        self.sizes = input_sizes(network, size)

    def tile_of(self, conv: Conv, shape: Sequence[int]) -> Tile:
        """The tile, by axis, for inputs of `shape`, with their batch and channels."""
        return tile_for(self.tile, conv, shape, conv.weight)

    def refuses(self, conv: Conv) -> str | None:
        kernel, axes = tuple(conv.kernel_size), len(conv.kernel_size)
        padding = None if isinstance(conv.padding, str) else conv.padding
        wrong = {
            "no channels": conv.in_channels == 0,
            f"stride {conv.stride}": set(conv.stride) != {1},
            f"dilation {conv.dilation}": set(conv.dilation) != {1},
            f"groups {conv.groups}": conv.groups != 1,
            f"padding mode {conv.padding_mode!r}": conv.padding_mode != "zeros",
            f"kernel {kernel}": set(kernel) not in ({3}, {1, 3}),
            f"padding {padding}": padding is not None
            and any(p > r - 1 for p, r in zip(padding, kernel, strict=True)),
            f"tile {self.tile} for kernel {kernel}": isinstance(self.tile, list)
            and (len(self.tile) != axes or not suits(self.tile, kernel)),
        }
        if (reason := next((reason for reason, holds in wrong.items() if holds), None)) is not None:
            return reason
        sizes = self.sizes.get(conv, set())
        return next((why for size in sizes if (why := self._too_small(conv, size))), None)

    def _too_small(self, conv: Conv, size: tuple[int, ...]) -> str | None:
        outputs = winograd_calls.lengths(size, conv.kernel_size, padding_of(conv))
        along = [n for n, r in zip(outputs, conv.kernel_size, strict=True) if r > 1]
        small = self.tile in ("auto", "tuned") and max(along) < SMALLEST
        return f"a map of {' x '.join(map(str, outputs))}" if small else None

    def finish(self, network: nn.Module) -> None:
        """Channels last in every convolution's weights, so that no map is copied between two.

        Where PyTorch stands in, it keeps the layout that it would have without us.
        """
        if runs_natively():
            weights_channels_last(network, axes=(2, 3))

    def replace(self, conv: Conv) -> nn.Module:
        kind: type[Layer]
        kind = WinogradConv2d if isinstance(conv, nn.Conv2d) else WinogradConv3d
        new = like(conv, kind)
        new.prepared, new.again, new.choices = {}, Again(), set()
        new.tile = tuple(self.tile) if isinstance(self.tile, list) else self.tile
        return new
