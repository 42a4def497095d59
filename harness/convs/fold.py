"""Folding for inference: what follows a convolution is done while its sums are in registers.

A batch normalisation becomes part of the weights before it; a residual sum and a ReLU become the
finish of a Winograd convolution. Compilers do the same around PyTorch's own convolutions.
"""

import operator
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from harness.convs.algorithms.winograd import WinogradConv2d, WinogradConv3d

SUMS = (operator.add, operator.iadd, torch.add)
RELUS = (torch.relu, nn.functional.relu)


CONVS = (nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm2d, nn.BatchNorm3d)


class _Tracer(fx.Tracer):
    """Convolutions of any subclass are whole to it."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, CONVS) or super().is_leaf_module(m, module_qualified_name)


def fold_norms(network: nn.Module) -> nn.Module:
    """A copy in evaluation, its batch normalisations folded into the convolutions before them."""
    network = deepcopy(network).eval()
    graph, modules = _Tracer().trace(network), dict(network.named_modules())
    for node in list(graph.nodes):
        conv: Any = node.args[0] if _calls(node, modules, NORMS) else None
        if _calls(conv, modules, CONVS) and len(conv.users) == 1:
            fused = fuse_conv_bn_eval(modules[conv.target], modules[node.target])
            network.set_submodule(conv.target, fused)
            node.replace_all_uses_with(conv)
            graph.erase_node(node)
    graph.lint()
    return fx.GraphModule(network, graph)


def _calls(node: Any, modules: dict[str, nn.Module], kinds: tuple[type[nn.Module], ...]) -> bool:
    called = isinstance(node, fx.Node) and node.op == "call_module"
    return called and isinstance(modules[str(node.target)], kinds)


def fold_finishes(network: nn.Module) -> nn.Module:
    """The network, for evaluation, with sums and ReLUs moved into its Winograd convolutions."""
    graph = _Tracer().trace(network)
    modules = dict(network.named_modules())
    for node in list(graph.nodes):
        if _is_sum(node):
            _fold_sum(graph, node, modules)
        elif _is_relu(node, modules):
            _fold_relu(graph, node, modules)
    _pack(graph, network, modules)
    graph.lint()
    return fx.GraphModule(network, graph)


def _is_sum(node: Any) -> bool:
    called = node.op == "call_function" and node.target in SUMS
    return called and len(node.args) == 2 and not node.kwargs


def _is_relu(node: Any, modules: dict[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return isinstance(modules[str(node.target)], nn.ReLU)
    method = node.op == "call_method" and node.target in ("relu", "relu_")
    return method or (node.op == "call_function" and node.target in RELUS)


def _winograd(node: Any, modules: dict[str, nn.Module]) -> Any:
    """The convolution behind a node that nothing else looks at, and that is not finished yet."""
    if not _calls(node, modules, (WinogradConv2d, WinogradConv3d)) or len(node.users) != 1:
        return None
    module: Any = modules[str(node.target)]
    return None if module.relu else module


def _fold_sum(graph: fx.Graph, node: Any, modules: dict[str, nn.Module]) -> None:
    for ours, other in (node.args, node.args[::-1]):
        free = _winograd(ours, modules) is not None and isinstance(ours, fx.Node)
        if free and isinstance(other, fx.Node) and len(ours.args) == 1 and ours is not other:
            with graph.inserting_before(node):  # where both of them are known
                moved = graph.call_module(str(ours.target), (ours.args[0], other))
            node.replace_all_uses_with(moved)
            graph.erase_node(node)
            graph.erase_node(ours)
            return


class Packed(nn.Module):
    """A convolution whose weights lie as oneDNN wants them, laid out once; its ReLU in one pass."""

    def __init__(self, conv: nn.Conv2d | nn.Conv3d, relu: bool) -> None:
        super().__init__()
        self.geometry = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
        self.finish = "relu" if relu else "none"
        layout = torch.channels_last if conv.weight.dim() == 4 else torch.channels_last_3d
        weight = conv.weight.detach().contiguous(memory_format=layout)
        self.weight = torch.ops.mkldnn._reorder_convolution_weight(weight, *self.geometry)
        self.bias = None if conv.bias is None else conv.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, *self.geometry, self.finish, [], ""
        )
        return y


def _fold_relu(graph: fx.Graph, node: Any, modules: dict[str, nn.Module]) -> None:
    module = _winograd(node.args[0], modules)
    if module is not None:
        module.relu = True
        node.replace_all_uses_with(node.args[0])
        graph.erase_node(node)


def _is_plain(conv: Any) -> bool:
    ordinary = isinstance(conv, CONVS) and type(conv).forward in (c.forward for c in CONVS)
    return ordinary and not isinstance(conv.padding, str) and conv.padding_mode == "zeros"


def _pack(graph: fx.Graph, network: nn.Module, modules: dict[str, Any]) -> None:
    """What PyTorch computes, as inductor's freezing leaves it."""
    for node in graph.nodes:
        conv: Any = modules.get(str(node.target)) if node.op == "call_module" else None
        if not _is_plain(conv):
            continue
        after = next(iter(node.users))
        relu = len(node.users) == 1 and _is_relu(after, modules)
        packed = Packed(conv, relu)
        network.set_submodule(str(node.target), packed)
        if relu:
            after.replace_all_uses_with(node)
            graph.erase_node(after)
