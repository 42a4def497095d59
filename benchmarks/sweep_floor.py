"""The floor of a sweep: its train steps and evaluation passes, and nothing else.

Each of so many processes has imported everything, and takes every so many-th trial. Batches are
finished float32 inputs in memory before the clock starts; it runs while the network is trained or
evaluated, by torch alone, and stands while the next epoch's batches are made.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from measure import side_by_side
from sweep_setting import Setting, cached_loaders, final_metrics, seeded
from torch import Tensor
from variants import without_normalisation

from harness.models.inputs import to_input
from harness.source import Source
from harness.train.fit import evaluate_on
from harness.train.module import Classifier

Batch = dict[str, Tensor]


class Watch:
    """Seconds of wall and of CPU of the calls that it is given, and how many there were."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __call__(self, work: Callable[[], Any]) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu
        return result


def main(folder: Path, processes: int) -> None:
    setting = Setting.read(folder)
    source = setting.source()
    numbers, name = range(len(setting.trials)), f"floor-{processes}"
    tasks = [
        partial(some, setting, source, numbers[first::processes], name)
        for first in range(processes)
    ]
    measured = side_by_side(tasks)
    trials = sorted((trial for some in measured for trial in some), key=lambda t: t["trial"])
    (folder / f"{name}.json").write_text(json.dumps(trials))


def some(
    setting: Setting, source: Source, numbers: Iterable[int], name: str
) -> list[dict[str, float]]:
    return [{"trial": number, **trial(setting, source, number, name)} for number in numbers]


def trial(setting: Setting, source: Source, number: int, name: str) -> dict[str, float]:
    """One trial; the seconds of its steps, and of its evaluation passes."""
    experiment = setting.experiment(number)
    module = seeded(setting, experiment, source)
    train, val = cached_loaders(experiment, source, module)
    evaluate_on(module, val)
    held = [finished(batch, module) for batch in val]
    epochs = []
    for epoch in range(experiment.train.epochs):
        train.epoch = lambda epoch=epoch: epoch
        epochs.append([finished(batch, module) for batch in train])
    without_normalisation(module)
    built = module.configure_optimizers()
    optimizer, scheduler = built["optimizer"], built["lr_scheduler"]["scheduler"]
    steps, passes = Watch(), Watch()
    for batches in epochs:
        module.on_train_epoch_start()
        module.train()
        steps(partial(train_on, module, batches, optimizer, scheduler))
        losses = torch.stack(module._losses)
        module.eval()
        scores = passes(partial(scores_of, module, held))
    module.logged["train/loss"] = losses.mean().item()
    scores = passes(partial(scores_of, module, held))  # the final evaluation
    for batch, logits in zip(held, scores, strict=True):
        for head, values in logits.items():
            module.scores[head].update(batch["video"], values)
    setting.leave(name, number, final_metrics(module))
    count = sum(map(len, epochs))
    return {
        "wall": steps.wall + passes.wall,
        "cpu": steps.cpu + passes.cpu,
        "step": steps.wall / count,
        "pass": passes.wall / (len(epochs) + 1),
    }


def finished(batch: Batch, module: Classifier) -> Batch:
    """The batch with its inputs as the backbones see them."""
    inputs = {
        stream.input.modality: to_input(batch[stream.input.modality], stream.input, stream.bound)
        for stream in module.network.streams.values()
    }
    return batch | {name: x.unflatten(0, (-1, 1)) for name, x in inputs.items()}


def train_on(module: Classifier, batches: list[Batch], optimizer: Any, scheduler: Any) -> None:
    for number, batch in enumerate(batches):
        loss = module.training_step(batch, number)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()


@torch.inference_mode()
def scores_of(module: Classifier, batches: list[Batch]) -> list[Batch]:
    return [module.network(batch) for batch in batches]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
