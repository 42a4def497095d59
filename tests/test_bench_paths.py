"""Every path of PyTorch computes the convolution that it stands for; so do our variants."""

import subprocess
import sys
from textwrap import dedent

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from harness.bench.errors import output_error, step_error
from harness.bench.layers import LISTS, layers_of
from harness.bench.onednn import by_onednn
from harness.bench.ours import Variant, entry, tile_of, variants_of
from harness.bench.paths import PARTS, forward_paths, forward_ways, layouts, step_paths
from harness.convs.algorithms.winograd import Winograd
from harness.errors import UserError

SHAPES = ["16x8x8", "16x4x8x8", "16x4x8x8/3x1x1", "16x4x8x8/1x3x3", "16x9x9/5x1"]


def as_clips(output, like):
    """The output of a path in two dimensions, in the shape of the convolution's own."""
    if output.shape == like.shape:
        return output
    if output.dim() == 4 and output.shape[0] == like.shape[0]:  # rows and columns as one
        return output.reshape(like.shape)
    return output.unflatten(0, (like.shape[0], like.shape[2])).transpose(1, 2)


@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_every_forward_path_computes_the_convolution(shape):
    [layer] = layers_of(shape)
    conv, x = layer.posed(2)
    expected = conv(x)
    calls, missing = forward_paths(conv, x)
    assert {"contiguous", "channels_last", "channels_last prepacked"} <= set(calls)
    assert "nnpack" in {*calls, *missing}
    for name, call in calls.items():
        error = (as_clips(call(), expected) - expected).abs().max() / expected.abs().max()
        assert error < 1e-4, name  # NNPACK's own Winograd is the least exact


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_path_of_a_step_has_the_gradients_of_autograd(shape, batch):
    [layer] = layers_of(shape)
    conv, x = layer.posed(batch)
    calls = step_paths(conv, x)
    assert list(calls) == list(PARTS)
    for name, operands in layouts(conv, x).items():
        given, weight = (t.detach().requires_grad_() for t in (operands.x, operands.weight))
        function = F.conv2d if operands.x.dim() == 4 else F.conv3d
        output = function(given, weight, padding=operands.padding)
        for kind in (name, f"{name} onednn"):
            dx, dw = calls[PARTS[1]][kind], calls[PARTS[2]][kind]
            upstream = dx.args[0] if dx.args else dx.func.args[0]
            upstream = upstream.to_dense() if upstream.is_mkldnn else upstream
            expected = torch.autograd.grad(output, (given, weight), upstream, retain_graph=True)
            for call, index in ((dx, 0), (dw, 1)):
                found = call()[index]
                found = found.to_dense() if found.is_mkldnn else found
                torch.testing.assert_close(found, expected[index], rtol=1e-4, atol=1e-4)


def test_a_kernel_along_time_alone_always_runs_in_two_dimensions_too():
    [layer] = layers_of("16x4x8x8/3x1x1")
    assert {"contiguous conv2d", "channels_last conv2d prepacked"} <= set(
        forward_ways(*layer.posed(1))
    )


def test_nnpack_runs_in_the_first_race_of_a_process_too():
    """It must be started: else the first layer would be raced against less than the others."""
    program = """
    import torch
    from harness.bench.layers import layers_of
    from harness.bench.paths import forward_paths
    torch.set_grad_enabled(False)
    [layer] = layers_of("64x56x56")  # whose eager paths are those of oneDNN alone
    print(forward_paths(*layer.posed(1))[1].get("nnpack"))
    """
    command = [sys.executable, "-c", dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    here = torch._nnpack_available()
    assert done.stdout.strip() == ("None" if here else "NNPACK does not run on this processor")


def test_a_path_that_computes_something_else_is_no_baseline(monkeypatch):
    monkeypatch.setattr(torch, "_nnpack_spatial_convolution", lambda x, *_: 2 * x)
    [layer] = layers_of("16x8x8")
    with torch.no_grad():
        calls, missing = forward_paths(*layer.posed(1))
    assert "nnpack" not in calls
    assert "something else" in missing["nnpack"]


@pytest.mark.parametrize(("kind", "bias"), [(nn.Conv2d, True), (nn.Conv3d, False)])
def test_convolutions_that_stay_on_onednn_are_the_same_with_their_gradients(kind, bias):
    network = nn.Sequential(kind(3, 4, 3, padding=1, bias=bias), nn.ReLU(), kind(4, 2, 3, stride=2))
    x = torch.randn(1, 3, *[7] * (2 if kind is nn.Conv2d else 3), requires_grad=True)
    other = by_onednn(network)
    ours, theirs = other(x), network(x)
    torch.testing.assert_close(ours, theirs)
    upstream = torch.randn_like(theirs)
    torch.testing.assert_close(
        torch.autograd.grad(ours, [x, *other.parameters()], upstream),
        torch.autograd.grad(theirs, [x, *network.parameters()], upstream),
    )


def test_errors_are_relative_to_the_largest_value_and_cover_the_gradients():
    [layer] = layers_of("16x8x8")
    conv, x = layer.posed(2)
    assert 0 < output_error(conv, conv, x) < 1e-5
    assert 0 < step_error(conv, conv, x) < 1e-5

    class Wrong(nn.Conv2d):
        def forward(self, input):
            return super().forward(input).mul(1.01)

    wrong = Wrong(16, 16, 3, padding=1, bias=False)
    wrong.weight = conv.weight
    assert output_error(conv, wrong, x) == pytest.approx(0.01, rel=1e-3)
    assert step_error(conv, wrong, x) == pytest.approx(0.01, rel=1e-3)


def test_a_fallback_and_a_refusal_are_never_timed(monkeypatch):
    conv = nn.Conv2d(16, 16, 3, padding=1)
    variant = Variant(label="small tile", algorithm="winograd", options={"tile": 2})
    strided = entry(variant, nn.Conv2d(16, 16, 3, stride=2), (1, 16, 8, 8))
    assert (strided.module, strided.reason) == (None, "stride (2, 2)")
    assert entry(variant, conv, (1, 16, 8, 8)).tile == (2, 2)
    monkeypatch.setattr(Winograd, "kernel", "fallback")
    found = entry(variant, conv, (1, 16, 8, 8))
    assert found.module is None
    assert "stands in" in found.reason


def test_an_algorithm_may_choose_its_tile_by_shape():
    class Method:
        def tile_of(self, _conv, shape):
            return [4, 4] if shape[0] > 1 else [2, 2]

    conv = nn.Conv2d(16, 16, 3)
    assert tile_of(Method(), conv, (8, 16, 8, 8)) == (4, 4)
    assert tile_of(Method(), conv, (1, 16, 8, 8)) == (2, 2)
    three = nn.Conv3d(16, 16, (3, 1, 3))
    assert tile_of(Variant(label="", algorithm=""), conv, (1, 16, 8, 8)) is None
    assert tile_of(Winograd(tile=4), three, (1, 16, 8, 8, 8)) == (4, 1, 4)
    assert tile_of(object(), conv, (1, 16, 8, 8)) is None


def test_variants():
    assert [v.label for v in variants_of("winograd", {})] == ["small tile", "large tile"]
    [four] = variants_of("winograd", {"tile": 4})
    assert (four.label, four.options) == ("tile=4", {"tile": 4})
    with pytest.raises(UserError, match="did you mean 'winograd'"):
        variants_of("winogard", {})


def test_layer_lists_and_shapes():
    assert [layer.name for layer in LISTS["r3d18"]] == [
        *("64x8x56x56", "128x4x28x28", "256x2x14x14", "512x1x7x7")
    ]
    assert [layer.apart for layer in LISTS["r3d18"]] == [False, False, False, True]
    [layer] = layers_of("64x8x56x56/3x1x1")
    conv, x = layer.posed(2)
    assert (conv.kernel_size, conv.padding) == ((3, 1, 1), (1, 0, 0))
    assert x.shape == (2, 64, 8, 56, 56)
    assert x.min() == 0
    assert conv(x).shape == x.shape


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("resnet8", "did you mean 'resnet18'"),
        ("64x56", "expected CxHxW or CxTxHxW"),
        ("64x8x8x8x8", "expected CxHxW or CxTxHxW"),
        ("64x56x", "'64x56x' is not a shape"),
        ("64x0x56", "'64x0x56' is not a shape"),
        ("64x5.6x56", "is not a shape"),
        ("99999x99999x99", "at most"),
        ("64x56x56/3", "a kernel of 1 axes for 2"),
        ("64x56x56/2x2", "an even kernel"),
        ("64x56x56/", "'' is not a shape"),
        ("", "allowed: "),
    ],
)
def test_a_bad_shape_is_one_line(text, message):
    with pytest.raises(UserError, match="--layers") as error:
        layers_of(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
