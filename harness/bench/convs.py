"""`harness bench convs`: a layer at a time, ours against every path that PyTorch has.

A row is one layer, direction and variant: flat, plain values. Forward is inference with weights at
rest. Backward is a training step of the layer: forward with fresh weights, the input's and the
weights' gradient; the baseline takes for each of the three the memory layout that suits it best.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from harness.bench import closed_form
from harness.bench.asked import Asked, Progress
from harness.bench.contest import Contest, Row, contest
from harness.bench.errors import output_error, step_error
from harness.bench.isolated import isolated
from harness.bench.layer_memory import MemoryCase, our_extra_mb, path_extra_mb
from harness.bench.layers import Layer, times
from harness.bench.machine import Bench, bench
from harness.bench.ours import Entry, Variant, entry
from harness.bench.paths import PARTS, forward_paths, step_paths
from harness.bench.peak import gemm_gflops
from harness.bench.race import Call
from harness.convs.algorithms.winograd_layer import freeze
from harness.convs.geometry import Conv

Direction = Literal["forward", "backward"]


@dataclass(frozen=True, kw_only=True)
class LayersAsked(Asked):
    """Which layers to time, and in which directions."""

    layers: Sequence[Layer]
    directions: Sequence[Direction]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One layer on one batch; input and weights lie channels last, as ours are given them."""

    layer: Layer
    conv: Conv
    x: Tensor
    entries: list[Entry]

    @property
    def modules(self) -> dict[str, nn.Module]:
        return {e.variant.label: e.module for e in self.entries if e.module is not None}


def bench_convs(asked: LayersAsked, progress: Progress) -> list[Row]:
    """A row for each layer, direction and variant; UserError for what this machine cannot hold."""
    torch.manual_seed(0)
    for layer in asked.layers:
        layer.must_fit(asked.batch)
    races = [(layer, direction) for layer in asked.layers for direction in asked.directions]
    rows: list[Row] = []
    with bench(asked.threads) as how:
        about: Row = how.facts() | {"peak_gflops": gemm_gflops(how.clock)}
        for done, (layer, direction) in enumerate(races):
            progress(done, len(races), "layers")
            rows += [about | row for row in _rows(layer, direction, asked, how)]
    progress(len(races), len(races), "layers")
    return rows


def _rows(layer: Layer, direction: Direction, asked: LayersAsked, how: Bench) -> Iterator[Row]:
    problem = pose(layer, asked.variants, asked.batch)
    run, errors_of = (_forward, output_error) if direction == "forward" else (_step, step_error)
    raced, missing = run(problem, asked, how)
    passes = asked.batch * (1 if direction == "forward" else len(PARTS))
    common: Row = {
        "layer": layer.name,
        "network": layer.network,
        "apart": layer.apart,
        "direction": direction,
        "batch": asked.batch,
        "macs": passes * closed_form.direct(problem.conv, layer.size),
        "macs_valid": passes * closed_form.valid(problem.conv, layer.size),
        "memory_format": "channels_last",
        "unavailable": "; ".join(f"{name}: {why}" for name, why in missing.items()),
        **raced.facts(),
    }
    errors = {label: errors_of(problem.conv, m, problem.x) for label, m in problem.modules.items()}
    for e in problem.entries:
        row = common | raced.row(e.variant.label, e.reason) | _about(e, problem)
        row["max_error"] = errors.get(e.variant.label)
        yield row | _rates(row) | (_memory(e, row, asked, layer) if asked.memory else {})


def pose(layer: Layer, variants: Sequence[Variant], batch: int) -> Problem:
    conv, x = layer.posed(batch)
    entries = [entry(variant, conv, x.shape) for variant in variants]
    return Problem(layer=layer, conv=conv, x=x, entries=entries)


@torch.no_grad()
def _forward(problem: Problem, asked: LayersAsked, how: Bench) -> tuple[Contest, dict[str, str]]:
    paths, missing = forward_paths(problem.conv, problem.x, compiled=asked.compiled)
    for module in problem.modules.values():
        freeze(module)  # as the weights that PyTorch's paths have packed beforehand
    ours = {label: partial(m.eval(), problem.x) for label, m in problem.modules.items()}
    return contest({"forward": paths}, ours, how, asked.seconds), missing


def _step(problem: Problem, asked: LayersAsked, how: Bench) -> tuple[Contest, dict[str, str]]:
    paths = step_paths(problem.conv, problem.x)
    ours = {label: training_step(m.train(), problem.x) for label, m in problem.modules.items()}
    return contest(paths, ours, how, asked.seconds), {}


def training_step(module: nn.Module, x: Tensor) -> Call:
    """Forward, then both gradients; the weights count as new each time, as after an update."""
    weight, x = module.get_parameter("weight"), x.detach().requires_grad_()
    with torch.no_grad():
        upstream = torch.randn_like(module(x))

    def step() -> object:
        with torch.no_grad():
            weight[:1].mul_(1)  # raises the version that kept transforms are known by
        return torch.autograd.grad(module(x), (x, weight), upstream)

    return step


def _about(e: Entry, problem: Problem) -> Row:
    """The variant; `limit` is how much fewer products it needs than a direct kernel that skips
    padding, all its axes and edges counted.
    """
    tile, conv, size = e.tile, problem.conv, problem.layer.size
    return {
        "algorithm": e.variant.algorithm,
        "variant": e.variant.label,
        "kernel": e.kernel,
        "tile": None if tile is None else times(tile),
        "limit": None if tile is None else closed_form.limit(conv, size, tile),
    }


def _rates(row: Row) -> Row:
    """Useful work a second, in 10^9 FLOPs (2 a MAC that meets the input), whatever is computed."""
    flops = 2e-6 * float(row["macs_valid"] or 0)
    ms, baseline_ms = row["ms"], row["baseline_ms"]
    return {
        "gflops": flops / float(ms) if ms else None,
        "baseline_gflops": flops / float(baseline_ms) if baseline_ms else None,
    }


def _memory(e: Entry, row: Row, asked: LayersAsked, layer: Layer) -> Row:
    """Memory of one forward call above its inputs and output, each in a process of its own."""
    if row["direction"] != "forward":
        return {"extra_mb": None, "baseline_extra_mb": None}
    case = MemoryCase(layer=layer, batch=asked.batch, threads=asked.threads)
    path = str(row["baseline"])
    return {
        "extra_mb": None if e.module is None else isolated(our_extra_mb, case, e.variant),
        "baseline_extra_mb": isolated(path_extra_mb, case, path),
    }
