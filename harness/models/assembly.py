"""From names to a network: looks up, builds, swaps convolutions, refuses what does not fit."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import nn

from harness.backbones import BACKBONES
from harness.convs.swap import STANDARD, Choice, SwapReport, swap
from harness.errors import UserError
from harness.fusion import FUSIONS
from harness.models.heads import Head
from harness.models.inputs import INPUTS
from harness.models.two_stream import Stream, TwoStream


@dataclass(frozen=True, kw_only=True)
class StreamSpec:
    """What a stream is built from: names in the tables, with their options."""

    backbone: Choice
    input: str
    operator: Choice = STANDARD
    algorithm: Choice = STANDARD


def two_stream(
    spatial: StreamSpec | None,
    temporal: StreamSpec | None,
    *,
    fusion: Choice,
    head: dict[str, Any],
    classes: int,
    frames: int,
    size: int,
    bound: float,
) -> TwoStream:
    """Build the streams there are; with one of them, `fusion` has nothing to do.

    `frames` is the length of a window, `size` the side of an image in pixels, `bound` the largest
    displacement of the flow in pixels. Raises UserError for a backbone that cannot take its input,
    an operator or algorithm that replaces nothing, and maps that the fusion cannot join.
    """
    specs = {"spatial": spatial, "temporal": temporal}
    given = {name: spec for name, spec in specs.items() if spec is not None}
    if not given:
        raise UserError("model: needs at least one stream: spatial, temporal or both")
    streams: dict[str, Stream] = {}
    reports: dict[str, SwapReport] = {}
    for name, spec in given.items():
        streams[name], reports[name] = _stream(name, spec, frames, size, bound)
    with _noted("model.fusion"):
        joined = _fusion(fusion, streams) if len(streams) > 1 else None
    modalities: dict[str, int] = {}
    for stream in streams.values():
        kind = stream.input
        most = max(modalities.get(kind.modality, 0), kind.raw_frames(frames))
        modalities[kind.modality] = most
    with _noted("model.head"):
        heads = _heads(joined, streams, head, classes)
    return TwoStream(
        streams, joined, heads, classes=classes, modalities=modalities, reports=reports
    )


def _stream(
    name: str, spec: StreamSpec, frames: int, size: int, bound: float
) -> tuple[Stream, SwapReport]:
    backbone_name, options = spec.backbone
    kind, backbone = INPUTS[spec.input], BACKBONES[backbone_name]
    if kind.dimensions != backbone.DIMENSIONS:
        fit = [n for n, input in INPUTS.items() if input.dimensions == backbone.DIMENSIONS]
        raise UserError(
            f"model.{name}.input: {spec.input!r} does not go with the {backbone.DIMENSIONS}-D "
            f"backbone {backbone_name!r}; it takes {' or '.join(fit)}"
        )
    with _noted(f"model.{name}.backbone"):
        network = backbone(kind.channels(frames), **options)
    with _noted(f"model.{name}.conv"):
        report = swap(
            network,
            kind.size(frames, (size, size)),
            name=backbone_name,
            operator=spec.operator,
            algorithm=spec.algorithm,
        )
    return Stream(network, kind, bound=bound), report


@contextmanager
def _noted(section: str) -> Iterator[None]:
    """Errors from within carry the section of an experiment that they come from, as a note."""
    try:
        yield
    except Exception as error:
        error.add_note(section)
        raise


def _fusion(choice: Choice, streams: Mapping[str, Stream]) -> nn.Module:
    name, options = choice
    fusion = FUSIONS[name]
    if fusion.LEVEL == "scores":
        return fusion(**options)
    both = streams["spatial"], streams["temporal"]
    channels = [stream.out_channels for stream in both]
    return fusion(*channels, min(stream.input.dimensions for stream in both), **options)


def _heads(
    fusion: Any, streams: Mapping[str, Stream], options: dict[str, Any], classes: int
) -> dict[str, Head]:
    """One a stream, or one for what a map fusion made of both."""
    if fusion is not None and fusion.LEVEL == "map":
        dimensions = min(stream.input.dimensions for stream in streams.values())
        return {"fused": Head(fusion.out_channels, classes, dimensions, **options)}
    return {
        name: Head(stream.out_channels, classes, stream.input.dimensions, **options)
        for name, stream in streams.items()
    }
