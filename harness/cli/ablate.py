"""`harness ablate`: the baseline, and one change at a time."""

from collections.abc import Sequence
from pathlib import Path

from harness.cli.launching import Launching, carry_out, launching


@launching
def command(file: Path, overrides: Sequence[str], given: Launching) -> None:
    """Train the baseline and every change of its `ablate:` block, seeds paired; print differences.

    Example: `harness ablate experiments/moving_shapes/ablation.yaml`
    """
    from harness.planning.ablation import BASELINE
    from harness.planning.plan import ablation_plan
    from harness.report.ablation import ablation

    plan = ablation_plan(file, overrides)
    metric = plan.metric
    carry_out(plan, given, lambda outcome: ablation(outcome.records, BASELINE, metric=metric))
