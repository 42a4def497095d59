"""Our side of a race: the algorithms of harness.convs, in the variants that are worth a row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from harness.config.options import bind
from harness.convs import ALGORITHMS
from harness.convs.geometry import Conv
from harness.convs.swap import Replacement


@dataclass(frozen=True, kw_only=True)
class Variant:
    """An algorithm with options, under the label that its rows carry."""

    label: str
    algorithm: str
    options: dict[str, Any] = field(default_factory=dict)


TILES = {"small tile": 2, "large tile": "auto"}


def variants_of(algorithm: str, options: Mapping[str, Any]) -> list[Variant]:
    """With no options, winograd by small and by large tiles and others as they are by default.

    UserError for what there is not, before anything is measured.
    """
    typed = bind(ALGORITHMS, algorithm, dict(options))
    kernel_of(ALGORITHMS[algorithm](**typed))
    if typed:
        label = ", ".join(f"{key}={value}" for key, value in typed.items())
        return [Variant(label=label, algorithm=algorithm, options=typed)]
    if algorithm == "winograd":
        return [
            Variant(label=label, algorithm=algorithm, options={"tile": tile})
            for label, tile in TILES.items()
        ]
    return [Variant(label="default", algorithm=algorithm)]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A variant on one layer: the module that computes it, or why there is none to time.

    `tile`: outputs ([frames,] rows, columns) of one tile, None for algorithms without tiles.
    """

    variant: Variant
    kernel: str
    tile: tuple[int, ...] | None
    module: nn.Module | None
    reason: str | None


def entry(variant: Variant, conv: Conv, shape: Sequence[int]) -> Entry:
    """`shape`: of the input batch. A fallback is PyTorch's own time, never ours."""
    method: Replacement = ALGORITHMS[variant.algorithm](**variant.options)
    reason = method.refuses(conv)
    module = None if reason else method.replace(conv)
    kernel = str(getattr(module, "kernel", None) or kernel_of(method))
    if kernel == "fallback":
        reason, module = "no native kernel here: PyTorch's own convolution stands in", None
    tile = None if module is None else tile_of(method, conv, shape)
    return Entry(variant=variant, kernel=kernel, tile=tile, module=module, reason=reason)


def kernel_of(method: Any) -> str:
    """What an algorithm runs on here; UserError if HARNESS_NATIVE asks for what there is not."""
    return str(getattr(method, "kernel", "torch"))


def tile_of(method: Any, conv: Conv, shape: Sequence[int]) -> tuple[int, ...] | None:
    """The tile for inputs of `shape`, which the method may choose; None without tiles."""
    return tuple(method.tile_of(conv, shape)) if hasattr(method, "tile_of") else None
