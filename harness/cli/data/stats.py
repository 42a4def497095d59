"""`harness data stats`: classes, lengths and sizes."""

from harness.cli import options as o


def command(
    dataset: o.Dataset,
    set_: o.Set = None,
    data: o.Data = None,
    cache: o.Cache = o.CACHE_DEFAULT,
    format: o.Format = None,
    output: o.Output = None,
) -> None:
    """Count clips by class and subset, with their lengths, sizes and rates once prepared.

    Example: `harness data stats moving_shapes --set task=bind`
    """
    from harness.cli.output import check_format, emit
    from harness.preparation.sections import data_sections
    from harness.report.manifest import stats_table

    check_format(format)
    places = o.places(data, cache)
    sections = data_sections(dataset, set_ or [], places)
    emit(stats_table([row for s in sections for row in s.rows(places)]), format, output)
