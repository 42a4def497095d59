"""Two streams, or one, from raw frames and flow to class scores.

References: Simonyan and Zisserman, "Two-Stream Convolutional Networks for Action Recognition in
Videos", NIPS 2014, https://arxiv.org/abs/1406.2199; Feichtenhofer, Pinz and Zisserman,
"Convolutional Two-Stream Network Fusion for Video Action Recognition", CVPR 2016,
https://arxiv.org/abs/1604.06573. Maps of different size are padded as in the latter's section 3.1.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from harness.convs.geometry import weights_channels_last
from harness.convs.swap import SwapReport
from harness.models.consensus import consensus
from harness.models.heads import Head
from harness.models.inputs import Input, to_input


class Stream(nn.Module):
    """A backbone and what it sees."""

    def __init__(self, backbone: Any, input: Input, *, bound: float) -> None:
        super().__init__()
        self.backbone, self.input, self.bound = backbone, input, bound
        self.out_channels: int = backbone.out_channels
        if input.dimensions == 2:
            weights_channels_last(backbone, axes=(2,))  # as `to_input` lays out images

    def forward(self, batch: Mapping[str, Tensor]) -> Float[Tensor, "samples channels *size"]:
        return self.backbone(to_input(batch[self.input.modality], self.input, self.bound))


class TwoStream(nn.Module):
    """Streams by name ("spatial", "temporal"), fused as scores, as maps, or not at all if alone.

    `modalities` tells how many raw frames a sample needs, by modality; `trains_separately` whether
    each stream learns from its own loss; `reports` what each of them really convolves with.
    """

    def __init__(
        self,
        streams: Mapping[str, Stream],
        fusion: nn.Module | None,
        heads: Mapping[str, Head],
        *,
        classes: int,
        modalities: Mapping[str, int],
        reports: Mapping[str, SwapReport],
    ) -> None:
        super().__init__()
        self.streams, self.heads = nn.ModuleDict(streams), nn.ModuleDict(heads)
        self.fusion = nn.Identity() if fusion is None else fusion
        self.level = getattr(fusion, "LEVEL", None)
        self.trains_separately = self.level == "scores"
        self.classes = classes
        self.modalities, self.reports = dict(modalities), dict(reports)

    @property
    def heads_reported(self) -> tuple[str, ...]:
        """The keys of what `forward` returns."""
        return ("fused", *self.heads) if self.level == "scores" else ("fused",)

    def forward(self, batch: Mapping[str, Tensor]) -> dict[str, Float[Tensor, "batch classes"]]:
        """Scores before the softmax: "fused", and one for each stream that has a head of its own.

        `batch` holds the raw modalities: (batch, segments, frames, height, width, 3 or 2) uint8.
        """
        segments = batch[next(iter(self.modalities))].shape[1]
        maps = {name: stream(batch) for name, stream in self.streams.items()}
        if self.level == "map":
            maps = {"fused": self.fusion(*aligned(maps["spatial"], maps["temporal"]))}
        scores = {name: consensus(self.heads[name](maps[name]), segments) for name in maps}
        if self.level == "scores":
            return {"fused": self.fusion(scores["spatial"], scores["temporal"]), **scores}
        return {"fused": next(iter(scores.values()))}


def aligned(
    spatial: Float[Tensor, "samples c_s *size_s"], temporal: Float[Tensor, "samples c_t *size_t"]
) -> tuple[Tensor, Tensor]:
    """Two maps of one size: clips averaged over frames if the other is an image, then zeros added.

    The smaller map is padded at the end of each axis, as in Feichtenhofer et al.
    """
    if spatial.dim() != temporal.dim():
        spatial, temporal = (x.mean(dim=2) if x.dim() == 5 else x for x in (spatial, temporal))
    size = [max(pair) for pair in zip(spatial.shape[2:], temporal.shape[2:], strict=True)]
    return _padded(spatial, size), _padded(temporal, size)


def _padded(x: Tensor, size: Sequence[int]) -> Tensor:
    missing = [want - have for want, have in zip(size, x.shape[2:], strict=True)]
    return F.pad(x, [n for axis in reversed(missing) for n in (0, axis)]) if any(missing) else x
