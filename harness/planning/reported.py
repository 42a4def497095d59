"""Whether trainings will have measured what a plan goes by, found out before any of them. No torch.

A stream has scores of its own where two of them meet as scores, and there are top-5 scores of more
than five classes.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.config.document import Document, Path_
from harness.config.experiment import Model
from harness.errors import Errors, UserError
from harness.fusion import FUSIONS
from harness.planning.metrics import STREAMS, stream_of
from harness.planning.space import Dimension, setting_of
from harness.planning.task import Task

FEWEST_CLASSES = 6  # for a top-5 score
# What in a space may decide which streams have scores of their own.
DECIDING = ("model", "model.fusion", "model.fusion.name", "model.spatial", "model.temporal")


def streams_reported(model: Model) -> tuple[str, ...]:
    """The streams with scores of their own, as `TwoStream.heads_reported` has them."""
    both = model.spatial is not None and model.temporal is not None
    level = FUSIONS.constant(model.fusion.name, "LEVEL") if both else None
    return STREAMS if level == "scores" else ()


def require_reported(
    goes_by: Mapping[str, Path_],
    tasks: Sequence[Task],
    space: Sequence[Dimension],
    document: Document,
    errors: Errors,
) -> None:
    """Metrics of one stream, by where they are asked for, held against every arm and choice."""
    named = {metric: path for metric, path in goes_by.items() if stream_of(metric)}
    for task in tasks if named else ():
        for made in _deciding(task, space):
            if streams_reported(made.experiment.model):
                continue
            for metric, path in named.items():
                errors.add(document.error(path, _unreported(metric, made)))


def require_classes(goes_by: Mapping[str, str], dataset: Any) -> None:
    """UserError with a line for each top-5 score, by where it is asked for, that there is none of.

    `goes_by` maps metrics to "file:line: key".
    """
    errors, classes = Errors(), len(dataset.classes)
    for metric, where in goes_by.items():
        if metric.endswith("/top5") and classes < FEWEST_CLASSES:
            told = f"{metric!r} needs more than five classes; {dataset.title} has"
            errors.add(UserError(f"{where}: {told} {classes}"))
    errors.tell()


def _deciding(task: Task, space: Sequence[Dimension]) -> Iterator[Task]:
    """A task with all combinations of choices that decide; its own values, where none is made.

    A combination that is no experiment is passed over: each choice was tried by itself before.
    """
    made = [task]
    for dimension in space:
        if dimension.key in DECIDING:
            setting = setting_of(dimension, space)
            chosen = [
                before.changed([*setting, (dimension.key, value)], dimension.where)
                for before in made
                for value in dimension.examples()
            ]
            made = [*made, *chosen] if dimension.when else chosen
    yield from (one for one in made if one.builds(Errors()))


def _unreported(metric: str, task: Task) -> str:
    model, subset = task.experiment.model, metric.partition("/")[0]
    there = f"{subset}/{metric.rpartition('/')[2]} is, of the network as a whole"
    for stream in STREAMS:
        if getattr(model, stream) is None:
            where = task.document.where(("model", stream))
            return f"{metric!r} is not measured without a {stream} stream ({where}); {there}"
    where = task.document.where(("model", "fusion", "name"))
    joins = f"fusion {model.fusion.name!r} joins the streams before they have scores ({where})"
    return f"{metric!r} is not measured: {joins}; {there}"
