"""Convolutions on two axes: which function (operator), and how it is computed (algorithm).

Contract. An entry is a class `C(*, options)` whose instances have

- `refuses(conv) -> str | None`: why this `nn.Conv2d` or `nn.Conv3d` is left as it is, or None;
- `replace(conv) -> nn.Module`: the module that takes the place of one that is not refused, on its
  device, in its dtype and training mode, with an output of the same size.

One that has to know more than the convolution may have `survey(network, size) -> None` too: it is
called once, before the others, with the whole network and the size of one of its inputs. And it may
have `finish(network) -> str | None`, called once after the others, which may change what stands
between the convolutions and says why this network does not suit it, or None.

An *operator* is another function: it has parameters of its own and is built, from the geometry
that it replaces, out of ordinary convolutions, so that an algorithm can compute them in turn. What
in it is no convolution stays as it is, and counts in the share of work that the algorithm has not.
A module of an operator may have `initialise_from(x) -> None`, called once before a training that
starts anew, with what the module sees in the first batches: see harness.train.initialise. One that
multiplies two values beside what its convolutions do may have `multiplications_beside(y) -> int`:
how often in the call that gave y. Where one does not say, what a network multiplies is unknown.
An *algorithm* gives a subclass of `nn.Conv2d` or `nn.Conv3d` that shares the parameters of the
convolution it replaces, so a checkpoint moves between algorithms. Its attribute `kernel` says what
it runs on here: "torch", "native" code of this project, a "reference" in plain PyTorch that claims
no speed, or a "fallback" where native code cannot run and PyTorch's own convolution stands in.
Native code runs on CPUs: on another device such an algorithm is its reference.
Its modules may have `choices`, a set of words: how they have computed so far, where that is chosen
only then. Records count them.
`standard` leaves all as it is.
"""

from harness.registry import Registry

OPERATORS = Registry(
    "operator",
    standard="harness.convs.standard:Standard",
    r2plus1d="harness.convs.operators.r2plus1d:R2Plus1d",
    fast3d="harness.convs.operators.fast3d:Fast3d",
    fast3d_parallel="harness.convs.operators.fast3d_parallel:Fast3dParallel",
    interleaved="harness.convs.operators.interleaved:Interleaved",
    hyper="harness.convs.operators.hyper:Hyper",
    kernel="harness.convs.operators.kernel:KernelMap",
    local="harness.convs.operators.local:Local",
    depthwise_separable="harness.convs.operators.depthwise_separable:DepthwiseSeparable",
    grouped="harness.convs.operators.grouped:Grouped",
    volterra="harness.convs.operators.volterra:Volterra",
    group_p4="harness.convs.operators.group:GroupP4",
    group_p4m="harness.convs.operators.group:GroupP4m",
)

ALGORITHMS = Registry(
    "algorithm",
    standard="harness.convs.standard:Standard",
    fft="harness.convs.algorithms.fft:Fft",
    im2col="harness.convs.algorithms.im2col:Im2col",
    ilpm="harness.convs.algorithms.ilpm:Ilpm",
    winograd="harness.convs.algorithms.winograd:Winograd@2",
)
