"""Every rank holds a share of each weight and gathers the others' when a layer needs them.

Reference: Zhao et al., "PyTorch FSDP: Experiences on Scaling Fully Sharded Data Parallel",
VLDB 2023, https://arxiv.org/abs/2304.11277; here its second form, `fully_shard`.
"""

from collections.abc import Sequence

import torch.distributed as dist
from pytorch_lightning.strategies import ModelParallelStrategy
from torch import nn
from torch.distributed.fsdp import FSDPModule, fully_shard

from harness.parallel.count import checked


class Sharded(ModelParallelStrategy):
    """Lightning's strategy for it, with no tensor parallelism."""

    def shard(self, modules: Sequence[nn.Module]) -> None:
        """Share out the weights of each; those of the last are what the others leave over."""
        if isinstance(modules[-1], FSDPModule):  # done before training, and still so in evaluating
            return
        for parameter in modules[-1].parameters():  # those of images are channels-last
            parameter.data = parameter.data.contiguous()
        for module in modules:
            fully_shard(module, mesh=self.device_mesh["data_parallel"])
        modules[-1].register_forward_pre_hook(_same_buffers)


def _same_buffers(network: nn.Module, _inputs: object) -> None:
    """Running statistics are those of the first rank's samples, as with `ddp`."""
    for buffer in network.buffers():
        dist.broadcast(buffer, 0)


def fsdp(*, ranks: int = 2) -> Sharded:
    """Fully sharded data parallel: each stream's weights are gathered as a whole."""
    return Sharded(
        data_parallel_size=checked(ranks),
        tensor_parallel_size=1,
        save_distributed_checkpoint=False,  # one file, whatever trained it
    )
