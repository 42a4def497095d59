"""The contract of samplers: all of Optuna's, every argument written out, searches that end."""

import inspect
from collections import Counter
from dataclasses import replace

import optuna
import pytest
from shapes import TINY, write
from toy_executor import Toy, coordinate

from harness.errors import UserError
from harness.places import Places
from harness.planning import SAMPLERS
from harness.planning.asking import Ask, sampler_of
from harness.planning.entries import parse
from harness.planning.plan import sweep_plan
from harness.results.store import load

ABSTRACT = {"BaseSampler", "BaseGASampler"}
# YAML holds no functions and no arrays; what Optuna is about to remove is not offered; warnings of
# what a search does on purpose are off; the samplers for other dimensions draw at random.
LEFT_OUT = {
    "after_trial_strategy", "child_generation_strategy", "elite_population_selection_strategy",
    "gamma", "weights", "reference_points", "source_trials", "independent_sampler",
    "consider_prior", "prior_weight", "consider_magic_clip", "consider_endpoints",
    "constraints_func", "restart_strategy", "inc_popsize", "x0", "sigma0",
    "warn_independent_sampling", "warn_asynchronous_seeding", "search_space",
}  # fmt: skip
OURS = {"crossover": "uniform"}  # Optuna's None
OF_THE_SPACE = {"partial_fixed": "fixed: {train.batch_size: 12}"}

SWEEP = """
name: s
arms: [tiny.yaml]
search:
  trials: 9
  duplicates: reuse
  sampler: {{name: {sampler}, {options}}}
  space:
    train.optimizer.lr: {{float: [1e-4, 1.9e-3], step: 3e-4}}
    train.batch_size: {{int: [4, 12], step: 4}}
    model.fusion.name: {{choice: [sum, conv]}}
confirm: {{top_k: 1, seeds: [7]}}
"""


def class_of(name):
    short = {"cma_es": "CmaEsSampler", "tpe": "TPESampler", "gp": "GPSampler", "qmc": "QMCSampler"}
    made = {"nsga_ii": "NSGAIISampler", "nsga_iii": "NSGAIIISampler"} | short
    return made.get(name, "".join(word.title() for word in name.split("_")) + "Sampler")


def test_every_sampler_of_optuna_is_in_the_table():
    public = {
        name
        for name in optuna.samplers.__all__
        if inspect.isclass(getattr(optuna.samplers, name)) and name not in ABSTRACT
    }
    assert {class_of(name) for name in SAMPLERS} == public


@pytest.mark.parametrize("name", sorted(set(SAMPLERS) - {"partial_fixed"}))
def test_every_argument_is_written_out_with_optunas_default(name):
    parameters = inspect.signature(getattr(optuna.samplers, class_of(name))).parameters
    theirs = {k: p.default for k, p in parameters.items() if k not in LEFT_OUT}
    ours = {k: p.default for k, p in SAMPLERS.options(name).items()}
    assert ours == theirs | {"seed": 0} | {k: v for k, v in OURS.items() if k in theirs}


@pytest.fixture
def places(tmp_path):
    write(tmp_path, "tiny.yaml", TINY)
    return Places(data=(tmp_path,), cache=tmp_path / "cache", runs=tmp_path / "runs")


def plan_of(places, sampler):
    options = OF_THE_SPACE.get(sampler, "")
    return sweep_plan(
        write(places.data[0], "s.yaml", SWEEP.format(sampler=sampler, options=options))
    )


def records_of(runs):
    return [load(path) for path in runs.glob("s/*/record.json")]


def found(runs):
    return {(r.stage, r.trial, r.key, r.metrics["val/top1"]) for r in records_of(runs)}


class Stops(Toy):
    def start(self, cell):
        super().start(cell)
        if len(self.started) == 4:
            raise KeyboardInterrupt


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_runs_to_its_end_and_a_restart_gives_the_same_trials(sampler, places, tmp_path):
    plan = plan_of(places, sampler)
    whole = coordinate(plan, places, Toy(places.runs), workers=1)
    assert Counter(r.stage for r in whole.records) == {"search": 9, "confirm": 1}

    again = replace(places, runs=tmp_path / "again")
    assert coordinate(plan, again, Stops(again.runs), workers=1).stopped
    (again.runs / "s" / "study.journal").unlink()
    assert coordinate(plan, again, Stops(again.runs), workers=1).stopped
    coordinate(plan, again, Toy(again.runs), workers=1)
    assert found(again.runs) == found(places.runs)


@pytest.mark.parametrize("sampler", ["grid", "qmc", "random"])
def test_what_is_proposed_does_not_depend_on_who_is_faster(sampler, places, tmp_path):
    plan, proposals = plan_of(places, sampler), []
    for order in range(3):
        there = replace(places, runs=tmp_path / f"runs{order}")
        coordinate(plan, there, Toy(there.runs, order=order), workers=order + 1)
        searched = [r for r in records_of(there.runs) if r.stage == "search"]
        proposals.append({(r.trial, r.key) for r in searched})
    assert proposals[0] == proposals[1] == proposals[2]


@pytest.mark.parametrize("name", ["grid", "brute_force"])
def test_what_takes_every_value_in_turn_needs_steps(name):
    space = [parse("train.optimizer.lr", {"float": [0.1, 1.0]})]
    with pytest.raises(UserError, match="train.optimizer.lr needs a step"):
        sampler_of(name, Ask(space=space))
