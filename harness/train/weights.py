"""Weights from a file: a plain state dict, or a `last.ckpt` of this harness."""

from pathlib import Path

import torch
from torch import Tensor, nn

from harness.errors import UserError

PREFIX = "network."  # of the LightningModule


def load_weights(network: nn.Module, path: Path | None) -> None:
    """Load every weight of the network, or none if there is no file to start from."""
    if path is not None:
        network.load_state_dict(fitting_weights(network, path))


def fitting_weights(network: nn.Module, path: Path) -> dict[str, Tensor]:
    """The file's weights for this network, which may be on the meta device.

    Raises:
        UserError: not a weight file, or one of another network or number of classes.
    """
    given = read_weights(path)
    wanted = network.state_dict()
    wrong = [
        f"{name} is {tuple(given[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in given and given[name].shape != tensor.shape
    ]
    absent = [name for name in wanted if name not in given]
    if wrong or absent:
        first = wrong[0] if wrong else f"{absent[0]} is absent"
        raise UserError(
            f"train.init_from: {path} does not fit this network: {first} "
            f"({len(wrong)} of another shape, {len(absent)} absent; other classes or backbone?)"
        )
    return {name: given[name] for name in wanted}


def read_weights(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what its reader and the file system raise
        first = str(error).splitlines()[0]
        raise UserError(f"train.init_from: {path} is not a weight file: {first}") from error
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"train.init_from: {path} holds no state dict")
    return {name.removeprefix(PREFIX): value for name, value in state.items()}
