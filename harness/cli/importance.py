"""`harness importance`: which dimensions of a search mattered."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options as o

Evaluator = Annotated[
    str, typer.Option("--evaluator", help="ped_anova, or fanova (needs the extra `search`).")
]
Resamples = Annotated[
    int, typer.Option("--resamples", min=20, help="Draws of trials for the intervals.")
]
Plot = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE.svg", help="Draw the table's figures.")
]


def command(
    file: o.File,
    set_: o.Set = None,
    data: o.Data = None,
    cache: o.Cache = o.CACHE_DEFAULT,
    runs: o.Runs = o.RUNS_DEFAULT,
    evaluator: Evaluator = "ped_anova",
    resamples: Resamples = 200,
    plot: Plot = None,
    format: o.Format = None,
    output: o.Output = None,
) -> None:
    """Weigh the parameters of a search, per arm, data set and objective, with 95 % intervals.

    From the trials that are done, also while the search runs.

    Example: `harness importance sweeps/fusion_search.yaml --plot importance.svg`
    """
    from dataclasses import asdict

    from harness.cli.bench import options as b
    from harness.cli.output import check_format, emit
    from harness.planning.plan import sweep_plan
    from harness.report.importance import draw, importance_table
    from harness.search.importance import importances

    check_format(format)
    b.check_suffix(plot)
    notes: list[str] = []
    plan, places = sweep_plan(file, set_ or []), o.places(data, cache, runs)
    rows = [asdict(row) for row in importances(plan, places, evaluator, resamples, notes.append)]
    emit(importance_table(rows, notes), format, output)
    if plot is not None:
        b.write_plot(draw(rows), plot)
