"""Optimisers and learning-rate schedules, each with its defaults written out.

Contract. An optimiser is `f(parameters, *, options) -> torch.optim.Optimizer`; a schedule is
`f(optimizer, steps, *, options) -> LRScheduler`, stepped once after each of `steps` updates.
"""

from harness.registry import Registry

OPTIMIZERS = Registry(
    "optimizer",
    adamw="harness.optim.adamw:adamw",
    sgd="harness.optim.sgd:sgd",
)

SCHEDULES = Registry(
    "schedule",
    constant="harness.optim.constant:constant",
    cosine="harness.optim.cosine:cosine",
    one_cycle="harness.optim.one_cycle:one_cycle",
)
