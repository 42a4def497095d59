"""From a sweep file to its arms: names, commands, and every mistake of the file at once."""

import re
import shlex
from pathlib import Path

import pytest

from harness.config.merge import load
from harness.config.schema import build
from harness.errors import UserError
from harness.places import Places
from harness.planning.plan import experiment_plan, plan_of, sweep_plan
from harness.report.board import BoardFile

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


ARM = """
arms:
  - base: CONV
    name: x
    grid: {model.fusion: [sum, conv]}
    zip:
      train.epochs: [5, 9]
      train.batch_size: [8, 16]
    exclude:
      - {model.fusion: sum, train.epochs: 9}
    include:
      - {model.fusion: {name: conv, kernel_size: 1}, train.optimizer.lr: 3e-3}
      - {}
"""


def test_an_arm_is_its_combinations_in_order(tmp_path):
    plan = sweep_plan(sweep(tmp_path, ARM))
    assert [task.arm for task in plan.tasks] == [
        "x fusion=sum train.epochs=5 train.batch_size=8",
        "x fusion=conv train.epochs=5 train.batch_size=8",
        "x fusion=conv train.epochs=9 train.batch_size=16",
        "x fusion=conv(kernel_size=1) train.optimizer.lr=0.003",
        "x",
    ]
    third, included = plan.tasks[2].experiment, plan.tasks[3].experiment
    assert (third.train.epochs, third.train.batch_size) == (9, 16)
    assert included.train.optimizer.options["lr"] == 3e-3
    assert included.train.epochs == plan.tasks[4].experiment.train.epochs


def test_the_command_of_every_combination_gives_its_cell_again(tmp_path):
    places = Places(cache=tmp_path / "cache", runs=tmp_path / "runs")
    for cell in sweep_plan(sweep(tmp_path, ARM + "seeds: [4]\n")).cells(places):
        words = shlex.split(cell.command)
        overrides = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
        [again] = experiment_plan(Path(words[2]), overrides).cells(places)
        assert again.key == cell.key


def test_every_mistake_is_told_at_once_with_its_line(tmp_path):
    (tmp_path / "fusion.yaml").write_text(f"extends: {CONV}\nname: fusion\ntrain: {{epohcs: 3}}\n")
    path = sweep(
        tmp_path,
        """arms:
  - base: fusoin.yaml
  - fusion.yaml
  - base: CONV
    set:
      model.fusion: cnov
  - base: CONV
    name: y
    grid:
      train.epochs: [5, 0]
    exclude:
      - {train.epochs: 7}
  - base: CONV
    name: z
    grid:
      model.fusion:
        - sum
        - maxx
data:
  - {task: bind}
  - {task: xor, split: 1}
search:
  trials: 3
  space:
    train.epochs: {int: [2, 1]}
    model.fusion.name: {chioce: [sum]}
confirm: {seeds: [0]}
""",
    )
    lines = told(path)
    expected = [
        "s.yaml:3: arms: no such experiment file fusoin.yaml; did you mean 'fusion.yaml'?",
        "s.yaml:13: arms.3.exclude.0: {'train.epochs': 7} matches no combination",
        "s.yaml:11: train.epochs: must be at least 1, got 0",
        "fusion.yaml:3: train.epohcs: unknown key; did you mean 'epochs'?",
        "s.yaml:7: model.fusion.name: no fusion named 'cnov'; did you mean 'conv'?",
        "s.yaml:19: model.fusion.name: no fusion named 'maxx'; did you mean 'max'?",
        "s.yaml:22: data.split: expected text, got 1",
        "s.yaml:11: arms.3.grid.train.epochs: search.space.train.epochs (s.yaml:26) decides",
        "s.yaml:17: arms.4.grid.model.fusion: search.space.model.fusion.name (s.yaml:27) ",
        "s.yaml:26: search.space.train.epochs.int: the lowest value 2 is not below",
        "s.yaml:27: search.space.model.fusion.name: needs exactly one of choice, int, float",
        "s.yaml:23: search: arm 'fusion' and 3 others have no validation clips to choose on",
        "s.yaml:28: confirm.seeds: 0 is the seed that the search of arm 'z fusion=sum' chooses",
    ]
    for line in expected:
        assert any(found.startswith(line) for found in lines), (line, lines)
    assert len(lines) == len(set(lines)) == len(expected)


def test_what_is_wrong_with_an_arm_hides_nothing_of_its_search(tmp_path):
    path = sweep(
        tmp_path,
        """arms:
  - base: CONV
    set: {model.fusion: sun}
search:
  trials: 3
  objective: test/top1
  space:
    train.optimizer.learning_rate: {float: [1.0e-4, 1.0e-2]}
""",
    )
    expected = [
        "s.yaml:4: model.fusion.name: no fusion named 'sun'; did you mean 'sum'?",
        "s.yaml:5: search: arm 'conv_fusion' has no validation clips to choose on; add data.val",
        "s.yaml:7: search.objective: 'test/top1' is not a validation metric",
        "s.yaml:9: train.optimizer.learning_rate: optimizer 'adamw' has no such option",
    ]
    lines = told(path)
    assert len(lines) == len(expected)
    for line, start in zip(lines, expected, strict=True):
        assert line.startswith(start), (line, start)


def test_files_of_arms_are_looked_at_though_the_sweep_itself_is_wrong(tmp_path):
    lines = told(sweep(tmp_path, "arms:\n  - gone.yaml\n  - CONV\nserach: {trials: 3}\n"))
    assert lines == [
        "s.yaml:3: arms: no such experiment file gone.yaml",
        "s.yaml:5: serach: unknown key; did you mean 'search'? "
        "(allowed: arms, confirm, data, name, policy, search, seeds, set)",
    ]


def test_trainings_that_are_planned_twice_are_told_with_both_arms(tmp_path):
    places = Places(cache=tmp_path / "cache", runs=tmp_path / "runs")
    path = sweep(
        tmp_path,
        "arms:\n  - CONV\n  - {base: CONV, name: again}\n"
        "  - {base: CONV, name: third, grid: {train.epochs: [3, 10]}}\nseeds: [0, 1]\n",
    )
    with pytest.raises(UserError) as error:
        sweep_plan(path).cells(places)
    place = "are the same training on moving_shapes/hue_and_direction 01; drop one, or change"
    first, second = str(error.value).splitlines()
    assert first.startswith(f"{path}:4: arms 'conv_fusion' ({path}:3) and 'again' {place}")
    assert f"{path}:5: arms 'conv_fusion' ({path}:3) and 'third train.epochs=10' {place}" in second
    with pytest.raises(UserError, match="--set seeds: 3 is given twice"):
        experiment_plan(CONV, ["seeds=[3,3]"])


def test_one_data_set_given_twice_is_told_of_its_entries(tmp_path):
    """Of every kind of sweep, once for all arms and seeds, however the entries are written."""
    places = Places(cache=tmp_path / "cache", runs=tmp_path / "runs")
    text = "arms:\n  - CONV\n  - {base: CONV, name: x, set: {train.epochs: 3}}\n"
    text += 'data:\n  - {task: bind}\n  - {task: xor}\n  - {split: "01", task: bind}\n'
    alike = "data.2: the same data set as data.0 (s.yaml:6)"
    with pytest.raises(UserError) as error:
        sweep_plan(sweep(tmp_path, text)).cells(places)
    assert str(error.value).replace(f"{tmp_path}/", "") == (
        f"s.yaml:8: {alike} on moving_shapes/bind 01; drop one, or change what differs"
    )
    search = "set: {data.val: {share: 0.2}}\nsearch: {trials: 3, space: {}}\n"
    assert told(sweep(tmp_path, text + search)) == [
        f"s.yaml:8: {alike}; drop one, or change what differs"
    ]


def test_what_an_entry_of_data_is_wrong_in_is_told_with_its_own_line(tmp_path):
    """And what a mapping sets, wherever it stands: the base has lines for the same keys."""
    text = "arms:\n  - base: CONV\n    set:\n      train:\n        epochs: 0\n"
    text += "data:\n  - {task: bind}\n  -\n    task: bind\n    clip:\n      frames: ten\n"
    assert told(sweep(tmp_path, text)) == [
        "s.yaml:6: train.epochs: must be at least 1, got 0",
        "s.yaml:12: data.clip.frames: expected int, got 'ten'",
    ]


def test_one_value_where_a_list_is_expected_is_told_and_looked_at(tmp_path):
    text = "arms:\n  - base: CONV\n    grid:\n      train.epochs: 0\n      model.fusion: maxx\n"
    text += "    zip:\n      model.temporal: null\n"
    lines = told(sweep(tmp_path, text))
    for line, one in zip(
        lines,
        [
            "s.yaml:5: arms.0.grid.train.epochs: expected a list of values, got 0; write [0]",
            "s.yaml:5: train.epochs: must be at least 1, got 0",
            "s.yaml:6: arms.0.grid.model.fusion: expected a list of values, got 'maxx'; write",
            "s.yaml:6: model.fusion.name: no fusion named 'maxx'; did you mean 'max'?",
            "s.yaml:8: arms.0.zip.model.temporal: expected a list of values, got None; write [n",
        ],
        strict=True,
    ):
        assert line.startswith(one)


def test_one_value_of_an_ablation_hides_no_other_mistake(tmp_path):
    path = tmp_path / "s.yaml"
    replaced = "    train.epochs: 5\n    model.fusion: [sum, maxx]\n"
    path.write_text(f"extends: {CONV}\nname: a\nseeds: [1, 1]\nablate:\n  replace:\n{replaced}")
    seeds, one, name = told(path)
    assert seeds == "s.yaml:3: seeds: 1 is given twice"
    expected = "expected a list of values, got 5; write [5]"
    assert one == f"s.yaml:6: ablate.replace.train.epochs: {expected}"
    assert name.startswith("s.yaml:7: model.fusion.name: no fusion named 'maxx'")


def test_the_examples_of_the_documentation_mean_what_it_says(tmp_path):
    """Base files are beside those that ship."""
    text = (ROOT / "docs/sweeps.md").read_text()
    blocks = re.findall(r"```yaml\n(name:.*?)```", text, re.DOTALL)
    plans = [sweep_plan(example(tmp_path, block)) for block in blocks]
    fusions = next(plan for plan in plans if plan.name == "fusions")
    places = Places(cache=tmp_path / "cache", runs=tmp_path / "runs")
    assert f"3 seeds: {len(fusions.cells(places))} cells" in " ".join(text.split())


def test_the_examples_of_tables_are_what_it_says(tmp_path):
    text = (ROOT / "docs/tables.md").read_text()
    ablation, board = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(plan_of(example(tmp_path, ablation)).tasks) == 1 + 6
    assert "a baseline and 6 arms" in text
    file = build(BoardFile, load(BoardFile, example(tmp_path, board)))
    assert (file.rows, file.sort) == ("config.model.fusion", "best_first")


def example(tmp_path, block):
    path = tmp_path / "example.yaml"
    path.write_text(block.replace("../experiments", str(ROOT / "experiments")))
    return path


@pytest.mark.parametrize(
    ("name", "arms"),
    [
        ("experiments/moving_shapes/conv_fusion.yaml", 1),
        ("experiments/moving_shapes/ablation.yaml", 6),
        ("sweeps/demo.yaml", 18),
    ],
)
def test_the_kind_of_a_file_is_found_from_its_keys(name, arms):
    assert len(plan_of(ROOT / name).tasks) == arms


def test_what_changes_an_experiment_is_told_where_a_sweep_has_it(tmp_path):
    """At the top of the file and on the command line, with what to write instead."""
    path = sweep(tmp_path, "arms: [CONV]\ntrain: {epochs: 5, optimizer: {lr: 1}}\nseeds: none\n")
    with pytest.raises(UserError) as error:
        sweep_plan(path, ["data.train=300"])
    assert str(error.value).replace(f"{tmp_path}/", "").splitlines() == [
        "--set data.train: a sweep changes all of its arms by `--set set.data.train=300`",
        "s.yaml:3: train.epochs: a sweep changes all of its arms by `set: {train.epochs: 5}`",
        "s.yaml:3: train.optimizer.lr: a sweep changes all of its arms by "
        "`set: {train.optimizer.lr: 1}`",
        "s.yaml:4: seeds: expected list of int or null, got 'none'",
    ]
    path = sweep(tmp_path, "arms: [CONV]\nset: {train.epochs: 7}\n")
    assert sweep_plan(path, ["set.train.epochs=5"]).tasks[0].experiment.train.epochs == 5


def test_two_arms_of_one_name_are_refused_with_both_places(tmp_path):
    arms = "arms:\n  - {base: CONV, name: x}\n  - {base: CONV, name: x, set: {train.epochs: 3}}\n"
    [line] = told(sweep(tmp_path, arms))
    assert line.startswith(
        "s.yaml:4: arms: a second arm is named 'x', as that of s.yaml:3 is; give"
    )
    twins = "{model.fusion: [{name: conv}, conv]}"
    [line] = told(sweep(tmp_path, f"arms:\n  - {{base: CONV, name: x, grid: {twins}}}\n"))
    assert line.startswith("s.yaml:3: arms: a second arm is named 'x fusion=conv'")
