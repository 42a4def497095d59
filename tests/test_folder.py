"""A user's own folder of videos: splits given or drawn, groups kept, mistakes told."""

import errno
import os
import re
from pathlib import Path

import pytest

from harness.datasets.folder import Folder
from harness.errors import UserError


def place(root, *names):
    for name in names:
        (root / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "mine" / name).touch()


def folder(root, split="01", path="mine", **options):
    return Folder([root], Path("unused"), split, path=path, **options)


def complaint(root, **options):
    with pytest.raises(UserError) as error:
        folder(root, **options).clips()
    assert "\n" not in str(error.value)
    return str(error.value)


def many(root):
    place(root, *(f"{name}/{i}.mp4" for name in ("wave", "Jump") for i in range(10)))


def test_sorts_classes_and_takes_videos_only(tmp_path):
    many(tmp_path)
    place(
        tmp_path, "wave/.hidden.mp4", "wave/notes.txt", ".git/x.mp4", "readme.md", "Jump/LAST.AVI"
    )
    dataset = folder(tmp_path)
    assert dataset.classes == ["Jump", "wave"]
    assert dataset.title == "folder/mine"
    names = [clip.id for clip in dataset.clips()]
    assert names == sorted(
        [f"{c}/{i}.mp4" for c in dataset.classes for i in range(10)] + ["Jump/LAST.AVI"]
    )


def test_follows_train_and_test_where_they_are_given(tmp_path):
    place(tmp_path, "train/a/1.mp4", "train/b/2.mp4", "test/a/1.mp4", "test/b/3.mp4")
    assert [(c.id, c.label, c.subset) for c in folder(tmp_path).clips()] == [
        ("train/a/1.mp4", 0, "train"),
        ("train/b/2.mp4", 1, "train"),
        ("test/a/1.mp4", 0, "test"),
        ("test/b/3.mp4", 1, "test"),
    ]
    assert "allowed: '01', since train/ and test/ exist" in complaint(tmp_path, split="02")


def test_draws_a_share_of_each_class_and_another_for_another_split(tmp_path):
    many(tmp_path)
    draws = set()
    for split in ("01", "02", "03"):
        test = [c for c in folder(tmp_path, split).clips() if c.subset == "test"]
        assert [c.label for c in test] == [0, 0, 0, 1, 1, 1]
        draws.add(frozenset(c.id for c in test))
    assert len(draws) == 3


def test_keeps_numbered_groups_whole(tmp_path):
    place(tmp_path, *(f"{c}/v_g{g:02}_c{i}.avi" for c in "ab" for g in range(5) for i in range(3)))
    clips = folder(tmp_path, test_share=0.4).clips()
    assert {clip.group for clip in clips} == {f"{c}/v_g{g:02}" for c in "ab" for g in range(5)}
    test = [clip for clip in clips if clip.subset == "test"]
    assert len(test) == 12
    assert not {c.group for c in test} & {c.group for c in clips if c.subset == "train"}


def test_flips_unless_told_otherwise(tmp_path):
    many(tmp_path)
    assert list(folder(tmp_path).mirrored) == list(range(len(folder(tmp_path).classes)))
    assert folder(tmp_path, flippable=False).mirrored is None


@pytest.mark.parametrize(
    ("names", "options", "told"),
    [
        ([], {}, r"looked for mine in .*--data or HARNESS_DATA"),
        (["a/1.mp4"], {"path": "/mine"}, r"path: folder: '/mine' must lie in a data root"),
        (["a/1.mp4"], {"path": "../mine"}, r"path: folder: '\.\./mine' must"),
        (["a/1.mp4"], {"test_share": 1.0}, r"test_share: must be between 0 and 1, got 1\.0"),
        (["a/1.mp4"], {"split": "first"}, r"no split 'first'; allowed: '01', '02' and so on"),
        (["1.mp4"], {}, r"mine: no videos in it; place them in a sub-folder for each class"),
        (["a/1.mp4", "b/1.txt"], {}, r"b: no videos in it \(\.avi, .*\.mp4"),
        (["a/1.mp4", "b/1.mp4", "b/2.mp4"], {}, r"mine.a: none of its groups"),
        (["train/a/1.mp4", "test/b/1.mp4"], {}, r"'a' is a class in only one of train/ and test/"),
    ],
)
def test_tells_what_is_wrong_in_one_line(tmp_path, names, options, told):
    place(tmp_path, *names)
    assert re.search(told, complaint(tmp_path, **options))


@pytest.mark.parametrize("barred", ["mine", "mine/b", "mine/b/frames"])
def test_a_folder_that_may_not_be_listed_is_named(tmp_path, monkeypatch, barred):
    place(tmp_path, "a/1.mp4", "a/2.mp4", "b/1.mp4", "b/frames/1.jpg")
    scan, folder_barred = os.scandir, tmp_path / barred

    def guarded(path):
        if Path(path) == folder_barred:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", guarded)
    monkeypatch.setattr(os, "listdir", lambda path: [entry.name for entry in guarded(path)])
    assert complaint(tmp_path) == f"{folder_barred}: cannot be listed (Permission denied)"


def test_equal_names_in_train_and_test_are_no_group(tmp_path):
    place(tmp_path, "train/a/1.mp4", "train/b/1.mp4", "test/a/1.mp4", "test/b/1.mp4")
    assert len({clip.group for clip in folder(tmp_path).clips()}) == 4


def test_a_folder_of_images_is_a_video(tmp_path):
    place(tmp_path, *(f"{c}/v_g0{g}/img_00001.JPG" for c in "ab" for g in (1, 2)))
    place(tmp_path, "a/notes/readme.txt", "a/.thumbnails/1.jpg")
    clips = folder(tmp_path, test_share=0.5).clips()
    assert [clip.id for clip in clips] == ["a/v_g01", "a/v_g02", "b/v_g01", "b/v_g02"]
    assert all(clip.path.is_dir() for clip in clips)
    assert clips[0].group == "a/v_g01"


def test_left_and_right_change_places(tmp_path):
    place(tmp_path, *(f"turn_{side}/{i}.mp4" for side in ("left", "right") for i in (1, 2)))
    assert folder(tmp_path).mirrored == [1, 0]
