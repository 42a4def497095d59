"""What data costs a training: the project's cached loop beside the usual ways, on the same clips.

    python benchmarks/data.py [--visits 240] [--rounds 3] [--epochs 50] [--data FOLDER]

The clips are UT-Interaction's real AVIs where FOLDER (HARNESS_TEST_DATA by default) has them, else
moving_shapes, written at 240 pixels. Every variant trains the same small two-stream network (one
frame, ten flow fields, 112 pixels, batches of eight, one thread a process) for the same number of
clip visits, in a fresh fork each time, one variant after the other in each round; medians are
shown. CPU is user and system time of the trainings and their loader workers. Both cores are busy in
every variant: ours and the floor run two trainings side by side, the usual ways two loader workers.
Decoding, flow, caches and JPEGs are made beforehand and not counted.
"""

import argparse
import os
import platform
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from measure import Spent, side_by_side, spent
from memory import growth, sharing
from usual import write_jpegs
from variants import Bench, Training, floor, jpeg_frames, on_the_fly, ours

from harness.config.experiment import load_experiment
from harness.data.decode import decode
from harness.flow.fields import FlowRecipe, fields
from harness.places import Places
from harness.report.formats import ColumnSpec, Table, markdown
from harness.source import prepare_source

CORES = 2
SHAPES = "data={name: moving_shapes, task: direction, size: 240, frames: 24, train: 24, test: 4}"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A way to feed the network, how many trainings fill the cores, and what ours must reach.

    `goal`: the most that ours may cost, as a multiple of this variant's CPU time.
    """

    title: str
    prepare: Callable[[Bench, Path], Training]
    trainings: int
    goal: float | None


VARIANTS = (
    Variant(title="floor: one resident batch", prepare=floor, trainings=CORES, goal=1.20),
    Variant(title="ours: cached", prepare=ours, trainings=CORES, goal=None),
    Variant(title="decord + Farneback on the fly", prepare=on_the_fly, trainings=1, goal=1 / 15),
    Variant(title="JPEG frames and flow", prepare=jpeg_frames, trainings=1, goal=1 / 1.5),
)


def main() -> None:
    options = arguments()
    with TemporaryDirectory() as name:
        bench = bench_in(Path(name), options.data, options.visits)
        print("\n".join(setting(bench)), flush=True)
        rounds = [[measure(variant, bench) for variant in VARIANTS] for _ in range(options.rounds)]
        print(markdown(table(rounds, bench.visits)), flush=True)
        for line in (flow_cost(bench), *sharing(bench), *growth(bench, options.epochs)):
            print(line, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visits", type=int, default=240, help="clip visits of each training")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=50, help="of the look at memory")
    parser.add_argument("--data", type=Path, default=os.environ.get("HARNESS_TEST_DATA", "data"))
    return parser.parse_args()


def bench_in(folder: Path, data: Path, visits: int) -> Bench:
    """Everything that is made once: videos, caches, JPEGs."""
    real = (data / "ut_interaction").is_dir()
    overrides = [] if real else [SHAPES, "data.clip.flip=false"]
    experiment, _ = load_experiment(Path(__file__).with_name("data.yaml"), overrides)
    places = Places(data=(data,), cache=folder / "cache", runs=folder)
    source = prepare_source(experiment.data, places, workers=CORES, progress=lambda *_: None)
    bench = Bench(
        experiment=experiment,
        places=places,
        classes=len(source.classes),
        clips=source.subsets["train"],
        jpegs=folder / "jpegs",
        visits=visits,
    )
    with ProcessPoolExecutor(CORES, get_context("fork")) as pool:
        seen = {clip.id: clip for clip in bench.visited}.values()
        list(pool.map(partial(write_jpegs, folder=bench.jpegs), seen))
    return bench


def setting(bench: Bench) -> Iterator[str]:
    """What was run, on what, in a few lines."""
    packages = ("torch", "pytorch-lightning", "decord", "opencv-contrib-python-headless", "pillow")
    data = bench.experiment.data
    mirror = "random crop and flip" if data.clip.flip else "random crop, no flip"
    yield f"{platform.machine()}, {CORES} cores, one thread a process, Python " + ", ".join(
        [platform.python_version(), *(f"{name} {version(name)}" for name in packages)]
    )
    yield (
        f"{data.name}: {len(bench.clips)} training clips, {bench.visits} visits a training, "
        f"resize {data.resize}, crop {data.clip.crop}, {mirror}"
    )
    yield ""


def measure(variant: Variant, bench: Bench) -> list[Spent]:
    def train(number: int) -> Spent:
        warnings.simplefilter("ignore")
        with TemporaryDirectory(prefix=f"{number}-") as folder:
            return spent(variant.prepare(bench, Path(folder)))

    return side_by_side([partial(train, number) for number in range(variant.trainings)])


def table(rounds: list[list[list[Spent]]], visits: int) -> Table:
    """A row for each variant: medians over the rounds, and how ours compares."""
    cpu = [
        median(1000 * sum(s.cpu for s in spents) / (visits * len(spents)) for spents in column)
        for column in zip(*rounds, strict=True)
    ]
    rates = [
        median(visits * len(spents) / wall(spents) for spents in column)
        for column in zip(*rounds, strict=True)
    ]
    own = next(c for c, variant in zip(cpu, VARIANTS, strict=True) if variant.prepare is ours)
    rows = [
        {
            "variant": variant.title,
            "cpu": c,
            "rate": rate,
            "ours": own / c,
            "goal": variant.goal,
            "holds": None if variant.goal is None else own / c <= variant.goal,
        }
        for c, rate, variant in zip(cpu, rates, VARIANTS, strict=True)
    ]
    columns = {
        "variant": "variant",
        "cpu": "CPU ms/clip",
        "rate": "clips/s, both cores",
        "ours": "ours / this",
        "goal": "at most",
        "holds": "holds",
    }
    return Table("", tuple(ColumnSpec(key=k, title=t) for k, t in columns.items()), rows)


def wall(spents: list[Spent]) -> float:
    return max(s.ended for s in spents) - min(s.began for s in spents)


def flow_cost(bench: Bench) -> str:
    """The default flow on 180 frames of 160 x 120, forward and backward again if the clip ends."""
    frames = decode(bench.clips[0].path, None).frames
    there_and_back = np.concatenate([frames, frames[::-1]])
    clip = np.stack(
        [cv2.resize(there_and_back[t % len(there_and_back)], (160, 120)) for t in range(180)]
    )
    [cost] = side_by_side([partial(spent, partial(fields, clip, FlowRecipe(name="dis")))])
    return f"dis (medium) on 180 frames of 160 x 120: {cost.cpu:.2f} CPU s"


if __name__ == "__main__":
    main()
