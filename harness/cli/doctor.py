"""`harness doctor`: what works on this machine."""

from harness.cli import options as o


def command(
    data: o.Data = None,
    cache: o.Cache = o.CACHE_DEFAULT,
    runs: o.Runs = o.RUNS_DEFAULT,
    format: o.Format = None,
    output: o.Output = None,
) -> None:
    """Check decoders, disk, locks, threads, versions, native kernels and W&B; say what to do.

    Example: `harness doctor --format json -o doctor.json`
    """
    from harness.cli.output import check_format, emit
    from harness.doctor import examine

    check_format(format)
    emit(examine(o.places(data, cache, runs)), format, output)
