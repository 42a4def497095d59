"""Backbones: a batch of images or clips -> its last feature map.

Contract. An entry is a callable `f(in_channels, *, options) -> nn.Module`; the module has
`out_channels`, maps (batch, in_channels, [frames,] height, width) to
(batch, out_channels, [frames',] height', width') with non-negative values (it ends in a ReLU),
and is built of ordinary `nn.Conv2d` or `nn.Conv3d` only: how they are computed is not its business.
`DIMENSIONS` of the callable is 2 (frames are images) or 3 (clips).
"""

from harness.registry import Registry

BACKBONES = Registry(
    "backbone",
    tiny2d="harness.backbones.tiny:tiny2d",
    tiny3d="harness.backbones.tiny:tiny3d",
    resnet18="harness.backbones.resnet:resnet18",
    resnet50="harness.backbones.resnet:resnet50",
    r3d_18="harness.backbones.video_resnet:r3d_18",
)
