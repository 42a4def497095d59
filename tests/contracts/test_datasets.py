"""What every data set owes; a new entry in DATASETS fails here until it has an example."""

import errno
import json
import os
from pathlib import Path

import pytest
from dataset_files import empty, write

from harness.datasets import DATASETS
from harness.datasets.kth import CLASSES as KTH_CLASSES
from harness.datasets.weizmann import CLASSES as ACTIONS
from harness.errors import UserError

CLASSES = ("Jump", "Wave")


def official(name, video):
    """A layout maker: split lists and empty videos, two groups to train on and one to test."""

    def make(root):
        lists = root / "annotations" / name
        lists.mkdir(parents=True)
        numbered = list(enumerate(CLASSES, start=1))
        videos = {
            (group, label): f"{c}/{video.format(group=group, name=c)}"
            for group in (1, 2, 3)
            for label, c in numbered
        }
        for video_name in videos.values():
            (root / name / video_name).parent.mkdir(parents=True, exist_ok=True)
            (root / name / video_name).touch()
        (lists / "classInd.txt").write_text("".join(f"{i} {c}\n" for i, c in numbered))
        train = [f"{path} {label}\n" for (g, label), path in videos.items() if g > 1]
        test = [f"{path}\n" for (g, _), path in videos.items() if g == 1]
        (lists / "trainlist01.txt").write_text("".join(train))
        (lists / "testlist01.txt").write_text("".join(test))

    return make


def plain(root):
    for name in CLASSES:
        (root / "mine" / name).mkdir(parents=True)
        for index in range(4):
            (root / "mine" / name / f"{index}.mp4").touch()


def hmdb51(root):
    videos = {c: [f"{film}_{c}_u_nm_np1_ba_goo_0.avi" for film in "ABC"] for c in CLASSES}
    lists = {
        f"testTrainMulti_7030_splits/{c}_test_split1.txt": "".join(
            f"{video} {flag} \n" for video, flag in zip(names, (1, 2, 0), strict=True)
        )
        for c, names in videos.items()
    }
    write(root, lists | empty(*(f"hmdb51_org/{c}/{v}" for c in CLASSES for v in videos[c])))


def kinetics(name):
    def make(root):
        header = "label,youtube_id,time_start,time_end,split\n"
        for number, (subset, top) in enumerate({"train": "train", "val": "val"}.items()):
            rows = "".join(f'"{c}",{c}-{number},1,11,{subset}\n' for c in CLASSES)
            videos = (f"{name}/{top}/{c}/{c}-{number}_000001_000011.mp4" for c in CLASSES)
            write(root, {f"{name}/{subset}.csv": header + rows} | empty(*videos))

    return make


def something_v2(root):
    template = "Showing [something] to the {}"
    sides = ("left", "right")
    labels = {
        template.format(side).replace("[", "").replace("]", ""): str(i)
        for i, side in enumerate(sides)
    }
    files = {"labels.json": json.dumps(labels)}
    for subset in ("train", "validation"):
        entries = [{"id": f"{subset}{side}", "template": template.format(side)} for side in sides]
        files[f"{subset}.json"] = json.dumps(entries)
        write(root / "20bn-something-something-v2", empty(*(f"{e['id']}.webm" for e in entries)))
    write(root / "something_v2" / "labels", files)


def jester(root):
    files = {"jester-v1-labels.csv": "".join(f"{c}\n" for c in CLASSES)}
    for number, subset in enumerate(("train", "validation")):
        ids = {f"{number}{i}": c for i, c in enumerate(CLASSES)}
        files[f"jester-v1-{subset}.csv"] = "".join(f"{id};{c}\n" for id, c in ids.items())
        write(root / "20bn-jester-v1", empty(*(f"{id}/00001.jpg" for id in ids)))
    write(root / "annotations" / "jester", files)


def kth(root):
    names = [f"person{person}_{c}_d1" for person in (11, 22) for c in KTH_CLASSES]
    header = "Training: person11, 12\nValidation: person19\nTest: person22\n\n"
    lines = "".join(f"{name}\t\tframes\t1-3, 4-7\n" for name in names)
    videos = empty(*(f"kth/{name}_uncomp.avi" for name in names))
    write(root, {"kth/00sequences.txt": header + lines} | videos)


def weizmann(root):
    write(root / "weizmann", empty(*(f"{p}_{c}.avi" for p in ("daria", "ido") for c in ACTIONS)))


def segments(root):
    rows = "".join(
        f"{subset}-{c},{c},{start},{start + 1.5},{subset}\n"
        for subset in ("training", "validation")
        for c in CLASSES
        for start in (0, 2)
    )
    videos = empty(
        *(f"raw/{subset}-{c}.mkv" for subset in ("training", "validation") for c in CLASSES)
    )
    write(root, {"mine.csv": "video,label,t_start,t_end,subset\n" + rows} | videos)


def lists(root):
    for number, name in enumerate(("train", "val")):
        videos = [f"{c}/{number}.mp4" for c in CLASSES]
        lines = "".join(f"{video} {label}\n" for label, video in enumerate(videos))
        write(root, {f"{name}.txt": lines} | empty(*(f"videos/{video}" for video in videos)))


def nothing(root):
    """The project makes these files itself."""


EXAMPLES = {  # what makes the files, and the options that find them
    "folder": (plain, {"path": "mine"}),
    "hmdb51": (hmdb51, {}),
    "jester": (jester, {}),
    "kinetics400": (kinetics("kinetics400"), {}),
    "kinetics600": (kinetics("kinetics600"), {}),
    "kinetics700": (kinetics("kinetics700"), {}),
    "kth": (kth, {}),
    "list_files": (lists, {"train": "train.txt", "test": "val.txt", "videos": "videos"}),
    "moving_shapes": (nothing, {"train": 16, "test": 16, "size": 16, "frames": 3}),
    "segments_csv": (segments, {"csv": "mine.csv", "videos": "raw"}),
    "something_v2": (something_v2, {}),
    "ucf101": (official("ucf101", "v_{name}_g{group:02}_c01.avi"), {}),
    "ut_interaction": (official("ut_interaction", "set1_seq{group:02}_04_0.avi"), {}),
    "weizmann": (weizmann, {}),
}


@pytest.fixture(params=DATASETS)
def build(request, tmp_path):
    """Builds the data set from its example's files, of which none is a readable video."""
    make, options = EXAMPLES[request.param]
    make(tmp_path / "root")
    return lambda split="01": DATASETS[request.param](
        [tmp_path / "root"], tmp_path / "cache", split, **options
    )


def test_describes_itself(build):
    dataset = build()
    assert dataset.title
    labels = range(len(dataset.classes))
    assert dataset.mirrored is None or sorted(dataset.mirrored) == list(labels)
    assert dataset.mirrored is None or all(
        dataset.mirrored[dataset.mirrored[i]] == i for i in labels
    )
    assert len(set(dataset.classes)) == len(dataset.classes) > 1
    assert all(path.is_file() for path in dataset.files)


def test_names_each_clip_once_and_no_folder_of_the_machine(build, tmp_path):
    clips = build().clips()
    assert len({c.id for c in clips}) == len({(c.path, c.span) for c in clips}) == len(clips)
    assert not any(str(tmp_path) in c.id or c.id.startswith("/") for c in clips)
    assert all(c.path.is_absolute() and c.group for c in clips)


def test_has_every_class_in_both_subsets(build):
    dataset = build()
    for subset in ("train", "test"):
        labels = {c.label for c in dataset.clips() if c.subset == subset}
        assert labels == set(range(len(dataset.classes)))
    assert {c.subset for c in dataset.clips()} == {"train", "test"}


def test_keeps_groups_on_one_side(build):
    groups = {
        subset: {c.group for c in build().clips() if c.subset == subset}
        for subset in ("train", "test")
    }
    assert not groups["train"] & groups["test"]


def test_is_the_same_each_time(build):
    assert build().clips() == build().clips()


def test_has_all_its_files_once_written(build):
    calls = []
    dataset = build()
    dataset.write(lambda done, total, what: calls.append((done, total, what)))
    assert all(c.path.exists() for c in dataset.clips())
    assert all(0 < done <= total and what for done, total, what in calls)


def test_refuses_an_unknown_split_in_one_line(build):
    with pytest.raises(UserError, match=r"no split '7'.*'?01") as error:
        build("7")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("barred", ["every folder", "folders of videos", "the way to them"])
def test_folders_that_may_not_be_read_are_told_in_one_line(build, tmp_path, monkeypatch, barred):
    """As mode 000 bars them from all but root; the files themselves are opened by `prepare`."""

    def bar(function, when):
        def guarded(path, *args, **options):
            if isinstance(path, str | Path) and when(Path(path)):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return function(path, *args, **options)

        return guarded

    root = tmp_path / "root"
    videos = {path.parent for path in root.rglob("*") if path.suffix in (".avi", ".mp4", ".webm")}
    if barred == "the way to them":
        monkeypatch.setattr(os, "stat", bar(os.stat, lambda path: path.parent == root))
    else:
        everywhere = barred == "every folder"
        for name in ("scandir", "listdir"):
            guarded = bar(getattr(os, name), lambda path: everywhere or path in videos)
            monkeypatch.setattr(os, name, guarded)
    said = []
    try:
        build().clips()  # some need no list of a folder
    except UserError as error:
        said.append(str(error))
    assert all("Permission denied" in line and "\n" not in line for line in said)


def test_the_documentation_has_every_data_set():
    text = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")
    assert [name for name in DATASETS if f"`{name}`" not in text] == []
