"""Every run is a W&B run; W&B is a mirror, and its failure never fails a training.

Offline unless the user is logged in or asks for online. Nothing is ever read back from W&B. Run ids
are the harness's own, so that a resumed training continues its run and two runs never merge.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from harness.cell import Cell
from harness.errors import UserError
from harness.registry import hint
from harness.results.secrets import redact
from harness.train.channel import StoppedError

log = logging.getLogger("harness")
MODES = ("auto", "offline", "online", "disabled")
PROJECT = "twostream-harness"


def wandb_mode(asked: str) -> str:
    """`auto` is what WANDB_MODE says, else online for a user who is logged in, else offline."""
    if asked not in MODES:
        raise UserError(f"--wandb {asked!r}: {hint(asked, list(MODES))}")
    if asked != "auto":
        return asked
    return os.environ.get("WANDB_MODE") or ("online" if logged_in() else "offline")


def logged_in() -> bool:
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc().authenticators(host) is not None
    except (OSError, NetrcParseError):
        return False


class Tracker:
    """One W&B run. After the first failure it says so once and stays silent."""

    def __init__(self, cell: Cell, folder: Path, mode: str) -> None:
        self._run: Any = None
        if mode != "disabled":
            with self._guarded():
                self._run = _start(cell, folder, mode)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """A failure is a failed run; one that was stopped stays open, to be continued."""
        if error is not None and not isinstance(error, StoppedError):
            self.finish({"status": "failed", "reason": str(error)}, failed=True)

    def log(self, metrics: Mapping[str, float | None], epoch: int) -> None:
        with self._guarded():
            if self._run is not None:
                self._run.log({**metrics, "epoch": epoch}, step=epoch)

    def finish(self, summary: Mapping[str, Any], *, failed: bool = False) -> None:
        """Write the summary and close the run."""
        with self._guarded():
            if self._run is not None:
                self._run.summary.update(redact(dict(summary)))
                self._run.finish(exit_code=int(failed))

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever W&B does, the training goes on
            log.warning("W&B: %s; this run is not mirrored any further", error or type(error))
            self._run = None


def _start(cell: Cell, folder: Path, mode: Any) -> Any:
    import wandb

    quiet = wandb.Settings(
        console="off",
        silent=True,
        disable_git=True,
        disable_code=True,
        x_disable_meta=True,  # it would copy the command line, which may hold a password
        x_disable_stats=True,
    )
    return wandb.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        dir=str(folder),
        id=f"{cell.plan}-{cell.key}",
        name=cell.label,
        group=cell.plan,
        job_type=cell.stage,
        tags=[cell.arm[:64], cell.dataset[:64], f"split {cell.split}"],
        config=redact({**cell.config, "seed": cell.seed, "trial": cell.trial, "key": cell.key}),
        mode=mode,
        resume="allow" if mode == "online" else None,
        reinit="create_new",
        settings=quiet,
    )
