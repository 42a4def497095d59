"""Weizmann: all is in the names, and one person is left out."""

from pathlib import Path

import pytest
from dataset_files import complaint, empty, write

from harness.datasets.weizmann import CLASSES, PEOPLE, Weizmann

NAMES = [f"{person}_{action}.avi" for person in PEOPLE for action in CLASSES]
DOUBLES = ["run", "skip", "walk"]  # which lena performs twice


def place(root, folder):
    names = [name for name in NAMES if name not in {f"lena_{action}.avi" for action in DOUBLES}]
    names += [f"lena_{action}{take}.avi" for action in DOUBLES for take in (1, 2)]
    write(root / "weizmann", empty("README.txt", *(folder(name) + name for name in names)))


def clips(root, split="01"):
    return Weizmann([root], Path("unused"), split).clips()


@pytest.mark.parametrize(
    "folder", [lambda _: "", lambda name: name.split("_")[1][:-4] + "/"], ids=["flat", "nested"]
)
def test_reads_the_93_names_in_a_folder_or_in_one_for_each_class(tmp_path, folder):
    place(tmp_path, folder)
    found = clips(tmp_path)
    assert len(found) == 93
    by_name = {clip.id: CLASSES[clip.label] for clip in found}
    assert (by_name["ido_wave1.avi"], by_name["ido_wave2.avi"]) == ("wave1", "wave2")
    assert by_name["lena_run1.avi"] == by_name["lena_run2.avi"] == "run"
    assert (by_name["ido_pjump.avi"], by_name["ido_jump.avi"]) == ("pjump", "jump")


@pytest.mark.parametrize(("split", "person"), [("01", "daria"), ("09", "shahar"), ("ido", "ido")])
def test_leaves_one_person_out(tmp_path, split, person):
    place(tmp_path, lambda _: "")
    found = clips(tmp_path, split)
    assert {clip.group for clip in found if clip.subset == "test"} == {person}
    assert {clip.group for clip in found if clip.subset == "train"} == {*PEOPLE} - {person}


def test_tells_what_is_wrong_in_one_line(tmp_path):
    place(tmp_path, lambda _: "")
    assert "no split 'dario'; did you mean 'daria'?" in complaint(lambda: clips(tmp_path, "dario"))
    write(tmp_path / "weizmann", empty("eve_run.avi"))
    assert "eve_run.avi: no name of a Weizmann video" in complaint(lambda: clips(tmp_path))
    write(tmp_path / "other" / "weizmann", empty("ido_run.avi"))
    assert "no video of daria, whom the split leaves out" in complaint(
        lambda: clips(tmp_path / "other")
    )
