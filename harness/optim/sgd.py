"""Stochastic gradient descent with momentum; the defaults are those of the 2014 two-stream network.

Reference: Simonyan and Zisserman, "Two-Stream Convolutional Networks for Action Recognition in
Videos", NIPS 2014, section 5, https://arxiv.org/abs/1406.2199 (weight decay from TSN, ECCV 2016).
"""

from collections.abc import Iterable

from torch import nn, optim

from harness.optim.fused import best, careful


def sgd(
    parameters: Iterable[nn.Parameter],
    *,
    lr: float = 1e-2,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    nesterov: bool = False,
) -> optim.Optimizer:
    given = list(parameters)
    optimizer = optim.SGD(
        given,
        lr=lr,
        momentum=momentum,
        weight_decay=weight_decay,
        nesterov=nesterov,
        fused=best(given),
    )
    return careful(optimizer)
