"""A name of an arm is true: nothing is laid over what its combination decides."""

from pathlib import Path

import pytest

from harness.errors import UserError
from harness.planning.plan import sweep_plan

CONV = Path(__file__).parents[1] / "experiments/moving_shapes/conv_fusion.yaml"


def planned(tmp_path, arm, rest="", overrides=()):
    """Of a sweep with one arm, whose lines begin at the fourth, and what stands below it."""
    path = tmp_path / "s.yaml"
    path.write_text(f"name: s\narms:\n  - base: {CONV}\n    {arm}\n{rest}")
    return sweep_plan(path, overrides)


def told(tmp_path, *text):
    with pytest.raises(UserError) as error:
        planned(tmp_path, *text)
    return str(error.value).replace(f"{tmp_path}/", "").splitlines()


BY = "decides it, too, and is laid over it; leave it in one of them"


@pytest.mark.parametrize(
    ("arm", "rest", "key", "by"),
    [
        (
            "grid: {train.epochs: [2]}",
            "set: {train.epochs: 1}",
            "grid.train.epochs",
            "train.epochs",
        ),
        ("grid: {train.epochs: [1]}", "set: {train: {epochs: 1}}", "grid.train.epochs", "train"),
        ("grid: {train: [{epochs: 2}]}", "set: {train.epochs: 1}", "grid.train", "train.epochs"),
        ("zip: {train.epochs: [2]}", "set: {train.epochs: 1}", "zip.train.epochs", "train.epochs"),
        (
            "include: [{train.epochs: 2}]",
            "set: {train.epochs: 1}",
            "include.0.train.epochs",
            "train.epochs",
        ),
        (
            "grid: {model.fusion: [sum]}",
            "set: {model.fusion.name: max}",
            "grid.model.fusion",
            "model.fusion.name",
        ),
        (
            "grid: {model.fusion.name: [sum]}",
            "set: {model.fusion: max}",
            "grid.model.fusion.name",
            "model.fusion",
        ),
        (
            "grid: {model.fusion: [sum, {name: conv, kernel_size: 1}]}",
            "set: {model.fusion.kernel_size: 3}",
            "grid.model.fusion",
            "model.fusion.kernel_size",
        ),
        (
            "grid: {model.fusion.kernel_size: [1, 3]}",
            "set: {model.fusion: max}",
            "grid.model.fusion.kernel_size",
            "model.fusion",
        ),
        (
            "grid: {model.temporal: [null]}",
            "set: {model.temporal.input: rgb_diff}",
            "grid.model.temporal",
            "model.temporal.input",
        ),
        (
            "grid: {model.temporal.conv.algorithm: [winograd]}",
            "set: {model.temporal.conv: standard}",
            "grid.model.temporal.conv.algorithm",
            "model.temporal.conv",
        ),
    ],
)
def test_what_a_sweep_sets_is_no_key_of_a_combination(tmp_path, arm, rest, key, by):
    lines = told(tmp_path, arm, rest)
    assert f"s.yaml:4: arms.0.{key}: set.{by} (s.yaml:5) {BY}" in lines
    assert sum(BY in line for line in lines) == 1


def test_neither_is_what_an_entry_of_data_decides(tmp_path):
    rest = "data:\n  - {task: bind}\n  -\n    task: xor\n    train: 48\n"
    assert told(tmp_path, "grid: {data.train: [60]}", rest) == [
        f"s.yaml:4: arms.0.grid.data.train: data.1 (s.yaml:9) {BY}"
    ]
    rest = "data: [{name: folder, path: mine}]\n"  # which has no such option
    assert told(tmp_path, "grid: {data.train: [60]}", rest)[0] == (
        f"s.yaml:4: arms.0.grid.data.train: data.0 (s.yaml:5) {BY}"
    )


def test_nor_what_the_command_line_sets(tmp_path):
    with pytest.raises(UserError) as error:
        planned(tmp_path, "grid: {train.epochs: [2, 3]}", overrides=["set.train.epochs=1"])
    assert str(error.value).endswith(
        f"s.yaml:4: arms.0.grid.train.epochs: set.train (--set set.train.epochs) {BY}"
    )


@pytest.mark.parametrize(
    "arm",
    [
        "{set: {train.epochs: 5}, grid: {train.epochs: [2, 3]}}",
        "{set: {train.epochs: 5}, grid: {train: [{epochs: 2, batch_size: 8}]}}",
        "{set: {model.fusion: max}, grid: {model.fusion.name: [sum, conv]}}",
        "{set: {train.epochs: 5}, include: [{train.epochs: 2}, {train.epochs: 3}]}",
    ],
)
def test_an_arm_does_not_set_what_all_of_its_combinations_decide(tmp_path, arm):
    path = tmp_path / "s.yaml"
    path.write_text(f"name: s\narms:\n  - {{base: {CONV}, {arm[1:]}\n")
    with pytest.raises(UserError) as error:
        sweep_plan(path)
    [line] = str(error.value).splitlines()
    assert line.startswith(f"{path}:3: arms.0.set.")
    assert line.endswith(BY)


@pytest.mark.parametrize(
    ("arm", "rest", "names"),
    [
        (
            "grid: {train.optimizer: [sgd, adamw]}",
            "set: {train.optimizer.lr: 0.01, train: {batch_size: 8}}",
            ["train.optimizer=sgd", "train.optimizer=adamw"],
        ),
        (
            "grid: {data.clip.frames: [8], data.train: [60]}",
            "data: [{name: moving_shapes, task: bind}]",
            ["data.clip.frames=8 data.train=60"],
        ),
        (
            "grid: {model.fusion.kernel_size: [1, 3]}",
            "set: {model.fusion.name: conv}",
            ["fusion.kernel_size=1", "fusion.kernel_size=3"],
        ),
    ],
)
def test_what_does_not_change_them_is_laid_over_combinations(tmp_path, arm, rest, names):
    plan = planned(tmp_path, arm, rest)
    told = [f"conv_fusion {name}".replace("data.", "") for name in names]
    assert [task.arm for task in plan.tasks] == told


def test_an_arm_may_set_what_some_of_its_combinations_decide(tmp_path):
    arm = "set: {train.epochs: 5, model.fusion: {name: conv, kernel_size: 3}}\n    include:"
    plan = planned(tmp_path, f"{arm} [{{}}, {{train.epochs: 9}}, {{model.fusion.kernel_size: 1}}]")
    found = [
        (task.experiment.train.epochs, task.experiment.model.fusion.options["kernel_size"])
        for task in plan.tasks
    ]
    assert found == [(5, 3), (9, 3), (5, 1)]


SEARCH = "set: {data.val: {share: 0.2}}\nsearch:\n  trials: 3\n  space:\n"
FUSION = "    model.fusion.name: {choice: [sum, conv]}\n"
KERNEL = "    model.fusion.kernel_size: {int: [1, 5], when: {model.fusion.name: conv}}\n"


def test_nor_what_a_search_proposes_in_every_trial(tmp_path):
    by = f"search.space.model.fusion.name (s.yaml:9) {BY}"
    for key in ("model.fusion", "model.fusion.kernel_size"):
        value = "max" if key == "model.fusion" else 3
        assert told(tmp_path, f"grid: {{{key}: [{value}]}}", SEARCH + FUSION) == [
            f"s.yaml:4: arms.0.grid.{key}: {by}"
        ]
    plan = planned(tmp_path, "grid: {train.batch_size: [8, 16]}", SEARCH + FUSION + KERNEL)
    assert len(plan.tasks) == 2
