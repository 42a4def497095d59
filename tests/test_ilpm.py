"""ILP-M: every instruction set against double precision, and weights that are packed in time."""

import copy

import pytest
import torch
from alike import never_in_half_precision
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from harness.convs.algorithms.ilpm import Ilpm
from harness.convs.native import library
from harness.convs.native.ilpm import Direct
from harness.convs.native.prepared import Prepared

CODE = ["avx512", "avx2", "off"]


@pytest.fixture(params=CODE, scope="module")
def code(request):
    """Each instruction set that runs here, and PyTorch alone."""
    name = request.param
    if name != "off" and not library.CPU_FLAGS[name] <= library._cpu_flags():
        pytest.skip(f"no {name} here")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_NATIVE", name)
        if name != "off" and library.unavailable():
            pytest.skip(library.unavailable())
        yield name


@pytest.fixture
def native(monkeypatch):
    monkeypatch.delenv("HARNESS_NATIVE", raising=False)
    if library.unavailable():
        pytest.skip(library.unavailable())


@st.composite
def cases(draw):
    """A convolution in single precision, and an input laid out in one of many ways."""
    dimensions = draw(st.sampled_from([2, 3]))

    def ints(low, high):
        return [draw(st.integers(low, high)) for _ in range(dimensions)]

    kind = [nn.Conv2d, nn.Conv3d][dimensions - 2]
    conv = kind(
        draw(st.integers(1, 20)),
        draw(st.integers(1, 70)),
        ints(1, 4),
        stride=ints(1, 3),
        padding=draw(st.sampled_from([ints(0, 3), "valid"])),
        dilation=ints(1, 2),
        bias=draw(st.booleans()),
    )
    reach = [d * (k - 1) + 1 for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
    longest = [3, 5, 33][-dimensions:]
    size = [r + draw(st.integers(0, more)) for r, more in zip(reach, longest, strict=True)]
    batch = draw(st.integers(0, 3))
    x = torch.randn(batch, conv.in_channels, *size)
    layout = draw(
        st.sampled_from(["contiguous", "channels last", "transposed", "a part", "repeated"])
    )
    if layout == "channels last":
        x = x.movedim(1, -1).contiguous().movedim(-1, 1)
    elif layout == "transposed":
        x = x.transpose(-1, -2).contiguous().transpose(-1, -2)
    elif layout == "a part":
        x = torch.cat([x, x], dim=-1)[..., ::2]
    elif layout == "repeated":
        x = x[:, :1].expand_as(x)
    if draw(st.booleans()):
        last = [torch.channels_last, torch.channels_last_3d][dimensions - 2]
        conv = conv.to(memory_format=last)
    return conv, x


@given(case=cases())
def test_is_as_accurate_as_torch(code, case):
    conv, x = case
    new = Ilpm().replace(conv)
    assert Ilpm().refuses(conv) is None
    ours, exact = new(x), copy.deepcopy(conv).double()(x.double())
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours.double(), exact, rtol=1e-6, atol=1e-5)
    gradients = torch.autograd.grad(ours.sum(), [*conv.parameters()])
    expected = torch.autograd.grad(conv(x).sum(), [*conv.parameters()])
    torch.testing.assert_close(gradients, expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("size", [(7, 7), (1, 1), (20, 90)], ids=str)
def test_many_channels_and_wide_rows(code, size):
    conv = nn.Conv2d(600, 33, 3, padding=1)
    x = torch.randn(1, 600, *size)
    exact = copy.deepcopy(conv).double()(x.double())
    torch.testing.assert_close(Ilpm().replace(conv)(x).double(), exact, rtol=1e-5, atol=1e-5)


def test_threads_change_nothing(code):
    new, x = Ilpm().replace(nn.Conv3d(5, 100, 3, padding=1)), torch.randn(2, 5, 3, 9, 9)
    one = new(x)
    try:
        for threads in (2, 3):
            torch.set_num_threads(threads)
            torch.testing.assert_close(new(x), one, rtol=0, atol=0)
    finally:
        torch.set_num_threads(1)


def test_channels_stay_last_in_memory(code):
    for conv, last in [
        (nn.Conv2d(3, 4, 3), torch.channels_last),
        (nn.Conv3d(3, 4, 3), torch.channels_last_3d),
    ]:
        x = torch.randn(2, 3, *[5] * (conv.weight.dim() - 2))
        new = Ilpm().replace(conv)
        assert new(x).is_contiguous()
        if code != "off":
            assert new(x.to(memory_format=last)).is_contiguous(memory_format=last)
        torch.testing.assert_close(new(x.to(memory_format=last)), new(x), rtol=0, atol=1e-6)


def test_an_even_kernel_with_same_padding_is_padded_as_torch_pads_it(code):
    conv = nn.Conv2d(2, 3, (2, 4), padding="same", dilation=(3, 1))
    x = torch.randn(2, 2, 5, 7, requires_grad=True)
    longer = nn.functional.pad(x, (1, 2, 1, 2))
    theirs = nn.functional.conv2d(longer, conv.weight, conv.bias, dilation=(3, 1))
    ours = Ilpm().replace(conv)(x)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    [gradient] = torch.autograd.grad(ours.sum(), x)
    torch.testing.assert_close(gradient, torch.autograd.grad(theirs.sum(), x)[0])


def test_the_second_derivative_is_torchs():
    conv = nn.Conv2d(2, 3, 3, padding=1, dtype=torch.float64)
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(Ilpm().replace(conv), x)


def test_weights_are_packed_once_and_again_when_they_change(native, monkeypatch):
    packs = []
    pack = Direct.pack
    monkeypatch.setattr(Direct, "pack", lambda self, w: packs.append(1) or pack(self, w))
    conv = nn.Conv2d(3, 4, 3)
    new, x = Ilpm().replace(conv).eval(), torch.randn(1, 3, 6, 6)

    def packed(times):
        torch.testing.assert_close(new(x), conv(x), rtol=1e-5, atol=1e-5)
        new(x)
        assert len(packs) == times
        packs.clear()

    packed(1)
    packed(0)
    optimizer = torch.optim.SGD(new.parameters(), lr=1e-2)
    new(x).sum().backward()
    optimizer.step()
    packed(1)
    new.load_state_dict(nn.Conv2d(3, 4, 3).state_dict())
    packed(1)
    conv.weight.data = torch.randn(4, 3, 3, 3)
    packed(1)
    conv.weight = new.weight = nn.Parameter(torch.randn(4, 3, 3, 3))
    packed(1)
    new.train()
    packed(2)
    new.eval()
    packed(1)


def test_a_copy_has_weights_of_its_own(native):
    new, x = Ilpm().replace(nn.Conv2d(3, 4, 3)).eval(), torch.randn(1, 3, 6, 6)
    before = new(x)
    other = copy.deepcopy(new)
    with torch.no_grad():
        other.weight.zero_()
        other.bias.fill_(2)
    assert (other(x) == 2).all()
    torch.testing.assert_close(new(x), before, rtol=0, atol=0)
    assert new.compute.keywords["packed"]._kept is not None
    assert copy.deepcopy(new).compute.keywords["packed"]._kept is None
    assert list(new.state_dict()) == ["weight", "bias"]


def test_what_is_kept_is_that_of_one_parameter(native):
    weight, prepared = nn.Parameter(torch.zeros(70, 3, 2)), Prepared()
    assert prepared.get(weight, lambda: torch.tensor(1)) == 1
    assert prepared.get(weight, lambda: torch.tensor(2)) == 1
    other = nn.Parameter(weight.data)  # at the same place
    assert prepared.get(other, lambda: torch.tensor(3)) == 3
    other.data.add_(1)  # behind the version's back
    assert prepared.get(other, lambda: torch.tensor(4)) == 4
    assert prepared.get(other * 1, lambda: torch.tensor(5)) == 5
    assert prepared.get(other, lambda: torch.tensor(6)) == 4


def test_only_what_can_be_looked_at_whole_is_kept(native):
    """Half precision is half as long in memory: what lies behind it is none of its values."""
    memory = torch.zeros(24, dtype=torch.bfloat16)
    for weight in (nn.Parameter(memory[:12]), nn.Parameter(torch.zeros(12, dtype=torch.float64))):
        prepared = Prepared()
        assert prepared.get(weight, lambda: torch.tensor(1)) == 1
        weight.data[-1] = 1  # behind the version's back
        assert prepared.get(weight, lambda: torch.tensor(2)) == 2
        assert prepared._kept is None


def test_weights_made_in_inference_mode_have_no_version(native):
    with torch.inference_mode():
        new, x = Ilpm().replace(nn.Conv2d(3, 4, 3)).eval(), torch.randn(1, 3, 6, 6)
        new(x)
        new.weight.zero_()
        assert (new(x) == new.bias.view(-1, 1, 1)).all()


def test_says_what_it_runs_on(code):
    assert Ilpm().kernel == ("reference" if code == "off" else "native")


def test_refuses_what_it_would_get_wrong():
    assert Ilpm().refuses(nn.Conv2d(4, 4, 3, groups=2)) == "groups 2"
    reflected = nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")
    assert Ilpm().refuses(reflected) == "padding mode 'reflect'"


def test_an_input_smaller_than_the_kernel_is_an_error(code):
    with pytest.raises(ValueError, match=r"kernel \(3, 3\) is larger than the padded \(2, 5\)"):
        Ilpm().replace(nn.Conv2d(2, 3, 3))(torch.zeros(1, 2, 2, 5))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_sums_are_never_in_half_precision(code, dtype):
    conv = nn.Conv2d(64, 8, 3, padding=1)
    new, x = Ilpm().replace(conv).eval(), torch.randn(2, 64, 6, 6)
    never_in_half_precision(new, x, dtype)
    halved = copy.deepcopy(new).to(dtype)
    for _ in range(2):
        result = halved(x.to(dtype))
        with torch.no_grad():
            halved.weight.mul_(2)
    assert result.dtype == dtype
    expected = conv(x) * 2 - conv.bias.view(-1, 1, 1)
    torch.testing.assert_close(result.float(), expected, rtol=0.05, atol=0.1)


def test_runs_on_shapes_alone():
    with torch.device("meta"):
        conv = Ilpm().replace(nn.Conv3d(3, 4, 3, padding=1, stride=2))
        assert conv(torch.empty(2, 3, 4, 7, 7)).shape == (2, 4, 2, 4, 4)
