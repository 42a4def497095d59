"""The cache's files: what was written is what is read, whatever happened in between."""

import errno
import json
import os

import numpy as np
import pytest
from footage import fill
from hypothesis import given
from hypothesis import strategies as st

from harness.data import cache as layout
from harness.data import integrity
from harness.data.cache import Builder, Cache, verify_cache
from harness.data.integrity import FORMAT
from harness.errors import UserError
from harness.files import sha256_of

KEY = "0123456789abcdef" * 4
SETTINGS = {"flow": {"bound": 20.0}}
SHAPES = [(3, 4, 5), (2, 6, 2), (5, 3, 3)]


def video(seed, shape):
    """An index entry and the arrays of a random video."""
    frames, height, width = shape
    rng = np.random.default_rng(seed)
    arrays = {
        "rgb": rng.integers(256, size=(frames, height, width, 3), dtype=np.uint8),
        "flow": rng.integers(256, size=(frames - 1, height, width, 2), dtype=np.uint8),
    }
    return {"frames": frames, "height": height, "width": width}, arrays


def finish(builder):
    builder.finish(SETTINGS, dict.fromkeys(builder.done, "sha"))


def build(folder, shapes=SHAPES):
    builder = Builder(folder, KEY)
    for number, shape in enumerate(shapes):
        builder.append(f"clip {number}", *video(number, shape))
    finish(builder)
    return Cache.open(folder, KEY)


def content(folder):
    """Every file of the cache and the bytes in it."""
    return {path.name: path.read_bytes() for path in layout.home(folder, KEY).iterdir()}


@given(
    shapes=st.lists(
        st.tuples(st.integers(2, 6), st.integers(1, 7), st.integers(1, 7)), min_size=1, max_size=5
    )
)
def test_what_is_written_is_read(tmp_path_factory, shapes):
    cache = build(tmp_path_factory.mktemp("cache"), shapes)
    for number, shape in enumerate(shapes):
        id = f"clip {number}"
        _, arrays = video(number, shape)
        assert cache.shape(id) == shape
        np.testing.assert_array_equal(cache.rgb(id), arrays["rgb"])
        np.testing.assert_array_equal(cache.flow(id), arrays["flow"])


def test_arrays_are_plain_npy_files_mapped_read_only(tmp_path):
    cache = build(tmp_path)
    for name in ("rgb", "flow"):
        array = np.load(layout.home(tmp_path, KEY) / f"{name}.npy", mmap_mode="r")
        assert array.dtype == np.uint8
        np.testing.assert_array_equal(array[: 20 * 2], getattr(cache, name)("clip 0").ravel()[:40])
    with pytest.raises(ValueError, match="read-only"):
        cache.rgb("clip 0")[0] = 0


def test_index_tells_where_from_and_how_long(tmp_path):
    cache = build(tmp_path)
    home = layout.home(tmp_path, KEY)
    index = json.loads((home / "index.json").read_text())
    assert index["clips"]["clip 1"] == {
        "frames": 2, "height": 6, "width": 2, "rgb": 180, "flow": 80, "sha256": "sha"
    }  # fmt: skip
    assert index["files"]["rgb.npy"]["sha256"] == sha256_of(home / "rgb.npy")
    assert index["hash"] == cache.hash
    assert index["settings"] == SETTINGS
    assert sorted(content(tmp_path)) == ["flow.npy", "index.json", "rgb.npy"]


def test_hash_tells_which_clips_are_quarantined_not_how_that_was_worded(tmp_path):
    def hashed(name, **reasons):
        builder = Builder(tmp_path / name, KEY)
        builder.append("a", *video(0, (2, 2, 2)))
        for id, reason in reasons.items():
            builder.append(id, {"reason": reason}, {})
        finish(builder)
        return Cache.open(tmp_path / name, KEY).hash

    assert hashed("one", b="broken") == hashed("two", b="damaged")
    assert hashed("three") != hashed("one", b="broken")


def test_hash_tells_every_byte_of_what_was_decoded(tmp_path):
    """Two decoders may differ by a level on one file, whose key is the same."""

    def hashed(name, level):
        entry, arrays = video(0, (2, 2, 2))
        arrays["rgb"][1, 0, 1, 2] = level
        builder = Builder(tmp_path / name, KEY)
        builder.append("a", entry, arrays)
        finish(builder)
        return Cache.open(tmp_path / name, KEY).hash

    assert hashed("one", 100) == hashed("two", 100) != hashed("three", 101)


def test_quarantined_clips_have_a_reason_and_no_bytes(tmp_path):
    builder = Builder(tmp_path, KEY)
    builder.append("a", *video(0, (2, 2, 2)))
    builder.append("b", {"reason": "no video stream"}, {})
    builder.append("c", *video(1, (2, 2, 2)))
    finish(builder)
    cache = Cache.open(tmp_path, KEY)
    assert cache.ids == ["a", "c"]
    assert cache.quarantined == {"b": "no video stream"}
    np.testing.assert_array_equal(cache.rgb("c"), video(1, (2, 2, 2))[1]["rgb"])


TORN = {  # and how many of two clips survive it
    "half a line": (lambda home: append(home / "journal.jsonl", b'{"id": "clip 2", "fra'), 2),
    "frames without a line": (lambda home: append(home / "rgb.npy.part", bytes(77)), 2),
    "a line whose flow was lost": (lambda home: cut(home / "flow.npy.part", 5), 1),
    "everything but the journal": (lambda home: (home / "rgb.npy.part").unlink(), 0),
    "between renames": (lambda home: (home / "rgb.npy.part").rename(home / "rgb.npy"), 2),
}


def append(path, bytes):
    path.write_bytes(path.read_bytes() + bytes)


def cut(path, length):
    path.write_bytes(path.read_bytes()[:-length])


@pytest.mark.parametrize("damage", TORN)
def test_a_torn_build_goes_on_to_the_same_bytes(tmp_path, damage):
    build(tmp_path / "undisturbed")
    builder = Builder(tmp_path / "torn", KEY)
    for number in (0, 1):
        builder.append(f"clip {number}", *video(number, SHAPES[number]))
    destroy, survivors = TORN[damage]
    destroy(builder.home)
    builder = Builder(tmp_path / "torn", KEY)
    assert list(builder.done) == [f"clip {number}" for number in range(survivors)]
    for number in range(survivors, len(SHAPES)):
        builder.append(f"clip {number}", *video(number, SHAPES[number]))
    builder = Builder(tmp_path / "torn", KEY)
    assert len(builder.done) == len(SHAPES)
    finish(builder)
    assert content(tmp_path / "torn") == content(tmp_path / "undisturbed")


@pytest.mark.parametrize("full_at", ["rgb.npy.part", "flow.npy.part", "journal.jsonl"])
def test_a_full_disk_is_told_and_leaves_what_can_be_continued(tmp_path, monkeypatch, full_at):
    build(tmp_path / "undisturbed")
    builder = Builder(tmp_path / "full", KEY)
    builder.append("clip 0", *video(0, SHAPES[0]))
    write = layout._append

    def half(path, pieces):
        if path.name != full_at:
            return write(path, pieces)
        with path.open("ab") as file:
            file.write(bytes(pieces[0])[:7])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(layout, "_append", half)
        with pytest.raises(UserError, match="the disk is full"):
            builder.append("clip 1", *video(1, SHAPES[1]))
    builder = Builder(tmp_path / "full", KEY)
    assert list(builder.done) == ["clip 0"]
    for number in (1, 2):
        builder.append(f"clip {number}", *video(number, SHAPES[number]))
    finish(builder)
    assert content(tmp_path / "full") == content(tmp_path / "undisturbed")


def edit(home, old, new):
    text = (home / "index.json").read_text()
    assert old in text
    (home / "index.json").write_text(text.replace(old, new))


def swap(home):
    """The files of another cache of the same sizes."""
    builder = Builder(home.parent / "other", KEY)
    for number, shape in enumerate(SHAPES):
        builder.append(f"clip {number}", *video(number + 10, shape))
    finish(builder)
    (builder.home / "rgb.npy").replace(home / "rgb.npy")


def flip(home):
    content = bytearray((home / "flow.npy").read_bytes())
    content[-3] ^= 1
    (home / "flow.npy").write_bytes(content)


DAMAGE = {
    "rgb.npy holds": lambda home: cut(home / "rgb.npy", 1),
    "flow.npy holds": lambda home: append(home / "flow.npy", b"x"),
    "flow.npy: No such file": lambda home: (home / "flow.npy").unlink(),
    "Expecting": lambda home: (home / "index.json").write_text(""),
    "UnicodeDecodeError": lambda home: (home / "index.json").write_bytes(b"\xff"),
    "TypeError": lambda home: (home / "index.json").write_text("[]"),
    "belongs to another cache": lambda home: edit(home, KEY, KEY[:16] + "f" * 48),
    "its format is 1, not": lambda home: edit(home, f'"format": {FORMAT}', '"format": 1'),
    "index.json is not what was written": lambda home: edit(home, '"frames": 3', '"frames": 2'),
    "flow.npy is not what was written": flip,
    "rgb.npy is not what was written": swap,
}


@pytest.mark.parametrize("said", DAMAGE)
def test_a_damaged_cache_is_refused_with_what_to_delete(tmp_path, said):
    build(tmp_path)
    home = layout.home(tmp_path, KEY)
    DAMAGE[said](home)
    with pytest.raises(UserError, match="delete this folder") as error:
        Cache.open(tmp_path, KEY)
    assert said in str(error.value)
    assert str(error.value).startswith(f"{home}: damaged cache (")
    assert "\n" not in str(error.value)


def test_a_file_is_hashed_once_and_again_when_it_was_touched(tmp_path, monkeypatch):
    build(tmp_path)
    hashed = []
    monkeypatch.setattr(integrity, "sha256_of", lambda path: hashed.append(path) or sha256_of(path))
    Cache.open(tmp_path, KEY)
    assert hashed == []
    rgb = layout.home(tmp_path, KEY) / "rgb.npy"
    os.utime(rgb)
    Cache.open(tmp_path, KEY)
    Cache.open(tmp_path, KEY)
    assert hashed == [rgb]
    for memory in tmp_path.glob("*.checked"):
        memory.write_text("torn")
    Cache.open(tmp_path, KEY)
    assert len(hashed) == 3


@pytest.mark.parametrize("state", ["full", "read-only"])
def test_a_full_or_read_only_disk_costs_only_the_memory_of_what_was_checked(small_disk, state):
    small, remount = small_disk
    build(small)
    for memory in small.glob("*.checked"):
        memory.unlink()
    if state == "full":
        fill(small)
    else:
        remount("ro")
    assert Cache.open(small, KEY).ids
    assert not list(small.glob("*.checked"))


def test_verify_finds_what_kept_its_size_and_time(tmp_path):
    build(tmp_path)
    verify_cache(tmp_path, KEY)
    rgb = layout.home(tmp_path, KEY) / "rgb.npy"
    before = rgb.stat()
    last = rgb.read_bytes()[-1]
    with rgb.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))
    os.utime(rgb, ns=(before.st_atime_ns, before.st_mtime_ns))
    Cache.open(tmp_path, KEY)
    with pytest.raises(UserError, match="rgb.npy is not what was written"):
        verify_cache(tmp_path, KEY)
