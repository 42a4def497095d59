"""`harness demo`: the main job on the embedded data set, from videos to a leaderboard."""

from pathlib import Path

from harness.cli import board
from harness.cli import options as o
from harness.cli.launching import Launching, train


def command(
    cache: o.Cache = o.CACHE_DEFAULT,
    runs: o.Runs = o.RUNS_DEFAULT,
    workers: o.Workers = None,
    wandb: o.Wandb = "auto",
) -> None:
    """Write videos, train two-stream networks on them, print the leaderboard, write its page.

    Example: `harness demo`
    """
    from harness.planning.plan import sweep_plan
    from harness.report.board import BoardFile
    from harness.report.board import board as ranked

    root = checkout()
    given = Launching(cache=cache, runs=runs, workers=workers, wandb=wandb)
    plan = sweep_plan(root / "sweeps" / "demo.yaml")
    train(plan, given, lambda outcome: ranked(outcome.records, BoardFile(name=plan.name)).table())
    board.command(root / "leaderboards" / "demo.yaml", runs=runs)


def checkout() -> Path:
    """The folder with sweeps/ and leaderboards/: here, or where the package's source is."""
    import harness
    from harness.errors import UserError

    for root in (Path(), Path(harness.__file__).parent.parent):
        if (root / "sweeps" / "demo.yaml").is_file():
            return root
    raise UserError("sweeps/demo.yaml: no such file; run this in a checkout of the project")
