"""What a plan goes by is measured by all of its trainings, or refused before any of them."""

import re

import pytest
import torch
from searches import places_in, search
from shapes import CONV_FUSION, TINY, write

from harness.config.experiment import load_experiment
from harness.errors import UserError
from harness.fusion import FUSIONS
from harness.models.build import network_of
from harness.planning.plan import ablation_plan, sweep_plan
from harness.planning.reported import streams_reported
from harness.planning.sweepfile import Objective
from harness.search.goals import logged

LR = "    train.optimizer.lr: {float: [1e-4, 1e-2]}\n"
SPATIAL = "  trials: 2\n  objective: val/spatial/top1\n  space:\n"
FUSION = "    model.fusion.name: {choice: CHOICE}\n"
AVERAGE = {"set": "{model.fusion: average}"}


@pytest.mark.parametrize(
    "changes",
    [[f"model.fusion={name}"] for name in FUSIONS]
    + [["model.fusion=average", f"model.{stream}=null"] for stream in ("spatial", "temporal")],
    ids=str,
)
def test_the_streams_with_scores_of_their_own_are_those_of_the_network(changes):
    experiment, _ = load_experiment(CONV_FUSION, changes)
    with torch.device("meta"):
        network = network_of(experiment, classes=4, size=32)
    assert ("fused", *streams_reported(experiment.model)) == network.heads_reported


@pytest.mark.parametrize(
    ("space", "arm", "lines"),
    [
        (LR, {}, [r"fusion 'conv' joins the streams before they have scores \(.*n\.yaml:\d+\)"]),
        (LR, AVERAGE, []),
        (LR, {"set": "{model.temporal: null}"}, [r"without a temporal stream \(.*s\.yaml:3\)"]),
        (FUSION.replace("CHOICE", "[average]"), {}, []),  # whatever the arm has
        (
            FUSION.replace("CHOICE", "[average, sum, max]"),
            AVERAGE,
            [r"fusion 'sum' joins .* \(.*s\.yaml:8\)", r"fusion 'max' joins .*s\.yaml:8\)"],
        ),
    ],
)
def test_the_scores_of_a_stream_are_refused_where_an_arm_or_a_choice_has_none(
    space, arm, lines, tmp_path
):
    if not lines:
        search(tmp_path, SPATIAL + space, **arm)
        return
    with pytest.raises(UserError) as error:
        search(tmp_path, SPATIAL + space, **arm)
    told = str(error.value).splitlines()
    assert len(told) == len(lines)
    for line, pattern in zip(told, lines, strict=True):
        at = rf"s\.yaml:{6 if arm else 5}: search\.objective: 'val/spatial/top1' is not measured"
        assert re.search(f"{at}.*{pattern}", line)
        assert "val/top1 is, of the network as a whole" in line


def test_a_constraint_on_a_stream_is_looked_at_too(tmp_path):
    text = "  trials: 2\n  constraints: {val/temporal/top1: {min: 0.2}}\n  space:\n"
    with pytest.raises(UserError, match=r"s\.yaml:5: search\.constraints\.val/temporal/top1: "):
        search(tmp_path, text + LR)


@pytest.mark.parametrize(
    ("name", "near"),
    [("val/spatil/top1", "val/spatial/top1"), ("val/temporal/mean", "val/temporal/mean_class")],
)
def test_a_wrong_stream_or_score_is_told_with_the_nearest(name, near, tmp_path):
    text = f"  trials: 2\n  objective: {name}\n  space:\n{LR}"
    told = rf"s\.yaml:5: search\.objective: '{name}' is not a .* did you mean '{near}'\?"
    with pytest.raises(UserError, match=told):
        search(tmp_path, text)


def test_top_5_needs_more_than_five_classes(tmp_path):
    text = f"  trials: 2\n  objective: val/top5\n  space:\n{LR}"
    with pytest.raises(UserError) as error:
        search(tmp_path, text).by_task(places_in(tmp_path))
    assert re.search(r"s\.yaml:5: search\.objective: 'val/top5' .* has 4$", str(error.value))
    many = search(tmp_path, text, set="{data.task: hue_and_direction}")
    assert len(many.by_task(places_in(tmp_path))) == 1


@pytest.mark.parametrize(
    ("metric", "changes", "told"),
    [
        ("test/topp", [], "'test/topp' is not a metric; did you mean 'test/top"),
        ("cost/parms", [], "'cost/parms' is not a cost; did you mean 'cost/params'?"),
        ("test/spatial/top1", [], "'test/spatial/top1' is not measured: fusion 'conv' joins"),
        ("val/top1", ["data.val=null"], "'val/top1' needs validation clips"),
        ("val/top1", [], ""),
        ("cost/macs", [], ""),
        ("macs", [], ""),
        ("test/temporal/mean_class", ["model.fusion=average"], ""),
    ],
)
def test_the_metric_of_an_ablation_is_looked_at_before_it_is_made(metric, changes, told, tmp_path):
    write(tmp_path, "tiny.yaml", TINY)
    text = f"extends: tiny.yaml\nname: abl\nablate:\n  metric: {metric}\n"
    path = write(tmp_path, "abl.yaml", f"{text}  replace: {{train.epochs: [1]}}\n")
    if not told:
        assert ablation_plan(path, changes).metric == metric
        return
    with pytest.raises(UserError) as error:
        ablation_plan(path, changes)
    assert str(error.value).startswith(f"{path}:4: ablate.metric: {told}")


def test_every_arm_of_a_sweep_is_looked_at_and_told_once(tmp_path):
    write(tmp_path, "tiny.yaml", TINY)
    arms = "arms: [{base: tiny.yaml, grid: {model.fusion: [average, sum], train.epochs: [1, 2]}}]"
    path = write(tmp_path, "s.yaml", f"name: s\n{arms}\nsearch:\n{SPATIAL}{LR}")
    with pytest.raises(UserError) as error:
        sweep_plan(path)
    [line] = str(error.value).splitlines()
    assert f"fusion 'sum' joins the streams before they have scores ({path}:2)" in line


@pytest.mark.parametrize(
    ("metrics", "cure"), [({"train/loss": 1.0}, True), ({"val/top1": 0.5}, False)], ids=str
)
def test_what_was_not_measured_is_a_matter_of_validation_clips_only_without_any(metrics, cure):
    with pytest.raises(UserError, match="'val/mean_class' was not measured") as error:
        logged(Objective(metric="val/mean_class"), metrics)
    assert ("data.val" in str(error.value)) == cure
