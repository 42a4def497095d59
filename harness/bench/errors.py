"""How far a computation is from float64: the maximum error over the maximum value."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.convs.geometry import Conv


@torch.no_grad()
def output_error(conv: Conv, module: nn.Module, x: Tensor) -> float:
    """Of the output of `module`, which computes what `conv` does."""
    return relative(module.eval()(x), _exact(conv, x.double(), conv.weight.double()))


def step_error(conv: Conv, module: nn.Module, x: Tensor) -> float:
    """The worst of the output, the input's gradient and the weights' gradient."""
    weight = module.get_parameter("weight")
    inputs = x.detach().requires_grad_()
    output = module.train()(inputs)
    upstream = torch.randn_like(output)
    ours = torch.autograd.grad(output, (inputs, weight), upstream)

    doubles = [t.detach().double().requires_grad_() for t in (x, conv.weight)]
    exact = _exact(conv, *doubles)
    gradients = torch.autograd.grad(exact, doubles, upstream.double())
    pairs = zip((output, *ours), (exact, *gradients), strict=True)
    return max(relative(a.detach(), b.detach()) for a, b in pairs)


def relative(values: Tensor, exact: Tensor) -> float:
    return float((values.double() - exact).abs().max() / exact.abs().max())


def _exact(conv: Conv, x: Tensor, weight: Tensor) -> Tensor:
    function = F.conv2d if x.dim() == 4 else F.conv3d
    return function(x, weight, padding=conv.padding)
