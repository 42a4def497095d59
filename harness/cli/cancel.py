"""`harness cancel`: a plan at work is asked to leave, or to end some of its cells."""

from harness.cli import options as o


def command(
    plan: o.PlanName,
    where: o.Where = None,
    runs: o.Runs = o.RUNS_DEFAULT,
) -> None:
    """Ask the coordinator, wherever it runs, to leave as on SIGTERM; with --where, to end cells.

    Those leave a record that says "cancelled"; cells that wait are not touched.

    Example: `harness cancel fusion_search --where trial=7`
    """
    from harness.coordination.lock import at_work, folder_of_plan
    from harness.coordination.requests import ask
    from harness.coordination.retrying import check_conditions, matches
    from harness.coordination.status import Statuses
    from harness.errors import UserError

    conditions = o.conditions(where, "arm=conv")
    check_conditions(conditions)
    folder = folder_of_plan(runs, plan)
    if not at_work(folder):
        raise UserError(f"{plan}: nobody is at work on {folder}; nothing to cancel")
    if not conditions:
        ask(folder, None)
        print(f"{plan}: asked to leave; checkpoints stand, and the same command goes on")
        return
    running = Statuses(runs).of([plan])[0].running
    chosen = [cell for cell in running if matches({"reason": "", **vars(cell)}, conditions)]
    if not chosen:
        raise UserError(f"{plan}: none of its {len(running)} cells at work matches")
    ask(folder, [cell.key for cell in chosen])
    for cell in chosen:
        place = f"{cell.arm} on {cell.dataset}/{cell.split}, seed {cell.seed}"
        print(f"asked to end: {cell.key}: {place}")
