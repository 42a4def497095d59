"""Whether tensors are what they seem: values that code outside of PyTorch may read now."""

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.utils._python_dispatch import _get_current_dispatch_mode


def is_eager(*tensors: Tensor | None) -> bool:
    """Whether nobody records, transforms or compiles what is done with them.

    Native code is invisible to tracing (`torch.jit.trace`, `make_fx`), fake tensors, torch.func,
    forward-mode differentiation, torch.compile and subclasses of tensors. Ordinary gradients are
    not meant: a `torch.autograd.Function` gives them.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return False
    return (
        all(t is None or type(t) in (Tensor, nn.Parameter) for t in tensors)
        and _get_current_dispatch_mode() is None
        and torch._C._functorch.peek_interpreter_stack() is None
        and forward_ad._current_level < 0
    )
