"""moving_shapes keeps its promises: reproducible files, and each cue where its task says.

What is claimed of the pictures is measured on decoded files, with OpenCV's optical flow.
"""

import json
from collections import Counter
from inspect import signature
from io import BytesIO
from itertools import pairwise
from typing import get_args

import av
import cv2
import numpy as np
import pytest

from harness.datasets.moving_shapes import MovingShapes
from harness.datasets.shapes_scene import CHROMA, HUES, RADIUS, Disc, coverage, draw, encode, noise
from harness.datasets.shapes_tasks import STEPS, TASKS, glide
from harness.errors import UserError


def shapes(cache, **options):
    return MovingShapes([], cache, "01", **{"train": 32, "test": 32} | options)


def silent(done, total, what):
    pass


def decode(file, form):
    with av.open(file) as container:
        return np.stack([frame.to_ndarray(format=form) for frame in container.decode(video=0)])


def mean_flow(path, places):
    """The mean flow (x, y) of a clip over the pixels that `places` finds in its RGB frames."""
    frames = decode(str(path), "rgb24")
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    method = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = np.stack([method.calc(*pair, None) for pair in pairwise(grey)])
    return flow[places(frames[:-1].astype(int))].mean(axis=0)


def coloured(rgb):
    return np.ptp(rgb, axis=-1) > CHROMA


def reddish(rgb):
    return coloured(rgb) & (rgb.argmax(axis=-1) == 0)


def anywhere(rgb):
    return np.full(rgb.shape[:-1], True)


def test_the_tasks_offered_are_the_tasks_there_are():
    assert get_args(signature(MovingShapes).parameters["task"].annotation) == tuple(TASKS)


@pytest.mark.parametrize("task", TASKS)
def test_classes_are_balanced_and_shuffled(tmp_path, task):
    clips = shapes(tmp_path, task=task, train=50, test=40).clips()
    assert Counter(clip.subset for clip in clips) == {"train": 50, "test": 40}
    for subset in ("train", "test"):
        labels = [clip.label for clip in clips if clip.subset == subset]
        assert max(Counter(labels).values()) - min(Counter(labels).values()) <= 1
        assert labels != sorted(labels)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("task", TASKS)
def test_writes_videos_that_can_be_browsed_and_decoded(tmp_path, task):
    dataset = shapes(tmp_path, task=task, train=16, test=16, size=24, frames=5)
    dataset.write(silent)
    clip = dataset.clips()[-1]
    assert (
        clip.path == dataset.folder / "videos" / "test" / dataset.classes[clip.label] / "00015.mp4"
    )
    with av.open(str(clip.path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec.name, stream.pix_fmt, stream.average_rate) == ("h264", "yuv420p", 25)
    assert decode(str(clip.path), "rgb24").shape == (5, 24, 24, 3)


def test_the_same_options_give_the_same_bytes_and_no_clip_comes_twice(tmp_path):
    contents = []
    for cache, seed in (("a", 0), ("b", 0), ("c", 1)):
        dataset = shapes(tmp_path / cache, task="direction", seed=seed)
        dataset.write(silent)
        contents.append([clip.path.read_bytes() for clip in dataset.clips()])
    assert contents[0] == contents[1]
    assert len(set(contents[0] + contents[2])) == 2 * len(contents[0])


def test_every_option_has_a_folder_of_its_own(tmp_path):
    changes = [
        {},
        {"size": 34},
        {"frames": 8},
        {"train": 48},
        {"test": 48},
        {"seed": 1},
        {"task": "xor"},
    ]
    assert len({shapes(tmp_path, **change).folder for change in changes}) == len(changes)


def test_goes_on_where_it_stopped(tmp_path):
    def stop(done, total, what):
        if done == 5:
            raise KeyboardInterrupt

    dataset = shapes(tmp_path, task="hue", size=16, frames=3)
    with pytest.raises(KeyboardInterrupt):
        dataset.write(stop)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.mp4")}
    assert len(written) == 5
    assert not (dataset.folder / "specification.json").exists()

    calls = []
    dataset.write(lambda *call: calls.append(call))
    assert calls[0] == (6, 64, "moving_shapes/hue")
    assert calls[-1] == (64, 64, "moving_shapes/hue")
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert sorted(p.suffix for p in dataset.folder.rglob("*.*")) == [".json"] + 64 * [".mp4"]
    specification = json.loads((dataset.folder / "specification.json").read_text())
    assert specification == dataset.specification
    assert specification.keys() == {"task", "size", "frames", "train", "test", "seed", "revision"}


def test_what_is_complete_can_be_used_on_a_read_only_disk(small_disk):
    small, remount = small_disk
    dataset = shapes(small, task="hue", size=16, frames=3, train=16, test=16)
    remount("size=20m")
    dataset.write(silent)
    remount("ro")
    dataset.write(silent)


def test_replaces_what_was_deleted_and_nothing_else(tmp_path):
    dataset = shapes(tmp_path, task="hue", size=16, frames=3)
    dataset.write(silent)
    lost = dataset.clips()[7].path
    content = lost.read_bytes()
    lost.unlink()
    times = {path: path.stat().st_mtime_ns for path in dataset.folder.rglob("*.*")}
    dataset.write(silent)
    assert lost.read_bytes() == content
    assert {path: path.stat().st_mtime_ns for path in times} == times


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"task": "bind", "size": 33}, r"size: moving_shapes/bind takes even ones"),
        ({"size": 14}, r"size: .* takes at least 16, got 14"),
        ({"frames": 2}, r"frames: .* takes at least 3, got 2"),
        ({"train": 15}, r"train: .* at least 16, got 15"),
        ({"seed": -1}, r"seed: .* at least 0, got -1"),
    ],
)
def test_refuses_what_it_cannot_draw(tmp_path, options, told):
    with pytest.raises(UserError, match=told):
        shapes(tmp_path, **options)


def test_noise_is_carried_along_its_path_and_round_the_frame():
    path = np.array([[0.0, 0.0], [5 / 32, 0.0], [-3 / 32, 20 / 32], [0.5 / 32, 0.0]])
    still, right, away, half = noise(path, 32, np.random.default_rng(0))
    np.testing.assert_allclose(right, np.roll(still, 5, axis=1), atol=1e-9)
    np.testing.assert_allclose(away, np.roll(still, (20, -3), axis=(0, 1)), atol=1e-9)
    assert abs(still.mean()) < 1e-9
    np.testing.assert_allclose([still.std(), half.std()], 1)


def test_a_disc_covers_its_area_wherever_it_is():
    places = np.random.default_rng(0).random((50, 2))
    areas = coverage(places, 32).sum(axis=(1, 2)) / 32**2
    np.testing.assert_allclose(areas, np.pi * RADIUS**2, rtol=0.02)


def test_hue_leaves_no_trace_in_grey_and_rgb_does_not_clip():
    path = glide("right", 8, np.array([0.1, 0.4]))
    inside = coverage(path, 32) == 1
    films = {hue: draw([Disc(hue=hue, path=path)], 32, np.random.default_rng(1)) for hue in HUES}
    drawn = np.stack([luma for luma, _ in films.values()])
    assert (drawn == drawn[0]).all()
    rgb = [decode(BytesIO(encode(*film)), "rgb24") for film in films.values()]
    assert all(film.min() > 0 and film.max() < 255 for film in rgb)
    grey = [np.stack([cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in film])[inside] for film in rgb]
    assert np.ptp([film.mean() for film in grey]) < 0.5
    colours = [film[inside].mean(axis=0) for film in rgb]
    assert min(np.abs(a - b).max() for i, a in enumerate(colours) for b in colours[:i]) > CHROMA


def test_a_frame_keeps_no_trace_of_the_others():
    luma, chroma = draw(
        [Disc(hue="red", path=glide("right", 16, np.array([0.5, 0.5])))],
        32,
        np.random.default_rng(0),
    )
    forward = decode(BytesIO(encode(luma, chroma)), "yuv420p")
    backward = decode(BytesIO(encode(luma[::-1], chroma[:, ::-1])), "yuv420p")
    np.testing.assert_array_equal(backward[::-1], forward)
    assert np.abs(forward[:, :32].astype(int) - luma).mean() < 1


def test_the_flow_of_a_disc_gives_its_direction(tmp_path):
    dataset = shapes(tmp_path, task="direction", train=4, test=60)
    dataset.write(silent)
    clips = [clip for clip in dataset.clips() if clip.subset == "test"]
    steps = np.stack([STEPS[name] for name in dataset.classes])
    right = [np.argmax(steps @ mean_flow(clip.path, coloured)) == clip.label for clip in clips]
    assert np.mean(right) >= 0.9


def test_bind_is_told_by_the_flow_at_red_pixels_and_not_by_the_mean_flow(tmp_path):
    dataset = shapes(tmp_path, task="bind", train=2, test=60)
    dataset.write(silent)
    clips = [clip for clip in dataset.clips() if clip.subset == "test"]
    assert dataset.classes == ["red_left", "red_right"]
    for places, least, most in ((reddish, 0.9, 1), (anywhere, 0.3, 0.7)):
        right = [(mean_flow(clip.path, places)[0] > 0) == clip.label for clip in clips]
        assert least <= np.mean(right) <= most


def stage(task, name, seed, frames=16):
    return TASKS[task].stage(name, frames, np.random.default_rng(seed))


@pytest.mark.parametrize("frames", [16, 17])
def test_order_has_the_same_motions_from_the_same_place_to_the_same_place(frames):
    films = [stage("order", name, 3, frames)[0] for name in TASKS["order"].classes]
    assert films[0].hue == films[1].hue
    first, second = (film.path for film in films)
    np.testing.assert_allclose(first[[0, -1]], second[[0, -1]])
    steps = [sorted(np.diff(path, axis=0).round(9).tolist()) for path in (first, second)]
    assert steps[0] == steps[1]
    assert not np.allclose(first, second)


@pytest.mark.parametrize("task", ["direction", "order"])
def test_every_frame_may_show_a_disc_anywhere(task):
    for name in TASKS[task].classes:
        paths = np.stack([stage(task, name, seed)[0].path for seed in range(400)])
        assert np.abs(np.exp(2j * np.pi * paths).mean(axis=0)).max() < 0.15  # uniform on a circle


@pytest.mark.parametrize("name", TASKS["bind"].classes)
def test_the_discs_of_bind_never_meet(name):
    for seed in range(100):
        red, green = (disc.path for disc in stage("bind", name, seed))
        apart = red - green
        apart -= apart.round()
        assert np.hypot(*apart.T).min() > 2 * RADIUS


def test_xor_has_every_hue_and_direction_in_both_classes():
    for name, crossed in (("agree", False), ("differ", True)):
        shown = set()
        for seed in range(100):
            (disc,) = stage("xor", name, seed)
            vertical = bool(disc.path[0, 0] == disc.path[1, 0])
            assert ((disc.hue in ("cyan", "violet")) != vertical) == crossed
            shown.add((disc.hue, np.sign(np.diff(disc.path, axis=0)[0].round(9)).tobytes()))
        assert len(shown) == 8
