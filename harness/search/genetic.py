"""Genetic algorithms for several objectives. A generation is `population_size` trials."""

from typing import Any

from optuna.samplers import BaseSampler, NSGAIIISampler, NSGAIISampler, nsgaii

from harness.errors import UserError
from harness.planning.asking import Ask
from harness.registry import hint

CROSSOVERS = {
    "uniform": nsgaii.UniformCrossover,
    "blx_alpha": nsgaii.BLXAlphaCrossover,
    "spx": nsgaii.SPXCrossover,
    "sbx": nsgaii.SBXCrossover,
    "vsbx": nsgaii.VSBXCrossover,
    "undx": nsgaii.UNDXCrossover,
}
MUTATIONS = {"polynomial": nsgaii.PolynomialMutation}


def nsga_ii(
    ask: Ask,
    *,
    seed: int = 0,
    population_size: int = 50,
    mutation: str | None = None,
    mutation_prob: float | None = None,
    crossover: str = "uniform",
    crossover_prob: float = 0.9,
    swapping_prob: float = 0.5,
) -> BaseSampler:
    """Non-dominated sorting with crowding distance (Deb et al., IEEE TEC 2002)."""
    return NSGAIISampler(
        seed=ask.seeded(seed),
        population_size=population_size,
        mutation=None if mutation is None else _named(MUTATIONS, "mutation", mutation)(),
        mutation_prob=mutation_prob,
        crossover=_crossover(crossover, swapping_prob),
        crossover_prob=crossover_prob,
        swapping_prob=swapping_prob,
    )


def nsga_iii(
    ask: Ask,
    *,
    seed: int = 0,
    population_size: int = 50,
    mutation: str | None = None,
    mutation_prob: float | None = None,
    crossover: str = "uniform",
    crossover_prob: float = 0.9,
    swapping_prob: float = 0.5,
    dividing_parameter: int = 3,
) -> BaseSampler:
    """Non-dominated sorting with reference points (Deb and Jain, IEEE TEC 2014)."""
    return NSGAIIISampler(
        seed=ask.seeded(seed),
        population_size=population_size,
        mutation=None if mutation is None else _named(MUTATIONS, "mutation", mutation)(),
        mutation_prob=mutation_prob,
        crossover=_crossover(crossover, swapping_prob),
        crossover_prob=crossover_prob,
        swapping_prob=swapping_prob,
        dividing_parameter=dividing_parameter,
    )


def _crossover(name: str, swapping_prob: float) -> Any:
    kind = _named(CROSSOVERS, "crossover", name)
    return kind(swapping_prob) if name == "uniform" else kind()


def _named(table: dict[str, Any], what: str, name: str) -> Any:
    if name not in table:
        raise UserError(f"{what}: {name!r} is not one; {hint(name, table)}")
    return table[name]
