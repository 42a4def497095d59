"""Validation carved out of the training clips, without parting what belongs together.

Clips of one group share people and backgrounds: a network recognises them again, and a validation
set that shares groups with training measures memory. So whole groups are held out. Which ones is a
function of their names alone (sha256), the same on every machine and for every seed.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from hashlib import sha256
from math import ceil

from harness.data.clip import Clip
from harness.errors import UserError
from harness.registry import hint

UNITS: dict[str, Callable[[Clip], str]] = {"group": lambda c: c.group, "clip": lambda c: c.id}


def carve(
    clips: Sequence[Clip], share: float, by: str, classes: Sequence[str]
) -> tuple[list[Clip], list[Clip]]:
    """Part the training clips into (train, val), both in the given order.

    `share` of the clips, in (0, 0.5], goes to `val`: at least one clip of each class, and no more
    than the share rounded up. `by` is "group" (whole groups) or "clip".

    Raises UserError for another share or `by`, and for a class from which nothing can be held out.
    """
    if not 0 < share <= 0.5:
        raise UserError(f"data.val.share is {share}; it must be over 0 and at most 0.5")
    if by not in UNITS:
        raise UserError(f"data.val.by is {by!r}; {hint(by, UNITS)}")
    unit = UNITS[by]
    held = hold_out(clips, share, unit)
    train = [clip for clip in clips if unit(clip) not in held]
    val = [clip for clip in clips if unit(clip) in held]
    for label in sorted({clip.label for clip in clips} - {clip.label for clip in val}):
        units = {unit(clip) for clip in clips if clip.label == label}
        other = " or `by: clip`" if by == "group" else ""
        raise UserError(
            f"no validation clip can be carved from class {classes[label]!r}: none of its "
            f"{len(units)} {by}(s) fits in a share of {share}; say `val: null`{other}"
        )
    return train, val


def hold_out(
    clips: Sequence[Clip], share: float, unit: Callable[[Clip], str], salt: str = ""
) -> set[str]:
    """The units (groups, say) to hold out, tried in the order of the sha256 of `salt + unit`.

    A unit is taken when it fits: no class may give more than `share` of its clips, rounded up, nor
    all of them. A class whose units are all too large gives none.
    """
    sizes: dict[str, Counter[int]] = {}
    for clip in clips:
        sizes.setdefault(unit(clip), Counter())[clip.label] += 1
    whole = Counter(clip.label for clip in clips)
    exact = Fraction(str(share))  # 0.28 of 25 clips is 7, not 7.000000000000001
    room = {label: min(ceil(exact * count), count - 1) for label, count in whole.items()}
    held = set()
    for name in sorted(sizes, key=lambda name: sha256((salt + name).encode()).digest()):
        if all(count <= room[label] for label, count in sizes[name].items()):
            held.add(name)
            for label, count in sizes[name].items():
                room[label] -= count
    return held
