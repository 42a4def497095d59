"""What an experiment's sections refuse before anything is prepared, and where they say it is."""

import pytest
from shapes import CONV_FUSION, TINY, write

from harness.check import check
from harness.config.experiment import load_experiment
from harness.errors import UserError
from harness.places import Places


def checked(folder, *overrides):
    places = Places(data=(folder,), cache=folder / "cache", runs=folder / "runs")
    check(*load_experiment(write(folder, "tiny.yaml", TINY), overrides), places)


def test_what_can_run_passes(tmp_path):
    strong = "{crop: {name: multi_scale, places: 5}, distort: jitter, mix: {name: mixup, alpha: 1}}"
    checked(tmp_path, f"data.augment={strong}", "data.clip.crop=48", "eval.crops=5")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("eval.mirror=true", "--set eval.mirror: a mirrored clip of moving_shapes"),
        ("data.clip.flip=true", "a mirrored clip of moving_shapes"),
        (
            "data.augment.mix={name: mixup, alpha: 0}",
            "--set data.augment.mix: data.augment.mix.alpha: must be more than 0, got 0.0",
        ),
        ("data.augment.mix={name: mixup, alfa: 1}", "did you mean 'alpha'?"),
        ("train.optimizer={name: adamw, lr: -1}", "train.optimizer.lr: Invalid learning rate: -1"),
        ("train.schedule={name: one_cycle, rise: 2}", "train.schedule: train.schedule.rise: "),
        (
            "model.temporal.backbone={name: tiny2d, width: 10000000000000}",
            "--set model.temporal.backbone: too large: Storage size",
        ),
        (
            f"model.spatial.backbone={{name: tiny2d, width: 1{'0' * 30}}}",
            "model.spatial.backbone: too large: ",
        ),
        (f"model.head.grid=1{'0' * 30}", "model.head: too large: empty(): argument 'size'"),
        (
            "model.spatial.conv={name: volterra, rank: 10000000000000}",
            "model.spatial.conv.operator.rank: must be from 1 to 1024, got 10000000000000",
        ),
        (f"model.spatial.conv={{name: grouped, groups: 1{'0' * 20}}}", "64 channels in 1000000000"),
        ("data.augment.crop={name: multi_scale, places: 7}", "7 is not allowed; allowed: 13, 5"),
        ("data.augment.crop=randm", "no crop named 'randm'; did you mean 'random'?"),
        ("data.augment.crop={name: random_resized, scale: [0.5]}", "expected list of float"),
    ],
)
def test_what_cannot_is_one_line(tmp_path, override, message):
    with pytest.raises(UserError) as refused:
        checked(tmp_path, override)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


CONV = "model:\n  temporal:\n    input: flow_stack\n    conv:\n      name: {}\n      {}  # here"
LONG = """
model:
  temporal:
    input: flow_clip
    backbone: tiny3d
    conv:
      operator:
        name: volterra
        rank: 0  # here
      algorithm: winograd
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            CONV.format("volterra", "rank: 5000"),
            "model.temporal.conv.operator.rank: must be from 1 to 1024, got 5000",
        ),
        (LONG, "model.temporal.conv.operator.rank: must be from 1 to 1024, got 0"),
        (
            CONV.format("hyper", "hidden: [999999]"),
            "model.temporal.conv.operator.hidden: needs one or more widths from 1 to 4096",
        ),
        (CONV.format("grouped", "groups: 1"), "model.temporal.conv.operator.groups: must be at"),
        (CONV.format("kernel", "sigma: 0"), "model.temporal.conv.operator.sigma: must be more"),
        (CONV.format("fast3d", "width: papr"), "model.temporal.conv.operator.width: 'papr' is not"),
        (CONV.format("fft", "size: 3"), "model.temporal.conv.algorithm.size: algorithm 'fft' has"),
        (
            "model:\n  temporal:\n    conv: fast3d  # here",
            "model.temporal.conv: conv fast3d replaces nothing in tiny2d",
        ),
        (
            "model:\n  temporal:\n    backbone: tiny2d\n    input: flow_clip  # here",
            "model.temporal.input: 'flow_clip' does not go with the 2-D backbone 'tiny2d'",
        ),
        (
            "model:\n  spatial:\n    backbone:\n      name: tiny2d\n      width: 0  # here",
            "model.spatial.backbone.width: must be at least 1, got 0",
        ),
        (
            "model:\n  fusion:\n    name: conv\n    kernel_size: 4  # here",
            "model.fusion.kernel_size: must be odd, got 4",
        ),
        (
            "model:\n  head:\n    dropout: 0.5\n    grid: 40  # here",
            "model.head.grid: 40, but the last feature map is 16 x 16",
        ),
        (
            "  clip:\n    frames: 1  # here\nmodel:\n  temporal:\n    input: rgb_diff",
            "data.clip.frames: rgb_diff needs 2 frames or more, not 1",
        ),
        (
            "  augment:\n    mix:\n      name: mixup\n      alpha: -1  # here",
            "data.augment.mix.alpha: must be more than 0, got -1.0",
        ),
        (
            "  flow:\n    name: farneback\n    winsize: 0  # here",
            "data.flow.winsize: must be more than 0, got 0",
        ),
    ],
)
def test_what_is_wrong_is_told_at_its_line_by_its_key(tmp_path, text, message):
    data = "name: tiny\ndata:\n  train: 48\n  test: 16\n  task: direction\n"
    file = write(tmp_path, "x.yaml", f"extends: {CONV_FUSION}\n{data}{text}\n")
    lines = file.read_text().splitlines()
    [line] = [number for number, line in enumerate(lines, 1) if line.endswith("# here")]
    with pytest.raises(UserError) as refused:
        check(*load_experiment(file), Places(data=(tmp_path,), cache=tmp_path, runs=tmp_path))
    assert str(refused.value).startswith(f"{file}:{line}: {message}")
    assert "\n" not in str(refused.value)


def test_any_other_error_of_building_is_a_bug_and_keeps_its_traceback(tmp_path, monkeypatch):
    def broken(*_args, **_options):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr("harness.models.assembly.swap", broken)
    with pytest.raises(RuntimeError, match="^mat1 and mat2"):
        checked(tmp_path)


def test_what_a_data_set_refuses_is_told_where_its_option_stands(tmp_path):
    """In the file that sets it, though a file that extends it has a data section of its own."""
    write(tmp_path, "base.yaml", TINY.replace("train: 48", "train: 2"))
    child = "extends: base.yaml\nname: child\ndata: {val: {share: 0.2}}\n"
    experiment, document = load_experiment(write(tmp_path, "child.yaml", child))
    with pytest.raises(UserError) as error:
        check(experiment, document, Places(cache=tmp_path))
    assert str(error.value).startswith(f"{tmp_path}/base.yaml:4: data.train: moving_shapes/direc")
