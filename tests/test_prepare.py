"""From video files to a cache: the same bytes however it was built, and nothing lost on the way."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from building import build, clips_in, content, gone, journalled, launch, videos, write
from filelock import FileLock

from harness.data import integrity, room, sources
from harness.data import prepare as preparing
from harness.data.clip import Clip
from harness.data.decode import decode
from harness.errors import UserError
from harness.flow import FLOWS
from harness.flow.codes import encode


def test_holds_the_decoded_frames_and_the_flow_between_them(tmp_path):
    (clip,) = clips_in(videos(tmp_path / "videos", count=1))
    cache = build([clip], tmp_path / "cache")
    frames = decode(clip.path, 32).frames
    np.testing.assert_array_equal(cache.rgb(clip.id), frames)
    assert cache.flow(clip.id).shape == (7, 32, 43, 2)
    # The scene moves 2 pixels to the left and 1 up; resized to 2/3 that is 1.3 and 0.7.
    pixels = (cache.flow(clip.id)[:, 8:-8, 8:-8].astype(float) - 128) * cache.bound / 127
    np.testing.assert_allclose(np.median(pixels, axis=(0, 1, 2)), [-4 / 3, -2 / 3], atol=0.2)


def test_grey_and_codes_are_those_of_one_pair_computed_by_hand(tmp_path):
    (clip,) = clips_in(videos(tmp_path / "videos", count=1))
    cache = build([clip], tmp_path / "cache", flow="farneback", bound=3.0)
    weights = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601 luma
    luma = np.rint(decode(clip.path, 32).frames[:2] @ weights).astype(np.uint8)
    by_hand = encode(FLOWS["farneback"]()(*np.stack([luma] * 3, axis=-1)), 3.0)
    difference = np.abs(cache.flow(clip.id)[0].astype(int) - by_hand)
    assert difference.mean() < 0.05


def test_bytes_depend_neither_on_workers_nor_on_the_order_of_clips(tmp_path):
    clips = clips_in(videos(tmp_path / "videos"))
    one = build(clips, tmp_path / "one", workers=1)
    two = build(clips[::-1], tmp_path / "two", workers=2)
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert one.hash == two.hash
    assert one.ids == [clip.id for clip in clips]


def test_a_second_launch_opens_what_is_there_and_reads_no_video(tmp_path, monkeypatch):
    clips = clips_in(videos(tmp_path / "videos", count=2))
    first = build(clips, tmp_path / "cache")

    def must_not(*_):
        raise AssertionError

    monkeypatch.setattr(sources, "sha256_of", must_not)
    monkeypatch.setattr(integrity, "sha256_of", must_not)
    monkeypatch.setattr(preparing, "Pool", must_not)
    second = build(clips, tmp_path / "cache", progress=must_not)
    assert second.hash == first.hash


def test_every_setting_and_every_source_byte_has_a_cache_of_its_own(tmp_path):
    clips = clips_in(videos(tmp_path / "videos", count=2))
    fast = {"options": {"preset": "fast"}}
    changes = [{}, {"resize": 24}, {"bound": 10.0}, {"flow": "farneback"}, fast]
    hashes = {build(clips, tmp_path / "cache", **change).hash for change in changes}
    hashes.add(build(clips[:1], tmp_path / "cache").hash)
    write(clips[1].path, seed=9)
    hashes.add(build(clips, tmp_path / "cache").hash)
    assert len(hashes) == len(changes) + 2
    assert build(clips, tmp_path / "cache", options={"preset": "medium"}).hash in hashes


def test_hash_names_no_folder(tmp_path):
    here = build(clips_in(videos(tmp_path / "here", count=1)), tmp_path / "one")
    there = build(clips_in(videos(tmp_path / "there", count=1)), tmp_path / "two")
    assert here.hash == there.hash
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_quarantines_what_cannot_be_used_with_the_reason(tmp_path):
    folder = videos(tmp_path / "videos", count=2)
    (folder / "text.avi").write_text("not a video")
    (folder / "empty.avi").touch()
    write(folder / "still.mp4", 0, frames=1)
    write(folder / "tiny.mp4", 0, size=(4, 64))
    whole = (folder / "1.mp4").read_bytes()
    (folder / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    clips = clips_in(folder)
    clips.append(Clip(id="absent", path=folder / "absent.mp4", label=0, group="", subset="test"))
    cache = build(clips, tmp_path / "cache", workers=2, resize=None)
    assert cache.ids == ["0.mp4", "1.mp4"]
    assert cache.quarantined == {
        "absent": "No such file or directory",
        "empty.avi": "Invalid data found when processing input",
        "still.mp4": "1 frame: no flow",
        "text.avi": "Invalid data found when processing input",
        "tiny.mp4": "flow 'dis' needs frames of 8 x 12 pixels or more, these are 4 x 64",
        "truncated.mp4": "Invalid data found when processing input",
    }
    with_them = cache.hash
    assert build(clips_in(folder)[:2], tmp_path / "cache", resize=None).hash != with_them


def test_a_file_that_appears_is_read(tmp_path):
    folder = videos(tmp_path / "videos", count=1)
    clips = [
        *clips_in(folder),
        Clip(id="late", path=folder / "late.mp4", label=0, group="", subset="test"),
    ]
    assert list(build(clips, tmp_path / "cache").quarantined) == ["late"]
    write(folder / "late.mp4", 5)
    assert not build(clips, tmp_path / "cache").quarantined


@pytest.mark.parametrize("count", [0, 2])
def test_a_set_without_any_readable_video_is_an_error_that_leaves_nothing(tmp_path, count):
    for number in range(count):
        (tmp_path / f"{number}.avi").write_text("not a video")
    clips = clips_in(tmp_path)
    said = f"none of {count} videos can be used" + ("; 0.avi: Invalid data" if count else "")
    with pytest.raises(UserError, match=said):
        build(clips, tmp_path / "cache")
    assert not any(path.is_dir() for path in (tmp_path / "cache").iterdir())


def test_a_worker_that_dies_costs_its_own_clip_only(tmp_path):
    folder = videos(tmp_path / "videos")
    write(folder / "1 deadly.mp4", 1)
    process = launch(tmp_path, folder, tmp_path / "cache")
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors.decode()
    index = json.loads(content(tmp_path / "cache")["index.json"])
    assert sorted(index["clips"]) == ["0.mp4", "1.mp4", "2.mp4", "3.mp4"]
    assert index["quarantined"] == {"1 deadly.mp4": "the process that decoded it died, twice"}


def test_a_worker_that_hangs_costs_its_own_clip_only(tmp_path):
    folder = videos(tmp_path / "videos")
    write(folder / "1 hanging.mp4", 1)
    process = launch(tmp_path, folder, tmp_path / "cache", seconds=2)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors.decode()
    index = json.loads(content(tmp_path / "cache")["index.json"])
    assert sorted(index["clips"]) == ["0.mp4", "1.mp4", "2.mp4", "3.mp4"]
    assert index["quarantined"] == {"1 hanging.mp4": "took longer than 2 s, see --seconds-per-file"}
    assert gone(process.pid)


@pytest.mark.parametrize("how", ["kill", "interrupt"])
def test_goes_on_where_it_was_stopped_to_the_same_bytes(tmp_path, how, depth):
    folder = videos(tmp_path / "videos", count=depth(8, 20))
    slow = {"flow": "tvl1", "workers": 2}  # slow enough to be caught in the middle
    build(clips_in(folder), tmp_path / "undisturbed", **slow)
    for lines in range(2, depth(3, 12), 3):
        process = launch(tmp_path, folder, tmp_path / "cache", **slow)
        journalled(tmp_path / "cache", lines)
        if how == "kill":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers, too
        _, errors = process.communicate(timeout=60)
        assert gone(process.pid), "orphaned workers"
        assert errors.decode().count("Traceback") <= 1, "the program's own, none of a worker"
        assert "index.json" not in content(tmp_path / "cache")
    steps = []

    def progress(done, total, what):
        if what.startswith("videos decoded"):
            steps.append(done)

    build(clips_in(folder), tmp_path / "cache", progress=progress, **slow)
    assert steps[0] > lines
    assert content(tmp_path / "cache") == content(tmp_path / "undisturbed")


def test_workers_are_deaf_to_ctrl_c(tmp_path):
    """It goes to every process of a terminal; only this one may decide what is to be done."""
    folder = videos(tmp_path / "videos", count=6)
    process = launch(tmp_path, folder, tmp_path / "cache", flow="tvl1")
    journalled(tmp_path / "cache", 1)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        process.communicate(timeout=200)
        pytest.skip("this system does not tell a process's children")
    for child in children.read_text().split():
        os.kill(int(child), signal.SIGINT)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors.decode()
    assert errors == b""


def test_two_processes_at_once_build_one_cache(tmp_path):
    folder = videos(tmp_path / "videos")
    pair = [launch(tmp_path, folder, tmp_path / "cache", workers=1) for _ in range(2)]
    said = [process.communicate(timeout=200)[0].decode().splitlines() for process in pair]
    assert [process.returncode for process in pair] == [0, 0]
    assert said[0][-1] == said[1][-1]
    built = [line for lines in said for line in lines if "flow computed" in line]
    assert len(built) == 4, said


def test_says_that_it_waits_for_another_process(tmp_path):
    clips = clips_in(videos(tmp_path / "videos", count=1))
    build(clips, tmp_path / "cache")
    (lock,) = (tmp_path / "cache").glob("*.lock")
    (home,) = [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]
    (home / "index.json").unlink()
    held = FileLock(lock)
    held.acquire()
    said = []

    def release(done, total, what):
        said.append(what)
        held.release()

    build(clips, tmp_path / "cache", progress=release)
    assert said[0] == "waiting for another process that prepares the same videos"


def test_a_full_disk_stops_the_build_and_its_workers(tmp_path, monkeypatch):
    clips = clips_in(videos(tmp_path / "videos"))

    def full(self, id, entry, pieces):
        raise UserError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(preparing.Builder, "write", full)
        with pytest.raises(UserError, match="the disk is full"):
            build(clips, tmp_path / "cache", workers=2)
    assert build(clips, tmp_path / "cache").ids == [clip.id for clip in clips]


def test_a_really_full_disk_is_told_and_continued(tmp_path, small_disk, monkeypatch):
    clips = clips_in(videos(tmp_path / "videos", count=6))
    small, remount = small_disk
    monkeypatch.setattr(room, "free_disk", lambda _: 10**12)  # others fill it meanwhile
    with pytest.raises(UserError, match="the disk is full; free some space and run again"):
        build(clips, small)
    remount("size=20m")
    steps = []
    build(clips, small, progress=lambda done, *_: steps.append(done))
    assert steps[-1] == 6
    assert len([step for step in steps if step]) < 12
    build(clips, tmp_path / "undisturbed")
    assert content(small) == content(tmp_path / "undisturbed")


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(tmp_path, small_disk):
    clips = clips_in(videos(tmp_path / "videos", count=6))
    small, _ = small_disk
    said = r"the raw cache of 6 clips needs 0\.5 MB, and 0\.2 MB are free; free some space, say"
    with pytest.raises(UserError, match=said):
        build(clips, small, store="raw")
    assert not any(path.is_dir() for path in small.iterdir())


def test_a_read_only_folder_opens_what_is_complete_and_refuses_the_rest(tmp_path, small_disk):
    clips = clips_in(videos(tmp_path / "videos", count=2))
    small, remount = small_disk
    first = build(clips, small)
    remount("ro")
    assert build(clips, small).hash == first.hash
    with pytest.raises(UserError, match=r"cannot be written \(Read-only file system\)") as caught:
        build(clips, small, resize=24)
    assert "\n" not in str(caught.value)


def test_prepares_real_clips(tmp_path, real_clips, depth):
    paths = sorted((real_clips / "ut_interaction").glob("*/*.avi"))[:: depth(40, 4)]
    clips = [Clip(id=path.stem, path=path, label=0, group="", subset="train") for path in paths]
    cache = build(clips, tmp_path / "cache", workers=2, resize=64)
    assert not cache.quarantined
    for clip in clips:
        assert min(cache.shape(clip.id)[1:]) == 64
        np.testing.assert_array_equal(cache.rgb(clip.id), decode(clip.path, 64).frames)
        # People move: somewhere by half a pixel, and most of the picture not at all.
        moved = np.abs(cache.flow(clip.id).astype(int) - 128) * cache.bound / 127
        assert moved.max() > 0.5
        assert np.median(moved) < 0.3


def test_needs_no_torch():
    code = (
        "import sys, harness.data.prepare, harness.data.batches; sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
