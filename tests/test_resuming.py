"""The bytes of a cache do not depend on how it came to be."""

import os
import random
import signal
import time
from contextlib import suppress

import pytest
from building import build, clips_in, content, gone, launch, videos
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from harness.data.tiers import TIERS


class Stopped(Exception):  # noqa: N818
    """Raised in the middle of a build."""


def stop_after(steps):
    def progress(done, total, what):
        nonlocal steps
        steps -= what.startswith("videos decoded")
        if steps == 0:
            raise Stopped

    return progress


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Some clips, and their caches in each tier."""
    folder = tmp_path_factory.mktemp("undisturbed")
    clips = clips_in(videos(folder / "videos", count=5))
    for tier in TIERS:
        build(clips, folder / tier, store=tier)
    return clips, {tier: content(folder / tier) for tier in TIERS}


@pytest.mark.parametrize("tier", TIERS)
@given(
    order=st.permutations(range(5)),
    stops=st.lists(st.integers(1, 3), max_size=2),
    workers=st.lists(st.integers(1, 3), min_size=3, max_size=3),
)
@settings(max_examples=max(4, settings.default.max_examples // 10), phases=[Phase.generate])
def test_bytes_are_the_same_for_any_workers_order_and_interruptions(
    tmp_path_factory, undisturbed, tier, order, stops, workers
):
    clips, expected = undisturbed
    folder, shuffled = tmp_path_factory.mktemp("cache"), [clips[number] for number in order]
    for steps, count in zip(stops, workers, strict=False):
        with suppress(Stopped):
            build(shuffled, folder, store=tier, workers=count, progress=stop_after(steps))
    build(shuffled, folder, store=tier, workers=workers[-1])
    assert content(folder) == expected[tier]


@pytest.fixture(scope="module")
def ut_interaction(real_clips, tmp_path_factory):
    """A few clips of the set, in one folder."""
    folder = tmp_path_factory.mktemp("ut_interaction")
    for path in sorted((real_clips / "ut_interaction").glob("*/*.avi"))[::24]:
        (folder / path.name).symlink_to(path)
    return folder


@pytest.mark.parametrize("tier", TIERS)
def test_killed_at_random_moments_it_ends_as_if_it_had_not_been(
    tmp_path, ut_interaction, tier, depth
):
    started = time.monotonic()
    process = launch(tmp_path, ut_interaction, tmp_path / "undisturbed", store=tier)
    said, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors.decode()
    took = time.monotonic() - started
    moments = random.Random(0)
    for _ in range(depth(2, 20)):
        process = launch(tmp_path, ut_interaction, tmp_path / "killed", store=tier)
        time.sleep(moments.uniform(0.2, 0.9) * took)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert gone(process.pid), "orphaned workers"
    process = launch(tmp_path, ut_interaction, tmp_path / "killed", store=tier)
    again, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors.decode()
    assert again.splitlines()[-1] == said.splitlines()[-1]  # the hash
    assert content(tmp_path / "killed") == content(tmp_path / "undisturbed")
