"""What a network costs: parameters, multiply-adds, time, memory, energy.

The keys of `values` are those of a record's cost, described in harness.report.columns; `facts` are
what they hold for: dtype, memory layout, where energy comes from, what was not counted.
"""

import json
import os
import platform
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import torch

from harness.bench.counts import Work, example, parameters, work
from harness.bench.energy import energy
from harness.bench.isolated import isolated
from harness.bench.layout import layout_of
from harness.bench.memory import extra_mb, peak_mb
from harness.bench.products import products, unsaid
from harness.bench.timer import latency_ms, throughput
from harness.config.experiment import Experiment
from harness.config.schema import Component, components, plain
from harness.files import digest, sha256_of, write_json
from harness.malloc import give_back_freed_memory
from harness.models.build import network_of
from harness.models.two_stream import TwoStream
from harness.results.environment import cpu_model, installed

PACKAGE = Path(__file__).parents[1]
META = torch.device("meta")
Memory = dict[str, float | None]
Measure = Literal["again", "once", "never"]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Numbers by name, and the conditions that they hold under."""

    values: dict[str, float | None]
    facts: dict[str, str]


def cost_of(
    experiment: Experiment,
    network: TwoStream,
    size: int,
    known: Path,
    *,
    measure: Measure = "again",
) -> Cost:
    """Of one sample, all its segments included; times on the device that the network is on.

    Counts and memory are the same for every training of one network: they are kept in `known`. So
    are times and energy if they are to be measured "once": of a search's many trainings of one
    network, the first measures. Counts alone take no second: they are there though nothing is.
    """
    device = next(network.parameters()).device
    network.eval()
    same = digest(_determined_by(experiment, network, size, device))
    counts = _kept(known / f"{same}.counts.json", lambda: _counts(experiment, network, size))
    counted = Cost(
        values={
            "params": parameters(network),
            **{name: counts[name] for name in ("macs", "flops", "multiplications")},
        },
        facts={"uncounted": counts["uncounted"]},
    )
    if measure == "never":
        return counted
    memory, unknown = memory_of(experiment, network, size, known / f"{same}.memory.json")
    clocked = partial(_times, experiment, network, size, device)
    path = known / f"{same}.times-{experiment.train.batch_size}.json"
    times = clocked() if measure == "again" else _kept(path, clocked)
    return Cost(
        values=counted.values | times["values"] | memory,
        facts=counted.facts
        | times["facts"]
        | ({} if unknown is None else {"memory": f"n/a: {unknown}"}),
    )


def _times(
    experiment: Experiment, network: TwoStream, size: int, device: torch.device
) -> dict[str, Any]:
    """Latency, throughput and energy, and the conditions that they hold under."""
    clip, batch_size = experiment.data.clip, experiment.train.batch_size
    shape = network.modalities, clip.segments, clip.frames, size, device
    batch, many = example(*shape), example(*shape, samples=batch_size)
    p50, p90 = latency_ms(lambda: network(batch), device)
    with torch.inference_mode():
        used = energy(lambda: network(batch), device)
        layout = layout_of(network, batch)
    return {
        "values": {
            "latency_ms_p50": p50,
            "latency_ms_p90": p90,
            "samples_per_second": throughput(lambda: network(many), batch_size, device),
            "energy_j": used.joules,
        },
        "facts": {
            "dtype": str(next(network.parameters()).dtype).removeprefix("torch."),
            "memory_format": layout,
            "energy": used.source,
        },
    }


def _kept(path: Path, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What was measured before, or is now and kept."""
    if path.is_file():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    measured = measure()
    write_json(path, measured)
    return measured


def _counts(experiment: Experiment, network: TwoStream, size: int) -> dict[str, Any]:
    counted = direct_work(experiment, network.classes, size)
    return {
        "macs": counted.macs,
        "flops": counted.flops,
        "multiplications": multiplications(experiment, network, size),
        "uncounted": counted.listed,
    }


def directly(experiment: Experiment, *, operators: bool = True) -> Experiment:
    """The same functions with no algorithm swapped in; without operators, the backbones' own."""
    direct = deepcopy(experiment)
    for stream in (direct.model.spatial, direct.model.temporal):
        if stream is not None:
            stream.conv.algorithm = Component(name="standard")
            if not operators:
                stream.conv.operator = Component(name="standard")
    return direct


def direct_work(experiment: Experiment, classes: int, size: int) -> Work:
    """Of the function, computed directly: on the meta device."""
    network, batch = _on_meta(directly(experiment), classes, size)
    return work(lambda: network(batch))


def _on_meta(experiment: Experiment, classes: int, size: int) -> tuple[TwoStream, Any]:
    """The network and a sample for it."""
    clip = experiment.data.clip
    with META:
        network = network_of(experiment, classes, size).eval()
    return network, example(network.modalities, clip.segments, clip.frames, size, META)


def multiplications(experiment: Experiment, network: TwoStream, size: int) -> int | None:
    """Of all convolutions and of what operators do beside them, as computed where the network is;
    None where an operator multiplies in something that does not say how often.
    """
    others = [
        unsaid(*_on_meta(directly(experiment, operators=operators), network.classes, size))
        for operators in (True, False)
    ]
    if others[0] != others[1]:
        return None
    clip, on_cpu = experiment.data.clip, next(network.parameters()).device.type == "cpu"
    fallen_back = {
        module
        for name, report in network.reports.items()
        if on_cpu and report.kernel == "fallback"
        for module in network.streams[name].modules()
    }
    batch = example(network.modalities, clip.segments, clip.frames, size, META)
    return products(network, batch, directly=fallen_back).computed


def memory_of(
    experiment: Experiment, network: TwoStream, size: int, path: Path
) -> tuple[Memory, str | None]:
    """Of one call on one sample, in MB of 10^6 bytes: on a GPU what torch allocated there, else in
    a process of its own. None, with the reason, where it cannot be measured: this comes after a
    training, whose record must not be lost for it.
    """
    device = next(network.parameters()).device
    asked = (network.classes, size, str(device), torch.get_num_threads())
    try:
        return _kept(path, lambda: isolated(_memory, experiment, *asked)), None
    except Exception as error:  # torch's lack of memory is a RuntimeError like many others
        said = str(error).strip().splitlines()
        why = said[0] if said else type(error).__name__
        return {"memory_mb_peak": None, "memory_mb_extra": None}, why


def _determined_by(
    experiment: Experiment, network: TwoStream, size: int, device: torch.device
) -> list[Any]:
    """What memory and counts depend on: network, machine and all code, ours by its content."""
    packages = ("twostream-harness", "torch", "torchvision")
    return [
        [network.classes, size, str(device), torch.get_num_threads()],
        [plain(experiment.model), plain(experiment.data.clip), experiment.data.flow.bound],
        {stream: report.label_on(device.type) for stream, report in network.reports.items()},
        os.environ.get("HARNESS_NATIVE"),
        [[*path, table.revision(part.name)] for path, table, part in components(experiment)],
        [cpu_model(), platform.python_version(), *(installed(name) for name in packages)],
        _code(),
    ]


@cache
def _code() -> str:
    """The sha256 of this package's sources, in a repository or installed, committed or not."""
    files = (p for end in ("py", "cpp", "h") for p in PACKAGE.rglob(f"*.{end}"))
    return digest([[str(p.relative_to(PACKAGE)), sha256_of(p)] for p in sorted(files)])


def _memory(experiment: Experiment, classes: int, size: int, device: str, threads: int) -> Memory:
    give_back_freed_memory()
    torch.set_num_threads(threads)
    place, clip = torch.device(device), experiment.data.clip
    network = network_of(experiment, classes, size).eval().to(place)
    batch = example(network.modalities, clip.segments, clip.frames, size, place)
    with torch.inference_mode():
        if place.type != "cuda":
            extra = extra_mb(lambda: network(batch))
            return {"memory_mb_peak": peak_mb(), "memory_mb_extra": extra}
        held = torch.cuda.memory_allocated(place)  # not run on a GPU yet
        torch.cuda.reset_peak_memory_stats(place)
        network(batch)
        peak = torch.cuda.max_memory_allocated(place)
    return {"memory_mb_peak": peak / 1e6, "memory_mb_extra": (peak - held) / 1e6}
