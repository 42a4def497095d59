"""The Volterra kernels of networks: composed exactly, or fitted to a black box. For analysis.

Reference: Li, Zhou, Qiu and Zhao, "Understanding Convolutional Neural Networks from Theoretical
Perspective via Volterra Convolution", JMLR 2022, https://arxiv.org/abs/2110.09902

The authors fit their "hacking network", one convolution with a bias, by Adam; here the same least
squares are solved directly.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from harness.errors import UserError


def outer_conv(core: Tensor, kernels: Sequence[Tensor], *, stride: int = 1) -> Tensor:
    """(g * h1 h2)(k, l) = sum over i, j of g(i, j) h1(k - s i) h2(l - s j), for any order.

    A layer with the kernel `core`, whose order is the number of kernels, on products of what they
    compute: its kernel on their input. Each kernel has d axes and the core d for each of them, in
    turn; each axis grows from |h| to |h| + s (|g| - 1).
    """
    outer = kernels[0]
    for kernel in kernels[1:]:
        outer = torch.tensordot(outer, kernel, dims=0)
    spread = core.new_zeros([stride * (n - 1) + 1 for n in core.shape])
    spread[(slice(None, None, stride),) * core.dim()] = core
    size = [a + b - 1 for a, b in zip(spread.shape, outer.shape, strict=True)]
    axes = tuple(range(len(size)))
    product = torch.fft.rfftn(spread, size, axes) * torch.fft.rfftn(outer, size, axes)
    return torch.fft.irfftn(product, size, axes)


@dataclass(frozen=True)
class Proxy:
    """The constant and linear part nearest to a function: f(x) = order0 + <order1, x> + ...

    order0: (outputs,); order1: (outputs, *size); `residual` is ||f - proxy|| / ||f|| on inputs
    that the fit has not seen.
    """

    order0: Tensor
    order1: Tensor
    residual: float


@torch.no_grad()
def proxy_kernels(
    function: Callable[[Tensor], Tensor], size: Sequence[int], *, samples: int, seed: int = 0
) -> Proxy:
    """Fit the kernels of order 0 and 1 to a function of inputs of `size`, by least squares.

    Inputs are normal noise of unit norm, in double precision, as the function has to be. Of a
    network of convolutions that is given its own receptive field, order1 is the composed kernel.
    """
    unknowns = prod(size) + 1
    if samples < unknowns:
        raise UserError(f"samples: {samples}, fewer than the {unknowns} unknowns")
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(2 * samples, unknowns - 1, dtype=torch.float64, generator=generator)
    noise = noise / noise.norm(dim=1, keepdim=True)
    values = function(noise.view(-1, *size)).flatten(1)
    design = torch.cat((torch.ones_like(noise[:, :1]), noise), 1)
    kernels = torch.linalg.lstsq(design[:samples], values[:samples]).solution
    error = design[samples:] @ kernels - values[samples:]
    residual = (error.norm() / values[samples:].norm()).item()
    return Proxy(kernels[0], kernels[1:].T.reshape(-1, *size), residual)
