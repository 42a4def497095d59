"""`harness bench convs`: single layers."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.cli import options as o
from harness.cli.bench import options as b

Layers = Annotated[
    list[str] | None,
    typer.Option(
        "--layers",
        metavar="LIST|SHAPE",
        help="resnet18, r3d18, or a shape: 64x56x56, 64x8x56x56, 64x8x56x56/3x1x1. Repeatable.",
    ),
]
Memory = Annotated[
    bool, typer.Option("--memory", help="Also memory above inputs and output, a process a number.")
]
Plot = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE.svg", help="Draw ratios and a roofline.")
]
DIRECTIONS: dict[str, tuple[Literal["forward", "backward"], ...]] = {
    "forward": ("forward",),
    "backward": ("backward",),
    "both": ("forward", "backward"),
}


def command(
    layers: Layers = None,
    batch: b.Batch = 1,
    threads: b.Threads = 1,
    direction: b.Direction = "forward",
    algorithm: b.Algorithm = "winograd",
    set_: b.Set = None,
    seconds: b.Seconds = 4.0,
    compile_: b.Compile = False,
    memory: Memory = False,
    plot: Plot = None,
    format: o.Format = None,
    output: o.Output = None,
) -> None:
    """Time layers: ours against eager in both memory layouts, prepacked, compiled and NNPACK.

    A ratio is the time of the fastest of these over ours. `backward` is a training step of the
    layer: forward and both gradients. Runs on the CPU. Winograd is timed with a small tile (2x2,
    2x2x2) and with a large one, or with the tile that `--set tile=4` gives.

    Examples: `harness bench convs --layers resnet18 --batch 8`,
    `harness bench convs --layers 64x8x56x56/3x1x1 --direction both --format json -o convs.json`
    """
    from harness.bench.convs import LayersAsked, bench_convs
    from harness.bench.layers import layers_of
    from harness.bench.ours import variants_of
    from harness.cli.display import display
    from harness.cli.output import check_format, check_output, emit
    from harness.report.speed import convs_table

    check_format(format)
    b.check_suffix(plot)
    check_output(output, plot)
    asked = LayersAsked(
        layers=[layer for text in layers or ["resnet18"] for layer in layers_of(text)],
        variants=variants_of(algorithm, b.options(set_)),
        directions=b.chosen(direction, DIRECTIONS),
        batch=batch,
        threads=threads,
        seconds=seconds,
        compiled=compile_,
        memory=memory,
    )
    with display() as shown:
        rows = bench_convs(asked, shown.preparing)
    emit(convs_table(rows), format, output)
    if plot is not None:
        from harness.report.speed_figure import draw

        b.write_plot(draw(rows), plot)
