"""Validation sets: whole groups, a share that holds, and the same clips whoever asks."""

import os
from collections import Counter
from math import ceil
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.data.carve import carve, hold_out
from harness.data.clip import Clip
from harness.datasets.split_lists import list_files, parse_classes, parse_split
from harness.datasets.ucf101 import UCF101
from harness.datasets.ut_interaction import UTInteraction
from harness.errors import UserError

ANNOTATIONS = Path(os.environ.get("HARNESS_TEST_DATA", "")) / "annotations"
real = pytest.mark.skipif(
    "HARNESS_TEST_DATA" not in os.environ, reason="HARNESS_TEST_DATA is unset: no official lists"
)
SHARES = st.sampled_from([0.1, 0.2, 0.25, 0.3, 0.5])


def clip(index, label=0, group="g"):
    name = f"{index}.mp4"
    return Clip(id=name, path=Path(name), label=label, group=group, subset="train")


@st.composite
def training_clips(draw, *, shared):
    """Clips of up to three classes; groups are of one class unless shared."""
    groups = draw(
        st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), min_size=20, max_size=60)
    )
    return [
        clip(index, label, f"g{group}" if shared else f"{label}_g{group}")
        for index, (label, group) in enumerate(groups)
    ]


@given(clips=training_clips(shared=True), share=SHARES, by=st.sampled_from(["group", "clip"]))
def test_parts_the_clips_in_two_without_parting_groups(clips, share, by):
    try:
        train, val = carve(clips, share, by, "abc")
    except UserError:
        assume(False)
    assert not {c.id for c in train} & {c.id for c in val}
    assert {c.id for c in train} | {c.id for c in val} == {c.id for c in clips}
    assert {c.label for c in train} == {c.label for c in val} == {c.label for c in clips}
    if by == "group":
        assert not {c.group for c in train} & {c.group for c in val}


@given(clips=training_clips(shared=True), share=SHARES, random=st.randoms(use_true_random=False))
def test_takes_the_same_groups_in_any_order(clips, share, random):
    shuffled = random.sample(clips, len(clips))
    assert hold_out(clips, share, lambda c: c.group) == hold_out(shuffled, share, lambda c: c.group)


@given(clips=training_clips(shared=False), share=SHARES)
def test_comes_within_one_group_of_the_share(clips, share):
    held = hold_out(clips, share, lambda c: c.group)
    for label in {c.label for c in clips}:
        own = [c for c in clips if c.label == label]
        taken = sum(c.group in held for c in own)
        most = min(ceil(round(share * len(own), 9)), len(own) - 1)
        assert taken <= most
        left = Counter(c.group for c in own if c.group not in held)
        assert all(taken + size > most for size in left.values())


def test_by_clip_takes_the_exact_share():
    clips = [clip(index) for index in range(25)]
    train, val = carve(clips, 0.28, "clip", ["Jump"])
    assert (len(train), len(val)) == (18, 7)


def test_another_salt_takes_other_groups():
    clips = [clip(index, group=str(index)) for index in range(40)]
    draws = {frozenset(hold_out(clips, 0.5, lambda c: c.group, salt)) for salt in "abc"}
    assert len(draws) == 3


@pytest.mark.parametrize(
    ("share", "by", "told"),
    [
        (0.0, "group", r"share is 0\.0;"),
        (0.6, "group", r"at most 0\.5"),
        (0.2, "groups", r"did you mean 'group'"),
        (0.2, "group", r"class 'Wave': .*1 group.*`val: null` or `by: clip`"),
    ],
)
def test_refuses_in_one_line(share, by, told):
    clips = [clip(i, group=str(i)) for i in range(5)] + [clip(5 + i, label=1) for i in range(5)]
    with pytest.raises(UserError, match=told):
        carve(clips, share, by, ["Jump", "Wave"])


def test_one_clip_cannot_be_parted_even_by_clip():
    with pytest.raises(UserError, match=r"'Jump'.*`val: null`$"):
        carve([clip(0)], 0.5, "clip", ["Jump"])


def training(dataset, split):
    files = list_files(ANNOTATIONS / dataset.title, split)
    classes = parse_classes(files[0])
    listed = parse_split(files, classes, dataset.group)
    return [c for c in listed if c.subset == "train"], classes


@real
@pytest.mark.parametrize("split", ["01", "02", "03"])
def test_ucf101_gives_about_a_fifth_of_each_class(split):
    clips, classes = training(UCF101, split)
    _, val = carve(clips, 0.2, "group", classes)
    of, held = Counter(c.label for c in clips), Counter(c.label for c in val)
    assert all(0.15 <= held[label] / of[label] <= 0.25 for label in range(101))


@real
@pytest.mark.parametrize("split", ["01", "02"])
def test_ut_interaction_gives_the_same_two_sequences_for_every_class(split):
    clips, classes = training(UTInteraction, split)
    _, val = carve(clips, 0.2, "group", classes)
    sequences = [{c.group for c in val if c.label == label} for label in range(6)]
    assert len(sequences[0]) == 2
    assert all(own == sequences[0] for own in sequences)
