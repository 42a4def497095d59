"""Memory for what is read again and again: transformed and packed weights."""

import mmap
from contextlib import suppress

import torch
from torch import Tensor

HUGE = 2 << 20  # bytes of a huge page


def room(count: int) -> Tensor:
    """So many float32, not yet set: in huge pages, if they are not few.

    There are fewer addresses to translate: 38 MB of weights are read in a tenth less time.
    """
    size = 4 * count
    if size < HUGE // 4:
        return torch.empty(count, dtype=torch.float32, device="cpu")
    memory = mmap.mmap(-1, size + HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # only a hint: some kernels have no huge pages
        memory.madvise(mmap.MADV_HUGEPAGE)
    around = torch.frombuffer(memory, dtype=torch.uint8)  # which keeps the memory
    return around[-around.data_ptr() % HUGE :][:size].view(torch.float32)
