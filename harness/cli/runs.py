"""`harness runs`: the records."""

from harness.cli import options as o


def command(
    where: o.Where = None,
    runs: o.Runs = o.RUNS_DEFAULT,
    format: o.Format = None,
    output: o.Output = None,
) -> None:
    """List the recorded runs, oldest first.

    Example: `harness runs --where plan=demo --where config.model.fusion.name=conv`
    """
    from harness.cli.output import check_format, emit
    from harness.report.records import records_table
    from harness.results.store import load_all

    check_format(format)
    conditions = o.conditions(where, "plan=demo")
    emit(records_table(load_all(runs), conditions), format, output)
