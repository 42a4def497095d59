"""`harness gc`: what plans need no longer."""

import sys
from typing import Annotated

import typer

from harness.cli import options as o

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")]
Keep = Annotated[
    int | None,
    typer.Option(
        "--keep", min=0, help="Best checkpoints of an arm [default: the plan's own rule]."
    ),
]
Days = Annotated[
    float | None,
    typer.Option("--old-days", min=0, help="Also records set aside longer ago than so many days."),
]
Caches = Annotated[bool, typer.Option("--caches", help="Also caches that no record refers to.")]


def command(
    plans: o.Plans = None,
    *,
    dry_run: DryRun = False,
    keep: Keep = None,
    old_days: Days = None,
    caches: Caches = False,
    runs: o.Runs = o.RUNS_DEFAULT,
    cache: o.Cache = o.CACHE_DEFAULT,
    format: o.Format = None,
) -> None:
    """Remove checkpoints beyond the best, broken journals and leftovers; never a standing record.

    Example: `harness gc --dry-run`, then `harness gc --keep 1`
    """
    from harness.cli.output import check_format, emit
    from harness.coordination.garbage import Wanted, collect
    from harness.planning.quantities import size
    from harness.report.formats import ColumnSpec, Table

    check_format(format)
    wanted = Wanted(keep=keep, old_days=old_days, cache=cache if caches else None)
    found, busy = collect(runs, plans or (), wanted, dry_run=dry_run)
    columns = (
        ColumnSpec(key="plan", title="plan"),
        ColumnSpec(key="what", title="what"),
        ColumnSpec(key="path", title="path"),
        ColumnSpec(key="bytes", title="size", show=size),
    )
    notes = () if found else ("there is nothing to remove",)
    emit(Table("", columns, [vars(garbage) for garbage in found], notes), format, None)
    total = size(sum(garbage.bytes for garbage in found))
    print(f"{total} {'would go' if dry_run else 'removed'}", file=sys.stderr)
    for name in busy:
        print(f"left alone, being at work: {name}", file=sys.stderr)
