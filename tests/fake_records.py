"""Records as runs would leave them: one at a time, and a whole comparison with its mishaps."""

import random
from dataclasses import replace
from typing import Any

from harness.results.record import Record

HOSTILE = "<script>document.title='owned'</script>"
AWKWARD = 'wide "gate" | naïve & 光流'
PLACES = {("ucf101", "01"): ("p-ucf", 101, 3783), ("ut_interaction", "02"): ("p-ut", 6, 60)}

# arm: (accuracy on each data set, parameters, MACs, minutes of training, fusion, operator, kernel)
ARMS: dict[str, tuple[tuple[float, float], float, float, float, str, str, str]] = {
    "spatial_only": ((0.701, 0.651), 11.2e6, 1.82e9, 21, "average", "standard", "torch"),
    "temporal_only": ((0.742, 0.772), 11.3e6, 1.87e9, 24, "average", "standard", "torch"),
    "late_average": ((0.823, 0.817), 22.5e6, 3.69e9, 44, "average", "standard", "torch"),
    "conv_fusion": ((0.861, 0.842), 24.9e6, 3.81e9, 52, "conv", "standard", "torch"),
    "conv_fusion_winograd": ((0.861, 0.842), 24.9e6, 3.81e9, 208, "conv", "standard", "winograd"),
    "bilinear": ((0.834, 0.792), 28.7e6, 3.98e9, 61, "bilinear", "standard", "torch"),
    "fast3d_temporal": ((0.868, 0.85), 33.1e6, 14.6e9, 133, "conv", "fast3d", "torch"),
    AWKWARD: ((0.845, 0.833), 22.9e6, 3.7e9, 47, "gated", "standard", "torch"),
    HOSTILE: ((0.811, 0.71), 23.4e6, 3.72e9, 45, "concat", "standard", "torch"),
}


def record(**changes: Any) -> Record:
    """A finished run; `top1` is short for its test accuracy."""
    if "top1" in changes:
        changes["metrics"] = {"test/top1": changes.pop("top1")}
    fields: dict[str, Any] = {
        "key": "k0",
        "status": "done",
        "plan": "fusions",
        "arm": "conv",
        "dataset": "ucf101",
        "split": "01",
        "seed": 0,
        "protocol": "p1",
        "data_hash": "d1",
        "config": {"model": {"fusion": {"name": "conv", "at": "last"}, "temporal": None}},
        "cost": {"params": 1e6, "macs": 1e9, "seconds/fit": 60.0},
        "env": {"commit": "abc1234"},
        "command": "harness run experiments/conv.yaml",
        "started": "2026-01-01T00:00:00Z",
        "seconds": 70.0,
    }
    return Record(**(fields | changes))


def comparison() -> list[Record]:
    """Nine arms, two data sets, three seeds; failures, a stale record, a search, two commits."""
    draw = random.Random(0)
    records = [
        _run(draw, arm, place, index, seed)
        for arm in ARMS
        for index, place in enumerate(PLACES)
        for seed in (0, 1, 2)
    ]
    memory = "out of memory: 14.2 GB asked for <b>batch_size: 32</b>; a smaller batch may fit"
    records[32] = replace(records[32], status="failed", reason=memory, metrics={}, cost={})
    records[53] = replace(
        records[53], status="cancelled", reason="stopped by Ctrl-C", metrics={}, cost={}
    )
    records.append(replace(records[0], started="2025-12-01T00:00:00Z", data_hash="older"))
    records.append(replace(records[1], stage="search", trial=7, metrics={"val/top1": 0.99}))
    return records


def _run(draw: random.Random, arm: str, place: tuple[str, str], index: int, seed: int) -> Record:
    accuracies, params, macs, minutes, fusion, operator, kernel = ARMS[arm]
    (dataset, split), (protocol, classes, videos) = place, PLACES[place]
    top1 = accuracies[index] + draw.gauss(0, (0.006, 0.018)[index])
    seconds = 60 * minutes * draw.uniform(0.95, 1.05) * (1, 0.1)[index]
    key = f"{draw.getrandbits(64):016x}"
    file = f"experiments/{fusion}.yaml"
    reference = " (reference)" if kernel == "winograd" else ""
    conv = {"operator": {"name": operator}, "algorithm": {"name": kernel}}
    return record(
        key=key,
        arm=arm,
        dataset=dataset,
        split=split,
        seed=seed,
        protocol=protocol + "-8c41f0a2d9b3",
        data_hash=f"{dataset}-5d0e77ab10",
        config={"model": {"fusion": {"name": fusion}, "temporal": {"conv": conv}}},
        metrics={
            "test/top1": round(top1 * videos) / videos,
            "test/mean_class": top1 - 0.004,
            "chance": 1 / classes,
        },
        cost={
            "params": params + 512 * classes,
            "macs": macs,
            "seconds/fit": seconds,
            "latency_ms_p50": macs / 5e7 * draw.uniform(0.97, 1.03),
        },
        clips={"train": 3 * videos, "val": videos, "test": videos, "quarantined": index},
        kernels={"spatial": kernel + reference, "temporal": kernel + reference},
        env={
            "commit": "4be19c07" if arm != "bilinear" else "1f3a6d22",
            "harness": "0.1.0",
            "python": "3.11.9",
            "torch": "2.14.1",
            "machine": "2 x Xeon 2.8 GHz, 24 GB",
            "device": "cpu",
        },
        command=f"harness run {file} --set data.name={dataset} --set data.split={split}"
        f" --set seeds=[{seed}]",
        started=f"2026-01-02T{seed:02}:00:00Z",
        seconds=seconds * 1.08,
    )
