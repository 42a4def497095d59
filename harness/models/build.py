"""A model from names: backbones, convolutions and fusion are looked up in their tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.backbones import BACKBONES
from harness.convs.swap import STANDARD, Choice, SwapReport, dry_run, swap
from harness.errors import UserError
from harness.fusion import FUSIONS
from harness.models.heads import Head
from harness.models.inputs import INPUTS, Input, example
from harness.models.two_stream import Stream, TwoStream
from harness.registry import hint


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
    head: Mapping[str, Any],
    classes: int,
    frames: int,
    size: tuple[int, int],
    bound: float,
) -> TwoStream:
    """The model for windows of `frames` frames of `size` (height, width) pixels.

    `bound` is the displacement, in pixels, that raw flow is quantised to. A stream alone is a
    model: `fusion` is then ignored. UserError if there is no stream, if a backbone does not take
    its input, or if the parts do not fit together.
    """
    given = {"spatial": spatial, "temporal": temporal}
    specs = {name: spec for name, spec in given.items() if spec is not None}
    if not specs:
        raise UserError("a model needs a spatial stream, a temporal stream or both")
    inputs = {name: _input(name, spec) for name, spec in specs.items()}
    backbones, reports = {}, {}
    for name, spec in specs.items():
        backbones[name], reports[name] = _backbone(spec, inputs[name], frames, size)
    widths = {name: (net.out_channels, inputs[name].dimensions) for name, net in backbones.items()}
    fused = None
    if len(specs) == 2:
        fused = _fusion(fusion, *widths.values())
        if fused.LEVEL == "map":
            widths = {"fused": (fused.out_channels, min(i.dimensions for i in inputs.values()))}

    model = TwoStream(
        {name: Stream(net, inputs[name], bound=bound) for name, net in backbones.items()},
        fused,
        {name: Head(channels, classes, d, **head) for name, (channels, d) in widths.items()},
        modalities=_modalities(inputs, frames),
        reports=reports,
    )
    dry_run(model, example(model.modalities, size, device="meta"))
    return model


def _input(name: str, spec: StreamSpec) -> Input:
    if spec.input not in INPUTS:
        raise UserError(f"{name} stream: no input named {spec.input!r}; {hint(spec.input, INPUTS)}")
    kind, backbone = INPUTS[spec.input], spec.backbone[0]
    dimensions = BACKBONES[backbone].DIMENSIONS
    if kind.dimensions != dimensions:
        fit = ", ".join(name for name, i in INPUTS.items() if i.dimensions == dimensions)
        raise UserError(
            f"{name} stream: backbone {backbone!r} is {dimensions}-D and does not take "
            f"{spec.input!r}; inputs that fit: {fit}"
        )
    return kind


def _backbone(
    spec: StreamSpec, kind: Input, frames: int, size: tuple[int, int]
) -> tuple[Any, SwapReport]:
    name, options = spec.backbone
    network = BACKBONES[name](kind.channels(frames), **options)
    example_size = kind.size(frames, size)
    convs = {"operator": spec.operator, "algorithm": spec.algorithm}
    return network, swap(network, example_size, name=name, **convs)


def _fusion(fusion: Choice, spatial: tuple[int, int], temporal: tuple[int, int]) -> Any:
    name, options = fusion
    kind = FUSIONS[name]
    if kind.LEVEL == "scores":
        return kind(**options)
    (channels_s, dimensions_s), (channels_t, dimensions_t) = spatial, temporal
    return kind(channels_s, channels_t, min(dimensions_s, dimensions_t), **options)


def _modalities(inputs: Mapping[str, Input], frames: int) -> dict[str, int]:
    """The raw frames that each modality needs: those of its most demanding stream."""
    needs: dict[str, int] = {}
    for kind in inputs.values():
        needs[kind.modality] = max(needs.get(kind.modality, 0), kind.raw_frames(frames))
    return needs
