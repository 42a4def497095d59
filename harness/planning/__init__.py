"""From a file to cells, and from cells to records: plan, coordinator, workers, Optuna's studies.

Sampler contract: `f(ask, *, options) -> optuna.samplers.BaseSampler` for one trial, see
asking.py. Pruner contract: `f(epochs, *, options) -> optuna.pruners.BasePruner`, where
`epochs` is how long the longest training takes. Both have every argument that decides anything
written out, since Optuna's defaults change between versions; these are the ones of Optuna 5.
"""

from harness.registry import Registry

SAMPLERS = Registry(
    "sampler",
    brute_force="harness.planning.search.samplers:brute_force",
    cma_es="harness.planning.search.samplers:cma_es",
    gp="harness.planning.search.samplers:gp",
    grid="harness.planning.search.grid:grid",
    nsga_ii="harness.planning.search.genetic:nsga_ii",
    nsga_iii="harness.planning.search.genetic:nsga_iii",
    partial_fixed="harness.planning.search.samplers:partial_fixed",
    qmc="harness.planning.search.qmc:qmc",
    random="harness.planning.search.samplers:random",
    tpe="harness.planning.search.samplers:tpe",
)

PRUNERS = Registry(
    "pruner",
    hyperband="harness.planning.search.pruners:hyperband",
    median="harness.planning.search.pruners:median",
    none="harness.planning.search.pruners:none",
    patient="harness.planning.search.pruners:patient",
    percentile="harness.planning.search.pruners:percentile",
    successive_halving="harness.planning.search.pruners:successive_halving",
    threshold="harness.planning.search.pruners:threshold",
    wilcoxon="harness.planning.search.pruners:wilcoxon",
)
