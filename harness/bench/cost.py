"""What a network costs: parameters, multiply-adds, time, memory, energy.

The keys of `values` are those of a record's cost, described in harness.report.columns; `facts` are
what they hold for: dtype, memory layout, where energy comes from, what was not counted.
"""

import json
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch

from harness.bench.counts import Work, example, parameters, work
from harness.bench.energy import energy
from harness.bench.isolated import LostError, isolated
from harness.bench.memory import extra_mb, give_back_freed_memory, peak_mb
from harness.bench.products import products
from harness.bench.timer import latency_ms, throughput
from harness.config.experiment import Experiment
from harness.config.schema import Component, plain
from harness.convs.native.library import kernels
from harness.files import digest, write_json
from harness.models.build import network_of
from harness.models.two_stream import TwoStream
from harness.results.environment import commit, installed

META = torch.device("meta")
Memory = dict[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Numbers by name, and the conditions that they hold under."""

    values: dict[str, float | None]
    facts: dict[str, str]


def cost_of(experiment: Experiment, network: TwoStream, size: int, known: Path) -> Cost:
    """Of one sample, all its segments included; times on the device that the network is on.

    What memory it takes is the same for every training of one network: it is kept in `known`.
    """
    clip, batch_size = experiment.data.clip, experiment.train.batch_size
    first = next(network.parameters())
    shape = network.modalities, clip.segments, clip.frames, size
    batch = example(*shape, first.device)
    many = example(*shape, first.device, samples=batch_size)
    network.eval()
    p50, p90 = latency_ms(lambda: network(batch), first.device)
    with torch.inference_mode():
        used = energy(lambda: network(batch), first.device)
    counted = direct_work(experiment, network.classes, size)
    multiplied = products(network, example(*shape, META)).computed
    return Cost(
        values={
            "params": parameters(network),
            "macs": counted.macs,
            "flops": counted.flops,
            "multiplications": multiplied,
            "latency_ms_p50": p50,
            "latency_ms_p90": p90,
            "samples_per_second": throughput(lambda: network(many), batch_size, first.device),
            "energy_j": used.joules,
            **memory_of(experiment, network.classes, size, first.device, known),
        },
        facts={
            "dtype": str(first.dtype).removeprefix("torch."),
            "memory_format": "contiguous",
            "energy": used.source,
            "uncounted": counted.listed,
        },
    )


def directly(experiment: Experiment) -> Experiment:
    """The same functions with no algorithm swapped in."""
    direct = deepcopy(experiment)
    for stream in (direct.model.spatial, direct.model.temporal):
        if stream is not None:
            stream.conv.algorithm = Component(name="standard")
    return direct


def direct_work(experiment: Experiment, classes: int, size: int) -> Work:
    """Of the function, computed directly: on the meta device."""
    clip = experiment.data.clip
    with META:
        network = network_of(directly(experiment), classes, size).eval()
    batch = example(network.modalities, clip.segments, clip.frames, size, META)
    return work(lambda: network(batch))


def memory_of(
    experiment: Experiment, classes: int, size: int, device: torch.device, known: Path
) -> Memory:
    """Of one call on one sample, in MB of 10^6 bytes: on a GPU what torch allocated there, else in
    a process of its own. None where that process was lost, for lack of memory most likely.
    """
    asked = (classes, size, str(device), torch.get_num_threads())
    network = plain(experiment.model), plain(experiment.data.clip), experiment.data.flow.bound
    code = installed("torch"), commit(), kernels().instruction_set
    path = known / f"{digest([asked, network, code])}.json"
    if path.is_file():
        found: Memory = json.loads(path.read_text(encoding="utf-8"))
        return found
    try:
        measured = isolated(_memory, experiment, *asked)
    except LostError:
        return {"memory_mb_peak": None, "memory_mb_extra": None}
    write_json(path, measured)
    return measured


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
