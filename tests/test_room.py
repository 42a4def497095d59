"""Memory for weights that are read again and again."""

import gc

import pytest
import torch
from winograd_cases import needs_native

from harness.convs.native.room import HUGE, room

pytestmark = needs_native


@pytest.mark.parametrize("count", [0, 1, HUGE // 16 - 1, HUGE // 16, HUGE // 4, HUGE + 1])
def test_it_is_there_as_long_as_something_looks_at_it(count):
    end = room(count).fill_(3)[count // 2 :]
    others = [room(count).fill_(i) for i in range(3)]
    gc.collect()
    assert end.dtype == torch.float32
    assert end.shape == (count - count // 2,)
    assert (end == 3).all()
    assert all((other == i).all() for i, other in enumerate(others))


def test_large_memory_begins_with_a_huge_page():
    assert room(HUGE).data_ptr() % HUGE == 0


def test_no_memory(monkeypatch):
    def none(*_, **__):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr("mmap.mmap", none)
    with pytest.raises(MemoryError, match="no memory for 8 MB of weights"):
        room(HUGE)


def test_a_kernel_without_huge_pages(monkeypatch):
    """The hint is refused there, and the memory is the same."""
    monkeypatch.setattr("mmap.MADV_HUGEPAGE", -1)
    assert room(HUGE).zero_().sum() == 0
