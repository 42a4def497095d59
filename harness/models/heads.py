"""From the last feature map to class scores."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from harness.errors import UserError


class Head(nn.Module):
    """Average pooling over frames and to `grid` x `grid` cells, dropout, a linear layer.

    Cells are slices, not torch's adaptive pooling: that has no deterministic backward pass on a
    GPU. Where the map is no multiple of the grid, the first rows and columns are one larger.
    """

    def __init__(
        self,
        in_channels: int,
        classes: int,
        dimensions: int,
        *,
        dropout: float = 0.0,
        grid: int = 1,
    ) -> None:
        super().__init__()
        self.dimensions, self.grid = dimensions, grid
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(in_channels * grid**2, classes)

    def forward(
        self, x: Float[Tensor, "samples channels *size"]
    ) -> Float[Tensor, "samples classes"]:
        return self.linear(self.dropout(self._pool(x)))

    def _pool(self, x: Tensor) -> Tensor:
        if self.grid == 1:
            return x.flatten(2).mean(dim=2)
        if self.dimensions == 3:
            x = x.mean(dim=2)
        height, width = x.shape[-2:]
        if min(height, width) < self.grid:
            raise UserError(
                f"model.head.grid: {self.grid}, but the last feature map is {height} x {width}"
            )
        rows = x.tensor_split(self.grid, dim=-2)
        cells = [cell for row in rows for cell in row.tensor_split(self.grid, dim=-1)]
        return torch.stack([cell.mean(dim=(-2, -1)) for cell in cells], dim=2).flatten(1)
