"""Put an operator and an algorithm under a network that knows nothing of them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from harness.convs import ALGORITHMS, OPERATORS
from harness.convs.geometry import Conv, has_hooks, is_ordinary
from harness.errors import UserError
from harness.registry import Registry

Choice = tuple[str, dict[str, Any]]  # a name in a table, and its options
STANDARD: Choice = ("standard", {})
HOOKS = "hooks, which its replacement would not have"


class Replacement(Protocol):
    """What an entry of OPERATORS or ALGORITHMS makes."""

    def refuses(self, conv: Conv, /) -> str | None: ...

    def replace(self, conv: Conv, /) -> nn.Module: ...


@runtime_checkable
class Surveyor(Protocol):
    """An entry that looks at the whole network before it is asked about its convolutions."""

    def survey(self, network: nn.Module, size: Sequence[int], /) -> None: ...


@runtime_checkable
class Finisher(Protocol):
    """An entry that looks at the whole network again, when its convolutions are replaced."""

    def finish(self, network: nn.Module, /) -> str | None: ...


@dataclass(frozen=True, kw_only=True)
class SwapReport:
    """What was really replaced.

    `layers` counts the convolutions before. A share is that of all multiply-accumulates which the
    operator replaced, and which the algorithm then computes (0 to 1, from the shapes, padded taps
    included). `reasons` says why a layer was left, by its name. `kernel` is what the algorithm runs
    on, on a CPU. `modules` are those of the algorithm, which may choose how as they compute.
    """

    operator: str
    algorithm: str
    kernel: str
    layers: int
    replaced_operator: int
    computed: int  # by the algorithm, of `computable`
    computable: int
    share_operator: float
    share_algorithm: float
    reasons: dict[str, str]
    modules: tuple[nn.Module, ...] = field(default=(), repr=False, compare=False)

    @property
    def label(self) -> str:
        return self.label_on("cpu")

    def label_on(self, device: str) -> str:
        """Operator and algorithm, and what that runs on: "fast3d + winograd (native)"."""
        native = self.kernel in ("native", "fallback")
        kernel = "reference" if native and device != "cpu" else self.kernel
        algorithm = "" if self.algorithm == "standard" else f"{self.algorithm} ({kernel})"
        operator = "" if self.operator == "standard" else self.operator
        return " + ".join(part for part in (operator, algorithm) if part) or "standard"

    def describe(self, device: str) -> str:
        """The label, the layers and the share of work that it holds for, and what left the others.

        "winograd (native); winograd in 13 of 20, 83% of the work; left: 7 (winograd: stride ...)"

        What modules have chosen so far is counted too, in each module once for each choice.
        """
        parts = [self.label_on(device)]
        if self.operator != "standard":
            share = f"{self.share_operator:.0%} of the work"
            parts.append(f"{self.operator} in {self.replaced_operator} of {self.layers}, {share}")
        if self.algorithm != "standard":
            share = f"{self.share_algorithm:.0%} of the work"
            parts.append(f"{self.algorithm} in {self.computed} of {self.computable}, {share}")
        if chosen := Counter(c for m in self.modules for c in sorted(getattr(m, "choices", ()))):
            counts = ", ".join(f"{choice} in {count}" for choice, count in chosen.most_common())
            parts.append(f"{self.algorithm} chose {counts}")
        if self.reasons:
            left = Counter(self.reasons.values()).most_common()
            parts.append("left: " + ", ".join(f"{count} ({why})" for why, count in left))
        return "; ".join(parts)


def swap(
    network: nn.Module,
    size: Sequence[int],
    *,
    name: str,
    operator: Choice = STANDARD,
    algorithm: Choice = STANDARD,
) -> SwapReport:
    """Replace convolutions in place: by the operator, then all that there are by the algorithm.

    `size` is that of one input without its batch: (channels, [frames,] height, width). UserError
    names the network by `name` where an operator or algorithm other than standard has no effect.
    """
    layers = len(set(convolutions(network).values()))
    first = _apply(OPERATORS, operator, network, size, name)
    layers_between = len(set(convolutions(network).values()))
    then = _apply(ALGORITHMS, algorithm, network, size, name)
    return SwapReport(
        operator=operator[0],
        algorithm=algorithm[0],
        kernel=then.kernel,
        layers=layers,
        replaced_operator=first.count,
        computed=then.count,
        computable=layers_between,
        share_operator=first.share,
        share_algorithm=then.share,
        reasons=first.reasons | then.reasons,
        modules=then.modules,
    )


@dataclass(frozen=True)
class _Outcome:
    count: int
    share: float
    reasons: dict[str, str]
    kernel: str = ""
    modules: tuple[nn.Module, ...] = ()


def _apply(
    table: Registry, choice: Choice, network: nn.Module, size: Sequence[int], name: str
) -> _Outcome:
    kind, options = choice
    if kind == "standard":
        return _Outcome(0, 0.0, {})
    method: Replacement = table[kind](**options)
    convs = convolutions(network)
    if convs and isinstance(method, Surveyor):
        method.survey(network, size)
    refusals = {
        path: HOOKS if has_hooks(conv) else method.refuses(conv) for path, conv in convs.items()
    }
    reasons = {path: f"{kind}: {why}" for path, why in refusals.items() if why is not None}
    new = {conv: method.replace(conv) for path, conv in convs.items() if path not in reasons}
    if not new:
        why_not = _commonest({conv: refusals[path] for path, conv in convs.items()})
        raise UserError(f"conv {kind} replaces nothing in {name}: {why_not}")

    macs = multiply_accumulates(network, size)
    for path, conv in convs.items():
        if conv in new:
            network.set_submodule(path, new[conv])
    if isinstance(method, Finisher) and (why := method.finish(network)) is not None:
        raise UserError(f"conv {kind} does not fit {name}: {why}")
    share = sum(macs[conv] for conv in new) / macs.total()
    kernel = getattr(method, "kernel", "")
    return _Outcome(len(new), share, reasons, kernel, tuple(new.values()))


def _commonest(refusals: Mapping[Conv, str | None]) -> str:
    """The reason of most layers, of the last ones in a tie: the first layer often is special.

    Kernels of one tap are asked where there are no others.
    """
    wide = [why for conv, why in refusals.items() if max(conv.kernel_size) > 1]
    counts = Counter(reversed(wide or list(refusals.values())))
    return str(max(counts, key=counts.__getitem__, default="it has no convolutions"))


def convolutions(network: nn.Module) -> dict[str, Conv]:
    """The ordinary convolutions by name; one that stands in two places is listed at both."""
    return {
        path: module
        for path, module in network.named_modules(remove_duplicate=False)
        if is_ordinary(module)
    }


def multiply_accumulates(network: nn.Module, size: Sequence[int]) -> Counter[nn.Module]:
    """Those of each ordinary convolution for one input, from shapes alone: nothing is computed.

    Those of all other convolutions and matrix products are under the network itself.
    """
    counts: Counter[nn.Module] = Counter()

    def count(module: nn.Module, _: Any, output: Tensor) -> None:
        assert isinstance(module.weight, Tensor)
        counts[module] += output[0].numel() * module.weight[0].numel()

    with FlopCounterMode(display=False) as counter:
        batch = _watch(network, size, count)
    rest = counter.get_total_flops() // (2 * batch) - counts.total()  # a MAC is two FLOPs
    return counts + Counter({network: rest})


def input_sizes(network: nn.Module, size: Sequence[int]) -> dict[nn.Module, set[tuple[int, ...]]]:
    """([frames,] height, width) wherever an ordinary convolution is called, the first call first.

    `size` is that of one input of the network without its batch.
    """
    sizes: dict[nn.Module, set[tuple[int, ...]]] = {}

    def note(module: nn.Module, inputs: tuple[Tensor], _: Any) -> None:
        sizes.setdefault(module, set()).add(tuple(inputs[0].shape[2:]))

    _watch(network, size, note)
    return sizes


def _watch(network: nn.Module, size: Sequence[int], hook: Callable[..., None]) -> int:
    """Call `hook` after each ordinary convolution of a dry run; returns the size of its batch."""
    batch = 2  # in training, batch normalisation refuses a single value per channel
    dtype = next(network.parameters()).dtype
    with ExitStack() as hooks:
        for conv in set(convolutions(network).values()):
            hooks.enter_context(conv.register_forward_hook(hook))
        dry_run(network, torch.empty(batch, *size, dtype=dtype, device="meta"))
    return batch


def dry_run(network: nn.Module, batch: Any, *, gradients: bool = False) -> Any:
    """The network's output for a batch on the meta device: shapes alone, no state is touched.

    With `gradients`, a tensor within requires them if a parameter had a part in it.
    """
    shapes = {}
    # Each module once, however many names it has, or it would be left with the shapes.
    for path, module in network.named_modules():
        own = [*module.named_parameters(path, recurse=False), *module.named_buffers(path, False)]
        for name, tensor in own:
            learned = gradients and isinstance(tensor, nn.Parameter)
            shapes[name] = torch.empty_like(tensor, device="meta", requires_grad=learned)
    with torch.set_grad_enabled(gradients):
        return functional_call(network, shapes, (batch,), tie_weights=False)
