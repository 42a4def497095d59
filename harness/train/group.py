"""The ranks of one training: how they meet, and what they must agree on.

On a GPU, tensors of the network travel by NCCL and what is said here by Gloo, so that no agreement
waits for the GPU (not run on one yet).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from pytorch_lightning.plugins.environments import ClusterEnvironment

from harness.train.channel import GO, Verdict
from harness.train.rank import Rank

T = TypeVar("T")


@contextmanager
def met(rank: Rank, device: str) -> Iterator[None]:
    """Until all ranks have come, and for as long as they work together."""
    if rank.alone:
        yield
        return
    on_gpu = device in ("gpu", "cuda", "auto") and torch.cuda.is_available()
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
        init_method=f"file://{rank.meeting}",
        rank=rank.number,
        world_size=rank.count,
    )
    try:
        yield
    finally:
        dist.destroy_process_group()


def agreed(verdict: Verdict, rank: Rank) -> Verdict:
    """The first rank's verdict, at every rank: all go on, or none.

    After every step, so that one byte has to do where nothing happened.
    """
    if rank.alone:
        return verdict
    halts = torch.tensor([verdict != GO])
    dist.broadcast(halts, 0)
    if not halts:
        return GO
    said = [verdict]
    dist.broadcast_object_list(said, 0)
    return said[0]


def gathered(value: T, rank: Rank) -> list[T]:
    """What each rank has, in their order, at every rank."""
    if rank.alone:
        return [value]
    values: list[Any] = [None] * rank.count
    dist.all_gather_object(values, value)
    return values


class Met(ClusterEnvironment):
    """What Lightning asks about processes that it did not start."""

    def __init__(self, rank: Rank) -> None:
        self._rank = rank

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return "127.0.0.1"

    @property
    def main_port(self) -> int:  # asked for only by those who have not met
        raise RuntimeError("the ranks have not met")

    @staticmethod
    def detect() -> bool:
        return False

    def world_size(self) -> int:
        return self._rank.count

    def set_world_size(self, size: int) -> None:
        """It is what it is."""

    def global_rank(self) -> int:
        return self._rank.number

    def set_global_rank(self, rank: int) -> None:
        """It is what it is."""

    def local_rank(self) -> int:
        return self._rank.number

    def node_rank(self) -> int:
        return 0
