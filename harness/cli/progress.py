"""Plans under way as tables: a line for each arm, or for each cell at work."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.planning.quantities import duration
from harness.report.columns import count
from harness.report.formats import MISSING, ColumnSpec, Table

if TYPE_CHECKING:
    from harness.coordination.status import ArmStatus, PlanStatus, Running

SHOWN = ("plan", "arm", "dataset", "split", "done", "failed", "pruned", "running", "waiting")
HIDDEN = ("cancelled", "metric", "state", "per_hour", "seconds_left")
CELL = ("key", "arm", "dataset", "split", "seed", "trial", "stage")
PROGRESS = ("epoch", "epochs", "step", "steps")


def arms_table(plans: Sequence["PlanStatus"]) -> Table:
    """Each arm of each plan on each data set; the plans themselves in lines below."""
    columns = [ColumnSpec(key=key, title=key) for key in SHOWN]
    ranked = any(arm.best is not None for plan in plans for arm in plan.arms)
    columns += [ColumnSpec(key="best", title="best", show=_best, hidden=not ranked)]
    columns += [ColumnSpec(key="failures", title="failures")]
    columns += [ColumnSpec(key=key, title=key, hidden=True) for key in HIDDEN]
    rows = [_arm(plan, arm) for plan in plans for arm in plan.arms]
    notes = [line for plan in plans for line in _lines(plan)]
    return Table("", tuple(columns), rows, tuple(notes) or ("no plan was launched here yet",))


def cells_table(plans: Sequence["PlanStatus"]) -> Table:
    """Each cell at work."""
    keys = ("plan", *CELL, *PROGRESS)
    rows = [{"plan": plan.name} | vars(cell) for plan in plans for cell in plan.running]
    notes = () if rows else ("no cell is at work",)
    return Table("", tuple(ColumnSpec(key=key, title=key) for key in keys), rows, notes)


def _arm(plan: "PlanStatus", arm: "ArmStatus") -> dict[str, str | int | float | None]:
    name, dataset, split = arm.place
    statuses = ("done", "failed", "pruned", "cancelled")
    return {
        "plan": plan.name,
        "arm": name,
        "dataset": dataset,
        "split": split,
        **{status: arm.counts[status] for status in statuses},
        "running": arm.running,
        "waiting": arm.waiting,
        "best": arm.best,
        "failures": ", ".join(f"{count} {kind}" for kind, count in sorted(arm.failures.items())),
        "metric": plan.metric,
        "state": plan.state,
        "per_hour": plan.per_hour,
        "seconds_left": plan.seconds_left,
    }


def _lines(plan: "PlanStatus") -> list[str]:
    """What a plan is at, and each of its cells at work."""
    recorded = sum(arm.counts.total() for arm in plan.arms)
    totals = [arm.total for arm in plan.arms if arm.total is not None]
    facts = [f"{recorded} of {sum(totals)} cells" if totals else f"{recorded} cells"]
    cancelled = sum(arm.counts["cancelled"] for arm in plan.arms)
    facts += [f"{cancelled} of them cancelled"] if cancelled else []
    facts += [f"{plan.per_hour:.3g} an hour"] if plan.working and plan.per_hour else []
    if plan.seconds_left is not None:
        facts.append(f"about {duration(plan.seconds_left)} left")
    if any(arm.best is not None for arm in plan.arms):
        facts.append(f"best by {plan.metric}")
    told = [f"{plan.name}: {_state(plan)}: {', '.join(facts)}", *map(_cell, plan.running)]
    return [*told, f"{plan.name}: stopped by: {plan.state}"] if _is_reason(plan) else told


def _is_reason(plan: "PlanStatus") -> bool:
    """Whether it was left for what an error says, which is a sentence."""
    return ": " in plan.state


def _state(plan: "PlanStatus") -> str:
    if not plan.working:
        return "stopped" if _is_reason(plan) else plan.state
    who = f"pid {plan.launch['pid']} on {plan.launch['host']}"
    quiet = f", silent for {duration(plan.silence)}" if plan.silence > 60 else ""
    return f"working ({who}{quiet})"


def _cell(cell: "Running") -> str:
    trial = f", trial {cell.trial}" if cell.trial is not None else ""
    steps = f", step {cell.step} of {cell.steps}" if cell.steps else ""
    place = f"{cell.arm} on {cell.dataset}/{cell.split}, seed {cell.seed}{trial}"
    return f"running {cell.key}: {place}: epoch {cell.epoch} of {cell.epochs}{steps}"


def _best(value: float | None) -> str:
    if value is None:
        return MISSING
    return f"{value:.3f}" if abs(value) < 1000 else count(value)
