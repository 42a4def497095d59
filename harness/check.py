"""Whether an experiment can run, found out before anything is prepared or trained.

Options are bound to signatures, files and annotations are looked up, and the network is built on
the meta device, where it takes no memory and a tenth of a second.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from harness.bench.counts import example
from harness.cell import find_weights
from harness.config.document import Document
from harness.config.experiment import Experiment
from harness.config.located import located, notes
from harness.config.options import check_options
from harness.config.schema import Component
from harness.data.batches import require_shares
from harness.errors import UserError
from harness.models.build import network_of
from harness.optim import OPTIMIZERS, SCHEDULES
from harness.places import Places
from harness.registry import Registry
from harness.source import augmentation_of, open_dataset, recipe_of, subsets_of
from harness.train.module import trains_separately
from harness.train.weights import fitting_weights

META = torch.device("meta")


def check(experiment: Experiment, document: Document, places: Places) -> None:
    """Raise UserError, with the file and line it comes from, for whatever would fail later."""
    check_options(experiment, document)
    with located(document, "data"):
        dataset = open_dataset(experiment.data, places)
        dataset.clips()
        recipe = recipe_of(experiment.data, places)
    with located(document, "data", "flow"):
        recipe.flow.method()
    with located(document, "data", "augment"):
        augmentation_of(experiment.data.augment)
    with located(document, "eval", "mirror"):
        if experiment.eval.mirror and dataset.mirrored is None:
            raise UserError(
                f"a mirrored clip of {dataset.title} has another label; set it to false"
            )
    _shared(experiment, dataset, document)
    with located(document, "train", "init_from"):
        weights = find_weights(experiment, places)
    size = experiment.data.clip.crop or experiment.data.resize or 64
    with located(document, "model"):
        with META, _countable():
            network = network_of(experiment, len(dataset.classes), size)
            clip = experiment.data.clip
            network(example(network.modalities, clip.segments, clip.frames, size, META, samples=2))
        trains_separately(network, experiment.train)
    with located(document, "train", "optimizer"):
        optimizer = _made(OPTIMIZERS, experiment.train.optimizer, [*network.parameters()])
    with located(document, "train", "schedule"):
        _made(SCHEDULES, experiment.train.schedule, optimizer, 10)
    if weights is not None:
        with located(document, "train", "init_from"):
            fitting_weights(network, weights)


def _shared(experiment: Experiment, dataset: Any, document: Document) -> None:
    """Every rank needs a share: of a batch two samples, for batch normalisation; of each subset,
    before any video turns out to be unreadable.
    """
    ranks, batch_size = experiment.train.ranks, experiment.train.batch_size
    if ranks == 1:
        return
    with located(document, "train", "batch_size"):
        if batch_size < 2 * ranks:
            raise UserError(f"{batch_size} samples are less than two for each of {ranks} ranks")
    subsets = subsets_of(dataset.clips(), dataset.classes, experiment.data)
    with located(document, "train", "parallel"):
        for name, clips in subsets.items():
            if clips:
                require_shares(len(clips), ranks, training=name == "train")


def _made(table: Registry, component: Component, *what: Any) -> Any:
    """One of it; what torch has against its options is the user's error."""
    make, options = table[component.name], component.options
    try:
        return make(*what, **options)
    except ValueError as error:
        raise UserError(f"{_at_fault(make, what, options)}{error}") from None


def _at_fault(make: Any, what: Sequence[Any], options: dict[str, Any]) -> str:
    """The option without which nothing is wrong, if it is one alone: "lr: "."""
    for key in options:
        others = {name: value for name, value in options.items() if name != key}
        try:
            make(*what, **others)
        except (ValueError, TypeError):  # another is at fault, or it must be given
            continue
        return f"{key}: "
    return ""


@contextmanager
def _countable() -> Iterator[None]:
    """Sizes beyond what can be counted are the user's error; any other error is a bug."""
    try:
        yield
    except (RuntimeError, TypeError) as error:
        said = str(error).partition("\n")[0]
        if "overflow" not in said.lower():
            raise
        refused = UserError(f"too large: {said}")
        refused.__notes__ = notes(error)
        raise refused from None
