"""Weights in the layout that a kernel wants, made once and kept until the weights change."""

from collections.abc import Callable

from torch import Tensor


class Prepared:
    """What was made of one weight.

    A change is seen by the tensor, its place and its version, which every in-place operation
    raises, an optimiser's step and `load_state_dict` among them. Writing through `.data` raises
    nothing: `forget` then. It is no state: copies and pickles of it are empty.
    """

    def __init__(self) -> None:
        self._kept: tuple[Tensor, tuple[int, int], Tensor] | None = None

    def get(self, weight: Tensor, make: Callable[[], Tensor]) -> Tensor:
        if weight.is_inference():  # without a version
            return make()
        state = (weight.data_ptr(), weight._version)
        kept = self._kept
        if kept is not None and kept[0] is weight and kept[1] == state:
            return kept[2]
        made = make()
        self._kept = (weight, state, made)
        return made

    def forget(self) -> None:
        self._kept = None

    def __reduce__(self) -> tuple[type["Prepared"], tuple[()]]:
        return Prepared, ()
