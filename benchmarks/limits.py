"""What stands in the way of faster Winograd kernels: every step of a layer alone, at its best.

    python benchmarks/limits.py [--layers resnet18] [--batch 8] [--tile 4] [--format json]

Two races a layer, on one thread: PyTorch's paths and our layer, then its steps alone (one block of
tiles, as often as there are blocks, so that all that a step needs is near) and moving the maps once
by a copy. Two sums are set against PyTorch's fastest path:

- `alone`: the steps alone and the copy. What we lose between the steps is nothing there.
- `limit`: the same with the products at the rate of the best large matrix product of this run.

Images and kernels of 3 x 3 alone; a C++ compiler must be there.
"""

import argparse
import ctypes
import subprocess
import sys
from functools import partial
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from measure import machine, printed

from harness.bench import closed_form
from harness.bench.layers import Layer, layers_of
from harness.bench.machine import Bench, Load, bench
from harness.bench.paths import forward_paths
from harness.bench.peak import gemm_gflops
from harness.bench.race import Call, race
from harness.convs import ALGORITHMS
from harness.convs.algorithms import winograd_calls
from harness.convs.algorithms.winograd_layer import freeze
from harness.convs.geometry import Conv
from harness.convs.native.compiler import ARCHITECTURES, FLAGS, HERE, find_compiler
from harness.convs.native.library import instruction_set
from harness.convs.native.room import room
from harness.errors import UserError
from harness.report.formats import ColumnSpec, Table

STEPS = ("inputs", "products", "outputs")
Row = dict[str, Any]


def main() -> None:
    options = arguments()
    layers = layers_of(options.layers)
    if any(layer.kernel != (3, 3) for layer in layers):
        raise UserError(f"--layers {options.layers}: images and kernels of 3 x 3 alone")
    with bench(threads=1) as how, TemporaryDirectory() as folder, torch.no_grad():
        library = compiled(Path(folder))
        rows = [measured(layer, options, how, library) for layer in layers]
    report = {"machine": machine("torch"), "rows": rows, "means": means(rows)}
    printed(report, table([*rows, report["means"]]), options.format)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", default="resnet18", help="a list or a shape, as bench convs")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--tile", type=int, choices=(2, 4), default=4)
    parser.add_argument("--seconds", type=float, default=8, help="of each layer's race")
    parser.add_argument("--format", choices=("md", "json"), default="md")
    return parser.parse_args()


def compiled(folder: Path) -> ctypes.CDLL:
    """The steps, compiled as the kernels are; UserError where that cannot be."""
    compiler, instructions = find_compiler(), instruction_set()
    if compiler is None or instructions is None:
        raise UserError("needs a C++ compiler and a processor on which the kernels run")
    source, target = Path(__file__).with_suffix(".cpp"), folder / "limits.so"
    march = f"-march={ARCHITECTURES[instructions]}"
    command = [*compiler, *FLAGS, march, f"-I{HERE / 'src'}", "-shared", source, "-o", target]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(target))


def measured(layer: Layer, options: argparse.Namespace, how: Bench, library: ctypes.CDLL) -> Row:
    """Milliseconds of the fastest path of PyTorch, of ours, and of all parts; and the ratios."""
    torch.manual_seed(0)
    conv, x = layer.posed(options.batch)
    paths, _ = forward_paths(conv, x)
    ours = ALGORITHMS["winograd"](tile=options.tile).replace(conv).eval()
    freeze(ours)
    parts = steps(conv, x, options.tile, library)
    parts["maps"] = partial(torch.empty_like(x).copy_, x)
    peak = gemm_gflops(how.clock)
    ms: dict[str, float] = {}
    with Load() as load:
        for calls in ({**paths, "ours": partial(ours, x)}, parts):
            times = race(calls, how.clock, seconds=options.seconds / 2)
            ms |= {name: t.median for name, t in times.items()}
    best = min(paths, key=ms.__getitem__)
    macs = options.batch * closed_form.winograd(conv, layer.size, (options.tile, options.tile))
    beside = ms["inputs"] + ms["outputs"] + ms["maps"]
    at_peak = 2 * macs / peak / 1e6
    return {
        "layer": layer.name,
        "baseline": best,
        "baseline_ms": ms[best],
        "ours_ms": ms["ours"],
        **{f"{name}_ms": ms[name] for name in parts},
        "at_peak_ms": at_peak,
        "peak_gflops": peak,
        "load": load.others,
        "ours": ms[best] / ms["ours"],
        "alone": ms[best] / (beside + ms["products"]),
        "limit": ms[best] / (beside + at_peak),
    }


def steps(conv: Conv, x: torch.Tensor, tile: int, library: ctypes.CDLL) -> dict[str, Call]:
    """The three steps of the layer, on memory as large as the kernels' own."""
    padding, tiles = tuple(int(p) for p in conv.padding), (tile, tile)
    weight = conv.weight.detach()
    plan = winograd_calls.plan(x, weight, padding, tiles, backwards=False, kept=True)
    assert plan.call is not None
    _, shape, schedule, _ = plan.call.of_task
    of = (tile, shape, schedule)
    floats = (ctypes.c_int64 * 2)()
    library.limits_sizes(*of, floats)
    v, m, y = room(floats[0]).zero_(), room(floats[1]).zero_(), torch.zeros_like(x)
    u = winograd_calls.transform(x, weight, padding, tiles)
    memory = {"inputs": (x, v), "products": (v, u, m), "outputs": (m, y)}
    return {
        step: partial(_call, getattr(library, f"limits_{step}"), of, memory[step]) for step in STEPS
    }


def _call(function: Any, of: tuple[Any, ...], tensors: tuple[torch.Tensor, ...]) -> None:
    function(*of, *(ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors))


def means(rows: list[Row]) -> Row:
    """Geometric, of the ratios."""
    ratios = ("ours", "alone", "limit")
    return {
        "layer": "geometric mean",
        **{name: prod(row[name] for row in rows) ** (1 / len(rows)) for name in ratios},
    }


def table(rows: list[Row]) -> Table:
    columns = {
        "layer": "layer",
        "baseline": "fastest of PyTorch",
        "baseline_ms": "ms",
        "ours_ms": "ours, ms",
        **{f"{step}_ms": f"{step} alone" for step in STEPS},
        "at_peak_ms": "products at the peak",
        "maps_ms": "maps, copied",
        "ours": "ratio of ours",
        "alone": "of the steps alone",
        "limit": "limit",
    }
    keys = dict.fromkeys(columns)
    specs = tuple(ColumnSpec(key=key, title=title) for key, title in columns.items())
    return Table("", specs, [keys | row for row in rows])


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
