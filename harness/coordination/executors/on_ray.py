"""On a Ray cluster that is there already, or one of this machine alone.

A training is a task with the resources that it needs; Ray starts it where they are free, and starts
nothing again: a node that is lost is the coordinator's to judge. Trainings read the cache and write
records through a shared file system, so that a node that does not see both folders is left out.
"""

import logging
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
from ray import exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness.coordination.executors.host import Job, host, refusal
from harness.coordination.executors.remote import Remote
from harness.errors import UserError
from harness.files import write_atomic
from harness.places import Places
from harness.settings import Settings

SECONDS_FOR_A_PROBE = 60.0
SECONDS_BETWEEN_SURVEYS = 5.0


@dataclass
class Task:
    """A task, and the nodes that it may run on."""

    reference: Any
    nodes: frozenset[str]


class OnRay(Remote):
    """`address`: HOST:PORT of a cluster, auto for the one of this machine, local for a new one.

    `per_gpu`: how many trainings share a GPU; not given, none is asked for unless it is the device.
    """

    def __init__(
        self,
        places: Places,
        settings: Settings,
        note: Callable[[str], None],
        *,
        address: str = "auto",
        per_gpu: int | None = None,
    ) -> None:
        super().__init__(places, settings)
        self._note = note
        self._seen: dict[str, bool] = {}  # by node: whether it sees the folders
        self._alive: dict[str, dict[str, float]] = {}  # by node: its resources
        self._surveyed = 0.0
        if per_gpu is None and settings.device in ("gpu", "cuda"):
            per_gpu = 1
        self._needs = {"num_cpus": settings.threads, "num_gpus": 1 / per_gpu if per_gpu else 0}
        _connect(address)
        self._survey()
        self._nodes()

    @property
    def room(self) -> int:
        return max(1, sum(self._places_on(self._alive[node]) for node in self._nodes()))

    def require(self, ranks: int) -> None:
        self._nodes_for(ranks)

    def ask(self, question: Callable[..., object], *arguments: object) -> None:
        task = self._remote(refusal, self._nodes(), num_gpus=0)
        said = ray.get(task.remote(question, arguments, Path.cwd()))
        if said is not None:
            raise UserError(said)

    def submit(self, job: Job) -> Task:
        self._survey()
        ranks = job.cell.ranks
        nodes = self._nodes_for(ranks)
        return Task(self._remote(host, nodes, **self._needs_of(ranks)).remote(job), nodes)

    def ended(self, handle: Task) -> str | None:
        self._look_around()
        ready, _ = ray.wait([handle.reference], timeout=0)
        if ready:
            return _outcome(handle.reference)
        if handle.nodes.isdisjoint(self._alive):  # it would wait for them for ever
            self.cancel(handle)
            return "preempted: its nodes have left the cluster"
        return None

    def cancel(self, handle: Task) -> None:
        ray.cancel(handle.reference, force=False)

    def close(self) -> None:
        super().close()
        ray.shutdown()

    def _remote(self, function: Callable[..., object], nodes: frozenset[str], **needs: Any) -> Any:
        return ray.remote(function).options(
            **self._needs | needs,
            max_retries=0,
            label_selector={"ray.io/node-id": f"in({','.join(sorted(nodes))})"},
        )

    def _needs_of(self, ranks: int) -> dict[str, float]:
        """Each rank has a GPU of its own, since no two of a training can share one."""
        cpus, gpus = self._needs["num_cpus"], self._needs["num_gpus"]
        return {"num_cpus": cpus * ranks, "num_gpus": ranks if gpus and ranks > 1 else gpus}

    def _nodes_for(self, ranks: int) -> frozenset[str]:
        """Those that are large enough: Ray would wait for ever for another."""
        needs = self._needs_of(ranks)
        cpus, gpus = needs["num_cpus"], needs["num_gpus"]
        there = {node: self._alive[node] for node in self._nodes()}
        fit = [
            node
            for node, has in there.items()
            if has.get("CPU", 0) >= cpus and has.get("GPU", 0) >= gpus
        ]
        if not fit:
            has = " or ".join(
                f"{found.get('CPU', 0):g} CPUs and {found.get('GPU', 0):g} GPUs"
                for found in sorted(there.values(), key=lambda has: -has.get("CPU", 0))[:3]
            )
            raise UserError(
                f"ray: a training of {ranks} ranks (train.parallel) needs a node with {cpus:g} "
                f"CPUs and {gpus:g} GPUs; there are nodes with {has}"
            )
        return frozenset(fit)

    def _places_on(self, resources: dict[str, float]) -> int:
        places = resources.get("CPU", 0) // self._needs["num_cpus"]
        if self._needs["num_gpus"]:
            places = min(places, resources.get("GPU", 0) // self._needs["num_gpus"])
        return int(places)

    def _nodes(self) -> frozenset[str]:
        """Where a training may run now."""
        nodes = frozenset(node for node in self._alive if self._seen[node])
        if not nodes:
            raise UserError(
                f"ray: no node of the cluster sees {self.places.cache} and {self.places.runs}; "
                "both must be on a file system that the nodes share"
            )
        return nodes

    def _look_around(self) -> None:
        if time.monotonic() - self._surveyed > SECONDS_BETWEEN_SURVEYS:
            self._survey()

    def _survey(self) -> None:
        """Which nodes there are; one that is new is asked whether it sees the folders."""
        found = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}
        self._alive = {name: node["Resources"] for name, node in found.items()}
        new = [name for name in found if name not in self._seen]
        if new:
            self._seen |= _probe(new, [self.places.cache, self.places.runs])
        for name in new:
            if not self._seen[name]:
                host_name = found[name]["NodeManagerHostname"]
                self._note(f"ray: node {host_name} is left out: it does not see cache and runs")
        self._surveyed = time.monotonic()


def _connect(address: str) -> None:
    with _same_signals():
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, exceptions.RayError, ValueError) as error:
            first = str(error).splitlines()[0]
            raise UserError(
                f"ray: no cluster answers at {address!r} ({first}); one that asks for a token "
                "needs RAY_AUTH_MODE=token and the token"
            ) from None


@contextmanager
def _same_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself; ours asks workers to leave."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _probe(nodes: list[str], folders: list[Path]) -> dict[str, bool]:
    """Each node reads what is written here, and writes what is read here."""
    token = uuid.uuid4().hex
    written = [folder / f".seen-{token}" for folder in folders]
    for path in written:
        write_atomic(path, token.encode())
    tasks = {}
    for node in nodes:
        strategy = NodeAffinitySchedulingStrategy(node, soft=False)
        probe = ray.remote(_sees).options(num_cpus=0, max_retries=0, scheduling_strategy=strategy)
        tasks[node] = probe.remote(token, written)
    ready, _ = ray.wait(list(tasks.values()), num_returns=len(tasks), timeout=SECONDS_FOR_A_PROBE)
    try:
        return {node: task in ready and _said_yes(task) for node, task in tasks.items()}
    finally:
        for path in written:
            path.unlink()


def _sees(token: str, paths: list[Path]) -> bool:
    return all(path.is_file() and path.read_text() == token for path in paths)


def _said_yes(task: Any) -> bool:
    try:
        return bool(ray.get(task))
    except exceptions.RayError:  # the node went away meanwhile
        return False


def _outcome(reference: Any) -> str:
    try:
        return str(ray.get(reference))
    except exceptions.TaskCancelledError:
        return "preempted: cancelled"
    except exceptions.OutOfMemoryError as error:
        return f"oom: {str(error).splitlines()[0]}"
    except exceptions.RayTaskError as error:
        return f"bug: {error.cause!r}" if error.cause else f"bug: {error!r}"
    except exceptions.RayError as error:
        return f"preempted: {type(error).__name__}: {str(error).splitlines()[0]}"
