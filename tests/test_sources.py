"""What is remembered of the sources saves reading them, and never costs more than that."""

import json
import os
import subprocess
import sys

import pytest
from footage import fill

from harness.data import sources
from harness.data.clip import Clip
from harness.data.sources import Memory, remembered_hashes, source_hashes
from harness.files import sha256_of


def quiet(done, total, what):
    pass


@pytest.fixture
def clips(tmp_path):
    """Six files that are no videos; none is decoded here."""
    folder = tmp_path / "videos"
    folder.mkdir()
    paths = [folder / os.fsdecode(b"%d \xff" % number) for number in range(6)]
    for path in paths:
        path.write_text(path.name[0])
    return [Clip(id=path.name[0], path=path, label=0, group="", subset="train") for path in paths]


@pytest.fixture
def hashed(monkeypatch):
    """The names of the files that are read, as they are."""
    read = []
    monkeypatch.setattr(
        sources, "sha256_of", lambda path: (read.append(path.name[0]), sha256_of(path))[1]
    )
    return read


def expected(clips):
    return {clip.id: {"sha256": sha256_of(clip.path)} for clip in clips}


def test_what_is_known_is_not_read_again_until_it_changes(tmp_path, clips, hashed):
    folder = tmp_path / "cache"
    assert remembered_hashes(clips, folder) is None
    assert source_hashes(clips, folder, quiet) == expected(clips)
    assert source_hashes(clips, folder, quiet) == expected(clips)
    assert remembered_hashes(clips, folder) == expected(clips)
    assert hashed == list("012345")
    clips[3].path.write_text("longer")
    assert remembered_hashes(clips, folder) is None
    assert source_hashes(clips, folder, quiet) == expected(clips)
    assert remembered_hashes(clips, folder) == expected(clips)
    assert hashed == list("0123453")


def test_an_interruption_keeps_every_file_that_was_hashed(tmp_path, clips, hashed):
    def interrupt(done, total, what):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        source_hashes(clips, tmp_path / "cache", interrupt)
    source_hashes(clips, tmp_path / "cache", quiet)
    assert hashed == list("012345")


PROGRAM = """
import sys
from pathlib import Path
from harness.data.sources import Memory

folder, start, file = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
memory = Memory(file)
for number in range(start, 400, 2):
    path = folder / str(number)
    path.write_text(str(number))
    memory.learn(path, [path])
"""


def test_processes_that_learn_at_once_lose_nothing_of_each_other(tmp_path):
    file = tmp_path / "hashes.jsonl"
    processes = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, tmp_path, str(start), file])
        for start in (0, 1)
    ]
    assert [process.wait() for process in processes] == [0, 0]
    memory = Memory(file)
    paths = [tmp_path / str(number) for number in range(400)]
    assert [memory.recall(path, [path]) for path in paths] == [sha256_of(path) for path in paths]


DAMAGE = [b"", b"[]", b"[]\n{}\n5\n\xff\xfe\n\n", b'{"path": [], "stamp": 1, "hash": ""}\n']


@pytest.mark.parametrize("content", DAMAGE)
def test_a_damaged_memory_is_as_good_as_none(tmp_path, clips, content):
    (tmp_path / "hashes.jsonl").write_bytes(content)
    assert remembered_hashes(clips, tmp_path) is None
    for _ in range(2):  # a first line may have been added to a torn one
        assert source_hashes(clips, tmp_path, quiet) == expected(clips)
    assert remembered_hashes(clips, tmp_path) == expected(clips)


@pytest.mark.parametrize("lost", [1, 40, 100])
def test_a_torn_last_line_costs_the_reading_of_its_file(tmp_path, clips, hashed, lost):
    source_hashes(clips, tmp_path, quiet)
    file = tmp_path / "hashes.jsonl"
    file.write_bytes(file.read_bytes()[: -1 - lost])
    hashed.clear()
    for _ in range(3):
        assert source_hashes(clips, tmp_path, quiet) == expected(clips)
    assert set(hashed) == {"5"}
    assert remembered_hashes(clips, tmp_path) == expected(clips)


def test_a_memory_that_is_no_file_is_done_without(tmp_path, clips):
    (tmp_path / "hashes.jsonl").mkdir()
    assert source_hashes(clips, tmp_path, quiet) == expected(clips)


def test_a_file_that_changes_while_it_is_hashed_is_not_remembered(tmp_path, clips, monkeypatch):
    def slowly(path):
        found = sha256_of(path)
        with path.open("a") as file:
            file.write("more")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(sources, "sha256_of", slowly)
        source_hashes(clips, tmp_path, quiet)
    assert remembered_hashes(clips, tmp_path) is None
    assert source_hashes(clips, tmp_path, quiet) == expected(clips)


def test_each_file_is_one_line_and_the_last_of_a_path_counts(tmp_path):
    path, file = tmp_path / "a", tmp_path / "hashes.jsonl"
    for content in ("one", "three"):
        path.write_text(content)
        Memory(file).learn(path, [path])
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["path"] for line in lines] == [str(path)] * 2
    assert Memory(file).recall(path, [path]) == lines[1]["hash"] == sha256_of(path)


def test_a_full_disk_costs_the_memory_only(clips, small_disk):
    small, remount = small_disk
    fill(small)
    assert source_hashes(clips, small, quiet) == expected(clips)
    remount("ro")
    assert source_hashes(clips, small, quiet) == expected(clips)
