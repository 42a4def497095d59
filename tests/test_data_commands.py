"""`harness data`: what it prints, writes and refuses."""

import csv
import importlib
import json
import re
import shutil

import cv2
import numpy as np
import pytest
from shapes import TINY, write

SMALL = ("--set", "task=direction", "--set", "train=8", "--set", "test=4", "--set", "frames=6")


@pytest.fixture
def mine(here, tmp_path):
    """Two classes of three videos each in data/mine."""
    assert here("data", "prepare", "moving_shapes", *SMALL).returncode == 0
    videos = next((tmp_path / "cache" / "moving_shapes").glob("*/videos"))
    for name in ("left", "right"):
        found = sorted(videos.glob(f"*/{name}/*.mp4"))
        for number, path in enumerate(found[:3]):
            target = tmp_path / "data" / "mine" / name / f"{number}.mp4"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    return tmp_path / "data" / "mine"


def rows_of(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_prepare_sums_up_and_writes_a_manifest(here, tmp_path):
    done = here("data", "prepare", "moving_shapes", *SMALL, "-f", "json", "-w", "1")
    [row] = rows_of(done)
    assert (row["videos"], row["frames"], row["quarantined"]) == (12, 72, 0)
    assert "12 videos" in done.stderr  # beforehand
    assert re.search(r"^raw cache: 12 clips, 72 frames, .* allowed$", done.stderr, re.MULTILINE)
    assert (tmp_path / row["cache"] / "index.json").is_file()
    with (tmp_path / row["manifest"]).open() as file:
        clips = list(csv.DictReader(file))
    assert len(clips) == 12
    assert {clip["class"] for clip in clips} == {"right", "down", "left", "up"}
    assert all(clip["frames"] == "6" and clip["status"] == "ok" for clip in clips)
    [again] = rows_of(here("data", "prepare", "moving_shapes", *SMALL, "-f", "json", "-w", "2"))
    assert (again["hash"], again["cache"]) == (row["hash"], row["cache"])
    written = ("--manifest", "elsewhere/m.csv")
    [third] = rows_of(here("data", "prepare", "moving_shapes", *SMALL, "-f", "json", *written))
    assert (tmp_path / "elsewhere" / "m.csv").read_text() == (
        tmp_path / row["manifest"]
    ).read_text()
    assert third["manifest"] == "elsewhere/m.csv"


def test_a_change_of_the_flow_is_another_cache(here):
    caches = set()
    for change in ("resize=null", "flow.preset=fast", "resize=16", "flow=farneback"):
        words = ("data", "prepare", "moving_shapes", *SMALL, "--set", change, "-f", "json")
        caches.add(rows_of(here(*words))[0]["cache"])
    assert len(caches) == 4


def test_list_and_stats_need_no_preparation(here, tmp_path):
    before = rows_of(here("data", "list", "moving_shapes", *SMALL, "-f", "json"))
    assert len(before) == 12
    assert {row["status"] for row in before} == {"not prepared"}
    counted = rows_of(here("data", "stats", "moving_shapes", *SMALL, "-f", "json"))
    assert [row["class"] for row in counted] == ["right", "down", "left", "up", "all"]
    assert [(row["train"], row["test"]) for row in counted] == [(2, 1)] * 4 + [(8, 4)]
    assert counted[-1]["frames median"] is None
    assert not (tmp_path / "cache").exists()


def test_list_and_stats_tell_what_was_found_in_the_files(here):
    assert here("data", "prepare", "moving_shapes", *SMALL).returncode == 0
    left = rows_of(
        here("data", "list", "moving_shapes", *SMALL, "-f", "json", "--where", "class=left",
             "--where", "subset=train")
    )  # fmt: skip
    assert [(row["frames"], row["lost"], row["status"]) for row in left] == [(6, 0, "ok")] * 2
    whole = rows_of(here("data", "stats", "moving_shapes", *SMALL, "-f", "json"))[-1]
    lengths = whole["frames min"], whole["frames median"], whole["frames max"]
    assert (*lengths, whole["smallest"], whole["largest"]) == (6, 6, 6, "32x32", "32x32")
    assert whole["bytes"] > 0


def test_verify_names_what_cannot_be_used(here, mine):
    (mine / "left" / "text.avi").write_text("not a video")
    given = ("data", "verify", "folder", "--set", "path=mine", "-f", "json")
    done = here(*given)
    assert done.returncode == 1
    [row] = json.loads(done.stdout)
    assert (row["id"], row["class"], row["status"]) == ("left/text.avi", "left", "quarantined")
    assert row["reason"]
    assert "1 of 7 files cannot be used" in done.stderr
    assert len(json.loads(here(*given, "--all").stdout)) == 7
    (mine / "left" / "text.avi").unlink()
    assert rows_of(here(*given)) == []


def test_prepare_counts_the_quarantined_by_reason(here, mine):
    for name in ("a.avi", "b.avi"):
        (mine / "left" / name).write_text("not a video")
    [row] = rows_of(here("data", "prepare", "folder", "--set", "path=mine", "-f", "json"))
    assert (row["videos"], row["quarantined"]) == (8, 2)
    assert row["reasons"].startswith("2 x ")
    stats = rows_of(here("data", "stats", "folder", "--set", "path=mine", "-f", "json"))
    assert [line["quarantined"] for line in stats] == [2, 0, 2]


def test_verify_hashes_an_existing_cache_again(here, tmp_path):
    [row] = rows_of(here("data", "prepare", "moving_shapes", *SMALL, "-f", "json"))
    assert "as it was written" in here("data", "verify", "moving_shapes", *SMALL).stderr
    largest = max((tmp_path / row["cache"]).iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    for memory in (tmp_path / "cache").glob("hashes*"):
        memory.unlink()  # what is remembered of files only saves time
    done = here("data", "verify", "moving_shapes", *SMALL, "--all", "-f", "json")
    assert done.returncode == 2
    assert len(json.loads(done.stdout)) == 12  # what was found out in hours is not thrown away
    assert "damaged cache" in done.stderr


def test_verify_says_when_there_is_no_cache_to_check(here):
    assert "no cache to check" in here("data", "verify", "moving_shapes", *SMALL).stderr


def test_options_of_the_flow_are_refused_before_anything_is_decoded(here, tmp_path):
    wrong = ("--set", "flow={name: farneback, winsize: -3}")
    done = here("data", "prepare", "moving_shapes", *SMALL, *wrong)
    assert done.returncode == 2
    assert "--set flow: data.flow.winsize: must be more than 0, got -3" in done.stderr
    assert not (tmp_path / "cache").exists()


def test_a_sweep_over_crops_names_each_clip_once(here, tmp_path):
    base = write(tmp_path, "base.yaml", TINY.replace("train: 48, test: 16", "train: 8, test: 4"))
    crops = "[random, centre]"
    arms = f"[{{base: {base.name}, grid: {{data.augment.crop: {crops}}}}}]"
    sweep = write(tmp_path, "sweep.yaml", f"name: crops\narms: {arms}\n")
    assert len(rows_of(here("data", "list", sweep, "-f", "json"))) == 12


def test_one_manifest_cannot_hold_two_data_sections(here, tmp_path):
    base = write(tmp_path, "base.yaml", TINY.replace("train: 48, test: 16", "train: 8, test: 4"))
    sweep = write(
        tmp_path,
        "sweep.yaml",
        f"name: two\narms: [{base.name}]\ndata: [{{task: direction}}, {{task: bind}}]\n",
    )
    done = here("data", "prepare", sweep, "--manifest", "m.csv")
    assert done.returncode == 2
    assert "has 2 data sections; leave it out" in done.stderr
    assert not (tmp_path / "m.csv").exists()


def test_a_file_that_takes_too_long_is_given_up(here, tmp_path, monkeypatch):
    told = []
    account = importlib.import_module("harness.preparation.account")
    prepare = account.prepare
    monkeypatch.setattr(
        account, "prepare", lambda *a, **k: told.append(k["seconds_per_file"]) or prepare(*a, **k)
    )
    limit = ("--seconds-per-file", "77")
    assert here("data", "prepare", "moving_shapes", *SMALL, *limit).returncode == 0
    assert told == [77.0]


def test_an_experiment_or_a_sweep_names_its_data(here, tmp_path):
    tiny = write(tmp_path, "tiny.yaml", TINY)
    rows = rows_of(here("data", "list", tiny, "--set", "data.train=8", "-f", "json"))
    assert len(rows) == 8 + 16
    sweep = "name: s\narms: [tiny.yaml, {base: tiny.yaml, name: b, set: {train.epochs: 3}}]\n"
    sweep += "data: [{task: direction}, {task: bind}]\n"
    both = rows_of(here("data", "list", write(tmp_path, "s.yaml", sweep), "-f", "json"))
    assert {row["dataset"] for row in both} == {"moving_shapes/direction", "moving_shapes/bind"}
    assert len(both) == 2 * (48 + 16)  # the two arms share their data


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list", "moving_shape"], "did you mean 'moving_shapes'?"),
        (["list", "gone.yaml"], "gone.yaml: no such file"),
        (["list", "tiny.yaml", "--set", "data.resize=2"], "--set data.resize: must"),
        (["list", "tiny.yaml", "--set", "data.tsk=bind"], "did you mean 'task'?"),
        (["list", "moving_shapes", "--set", "resize=2"], "--set resize: data.resize: must be at"),
        (["prepare", "moving_shapes", "--set", "sise=2"], "did you mean 'size'?"),
        (["prepare", "moving_shapes", "--set", "flow.preset=slow"], "'slow' is not allowed"),
        (["prepare", "moving_shapes", "--set", "flow=diss"], "did you mean 'dis'?"),
        (["stats", "ut_interaction"], "HARNESS_DATA"),
        (["stats", "moving_shapes", "--set", "split='02'"], "no split '02'"),
        (["list", "moving_shapes", "--where", "clas=up"], "did you mean 'class'?"),
        (["list", "moving_shapes", "--where", "up"], "expected field=value"),
        (["list", "moving_shapes", "-f", "xml"], "--format 'xml'"),
        (["show", "moving_shapes", "up", *SMALL], "3 clips have that in their id: "),
        (["show", "moving_shapes", "test/up/00009", *SMALL], "no clip 'test/up/00009'; did you"),
        (["show", "moving_shapes", "test/up", "-o", "x.jpg", *SMALL], "x.jpg: a contact sheet"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_line_and_exit_code_2(here, tmp_path, words, message):
    write(tmp_path, "tiny.yaml", TINY)
    done = here("data", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("harness: ")]) == 1


def flow_images(folder, clips, count):
    """Still flow in the layout of dense_flow."""
    for clip in clips:
        home = folder / clip["id"].rsplit(".", 1)[0]
        home.mkdir(parents=True)
        for number in range(1, count + 1):
            for axis in "xy":
                still = np.full((32, 32), 128, np.uint8)
                cv2.imwrite(str(home / f"flow_{axis}_{number:05d}.jpg"), still)


def test_import_flow_says_which_clips_lack_flow_and_then_how_to_use_it(here, tmp_path):
    assert here("data", "prepare", "moving_shapes", *SMALL).returncode == 0
    clips = rows_of(here("data", "list", "moving_shapes", *SMALL, "-f", "json"))
    folder = tmp_path / "data" / "flow"
    flow_images(folder, clips[2:], 5)
    flow_images(folder, clips[1:2], 3)
    given = ("data", "import-flow", "moving_shapes", folder, *SMALL, "-f", "json")
    done = here(*given)
    assert done.returncode == 1
    assert "2 of 12 clips have no usable flow" in done.stderr
    problems = {row["id"]: row["problem"] for row in json.loads(done.stdout)}
    assert set(problems) == {clips[0]["id"], clips[1]["id"]}
    assert problems[clips[1]["id"]] == "3 images of x, 5 fields expected"
    for clip in clips[:2]:
        shutil.rmtree(folder / clip["id"].rsplit(".", 1)[0], ignore_errors=True)
    flow_images(folder, clips[:2], 5)
    assert len(rows_of(here(*given, "--all"))) == 12
    assert rows_of(here(*given)) == []
    assert "flow: {name: images, folder: flow}" in here(*given).stderr
    assert here("data", "import-flow", "moving_shapes", "nowhere", *SMALL).returncode == 2
    use = ("--set", "flow={name: images, folder: flow}")
    [row] = rows_of(here("data", "prepare", "moving_shapes", *SMALL, *use, "-f", "json"))
    assert row["quarantined"] == 0
