"""(b) The same sweep in Ray Tune, over the cached data; a fresh process a trial.

    python benchmarks/sweep_ray.py FOLDER

Of the harness it has the cache, the batches, the network and the lean trainer with its checkpoint
after every epoch; every epoch is reported to Tune. There is no W&B, no dashboard and no record, and
nothing is searched for: the trials are a grid, which Tune hands out at no cost.
"""

import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.train.channel import Verdict

CORES = 2


def main(folder: Path) -> None:
    os.environ |= {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AIR_NEW_OUTPUT": "0",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "OMP_NUM_THREADS": "1",
    }
    import ray
    from ray import tune
    from sweep_setting import Setting

    paths = os.pathsep.join(sys.path)
    runtime = {"env_vars": {"PYTHONPATH": paths}}
    ray.init(  # a cluster of its own, also where another is or was
        "local",
        num_cpus=CORES,
        include_dashboard=False,
        logging_level=logging.ERROR,
        runtime_env=runtime,
    )
    setting = Setting.read(folder)
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(trial, folder=str(folder)), {"cpu": 1}),
        param_space={"number": tune.grid_search(list(range(len(setting.trials))))},
        tune_config=tune.TuneConfig(metric="val/top1", mode="max", reuse_actors=False),
        run_config=tune.RunConfig(storage_path=str(folder / "tune"), verbose=0),
    )
    results = tuner.fit()
    ray.shutdown()
    if results.errors:
        raise results.errors[0]


def trial(config: dict[str, Any], folder: str) -> None:
    """What a worker of Tune runs: it imports everything itself."""
    from ray import tune
    from sweep_setting import Setting, cached_loaders, final_metrics, seeded

    from harness.train.channel import GO
    from harness.train.fit import fit, score, trainer_for

    setting, number = Setting.read(Path(folder)), config["number"]
    experiment, source = setting.experiment(number), setting.source()
    module = seeded(setting, experiment, source)
    train, val = cached_loaders(experiment, source, module)

    def report(event: str, facts: Mapping[str, Any]) -> "Verdict":
        if event == "epoch":
            tune.report(dict(facts["metrics"]))
        return GO

    place = setting.folder / "tune-checkpoints" / str(number)
    place.mkdir(parents=True)
    trainer = trainer_for(place, experiment.train, report, "cpu")
    fit(trainer, module, train, val)
    score(trainer, module, val, "val")
    setting.leave("ray", number, final_metrics(module))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
