"""The ranks of one training: how they meet, and what they must agree on.

On a GPU, tensors of the network travel by NCCL and what is said here by Gloo, so that no agreement
waits for the GPU (not run on one yet).
"""

import multiprocessing
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from pytorch_lightning.plugins.environments import ClusterEnvironment

from harness.train.channel import GO, StoppedError, Verdict
from harness.train.rank import Rank

T = TypeVar("T")
SECONDS_BETWEEN_LOOKS = 0.05


@contextmanager
def met(rank: Rank, device: str) -> Iterator[None]:
    """Until all ranks have come, and for as long as they work together."""
    if rank.alone:
        yield
        return
    _all_have_come(rank)
    _stay_on_this_machine()
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
        _leave_after(rank)


def _all_have_come(rank: Rank) -> None:
    """Wait for as long as whoever started the ranks lives, who ends them all if one fails: the
    first may have to wait for an orphan's lock, and the others for it.
    """
    places = _places(rank)
    try:
        places[rank.number].touch()
    except FileNotFoundError:  # another has found that out below, and left
        raise StoppedError from None
    starter = multiprocessing.parent_process()
    while not all(place.exists() for place in places):
        if starter is not None and not starter.is_alive():
            _leave(rank)
            raise StoppedError
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _leave_after(rank: Rank) -> None:
    """The last to leave removes the meeting, since whoever made it may be gone.

    Not before: torch signs a rank off in the meeting's file, and if that goes between its look and
    its signature it waits for it, for half an hour.
    """
    places = _places(rank)
    places[rank.number].unlink(missing_ok=True)
    if not any(place.exists() for place in places):
        _leave(rank)


def _places(rank: Rank) -> list[Path]:
    """Where each rank says that it is here."""
    return [Path(f"{rank.meeting}.{number}") for number in range(rank.count)]


def _leave(rank: Rank) -> None:
    shutil.rmtree(Path(rank.meeting).parent, ignore_errors=True)


def _stay_on_this_machine() -> None:
    """Gloo would take the address that the machine's name has, which need not be reachable."""
    loopback = [name for _, name in socket.if_nameindex() if name.startswith("lo")]
    if loopback:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback[0])


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
