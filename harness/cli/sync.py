"""`harness sync`: bring W&B up to date with the records."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import options as o

if TYPE_CHECKING:
    from harness.mirror.media import Overview
    from harness.mirror.session import Session

Plans = Annotated[
    list[str] | None, typer.Argument(metavar="[PLAN]...", help="Which plans [default: all].")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


def command(
    plans: Plans = None,
    data: o.Data = None,
    cache: o.Cache = o.CACHE_DEFAULT,
    runs: o.Runs = o.RUNS_DEFAULT,
    media: o.Media = "",
    dry_run: DryRun = False,
) -> None:
    """Write every recorded run that W&B has not yet, then send what was never sent.

    Example: `harness sync demo --dry-run`
    """
    from harness.cli.launching import say
    from harness.mirror.mode import media_of, wandb_mode
    from harness.mirror.sync import plans_of, session_of

    places, asked = o.places(data, cache, runs), media_of(media)
    online, well = wandb_mode("auto") == "online", True
    for plan in plans_of(runs, plans or []):
        with session_of(plan, places, asked, say) as session:
            if session is None:
                say(f"{plan.name}: left alone; it is at work and mirrors its own runs")
            elif dry_run:
                _announce(session, later="" if online else _cure())
            else:
                well &= _bring_up_to_date(session, online)
    if not online and not dry_run:
        say(f"nothing was sent: {_cure()}, then `harness sync` again")
    if not well:
        raise typer.Exit(1)


def _cure() -> str:
    from harness.mirror.mode import logged_in

    return "unset WANDB_MODE" if logged_in() else "not logged in to W&B; `wandb login`"


def _announce(session: "Session", later: str) -> None:
    """What would be done, and what would be sent if it were not for `later`."""
    from harness.cli.launching import say
    from harness.mirror.sync import to_send, to_write

    plan, missing = session.plan, to_write(session)
    overview = [] if session.has_overview() else [plan]
    sent = list(dict.fromkeys([*missing, *to_send(plan), *overview]))
    names = {folder: "its overview" if folder == plan else folder.name for folder in sent}
    for folder in [*missing, *overview]:
        say(f"{plan.name}: would write {names[folder]}")
    for folder in [] if later else sent:
        say(f"{plan.name}: would send {names[folder]}")
    said = f"{len(missing)} to write, {len(sent)} to send"
    say(f"{plan.name}: {said}{f' later: {later}, then `harness sync`' if later else ''}")


def _bring_up_to_date(session: "Session", online: bool) -> bool:
    """Whether all is in W&B, or at least in its files for one who is not logged in."""
    from harness.cli.launching import say
    from harness.mirror.sync import send, to_send, to_write

    plan, missing = session.plan, to_write(session)
    session.catch_up(missing, lambda *_: None)
    if not session.has_overview():
        session.overview(_board(plan))
    left = len(to_write(session))
    waiting = to_send(plan) if online else []
    why = send(plan, waiting)
    sent = len(waiting) - (len(to_send(plan)) if online else 0)
    say(f"{plan.name}: {len(missing) - left} written, {sent} sent")
    if left:
        say(f"{plan.name}: {left} could not be written: {session.trouble or 'see above'}")
    if why:
        say(f"{plan.name}: {len(waiting) - sent} could not be sent: {why}")
    return not left and not why


def _board(plan: Path) -> "Overview":
    """The runs that are mirrored, ranked; where they cannot be ranked together, their list."""
    from harness.errors import UserError
    from harness.mirror.marker import marker_of
    from harness.mirror.media import Overview
    from harness.report.board import BoardFile, board
    from harness.report.records import records_table
    from harness.results.store import finished_cells, load

    mirrored = [folder for folder in finished_cells(plan) if marker_of(folder)]
    records = [load(folder / "record.json") for folder in mirrored]
    try:
        return Overview(*board(records, BoardFile(name=plan.name)).table().grid())
    except UserError:
        return Overview(*records_table(records).grid())
