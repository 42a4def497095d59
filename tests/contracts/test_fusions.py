"""What every fusion owes; an entry is tested because it is in the table."""

from math import log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.fusion import FUSIONS

SCORES = [name for name in FUSIONS if FUSIONS[name].LEVEL == "scores"]
MAPS = [name for name in FUSIONS if FUSIONS[name].LEVEL == "map"]
SIZES = {2: (5, 7), 3: (4, 5, 7)}  # [frames,] height, width


def maps(dimensions, channels=(6, 6)):
    """Two non-negative maps, as they come out of a ReLU."""
    return [torch.randn(2, c, *SIZES[dimensions]).relu_().requires_grad_() for c in channels]


def logits(values=(3, 5)):
    return [torch.randn(*values, dtype=torch.float64, requires_grad=True) for _ in range(2)]


@pytest.mark.parametrize("name", FUSIONS)
def test_its_level_is_one_of_two(name):
    assert name in SCORES + MAPS
    assert FUSIONS.constant(name, "LEVEL") == FUSIONS[name].LEVEL


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("name", MAPS)
def test_a_map_fusion_keeps_the_size_says_its_channels_and_uses_both(name, dimensions):
    fusion, streams = FUSIONS[name](6, 6, dimensions), maps(dimensions)
    fused = fusion(*streams)
    assert fused.shape == (2, fusion.out_channels, *SIZES[dimensions])
    assert (fused >= 0).all()
    fused.square().sum().backward()
    assert all(stream.grad.any() for stream in streams)


@pytest.mark.parametrize("name", SCORES)
def test_a_score_fusion_keeps_the_classes_and_uses_both(name):
    streams = logits()
    fused = FUSIONS[name]()(*streams)
    assert fused.shape == (3, 5)
    torch.nn.functional.cross_entropy(fused, torch.tensor([0, 1, 2])).backward()
    assert all(stream.grad.any() for stream in streams)


@pytest.mark.parametrize("name", SCORES)
def test_streams_that_agree_are_believed(name):
    scores = logits()[0]
    torch.testing.assert_close(FUSIONS[name]()(scores, scores).softmax(1), scores.softmax(1))


@pytest.mark.parametrize("name", MAPS)
def test_it_is_built_on_shapes_alone(name):
    with torch.device("meta"):
        fusion = FUSIONS[name](6, 6, 2)
        assert fusion(torch.empty(2, 6, 5, 7), torch.empty(2, 6, 5, 7)).is_meta


@pytest.mark.parametrize("name", ["sum", "max"])
def test_different_channels_are_refused_with_a_way_out(name):
    with pytest.raises(
        UserError, match=r"got 6 \(spatial\) and 4 \(temporal\); 'concat' and 'conv'"
    ):
        FUSIONS[name](6, 4, 2)


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("name", ["sum", "max", "conv"])
def test_a_silent_stream_leaves_the_other_as_it_is(name, dimensions):
    fusion, (spatial, _) = FUSIONS[name](6, 6, dimensions), maps(dimensions)
    silence = torch.zeros_like(spatial)
    assert torch.equal(fusion(spatial, silence), spatial)
    assert torch.equal(fusion(silence, spatial), spatial)


def test_a_temporal_weight_of_zero_leaves_the_spatial_stream():
    fusion, (spatial, temporal) = FUSIONS["conv"](6, 6, 2), maps(2)
    with torch.no_grad():
        fusion.mix.weight[:, 6:] = 0
    assert torch.equal(fusion(spatial, temporal), spatial)


def test_conv_ends_in_a_relu():
    fusion = FUSIONS["conv"](6, 6, 2)
    torch.nn.init.constant_(fusion.mix.bias, -100.0)
    assert torch.equal(fusion(*maps(2)), torch.zeros(2, 6, *SIZES[2]))


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_conv_starts_as_the_sum(kernel_size, dimensions):
    streams = maps(dimensions)
    fusion = FUSIONS["conv"](6, 6, dimensions, kernel_size=kernel_size)
    torch.testing.assert_close(fusion(*streams), FUSIONS["sum"](6, 6, dimensions)(*streams))


@pytest.mark.parametrize("channels", [(6, 4), (4, 6)])
def test_conv_of_different_channels_starts_as_the_sum_of_those_that_both_have(channels):
    spatial, temporal = maps(2, channels)
    fused = FUSIONS["conv"](*channels, 2)(spatial, temporal)
    assert fused.shape[1] == channels[0]
    expected = spatial.detach().clone()
    expected[:, :4] += temporal[:, :4]
    torch.testing.assert_close(fused, expected)


@pytest.mark.parametrize("kernel_size", [0, 2, -1])
def test_conv_refuses_a_kernel_without_a_centre(kernel_size):
    with pytest.raises(UserError, match=f"^kernel_size: must be odd, got {kernel_size}$"):
        FUSIONS["conv"](6, 6, 2, kernel_size=kernel_size)


def test_concat_puts_the_spatial_stream_first():
    spatial, temporal = maps(2, (2, 3))
    fusion = FUSIONS["concat"](2, 3, 2)
    assert fusion.out_channels == 5
    fused = fusion(spatial, temporal)
    assert torch.equal(fused[:, :2], spatial)
    assert torch.equal(fused[:, 2:], temporal)


def test_max_takes_the_larger_value():
    fused = FUSIONS["max"](1, 1, 2)(torch.tensor([[[[1.0, 5.0]]]]), torch.tensor([[[[3.0, 2.0]]]]))
    assert fused.tolist() == [[[[3.0, 5.0]]]]


finite = st.floats(-200, 200, width=32)


@given(pair=st.lists(st.tuples(finite, finite), min_size=2, max_size=6))
def test_average_is_the_mean_of_probabilities_exactly(pair):
    spatial, temporal = torch.tensor(pair, dtype=torch.float64).T[:, None]
    fused = FUSIONS["average"]()(spatial, temporal)
    mean = (spatial.softmax(1) + temporal.softmax(1)) / 2
    torch.testing.assert_close(fused.exp(), mean, rtol=1e-12, atol=1e-300)
    single = FUSIONS["average"]()(spatial.float(), temporal.float())
    torch.testing.assert_close(single.double(), fused, rtol=1e-5, atol=1e-5)


def test_average_stays_finite_where_probabilities_vanish():
    sure = torch.tensor([[1000.0, 0.0]])
    fused = FUSIONS["average"]()(sure, sure.flip(1))
    torch.testing.assert_close(fused, torch.full((1, 2), -log(2)))


def test_average_of_a_stream_with_itself_is_its_log_softmax():
    scores = logits()[0]
    torch.testing.assert_close(FUSIONS["average"]()(scores, scores), scores.log_softmax(1))


def test_average_of_logits():
    spatial, temporal = logits()
    fused = FUSIONS["average"](of="logits")(spatial, temporal)
    torch.testing.assert_close(fused, (spatial + temporal) / 2)
