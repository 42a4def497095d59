"""Whether an experiment can run, found out before anything is prepared or trained.

Options are bound to signatures, files and annotations are looked up, and the network is built on
the meta device, where it takes no memory and a tenth of a second.
"""

import torch

from harness.bench.counts import example
from harness.cell import find_weights
from harness.config.document import Document
from harness.config.experiment import Experiment
from harness.config.options import check_options
from harness.errors import UserError
from harness.models.build import network_of
from harness.places import Places
from harness.source import open_dataset, recipe_of
from harness.train.module import trains_separately
from harness.train.weights import fitting_weights

META = torch.device("meta")


def check(experiment: Experiment, document: Document, places: Places) -> None:
    """Raise UserError, with the file and line it comes from, for whatever would fail later."""
    check_options(experiment, document)
    try:
        dataset = open_dataset(experiment.data, places)
        dataset.clips()
    except UserError as error:
        raise UserError(f"{document.where(('data',))}: data: {error}") from None
    try:
        recipe_of(experiment.data, places).flow.method()
    except UserError as error:
        raise UserError(f"{document.where(('data', 'flow'))}: {error}") from None
    size = experiment.data.clip.crop or experiment.data.resize or 64
    try:
        with META:
            network = network_of(experiment, len(dataset.classes), size)
            clip = experiment.data.clip
            network(example(network.modalities, clip.segments, clip.frames, size, META, samples=2))
        trains_separately(network, experiment.train)
    except UserError as error:
        raise UserError(f"{document.where(('model',))}: model: {error}") from None
    try:
        weights = find_weights(experiment, places)
        if weights is not None:
            fitting_weights(network, weights)
    except UserError as error:
        raise UserError(f"{document.where(('train', 'init_from'))}: {error}") from None
