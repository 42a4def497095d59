"""`harness data verify`: every file read once, the cache hashed again."""

import sys
from typing import Annotated

import typer

from harness.cli import options as o
from harness.errors import UserError

All = Annotated[bool, typer.Option("--all", help="List every file, not the problems alone.")]


def command(
    dataset: o.Dataset,
    set_: o.Set = None,
    everything: All = False,
    data: o.Data = None,
    cache: o.Cache = o.CACHE_DEFAULT,
    workers: o.Processes = None,
    seconds: o.Seconds = o.SECONDS_DEFAULT,
    format: o.Format = None,
    output: o.Output = None,
) -> None:
    """Decode every file from beginning to end; exit code 1 if one cannot be used.

    A cache that is there already is hashed again.

    Example: `harness data verify moving_shapes --set train=32 --set test=16`
    """
    from harness.cli.display import display
    from harness.cli.output import check_format, emit
    from harness.preparation.account import Preparing
    from harness.preparation.sections import data_sections
    from harness.preparation.verification import verify_section
    from harness.report.manifest import problems_table, unusable

    check_format(format)
    places = o.places(data, cache)
    sections = data_sections(dataset, set_ or [], places)
    how = Preparing(workers=o.processes(workers), seconds_per_file=seconds)
    with display() as shown:
        found = [verify_section(section, places, how, shown) for section in sections]
    rows = [row for of_section, _ in found for row in of_section]
    emit(problems_table(rows, everything=everything), format, output)
    for _, damage in found:
        if damage:
            raise UserError(damage)
    if unusable(rows):
        print(f"{len(unusable(rows))} of {len(rows)} files cannot be used", file=sys.stderr)
        raise typer.Exit(1)
