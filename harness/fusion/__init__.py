"""Fusions: where and how the two streams become one.

Contract. An entry is a class with `LEVEL`, "scores" or "map".

- "scores": `f(*, options)`; `forward(spatial, temporal)` takes two (batch, classes) logits and
  returns (batch, classes) log-scores, whose softmax is the prediction. Its streams are trained
  separately unless told otherwise.
- "map": `f(spatial_channels, temporal_channels, dimensions, *, options)`, `dimensions` being 2 or
  3; the module has `out_channels`; `forward(spatial, temporal)` takes two non-negative feature maps
  of equal size, (batch, channels, [frames,] height, width), and returns one of that size.
"""

from harness.registry import Registry

FUSIONS = Registry(
    "fusion",
    average="harness.fusion.average:Average",
    sum="harness.fusion.sum:Sum",
    max="harness.fusion.max:Max",
    concat="harness.fusion.concat:Concat",
    conv="harness.fusion.conv:ConvFusion",
)
