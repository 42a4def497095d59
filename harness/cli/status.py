"""`harness status`: how far plans are."""

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import options as o

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.report.formats import Table

Watch = Annotated[bool, typer.Option("--watch", help="Look again and again, until Ctrl-C.")]
Every = Annotated[float, typer.Option("--every", min=0.1, help="Seconds from look to look.")]
Cells = Annotated[bool, typer.Option("--cells", help="A line for each cell at work, not each arm.")]


def command(
    plans: o.Plans = None,
    *,
    watch: Watch = False,
    every: Every = 2.0,
    cells: Cells = False,
    runs: o.Runs = o.RUNS_DEFAULT,
    format: o.Format = None,
    output: o.Output = None,
) -> None:
    """Show done, failed, running and waiting cells of plans, from their files: from anywhere.

    Example: `harness status fusion_search --watch`
    """
    from harness.cli.output import check_format, emit
    from harness.cli.progress import arms_table, cells_table
    from harness.coordination.status import Statuses

    check_format(format)
    statuses = Statuses(runs)

    def look() -> "Table":
        return (cells_table if cells else arms_table)(statuses.of(plans or ()))

    if watch:
        _watch(look, every)
    else:
        emit(look(), format, output)


def _watch(look: "Callable[[], Table]", seconds: float) -> None:
    """Until Ctrl-C, which ends with 130 as everywhere."""
    import time

    from rich.live import Live

    from harness.report.formats import terminal

    with Live(terminal(look()), auto_refresh=False) as live:
        while True:
            live.update(terminal(look()), refresh=True)
            time.sleep(seconds)
