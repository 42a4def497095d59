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
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn import functional as F

from harness.convs.algorithms import reference, winograd_calls, winograd_ops
from harness.convs.algorithms.tiles import Tile, is_native, suits, tile_of
from harness.convs.algorithms.tuning import tuned
from harness.convs.geometry import Conv, like, must_fit
from harness.convs.native.library import library
from harness.convs.native.prepared import Prepared
from harness.convs.native.winograd import Finish
from harness.convs.precision import in_single_at_least, without_autocast
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
        return "native" if _is_native() else "fallback"

    def survey(self, network: nn.Module, size: Sequence[int]) -> None:
        self.sizes = input_sizes(network, size)

    def tile_of(self, conv: Conv, shape: Sequence[int]) -> Tile:
        """The tile, by axis, for inputs of `shape`, with their batch and channels."""
        return _tile(self.tile, conv, shape, conv.weight)

    def refuses(self, conv: Conv) -> str | None:
        kernel, axes = tuple(conv.kernel_size), len(conv.kernel_size)
        padding = None if isinstance(conv.padding, str) else conv.padding
        wrong = {
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
        outputs = winograd_calls.lengths(size, conv.kernel_size, _padding(conv))
        along = [n for n, r in zip(outputs, conv.kernel_size, strict=True) if r > 1]
        small = self.tile in ("auto", "tuned") and max(along) < SMALLEST
        return f"a map of {' x '.join(map(str, outputs))}" if small else None

    def finish(self, network: nn.Module) -> None:
        """Channels last in every convolution's weights, so that no map is copied between two.

        Where PyTorch stands in, it keeps the layout that it would have without us.
        """
        if not _is_native():
            return
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d) and isinstance(
                module.weight, nn.Parameter
            ):
                layout = _channels_last(module.weight)
                module.weight.data = module.weight.data.contiguous(memory_format=layout)

    def replace(self, conv: Conv) -> nn.Module:
        kind: type[WinogradConv2d | WinogradConv3d]
        kind = WinogradConv2d if isinstance(conv, nn.Conv2d) else WinogradConv3d
        new = like(conv, kind)
        new.prepared, new.choices = {}, set()
        new.tile = tuple(self.tile) if isinstance(self.tile, list) else self.tile
        return new


def _padding(conv: Conv) -> tuple[int, ...]:
    if isinstance(conv.padding, str):
        return tuple(r // 2 if conv.padding == "same" else 0 for r in conv.kernel_size)
    return conv.padding


class WinogradConv2d(nn.Conv2d):
    """`nn.Conv2d` by F(m x m, 3 x 3); a `residual` is added, and a ReLU taken, in one pass."""

    tile: str | int | Tile = "auto"
    relu: bool = False
    frozen: bool = False  # weights that nothing changes any more
    prepared: "dict[Any, Prepared]"  # transformed weights, by tile and axes of length one
    choices: set[str]  # the tiles that it was computed with, where it is `tuned`

    def forward(
        self,
        input: Float[Tensor, "*batch_c_in_size"],
        residual: Tensor | None = None,
    ) -> Tensor:
        return _forward(self, input, residual)

    def tile_of(self, _conv: Conv, shape: Sequence[int]) -> Tile:
        return _tile(self.tile, self, shape, self.weight)


class WinogradConv3d(nn.Conv3d):
    """`nn.Conv3d` by F(t x m x m, 3 x 3 x 3); a `residual` is added, and a ReLU taken, likewise."""

    tile: str | int | Tile = "auto"
    relu: bool = False
    frozen: bool = False  # weights that nothing changes any more
    prepared: "dict[Any, Prepared]"  # transformed weights, by tile and axes of length one
    choices: set[str]  # the tiles that it was computed with, where it is `tuned`

    def forward(
        self,
        input: Float[Tensor, "*batch_c_in_size"],
        residual: Tensor | None = None,
    ) -> Tensor:
        return _forward(self, input, residual)

    def tile_of(self, _conv: Conv, shape: Sequence[int]) -> Tile:
        return _tile(self.tile, self, shape, self.weight)


WinogradConv = WinogradConv2d | WinogradConv3d


def freeze(network: nn.Module) -> None:
    """Promise that nothing writes to the weights behind their version counters, for speed."""
    for module in network.modules():
        if isinstance(module, WinogradConv2d | WinogradConv3d):
            module.frozen = True


def _forward(conv: WinogradConv, x: Tensor, residual: Tensor | None) -> Tensor:
    _must_fit(conv, x, residual)
    if x.dim() == len(conv.kernel_size) + 1:
        one = residual if residual is None else residual.unsqueeze(0)
        return _forward(conv, x.unsqueeze(0), one).squeeze(0)
    if x.device.type == "cpu" and x.dtype != torch.float64 and not _followed():
        return _single(conv, x, residual) if _is_native() else _fallback(conv, x, residual)
    tile = _tile(conv.tile, conv, x.shape)
    y = reference.convolve(x, conv, tile)
    y = y if residual is None else y + residual
    return y.relu() if conv.relu else y


@torch.compiler.assume_constant_result
def _is_native() -> bool:
    return library() is not None


def _followed() -> bool:
    """Whether within torch.func or forward-mode automatic differentiation.

    They would not see through native code: some refuse it, others take its derivative for zero.
    """
    if torch.compiler.is_compiling():
        return False
    return (
        torch._C._functorch.peek_interpreter_stack() is not None or forward_ad._current_level >= 0
    )


def _must_fit(conv: WinogradConv, x: Tensor, residual: Tensor | None) -> None:
    """TypeError or ValueError for what is not there: a residual is read as an input is."""
    must_fit(conv, x)
    axes = len(conv.kernel_size)
    if residual is not None:
        outputs = winograd_calls.lengths(x.shape[-axes:], conv.kernel_size, _padding(conv))
        size = (*x.shape[: -axes - 1], conv.out_channels, *outputs)
        if residual.shape != size:
            raise ValueError(f"expected a residual of {size}, got {tuple(residual.shape)}")


def _fallback(conv: WinogradConv, x: Tensor, residual: Tensor | None) -> Tensor:
    """PyTorch's own, in the precision in which native code would compute."""
    by_torch: Any = F.conv2d if isinstance(conv, nn.Conv2d) else F.conv3d
    y = in_single_at_least(
        x, conv, lambda x, weight, bias: by_torch(x, weight, bias, padding=conv.padding)
    )
    y = y if residual is None else y + residual
    return y.relu() if conv.relu else y


def _single(conv: WinogradConv, x: Tensor, residual: Tensor | None) -> Tensor:
    """In float32, whatever autocast says: half precision loses the digits of the transforms."""
    weight, bias = conv.weight, conv.bias
    padding, tile = _padding(conv), _tile(conv.tile, conv, x.shape, x)
    tracked = torch.is_grad_enabled() and (
        x.requires_grad
        or weight.requires_grad
        or (bias is not None and bias.requires_grad)
        or (residual is not None and residual.requires_grad)
    )
    if not (tracked or winograd_ops.recorded(x)):
        y = _at_once(conv, x.float(), residual, padding, tile)
    else:
        with without_autocast(x.device):
            y = winograd_ops.winograd(x.float(), weight.float(), padding, tile)
            y = y if bias is None else y + bias.float().view(-1, *[1] * len(conv.kernel_size))
            y = y if residual is None else y + residual
            y = y.relu() if conv.relu else y
    return _laid_out(y.to(x.dtype), x, weight)


def _at_once(
    conv: WinogradConv, x: Tensor, residual: Tensor | None, padding: Tile, tile: Tile
) -> Tensor:
    """Without gradients: nothing is dispatched, and the weights are transformed only once."""
    weight, bias = conv.weight.float(), conv.bias
    made = None
    if not conv.training and isinstance(weight, nn.Parameter):
        kept = conv.prepared.setdefault((tile, _ones(x)), Prepared())
        made = kept.get(
            weight,
            lambda: winograd_calls.transform(x, weight.detach(), padding, tile),
            frozen=conv.frozen,
        )
    return winograd_calls.convolve(
        x,
        weight,
        padding,
        tile,
        transformed=made,
        finish=Finish(
            None if bias is None else bias.float().contiguous(),
            None if residual is None else residual.float(),
            conv.relu,
        ),
    )


def _tile(
    wish: str | int | Sequence[int], conv: Conv, shape: Sequence[int], values: Tensor | None = None
) -> Tile:
    """`tuned` is what is fastest where native code computes with `values`, and else `auto`."""
    if wish == "tuned":
        found = None if values is None else tuned(conv, shape, _padding(conv), values)
        return found or _tile("auto", conv, shape)
    fixed = wish if isinstance(wish, str | int) else tuple(wish)
    weights = conv.in_channels * conv.out_channels
    return _tile_for(fixed, tuple(conv.kernel_size), _padding(conv), tuple(shape), weights)


@lru_cache(maxsize=winograd_calls.SIGNATURES)
def _tile_for(
    wish: str | int | Tile, kernel: Tile, padding: Tile, shape: Tile, weights: int
) -> Tile:
    outputs = winograd_calls.lengths(shape[2:], kernel, padding)
    return tile_of(wish, kernel, outputs, weights, shape[0])


def _channels_last(x: Tensor) -> torch.memory_format:
    return torch.channels_last if x.dim() == 4 else torch.channels_last_3d


def _laid_out(y: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """`y`, which is channels-last, as PyTorch's own convolution would give it."""
    return y if 1 in (x.stride(1), weight.stride(1)) else y.contiguous()


def _ones(x: Tensor) -> tuple[bool, ...]:
    """The axes of length one: of their kernels only the middle tap is transformed."""
    return tuple([n == 1 for n in x.shape[2:]])
