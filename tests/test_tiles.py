"""Which tile: the rule, what the user says, and what there is none of."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from harness.convs.algorithms import tiles
from harness.convs.algorithms.tiles import LAST_CACHE, is_native, suits, tile_of
from harness.convs.algorithms.winograd import Winograd
from harness.convs.native.winograd import TILES
from harness.errors import UserError

FLAT = (3, 3)
CUBE = (3, 3, 3)


@pytest.mark.parametrize(
    ("wish", "kernel", "outputs", "tile"),
    [
        ("auto", FLAT, (56, 56), (4, 4)),
        ("auto", FLAT, (3, 3), (4, 4)),
        ("auto", FLAT, (2, 2), (2, 2)),
        ("auto", FLAT, (2, 9), (2, 4)),
        ("auto", FLAT, (1, 9), (2, 4)),
        ("auto", (3, 1), (9, 9), (4, 1)),
        ("auto", (1, 3), (9, 9), (1, 4)),
        ("auto", CUBE, (8, 28, 28), (4, 4, 4)),
        ("auto", CUBE, (3, 28, 28), (4, 4, 4)),
        ("auto", CUBE, (2, 28, 28), (1, 4, 4)),
        ("auto", CUBE, (1, 28, 28), (1, 4, 4)),
        ("auto", CUBE, (4, 2, 9), (4, 2, 4)),
        ("auto", CUBE, (4, 2, 2), (2, 2, 2)),  # there is no kernel for (4, 2, 2)
        ("auto", (1, 3, 3), (1, 28, 28), (1, 4, 4)),
        ("auto", (3, 1, 1), (8, 28, 28), (4, 1, 1)),
        ("auto", (3, 1, 1), (2, 28, 28), (2, 1, 1)),
        (2, FLAT, (56, 56), (2, 2)),
        (4, FLAT, (2, 2), (4, 4)),
        (2, CUBE, (8, 28, 28), (2, 2, 2)),
        (4, CUBE, (8, 2, 2), (4, 4, 4)),
        (2, CUBE, (2, 28, 28), (1, 2, 2)),
        ((2, 4, 4), CUBE, (1, 28, 28), (2, 4, 4)),
        ((2, 4, 4), (3, 1, 3), (8, 28, 28), (2, 1, 4)),
        ((1, 4), FLAT, (28, 28), (1, 4)),
    ],
    ids=str,
)
def test_the_tile_is_that_of_the_rule(wish, kernel, outputs, tile):
    assert tile_of(wish, kernel, outputs, 64 * 64, 8) == tile


@pytest.mark.parametrize(("instructions", "images"), [("avx512", 4), ("avx2", 1), (None, 1)])
def test_few_tiles_under_large_weights_are_smaller(instructions, images, monkeypatch):
    """Of 7 x 7 outputs there are 4 tiles an image, and 36 products a weight with tiles of 4."""
    monkeypatch.setattr(tiles, "chosen_set", lambda: instructions)
    tile_of.cache_clear()
    large = LAST_CACHE // (4 * 36) + 1
    assert tile_of("auto", FLAT, (4, 4), large, 4 * images - 1) == (2, 2)
    assert tile_of("auto", FLAT, (7, 7), large, images) == (4, 4)
    assert tile_of("auto", FLAT, (4, 4), large - 1, 1) == (4, 4)
    assert tile_of(4, FLAT, (4, 4), large, 1) == (4, 4)
    tile_of.cache_clear()


@given(
    wish=st.sampled_from(["auto", 2, 4]),
    kernel=st.lists(st.sampled_from([1, 3]), min_size=2, max_size=3).filter(lambda k: 3 in k),
    lengths=st.lists(st.integers(1, 9), min_size=3, max_size=3),
    weights=st.sampled_from([64 * 64, 1024 * 1024]),
    batch=st.integers(0, 9),
)
def test_every_choice_is_one_that_native_code_knows(wish, kernel, lengths, weights, batch):
    tile = tile_of(wish, tuple(kernel), tuple(lengths[: len(kernel)]), weights, batch)
    assert suits(tile, kernel)
    assert all(m == 1 for m, r in zip(tile, kernel, strict=True) if r == 1)


@pytest.mark.parametrize("axes", [2, 3])
def test_a_list_is_allowed_if_its_axes_in_some_order_are_known(axes):
    for tile in product([1, 2, 4], repeat=axes):
        known = tuple(sorted((1, *tile)[-3:])) in TILES
        assert is_native(tile) == known
        if known:
            assert Winograd(tile=list(tile)).tile == list(tile)


WRONG = [3, 6, 0, True, "4", "four", [], [4], [1, 1], [4, 8], [2, 2, 4], [True, 4], [2, 2, 2, 2]]


@pytest.mark.parametrize("tile", WRONG, ids=repr)
def test_any_other_tile_is_an_error_that_lists_those_allowed(tile):
    with pytest.raises(UserError) as error:
        Winograd(tile=tile)
    said = str(error.value)
    assert said.startswith(
        f"tile {tile!r}; allowed: auto, tuned, 2, 4, or a number for each axis: [2, 2]"
    )
    assert "\n" not in said


@pytest.mark.parametrize(
    ("tile", "kernel"),
    [
        ([2, 2], CUBE),
        ([2, 2, 2], FLAT),
        ([1, 1, 4], CUBE),  # only one axis is summed directly
        ([1, 4], (3, 1)),  # nothing is left to transform
        ([1, 4, 4], (3, 1, 1)),
    ],
    ids=str,
)
def test_a_list_that_does_not_suit_a_kernel_is_refused_with_both(tile, kernel):
    conv = (nn.Conv2d if len(kernel) == 2 else nn.Conv3d)(2, 2, kernel)
    reason = Winograd(tile=tile).refuses(conv)
    assert reason == f"tile {tile} for kernel {kernel}"


def test_one_axis_summed_directly_beside_another_suits():
    assert Winograd(tile=[1, 4, 1]).refuses(nn.Conv3d(2, 2, (3, 3, 1))) is None
