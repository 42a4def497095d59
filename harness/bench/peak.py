"""What this machine reaches at most: a large matrix product, in the same run as what it judges.

By torch.mm, and by oneDNN as a 1x1 convolution whose weights are packed: of the two libraries, the
first may not use the widest instructions of every processor.
"""

from collections.abc import Iterator

import torch

from harness.bench.paths import Operands, prepacked
from harness.bench.race import Call, Clock
from harness.convs.geometry import channels_last

SIDE = 768  # three matrices of 2.4 MB: in the last cache, as a layer's are
TURNS = 9


@torch.no_grad()
def gemm_gflops(clock: Clock) -> float:
    """The best of a few products, in 10^9 floating-point operations a second (2 a MAC)."""
    return max(2 * SIDE**3 / _least(call, clock) / 1e9 for call in _products())


def _products() -> Iterator[Call]:
    a, b, out = (torch.randn(SIDE, SIDE) for _ in range(3))
    yield lambda: torch.mm(a, b, out=out)
    if torch.backends.mkldnn.is_available():
        x, weight = torch.randn(1, SIDE, SIDE // 32, 32), torch.randn(SIDE, SIDE, 1, 1)
        yield prepacked(Operands(x=x, weight=weight, padding=(0, 0)).to(channels_last(2)))


def _least(call: Call, clock: Clock) -> float:
    times = []
    for _ in range(TURNS):
        before = clock()
        call()
        times.append(clock() - before)
    return min(times)
