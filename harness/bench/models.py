"""`harness bench models`: whole networks, ours against eager and inductor-frozen PyTorch.

A row is one network, direction and variant. Forward is inference: on both sides batch normalisation
is folded, ReLUs are fused and weights packed, by us and by inductor. A step is a training step
without its optimiser: forward and all gradients. Who computes another output is not in the race.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from harness.bench.alike import differing
from harness.bench.asked import Asked, Progress
from harness.bench.compiled import frozen
from harness.bench.contest import Contest, Row, contest
from harness.bench.counts import values_of, work_of
from harness.bench.energy import Energy, energy
from harness.bench.isolated import isolated
from harness.bench.machine import Bench, bench
from harness.bench.memory import extra_mb, must_fit, peak_mb
from harness.bench.networks import Subject, folded
from harness.bench.onednn import by_onednn
from harness.bench.ours import Variant
from harness.bench.race import Call
from harness.convs import ALGORITHMS
from harness.convs.fold import fold_finishes
from harness.convs.geometry import channels_last
from harness.convs.swap import swap
from harness.errors import UserError
from harness.malloc import give_back_freed_memory

CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class ModelsAsked(Asked):
    """Which networks to time; `direction` is "forward" or "step"."""

    subjects: Sequence[Subject]
    direction: str = "forward"


@dataclass(frozen=True, kw_only=True)
class Swapped:
    """A network with the algorithm under it, or why it is not timed; and what was replaced."""

    network: nn.Module | None
    about: Row
    reason: str | None


def bench_models(asked: ModelsAsked, progress: Progress) -> list[Row]:
    """A row for each network and variant; UserError for what this machine cannot hold."""
    for subject in asked.subjects:
        values = asked.batch * values_of(subject.build, subject.size)
        must_fit(f"{subject.name} --batch {asked.batch}", values)
    rows: list[Row] = []
    total = len(asked.subjects)
    with bench(asked.threads) as how:
        about: Row = how.facts()
        for done, subject in enumerate(asked.subjects):
            progress(done, total, "networks")
            rows += [about | row for row in _rows(subject, asked, how)]
    progress(total, total, "networks")
    return rows


def _rows(subject: Subject, asked: ModelsAsked, how: Bench) -> list[Row]:
    swaps, raced, missing, used = _raced(subject, asked, how)
    common: Row = {
        "network": subject.name,
        "direction": asked.direction,
        "batch": asked.batch,
        "memory_format": "channels_last",
        **work_of(subject.build, subject.size),
        "unavailable": "; ".join(f"{name}: {why}" for name, why in missing.items()),
        **raced.facts(),
    }
    if asked.memory:
        eager = isolated(memory_of, subject, asked, None)
        common |= {f"baseline_{key}": value for key, value in eager.items()}
    rows = []
    for variant in asked.variants:
        label, s = variant.label, swaps[variant.label]
        row = common | s.about | raced.row(label, s.reason)
        ms, spent = row["ms"], used.get(label)
        row["samples_per_second"] = 1000 * asked.batch / float(ms) if ms else None
        row["energy_j"] = spent.joules if spent else None
        row["energy_source"] = spent.source if spent else None
        if asked.memory and s.network is not None:
            row |= isolated(memory_of, subject, asked, variant)
        rows.append(row)
    return rows


def _raced(
    subject: Subject, asked: ModelsAsked, how: Bench
) -> tuple[dict[str, Swapped], Contest, dict[str, str], dict[str, Energy]]:
    """Ours by label, their race, why a path is missing, the energy of one call of each of ours."""
    torch.manual_seed(0)
    forward = asked.direction == "forward"
    original, x = subject.build(), torch.randn(asked.batch, *subject.size)
    base, unfolded = folded(original, x) if forward else (original.train(), None)
    last = _last_input(x)
    example = last if forward and unfolded is None else None
    swaps = {v.label: swapped(base, v, subject, example) for v in asked.variants}
    missing: dict[str, str] = {} if unfolded is None else {"batch norm folding": unfolded}
    with torch.set_grad_enabled(not forward):
        paths = _paths(base, subject, asked, x)
        if example is not None:
            packed = fold_finishes(_last(base, subject), example)
            paths["channels_last packed"] = _call(packed, last, asked)
        if asked.compiled and forward:
            paths |= _frozen(original, subject, x, missing)
        ours = {
            label: _call(s.network, last, asked)
            for label, s in swaps.items()
            if s.network is not None
        }
        wrong = differing(paths["contiguous"], paths | ours)
        missing |= {name: why for name, why in wrong.items() if name in paths}
        for label in wrong.keys() & swaps.keys():
            swaps[label] = replace(swaps[label], network=None, reason=wrong[label])
        paths, ours = (
            {name: call for name, call in calls.items() if name not in wrong}
            for calls in (paths, ours)
        )
        raced = contest({asked.direction: paths}, ours, how, asked.seconds)
        return swaps, raced, missing, {label: energy(call, CPU) for label, call in ours.items()}


def _paths(base: nn.Module, subject: Subject, asked: ModelsAsked, x: Tensor) -> dict[str, Call]:
    """Eager, in both layouts, and on oneDNN alone."""
    last, moved = _last_input(x), _last(base, subject)
    return {
        "contiguous": _call(deepcopy(base), x, asked),
        "channels_last": _call(moved, last, asked),
        "channels_last onednn": _call(by_onednn(moved), last, asked),
    }


def _frozen(
    original: nn.Module, subject: Subject, x: Tensor, missing: dict[str, str]
) -> dict[str, Call]:
    """By inductor, in both layouts; what does not compile is `missing`."""
    calls = {}
    for name, network, batch in (
        ("contiguous frozen", original, x),
        ("channels_last frozen", _last(original, subject), _last_input(x)),
    ):
        try:
            calls[name] = frozen(network, batch)
        except UserError as error:
            missing[name] = str(error)
    return calls


def swapped(base: nn.Module, variant: Variant, subject: Subject, example: Tensor | None) -> Swapped:
    """A copy of `base`, channels last, computed by the variant; a fallback is not timed as ours.

    With an example of its input, what follows a convolution is folded into it, for inference.
    """
    network = _last(base, subject)
    kernel = str(ALGORITHMS[variant.algorithm](**variant.options).kernel)
    about: Row = {"algorithm": variant.algorithm, "variant": variant.label, "kernel": kernel}
    if kernel == "fallback":
        reason = "no native kernel here: PyTorch's own convolution stands in"
        return Swapped(network=None, about=about, reason=reason)
    choice = variant.algorithm, variant.options
    try:
        report = swap(network, subject.size, name=subject.name, algorithm=choice)
        network = network if example is None else fold_finishes(network, example)
    except UserError as error:
        return Swapped(network=None, about=about, reason=str(error))
    about |= {
        "layers": report.layers,
        "replaced": report.computed,
        "share": report.share_algorithm,
    }
    return Swapped(network=network, about=about, reason=None)


def _last(network: nn.Module, subject: Subject) -> nn.Module:
    """A copy in channels-last layout."""
    moved: Any = deepcopy(network).to(memory_format=channels_last(len(subject.size) - 1))
    assert isinstance(moved, nn.Module)
    return moved


def _last_input(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=channels_last(x.dim() - 2))


def _call(network: nn.Module, x: Tensor, asked: ModelsAsked) -> Call:
    if asked.direction == "forward":
        return partial(network.eval(), x)
    network.train()

    def step() -> Tensor:
        network.zero_grad(set_to_none=True)
        y: Tensor = network(x)
        y.square().mean().backward()
        return y

    return step


def memory_of(subject: Subject, asked: ModelsAsked, variant: Variant | None) -> Row:
    """Of one call, by eager PyTorch without a variant, channels last; in MB of 10^6 bytes: the
    peak of the process, and what the call added to it.
    """
    give_back_freed_memory()
    torch.set_num_threads(asked.threads)
    forward = asked.direction == "forward"
    x, network = torch.randn(asked.batch, *subject.size), subject.build()
    network = _last(folded(network, x[:1])[0] if forward else network, subject)
    if variant is not None:
        choice = variant.algorithm, variant.options
        swap(network, subject.size, name=subject.name, algorithm=choice)
    call = _call(network, _last_input(x), asked)
    with torch.set_grad_enabled(not forward):
        extra = extra_mb(call)
    return {"memory_mb_peak": peak_mb(), "memory_mb_extra": extra}
