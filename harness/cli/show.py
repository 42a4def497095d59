"""`harness show`: what is registered, or one run."""

from typing import Annotated

import typer

from harness.cli import options as o

What = Annotated[str, typer.Argument(metavar="WHAT", help="A table's name, or `run`.")]
Key = Annotated[str | None, typer.Argument(metavar="[KEY]", help="With `run`: the record's key.")]


def command(
    what: What,
    key: Key = None,
    runs: o.Runs = o.RUNS_DEFAULT,
    format: o.Format = None,
    output: o.Output = None,
) -> None:
    """List components (backbones, fusions, convs, datasets, flows, ...), or show one run.

    Examples: `harness show fusions`, `harness show run 1f3a9c`
    """
    from harness.cli.output import check_format, emit
    from harness.errors import UserError
    from harness.report.records import find, record_table
    from harness.results.store import load_all
    from harness.tables import TABLES, components_table

    check_format(format)
    if what == "run":
        if key is None:
            raise UserError(
                "show run: which? give the first letters of a key; `harness runs` lists"
            )
        emit(record_table(find(load_all(runs), key)), format, output)
        return
    if what not in TABLES:
        from harness.registry import hint

        raise UserError(f"show {what!r}: {hint(what, [*TABLES, 'run'])}")
    emit(components_table(what), format, output)
