"""Memory for what is read again and again: transformed weights."""

import mmap
from contextlib import suppress

import torch
from torch import Tensor

HUGE = 2 << 20  # bytes of a huge page


def room(count: int) -> Tensor:
    """So many float32, not yet set; in huge pages, as far as they fill such pages.

    There are fewer addresses to translate: 38 MB of weights are read in a tenth less time.
    MemoryError where there is no more.
    """
    size = 4 * count
    if size < HUGE:
        return torch.empty(count, dtype=torch.float32, device="cpu")
    try:
        memory = mmap.mmap(-1, size + HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"no memory for {size / 1e6:.0f} MB of weights") from error
    around = torch.frombuffer(memory, dtype=torch.uint8)  # which keeps the memory
    begin = -around.data_ptr() % HUGE
    with suppress(OSError):  # only a hint: some kernels have no huge pages
        memory.madvise(mmap.MADV_HUGEPAGE, begin, size // HUGE * HUGE)  # the rest: small pages
    return around[begin:][:size].view(torch.float32)
