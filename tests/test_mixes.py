"""Mixup and cutmix against closed forms."""

import numpy as np
import pytest
from test_augment import noise, rng

from harness.augment import MIXES
from harness.flow.codes import ZERO


def a_batch(samples=4):
    return {
        "rgb": noise(samples, 1, 2, 10, 12, 3),
        "flow": np.maximum(noise(samples, 1, 3, 10, 12, 2), 1),
        "label": np.arange(samples),
    }


def test_mixup_is_the_rounded_blend_of_two_samples():
    batch = a_batch()
    mixed = MIXES["mixup"](alpha=1.0)(batch, rng(1))
    share, other = mixed["share"][0].astype(float), mixed["label_other"]  # labels are positions
    assert 0.05 < share < 0.95
    assert sorted(other) == [0, 1, 2, 3]
    assert (other != batch["label"]).any()
    for name in ("rgb", "flow"):
        blend = share * batch[name] + (1 - share) * batch[name][other].astype(float)
        assert np.abs(mixed[name] - blend).max() < 0.501
    still = batch | {"flow": np.full_like(batch["flow"], ZERO)}
    assert (MIXES["mixup"](alpha=1.0)(still, rng(1))["flow"] == ZERO).all()


def test_cutmix_pastes_one_box_into_all_frames_of_both_streams():
    batch = a_batch()
    batch["rgb"][:] = np.arange(4).reshape(4, 1, 1, 1, 1, 1)
    batch["flow"][:] = 1 + np.arange(4).reshape(4, 1, 1, 1, 1, 1)
    shares = []
    for seed in range(40):
        mixed = MIXES["cutmix"]()(batch, rng(seed))
        other = mixed["label_other"]
        for row in np.flatnonzero(other != np.arange(4)):
            pasted = mixed["rgb"][row] == other[row]
            np.testing.assert_array_equal(
                mixed["flow"][row, :, :1] == 1 + other[row], pasted[:, :1, ..., :2]
            )
            assert (pasted == pasted[:, :1, ..., :1]).all()
            assert (mixed["rgb"][row][~pasted] == row).all()
            area = pasted[0, 0, ..., 0]
            assert area.any(0).sum() * area.any(1).sum() == area.sum()  # a rectangle
            assert mixed["share"][row] == pytest.approx(1 - area.mean())
            shares.append(1 - area.mean())
    assert min(shares) < 0.4
    assert max(shares) > 0.9
