"""The door to W&B: runs are opened, told their epochs, and finished. Nothing is read back.

The service that writes is a process of W&B's own, shared by all runs of this process. Its end, a
server that is not there and a disk that is full are exceptions here; who mirrors decides on them.
"""

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import wandb

from harness.mirror.media import Confusion, Media, Overview
from harness.mirror.replay import Epoch, Run

PROJECT = "twostream-harness"
ROOM = 1 << 14  # bytes: a disk that has less may have cut the run short, which W&B keeps to itself
Mode = Literal["offline", "online"]


class Writer:
    """Writes the runs of one plan below `plan`/wandb; the caller holds the plan's mirror lock.

    `patience`: seconds that one run may take to begin, and twice that to be sent to its end.
    """

    def __init__(self, plan: Path, patience: float) -> None:
        self.plan, self.patience = plan.resolve(), patience  # the service may be elsewhere
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # offline is offline
        os.environ["WANDB_DATA_DIR"] = str(self.plan / "wandb")  # tables, else in the home
        self._there = self._directories()

    def write(self, run: Run, mode: Mode, media: Media) -> str:
        """A whole run, once; its directory, named from the plan's folder."""
        if mode == "offline":
            self._remove(run.id)
        handle = self.begin(run, mode)
        self.log(handle, run.epochs)
        return self._end(handle, run, media)

    def begin(self, run: Run, mode: Mode) -> Any:
        """An open run; online it goes on where an earlier one of that id was left."""
        handle = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            dir=str(self.plan),
            id=run.id,
            name=run.name,
            group=run.group,
            job_type=run.job_type,
            tags=run.tags,
            config=run.config,
            mode=mode,
            resume="allow" if mode == "online" else None,
            reinit="create_new",
            settings=self._quiet(),
        )
        if not self._directory(handle).is_relative_to(self.plan):
            raise OSError(f"{self.plan / 'wandb'} cannot be written")  # W&B goes to /tmp instead
        return handle

    def log(self, handle: Any, epochs: Iterable[Epoch]) -> None:
        """Each epoch a step; those that the run has already are passed over."""
        for epoch in epochs:
            if epoch.number >= handle.step:
                told = {**epoch.metrics, "epoch": epoch.number, "_timestamp": epoch.time}
                handle.log(told, step=epoch.number, commit=True)

    def finish(self, handle: Any, run: Run, media: Media) -> str:
        """The end of a run that was opened before all of it was known; its directory."""
        handle.config.update(run.config, allow_val_change=True)
        handle.tags = tuple(run.tags)
        self.log(handle, run.epochs)
        return self._end(handle, run, media)

    def leave(self, handle: Any) -> None:
        """Not finished, but to be continued."""
        handle.mark_preempting()
        handle.finish(exit_code=1)

    def restart(self) -> None:
        """After a failure: the service may be gone, and the next run needs one."""
        with suppress(Exception):  # it fails where the service is gone, which is why it is called
            self.close()
        self._there = self._directories()

    def close(self) -> None:
        """End the service."""
        wandb.teardown()

    def _end(self, handle: Any, run: Run, media: Media) -> str:
        for name, item in media.items():
            handle.log({name: _as_wandb(item)}, commit=True)
        handle.summary.update(run.summary)
        handle.finish(exit_code=int(run.failed))
        where = self._directory(handle)
        if not list(where.glob("*.wandb")) or shutil.disk_usage(where).free < ROOM:
            raise OSError(f"{where} could not be written; is the disk full?")
        return str(where.relative_to(self.plan))

    def _quiet(self) -> wandb.Settings:
        return wandb.Settings(
            console="off",
            silent=True,
            disable_git=True,
            disable_code=True,
            x_disable_meta=True,  # it would copy the command line, which may hold a password
            x_disable_stats=True,
            x_disable_machine_info=True,  # the trainings' machines are in the records
            x_save_requirements=False,  # reading them takes ten times as long as all the rest
            init_timeout=self.patience,
            finish_timeout=2 * self.patience,
            finish_timeout_raises=True,
        )

    def _directory(self, handle: Any) -> Path:
        return Path(handle.settings.sync_dir).resolve()

    def _directories(self) -> dict[str, list[Path]]:
        """Of offline runs, by id."""
        found: dict[str, list[Path]] = {}
        for path in self.plan.glob("wandb/offline-run-*"):
            found.setdefault(re.sub(r"^offline-run-\d+_\d+-", "", path.name), []).append(path)
        return found

    def _remove(self, id: str) -> None:
        """What a mirror that was killed left, or what an older record said."""
        for path in self._there.pop(id, []):
            shutil.rmtree(path)


def _as_wandb(item: Any) -> Any:
    if isinstance(item, Confusion):
        return wandb.plot.confusion_matrix(
            y_true=item.labels, preds=item.predictions, class_names=item.classes
        )
    if isinstance(item, Mapping):
        return [wandb.Image(image, caption=caption) for caption, image in item.items()]
    if isinstance(item, Overview):
        return wandb.Table(columns=[*item.columns], data=[*item.rows], allow_mixed_types=True)
    raise TypeError(f"no picture: {item!r}")
