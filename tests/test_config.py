"""Experiment files: what is read, what is refused, and how the refusal reads."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from harness.config.convert import convert
from harness.config.document import Document
from harness.config.experiment import Experiment, load_experiment
from harness.config.json_schema import json_schema
from harness.config.options import check_options
from harness.config.schema import build, components, plain
from harness.errors import UserError

BASE = """
name: base
data: {name: moving_shapes, task: bind, flow: {name: dis, preset: fast, bound: 8}}
model:
  spatial: {backbone: tiny2d, input: rgb}
  temporal: {backbone: {name: tiny2d, width: 8}, input: flow_stack, conv: winograd}
  fusion: {name: conv, kernel_size: 3}
train: {epochs: 2}
"""


@pytest.fixture
def write(tmp_path):
    def file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    file("base.yaml", BASE)
    return file


def read(path: Path, *overrides: str) -> Experiment:
    return load_experiment(path, overrides)[0]


def refused(path: Path, *overrides: str) -> str:
    with pytest.raises(UserError) as error:
        read(path, *overrides)
    return str(error.value).replace(str(path.parent) + "/", "")


def test_short_forms_and_defaults(write):
    experiment = read(write("x.yaml", BASE))
    assert experiment.model.spatial.backbone.name == "tiny2d"
    assert experiment.model.temporal.conv.algorithm.name == "winograd"
    assert experiment.model.temporal.conv.operator.name == "standard"
    assert experiment.data.options == {"task": "bind"}
    assert experiment.data.flow.bound == 8
    assert experiment.seeds == [0]


def test_a_child_changes_its_base_key_by_key(write):
    path = write("child.yaml", "extends: base.yaml\nname: child\ntrain: {batch_size: 4}\n")
    experiment = read(path)
    assert (experiment.train.epochs, experiment.train.batch_size) == (2, 4)
    assert experiment.model.fusion.options == {"kernel_size": 3}


def test_options_without_a_name_are_those_of_the_default(write):
    optimizer = read(write("x.yaml", BASE), "train.optimizer.lr=0.1").train.optimizer
    assert (optimizer.name, optimizer.options) == ("adamw", {"lr": 0.1})
    path = write("y.yaml", BASE.replace("backbone: tiny2d", "backbone: {width: 8}"))
    assert "y.yaml:5: model.spatial.backbone.name: missing" in refused(path)


def test_another_component_does_not_inherit_the_options_of_the_old_one(write):
    text = "extends: base.yaml\nname: c\nmodel: {fusion: average}\ndata: {flow: farneback}\n"
    experiment = read(write("child.yaml", text))
    assert experiment.model.fusion.options == {}
    assert experiment.data.flow.options == {}
    assert experiment.data.flow.bound == 8  # a field of every flow, not an option of one
    assert read(write("x.yaml", BASE), "model.fusion.name=sum").model.fusion.options == {}


def test_options_dropped_on_the_way_leave_no_trace_for_a_third_file(write):
    write("child.yaml", "extends: base.yaml\nname: c\nmodel: {temporal: {backbone: resnet18}}\n")
    path = write("grandchild.yaml", "extends: child.yaml\nname: g\nmodel: {fusion: sum}\n")
    experiment = read(path)
    assert experiment.model.temporal.backbone.options == {}
    assert experiment.model.fusion.options == {}


def test_a_stream_can_be_taken_away_but_not_both(write):
    assert read(write("x.yaml", BASE), "model.temporal=null").model.temporal is None
    message = refused(write("x.yaml", BASE), "model.temporal=null", "model.spatial=null")
    assert "x.yaml:4: model: needs at least one stream" in message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("modle: {}", "x.yaml:9: modle: unknown key; did you mean 'model'?"),
        ("seeds: 3", "x.yaml:9: seeds: expected list of int, got 3"),
        ("seeds: [0, -1]", "x.yaml:9: seeds: must be at least 0, got -1"),
        ("seeds: [0, 1, 0]", "x.yaml:9: seeds: 0 is given twice"),
        ("eval: {views: many}", "x.yaml:9: eval.views: expected int, got 'many'"),
        ("eval: {mirror: 1}", "x.yaml:9: eval.mirror: expected true or false, got 1"),
        ("eval: {crops: 4}", "x.yaml:9: eval.crops: 4 is not allowed; allowed: 1, 3, 5"),
        ("eval: {crops: 5}", "eval.crops: 5, but data.clip.crop is none"),
        ("eval: {average: logit}", "'logit' is not allowed; did you mean 'logits'?"),
        ("eval: 3", "x.yaml:9: eval: expected a mapping, got 3"),
        ("train: {epochs: 3}", "x.yaml:9: not valid YAML: found duplicate key"),
        ("eval: {views: '${train.epoch}'}", "Interpolation key 'train.epoch' not found"),
        ("eval: {views: '${oc.env:HOME}'}", "reaches outside the file"),
        ("seeds: []", "x.yaml:9: seeds: needs at least one value, got []"),
        ("a: [", "not valid YAML"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(write, line, message):
    assert message in refused(write("x.yaml", BASE + line + "\n"))


def test_all_mistakes_are_told_at_once(write):
    text = BASE.replace("tiny2d", "tiny2", 1).replace("epochs: 2", "epoch: 2, lr: 1")
    message = refused(write("x.yaml", text), "model.fusion=cnov", "data.split=01")
    assert message.splitlines() == [
        "--set data.split: expected text, got 1; put it in quotes, as it is to be read",
        "x.yaml:5: model.spatial.backbone.name: no backbone named 'tiny2'; did you mean 'tiny2d'? "
        "(allowed: r3d_18, resnet18, resnet50, tiny2d, tiny3d)",
        "x.yaml:8: train.epoch: unknown key; did you mean 'epochs'? (allowed: batch_size, epochs, "
        "init_from, label_smoothing, optimizer, parallel, schedule, streams)",
        "x.yaml:8: train.lr: unknown key; allowed: batch_size, epochs, init_from, label_smoothing, "
        "optimizer, parallel, schedule, streams",
        "--set model.fusion: no fusion named 'cnov'; did you mean 'conv'? "
        "(allowed: average, concat, conv, max, sum)",
    ]


def test_options_are_bound_to_the_signature(write):
    path = write("x.yaml", BASE.replace("kernel_size: 3", "kernal_size: 3"))
    experiment, document = load_experiment(path, ["model.temporal.backbone.width=wide"])
    with pytest.raises(UserError) as error:
        check_options(experiment, document)
    lines = str(error.value).splitlines()
    assert "--set model.temporal.backbone.width: expected int" in lines[0]
    assert "x.yaml:7: model.fusion.kernal_size: fusion 'conv' has no such option" in lines[1]
    assert "did you mean 'kernel_size'?" in lines[1]


def test_what_is_written_in_the_short_form_keeps_its_line(write):
    base = BASE.replace("conv: winograd", "conv: {name: hyper,\n    hidden: [8], normalise: true}")
    over = (
        "extends: base.yaml\nname: x\nmodel: {temporal: {conv: {name: hyper,\n  normalise: 3}}}\n"
    )
    write("base.yaml", base)
    path = write("x.yaml", over)
    _, document = load_experiment(path, ["model.spatial.conv=volterra"])
    operator = ("model", "temporal", "conv", "operator")
    assert document.where((*operator, "hidden")) == f"{path.with_name('base.yaml')}:7"
    assert document.where((*operator, "normalise")) == f"{path}:4"
    assert document.where(operator[:-1]) == f"{path}:3"
    assert document.where(("model", "spatial", "conv", "operator")) == "--set model.spatial.conv"
    assert all(document.has(path) for path in document.origins)


def test_missing_files_and_circles(write):
    assert "no such file; did you mean 'base.yaml'?" in refused(
        write("x.yaml", BASE).with_name("bas.yaml")
    )
    assert "'gone.yaml': no such file" in refused(write("x.yaml", "extends: gone.yaml\nname: x\n"))
    write("a.yaml", "extends: b.yaml\nname: a\n")
    assert "extends itself: b.yaml -> a.yaml -> b.yaml" in refused(
        write("b.yaml", "extends: a.yaml\nname: b\n")
    )


def test_what_is_required_and_missing(write):
    assert refused(write("x.yaml", "name: x\n")).splitlines() == [
        "x.yaml: data: missing, and has no default",
        "x.yaml: model: missing, and has no default",
    ]


def test_what_flow_is_asked_for_is_checked(write):
    path = write("x.yaml", BASE)
    assert refused(path, "data.flow.mean=substract") == (
        "--set data.flow.mean: 'substract' is not allowed; "
        "did you mean 'subtract'? (allowed: keep, subtract)"
    )
    assert "allowed: keep, remove" in refused(path, "data.flow.camera=away")
    along = "data.flow.stacking=trajectory"
    assert "trajectories need clip.stride 1 (it is 2)" in refused(path, along, "data.clip.stride=2")
    uniform = refused(path, along, "data.clip.sampling=uniform")
    assert "clip.sampling segments or dense (it is uniform)" in uniform
    assert read(path, along).data.flow.stacking == "trajectory"
    assert read(path, along, "data.clip.sampling=dense").data.clip.sampling == "dense"


def test_a_name_that_becomes_a_folder_is_checked(write):
    path = write("x.yaml", BASE)
    for name in ("../up", "my ut", "a/b", ".hidden"):
        assert f"name: {name!r} cannot name a folder" in refused(path, f"name='{name}'")
    assert read(path, "name=a_1.b+c-d").name == "a_1.b+c-d"


def test_a_crop_larger_than_the_frames_is_refused(write):
    path = write("x.yaml", BASE)
    told = refused(path, "data.resize=64", "data.clip.crop=80")
    assert "clip.crop: 80 does not fit into frames whose short side is 64" in told


def test_structure_is_checked_without_torch(write):
    path = write("x.yaml", BASE)
    code = (
        "import sys; from pathlib import Path; from harness.planning.plan import experiment_plan;"
        f"experiment_plan(Path({str(path)!r})); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_plain_builds_the_same_experiment_again(write):
    experiment = read(write("x.yaml", BASE))
    assert build(Experiment, Document(plain(experiment), "again")) == experiment


def test_components_are_found_wherever_they_stand(write):
    found = {".".join(path): c.name for path, _, c in components(read(write("x.yaml", BASE)))}
    assert found["model.temporal.conv.algorithm"] == "winograd"
    assert found["data"] == "moving_shapes"
    assert found["train.schedule"] == "one_cycle"
    assert len(found) == 14


@given(
    st.sampled_from(["train.epochs", "train.batch_size", "data.clip.frames"]), st.integers(2, 99)
)
def test_the_last_override_wins(key, value):
    path = Path(__file__).parents[1] / "experiments/moving_shapes/late_average.yaml"
    tree = plain(read(path, f"{key}=7", f"{key}={value}"))
    for name in key.split("."):
        tree = tree[name]
    assert tree == value


def test_the_json_schema_accepts_what_the_loader_accepts():
    schema = Draft202012Validator(json_schema(Experiment))
    Draft202012Validator.check_schema(schema.schema)
    assert schema.is_valid(yaml.safe_load(BASE))
    for right, wrong in {
        "name: conv": "name: cnov",
        "input: rgb": "input: flow",
        "2}": "0}",
    }.items():
        assert not schema.is_valid(yaml.safe_load(BASE.replace(right, wrong))), wrong
    assert schema.is_valid(yaml.safe_load(BASE + "seeds: [1, 2]"))
    assert not schema.is_valid(yaml.safe_load(BASE + "seeds: [1, 1]"))


def test_values_that_python_calls_equal_are_told_apart():
    """Whatever was converted before: 1, 1.0 and true are equal, and so are 0.0 and -0.0."""
    for value in (1, 1.0, True, 0.0, -0.0, [1], [True]):
        assert repr(convert(Any, value)) == repr(value)
    assert repr(convert(float, 1)) == repr(convert(float, 1.0)) == "1.0"
    with pytest.raises(UserError, match="expected int, got True"):
        [convert(int, value) for value in (1, True)]
    first = convert(list[int], [1, 2])
    first.append(3)
    assert convert(list[int], [1, 2]) == [1, 2]
