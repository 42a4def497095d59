"""A convolution by Winograd's minimal filtering: which code computes it, and what is kept of it."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn import functional as F

from harness.convs.algorithms import reference, winograd_calls, winograd_ops
from harness.convs.algorithms.tiles import Tile, tile_of
from harness.convs.algorithms.tuning import tuned
from harness.convs.algorithms.winograd_again import Again, Seen, seen
from harness.convs.geometry import Conv, must_fit
from harness.convs.native.library import library
from harness.convs.native.prepared import Prepared
from harness.convs.native.winograd import Finish
from harness.convs.precision import in_single_at_least, without_autocast


class WinogradConv(nn.Module):
    """What the convolutions on two and on three axes share.

    A `residual` is added, and a ReLU taken, in one pass.
    """

    tile: str | int | Tile = "auto"
    relu: bool = False
    frozen: bool = False  # weights that nothing changes any more
    prepared: "dict[Any, Prepared]"  # transformed weights, by tile and axes of length one
    again: Again  # the last call, if weights are frozen
    choices: set[str]  # the tiles that it was computed with, where it is `tuned`

    def forward(
        self,
        input: Float[Tensor, "*batch_c_in_size"],
        residual: Tensor | None = None,
    ) -> Tensor:
        assert isinstance(self, Layer)
        if self.frozen and not (
            torch.is_grad_enabled() or winograd_ops.recorded(input) or _followed()
        ):
            y = self.again.compute(self, input, residual)
            if y is not None:
                return y
        return _forward(self, input, residual)

    def tile_of(self, _conv: Conv, shape: Sequence[int]) -> Tile:
        assert isinstance(self, Layer)
        return tile_for(self.tile, self, shape, self.weight)


class WinogradConv2d(WinogradConv, nn.Conv2d):
    """`nn.Conv2d` by F(m x m, 3 x 3)."""


class WinogradConv3d(WinogradConv, nn.Conv3d):
    """`nn.Conv3d` by F(t x m x m, 3 x 3 x 3)."""


Layer = WinogradConv2d | WinogradConv3d


def freeze(network: nn.Module) -> None:
    """Promise that nothing writes to the weights behind their version counters, for speed."""
    for module in network.modules():
        if isinstance(module, WinogradConv):
            module.frozen = True


def padding_of(conv: Conv) -> tuple[int, ...]:
    if isinstance(conv.padding, str):
        return tuple(r // 2 if conv.padding == "same" else 0 for r in conv.kernel_size)
    return conv.padding


def _forward(conv: Layer, x: Tensor, residual: Tensor | None) -> Tensor:
    _must_fit(conv, x, residual)
    if x.dim() == len(conv.kernel_size) + 1:
        one = residual if residual is None else residual.unsqueeze(0)
        return _forward(conv, x.unsqueeze(0), one).squeeze(0)
    if x.device.type == "cpu" and x.dtype != torch.float64 and not _followed():
        return _single(conv, x, residual) if runs_natively() else _fallback(conv, x, residual)
    tile = tile_for(conv.tile, conv, x.shape)
    y = reference.convolve(x, conv, tile)
    y = y if residual is None else y + residual
    return y.relu() if conv.relu else y


@torch.compiler.assume_constant_result
def runs_natively() -> bool:
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


def _must_fit(conv: Layer, x: Tensor, residual: Tensor | None) -> None:
    """TypeError or ValueError for what is not there: a residual is read as an input is."""
    must_fit(conv, x)
    axes = len(conv.kernel_size)
    if residual is not None:
        outputs = winograd_calls.lengths(x.shape[-axes:], conv.kernel_size, padding_of(conv))
        size = (*x.shape[: -axes - 1], conv.out_channels, *outputs)
        if residual.shape != size:
            raise ValueError(f"expected a residual of {size}, got {tuple(residual.shape)}")


def _must_be_there(conv: Layer, weight: Tensor, bias: Tensor | None) -> None:
    """ValueError for weights of another shape, or elsewhere: they are read as the layer says."""
    expected = (conv.out_channels, conv.in_channels, *conv.kernel_size)
    if weight.shape != expected or not weight.is_cpu:
        got = f"{tuple(weight.shape)} on {weight.device}"
        raise ValueError(f"expected a weight of {expected} on the CPU, got {got}")
    if bias is not None and (bias.shape != expected[:1] or not bias.is_cpu):
        got = f"{tuple(bias.shape)} on {bias.device}"
        raise ValueError(f"expected a bias of {expected[:1]} on the CPU, got {got}")


def _fallback(conv: Layer, x: Tensor, residual: Tensor | None) -> Tensor:
    """PyTorch's own, in the precision in which native code would compute."""
    by_torch: Any = F.conv2d if isinstance(conv, nn.Conv2d) else F.conv3d
    y = in_single_at_least(
        x, conv, lambda x, weight, bias: by_torch(x, weight, bias, padding=conv.padding)
    )
    y = y if residual is None else y + residual
    return y.relu() if conv.relu else y


def _single(conv: Layer, x: Tensor, residual: Tensor | None) -> Tensor:
    """In float32, whatever autocast says: half precision loses the digits of the transforms."""
    weight, bias = conv.weight, conv.bias
    _must_be_there(conv, weight, bias)
    padding, tile = padding_of(conv), tile_for(conv.tile, conv, x.shape, x)
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


def _at_once(conv: Layer, x: Tensor, residual: Tensor | None, padding: Tile, tile: Tile) -> Tensor:
    """Without gradients: nothing is dispatched, and the weights are transformed only once."""
    now = seen(conv, x, residual) if conv.frozen else None
    weight, bias = conv.weight.float(), conv.bias
    made = None
    if not conv.training and isinstance(weight, nn.Parameter):
        kept = conv.prepared.setdefault((tile, _ones(x)), Prepared())
        made = kept.get(
            weight,
            lambda: winograd_calls.transform(x, weight.detach(), padding, tile),
            frozen=conv.frozen,
        )
    finish = Finish(
        None if bias is None else bias.float().resolve_neg().contiguous(),
        None if residual is None else residual.float(),
        conv.relu,
    )
    if now is not None and made is not None and conv.again.is_due(now):
        _remember(conv, now, x, made, finish, padding=padding, tile=tile)
    return winograd_calls.convolve(x, weight, padding, tile, transformed=made, finish=finish)


def _remember(
    conv: Layer, now: Seen, x: Tensor, made: Tensor, finish: Finish, *, padding: Tile, tile: Tile
) -> None:
    """If nothing had to be copied for this call, and nothing does for its output."""
    weight, bias, residual = conv.weight, conv.bias, finish.residual
    maps = [x] if residual is None else [x, residual]
    plain = all(winograd_calls.is_plain(map) for map in maps) and finish.bias is bias
    if (
        not plain
        or weight.is_neg()
        or weight.is_inference()
        or 1 not in (x.stride(1), weight.stride(1))
    ):
        return
    planned = winograd_calls.plan(x, weight, padding, tile, backwards=False, kept=True)
    relu = conv.relu
    conv.again.remember(
        now,
        lambda x, residual: winograd_calls.computed(
            planned, x, weight, made, Finish(bias, residual, relu)
        ),
    )


def tile_for(
    wish: str | int | Sequence[int], conv: Conv, shape: Sequence[int], values: Tensor | None = None
) -> Tile:
    """`tuned` is what is fastest where native code computes with `values`, and else `auto`."""
    if wish == "tuned":
        found = None if values is None else tuned(conv, shape, padding_of(conv), values)
        return found or tile_for("auto", conv, shape)
    fixed = wish if isinstance(wish, str | int) else tuple(wish)
    weights = conv.in_channels * conv.out_channels
    return _tile_by_rule(fixed, tuple(conv.kernel_size), padding_of(conv), tuple(shape), weights)


@lru_cache(maxsize=winograd_calls.SIGNATURES)
def _tile_by_rule(
    wish: str | int | Tile, kernel: Tile, padding: Tile, shape: Tile, weights: int
) -> Tile:
    outputs = winograd_calls.lengths(shape[2:], kernel, padding)
    return tile_of(wish, kernel, outputs, weights, shape[0])


def _laid_out(y: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """`y`, which is channels-last, as PyTorch's own convolution would give it."""
    return y if 1 in (x.stride(1), weight.stride(1)) else y.contiguous()


def _ones(x: Tensor) -> tuple[bool, ...]:
    """The axes of length one: of their kernels only the middle tap is transformed."""
    return tuple([n == 1 for n in x.shape[2:]])
