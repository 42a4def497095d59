"""plan.yaml: what a sweep or an ablation was when it was first launched.

A plan whose files say something else would mix two comparisons in one folder, so that it is refused
until the user says which one is meant. What is set on the command line is not in it: that is the
user asking. Nor is the policy, which changes no result.
"""

from difflib import unified_diff
from pathlib import Path
from typing import Any

from harness.config.document import dump, read
from harness.config.experiment import Experiment
from harness.config.merge import load
from harness.errors import UserError
from harness.files import write_atomic
from harness.planning.sweepfile import Sweep


def refuse_changed(path: Path, folder: Path) -> None:
    """UserError with the difference if the plan's files say something else than what is kept."""
    kept, before, now = folder / "plan.yaml", _kept(folder), dump(documents(path))
    if before is not None and before != now:
        names = (f"{kept} (as first launched)", f"{path} (now)")
        lines = unified_diff(before.splitlines(), now.splitlines(), *names, lineterm="", n=1)
        raise UserError(
            f"{path}: the plan is no longer the one that runs in {folder}:\n"
            + "\n".join(lines)
            + "\ngo on with the new plan: --update (records of cells that it still has count); "
            "keep both: give the new one another `name:`"
        )


def keep_plan_file(path: Path, folder: Path) -> None:
    """Keep what the plan's files say, from now on."""
    now = dump(documents(path))
    if _kept(folder) != now:
        write_atomic(folder / "plan.yaml", now.encode())


def has_changed(path: Path, folder: Path) -> bool:
    """Whether the plan's files say something else than what is kept, so that it is refused."""
    return _kept(folder) not in (None, dump(documents(path)))


def _kept(folder: Path) -> str | None:
    file = folder / "plan.yaml"
    return file.read_text(encoding="utf-8") if file.is_file() else None


def documents(path: Path) -> dict[str, Any]:
    """The file and its arms as loaded, with what they extend and without `--set`."""
    if "arms" not in read(path).tree:
        return {"ablation": load(Experiment, path).tree}
    sweep = load(Sweep, path).tree
    bases = [arm["base"] for arm in sweep["arms"] if isinstance(arm, dict) and "base" in arm]
    return {
        "sweep": {key: value for key, value in sweep.items() if key != "policy"},
        "arms": {
            base: load(Experiment, path.parent / base).tree
            for base in bases
            if (path.parent / base).is_file()
        },
    }
