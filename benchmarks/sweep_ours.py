"""(c) The same sweep by the harness: what `harness sweep FILE --wandb offline` does.

    python benchmarks/sweep_ours.py FOLDER WORKERS

The other ways end with the search, so this one's confirmation on fresh seeds is left out.
"""

import sys
from pathlib import Path

from harness.cli.launching import Launching, train
from harness.planning.plan import sweep_plan
from harness.report.records import records_table


def main(folder: Path, workers: int) -> None:
    plan = sweep_plan(folder / "sweep.yaml")
    plan.confirm.seeds.clear()
    given = Launching(
        data=str(folder),
        cache=folder / "cache",
        runs=folder / f"runs-{workers}",
        workers=workers,
        device="cpu",
        wandb="offline",
    )
    train(plan, given, lambda outcome: records_table(outcome.records))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
