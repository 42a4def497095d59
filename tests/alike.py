"""Two computations of one convolution, held against each other."""

import torch


def same_with_gradients(ours, theirs, inputs, tolerance):
    """Outputs and their gradients for all `inputs`, with any gradient of the output, likewise."""
    weights = torch.randn_like(theirs)
    pairs = [
        (ours, theirs),
        *zip(*(torch.autograd.grad(y, inputs, weights) for y in (ours, theirs)), strict=True),
    ]
    for our, their in pairs:
        torch.testing.assert_close(our, their, rtol=0, atol=tolerance)


def never_in_half_precision(new, x, dtype):
    """Autocast changes nothing; an input in `dtype` is computed in float32 and rounded once."""
    with torch.autocast("cpu", dtype=dtype):
        under, rounded = new(x), new(x.to(dtype))
    torch.testing.assert_close(under, new(x), rtol=0, atol=0)
    torch.testing.assert_close(rounded, new(x.to(dtype).float()).to(dtype), rtol=0, atol=0)
