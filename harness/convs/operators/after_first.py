"""What operators share that cut the links between channels: the first layer stays as it is.

Its few input channels, colours or flow, cannot be cut up; the papers of all of them leave it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import nn

from harness.convs.geometry import Conv
from harness.convs.swap import input_sizes


@dataclass(kw_only=True)
class AfterFirst:
    """Refuses the convolution that a network calls first, grouped ones and those of one tap."""

    first: nn.Module | None = field(default=None, init=False, repr=False)

    def survey(self, network: nn.Module, size: Sequence[int]) -> None:
        self.first = next(iter(input_sizes(network, size)), None)

    def refuses(self, conv: Conv) -> str | None:
        wrong = {
            f"kernel {conv.kernel_size}": max(conv.kernel_size) == 1,
            f"groups {conv.groups}": conv.groups != 1,
            "first layer": conv is self.first,
        }
        return next((reason for reason, holds in wrong.items() if holds), None)
