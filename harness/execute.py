"""The story of one run: a cell goes in, a record comes out."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import pytorch_lightning as pl
import torch
from filelock import FileLock
from torch import Tensor

from harness.bench.counts import example, macs, parameters
from harness.bench.memory import peak_mib
from harness.bench.timer import latency_ms
from harness.cell import Cell, find_weights
from harness.config.experiment import Experiment
from harness.models.build import network_of
from harness.models.two_stream import TwoStream
from harness.places import Places
from harness.results.environment import environment
from harness.results.record import Record
from harness.results.store import folder_of, load, save, save_scores
from harness.settings import Settings
from harness.source import Source, prepare_source
from harness.train.fit import fit, score, trainer_for
from harness.train.loaders import Loader, batches_of
from harness.train.metrics import accuracies
from harness.train.module import Classifier
from harness.train.progress import Channel
from harness.train.tracking import Tracker
from harness.train.weights import load_weights


def execute(cell: Cell, places: Places, settings: Settings, channel: Channel) -> Record:
    """Train and evaluate one cell, or return the record that already stands."""
    folder = folder_of(places.runs, cell.plan, cell.key)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):  # an orphan of a killed coordinator may still be at it
        if (folder / "record.json").is_file():
            return load(folder / "record.json")
        return _execute(cell, places, settings, folder, channel)


def _execute(
    cell: Cell, places: Places, settings: Settings, folder: Path, channel: Channel
) -> Record:
    started, clock = datetime.now(UTC), perf_counter()
    torch.set_num_threads(settings.threads)
    experiment = cell.experiment()
    source = prepare_source(experiment.data, places, workers=1, progress=lambda *_: None)
    tracker = Tracker(cell, folder.parent, settings.wandb)

    pl.seed_everything(cell.seed, workers=True, verbose=False)
    network = network_of(experiment, len(source.classes), source.size)
    load_weights(network, find_weights(experiment, places))
    module, trainer, loaders = _assemble(cell, experiment, source, network, folder, settings, channel)
    fit(trainer, module, loaders["train"], loaders.get("val"))
    fitted = perf_counter() - clock

    scores = _final_scores(cell, module, loaders, folder, settings)
    metrics = dict(module.logged) | _metrics(scores, loaders)
    metrics["chance"] = 1 / len(source.classes)
    cost = _cost(experiment, network, source.size) | {"seconds/fit": fitted}
    save_scores(folder, _arrays(scores, loaders))
    record = Record(
        **cell.names(),
        status="done",
        data_hash=source.cache.hash,
        metrics=metrics,
        cost=cost | {"memory_mib": peak_mib()},
        clips=source.counts,
        kernels={stream: report.label for stream, report in network.reports.items()},
        env=environment() | {"device": str(module.device), "threads": str(torch.get_num_threads())},
        started=started.isoformat(timespec="seconds"),
        seconds=perf_counter() - clock,
    )
    save(record, folder)
    tracker.finish({**record.metrics, **record.cost, "status": record.status})
    return record
