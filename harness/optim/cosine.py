"""Half a cosine from the learning rate down to a share of it, without restarts.

Reference: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR
2017, equation 5, https://arxiv.org/abs/1608.03983, after a linear warm-up (Goyal et al. 2017).
"""

from math import cos, pi

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler


def cosine(
    optimizer: Optimizer, steps: int, *, warmup: float = 0.0, floor: float = 0.0
) -> LRScheduler:
    """`warmup` and `floor` are shares: of the steps, and of the learning rate."""
    rising = round(warmup * steps)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        done = (step - rising) / max(1, steps - rising)
        return floor + (1 - floor) * (1 + cos(pi * done)) / 2

    return LambdaLR(optimizer, factor)
