"""Adam with decoupled weight decay.

Reference: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019,
https://arxiv.org/abs/1711.05101
"""

from collections.abc import Iterable

from torch import nn, optim

from harness.optim.fused import best, careful


def adamw(
    parameters: Iterable[nn.Parameter],
    *,
    lr: float = 1e-3,
    weight_decay: float = 1e-2,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> optim.Optimizer:
    given = list(parameters)
    optimizer = optim.AdamW(
        given, lr=lr, weight_decay=weight_decay, betas=betas, eps=eps, fused=best(given)
    )
    return careful(optimizer)
