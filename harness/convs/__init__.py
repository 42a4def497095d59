"""Convolutions on two axes: which function (operator), and how it is computed (algorithm).

Contract. An entry is a class `C(*, options)` whose instances have

- `refuses(conv) -> str | None`: why this `nn.Conv2d` or `nn.Conv3d` is left as it is, or None;
- `replace(conv) -> nn.Module`: the module that takes the place of one that is not refused, on its
  device, in its dtype and training mode, with an output of the same size.

An *operator* is another function: it has parameters of its own and is built, from the geometry
that it replaces, out of ordinary convolutions, so that an algorithm can compute them in turn.
An *algorithm* gives a subclass of `nn.Conv2d` or `nn.Conv3d` that shares the parameters of the
convolution it replaces, so a checkpoint moves between algorithms. Its attribute `kernel` says what
it runs on here: "torch", "native" code of this project, a "reference" in plain PyTorch that claims
no speed, or a "fallback" where native code cannot run and PyTorch's own convolution stands in.
`standard` leaves all as it is.
"""

from harness.registry import Registry

OPERATORS = Registry(
    "operator",
    standard="harness.convs.standard:Standard",
    r2plus1d="harness.convs.operators.r2plus1d:R2Plus1d",
    fast3d="harness.convs.operators.fast3d:Fast3d",
)

ALGORITHMS = Registry(
    "algorithm",
    standard="harness.convs.standard:Standard",
    fft="harness.convs.algorithms.fft:Fft",
    im2col="harness.convs.algorithms.im2col:Im2col",
    ilpm="harness.convs.algorithms.ilpm:Ilpm",
    winograd="harness.convs.algorithms.winograd:Winograd",
)
