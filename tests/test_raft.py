"""RAFT from a file of weights: the wiring, since trained weights are not to be had here."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torchvision.models import optical_flow

from harness.config.experiment import Data, Flow
from harness.errors import UserError
from harness.flow.fields import FlowRecipe, fields
from harness.flow.raft import raft
from harness.places import Places
from harness.source import recipe_of

FRAMES = np.random.default_rng(0).integers(0, 256, (2, 130, 137, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A data root with random weights of each variant."""
    folder = tmp_path_factory.mktemp("data")
    torch.manual_seed(0)
    for variant in ("small", "large"):
        network = getattr(optical_flow, f"raft_{variant}")()
        torch.save(network.state_dict(), folder / f"raft_{variant}.pth")
    return folder


def theirs(root, variant, iterations):
    """The same by torchvision alone; frames padded to multiples of 8, as RAFT's authors do."""
    network = getattr(optical_flow, f"raft_{variant}")().eval()
    network.load_state_dict(torch.load(root / f"raft_{variant}.pth", weights_only=True))
    padded = np.pad(FRAMES, ((0, 0), (3, 3), (3, 4), (0, 0)), "edge")
    images = torch.from_numpy(padded).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        flow = network(images[:1], images[1:], num_flow_updates=iterations)[-1]
    return flow[0, :, 3:-3, 3:-4].permute(1, 2, 0).numpy()


@pytest.mark.parametrize(("variant", "iterations"), [("small", 3), ("large", 1)])
def test_is_torchvisions_network_with_the_weights_of_the_file(root, variant, iterations):
    weights = str(root / f"raft_{variant}.pth")
    method = raft(weights=weights, variant=variant, iterations=iterations)
    flow = method(*FRAMES)
    assert flow.shape == (130, 137, 2)
    assert flow.dtype == np.float32
    assert np.abs(flow).max() > 0
    np.testing.assert_allclose(flow, theirs(root, variant, iterations), atol=1e-3)
    np.testing.assert_array_equal(method(*FRAMES), flow)
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    np.testing.assert_array_equal(method(*FRAMES), flow)
    assert torch.get_num_threads() == threads + 1
    torch.set_num_threads(threads)


def test_small_frames_are_refused(root):
    with pytest.raises(UserError, match="'raft' needs frames of 128 x 128 pixels or more, these"):
        raft(weights=str(root / "raft_small.pth"))(*FRAMES[:, :100])


@pytest.mark.parametrize("content", ["another network", "text"])
def test_other_files_are_refused_in_one_line(root, tmp_path, content):
    other = root / "raft_large.pth"
    if content == "text":
        other = tmp_path / "text.pth"
        other.write_text("no weights")
    with pytest.raises(
        UserError, match="is not the state dict of torchvision's raft_small"
    ) as told:
        raft(weights=str(other))
    assert "\n" not in str(told.value)


def test_no_iterations_are_refused(root):
    with pytest.raises(UserError, match="'raft': iterations is 0; it must be at least 1"):
        raft(weights=str(root / "raft_small.pth"), iterations=0)


def data(**options):
    flow = Flow(name="raft", options={"weights": "raft_small.pth", "iterations": 1, **options})
    return Data(name="folder", flow=flow)


def test_the_weights_are_found_in_a_data_root_and_hashed_by_content(root, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "raft_small.pth").write_bytes((root / "raft_small.pth").read_bytes())
    first, second = (recipe_of(data(), Places(data=(place,))) for place in (root, elsewhere))
    assert first.flow.options["weights"] == str(root / "raft_small.pth")
    assert first.settings("raw") == second.settings("raw")
    assert str(root) not in str(first.settings("raw"))
    (elsewhere / "raft_small.pth").write_bytes(b"other weights")
    assert first.settings("raw") != recipe_of(data(), Places(data=(elsewhere,))).settings("raw")
    assert fields(FRAMES, first.flow)["flow"].shape == (1, 130, 137, 2)


def test_missing_weights_are_one_line_that_says_where_to_put_them(tmp_path):
    places = Places(data=(tmp_path,), runs=tmp_path / "runs")
    wanted = r"data\.flow\.weights: no such file 'raft_small\.pth'; put it where .*" + str(tmp_path)
    with pytest.raises(UserError, match=wanted):
        recipe_of(data(), places)


def test_torch_is_imported_only_when_raft_is_asked_for():
    code = (
        "import sys, harness.flow.raft, harness.flow.fields as f; "
        "f.FlowRecipe(name='raft', options={'weights': 'x'}).is_read; "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_weights_must_be_given():
    with pytest.raises(UserError, match="flow 'raft' needs the option 'weights'"):
        recipe_of(Data(name="folder", flow=Flow(name="raft")), Places())
    assert not FlowRecipe(name="raft").is_read
