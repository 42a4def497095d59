"""The model as a whole: what it takes and gives, what it refuses, and its algebra."""

import pytest
import torch
from torch.nn import functional as F

from harness.backbones import BACKBONES
from harness.errors import UserError
from harness.fusion import FUSIONS
from harness.models.assembly import StreamSpec, two_stream
from harness.models.inputs import INPUTS

CLASSES, FRAMES, SIZE = 5, 4, 16
NAMES = {name: f"tiny{kind.dimensions}d" for name, kind in INPUTS.items()}


def stream(input, *, width=4, **convs):
    return StreamSpec(backbone=(NAMES[input], {"width": width}), input=input, **convs)


def model(spatial="rgb", temporal="flow_stack", *, fusion="average", seed=0, **changes):
    """A small model; a stream is an input's name, a StreamSpec or None."""
    torch.manual_seed(seed)
    streams = [stream(s) if isinstance(s, str) else s for s in (spatial, temporal)]
    given = {"head": {}, "classes": CLASSES, "frames": FRAMES, "size": SIZE, "bound": 20.0}
    return two_stream(*streams, fusion=(fusion, {}), **(given | changes))


def batch_for(model, *, batch=2, segments=3, size=SIZE):
    torch.manual_seed(1)
    return {
        name: torch.randint(
            0,
            256,
            (batch, segments, frames, size, size, {"rgb": 3, "flow": 2}[name]),
            dtype=torch.uint8,
        )
        for name, frames in model.modalities.items()
    }


@pytest.mark.parametrize(
    "streams", [("rgb", "flow_stack"), ("rgb", "flow_clip"), ("rgb_diff", "rgb_diff")], ids=str
)
@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_fusion_learns_end_to_end(fusion, streams):
    network = model(*streams, fusion=fusion)
    scores = network(batch_for(network))
    late = FUSIONS[fusion].LEVEL == "scores"
    assert set(scores) == ({"fused", "spatial", "temporal"} if late else {"fused"})
    assert tuple(scores) == network.heads_reported
    assert network.classes == CLASSES
    assert network.trains_separately == late
    assert all(value.shape == (2, CLASSES) for value in scores.values())
    F.cross_entropy(scores["fused"], torch.tensor([0, 1])).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("backbone", [n for n, b in BACKBONES.items() if b.DIMENSIONS == 2])
def test_images_keep_their_channels_last_up_to_the_last_map(backbone):
    spec = StreamSpec(backbone=(backbone, {}), input="rgb")
    network = model(spec, None).eval()
    maps = network.streams["spatial"](batch_for(network, size=64))
    assert min(maps.shape) > 1  # else every layout is the same
    assert maps.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("input", INPUTS)
def test_every_backbone_takes_the_inputs_of_its_dimensions_and_refuses_the_others(backbone, input):
    spec = StreamSpec(backbone=(backbone, {}), input=input)
    with torch.device("meta"):
        if INPUTS[input].dimensions == BACKBONES[backbone].DIMENSIONS:
            network = model(spec, None, size=64)
            assert network(batch_for(network, size=64))["fused"].shape == (2, CLASSES)
        else:
            with pytest.raises(UserError, match=f"{input!r} does not go with .*{backbone!r}"):
                model(spec, None)


def test_a_wrong_input_is_told_which_fit():
    spec = StreamSpec(backbone=("tiny2d", {}), input="flow_clip")
    said = "^model.temporal.input: 'flow_clip' does not go with the 2-D backbone 'tiny2d'; "
    with pytest.raises(UserError, match=said + "it takes rgb or rgb_diff or flow_stack$"):
        model("rgb", spec)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"spatial": StreamSpec(backbone=("tiny2", {}), input="rgb")}, "did you mean 'tiny2d'"),
        ({"fusion": "averge"}, "did you mean 'average'"),
        ({"spatial": None, "temporal": None}, "needs at least one stream"),
        ({"spatial": stream("rgb", width=8), "fusion": "sum"}, "got 32 .spatial. and 16"),
        ({"spatial": stream("rgb", operator=("fast3d", {}))}, "fast3d replaces nothing in tiny2d"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[:20],
)
def test_what_cannot_be_built_is_refused_at_once(change, said):
    with pytest.raises(UserError, match=said):
        model(**change)


@pytest.mark.parametrize("input", INPUTS)
@pytest.mark.parametrize("place", ["spatial", "temporal"])
def test_one_stream_is_a_model_whatever_the_fusion(place, input):
    network = model(**({"spatial": None, "temporal": None} | {place: input}), fusion="conv")
    scores = network(batch_for(network))
    assert set(scores) == set(network.heads_reported) == {"fused"}
    assert not network.trains_separately
    assert list(network.reports) == [place]


@pytest.mark.parametrize(
    ("streams", "needs"),
    [
        (("rgb", "flow_stack"), {"rgb": 1, "flow": FRAMES}),
        (("rgb_clip", "flow_clip"), {"rgb": FRAMES, "flow": FRAMES}),
        (("rgb", "rgb_clip"), {"rgb": FRAMES}),
        ((None, "flow_stack"), {"flow": FRAMES}),
    ],
    ids=str,
)
def test_it_says_what_raw_frames_it_needs(streams, needs):
    network = model(*streams)
    assert network.modalities == needs
    assert network(batch_for(network))["fused"].shape == (2, CLASSES)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_equal_segments_are_one_segment(fusion):
    network = model(fusion=fusion)
    once = batch_for(network, segments=1)
    thrice = {name: raw.expand(-1, 3, *raw.shape[2:]) for name, raw in once.items()}
    labels = torch.tensor([3, 4])
    for name, scores in network(once).items():
        repeated = network(thrice)[name]
        torch.testing.assert_close(
            F.cross_entropy(repeated, labels), F.cross_entropy(scores, labels)
        )


def test_segments_are_averaged_before_the_softmax_and_not_mixed_between_samples():
    network = model().eval()
    batch = batch_for(network, batch=2, segments=3)
    together = network(batch)["spatial"]
    for sample in range(2):
        alone = [
            network({name: raw[sample, None, k, None] for name, raw in batch.items()})["spatial"]
            for k in range(3)
        ]
        torch.testing.assert_close(together[sample], torch.cat(alone).mean(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("of", ["probabilities", "logits"])
def test_average_fuses_the_scores_of_the_streams(of):
    network = model(fusion="average")
    network.fusion.of = of
    scores = network(batch_for(network))
    expected = FUSIONS["average"](of=of)(scores["spatial"], scores["temporal"])
    assert torch.equal(scores["fused"], expected)


def test_the_streams_of_a_late_fusion_are_those_of_models_alone():
    network, alone = model(), model("rgb", None)
    batch = batch_for(network)
    alone.load_state_dict(
        {k: v for k, v in network.state_dict().items() if ".spatial." in k}, strict=True
    )
    assert torch.equal(network(batch)["spatial"], alone(batch)["fused"])


@pytest.mark.parametrize("fusion", ["sum", "conv", "max"])
def test_a_stream_that_is_silent_leaves_the_other(fusion):
    network, other = model(fusion=fusion).eval(), model(fusion=fusion).eval()
    silent = network.streams["temporal"].backbone[-2]  # batch normalisation before the last ReLU
    torch.nn.init.zeros_(silent.weight)
    other.load_state_dict(network.state_dict())
    batch = batch_for(network)
    scores = network(batch)["fused"]
    batch["flow"] = 255 - batch["flow"]
    assert torch.equal(network(batch)["fused"], scores)
    batch["rgb"] = 255 - batch["rgb"]
    assert not torch.equal(network(batch)["fused"], scores)


def test_the_spatial_map_comes_first():
    network = model(fusion="conv").eval()
    with torch.no_grad():
        network.fusion.mix.weight[:, 16:] = 0
    batch = batch_for(network)
    scores = network(batch)["fused"]
    batch["flow"] = 255 - batch["flow"]
    assert torch.equal(network(batch)["fused"], scores)


def test_predictions_do_not_depend_on_the_algorithm():
    plain, fast = (
        model("rgb_clip", stream("flow_clip", algorithm=(name, {})), fusion="conv")
        for name in ("standard", "winograd")
    )
    assert list(plain.state_dict()) == list(fast.state_dict())
    torch.testing.assert_close(plain.state_dict(), fast.state_dict(), rtol=0, atol=0)
    batch = batch_for(plain)
    torch.testing.assert_close(fast(batch)["fused"], plain(batch)["fused"], rtol=1e-4, atol=1e-4)
    assert fast.reports["spatial"].label == "standard"
    assert fast.reports["temporal"].label == "winograd (native)"


def test_an_operator_and_an_algorithm_compose_in_one_stream():
    convs = {"operator": ("r2plus1d", {}), "algorithm": ("winograd", {"tile": 4})}
    network = model("rgb", stream("flow_clip", **convs), fusion="sum")
    report = network.reports["temporal"]
    assert report.label == "r2plus1d + winograd (native)"
    assert (report.layers, report.replaced_operator, report.computed) == (3, 3, 5)
    assert report.reasons == {"0.spatial": "winograd: stride (1, 2, 2)"}
    network(batch_for(network))["fused"].sum().backward()


def test_two_clips_are_fused_as_clips():
    network = model("rgb_clip", "flow_clip", fusion="conv")
    assert network.fusion.mix.weight.dim() == 5
    assert model("rgb", "flow_clip", fusion="conv").fusion.mix.weight.dim() == 4


def test_dropout_is_off_in_evaluation():
    network = model(head={"dropout": 0.5})
    batch = batch_for(network)
    assert not torch.equal(network(batch)["fused"], network(batch)["fused"])
    network.eval()
    assert torch.equal(network(batch)["fused"], network(batch)["fused"])


def test_building_draws_the_same_weights_from_the_same_seed():
    first, second = model(seed=5).state_dict(), model(seed=5).state_dict()
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_building_leaves_the_statistics_of_normalisation_alone():
    network = model(temporal=stream("flow_clip", algorithm=("winograd", {})))
    for name, value in network.named_buffers():
        if name.endswith("num_batches_tracked"):
            assert value == 0
        if name.endswith("running_mean"):
            assert not value.any()


def test_the_bound_scales_the_flow():
    near, far = model(None, "flow_stack", bound=10.0), model(None, "flow_stack", bound=20.0)
    batch = batch_for(near)
    seen = []
    for network in (near, far):
        network.streams["temporal"].backbone.register_forward_pre_hook(
            lambda _, inputs: seen.append(inputs[0])
        )
        network(batch)
    torch.testing.assert_close(seen[1], 2 * seen[0])
