"""From an experiment's model section to the network: the one place that reads both."""

from harness.config.experiment import Experiment, Stream
from harness.config.schema import Component
from harness.convs.swap import Choice
from harness.models.assembly import StreamSpec, two_stream
from harness.models.two_stream import TwoStream


def network_of(experiment: Experiment, classes: int, size: int) -> TwoStream:
    """The two-stream network for square inputs of `size` pixels; initialised by torch's seed."""
    model, data = experiment.model, experiment.data
    return two_stream(
        _spec(model.spatial),
        _spec(model.temporal),
        fusion=_choice(model.fusion),
        head={"dropout": model.head.dropout, "grid": model.head.grid},
        classes=classes,
        frames=data.clip.frames,
        size=size,
        bound=data.flow.bound,
    )


def _spec(stream: Stream | None) -> StreamSpec | None:
    if stream is None:
        return None
    return StreamSpec(
        backbone=_choice(stream.backbone),
        input=stream.input,
        operator=_choice(stream.conv.operator),
        algorithm=_choice(stream.conv.algorithm),
    )


def _choice(component: Component) -> Choice:
    return component.name, component.options
