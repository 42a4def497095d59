"""The networks that `harness bench models` times, with random weights: nothing is downloaded.

torchvision's ResNet-18 and R3D-18, the latter also under operators that make it another network,
and the streams of an experiment file.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn

from harness.bench.alike import differing
from harness.bench.cost import directly
from harness.config.experiment import Experiment, load_experiment
from harness.config.options import check_options
from harness.convs.fold import fold_norms
from harness.convs.swap import swap
from harness.errors import UserError
from harness.models.build import network_of
from harness.models.two_stream import Stream
from harness.registry import hint

IMAGE, CLIP = (3, 224, 224), (3, 16, 112, 112)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A network: how it is built anew, and the size of one input without its batch."""

    name: str
    size: tuple[int, ...]
    build: Callable[[], nn.Module]


def _resnet18() -> nn.Module:
    network: nn.Module = torchvision.models.resnet18(weights=None)
    return network


def _r3d_18(operator: str) -> nn.Module:
    network: nn.Module = torchvision.models.video.r3d_18(weights=None)
    swap(network, CLIP, name="r3d_18", operator=(operator, {}))
    return network


SUBJECTS = {
    subject.name: subject
    for subject in (
        Subject(name="resnet18", size=IMAGE, build=_resnet18),
        Subject(name="r3d_18", size=CLIP, build=partial(_r3d_18, "standard")),
        Subject(name="r3d_18_fast3d", size=CLIP, build=partial(_r3d_18, "fast3d")),
        Subject(name="r3d_18_r2plus1d", size=CLIP, build=partial(_r3d_18, "r2plus1d")),
    )
}


def subjects_of(text: str) -> list[Subject]:
    """A network by name, or the streams of an experiment file; UserError otherwise."""
    if text in SUBJECTS:
        return [SUBJECTS[text]]
    if Path(text).suffix not in (".yaml", ".yml"):
        raise UserError(f"bench models {text!r}: {hint(text, [*SUBJECTS, 'experiment.yaml'])}")
    experiment, document = load_experiment(Path(text))
    check_options(experiment, document)
    model = experiment.model
    streams = {"spatial": model.spatial, "temporal": model.temporal}
    return [
        _subject(experiment, name, f"{Path(text).stem} {name}")
        for name, stream in streams.items()
        if stream is not None
    ]


def _subject(experiment: Experiment, stream: str, name: str) -> Subject:
    with torch.device("meta"):
        part = network_of(directly(experiment), classes=2, size=_side(experiment)).streams[stream]
    side = _side(experiment)
    assert isinstance(part, Stream)
    return Subject(
        name=name,
        size=part.input.size(experiment.data.clip.frames, (side, side)),
        build=partial(_backbone, experiment, stream),
    )


def _backbone(experiment: Experiment, stream: str) -> nn.Module:
    network = network_of(directly(experiment), classes=2, size=_side(experiment))
    backbone = network.streams[stream].backbone
    assert isinstance(backbone, nn.Module)
    return backbone.to(memory_format=torch.contiguous_format)  # each path lays it out as it likes


def _side(experiment: Experiment) -> int:
    return experiment.data.clip.crop or experiment.data.resize or 64


def folded(network: nn.Module, example: Tensor) -> tuple[nn.Module, str | None]:
    """A copy for inference with batch normalisation folded into the convolutions before it, or a
    plain copy and why not.
    """
    plain = deepcopy(network).eval()
    try:
        result = fold_norms(network)
    except UserError as error:
        return plain, str(error)
    with torch.no_grad():  # torch.fx takes += for a sum that changes nothing in place
        wrong = differing(partial(plain, example), {"folded": partial(result, example)})
    return (plain, wrong["folded"]) if wrong else (result, None)
