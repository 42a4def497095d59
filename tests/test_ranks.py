"""What the ranks of a training share out, and what is refused of them."""

import re

import pytest
import torch
from ranks import cell_in, source_of, workspace_in

from harness.check import check
from harness.config.experiment import load_experiment
from harness.errors import UserError
from harness.execute import _loaders
from harness.models.build import network_of
from harness.places import Places
from harness.train.rank import Rank


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return workspace_in(tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("mix", ["none", "mixup"])
@pytest.mark.parametrize(("batch_size", "ranks"), [(12, 2), (7, 2), (12, 3), (35, 4)])
def test_the_shares_of_a_batch_are_the_batch(workspace, tmp_path, mix, batch_size, ranks):
    how = [f"train.batch_size={batch_size}", f"data.augment.mix={mix}", "eval.views=3"]
    cell, places = cell_in(workspace, tmp_path, *how)
    experiment = cell.experiment()
    source = source_of(cell, places)
    network = network_of(experiment, len(source.classes), source.size(experiment.data))
    parts = [_loaders(cell, experiment, source, network, Rank(n, ranks)) for n in range(ranks)]
    whole = _loaders(cell, experiment, source, network)
    for subset in ("train", "val", "test", "watch"):
        all_of_it = joined(list(whole[subset]))
        least = 2 if subset == "train" else 1
        shared = []
        for shares in zip(*(part[subset] for part in parts), strict=True):
            sizes = [len(share["label"]) for share in shares]
            assert least <= min(sizes) <= max(sizes) <= min(sizes) + 1
            portions = [share.pop("portion").item() for share in shares]
            assert portions == pytest.approx([ranks * size / sum(sizes) for size in sizes])
            shared.append(interleaved(shares))
        if mix == "none" or len(shared) == len(list(whole[subset])):
            again = joined(shared)
            for name, tensor in all_of_it.items():
                assert torch.equal(again[name], tensor), (subset, name)


def interleaved(shares):
    """The batch of which the n-th of k ranks has every k-th sample from the n-th on."""
    total = sum(len(share["label"]) for share in shares)
    batch = {name: tensor.new_empty(total, *tensor.shape[1:]) for name, tensor in shares[0].items()}
    for number, share in enumerate(shares):
        for name, tensor in share.items():
            batch[name][number :: len(shares)] = tensor
    return batch


def joined(batches):
    return {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("train.parallel=dpp", "no strategy named 'dpp'; did you mean 'ddp'?"),
        ("train.parallel={name: ddp, ranks: 1}", "ranks: must be at least 2, got 1"),
        ("train.parallel={name: ddp, rank: 3}", "no such option; did you mean 'ranks'?"),
        ("train.parallel={name: ddp, ranks: two}", "ranks: expected int, got 'two'"),
        ("train.parallel={name: fsdp, ranks: 7}", "12 samples are less than two for each of 7"),
        (
            "train={batch_size: 40, parallel: {name: ddp, ranks: 17}}",
            "12 videos to test on are too few for 17 ranks, which need one each",
        ),
    ],
)
def test_bad_input_is_refused_before_anything_is_trained(workspace, tmp_path, override, said):
    folder, path = workspace
    with pytest.raises(UserError, match=rf"^\S+.* train\.\w+.*{re.escape(said)}"):
        check(
            *load_experiment(path, [override]),
            Places(data=(folder,), cache=folder / "cache", runs=tmp_path),
        )


def test_a_training_in_one_process_has_the_key_that_it_always_had(workspace, tmp_path):
    """Records from before there were ranks stand."""
    cell, _ = cell_in(workspace, tmp_path)
    assert "parallel" not in cell.config["train"]
    assert cell_in(workspace, tmp_path, "train.parallel=null")[0].key == cell.key
    assert cell_in(workspace, tmp_path, "train.parallel=ddp")[0].key != cell.key
