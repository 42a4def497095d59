"""Real clips under their official names, from official lists to a cache, by the command line.

The lists are the official ones, cut down to the clips that are at hand.
"""

import csv
import json
from pathlib import Path

import av
import pytest
from command_line import harness_here
from dataset_files import write


def ucf101(real_clips, root):
    """Of the classes there is one with a clip to train and one to test on."""
    name = "SoccerJuggling/v_SoccerJuggling_g{}_c01.avi"
    lists = {
        "classInd.txt": "1 SoccerJuggling\n",
        "trainlist01.txt": name.format(24) + " 1\n",
        "testlist01.txt": name.format(23) + "\n",
    }
    write(root / "ucfTrainTestlist", lists)
    (root / "UCF-101").symlink_to(real_clips / "ucf101_samples")
    return {name.format(24): "train", name.format(23): "test"}


def hmdb51(real_clips, root):
    """Split 02: of the wave clips one to train on, one to test on, and one that it leaves out."""
    lists = real_clips / "annotations" / "hmdb51" / "testTrainMulti_7030_splits"
    (root / "hmdb51_org").symlink_to(real_clips / "hmdb51_samples")
    subsets = {"1": "train", "2": "test"}
    expected = {}
    for folder in (real_clips / "hmdb51_samples").iterdir():
        file = f"{folder.name}_test_split2.txt"
        present = {path.name for path in folder.iterdir()}
        flags = dict(line.split() for line in (lists / file).read_text().splitlines())
        kept = {video: flag for video, flag in flags.items() if video in present}
        text = "".join(f"{video} {flag} \n" for video, flag in kept.items())
        write(root / "testTrainMulti_7030_splits", {file: text})
        used = {video: flag for video, flag in kept.items() if flag in subsets}
        expected |= {f"{folder.name}/{video}": subsets[flag] for video, flag in used.items()}
    return expected


def frames_in(path):
    """As many as a sequential decode gives."""
    with av.open(str(path), metadata_errors="ignore") as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize(("place", "split"), [(ucf101, "01"), (hmdb51, "02")])
def test_sample_clips_are_prepared_end_to_end(place, split, real_clips, tmp_path, capsys):
    expected = place(real_clips, tmp_path)
    where = ["--data", tmp_path, "--cache", tmp_path / "cache"]
    sets = ["--set", f"split='{split}'", "--set", "resize=48", "--set", "flow.preset=fast"]
    done = harness_here(
        capsys, "data", "prepare", place.__name__, *where, *sets, "--format", "json"
    )
    assert done.returncode == 0, done.stderr
    (summary,) = json.loads(done.stdout)
    assert (summary["videos"], summary["quarantined"]) == (len(expected), 0)
    manifest = Path(summary["manifest"]).read_text(encoding="utf-8").splitlines()
    rows = {row["id"]: row for row in csv.DictReader(manifest)}
    assert {id: row["subset"] for id, row in rows.items()} == expected
    samples = real_clips / f"{place.__name__}_samples"
    for id, row in rows.items():
        assert int(row["frames"]) == frames_in(samples / id), id
