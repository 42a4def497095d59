"""`harness data list`: a line for each clip."""

from harness.cli import options as o


def command(
    dataset: o.Dataset,
    set_: o.Set = None,
    where: o.Where = None,
    data: o.Data = None,
    cache: o.Cache = o.CACHE_DEFAULT,
    format: o.Format = None,
    output: o.Output = None,
) -> None:
    """List the clips: what `prepare` found in each, or what the annotations say before that.

    Example: `harness data list moving_shapes --where subset=test --format csv`
    """
    from harness.cli.output import check_format, emit
    from harness.preparation.sections import data_sections
    from harness.report.manifest import clips_table

    check_format(format)
    conditions = o.conditions(where, "subset=test")
    places = o.places(data, cache)
    sections = data_sections(dataset, set_ or [], places)
    rows = [row for section in sections for row in section.rows(places)]
    emit(clips_table(rows, conditions), format, output)
