"""Backbones: a batch of images or clips -> its last feature map.

Contract. An entry is a class `B(in_channels, *, options)`, an `nn.Module` with

- `DIMENSIONS`, known without building it: 2 (frames are images) or 3 (clips);
- `out_channels`; it maps (batch, in_channels, [frames,] height, width) to
  (batch, out_channels, [frames',] height', width') with non-negative values: it ends in a ReLU.

It is built of ordinary `nn.Conv2d` or `nn.Conv3d` only: how they are computed is not its business.
"""

from harness.registry import Registry

BACKBONES = Registry(
    "backbone",
    tiny2d="harness.backbones.tiny:Tiny2d",
    tiny3d="harness.backbones.tiny:Tiny3d",
    resnet18="harness.backbones.resnet:ResNet18",
    resnet50="harness.backbones.resnet:ResNet50",
    r3d_18="harness.backbones.video_resnet:R3d18",
)
