"""`harness retry`: failed cells are to be trained again."""

import sys
from typing import Annotated

import typer

from harness.cli import options as o

Failed = Annotated[bool, typer.Option("--failed", help="Those that failed.")]
Cancelled = Annotated[bool, typer.Option("--cancelled", help="Those that were cancelled.")]


def command(
    plan: o.PlanName,
    *,
    failed: Failed = False,
    cancelled: Cancelled = False,
    where: o.Where = None,
    runs: o.Runs = o.RUNS_DEFAULT,
    format: o.Format = None,
    output: o.Output = None,
) -> None:
    """Set records aside, so that the next run trains their cells again; print them and the command.

    Example: `harness retry fusion_search --failed --where reason=oom`
    """
    from harness.cli.output import check_format, emit
    from harness.coordination.lock import folder_of_plan, owned
    from harness.coordination.planlog import PlanLog, last_command
    from harness.coordination.retrying import set_records_aside
    from harness.errors import UserError
    from harness.report.records import records_table

    check_format(format)
    chosen = {"failed": failed, "cancelled": cancelled}
    statuses = [status for status, asked in chosen.items() if asked]
    if not statuses:
        raise UserError("retry: which? --failed, --cancelled, or both")
    folder = folder_of_plan(runs, plan)
    with owned(folder, plan):
        records = set_records_aside(folder, statuses, o.conditions(where, "reason=oom"))
        if records:
            PlanLog(folder).write("aside", cells=len(records))
    if not records:
        print(f"{plan}: no record to set aside: none matches", file=sys.stderr)
        return
    emit(records_table(records), format, output)
    again = last_command(folder) or "launch the plan as before"
    print(f"{len(records)} set aside; to train them again: {again}", file=sys.stderr)
