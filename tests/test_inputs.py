"""From raw bytes to what a backbone takes: order of channels, scale, the middle frame."""

import numpy as np
import pytest
import torch

from harness.errors import UserError
from harness.flow import codes as flow_codes
from harness.models.inputs import INPUTS, to_input

BATCH, SEGMENTS, FRAMES, HEIGHT, WIDTH = 2, 3, 5, 6, 7


def raw(modality, frames=FRAMES):
    torch.manual_seed(0)
    size = (BATCH, SEGMENTS, frames, HEIGHT, WIDTH, {"rgb": 3, "flow": 2}[modality])
    return torch.randint(0, 256, size, dtype=torch.uint8)


def value(pixel, channel):
    """As torchvision's reference code normalises."""
    mean, deviation = [0.485, 0.456, 0.406][channel], [0.229, 0.224, 0.225][channel]
    return (float(pixel) / 255 - mean) / deviation


@pytest.mark.parametrize("name", INPUTS)
def test_the_sizes_are_as_announced(name):
    kind = INPUTS[name]
    x = to_input(raw(kind.modality), kind, bound=20.0)
    assert x.shape == (BATCH * SEGMENTS, *kind.size(FRAMES, (HEIGHT, WIDTH)))
    assert x.shape[1] == kind.channels(FRAMES)
    assert x.dim() == 2 + kind.dimensions
    assert x.dtype == torch.float32
    images = kind.dimensions == 2
    layout = torch.channels_last if images else torch.contiguous_format
    assert x.is_contiguous(memory_format=layout)


def test_the_channels_of_each_input():
    channels = {name: kind.channels(10) for name, kind in INPUTS.items()}
    images = {"rgb": 3, "rgb_diff": 27, "flow_stack": 20}
    assert channels == images | {"rgb_clip": 3, "flow_clip": 2}
    frames = {name: kind.raw_frames(10) for name, kind in INPUTS.items()}
    assert frames == {"rgb": 1, **dict.fromkeys(set(frames) - {"rgb"}, 10)}


def test_stacked_flow_interleaves_x_and_y():
    """Channel 2k - 1, counted from 1, is the horizontal displacement of step k."""
    codes = raw("flow")
    x = to_input(codes, INPUTS["flow_stack"], bound=127.0).unflatten(0, (BATCH, SEGMENTS))
    for step in range(FRAMES):
        pixels = codes[:, :, step].float() - 128
        assert torch.equal(x[:, :, 2 * step], pixels[..., 0])
        assert torch.equal(x[:, :, 2 * step + 1], pixels[..., 1])


def test_flow_clips_have_x_before_y():
    codes = raw("flow")
    x = to_input(codes, INPUTS["flow_clip"], bound=127.0).unflatten(0, (BATCH, SEGMENTS))
    assert torch.equal(x, codes.movedim(-1, 2).float() - 128)


@pytest.mark.parametrize("name", ["flow_stack", "flow_clip"])
@pytest.mark.parametrize("bound", [8.0, 20.0, 15.5])
def test_flow_is_in_pixels_as_it_was_encoded(name, bound):
    codes = raw("flow")
    pixels = torch.from_numpy(flow_codes.decode(codes.numpy(), bound)).flatten(0, 1)
    if name == "flow_stack":
        expected = pixels.movedim(-1, 2).flatten(1, 2)
    else:
        expected = pixels.movedim(-1, 1)
    torch.testing.assert_close(to_input(codes, INPUTS[name], bound), expected.contiguous())


def test_no_motion_is_zero():
    still = np.full((1, 1, 2, 3, 3, 2), 128, np.uint8)
    assert not to_input(torch.from_numpy(still), INPUTS["flow_stack"], 20.0).any()


def test_frames_are_normalised_by_colour():
    frames = raw("rgb")
    x = to_input(frames, INPUTS["rgb_clip"], 20.0).unflatten(0, (BATCH, SEGMENTS))
    for channel in range(3):
        expected = value(frames[1, 2, 3, 4, 5, channel], channel)
        assert x[1, 2, channel, 3, 4, 5].item() == pytest.approx(expected, abs=1e-5)


def test_differences_are_stacked_colour_by_colour_frame_by_frame():
    """Channels 3k, 3k + 1 and 3k + 2 are the colours of frame k + 1 less those of frame k."""
    frames = raw("rgb")
    x = to_input(frames, INPUTS["rgb_diff"], 20.0).unflatten(0, (BATCH, SEGMENTS))
    assert x.shape[2] == 3 * (FRAMES - 1)
    for k in range(FRAMES - 1):
        for colour, deviation in enumerate((0.229, 0.224, 0.225)):
            levels = frames[:, :, k + 1, ..., colour].float() - frames[:, :, k, ..., colour].float()
            torch.testing.assert_close(
                x[:, :, 3 * k + colour], levels / (255 * deviation), atol=1e-5, rtol=1e-5
            )


def test_a_still_picture_has_no_differences():
    still = raw("rgb", 1).expand(-1, -1, 4, -1, -1, -1)
    assert not to_input(still, INPUTS["rgb_diff"], 20.0).any()


def test_differences_need_two_frames():
    assert INPUTS["rgb_diff"].channels(2) == 3
    with pytest.raises(UserError, match="data.clip.frames: rgb_diff needs 2 frames or more, not 1"):
        INPUTS["rgb_diff"].channels(1)


@pytest.mark.parametrize("frames", [1, 4, 5])
def test_a_single_image_is_the_middle_frame(frames):
    clip = raw("rgb", frames)
    x = to_input(clip, INPUTS["rgb"], 20.0)
    alone = to_input(clip[:, :, frames // 2, None], INPUTS["rgb"], 20.0)
    assert torch.equal(x, alone)
    whole = to_input(clip, INPUTS["rgb_clip"], 20.0)
    torch.testing.assert_close(x, whole[:, :, frames // 2])


def test_the_raw_batch_is_left_as_it_was():
    for name, kind in INPUTS.items():
        frames = raw(kind.modality)
        before = frames.clone()
        to_input(frames, kind, 20.0)
        assert torch.equal(frames, before), name
