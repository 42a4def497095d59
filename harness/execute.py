"""The story of one run: a cell goes in, a record comes out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import cv2
import numpy as np
import pytorch_lightning as pl
import torch
from filelock import FileLock

from harness.bench.cost import Cost, Measure, cost_of
from harness.cell import Cell, find_weights
from harness.config.experiment import Experiment
from harness.data.views import Views
from harness.files import append_line, read_json_lines
from harness.malloc import keep_freed_memory
from harness.models.build import network_of
from harness.models.two_stream import TwoStream
from harness.places import Places
from harness.results.environment import environment
from harness.results.record import Record
from harness.results.store import folder_of, load, save, save_scores
from harness.settings import Settings
from harness.source import Source, prepare_source
from harness.train.before import Before
from harness.train.channel import Channel, EndedError, Verdict
from harness.train.fit import fit, score, trainer_for
from harness.train.group import met
from harness.train.initialise import initialise
from harness.train.loaders import Loader, batches_of
from harness.train.module import Classifier
from harness.train.rank import ALONE, Rank
from harness.train.weights import load_weights


def execute(
    cell: Cell, places: Places, settings: Settings, channel: Channel, rank: Rank = ALONE
) -> Record | None:
    """Train and evaluate one cell, or return the record that already stands.

    Where several ranks share the training, the first of them alone has the record.
    """
    folder = folder_of(places.runs, cell.plan, cell.key)
    folder.mkdir(parents=True, exist_ok=True)
    cell = cell.written_out()
    if not rank.first:
        return _train(cell, places, settings, folder, channel, rank)
    with FileLock(folder / ".lock"):  # an orphan of a killed coordinator may still be at it
        if (folder / "record.json").is_file():
            return load(folder / "record.json")
        append_line(folder / "log.jsonl", {"event": "start", "key": cell.key, "seed": cell.seed})
        record = _train(cell, places, settings, folder, told(channel, folder), rank)
        assert record is not None
        save(record, folder)
        append_line(folder / "log.jsonl", {"event": "finish"})
        return record


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A network after its training, and what became known of it; `ended`: before the last epoch."""

    module: Classifier
    ended: EndedError | None
    metrics: dict[str, float | None]
    seconds: float


def _train(
    cell: Cell, places: Places, settings: Settings, folder: Path, channel: Channel, rank: Rank
) -> Record | None:
    """Data, network, training, scores, cost: everything that the record says."""
    started, clock = datetime.now(UTC), perf_counter()
    keep_freed_memory()
    torch.set_num_threads(settings.threads)
    cv2.setNumThreads(settings.threads)
    experiment = cell.experiment()
    source = prepare_source(experiment.data, places, workers=1, progress=lambda *_: None)
    if rank.first:
        only_of_these_videos(folder, source.cache.hash)
    with met(rank, settings.device):
        trained = _trained(cell, source, places, settings, folder, channel=channel, rank=rank)
    if not rank.first:
        return None
    module, ended = trained.module, trained.ended
    cost = Cost(values={}, facts={})
    if ended is None:
        network, size = module.network, source.size(experiment.data)
        if not rank.alone:  # the costs of one process, by a network that is not shared out
            network = network_of(experiment, network.classes, size).to(module.device)
        known, measure = places.cache / "costs", measuring(cell, settings)
        cost = cost_of(experiment, network, size, known, measure=measure)
    epochs = experiment.train.epochs if ended is None else ended.epochs
    return Record(
        **cell.names(),
        status=ended.verdict.status if ended else "done",
        reason=ended.verdict.reason if ended else "",
        data_hash=source.cache.hash,
        metrics=trained.metrics,
        cost=cost.values | {"seconds/fit": trained.seconds, "epochs": float(epochs)},
        clips=source.counts,
        kernels={
            stream: report.describe(module.device.type)
            for stream, report in module.network.reports.items()
        },
        env=environment() | cost.facts | devices_of(module, settings, rank),
        started=started.isoformat(timespec="seconds"),
        seconds=module.seconds_before + perf_counter() - clock,
    )


def _trained(
    cell: Cell,
    source: Source,
    places: Places,
    settings: Settings,
    folder: Path,
    *,
    channel: Channel,
    rank: Rank,
) -> Trained:
    """The network from its first weights to the scores of the videos."""
    clock, experiment = perf_counter(), cell.experiment()
    pl.seed_everything(cell.seed, workers=True, verbose=False)
    network = network_of(experiment, len(source.classes), source.size(experiment.data))
    weights = find_weights(experiment, places)
    load_weights(network, weights)
    loaders = _loaders(cell, experiment, source, network, rank)
    if weights is None and not (folder / "last.ckpt").is_file():
        whole = loaders if rank.alone else _loaders(cell, experiment, source, network)
        initialise(network, whole["train"])
    if not rank.first:  # what is drawn from here on (dropout) is drawn for other samples
        pl.seed_everything(seed_of(cell.seed, rank), workers=True, verbose=False)
    steps = experiment.train.epochs * len(loaders["train"])
    module = Classifier(network, experiment.train, experiment.eval, steps)
    before = Before.of(folder)
    trainer = trainer_for(folder, experiment.train, channel, settings.device, before, rank)
    ended = _fit(trainer, module, loaders)
    seconds = module.seconds_before + perf_counter() - clock
    metrics: dict[str, float | None] = {"chance": 1 / len(source.classes), **module.logged}
    if ended is None:
        metrics |= _evaluate(trainer, module, loaders, folder, rank)
    return Trained(module=module, ended=ended, metrics=metrics, seconds=seconds)


def _fit(trainer: pl.Trainer, module: Classifier, loaders: dict[str, Loader]) -> EndedError | None:
    """Train to the last epoch, or to the verdict that ends it before."""
    try:
        fit(trainer, module, loaders["train"], loaders.get("watch"))
    except EndedError as ended:
        return ended
    return None


def _evaluate(
    trainer: pl.Trainer, module: Classifier, loaders: dict[str, Loader], folder: Path, rank: Rank
) -> dict[str, float]:
    """Metrics of every subset that is open; the scores of their videos go into `scores.npz`."""
    scores: dict[str, Any] = {}
    metrics: dict[str, float] = {}
    for name in ("val", "test"):
        if name in loaders:
            scores |= score(trainer, module, loaders[name], name)
            metrics |= module.summary(name)
    if rank.first:
        save_scores(folder, scores)
    return metrics


def measuring(cell: Cell, settings: Settings) -> Measure:
    """What is compared is measured each time; what only searches, if it searches for that."""
    if cell.stage != "search":
        return "again"
    return "once" if settings.clocked else "never"


def seed_of(seed: int, rank: Rank) -> int:
    """Of what a rank draws: the cell's own for the first, unlike any other for the rest."""
    drawn: int = np.random.SeedSequence((seed, rank.number)).generate_state(1)[0]
    return seed if rank.first else int(drawn)


def devices_of(module: Classifier, settings: Settings, rank: Rank) -> dict[str, str]:
    """What the training ran on; `devices` where there were several."""
    facts = {"device": str(module.device), "threads": str(settings.threads)}
    return facts if rank.alone else facts | {"devices": str(rank.count)}


def only_of_these_videos(folder: Path, data_hash: str) -> None:
    """A checkpoint of an attempt on videos that have changed since is no beginning."""
    log = folder / "log.jsonl"
    before = [line["hash"] for line in read_json_lines(log) if line["event"] == "data"]
    if before and before[-1] != data_hash:
        (folder / "last.ckpt").unlink(missing_ok=True)
    append_line(log, {"event": "data", "hash": data_hash})


def _loaders(
    cell: Cell,
    experiment: Experiment,
    source: Source,
    network: TwoStream,
    rank: Rank = ALONE,
) -> dict[str, Loader]:
    """The test split only if this cell may open it, and no validation where none was carved.

    "watch" is "val" in a single view: what is looked at after every epoch.
    """

    def loader(subset: str, views: Views | None = None) -> Loader:
        modalities = network.modalities
        return Loader(
            batches_of(
                experiment, source, subset, modalities, seed=cell.seed, views=views, rank=rank
            )
        )

    wanted = [name for name in ("train", "val", "test") if source.subsets[name]]
    loaders = {name: loader(name) for name in wanted if name != "test" or cell.opens_test}
    return loaders | ({"watch": loader("val", Views())} if "val" in loaders else {})


def told(channel: Channel, folder: Path) -> Channel:
    """The channel, with the first step and every epoch also in the cell's log."""
    stepped = False

    def tell(event: str, facts: Mapping[str, Any]) -> Verdict:
        nonlocal stepped
        if event == "step" and not stepped:  # how long the start took can be read off the log
            stepped = True
            append_line(folder / "log.jsonl", {"event": event, **facts})
        if event == "epoch":
            append_line(folder / "log.jsonl", {"event": event, **facts})
        return channel(event, facts)

    return tell
