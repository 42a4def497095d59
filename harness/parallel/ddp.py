"""Every rank holds the whole network; gradients are averaged while they are computed.

Reference: Li et al., "PyTorch Distributed: Experiences on Accelerating Data Parallel Training",
VLDB 2020, https://arxiv.org/abs/2006.15704
"""

from pytorch_lightning.strategies import DDPStrategy

from harness.parallel.count import checked


def ddp(*, ranks: int = 2) -> DDPStrategy:
    """Distributed data parallel. Weights that a loss does not reach (of a fusion, where streams are
    trained apart) are no error.
    """
    checked(ranks)
    return DDPStrategy(static_graph=True)
