"""`harness runs`: the records."""

from typing import Annotated

import typer

from harness.cli import options as o

Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="FIELD=VALUE", help="Keep records with this field."),
]


def command(
    where: Where = None,
    runs: o.Runs = o.RUNS_DEFAULT,
    format: o.Format = None,
    output: o.Output = None,
) -> None:
    """List the recorded runs, oldest first.

    Example: `harness runs --where plan=demo --where config.model.fusion.name=conv`
    """
    from harness.cli.output import check_format, emit
    from harness.errors import UserError
    from harness.report.records import matching, records_table
    from harness.results.store import load_all

    check_format(format)
    conditions = {}
    for text in where or []:
        key, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"--where {text!r}: expected field=value, for example plan=demo")
        conditions[key] = value
    emit(records_table(matching(load_all(runs), conditions)), format, output)
