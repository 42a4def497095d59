"""`harness run`: one experiment, a training per seed."""

from collections.abc import Sequence
from pathlib import Path

from harness.cli.launching import Launching, carry_out, launching


@launching
def command(file: Path, overrides: Sequence[str], given: Launching) -> None:
    """Train and evaluate one experiment, once per seed; what is recorded is not trained again.

    Example: `harness run experiments/moving_shapes/conv_fusion.yaml --set train.epochs=5`
    """
    from harness.planning.plan import experiment_plan
    from harness.report.records import records_table

    plan = experiment_plan(file, overrides)
    carry_out(plan, given, lambda outcome: records_table(outcome.records))
