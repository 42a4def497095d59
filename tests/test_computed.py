"""What every algorithm of our own refuses to compute, in one line, before anything is read."""

import pytest
import torch
from torch import nn

from harness.convs import ALGORITHMS

OTHERS = [name for name in ALGORITHMS if name != "standard"]


@pytest.mark.parametrize("size", [(1, 64, 64), (2, 1, 9, 9), (9, 9), (1, 3, 3, 9, 9)], ids=str)
@pytest.mark.parametrize("name", OTHERS)
def test_other_channels_or_axes_than_those_of_the_convolution(name, size):
    new = ALGORITHMS[name]().replace(nn.Conv2d(3, 4, 3, padding=1))
    with pytest.raises(ValueError, match=r"^expected 3 channels and 2 axes.*$"):
        new(torch.ones(size))


@pytest.mark.parametrize("name", OTHERS)
def test_integers(name, unchecked):
    new = ALGORITHMS[name]().replace(nn.Conv2d(3, 4, 3, padding=1))
    with pytest.raises(TypeError, match=r"^expected floating-point numbers, got torch.int64$"):
        new(torch.ones(1, 3, 9, 9, dtype=torch.int64))
