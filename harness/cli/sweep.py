"""`harness sweep`: arms x data sets x seeds or trials."""

from collections.abc import Sequence
from pathlib import Path

from harness.cli.launching import Launching, carry_out, launching


@launching
def command(file: Path, overrides: Sequence[str], given: Launching) -> None:
    """Train every arm of a sweep on every data set; killed and started again, it goes on.

    Example: `harness sweep sweeps/ut_interaction.yaml --data /path/to/videos`
    """
    from harness.planning.plan import sweep_plan
    from harness.report.board import BoardFile, board

    plan = sweep_plan(file, overrides)
    carry_out(
        plan, given, lambda outcome: board(outcome.records, BoardFile(name=plan.name)).table()
    )
