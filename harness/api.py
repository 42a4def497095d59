"""The verbs of the command line as functions; paths in, records and tables out.

import harness

records = harness.run("experiments/moving_shapes/conv_fusion.yaml", set=["train.epochs=5"])
frame = harness.records()  # a pandas data frame, a row per run
board = harness.board("leaderboards/demo.yaml")
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.coordination.launch import Again, launch
from harness.coordination.watchers import Silent
from harness.places import Places
from harness.planning.ablation import BASELINE
from harness.planning.plan import Plan, ablation_plan, experiment_plan, sweep_plan
from harness.planning.policy import changed
from harness.report.ablation import ablation
from harness.report.board import Board, read_board
from harness.report.formats import Table
from harness.results.record import Record
from harness.results.store import load_all
from harness.settings import Settings, Site

if TYPE_CHECKING:
    import pandas as pd


def run(path: str | Path, *, set: Sequence[str] = (), **how: Any) -> list[Record]:
    """Train one experiment, once per seed; its records. `how`: see `_launch`."""
    return _launch(experiment_plan(Path(path), set), **how)


def sweep(path: str | Path, *, set: Sequence[str] = (), **how: Any) -> list[Record]:
    """Train every arm of a sweep; the records of all its cells."""
    return _launch(sweep_plan(Path(path), set), **how)


def ablate(path: str | Path, *, set: Sequence[str] = (), **how: Any) -> Table:
    """Train the baseline and each change; the differences."""
    plan = ablation_plan(Path(path), set)
    return ablation(_launch(plan, **how), BASELINE, metric=plan.metric)


def board(path: str | Path, *, set: Sequence[str] = (), places: Places | None = None) -> Board:
    """The leaderboard of a file in leaderboards/."""
    return read_board(Path(path), load_all((places or Places()).runs), set)


def records(places: Places | None = None) -> "pd.DataFrame":
    """All records, a row per run; `metrics`, `cost` and `clips` become columns of their own."""
    import pandas as pd

    spread = ("metrics", "cost", "clips")
    rows = []
    for record in load_all((places or Places()).runs):
        facts = {name: value for name, value in vars(record).items() if name not in spread}
        for name in spread:
            facts |= {
                f"{name}/{k}" if name != "metrics" else k: v for k, v in vars(record)[name].items()
            }
        rows.append(facts)
    return pd.DataFrame(rows)


def _launch(
    plan: Plan,
    *,
    places: Places | None = None,
    settings: Settings | None = None,
    again: Again | None = None,
    site: Site | None = None,
    policy: Sequence[str] = (),
) -> list[Record]:
    """`policy`: as on the command line, `["on_failure=fail_fast"]`; the others: see `launch`."""
    plan.policy = changed(plan.policy, policy)
    places, settings = places or Places(), settings or Settings()
    return launch(plan, places, settings, Silent(), again, site=site).records
