"""What a convolution hands on to the one, or to the factors, that take its place."""

from collections.abc import Sequence
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.nn import functional as F

Conv = nn.Conv2d | nn.Conv3d
AnyConv = TypeVar("AnyConv", bound=Conv)
Axes = tuple[int, int, int]  # frames, height, width; 1 where it holds

GEOMETRY = (
    "in_channels",
    "out_channels",
    "kernel_size",
    "stride",
    "padding",
    "dilation",
    "groups",
    "padding_mode",
)


def like(conv: Conv, kind: type[AnyConv]) -> AnyConv:
    """A `kind` of the same geometry that shares, not copies, the parameters of `conv`."""
    geometry: dict[str, Any] = {name: getattr(conv, name) for name in GEOMETRY}
    new = kind(**geometry, device="meta")
    new.weight, new.bias = conv.weight, conv.bias
    new.train(conv.training)
    return new


def paddings(conv: Conv) -> list[tuple[int, int]]:
    """What is put before and after each axis; 'same' puts the odd one at the end, as torch does."""
    if not isinstance(conv.padding, str):
        return [(p, p) for p in conv.padding]
    taps = zip(conv.dilation, conv.kernel_size, strict=True)
    totals = [d * (k - 1) if conv.padding == "same" else 0 for d, k in taps]
    return [(total // 2, total - total // 2) for total in totals]


def zero_padded(x: Tensor, pads: list[tuple[int, int]]) -> Tensor:
    return F.pad(x, [pad for axis in reversed(pads) for pad in axis])


def output_size(conv: Conv, size: Sequence[int]) -> tuple[int, ...]:
    """That of an input of `size` ([frames,] height, width); ValueError if it is too small."""
    taps = [d * (k - 1) for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
    last = [
        length + sum(pad) - reach
        for length, pad, reach in zip(size, paddings(conv), taps, strict=True)
    ]
    if min(last) < 1:
        raise ValueError(f"kernel {conv.kernel_size} is larger than the padded {tuple(size)}")
    return tuple((end - 1) // step + 1 for end, step in zip(last, conv.stride, strict=True))


def unfactorable(conv: Conv) -> str | None:
    """Why no operator can split this convolution into smaller kernels, or None."""
    if isinstance(conv, nn.Conv2d):
        return "2-D convolution"
    if conv.groups != 1:
        return f"groups {conv.groups}"
    if set(conv.dilation) != {1}:
        return f"dilation {conv.dilation}"
    if isinstance(conv.padding, str):
        return f"padding {conv.padding!r}"
    return None


def factor(
    conv: nn.Conv3d,
    in_channels: int,
    out_channels: int,
    *,
    along: Axes,
    strided: Axes = (0, 0, 0),
    bias: bool = False,
) -> nn.Conv3d:
    """A convolution with the kernel of `conv` along some axes and a single tap elsewhere.

    It takes over stride and padding on the axes `strided`, so that several factors do so once
    together; where it only goes `along`, an odd kernel is padded to keep the size.
    Initialised by He et al., fan-out, as R(2+1)D and torchvision are.
    """
    axes = list(zip(along, strided, conv.kernel_size, conv.stride, conv.padding, strict=True))
    part = nn.Conv3d(
        in_channels,
        out_channels,
        kernel_size=_triple(k if here else 1 for here, _, k, _, _ in axes),
        stride=_triple(s if own else 1 for _, own, _, s, _ in axes),
        padding=_triple(p if own else k // 2 * here for here, own, k, _, p in axes),
        bias=bias,
        padding_mode=conv.padding_mode,
        device=conv.weight.device,
        dtype=conv.weight.dtype,
    )
    nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
    if part.bias is not None:
        nn.init.zeros_(part.bias)
    return part


def _triple(values: Any) -> tuple[int, int, int]:
    frames, height, width = values
    return int(frames), int(height), int(width)


def norm_relu(conv: nn.Conv3d) -> nn.Sequential:
    """What stands between two factors: batch normalisation and a ReLU."""
    weight = conv.weight
    norm = nn.BatchNorm3d(conv.out_channels, device=weight.device, dtype=weight.dtype)
    return nn.Sequential(norm, nn.ReLU(inplace=True))
