"""Whether contenders compute the same: a speed-up of something else would be none."""

from collections.abc import Mapping

import torch
from torch import Tensor

from harness.bench.race import Call

DIFFERENCE = 1e-3  # of an output, relative to the true one, in the 2-norm


def differing(true: Call, calls: Mapping[str, Call]) -> dict[str, str]:
    """Why those are left out whose output is not that of `true`, from the same random state."""
    expected, wrong = _output_of(true), dict[str, str]()
    for name, call in calls.items():
        y = _output_of(call)
        alike = y.shape == expected.shape
        error = float((y - expected).norm() / expected.norm()) if alike else float("inf")
        if not error <= DIFFERENCE:  # nor NaN
            wrong[name] = f"its output differs from the network's own by {error:.1e}"
    return wrong


def _output_of(call: Call) -> Tensor:
    torch.manual_seed(0)
    y = call()
    assert isinstance(y, Tensor)
    return y.detach().double()
