"""What a convolution sees at each of its places."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from harness.convs.geometry import Conv, padding_of


@dataclass(frozen=True)
class Window:
    """The geometry of a convolution, channels aside; padding in numbers only."""

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[int, ...]
    padding_mode: str

    @classmethod
    def of(cls, conv: Conv) -> "Window":
        padding = tuple(padding_of(conv))
        return cls(conv.kernel_size, conv.stride, conv.dilation, padding, conv.padding_mode)

    def padded(self, x: Float[Tensor, "batch channels *size"]) -> Tensor:
        before_and_after = [pad for pad in reversed(self.padding) for _ in range(2)]
        if not any(before_and_after):
            return x
        return F.pad(x, before_and_after, self.padding_mode.replace("zeros", "constant"))

    def patches(self, x: Float[Tensor, "batch channels *size"]) -> Tensor:
        """(batch, channels, *places, *taps): a view of the padded input, which takes no memory."""
        x = self.padded(x)
        for axis in range(len(self.kernel_size)):
            x = self._windows(x, axis)
        return x

    def sums(self, x: Float[Tensor, "batch channels *size"]) -> Tensor:
        """(batch, channels, *places): the sum of each channel's patch, one axis after another."""
        x = self.padded(x)
        for axis in range(len(self.kernel_size)):
            x = self._windows(x, axis).sum(-1)
        return x

    def _windows(self, x: Tensor, axis: int) -> Tensor:
        taps, stride, dilation = self.kernel_size[axis], self.stride[axis], self.dilation[axis]
        return x.unfold(2 + axis, dilation * (taps - 1) + 1, stride)[..., ::dilation]
