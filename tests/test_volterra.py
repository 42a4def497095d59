"""Second-order Volterra convolution: the identities of its series, its size, what it can learn."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from harness.convs.operators.volterra import GATE, Volterra
from harness.convs.patches import Window
from harness.errors import UserError

FORMS = ["full", "depthwise", "low_rank"]


def noise(*size):
    return torch.randn(*size, dtype=torch.float64)


def close(x, y, atol=1e-12):
    torch.testing.assert_close(x, y, rtol=0, atol=atol)


def conv2d(c_in=2, c_out=3, k=3, **geometry):
    return nn.Conv2d(c_in, c_out, k, **geometry, dtype=torch.float64)


def drawn(module):
    """With a quadratic part of the size of the linear one."""
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    return module


@given(
    stride=st.integers(1, 3),
    padding=st.integers(0, 1),
    dilation=st.integers(1, 2),
    mode=st.sampled_from(["zeros", "reflect", "replicate", "circular"]),
    dimensions=st.sampled_from([2, 3]),
)
def test_patches_are_what_a_convolution_sees(stride, padding, dilation, mode, dimensions):
    geometry = {"stride": stride, "padding": padding, "dilation": dilation, "padding_mode": mode}
    kernel = (3, 2, 3)[-dimensions:]
    conv = [nn.Conv2d, nn.Conv3d][dimensions - 2](2, 3, kernel, **geometry, bias=False).double()
    x = noise(2, 2, *(6, 7, 8)[-dimensions:])
    seen = Window.of(conv).patches(x).flatten(-dimensions)
    close(torch.einsum("nc...t,oct->no...", seen, conv.weight.flatten(2)), conv(x))
    close(Window.of(conv).sums(x), seen.sum(-1))


@given(form=st.sampled_from(FORMS), norm=st.sampled_from(["batch", "none"]), data=st.data())
def test_the_even_part_is_the_quadratic_one(form, norm, data):
    """y(x) + y(-x) - 2 y(0) = 2 quad(x), and it grows with the square of the input."""
    conv = conv2d(bias=data.draw(st.booleans()), padding=1, stride=data.draw(st.integers(1, 2)))
    new = drawn(Volterra(form=form, norm=norm).replace(conv)).eval()
    scale = 1.0
    if norm == "batch":
        new.norm.running_mean.normal_()
        new.norm.running_var.uniform_(1, 2)
        scale = (new.norm.running_var + new.norm.eps).sqrt().view(-1, 1, 1)
    x, h0 = noise(2, 2, 5, 6), new(torch.zeros(2, 2, 5, 6, dtype=torch.float64))
    even = new(x) + new(-x) - 2 * h0
    close(even, 2 * new.gate * new.quadratic(x) / scale, 1e-11)
    close(new(3 * x) + new(-3 * x) - 2 * h0, 9 * even, 1e-10)
    close(new(x) - new(-x), new.linear(x) - new.linear(-x), 1e-11)


def test_the_packed_form_is_the_symmetric_one():
    """Each coefficient of i < j is shared by h2[i, j] and h2[j, i]."""
    conv = conv2d(padding=1)
    quadratic = drawn(Volterra(form="full").replace(conv).quadratic)
    x, values = noise(2, 2, 5, 6), 2 * 9
    h2 = torch.zeros(3, values, values, dtype=torch.float64)
    h2[:, *torch.triu_indices(values, values)] = quadratic.form.weight[:, :, 0, 0].detach()
    h2 = (h2 + h2.mT) / 2
    v = Window.of(conv).patches(x).flatten(-2).movedim(-1, 2).flatten(1, 2)
    close(quadratic(x), torch.einsum("niyx,oij,njyx->noyx", v, h2, v), 1e-11)


def test_depthwise_is_a_symmetric_form_in_each_channel():
    quadratic = drawn(Volterra(form="depthwise").replace(conv2d(padding=1)).quadratic)
    i, j = torch.triu_indices(9, 9)
    v = quadratic.window.patches(x := noise(2, 2, 5, 6)).flatten(-2)
    forms = torch.einsum("ncyxp,cp->ncyx", v[..., i] * v[..., j], quadratic.packed)
    close(quadratic(x), quadratic.mix(forms), 1e-11)


def test_depthwise_has_no_products_of_two_channels():
    quadratic = drawn(Volterra(form="depthwise").replace(conv2d(padding=1)).quadratic)
    first, second = noise(2, 2, 5, 6), noise(2, 2, 5, 6)
    first[:, 1], second[:, 0] = 0, 0
    close(quadratic(first + second), quadratic(first) + quadratic(second), 1e-11)
    full = drawn(Volterra(form="full").replace(conv2d(padding=1)).quadratic)
    assert (full(first + second) - full(first) - full(second)).abs().max() > 1


def test_low_rank_is_a_sum_of_products_of_convolutions():
    conv = conv2d(padding=1)
    quadratic = drawn(Volterra(rank=3).replace(conv).quadratic)
    a, b = quadratic.factors.weight.unflatten(0, (2, 3, 3))
    x = noise(2, 2, 5, 6)
    terms = [
        nn.functional.conv2d(x, a[q], padding=1) * nn.functional.conv2d(x, b[q], padding=1)
        for q in range(3)
    ]
    close(quadratic(x), sum(terms), 1e-11)


@pytest.mark.parametrize("form", FORMS)
def test_without_a_quadratic_part_it_is_the_convolution_that_was_there(form):
    conv = conv2d(padding=1)
    new = Volterra(form=form).replace(conv)
    assert new.gate.item() == pytest.approx(GATE)
    x = noise(2, 2, 5, 6)
    close(new(x), conv(x), 1e-3)
    nn.init.zeros_(new.gate)
    close(new(x), conv(x))


@pytest.mark.parametrize(
    ("kernel", "count"), [((3, 3), 45), ((5, 5), 325), ((7, 7), 1225), ((3, 3, 3), 378)]
)
def test_the_number_of_coefficients(kernel, count):
    conv = [nn.Conv2d, nn.Conv3d][len(kernel) - 2](1, 2, kernel, bias=False)
    sizes = {
        form: sum(p.numel() for p in Volterra(form=form).replace(conv).parameters())
        for form in FORMS
    }
    taps = conv.weight[0].numel()
    assert sizes["full"] == 2 * (taps + count) + 1
    assert sizes["low_rank"] == 2 * taps * (1 + 2 * 2) + 1
    assert sum(
        p.numel() for p in Volterra(form="depthwise").replace(conv2d(4, 6)).parameters()
    ) == (4 * 6 * 9 + 6 + 4 * 45 + 4 * 6 + 1)


@pytest.mark.parametrize("form", FORMS)
def test_gradients_are_right(form):
    new = drawn(Volterra(form=form).replace(conv2d(padding=1, stride=2)))
    x = noise(2, 2, 4, 3).requires_grad_()
    names = [name for name, _ in new.named_parameters()]

    def function(x, *values):
        return torch.func.functional_call(new, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(function, (x, *new.parameters()))


@pytest.mark.parametrize("form", FORMS)
def test_it_learns_a_product_that_a_convolution_cannot(form):
    """The label is whether two neighbours have the same sign."""
    torch.manual_seed(0)
    x = torch.randn(256, 1, 1, 2).sign().double()
    same = x.prod(dim=3, keepdim=True)
    conv = nn.Conv2d(1, 1, (1, 2), dtype=torch.float64)

    def error(network):
        optimizer = torch.optim.AdamW(network.parameters(), lr=0.03)
        for _ in range(200):
            loss = (network(x) - same).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss.item()

    assert error(Volterra(form=form).replace(conv)) < 0.01
    assert error(conv) > 0.9


@pytest.mark.parametrize(
    ("form", "conv", "reason"),
    [
        ("full", nn.Conv3d(3, 64, 3), None),
        ("full", nn.Conv2d(64, 64, 3), "64 input channels make 166176 products, more than 4096"),
        ("depthwise", nn.Conv2d(64, 64, 3), None),
        ("low_rank", nn.Conv3d(64, 64, (1, 1, 3)), None),
        ("low_rank", nn.Conv2d(4, 4, 1), "kernel (1, 1)"),
        ("low_rank", nn.Conv2d(4, 4, 3, groups=2), "groups 2"),
        ("low_rank", nn.Conv2d(4, 4, 3, padding="same"), "padding 'same'"),
    ],
    ids=str,
)
def test_what_it_refuses_and_why(form, conv, reason):
    assert Volterra(form=form).refuses(conv) == reason


@pytest.mark.parametrize("options", [{"rank": 0}, {"rank": 10**13}, {"form": "full", "rank": 2}])
def test_a_rank_that_means_nothing_is_an_error(options):
    with pytest.raises(UserError, match="^rank: "):
        Volterra(**options)
