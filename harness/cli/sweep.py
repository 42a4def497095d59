"""`harness sweep`: arms x data sets x seeds or trials."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.launching import Launching, carry_out, launching

if TYPE_CHECKING:
    from harness.coordination.outcome import Outcome
    from harness.report.formats import Table


@launching
def command(file: Path, overrides: Sequence[str], given: Launching) -> None:
    """Train every arm of a sweep on every data set; killed and started again, it goes on.

    Example: `harness sweep sweeps/ut_interaction.yaml --data /path/to/videos`
    """
    from harness.planning.plan import sweep_plan
    from harness.planning.winners import winners
    from harness.report.board import BoardFile, board

    plan = sweep_plan(file, overrides)

    def show(outcome: "Outcome") -> "Table":
        table = board(outcome.records, BoardFile(name=plan.name)).table()
        return replace(table, notes=(*table.notes, *winners(outcome.records, plan.space)))

    carry_out(plan, given, show)
