"""Recurrent all-pairs field transforms.

Teed, Deng, "RAFT: Recurrent All-Pairs Field Transforms for Optical Flow", ECCV 2020 (arXiv
2003.12039), as torchvision implements it, with weights from a file: nothing is ever downloaded.

How we differ: frames whose sides are no multiples of 8 are extended by their own edges, half on
each side, as in the authors' code; one thread computes, so that sums do not depend on how many
there are. torch is imported when a method is built, not before.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, UInt8

from harness.errors import UserError

LEAST = 128  # pixels: a pyramid of four levels on features at an eighth of the resolution


def raft(
    *, weights: str, variant: Literal["small", "large"] = "small", iterations: int = 12
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Flow by RAFT; UserError for frames smaller than 128 x 128 pixels.

    Args:
        weights: a file with the state dict of torchvision's `raft_small` or `raft_large`, as
            torchvision publishes them.
        variant: which of the two.
        iterations: updates of the flow.
    """
    import torch
    from torch.nn.functional import pad

    if iterations < 1:
        raise UserError(f"flow 'raft': iterations is {iterations}; it must be at least 1")
    network = _network(Path(weights), variant)

    def padded(frame: np.ndarray, margins: tuple[int, ...]) -> Any:
        image = torch.from_numpy(frame.copy()).permute(2, 0, 1)[None] / 127.5 - 1
        return pad(image, margins, mode="replicate")

    def flow(
        previous: UInt8[np.ndarray, "height width 3"],
        following: UInt8[np.ndarray, "height width 3"],
    ) -> Float32[np.ndarray, "height width 2"]:
        height, width, _ = previous.shape
        if min(height, width) < LEAST:
            raise UserError(
                f"flow 'raft' needs frames of {LEAST} x {LEAST} pixels or more, "
                f"these are {height} x {width}"
            )
        margins = (*_halves(-width % 8), *_halves(-height % 8))
        left, top = margins[0], margins[2]
        images = [padded(frame, margins) for frame in (previous, following)]
        with torch.inference_mode(), _one_thread():
            found = network(*images, num_flow_updates=iterations)[-1][0]
        inside = found[:, top : top + height, left : left + width]
        return np.ascontiguousarray(inside.permute(1, 2, 0).numpy())

    return flow


def _halves(total: int) -> tuple[int, int]:
    return total // 2, total - total // 2


@lru_cache(maxsize=1)  # a method is built for each clip
def _network(path: Path, variant: str) -> Any:
    import torch
    from torchvision.models.optical_flow import raft_large, raft_small

    network = {"small": raft_small, "large": raft_large}[variant]()
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # whatever the unpickler makes of another file
        wanted = f"the state dict of torchvision's raft_{variant}"
        raise UserError(f"flow 'raft': {path.name} is not {wanted}") from error
    return network.eval()


@contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
