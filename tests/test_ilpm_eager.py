"""ILP-M where its native code has to step back: what is traced or transformed, views, no memory."""

import subprocess
import sys
import warnings

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.testing import assert_close
from winograd_cases import needs_native

from harness.convs.algorithms.ilpm import Ilpm


@pytest.fixture(params=[nn.Conv2d, nn.Conv3d], ids=["2d", "3d"])
def case(request):
    """A convolution, the same by ILP-M, and an input."""
    conv = request.param(3, 4, 3, padding=1).eval()
    return conv, Ilpm().replace(conv), torch.randn(2, 3, *[5] * (conv.weight.dim() - 2))


def test_views_that_stand_for_their_negative(case):
    conv, new, x = case
    conv.weight = new.weight = nn.Parameter(torch._neg_view(torch.randn_like(conv.weight)))
    conv.bias = new.bias = nn.Parameter(torch._neg_view(torch.randn(4)))
    imaginary = torch.complex(x, x).conj().imag
    for negated in (torch._neg_view(x), imaginary):
        assert negated.is_neg()
        assert_close(new(negated), conv(negated), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_fake_tensors(case):
    with FakeTensorMode() as mode:
        new, x = case[1], mode.from_tensor(case[2])
        fake = {name: mode.from_tensor(tensor) for name, tensor in new.named_parameters()}
        y = torch.func.functional_call(new, fake, (x,))
    assert y.shape == (2, 4, *x.shape[2:])


@torch.no_grad()
def test_traces(case, unchecked):
    conv, new, x = case
    other = torch.randn_like(x)
    assert_close(make_fx(new)(x)(other), conv(other), rtol=1e-5, atol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that tracing is out of fashion, and sees constants
        traced = torch.jit.trace(new, x)
    assert_close(traced(other), conv(other), rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")  # torch's own, in jvp
def test_function_transforms(case):
    conv, new, x = case

    def loss(module):
        return lambda x, parameters: (
            torch.func.functional_call(module, parameters, (x,)).square().sum()
        )

    parameters = {name: p.detach() for name, p in conv.named_parameters()}
    two = {name: torch.stack([p, -p]) for name, p in parameters.items()}
    for transform in (
        lambda f: torch.func.grad(f, argnums=(0, 1))(x, parameters),
        lambda f: torch.func.jvp(lambda x: f(x, parameters), (x,), (x,)),
        lambda f: torch.vmap(f, (None, 0))(x, two),
    ):
        assert_close(transform(loss(new)), transform(loss(conv)), rtol=1e-4, atol=1e-4)


def test_defaults_of_another_place_or_precision(case):
    conv, new, x = case
    expected = conv(x)
    with torch.device("meta"):
        assert_close(new(x), expected, rtol=1e-5, atol=1e-5)
    torch.set_default_dtype(torch.float64)
    try:
        assert_close(new(x), expected, rtol=1e-5, atol=1e-5)
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_weight_of_another_shape(case):
    _, new, x = case
    new.weight = nn.Parameter(torch.randn(4, 300, *new.kernel_size))
    with pytest.raises(ValueError, match=r"^expected a weight of \(4, 3, 3, .*, got \(4, 300, "):
        new(x)


@needs_native
def test_memory_that_there_is_not_is_an_error(monkeypatch):
    """In a thread of the pool too, where an exception would end the process."""
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")  # no thread has address space in store
    program = """
import os, resource, torch
from harness.convs.native.ilpm import Direct
from harness.convs.native.library import library
direct = Direct(library=library(), stride=[1, 1], padding=[0, 0], dilation=[1, 1])
def convolve(x, weight, packed):
    return direct.convolve(x, weight, packed, None, [1, 62])
cases = []
for channels in (2, 2**14):
    weight = torch.randn(64, channels, 3, 3)
    cases.append((torch.randn(1, channels, 3, 64), weight, direct.pack(weight)))
torch.set_num_threads(2)
convolve(*cases[0])  # starts the other thread
used = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
resource.setrlimit(resource.RLIMIT_AS, (used + 3 * 2**19,) * 2)
try:
    convolve(*cases[1])
except (MemoryError, RuntimeError) as error:
    print(type(error).__name__)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=200, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "MemoryError"), done.stderr


def test_compiles_whole_with_gradients():
    """In a process without the type checks of tests, which are not to be compiled."""
    program = """
import torch
from torch import nn
from harness.convs.algorithms.ilpm import Ilpm
conv = nn.Conv2d(3, 4, 3, padding=1)
compiled = torch.compile(Ilpm().replace(conv), backend="aot_eager", fullgraph=True)
for batch in (2, 3):
    x = torch.randn(batch, 3, 6, 6, requires_grad=True)
    inputs = [x, *conv.parameters()]
    ours, theirs = compiled(x), conv(x)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    grads = [torch.autograd.grad(y.square().sum(), inputs) for y in (ours, theirs)]
    torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-4)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
