"""Where workers run.

Contract: `f(places, settings) -> Executor`, see contract.py. An executor is all that differs
between a laptop and a cluster: it starts workers, carries what is said, and tells how they end.
"""

from harness.registry import Registry

EXECUTORS = Registry(
    "executor",
    local="harness.planning.executors.local:Local",
)
