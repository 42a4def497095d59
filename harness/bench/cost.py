"""What a network costs: parameters, multiply-adds, latency, memory."""

from copy import deepcopy

import torch

from harness.bench.counts import example, macs, parameters
from harness.bench.memory import peak_mb
from harness.bench.timer import latency_ms
from harness.config.experiment import Experiment
from harness.config.schema import Component
from harness.models.build import network_of
from harness.models.two_stream import TwoStream


def cost_of(experiment: Experiment, network: TwoStream, size: int) -> dict[str, float | None]:
    """Of one sample, all its segments included; latency on the device that the network is on."""
    clip = experiment.data.clip
    device = next(network.parameters()).device
    batch = example(network.modalities, clip.segments, clip.frames, size, device)
    network.eval()
    p50, p90 = latency_ms(lambda: network(batch))
    return {
        "params": parameters(network),
        "macs": direct_macs(experiment, network.classes, size),
        "latency_ms_p50": p50,
        "latency_ms_p90": p90,
        "memory_mb_peak": peak_mb(),
    }


def direct_macs(experiment: Experiment, classes: int, size: int) -> int:
    """MACs of the function, computed directly: on the meta device, with no algorithm swapped in."""
    direct = deepcopy(experiment)
    for stream in (direct.model.spatial, direct.model.temporal):
        if stream is not None:
            stream.conv.algorithm = Component(name="standard")
    clip = direct.data.clip
    meta = torch.device("meta")
    with meta:
        network = network_of(direct, classes, size).eval()
    batch = example(network.modalities, clip.segments, clip.frames, size, meta)
    return macs(lambda: network(batch))
