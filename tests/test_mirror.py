"""Classes in a mirror: an exact swap, or none at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.datasets.mirror import mirrored_labels


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("Pushing something from left to right", "Pushing something from right to left"),
        ("Swiping Left", "Swiping Right"),
        ("Sliding Two Fingers Left", "Sliding Two Fingers Right"),
        ("Turning Hand Clockwise", "Turning Hand Counterclockwise"),
        ("turn clockwise", "turn anti-clockwise"),
        ("turn_left", "turn_right"),
        ("Turning the camera left while filming", "Turning the camera right while filming"),
    ],
)
def test_sides_and_turns_change_places(name, image):
    assert mirrored_labels([name, "Thumb Up", image]) == [2, 1, 0]
    assert mirrored_labels([name, "Thumb Up"]) is None
    assert mirrored_labels(["Thumb Up", image]) is None


def test_other_words_are_left_alone():
    names = ["Standing upright", "Showing a bright lamp", "Eating leftovers", "clockwisely"]
    assert mirrored_labels(names) == [0, 1, 2, 3]


WORDS = st.sampled_from(["left", "right", "Left", "clockwise", "counterclockwise", "hand", "up"])


@given(st.lists(st.lists(WORDS, min_size=1).map(" ".join), unique_by=str.casefold))
def test_a_mirror_in_a_mirror_shows_the_class_itself(classes):
    mirrored = mirrored_labels(classes)
    if mirrored is None:
        assert any(
            side in name.casefold() for name in classes for side in ("left", "right", "clock")
        )
    else:
        assert [mirrored[image] for image in mirrored] == list(range(len(classes)))
