"""The tasks of moving_shapes: which discs a class shows, and so which stream can tell it.

Every disc starts anywhere, so that one frame says nothing of its motion (`bind` keeps its two discs
in rows of their own, so that they never meet). What the two streams can know:

- `direction`: the temporal stream alone;  `hue`: the spatial stream alone;
- `hue_and_direction`: each stream half of the class, so that adding their scores is enough;
- `xor`: both halves again, but no sum of scores can express the class;
- `bind`: both hues and both directions in every clip; only where they meet tells the class, so the
  streams must be fused while they still have places;
- `order`: the same motions in either order; whatever averages over time is at chance.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.random import Generator

from harness.datasets.shapes_scene import HUES, Disc, Trajectory

SPEED = 1.5 / 32  # frame sides per frame
STEPS = {
    "right": np.array([SPEED, 0.0]),
    "down": np.array([0.0, SPEED]),
    "left": np.array([-SPEED, 0.0]),
    "up": np.array([0.0, -SPEED]),
}


@dataclass(frozen=True, kw_only=True)
class Task:
    """Class names, and `stage(class name, frames, rng)`: the discs of one clip."""

    classes: list[str]
    stage: Callable[[str, int, Generator], list[Disc]]


def direction(name: str, frames: int, rng: Generator) -> list[Disc]:
    return [Disc(hue=pick(HUES, rng), path=glide(name, frames, rng.random(2)))]


def hue(name: str, frames: int, rng: Generator) -> list[Disc]:
    return [Disc(hue=name, path=glide(pick(STEPS, rng), frames, rng.random(2)))]


def hue_and_direction(name: str, frames: int, rng: Generator) -> list[Disc]:
    colour, way = name.split("_")
    return [Disc(hue=colour, path=glide(way, frames, rng.random(2)))]


def xor(name: str, frames: int, rng: Generator) -> list[Disc]:
    colour = pick(HUES, rng)
    vertical = (colour in ("cyan", "violet")) != (name == "differ")
    way = pick(("down", "up") if vertical else ("right", "left"), rng)
    return [Disc(hue=colour, path=glide(way, frames, rng.random(2)))]


def bind(name: str, frames: int, rng: Generator) -> list[Disc]:
    ways = {"red_left": ("left", "right"), "red_right": ("right", "left")}[name]
    rows = rng.permutation([0.25, 0.75]) + rng.uniform(-0.06, 0.06, 2)  # they never touch
    starts = np.stack([rng.random(2), rows], axis=1)
    paths = [glide(way, frames, start) for way, start in zip(ways, starts, strict=True)]
    return [Disc(hue="red", path=paths[0]), Disc(hue="green", path=paths[1])]


def order(name: str, frames: int, rng: Generator) -> list[Disc]:
    first, second = name.split("_then_")
    each, odd = divmod(frames - 1, 2)  # as many steps of either motion; it rests for the odd one
    steps = [STEPS[first]] * each + [np.zeros(2)] * odd + [STEPS[second]] * each
    return [Disc(hue=pick(HUES, rng), path=travel(rng.random(2), np.array(steps)))]


TASKS = {
    "direction": Task(classes=list(STEPS), stage=direction),
    "hue": Task(classes=list(HUES), stage=hue),
    "hue_and_direction": Task(
        classes=[f"{colour}_{way}" for colour in HUES for way in STEPS], stage=hue_and_direction
    ),
    "xor": Task(classes=["agree", "differ"], stage=xor),
    "bind": Task(classes=["red_left", "red_right"], stage=bind),
    "order": Task(classes=["right_then_down", "down_then_right"], stage=order),
}


def pick(names: Iterable[str], rng: Generator) -> str:
    return str(rng.choice(list(names)))


def glide(way: str, frames: int, start: Float[np.ndarray, " xy"]) -> Trajectory:
    return travel(start, np.tile(STEPS[way], (frames - 1, 1)))


def travel(start: Float[np.ndarray, " xy"], steps: Float[np.ndarray, "steps xy"]) -> Trajectory:
    return np.concatenate([start[None], start + steps.cumsum(axis=0)])
