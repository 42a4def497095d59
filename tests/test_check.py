"""What an experiment's sections refuse before anything is prepared, and where they say it is."""

import pytest
from shapes import TINY, write

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
        ("eval.mirror=true", "--set eval.mirror: eval.mirror: a mirrored clip of moving_shapes"),
        ("data.clip.flip=true", "a mirrored clip of moving_shapes"),
        (
            "data.augment.mix={name: mixup, alpha: 0}",
            "data.augment: mix 'mixup': alpha is 0.0; more than 0",
        ),
        ("data.augment.mix={name: mixup, alfa: 1}", "did you mean 'alpha'?"),
        ("train.optimizer={name: adamw, lr: -1}", "train.optimizer: Invalid learning rate: -1"),
        (
            "model.temporal.backbone={name: tiny2d, width: 10000000000000}",
            "--set model.temporal.backbone: model.temporal.backbone: too large: Storage size",
        ),
        (
            f"model.spatial.backbone={{name: tiny2d, width: 1{'0' * 30}}}",
            "model.spatial.backbone: too large: ",
        ),
        (f"model.head.grid=1{'0' * 30}", "model: too large: empty(): argument 'size'"),
        (
            "model.spatial.conv={name: volterra, rank: 10000000000000}",
            "rank: 1 to 1024, for the form",
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


def test_any_other_error_of_building_is_a_bug_and_keeps_its_traceback(tmp_path, monkeypatch):
    def broken(*_args, **_options):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr("harness.models.assembly.swap", broken)
    with pytest.raises(RuntimeError, match="^mat1 and mat2"):
        checked(tmp_path)
