"""PyTorch's own convolution as inductor's freezing leaves it, without a compiler."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from harness.convs.geometry import channels_last, is_ordinary


def packs(conv: Any) -> bool:
    """Whether it is PyTorch's own and oneDNN can express it."""
    if not is_ordinary(conv) or isinstance(conv.padding, str) or conv.padding_mode != "zeros":
        return False
    usable = torch.backends.mkldnn.is_available()
    on_cpu = conv.weight.device.type == "cpu"
    return usable and on_cpu and bool(conv.weight.dtype == torch.float32)


class Packed(nn.Module):
    """A convolution whose weights lie as oneDNN wants them, laid out once; its ReLU in one pass.

    How it wants them depends on the `size` of the input; any other is computed too, where need be
    by laying them out again at each call, as it is without a size.
    """

    def __init__(
        self, conv: nn.Conv2d | nn.Conv3d, relu: bool, size: Sequence[int] | None = None
    ) -> None:
        super().__init__()
        self.geometry = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
        self.finish = "relu" if relu else "none"
        layout = channels_last(len(conv.kernel_size))
        weight = conv.weight.detach().contiguous(memory_format=layout)
        self.weight = torch.ops.mkldnn._reorder_convolution_weight(
            weight, *self.geometry, None if size is None else [*size]
        )
        self.bias = None if conv.bias is None else conv.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == len(self.geometry[0]) + 1:
            return self.forward(x.unsqueeze(0)).squeeze(0)
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, *self.geometry, self.finish, [], ""
        )
        return y
