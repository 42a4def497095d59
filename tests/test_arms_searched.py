"""What a sweep file says of its search, held against its arms."""

from pathlib import Path

import pytest

from harness.errors import UserError
from harness.planning.plan import plan_of, sweep_plan
from harness.planning.space import setting_of

ROOT = Path(__file__).parents[1]


CONV = ROOT / "experiments/moving_shapes/conv_fusion.yaml"


def sweep(tmp_path, text):
    path = tmp_path / "s.yaml"
    path.write_text("name: s\n" + text.replace("CONV", str(CONV)))
    return path


def told(path):
    """The lines of the error, without the folder of the file."""
    with pytest.raises(UserError) as error:
        plan_of(path)
    return str(error.value).replace(f"{path.parent}/", "").splitlines()


SEARCH = """arms: [CONV]
set: {data.val: {share: 0.2}}
search:
  trials: 3
  space:
    model.fusion.name: {choice: [sum, conv]}
    model.fusion.kernel_size: {int: [1, 5], step: 2, when: {model.fusion.name: conv}}
    train.optimizer.lr: {float: [1e-4, 1e-2], log: true}
"""


def test_a_conditional_key_is_tried_where_its_condition_holds(tmp_path):
    plan = sweep_plan(sweep(tmp_path, SEARCH))
    assert setting_of(plan.space[1], plan.space) == [("model.fusion.name", "conv")]


@pytest.mark.parametrize(
    ("enqueue", "message"),
    [
        ("{train.optimizer.l: 1e-3}", "not a key of the space; did you mean 'train.optimizer.lr'?"),
        (
            "{train.optimizer.lr: 1}",
            "1 is no value of it; did you mean 0.01? (float: [0.0001, 0.01])",
        ),
        ("{model.fusion.name: max}", "'max' is no value of it (choice: ['sum', 'conv'])"),
        ("{model.fusion.kernel_size: 3}", "is asked for only when model.fusion.name is conv"),
        (
            "{model.fusion.name: conv, model.fusion.kernel_size: 2}",
            "2 is no value of it; did you mean 1? (int: [1, 5], step 2)",
        ),
    ],
)
def test_what_is_enqueued_must_be_in_the_space(tmp_path, enqueue, message):
    [line] = told(sweep(tmp_path, f"{SEARCH}  enqueue:\n    - {enqueue}\n"))
    assert line.startswith("s.yaml:11: search.enqueue.0.")
    assert message in line


def test_what_is_enqueued_may_be_a_part_of_the_space(tmp_path):
    good = "[{model.fusion.name: conv, model.fusion.kernel_size: 3}, {train.optimizer.lr: 1e-3}]"
    assert len(sweep_plan(sweep(tmp_path, f"{SEARCH}  enqueue: {good}\n")).search.enqueue) == 2


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("objective: val/top1", "needs either trials or budget"),
        ("trials: 3, budget: {epochs: 3}", "needs either trials or budget"),
        (
            "budget: {epochs: 3, hours: 1}",
            "exactly one of trials, epochs, hours, device_hours; got",
        ),
        ("budget: {}", "exactly one of trials, epochs, hours, device_hours; got none"),
        ("budget: {epochs: 0}", "search.budget.epochs: must be at least 1, got 0"),
        ("budget: {hours: 0}", "search.budget.hours: must be more than 0"),
        ("budget: {epoch: 3}", "did you mean 'epochs'?"),
        ("trials: 0", "must be at least 1"),
    ],
)
def test_a_search_has_exactly_one_budget(tmp_path, limit, message):
    lines = told(sweep(tmp_path, f"arms: [CONV]\nsearch: {{space: {{}}, {limit}}}\n"))
    assert any(line.startswith("s.yaml:3: search") and message in line for line in lines), lines


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("confirm: {seeds: [1, 2, 1]}", "s.yaml:10: confirm.seeds: 1 is given twice"),
        ("seeds: [4, 4]", "s.yaml:10: seeds: 4 is given twice"),
        (
            "  constraints: {cost/params: {min: 10, max: 9.5}}",
            "s.yaml:10: search.constraints.cost/params: the least 10 is above the most 9.5",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_with_all_else(tmp_path, line, message):
    wrong = SEARCH.replace("sum, conv", "sum, cnov")
    assert message in told(sweep(tmp_path, f"{wrong}{line}\n"))
    assert len(told(sweep(tmp_path, f"{wrong}{line}\n"))) == len(told(sweep(tmp_path, wrong))) + 1


def test_there_is_nothing_to_confirm_without_a_search(tmp_path):
    assert told(sweep(tmp_path, "arms: [CONV]\nconfirm: {top_k: 1}\n")) == [
        "s.yaml:3: confirm: trains the best trials of a search once more, and there is no search"
    ]


def test_more_to_confirm_than_there_are_trials_is_noted(tmp_path):
    path = sweep(tmp_path, SEARCH + "confirm:\n  top_k: 5\n")
    assert sweep_plan(path).notes == [
        f"{path}:11: confirm.top_k: 5 are to be confirmed, but there are 3 trials: all of them are"
    ]


@pytest.mark.parametrize(
    ("trials", "pruner", "message"),
    [
        (5, "median", "'median' can end no trial: it waits for 5 to end (n_startup_trials), and"),
        (6, "median", ""),
        (4, "{name: median, n_startup_trials: 3, n_warmup_steps: 10}", "it spares 10 epochs (n_w"),
        (4, "{name: median, n_startup_trials: 3, n_warmup_steps: 9}", ""),
        (2, "{name: threshold, lower: 0.1, n_warmup_steps: 12}", "and trainings have 10"),
        (3, "{name: patient, patience: 1, wrapped: median}", "'median' can end no trial"),
        (3, "{name: patient, patience: 1}", ""),
        (3, "hyperband", ""),
    ],
)
def test_a_pruner_that_can_end_no_trial_is_noted(tmp_path, trials, pruner, message):
    search = f"search: {{trials: {trials}, space: {{}}, pruner: {pruner}}}\n"
    plan = sweep_plan(sweep(tmp_path, "arms: [CONV]\nset: {data.val: {share: 0.2}}\n" + search))
    assert len(plan.notes) == bool(message)
    for note in plan.notes:
        assert note.startswith(f"{tmp_path}/s.yaml:4: search.pruner: '")
        assert message in note
