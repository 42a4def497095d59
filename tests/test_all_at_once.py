"""Every mistake of a sweep file is told in one go, whatever else is wrong with it."""

import itertools
import random
import re

import pytest
from shapes import TINY, write

from harness.errors import UserError
from harness.planning.plan import sweep_plan

GOOD = {
    "name": "name: looking",
    "arms": "arms: [tiny.yaml]",
    "data": "data: [{task: bind}]",
    "set": "set: {train.batch_size: 8}",
    "seeds": "seeds: [0]",
    "confirm": "confirm: {top_k: 1}",
    "policy": "policy: {retry: {oom: 1}}",
    "search": "search:",
    "trials": "  trials: 9",
    "objective": "  objective: val/top1",
    "sampler": "  sampler: {name: qmc, seed: 1}",
    "pruner": "  pruner: {name: median, n_warmup_steps: 1}",
    "constraints": "  constraints: {cost/params: {max: 1e6}}",
    "enqueue": "  enqueue: [{train.optimizer.lr: 1e-3}]",
    "space": "  space:",
    "fusion": "    model.fusion.name: {choice: [sum, conv]}",
    "lr": "    train.optimizer.lr: {float: [1e-4, 1e-2], log: true}",
    "kernel": "    model.fusion.kernel_size: {int: [1, 5], when: {model.fusion.name: conv}}",
}
LINES = {section: number for number, section in enumerate(GOOD, 1)}
WRONG = [
    ("name", "nmae: looking", "nmae: unknown key; did you mean 'name'?"),
    ("arms", "arms: [tinny.yaml]", "arms: no such experiment file"),
    (
        "arms",
        "arms: [{base: tiny.yaml, gird: {}}]",
        "arms.0.gird: unknown key; did you mean 'grid'?",
    ),
    ("arms", "arms: [{base: tiny.yaml, zip: {a: [1], b: [1, 2]}}]", "arms.0.zip: takes one value"),
    ("arms", "arms: [{bsae: tiny.yaml}]", "arms.0.bsae: unknown key; did you mean 'base'?"),
    ("data", "data: [{split: 1}]", "data.split: expected text"),
    ("data", "data: 3", "data: expected list of a mapping, got 3"),
    (
        "set",
        "set: {train.batch_szie: 8}",
        "train.batch_szie: unknown key; did you mean 'batch_size'?",
    ),
    ("set", "set: {model.temporal.conv: wingrad}", "model.temporal.conv: no convolution named"),
    ("seeds", "seeds: none", "seeds: expected list of int"),
    ("confirm", "confirm: {top_k: 0}", "confirm.top_k: must be at least 1"),
    ("policy", "policy: {on_failure: fail_fats}", "policy.on_failure: 'fail_fats' is not allowed"),
    ("policy", "policy: {quota: 3}", "policy.quota: expected a number above 0 and its unit"),
    ("trials", "  trails: 9", "search.trails: unknown key; did you mean 'trials'?"),
    ("trials", "  trials: 0", "search.trials: must be at least 1"),
    ("trials", "  budget: {epoch: 9}", "search.budget.epoch: unknown key; did you mean 'epochs'?"),
    ("objective", "  objective: val/topp1", "search.objective: 'val/topp1' is not"),
    (
        "objective",
        "  objectives: [{direction: up}]",
        "search.objectives.0.direction: 'up' is not allowed",
    ),
    ("sampler", "  sampler: tpee", "search.sampler.name: no sampler named 'tpee'; did you"),
    (
        "sampler",
        "  sampler: {name: tpe, sead: 1}",
        "search.sampler.sead: sampler 'tpe' has no such",
    ),
    ("sampler", "  sampler: {name: qmc, qmc_type: sobl}", "search.sampler: sampler 'qmc': "),
    (
        "pruner",
        "  pruner: {name: median, n_warmup: 1}",
        "search.pruner.n_warmup: pruner 'median' has no",
    ),
    (
        "pruner",
        "  pruner: {name: patient, patience: 2, wrapped: medain}",
        "search.pruner: no pruner named",
    ),
    (
        "constraints",
        "  constraints: {cost/parms: {max: 1e6}}",
        "search.constraints.cost/parms: 'cost/parms'",
    ),
    (
        "enqueue",
        "  enqueue: [{train.optimizer.l: 1e-3}]",
        "search.enqueue.0.train.optimizer.l: not a key",
    ),
    (
        "fusion",
        "    model.fusion.name: {chioce: [sum]}",
        "search.space.model.fusion.name: needs exactly one",
    ),
    (
        "fusion",
        "    model.fusion.name: {choice: [summ, conv]}",
        "model.fusion.name: no fusion named 'summ'",
    ),
    (
        "lr",
        "    train.optimizer.lr: {float: [1, 0.1]}",
        "search.space.train.optimizer.lr.float: the lowest",
    ),
    (
        "lr",
        "    train.optimizr.lr: {float: [1, 2]}",
        "train.optimizr: unknown key; did you mean 'optimizer'?",
    ),
    (
        "kernel",
        "    model.fusion.k: {int: [1, 5], when: {model.fusion.nme: conv}}",
        "search.space.model.fusion.k.when.model.fusion.nme: not a key of the space; did you mean",
    ),
    (
        "kernel",
        "    model.fusion.k: {int: [1, 5], when: {model.fusion.name: cnov}}",
        "search.space.model.fusion.k.when.model.fusion.name: 'cnov' is no value of it; did",
    ),
    (
        "kernel",
        "    train.epcohs: {int: [1, 5], when: {model.fusion.name: 3}}",
        "search.space.train.epcohs.when.model.fusion.name: 3 is no value of it",
    ),
]


@pytest.fixture
def told(tmp_path):
    """The lines that a sweep file with these mistakes is refused with."""
    write(tmp_path, "tiny.yaml", TINY)

    def lines(mistakes):
        text = GOOD | {section: line for section, line, _ in mistakes}
        with pytest.raises(UserError) as error:
            sweep_plan(write(tmp_path, "s.yaml", "\n".join(text.values())))
        return str(error.value).replace(f"{tmp_path}/", "").splitlines()

    return lines


def has(lines, mistake):
    section, _, message = mistake
    return any(line.startswith(f"s.yaml:{LINES[section]}: {message}") for line in lines)


def of_different_sections(mistakes):
    """Whether a value is one of a dimension is not known where that cannot be read."""
    texts = " ".join(text for _, text, _ in mistakes)
    blind = "chioce" in texts and ("cnov" in texts or "name: 3" in texts)
    return len({section for section, *_ in mistakes}) == len(mistakes) and not blind


def test_the_file_without_mistakes_is_sound(tmp_path):
    write(tmp_path, "tiny.yaml", TINY)
    assert sweep_plan(write(tmp_path, "s.yaml", "\n".join(GOOD.values()))).notes == []


@pytest.mark.parametrize("seed", range(4))
def test_three_mistakes_are_three_lines(told, depth, seed):
    """Every mistake with others, drawn anew for each seed; all trios of a draw in `make soak`."""
    drawn = random.Random(seed).sample(WRONG, len(WRONG))
    apart = [drawn[i : i + 3] for i in range(0, len(drawn), 3)]
    for mistakes in filter(of_different_sections, depth(apart, itertools.combinations(drawn, 3))):
        lines = told(mistakes)
        assert all(has(lines, one) for one in mistakes), (mistakes, lines)
        assert all(re.match(r"s\.yaml(:\d+)?: ", line) for line in lines)


@pytest.mark.parametrize("other", WRONG[1::5], ids=lambda m: m[1].strip())
def test_a_mistake_in_a_condition_hides_none_and_none_hides_it(told, other):
    for mistake in WRONG[-3:]:
        pair = (mistake, other)
        assert not of_different_sections(pair) or all(has(told(pair), one) for one in pair)
