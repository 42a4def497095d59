"""Late fusion: the mean of what the two streams say.

Reference: Simonyan and Zisserman, "Two-Stream Convolutional Networks for Action Recognition in
Videos", NIPS 2014, section 2, https://arxiv.org/abs/1406.2199 (the mean of probabilities); Wang et
al., "Temporal Segment Networks", ECCV 2016, https://arxiv.org/abs/1608.00859 (that of logits).
"""

from math import log
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Average(nn.Module):
    """The log of the mean probability, or the mean logits."""

    LEVEL: ClassVar[str] = "scores"

    def __init__(self, *, of: Literal["probabilities", "logits"] = "probabilities") -> None:
        super().__init__()
        self.of = of

    def forward(
        self, spatial: Float[Tensor, "batch classes"], temporal: Float[Tensor, "batch classes"]
    ) -> Float[Tensor, "batch classes"]:
        if self.of == "logits":
            return (spatial + temporal) / 2
        return torch.logaddexp(spatial.log_softmax(1), temporal.log_softmax(1)) - log(2)
