"""`harness bench models`: whole networks."""

from typing import Annotated

import typer

from harness.cli import options as o
from harness.cli.bench import options as b

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME...]",
        help="resnet18, r3d_18, r3d_18_fast3d, r3d_18_r2plus1d [default: all four], or "
        "experiment files, whose streams are timed.",
    ),
]
Memory = Annotated[
    bool, typer.Option("--memory", help="Also peak memory, in processes of their own.")
]
DIRECTIONS = {"forward": "forward", "step": "step"}


def command(
    names: Names = None,
    batch: b.Batch = 1,
    threads: b.Threads = 1,
    direction: b.Direction = "forward",
    algorithm: b.Algorithm = "winograd",
    set_: b.Set = None,
    seconds: b.Seconds = 10.0,
    compile_: b.Compile = True,
    memory: Memory = False,
    format: o.Format = None,
    output: o.Output = None,
) -> None:
    """Time networks: with our algorithm swapped in, and as eager and inductor-frozen PyTorch.

    `forward` is inference with batch normalisation folded on both sides; `step` is forward and all
    gradients. Weights are random, nothing is downloaded. Runs on the CPU.

    Examples: `harness bench models resnet18 --batch 8`,
    `harness bench models experiments/moving_shapes/conv_fusion.yaml --direction step --format json`
    """
    from harness.bench.models import ModelsAsked, bench_models
    from harness.bench.networks import SUBJECTS, subjects_of
    from harness.bench.ours import variants_of
    from harness.cli.display import display
    from harness.cli.output import check_format, check_output, emit
    from harness.report.speed import models_table

    check_format(format)
    check_output(output)
    asked = ModelsAsked(
        subjects=[subject for name in names or SUBJECTS for subject in subjects_of(name)],
        variants=variants_of(algorithm, b.options(set_)),
        direction=b.chosen(direction, DIRECTIONS),
        batch=batch,
        threads=threads,
        seconds=seconds,
        compiled=compile_,
        memory=memory,
    )
    with display() as shown:
        rows = bench_models(asked, shown.preparing)
    emit(models_table(rows), format, output)
