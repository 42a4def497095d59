"""From a file to cells, and from cells to records: plan, coordinator, workers, Optuna's studies.

Sampler contract: `f(*, options) -> optuna.samplers.BaseSampler`, every argument that decides what
is sampled written out, since Optuna's defaults change between versions.
"""

from harness.registry import Registry

SAMPLERS = Registry(
    "sampler",
    tpe="harness.planning.search.samplers:tpe",
    random="harness.planning.search.samplers:random",
)
