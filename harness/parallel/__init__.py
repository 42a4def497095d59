"""How a training is spread over several processes, its ranks, of one machine.

Each rank computes its share of every batch on a device of its own. All ranks are told the same cell
before any of them begins, train the same batches in the same order, and leave one record.

Contract. A strategy is `f(*, ranks: int, options) -> pytorch_lightning.strategies.Strategy` for
ranks that are there already; what must be done to the network first is its attribute `shard`.
"""

from collections.abc import Mapping
from typing import Any

from harness.registry import Registry

STRATEGIES = Registry(
    "strategy",
    ddp="harness.parallel.ddp:ddp",
    fsdp="harness.parallel.fsdp:fsdp",
)


def ranks_of(parallel: Mapping[str, Any] | None) -> int:
    """The processes that a training takes, by the section that asks for them; needs no torch.

    >>> ranks_of(None), ranks_of({"name": "ddp"}), ranks_of({"name": "fsdp", "ranks": 4})
    (1, 2, 4)
    """
    if parallel is None:
        return 1
    return int(parallel.get("ranks") or STRATEGIES.default(parallel["name"], "ranks"))
