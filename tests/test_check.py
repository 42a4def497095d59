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
