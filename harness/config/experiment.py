"""What an experiment is: the typed contents of one file in experiments/.

Sections name components; which options those take is their own business: their signature is the
schema. Lengths are in frames, sizes in pixels, shares between 0 and 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.augment import CROPS, DISTORTIONS, MIXES
from harness.augment.fixed_crops import Crops
from harness.backbones import BACKBONES
from harness.config.document import Document
from harness.config.merge import load
from harness.config.schema import Component, build, plain
from harness.convs import ALGORITHMS, OPERATORS
from harness.data.sampling import ClipSpec
from harness.datasets import DATASETS
from harness.errors import UserError
from harness.flow import FLOWS
from harness.fusion import FUSIONS
from harness.optim import OPTIMIZERS, SCHEDULES
from harness.parallel import STRATEGIES, ranks_of
from harness.registry import Registry, hint

SEEDS = {"ge": 0, "some": True, "distinct": True}


def one_of(table: Registry, default: str | None = None) -> Any:
    """A field that holds a component of a table."""
    if default is None:
        return field(metadata={"table": table})
    return field(default_factory=lambda: Component(name=default), metadata={"table": table})


@dataclass(kw_only=True)
class Val:
    """Validation clips carved from the training clips; whole groups, or clip by clip."""

    by: Literal["group", "clip"] = "group"
    share: float = field(default=0.2, metadata={"gt": 0, "le": 0.5})


@dataclass(kw_only=True)
class Flow(Component):
    """The optical flow; displacements are clipped at `bound` pixels before 8-bit quantisation.

    `mean`: each field's own mean displacement is kept or subtracted. `camera`: its motion, a
    homography, is kept or removed (warped flow). `stacking`: the fields of a window one after
    another, half of them backward in time, or each along the path of its pixels.
    """

    bound: float = field(default=20.0, metadata={"gt": 0})
    mean: Literal["keep", "subtract"] = "keep"
    camera: Literal["keep", "remove"] = "keep"
    stacking: Literal["forward", "bidirectional", "trajectory"] = "forward"


@dataclass(kw_only=True)
class Augment:
    """How training samples differ from the videos: both streams alike; never in testing."""

    crop: Component = one_of(CROPS, "random")
    distort: Component = one_of(DISTORTIONS, "none")
    mix: Component = one_of(MIXES, "none")


@dataclass(kw_only=True)
class Data(Component):
    """The data set and how a clip of it becomes an input; `resize` is the cached short side.

    `store`: frames are cached as they are (raw), as JPEG images, or, auto, as their size commands.
    """

    split: str = "01"
    val: Val | None = None
    resize: int | None = field(default=None, metadata={"ge": 8})
    flow: Flow = field(default_factory=lambda: Flow(name="dis"), metadata={"table": FLOWS})
    clip: ClipSpec = field(default_factory=ClipSpec)
    augment: Augment = field(default_factory=Augment)
    store: Literal["auto", "raw", "jpeg"] = "auto"

    def __post_init__(self) -> None:
        if self.resize is not None and (self.clip.crop or 0) > self.resize:
            raise UserError(
                f"clip.crop: {self.clip.crop} does not fit into frames whose short side is "
                f"{self.resize} (resize)"
            )
        successive = self.clip.stride == 1 and self.clip.sampling != "uniform"
        if self.flow.stacking == "trajectory" and not successive:
            raise UserError(
                "flow.stacking: a path leads from each frame to the next, so trajectories need "
                f"clip.stride 1 (it is {self.clip.stride}) and clip.sampling segments or dense "
                f"(it is {self.clip.sampling})"
            )


@dataclass(kw_only=True)
class Conv:
    """Which function a stream's convolutions compute, and how it is computed.

    `conv: winograd` and `conv: {name: fast3d, width: matched}` are short forms.
    """

    operator: Component = one_of(OPERATORS, "standard")
    algorithm: Component = one_of(ALGORITHMS, "standard")

    @classmethod
    def short(cls, name: str) -> dict[str, Any]:
        return cls.long({"name": name})

    @classmethod
    def long(cls, tree: dict[str, Any]) -> dict[str, Any]:
        if "name" not in tree:
            return tree
        name, standard = tree["name"], {"name": "standard"}
        if name in ALGORITHMS:
            return {"operator": standard, "algorithm": tree}
        if name in OPERATORS:
            return {"operator": tree, "algorithm": standard}
        names = [*OPERATORS, *ALGORITHMS]
        raise UserError(f"no convolution named {name!r}; {hint(name, names)}")


@dataclass(kw_only=True)
class Stream:
    """One stream: what it sees, the network that sees it, and how that convolves."""

    backbone: Component = one_of(BACKBONES)
    input: Literal["rgb", "rgb_diff", "flow_stack", "rgb_clip", "flow_clip"]
    conv: Conv = field(default_factory=Conv)


@dataclass(kw_only=True)
class Head:
    """From the last feature map to class scores: grid x grid average pooling, dropout, linear."""

    dropout: float = field(default=0.0, metadata={"ge": 0, "lt": 1})
    grid: int = field(default=1, metadata={"ge": 1})


@dataclass(kw_only=True)
class Model:
    """Two streams, or one (`temporal: null`), and where they meet."""

    spatial: Stream | None = None
    temporal: Stream | None = None
    fusion: Component = one_of(FUSIONS, "average")
    head: Head = field(default_factory=Head)

    def __post_init__(self) -> None:
        if self.spatial is None and self.temporal is None:
            raise UserError("needs at least one stream: spatial, temporal or both")


@dataclass(kw_only=True)
class Train:
    """The optimisation. `streams`: auto trains each stream on its own loss under score fusion.

    `parallel`: the processes that share every batch; null for one that computes it whole.
    """

    epochs: int = field(default=10, metadata={"ge": 1})
    batch_size: int = field(default=16, metadata={"ge": 2})
    optimizer: Component = one_of(OPTIMIZERS, "adamw")
    schedule: Component = one_of(SCHEDULES, "one_cycle")
    label_smoothing: float = field(default=0.0, metadata={"ge": 0, "lt": 1})
    streams: Literal["auto", "joint", "separate"] = "auto"
    init_from: str | None = None
    parallel: Component | None = field(default=None, metadata={"table": STRATEGIES, "later": True})

    def __post_init__(self) -> None:
        """Ranks are counted on before options are bound, which takes torch."""
        given = self.parallel.options.get("ranks") if self.parallel else None
        if not isinstance(given, int | None):
            raise UserError(f"parallel: ranks: expected int, got {given!r}")

    @property
    def ranks(self) -> int:
        """The processes that a training takes."""
        return ranks_of(None if self.parallel is None else plain(self.parallel))


@dataclass(kw_only=True)
class Eval:
    """Video scores: the mean over `views` temporal positions x `crops` places x mirror images."""

    views: int = field(default=1, metadata={"ge": 1})
    crops: Crops = 1
    mirror: bool = False
    average: Literal["probabilities", "logits"] = "probabilities"


@dataclass(kw_only=True)
class Ablate:
    """One change at a time: for each key, the values that replace the experiment's own."""

    replace: dict[str, list[Any]]
    metric: str = "test/top1"


@dataclass(kw_only=True)
class Experiment:
    """One file in experiments/: everything that decides a result."""

    extends: Any = None
    name: str = field(metadata={"folder": True})
    data: Data = field(metadata={"table": DATASETS})
    model: Model
    train: Train = field(default_factory=Train)
    eval: Eval = field(default_factory=Eval)
    seeds: list[int] = field(default_factory=lambda: [0], metadata=SEEDS)
    ablate: Ablate | None = None

    def __post_init__(self) -> None:
        streams = [s for s in (self.model.spatial, self.model.temporal) if s is not None]
        stacking = self.data.flow.stacking
        if stacking != "forward" and any(stream.input == "flow_clip" for stream in streams):
            raise UserError(
                f"data.flow.stacking: {stacking!r} is for flow_stack; the frames of a flow_clip "
                "come in the order of time (forward)"
            )
        if self.eval.crops > 1 and self.data.clip.crop is None:
            raise UserError(
                f"eval.crops: {self.eval.crops}, but data.clip.crop is none, which takes the whole "
                "frame; set it to the side of a crop, or eval.crops to 1"
            )


def load_experiment(path: Path, overrides: Sequence[str] = ()) -> tuple[Experiment, Document]:
    """An experiment file with its bases and overrides, checked without importing torch."""
    document = load(Experiment, path, overrides)
    return build(Experiment, document), document
