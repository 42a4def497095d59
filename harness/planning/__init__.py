"""From a file to cells: experiments, ablations, sweeps, and what they will take. No torch.

The tables of samplers and pruners stand here, since a sweep file names them; they are built in
harness.search.

Sampler contract: `f(ask, *, options) -> optuna.samplers.BaseSampler` for one trial, see
asking.py. Pruner contract: `f(epochs, *, options) -> optuna.pruners.BasePruner`, where
`epochs` is how long the longest training takes. Both have every argument that decides anything
written out, since Optuna's defaults change between versions; these are the ones of Optuna 5.
"""

from harness.registry import Registry

SAMPLERS = Registry(
    "sampler",
    brute_force="harness.search.samplers:brute_force",
    cma_es="harness.search.samplers:cma_es",
    gp="harness.search.samplers:gp",
    grid="harness.search.grid:grid",
    nsga_ii="harness.search.genetic:nsga_ii",
    nsga_iii="harness.search.genetic:nsga_iii",
    partial_fixed="harness.search.samplers:partial_fixed",
    qmc="harness.search.qmc:qmc",
    random="harness.search.samplers:random",
    tpe="harness.search.samplers:tpe",
)

PRUNERS = Registry(
    "pruner",
    hyperband="harness.search.pruners:hyperband",
    median="harness.search.pruners:median",
    none="harness.search.pruners:none",
    patient="harness.search.pruners:patient",
    percentile="harness.search.pruners:percentile",
    successive_halving="harness.search.pruners:successive_halving",
    threshold="harness.search.pruners:threshold",
    wilcoxon="harness.search.pruners:wilcoxon",
)
