"""The model's parts by themselves: consensus of segments, maps that meet, and the head."""

import pytest
import torch
from torch.nn import functional as F

from harness.errors import UserError
from harness.models.consensus import consensus
from harness.models.heads import Head
from harness.models.two_stream import aligned

CLASSES = 5


def test_consensus_averages_neighbours():
    scores = torch.tensor([[1.0], [3.0], [10.0], [20.0]])
    assert consensus(scores, 2).tolist() == [[2.0], [15.0]]


def test_maps_meet_at_the_larger_size_with_zeros_at_the_end():
    spatial, temporal = torch.rand(2, 3, 4, 6), torch.rand(2, 5, 5, 4)
    a, b = aligned(spatial, temporal)
    assert a.shape == (2, 3, 5, 6)
    assert b.shape == (2, 5, 5, 6)
    assert torch.equal(a[:, :, :4], spatial)
    assert torch.equal(b[..., :4], temporal)
    assert not a[:, :, 4:].any()
    assert not b[..., 4:].any()


def test_a_clip_meets_an_image_as_its_mean_over_frames():
    image, clip = torch.rand(2, 3, 4, 6), torch.rand(2, 3, 7, 4, 6)
    for a, b in (aligned(image, clip), aligned(clip, image)[::-1]):
        assert torch.equal(a, image)
        torch.testing.assert_close(b, clip.mean(2))


def test_clips_of_different_length_are_padded_in_time():
    long, short = torch.rand(2, 3, 7, 4, 6), torch.rand(2, 3, 5, 4, 6)
    a, b = aligned(long, short)
    assert a is long
    assert b.shape == long.shape
    assert not b[:, :, 5:].any()


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("grid", [1, 2, 3])
def test_a_head_sees_the_means_of_cells(grid, dimensions):
    head = Head(4, CLASSES, dimensions, grid=grid)
    x = torch.rand(2, 4, *(6,) * (dimensions - 2), 6, 12)
    pool = F.adaptive_avg_pool2d if dimensions == 2 else F.adaptive_avg_pool3d
    cells = pool(x, (grid, grid) if dimensions == 2 else (1, grid, grid)).flatten(1)
    torch.testing.assert_close(head(x), head.linear(cells))


def test_where_the_grid_does_not_divide_the_map_the_first_cells_are_larger():
    head = Head(1, 1, 2, grid=2)
    torch.nn.init.ones_(head.linear.weight)
    torch.nn.init.zeros_(head.linear.bias)
    x = torch.zeros(1, 1, 3, 2)
    x[0, 0, :2, 0] = torch.tensor([1.0, 3.0])
    assert head(x).item() == 2.0


def test_a_grid_finer_than_the_map_is_an_error():
    with pytest.raises(UserError, match=r"^model.head.grid: 5, but the last feature map is 4 x 6$"):
        Head(1, CLASSES, 2, grid=5)(torch.rand(2, 1, 4, 6))
