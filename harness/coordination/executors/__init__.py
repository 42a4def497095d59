"""Where workers run.

Contract: `f(places, settings, note, *, options) -> Executor`, see contract.py. An executor is all
that differs between a laptop and a cluster: it starts workers, carries what is said, and tells how
they end. What it needs beside the project is the extra of its name.
"""

from harness.registry import Registry

EXECUTORS = Registry(
    "executor",
    local="harness.coordination.executors.local:Local",
    ray="harness.coordination.executors.on_ray:OnRay",
    slurm="harness.coordination.executors.on_slurm:OnSlurm",
)
