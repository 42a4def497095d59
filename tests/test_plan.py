"""Plans: which cells a file stands for, their keys, and how mistakes are told."""

from pathlib import Path

import pytest
from fake_records import record

from harness.config.experiment import load_experiment
from harness.errors import UserError
from harness.places import Places
from harness.planning.plan import ablation_plan, experiment_plan, sweep_plan
from harness.planning.values import arm_name, as_yaml
from harness.planning.winners import winners

SHIPPED = Path(__file__).parents[1]
CONV = SHIPPED / "experiments/moving_shapes/conv_fusion.yaml"


@pytest.fixture
def places(tmp_path):
    return Places(data=(tmp_path / "data",), cache=tmp_path / "cache", runs=tmp_path / "runs")


def cells(places, *overrides):
    return experiment_plan(CONV, overrides).cells(places)


def test_a_cell_a_seed(places):
    found = cells(places, "seeds=[3,5]")
    assert [cell.seed for cell in found] == [3, 5]
    assert len({cell.key for cell in found}) == 2
    assert {cell.arm for cell in found} == {"conv_fusion"}


@pytest.mark.parametrize(
    "change",
    [
        "train.epochs=11",
        "model.fusion=sum",
        "data.task=bind",
        "data.flow.bound=9",
        "data.flow.mean=subtract",
        "data.flow.camera=remove",
        "data.flow.stacking=trajectory",
        "data.augment.mix=cutmix",
        "data.clip.sampling=uniform",
    ],
)
def test_what_changes_the_result_changes_the_key(places, change):
    assert cells(places)[0].key != cells(places, change)[0].key


def test_the_weights_of_a_flow_are_in_the_key_by_their_content(places):
    raft = "data.flow={name: raft, weights: raft.pth}"
    with pytest.raises(
        UserError, match=r"data.flow.weights: no such file 'raft.pth'; put it where"
    ):
        cells(places, raft)
    places.data[0].mkdir()
    keys = set()
    for content in (b"some", b"others"):
        (places.data[0] / "raft.pth").write_bytes(content)
        keys.add(cells(places, raft)[0].key)
    assert len(keys) == 2


def test_names_seeds_and_spelling_do_not_change_the_key(places):
    same = ["name=other", "seeds=[0]", "model.fusion={name: conv}", "train.epochs=10"]
    assert {cells(places)[0].key} == {cells(places, text)[0].key for text in same}


def test_the_key_holds_the_revision_of_every_component(places, monkeypatch):
    from harness.fusion import FUSIONS

    before = cells(places)[0].key
    target = FUSIONS._own["conv"]
    monkeypatch.setitem(FUSIONS._own, "conv", target + "@2")
    monkeypatch.setitem(FUSIONS._targets, "conv", target + "@2")
    assert cells(places)[0].key != before


def test_the_protocol_ignores_the_model_and_its_input_but_not_the_evaluation(places):
    base = cells(places)[0].protocol
    assert cells(places, "model.fusion=sum", "data.flow=farneback")[0].protocol == base
    assert cells(places, "data.augment.distort=jitter")[0].protocol == base
    assert cells(places, "data.store=jpeg")[0].protocol == base
    assert cells(places, "eval.views=3")[0].protocol != base
    assert cells(places, "eval.crops=3", "data.clip.crop=48")[0].protocol != base
    assert cells(places, "data.train=300")[0].protocol != base


def test_an_ablation_changes_one_thing_at_a_time(tmp_path, places):
    path = tmp_path / "a.yaml"
    path.write_text(
        f"extends: {CONV}\nname: a\nablate:\n  replace:\n"
        "    model.fusion: [conv, average, sum]\n    train.epochs: [10, 5]\n"
    )
    plan = ablation_plan(path)
    assert [task.arm for task in plan.tasks] == [
        "baseline",
        "fusion=average",
        "fusion=sum",
        "train.epochs=5",
    ]
    assert plan.notes == [
        f"{path}:5: fusion=conv: the baseline's own; not trained twice",
        f"{path}:6: train.epochs=10: the baseline's own; not trained twice",
    ]
    assert plan.tasks[3].experiment.model.fusion.name == "conv"
    assert len(plan.cells(places)) == 4 * 3


def test_an_ablation_of_a_key_that_is_not_there(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(f"extends: {CONV}\nname: a\nablate:\n  replace:\n    model.fusoin: [sum]\n")
    with pytest.raises(UserError, match=r"a\.yaml:5: model\.fusoin: unknown key"):
        ablation_plan(path)
    with pytest.raises(UserError, match="has no `ablate:` block"):
        ablation_plan(CONV)


def sweep(tmp_path, text):
    path = tmp_path / "s.yaml"
    path.write_text("name: s\n" + text.replace("CONV", str(CONV)))
    return sweep_plan(path)


def test_a_sweep_is_arms_times_data_times_seeds(tmp_path, places):
    plan = sweep(
        tmp_path,
        "arms:\n  - CONV\n  - {base: CONV, name: x, grid: {model.fusion: [sum, max]}}\n"
        "data:\n  - {task: bind}\n  - {task: xor}\nseeds: [1, 2]\n",
    )
    found = plan.cells(places)
    assert len(found) == 3 * 2 * 2
    assert {cell.arm for cell in found} == {"conv_fusion", "x fusion=sum", "x fusion=max"}
    assert {cell.dataset for cell in found} == {"moving_shapes/bind", "moving_shapes/xor"}


def test_two_arms_that_are_one_training_are_refused(tmp_path, places):
    with pytest.raises(UserError, match="are the same training"):
        sweep(tmp_path, "arms:\n  - CONV\n  - {base: CONV, name: again}\n").cells(places)


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ("space: {train.epoch: {int: [1, 2]}}", "train.epoch: unknown key; did you mean 'epochs'?"),
        ("space: {model.fusion: {choice: [sum, cnov]}}", "no fusion named 'cnov'"),
        ("space: {train.epochs: {int: [2, 1]}}", "the lowest value 2 is not below the highest 1"),
        ("space: {train.epochs: {float: [0, 1], log: true}}", "needs a lowest value above 0"),
        ("space: {train.epochs: {integer: [1, 2]}}", "needs exactly one of choice, int, float"),
        ("space: {train.epochs: {int: [1, 2], stop: 1}}", "did you mean 'step'?"),
        ("space: {}, objective: test/top1", "is not a validation metric"),
        ("space: {}, objective: val/topp1", "'val/topp1' is not a validation metric"),
        ("space: {}", "arm 'conv_fusion' has no validation clips to choose on; add data.val"),
        ("space: {model.fusio.name: {choice: [sum]}}", "unknown key; did you mean 'fusion'?"),
        ("space: {}, sampler: tpee", "no sampler named 'tpee'; did you mean 'tpe'?"),
    ],
)
def test_a_wrong_search_is_refused_with_its_line(tmp_path, search, message):
    with pytest.raises(UserError) as error:
        sweep(tmp_path, f"arms: [CONV]\nsearch: {{trials: 3, {search}}}\n")
    assert message in str(error.value)
    assert "s.yaml:3:" in str(error.value)


def test_the_winner_is_confirmed_on_seeds_that_did_not_choose_it(tmp_path):
    text = "arms: [CONV]\nset: {data.val: {share: 0.2}}\nsearch: {trials: 1, space: {}}\n"
    with pytest.raises(UserError, match=r"s.yaml:5: confirm.seeds: 0 is the seed that the search"):
        sweep(tmp_path, text + "confirm: {seeds: [0, 2]}\n")
    assert sweep(tmp_path, text).confirm.seeds == [1, 2, 3]


def test_the_command_of_a_cell_gives_the_same_cell_again(tmp_path, places):
    plan = sweep(
        tmp_path, "arms:\n  - {base: CONV, set: {train.epochs: 7}}\ndata:\n  - {task: bind}\n"
    )
    import shlex

    cell = plan.cells(places)[1]
    words = shlex.split(cell.command)
    assert words[:2] == ["harness", "run"]
    overrides = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    again = experiment_plan(Path(words[2]), overrides).cells(places)
    assert [c.key for c in again] == [cell.key]


@pytest.mark.parametrize("value", ["sum", "on", "01", 3, 1e-3, None, True, [1, "a"], {"name": "x"}])
def test_values_survive_the_command_line(value):
    from harness.config.document import parse_override

    assert parse_override(f"k={as_yaml(value)}").tree == {"k": value}


def test_a_line_for_each_confirmed_trial_gives_its_parameters(tmp_path):
    fusions = "{choice: [sum, {name: conv, kernel_size: 3}]}"
    plan = sweep(
        tmp_path,
        "arms: [CONV]\nset: {data.val: {share: 0.2}}\nsearch:\n  trials: 4\n  space:\n"
        f"    train.epochs: {{int: [5, 9]}}\n    model.fusion: {fusions}\n",
    )
    sets = [("train.epochs", 7), ("model.fusion", {"name": "conv", "kernel_size": 3})]
    command = plan.tasks[0].changed([("train.epochs", 5), *sets], "trial 3").command
    found = [
        record(stage="confirm", trial=3, seed=seed, command=f"{command} --set seeds=[{seed}]")
        for seed in (7, 8)
    ]
    other = record(stage="confirm", trial=1, arm="b", command="harness run b --set train.epochs=9")
    assert winners([record(trial=3, stage="search"), *found, other], plan.space) == [
        "conv on ucf101/01: confirmed trial 3: train.epochs=7, "
        'model.fusion={"name": "conv", "kernel_size": 3}',
        "b on ucf101/01: confirmed trial 1: train.epochs=9",
    ]
    assert winners([record()], []) == []


def test_arm_names_are_short():
    assert arm_name([("data.flow.name", "tvl1")]) == "flow=tvl1"
    assert arm_name([("train.optimizer.lr", 0.01)]) == "train.optimizer.lr=0.01"


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("experiments/*/*.yaml")), ids=str)
def test_every_shipped_experiment_loads(path):
    experiment, _ = load_experiment(path)
    assert path.read_text().startswith("#"), "a shipped file says what it is"
    assert experiment.ablate or experiment.name == path.stem


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("sweeps/*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_sweep_loads(path):
    assert sweep_plan(path).name == path.stem
