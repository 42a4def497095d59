"""What a class becomes in a mirror, read from its name.

"Pushing something from left to right" seen in a mirror is "Pushing something from right to left";
"Turning Hand Clockwise" is "Turning Hand Counterclockwise". A class that names no side stays as it
is.
"""

import re
from collections.abc import Sequence

SIDES = ("left", "right")
TURNS = ("clockwise", "counterclockwise")
OPPOSITES = dict([SIDES, SIDES[::-1], TURNS, TURNS[::-1]])
WORD = re.compile(rf"(?<![a-z])({'|'.join(OPPOSITES)})(?![a-z])")  # not in "bright"; in "go_left"


def mirrored_labels(classes: Sequence[str]) -> list[int] | None:
    """For each label that of its mirror image; None if any has a mirror image without a label.

    >>> mirrored_labels(["Swiping Left", "Swiping Right", "Thumb Up"])
    [1, 0, 2]
    >>> mirrored_labels(["Swiping Left", "Thumb Up"]) is None
    True
    """
    labels = {spelled(name): label for label, name in enumerate(classes)}
    images = [WORD.sub(lambda word: OPPOSITES[word[0]], name) for name in labels]
    found = [labels[image] for image in images if image in labels]
    return found if len(found) == len(classes) else None


def spelled(name: str) -> str:
    """A name in the one spelling in which names are compared."""
    return re.sub(r"(counter|anti)[- ]?clockwise", "counterclockwise", name.casefold())
