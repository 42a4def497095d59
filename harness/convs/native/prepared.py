"""Weights in the layout that a kernel wants, made once and kept until the weights change."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

SAMPLE = 64  # weights that are compared at each look


class Prepared:
    """What was made of one weight.

    A change is seen by the tensor, its place and its version, which every in-place operation
    raises, an optimiser's step and `load_state_dict` among them. Writing through `.data` raises
    nothing and is seen in a sample of the weights. What is no parameter, but computed at every
    call, is never kept. It is no state: copies and pickles of it are empty.
    """

    def __init__(self) -> None:
        self._kept: tuple[Tensor, tuple[int, int], Tensor, Tensor] | None = None

    def get(self, weight: Tensor, make: Callable[[], Tensor]) -> Tensor:
        if not isinstance(weight, nn.Parameter) or weight.is_inference():  # without a version
            return make()
        state, sample = (weight.data_ptr(), weight._version), _sample(weight)
        if self._kept is not None:
            of, then, looked, made = self._kept
            if of is weight and then == state and torch.equal(looked, sample):
                return made
        made = make()
        self._kept = (weight, state, sample.clone(), made)
        return made

    def forget(self) -> None:
        self._kept = None

    def __reduce__(self) -> tuple[type["Prepared"], tuple[()]]:
        return Prepared, ()


def _sample(weight: Tensor) -> Tensor:
    """The first weight of some filters."""
    first = weight.detach()[:: -(-len(weight) // SAMPLE)]
    while first.dim() > 1:
        first = first[:, 0]
    return first
