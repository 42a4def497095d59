"""The learning rate rises to its maximum, then falls to almost nothing, in one cycle.

Reference: Smith and Topin, "Super-Convergence", 2018, https://arxiv.org/abs/1708.07120, in
torch's form with cosine flanks. Momentum is left alone.
"""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR


def one_cycle(
    optimizer: Optimizer,
    steps: int,
    *,
    rise: float = 0.3,
    start: float = 25.0,
    end: float = 1e4,
) -> LRScheduler:
    """`rise`: share of the steps; the rate starts at lr / start and ends at lr / start / end."""
    peaks = [group["lr"] for group in optimizer.param_groups]
    return OneCycleLR(
        optimizer,
        max_lr=peaks,
        total_steps=max(2, steps),  # torch divides by the length of each flank
        pct_start=rise,
        div_factor=start,
        final_div_factor=end,
        cycle_momentum=False,
    )
