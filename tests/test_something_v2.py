"""Something-Something V2: both releases of its lists, templates as classes, faults in JSON."""

import json
import re
from pathlib import Path

import pytest
from dataset_files import complaint, empty, write

from harness.datasets.something_v2 import SomethingV2

LABELS = {
    "Holding something next to something": "0",
    "Pulling something from right to left": "2",
    "Pulling something from left to right": "1",
}
TRAIN = """[{"id": "7", "label": "holding a pen next to a cup",
  "template": "Holding [something] next to [something]", "placeholders": ["a pen", "a cup"]},
 {"id": "8", "label": "pulling", "template": "Pulling [something] from right to left"}]"""
VALIDATION = '[{"id": "9", "template": "Pulling [something] from left to right"}]'


def place(
    root, folder="something_v2/labels", prefix="", videos="20bn-something-something-v2", **new
):
    texts = {"labels": json.dumps(LABELS), "train": TRAIN, "validation": VALIDATION} | new
    write(root / folder, {f"{prefix}{name}.json": text for name, text in texts.items()})
    write(root / videos, empty("7.webm", "8.webm", "9.webm"))


def dataset(root):
    return SomethingV2([root], Path("unused"), "01")


@pytest.mark.parametrize(
    ("folder", "prefix", "videos"),
    [
        ("something_v2/labels", "", "something_v2/20bn-something-something-v2"),
        ("labels", "", "20bn-something-something-v2"),
        ("annotations/something_v2", "something-something-v2-", "something_v2/videos"),
    ],
)
def test_finds_both_releases(tmp_path, folder, prefix, videos):
    place(tmp_path, folder, prefix, videos)
    found = dataset(tmp_path)
    assert found.classes == sorted(LABELS, key=LABELS.get)
    assert found.mirrored == [0, 2, 1]
    assert [(c.id, c.label, c.subset, c.path) for c in found.clips()] == [
        ("7", 0, "train", tmp_path / videos / "7.webm"),
        ("8", 2, "train", tmp_path / videos / "8.webm"),
        ("9", 1, "test", tmp_path / videos / "9.webm"),
    ]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"train": TRAIN.replace("right to left", "right to top")},
            r"train\.json:3: no class named 'Pulling something from right to top'; did you mean",
        ),
        ({"validation": TRAIN}, r"validation\.json:1: 7 is listed already"),
        ({"train": "[{]"}, r"train\.json:1: no JSON: "),
        ({"train": "{}"}, r"train\.json: expected a JSON list, got '\{\}'"),
        (
            {"train": '[{"id": 7}]'},
            r"train\.json: entry 1: \"\{'id': 7\}\"; expected an object with an id",
        ),
        ({"labels": '{"a": "0",\n "b": "0"}'}, r"labels\.json:1: 'a' is '0'; expected a number of"),
        ({"labels": '{"a": "0",\n "b": "2"}'}, r"labels\.json:2: 'b' is '2'; .* less than 2"),
        (
            {"train": TRAIN.replace('"7"', '"77"')},
            r"1 of the 3 videos in train\.json and validation\.json .*such as 77\.webm",
        ),
    ],
)
def test_tells_what_is_wrong_in_one_line(tmp_path, changed, told):
    place(tmp_path, **changed)
    assert re.search(told, complaint(lambda: dataset(tmp_path).clips()))
