"""Folding for inference: what follows a convolution is done while its sums are in registers.

A batch normalisation becomes part of the weights before it; a residual sum and a ReLU become the
finish of a Winograd convolution. Compilers do the same around PyTorch's own convolutions.
"""

import operator
from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp, TensorMetadata
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.nn.utils.parametrize import is_parametrized

from harness.convs.algorithms.winograd_layer import WinogradConv2d, WinogradConv3d, freeze
from harness.convs.packed import Packed, packs
from harness.errors import UserError

SUMS = (operator.add, operator.iadd, torch.add)
RELUS = (torch.relu, nn.functional.relu)
CONVS = (nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm2d, nn.BatchNorm3d)
POOLS = (nn.AvgPool2d, nn.AvgPool3d, nn.MaxPool2d, nn.MaxPool3d)
Modules = dict[str, nn.Module]


class _Tracer(fx.Tracer):
    """Convolutions of any subclass are whole to it."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, CONVS) or super().is_leaf_module(m, module_qualified_name)


def _trace(network: nn.Module) -> fx.Graph:
    """UserError for what torch.fx cannot follow, or would follow wrongly."""
    for path, module in network.named_modules():
        if module._forward_hooks or module._forward_pre_hooks:  # a graph does not have them
            raise UserError(f"cannot be traced: {path or 'the network'} has forward hooks")
    try:
        return _Tracer().trace(network)
    except Exception as error:  # proxies fail in code of any kind, with errors of any kind
        raise UserError(f"cannot be traced: {error}") from error


def _foldable(network: nn.Module, graph: fx.Graph) -> Modules:
    """Modules that are called once, under their only name, and whose parameters nobody else asks
    for: what is changed in them changes nothing elsewhere. And those without any state.
    """
    calls = Counter(str(node.target) for node in graph.nodes if node.op == "call_module")
    read = {str(node.target) for node in graph.nodes if node.op == "get_attr"}
    names = Counter(module for _, module in network.named_modules(remove_duplicate=False))
    return {
        path: module
        for path, module in network.named_modules()
        if isinstance(module, nn.ReLU)
        or (
            calls[path] == names[module] == 1
            and not is_parametrized(module)
            and not any(name.startswith(f"{path}.") for name in read)
        )
    }


def fold_norms(network: nn.Module) -> nn.Module:
    """A copy in evaluation, its batch normalisations folded into the convolutions before them.

    A convolution that is called more than once keeps its own. UserError: cannot be traced.
    """
    network = deepcopy(network).eval()
    graph = _trace(network)
    modules = _foldable(network, graph)
    for node in list(graph.nodes):
        if not _is_norm(node, modules):
            continue
        conv: Any = node.args[0]
        if _calls(conv, modules, CONVS) and len(conv.users) == 1:
            norm: Any = modules[node.target]
            # Its type variable cannot be solved from `nn.Module`, which is all that fx knows.
            fused: nn.Module = fuse_conv_bn_eval(modules[conv.target], norm)  # type: ignore[type-var]
            network.set_submodule(conv.target, fused)
            modules[conv.target] = fused
            node.replace_all_uses_with(conv)
            graph.erase_node(node)
    graph.lint()
    return fx.GraphModule(network, graph)


def _calls(node: Any, modules: Modules, kinds: tuple[type[nn.Module], ...]) -> bool:
    """Whether it gives one argument to a foldable module of these kinds."""
    called = isinstance(node, fx.Node) and node.op == "call_module"
    return (
        called
        and len(node.args) == 1
        and not node.kwargs
        and isinstance(modules.get(str(node.target)), kinds)
    )


def _is_norm(node: Any, modules: Modules) -> bool:
    if not _calls(node, modules, NORMS):
        return False
    norm: Any = modules[node.target]
    return type(norm).forward is _BatchNorm.forward and norm.running_mean is not None


def fold_finishes(network: nn.Module, example: Tensor | None = None) -> nn.Module:
    """The network, for evaluation, with sums and ReLUs moved into its Winograd convolutions.

    A sum is moved where both sides have one shape, as they have it for a batch `example`; without
    one, sums stay. What PyTorch computes is packed for inputs of the example's size. Modules of
    `network` change, weights freeze. UserError: cannot be traced.
    """
    graph = _trace(network)
    modules = _foldable(network, graph)
    if example is not None:
        with torch.no_grad():
            ShapeProp(fx.GraphModule(network, graph)).propagate(example)
    for node in list(graph.nodes):
        if _is_sum(node):
            _fold_sum(graph, node, modules)
        elif _is_relu(node, modules):
            _fold_relu(graph, node, modules)
    _pack(graph, network, modules)
    graph.lint()
    freeze(network)
    return fx.GraphModule(network, graph)


def _is_sum(node: Any) -> bool:
    called = node.op == "call_function" and node.target in SUMS
    return called and len(node.args) == 2 and not node.kwargs


def _is_relu(node: Any, modules: Modules) -> bool:
    if node.op == "call_module":
        return _calls(node, modules, (nn.ReLU,))
    method = node.op == "call_method" and node.target in ("relu", "relu_")
    function = node.op == "call_function" and node.target in RELUS
    return (method or function) and bool(node.args) and not set(node.kwargs) - {"inplace"}


def _winograd(node: Any, modules: Modules) -> Any:
    """The convolution behind a node that nothing else looks at, and that is not finished yet."""
    kinds = (WinogradConv2d, WinogradConv3d)
    called = isinstance(node, fx.Node) and node.op == "call_module" and len(node.users) == 1
    module: Any = modules.get(str(node.target)) if called else None
    return module if isinstance(module, kinds) and not module.relu else None


def _fold_sum(graph: fx.Graph, node: Any, modules: Modules) -> None:
    left, right = node.args
    pairs = [(left, right), (right, left)]
    if node.target is operator.iadd:  # else what others see of the left side would not change
        pairs = pairs[:1]
    for ours, other in pairs:
        free = _winograd(ours, modules) is not None and _calls(ours, modules, CONVS)
        if free and _match(ours, other) and _undisturbed(ours, node, modules):
            with graph.inserting_before(node):  # where both of them are known
                moved = graph.call_module(str(ours.target), (ours.args[0], other))
            moved.meta = dict(node.meta)
            node.replace_all_uses_with(moved)
            graph.erase_node(node)
            graph.erase_node(ours)
            return


def _match(ours: fx.Node, other: Any) -> bool:
    """Whether they are two maps of the same shape and type."""
    if not isinstance(other, fx.Node) or other is ours or other.op == "get_attr":
        return False
    a, b = (node.meta.get("tensor_meta") for node in (ours, other))
    if not (isinstance(a, TensorMetadata) and isinstance(b, TensorMetadata)):
        return False
    return (a.shape, a.dtype) == (b.shape, b.dtype)


def _undisturbed(conv: fx.Node, until: fx.Node, modules: Modules) -> bool:
    """Whether between two nodes there is only what certainly writes into nothing that is there."""
    node = conv.next
    while node is not until and _calls(node, modules, (*CONVS, *NORMS, *POOLS, nn.Identity)):
        node = node.next
    return node is until


def _fold_relu(graph: fx.Graph, node: Any, modules: Modules) -> None:
    module = _winograd(node.args[0], modules)
    if module is not None:
        module.relu = True
        node.replace_all_uses_with(node.args[0])
        graph.erase_node(node)


def _size(node: fx.Node, conv: Any) -> Sequence[int] | None:
    """That of the batch that a convolution is given, if there was an example."""
    given = node.args[0] if node.args else None
    meta = given.meta.get("tensor_meta") if isinstance(given, fx.Node) else None
    if not isinstance(meta, TensorMetadata):
        return None
    one = len(meta.shape) == len(conv.kernel_size) + 1
    return (1, *meta.shape) if one else meta.shape


def _pack(graph: fx.Graph, network: nn.Module, modules: Modules) -> None:
    """What PyTorch computes, as inductor's freezing leaves it."""
    for node in list(graph.nodes):
        if not (_calls(node, modules, CONVS) and packs(modules[str(node.target)])):
            continue
        after = next(iter(node.users), None)
        relu = after is not None and len(node.users) == 1 and _is_relu(after, modules)
        conv: Any = modules[str(node.target)]
        network.set_submodule(str(node.target), Packed(conv, relu, _size(node, conv)))
        if relu and after is not None:
            after.replace_all_uses_with(node)
            graph.erase_node(after)
