"""The Winograd modules: what they refuse, keep, save, and share with the rest of PyTorch."""

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torchvision.models import resnet18
from torchvision.models.video import r3d_18
from winograd_cases import needs_native

from harness.convs.algorithms import winograd_calls
from harness.convs.algorithms.winograd import Winograd
from harness.convs.algorithms.winograd_layer import WinogradConv2d, WinogradConv3d, _forward
from harness.convs.swap import swap
from harness.errors import UserError


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"kernel_size": 3, "stride": 2}, "stride (2, 2)"),
        ({"kernel_size": 3, "dilation": 2}, "dilation (2, 2)"),
        ({"kernel_size": 3, "groups": 2}, "groups 2"),
        ({"kernel_size": 3, "padding": 1, "padding_mode": "reflect"}, "padding mode 'reflect'"),
        ({"kernel_size": 3, "padding": 3}, "padding (3, 3)"),
        ({"kernel_size": (1, 3), "padding": 1}, "padding (1, 1)"),
        ({"kernel_size": 1}, "kernel (1, 1)"),
        ({"kernel_size": 2}, "kernel (2, 2)"),
        ({"kernel_size": (3, 5)}, "kernel (3, 5)"),
    ],
    ids=str,
)
def test_refuses_what_it_would_get_wrong(options, reason):
    assert Winograd().refuses(nn.Conv2d(4, 4, **options)) == reason


@pytest.mark.filterwarnings("ignore:Initializing zero-element")
def test_refuses_an_input_without_channels():
    """PyTorch gives no channels for it, whatever the layer says."""
    network = nn.Sequential(nn.Conv2d(0, 4, 3))
    for algorithm in ("winograd", "ilpm"):
        with pytest.raises(UserError, match="no channels$"):
            swap(network, (0, 8, 8), name="n", algorithm=(algorithm, {}))


def test_refuses_maps_that_are_too_small_to_gain():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3))
    report = swap(network, (3, 8, 8), name="n", algorithm=("winograd", {}))
    assert report.reasons == {"2": "winograd: a map of 2 x 2"}
    report = swap(network, (3, 8, 8), name="n", algorithm=("winograd", {"tile": 2}))
    assert report.reasons == {}


@pytest.mark.parametrize("kind", [WinogradConv2d, WinogradConv3d], ids=lambda kind: kind.__name__)
def test_shares_the_very_parameters(kind):
    conv = (nn.Conv2d if kind is WinogradConv2d else nn.Conv3d)(2, 3, 3).eval()
    new = Winograd().replace(conv)
    assert type(new) is kind
    assert new.weight is conv.weight
    assert new.bias is conv.bias
    assert not new.training


WRONG_INPUTS = {
    "too few channels": (torch.zeros(2, 3, 8, 8), "expected 64 channels and 2 axes"),
    "no channels": (torch.zeros(8, 8), r"got \(8, 8\)$"),
    "a clip": (torch.zeros(2, 64, 4, 8, 8), r"got \(2, 64, 4, 8, 8\)$"),
    "too small": (torch.zeros(2, 64, 0, 5), r"larger than the padded \(2, 7\)$"),
}


@needs_native
@pytest.mark.parametrize("wrong", WRONG_INPUTS)
@pytest.mark.parametrize("gradients", [False, True])
def test_a_wrong_input_is_an_error_of_one_line(wrong, gradients):
    new = Winograd().replace(nn.Conv2d(64, 8, 3, padding=1).requires_grad_(gradients)).eval()
    x, said = WRONG_INPUTS[wrong]
    with pytest.raises(ValueError, match=said):
        new(x)


WRONG_WEIGHTS = {
    "more channels than the input has": ("weight", torch.zeros(8, 640, 3, 3)),
    "fewer taps": ("weight", torch.zeros(8, 64, 1, 3)),
    "not in memory": ("weight", torch.zeros(8, 64, 3, 3, device="meta")),
    "a short bias": ("bias", torch.zeros(1)),
    "a bias that is not in memory": ("bias", torch.zeros(8, device="meta")),
}


@needs_native
@pytest.mark.parametrize("wrong", WRONG_WEIGHTS)
@pytest.mark.parametrize("gradients", [False, True])
def test_weights_that_are_not_there_are_an_error_and_not_read(wrong, gradients):
    name, values = WRONG_WEIGHTS[wrong]
    new, x = Winograd().replace(nn.Conv2d(64, 8, 3, padding=1)).eval(), torch.zeros(2, 64, 5, 5)
    setattr(new, name, nn.Parameter(values, requires_grad=gradients))
    with (
        torch.set_grad_enabled(gradients),
        pytest.raises(ValueError, match=f"^expected a {name} of "),
    ):
        new(x)


def test_integers_are_an_error():
    new = Winograd().replace(nn.Conv2d(2, 3, 3))
    with pytest.raises(TypeError, match=r"^expected floating-point numbers, got torch\.int64$"):
        _forward(new, torch.zeros(1, 2, 8, 8, dtype=torch.long), None)  # types are checked here


def test_a_residual_of_another_size_is_an_error():
    new = Winograd().replace(nn.Conv2d(3, 8, 3, padding=1))
    said = r"^expected a residual of \(2, 8, 6, 6\), got \(2, 8, 1, 1\)$"
    with pytest.raises(ValueError, match=said):
        new(torch.zeros(2, 3, 6, 6), torch.zeros(2, 8, 1, 1))


@pytest.mark.parametrize("gradients", [False, True])
def test_what_lies_in_memory_in_other_ways_is_read_as_it_is(gradients):
    conv = nn.Conv2d(4, 20, 3, padding=1)
    conv.weight = nn.Parameter(torch.randn(1, 4, 3, 3).expand(20, 4, 3, 3))
    conv.bias = nn.Parameter(torch.randn(60)[::3])
    new, x = Winograd().replace(conv).eval(), torch.randn(2, 4, 6, 6)
    negative = torch.complex(x, x).conj().imag  # a view that says it is -x
    with torch.set_grad_enabled(gradients):
        torch.testing.assert_close(new(x), conv(x), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(new(negative), conv(-x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("build", "size"), [(resnet18, (3, 64, 64)), (r3d_18, (3, 8, 32, 32))])
def test_a_network_goes_there_and_back_with_its_checkpoint(build, size):
    torch.manual_seed(0)
    network, x = build().eval(), torch.randn(2, *size)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with torch.no_grad():
        plain = network(x)
        report = swap(network, size, name="n", algorithm=("winograd", {}))
        swapped = network(x)
    assert report.computed >= 8
    # Float32 itself: through 18 layers PyTorch's own result is as far from that in double.
    torch.testing.assert_close(swapped, plain, rtol=1e-3, atol=1e-4 * float(plain.abs().max()))
    after = network.state_dict()
    assert list(after) == list(before)
    torch.testing.assert_close(after, before, rtol=0, atol=0)
    other = build().eval()
    other.load_state_dict(after)
    with torch.no_grad():
        torch.testing.assert_close(other(x), plain, rtol=0, atol=0)


@needs_native
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("gradients", [False, True])
def test_transforms_never_run_in_half_precision(dtype, gradients):
    conv = nn.Conv2d(64, 8, 3, padding=1).requires_grad_(gradients)
    new, x = Winograd(tile=4).replace(conv), torch.randn(2, 64, 12, 12)
    with torch.autocast("cpu", dtype=dtype):
        under = new(x)
    assert under.dtype == torch.float32
    torch.testing.assert_close(under, new(x), rtol=0, atol=0)

    halved = x.to(dtype)
    with torch.autocast("cpu", dtype=dtype):
        rounded = new(halved)
    assert rounded.dtype == dtype
    torch.testing.assert_close(rounded, new(halved.float()).to(dtype), rtol=0, atol=0)
    if gradients:
        rounded.sum().backward()
        assert conv.weight.grad.dtype == torch.float32


@needs_native
@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")  # torch's own, in vmap
def test_functional_transforms_see_the_reference():
    conv = nn.Conv2d(3, 4, 3, padding=1)
    new, x = Winograd().replace(conv), torch.randn(2, 1, 3, 6, 6)
    torch.testing.assert_close(torch.vmap(new)(x), torch.vmap(conv)(x), rtol=1e-4, atol=1e-5)
    tangent = torch.randn_like(x[0])
    pairs = [torch.func.jvp(module, (x[0],), (tangent,)) for module in (new, conv)]
    torch.testing.assert_close(*pairs, rtol=1e-4, atol=1e-5)

    def loss(module, parameters, x):
        return torch.func.functional_call(module, parameters, (x,)).square().sum()

    each = [
        torch.vmap(torch.func.grad(loss, argnums=1), in_dims=(None, None, 0))(
            module, dict(module.named_parameters()), x
        )
        for module in (new, conv)
    ]
    torch.testing.assert_close(*each, rtol=1e-3, atol=1e-4)


def test_without_native_code_it_is_pytorchs_own_and_says_so(monkeypatch):
    monkeypatch.setenv("HARNESS_NATIVE", "off")
    monkeypatch.setattr(winograd_calls, "convolve", None)
    conv = nn.Conv3d(3, 4, 3, padding=1)
    network, x = nn.Sequential(conv), torch.randn(2, 3, 4, 6, 6)
    report = swap(network, x.shape[1:], name="n", algorithm=("winograd", {}))
    assert report.label == "winograd (fallback)"
    assert network[0].weight.is_contiguous()  # PyTorch's layout too: nothing of ours is there
    assert torch.equal(network(x), conv(x))
    network[0].relu = True
    assert torch.equal(network[0](x, 2 * conv(x)), (3 * conv(x)).relu())


def test_the_fallback_computes_in_the_precision_of_native_code(monkeypatch):
    conv, x = nn.Conv2d(3, 4, 3, padding=1), torch.randn(2, 3, 6, 6)
    native = Winograd().replace(conv)
    halves = [native(x.bfloat16()), native(x)]
    monkeypatch.setenv("HARNESS_NATIVE", "off")
    fallback = Winograd().replace(conv)
    torch.testing.assert_close(fallback(x.bfloat16()), halves[0])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(fallback(x), halves[1])


@needs_native
@torch.no_grad()
def test_a_call_that_is_recorded_or_not_made_reads_no_memory():
    conv, x = nn.Conv2d(5, 7, 3, padding=1).eval(), torch.randn(2, 5, 9, 9)
    new = Winograd().replace(conv).eval()
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert new(mode.from_tensor(x)).shape == (2, 7, 9, 9)
    torch.testing.assert_close(make_fx(new)(x)(x), conv(x))


@needs_native
@torch.no_grad()
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_a_view_that_is_only_marked_as_negative_is_negative(layout):
    conv, x = nn.Conv2d(5, 7, 3, padding=1), torch.randn(2, 5, 9, 9)
    negative = torch._neg_view(x.contiguous(memory_format=layout))
    torch.testing.assert_close(Winograd().replace(conv)(negative), conv(-x))
