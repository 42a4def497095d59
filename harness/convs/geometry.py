"""What a convolution hands on to the one, or to the factors, that take its place."""

from collections.abc import Collection, Sequence
from typing import Any, Literal, TypeGuard, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrize import is_parametrized, register_parametrization

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


def is_ordinary(module: nn.Module) -> TypeGuard[Conv]:
    """Whether it computes what `nn.Conv2d` or `nn.Conv3d` does: a subclass may do otherwise."""
    return isinstance(module, nn.Conv2d | nn.Conv3d) and any(
        (type(module).forward, type(module)._conv_forward) == (kind.forward, kind._conv_forward)
        for kind in (nn.Conv2d, nn.Conv3d)
    )


def has_hooks(module: nn.Module) -> bool:
    """Of the kind that see or change a call, or make its weights as `torch.nn.utils.prune` does."""
    before, after = module._forward_pre_hooks, module._forward_hooks
    return any((before, after, module._backward_pre_hooks, module._backward_hooks))


def like(conv: Conv, kind: type[AnyConv]) -> AnyConv:
    """A `kind` of the same geometry that shares, not copies, the parameters of `conv`.

    Where a kernel is generated (`torch.nn.utils.parametrize`) what generates it is shared: an
    algorithm sees a new kernel at every call, and gradients go to the parameters behind it.
    """
    geometry: dict[str, Any] = {name: getattr(conv, name) for name in GEOMETRY}
    new = kind(**geometry, device="meta")
    for name in ("weight", "bias"):
        if is_parametrized(conv, name):
            register_parametrization(new, name, nn.Identity())  # makes `new.<name>` a property
            generator = f"parametrizations.{name}"
            new.set_submodule(generator, conv.get_submodule(generator))
        else:
            setattr(new, name, getattr(conv, name))
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


def times(numbers: Sequence[int]) -> str:
    """(64, 56, 56) as people write it: 64x56x56."""
    return "x".join(map(str, numbers))


def channels_last(axes: int) -> torch.memory_format:
    """The layout of maps of 2 axes, or of 3, whose channels are contiguous."""
    return torch.channels_last if axes == 2 else torch.channels_last_3d


def weights_channels_last(network: nn.Module, axes: Collection[int]) -> None:
    """Lay out the weights of its convolutions over so many axes as maps with channels last are.

    Else PyTorch copies them at every call on such a map.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d) and isinstance(module.weight, nn.Parameter):
            over = len(module.kernel_size)
            if over in axes:
                layout = channels_last(over)
                module.weight.data = module.weight.data.contiguous(memory_format=layout)


def must_fit(conv: Conv, x: Tensor) -> None:
    """Our own code reads what it is told to: TypeError or ValueError for what is not there."""
    axes = len(conv.kernel_size)
    if not x.is_floating_point():
        raise TypeError(f"expected floating-point numbers, got {x.dtype}")
    if x.dim() not in (axes + 1, axes + 2) or x.shape[-axes - 1] != conv.in_channels:
        expected = f"{conv.in_channels} channels and {axes} axes, with or without a batch"
        raise ValueError(f"expected {expected}, got {tuple(x.shape)}")


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


def place(conv: Conv) -> dict[str, Any]:
    """The device and dtype of what takes the place of `conv`, as arguments."""
    return {"device": conv.weight.device, "dtype": conv.weight.dtype}


def padding_of(conv: Conv) -> list[int]:
    """The padding on either side of each axis; not for 'same' and 'valid'."""
    assert not isinstance(conv.padding, str)
    return list(conv.padding)


def remade(
    conv: AnyConv, *, fan: Literal["fan_in", "fan_out"] = "fan_in", **changes: Any
) -> AnyConv:
    """A new convolution with the geometry of `conv` but for `changes`; initialised by He et al."""
    geometry: dict[str, Any] = {name: getattr(conv, name) for name in GEOMETRY}
    kind: Any = nn.Conv2d if isinstance(conv, nn.Conv2d) else nn.Conv3d
    new: AnyConv = kind(**geometry | {"bias": conv.bias is not None} | place(conv) | changes)
    nn.init.kaiming_normal_(new.weight, mode=fan, nonlinearity="relu")
    if new.bias is not None:
        nn.init.zeros_(new.bias)
    new.train(conv.training)
    return new


def pointwise(
    conv: AnyConv,
    in_channels: int,
    out_channels: int,
    *,
    groups: int = 1,
    bias: bool | None = None,
) -> AnyConv:
    """A single tap at stride 1; if `bias` is None, with one where `conv` has one."""
    return remade(
        conv,
        in_channels=in_channels,
        out_channels=out_channels,
        kernel_size=1,
        stride=1,
        padding=0,
        dilation=1,
        groups=groups,
        bias=conv.bias is not None if bias is None else bias,
        padding_mode="zeros",
    )


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
    axes = list(zip(along, strided, conv.kernel_size, conv.stride, padding_of(conv), strict=True))
    return remade(
        conv,
        fan="fan_out",
        in_channels=in_channels,
        out_channels=out_channels,
        kernel_size=tuple(k if here else 1 for here, _, k, _, _ in axes),
        stride=tuple(s if own else 1 for _, own, _, s, _ in axes),
        padding=tuple(p if own else k // 2 * here for here, own, k, _, p in axes),
        bias=bias,
    )


def norm_relu(conv: Conv) -> nn.Sequential:
    """What stands between two factors: batch normalisation and a ReLU."""
    norm = nn.BatchNorm2d if isinstance(conv, nn.Conv2d) else nn.BatchNorm3d
    return nn.Sequential(norm(conv.out_channels, **place(conv)), nn.ReLU(inplace=True))
