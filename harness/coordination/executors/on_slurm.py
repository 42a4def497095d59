"""On a Slurm cluster, through submitit: a job a training. Not run on a real Slurm yet.

Options are submitit's and sbatch's: partition, account, qos, timeout_min, mem_gb, gpus_per_node and
so on; `cluster=local` runs the jobs on this machine, as the tests do. A job that is preempted or
near its time limit gets SIGUSR2 or SIGTERM: its worker leaves with the last epoch's checkpoint, and
whether it is submitted again is the coordinator's to decide.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, UncompletedJobError

from harness.coordination.executors.host import Job, host
from harness.coordination.executors.local import Local, too_few
from harness.coordination.executors.remote import Remote
from harness.errors import UserError
from harness.places import Places
from harness.registry import hint
from harness.settings import Settings

SECONDS_BETWEEN_QUESTIONS = 60.0  # to Slurm, of jobs that have left no result
MINUTES = 60  # a job's time limit, unless the user says another


class OnSlurm(Remote):
    """`slurm`: a job's options by name, as text."""

    def __init__(
        self,
        places: Places,
        settings: Settings,
        _note: Callable[[str], None],
        *,
        slurm: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(places, settings)
        options = {name: number(text) for name, text in (slurm or {}).items()}
        self._cluster = str(options.pop("cluster", "slurm"))
        self._parameters: dict[str, Any] = {
            "timeout_min": MINUTES,
            "cpus_per_task": settings.threads,
        }
        self._parameters |= {full_name(name): value for name, value in options.items()}
        self._cpus = int(self._parameters.pop("cpus_per_task"))
        self._submitter: submitit.AutoExecutor | None = None
        self._asked = time.monotonic()

    @property
    def room(self) -> int:
        raise UserError("slurm: say how many jobs there may be at once, for example --workers 8")

    def require(self, ranks: int) -> None:
        gpus = self._parameters.get("gpus_per_node")
        if ranks > 1 and isinstance(gpus, int) and gpus < ranks:
            raise UserError(f"--slurm gpus_per_node={gpus}: {too_few(gpus, ranks)}")

    def ask(self, question: Callable[..., object], *arguments: object) -> None:
        """Here, since a job might wait in the queue for hours."""
        Local(self.places, self.settings).ask(question, *arguments)

    def submit(self, job: Job) -> Any:
        if self._submitter is None:
            self._submitter = self._open(job.cell.plan)
        self._submitter.update_parameters(cpus_per_task=self._cpus * job.cell.ranks)
        return self._submitter.submit(host, job)

    def ended(self, handle: Any) -> str | None:
        if not handle.done(force_check=self._is_time_to_ask()):
            return None
        try:
            return str(handle.result())
        except FailedJobError as error:  # what `host` raised, which is no fault of the cell
            return f"bug: {str(error).strip().splitlines()[-1]}"
        except UncompletedJobError:
            return death(handle.state)

    def cancel(self, handle: Any) -> None:
        handle.cancel(check=False)

    def _open(self, plan: str) -> submitit.AutoExecutor:
        try:
            submitter = submitit.AutoExecutor(
                self.places.runs / plan / "jobs", cluster=self._cluster
            )
            submitter.update_parameters(name=plan, **self._parameters)
        except (RuntimeError, ValueError, AssertionError, NameError) as error:
            raise UserError(f"slurm: {str(error).splitlines()[0]}") from None
        return submitter

    def _is_time_to_ask(self) -> bool:
        """One question is about all jobs."""
        now = time.monotonic()
        if now - self._asked < SECONDS_BETWEEN_QUESTIONS:
            return False
        self._asked = now
        return True


def death(state: str) -> str:
    """How a job ended that left no result, by what Slurm calls it.

    >>> death("OUT_OF_MEMORY"), death("CANCELLED by 1000")
    ('oom: Slurm ended the job: OUT_OF_MEMORY', 'preempted: Slurm ended the job: CANCELLED by 1000')
    """
    kind = {"OUT_OF_MEMORY": "oom", "FAILED": "bug"}.get(state.split()[0], "preempted")
    return f"{kind}: Slurm ended the job: {state}"


def full_name(name: str) -> str:
    """As submitit has it: what Slurm alone knows has a prefix."""
    shared = submitit.AutoExecutor._valid_parameters()
    slurms = submitit.SlurmExecutor._valid_parameters()
    if name in shared:
        return name
    if name in slurms:
        return f"slurm_{name}"
    raise UserError(f"--slurm {name}: {hint(name, sorted({*shared, *slurms, 'cluster'}))}")


def number(text: str) -> str | int | float:
    """What looks like a number is one.

    >>> number("60"), number("1.5"), number("gpu")
    (60, 1.5, 'gpu')
    """
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
