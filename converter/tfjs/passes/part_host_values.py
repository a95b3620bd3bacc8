"""Keeps what executors read on the host apart from what kernels read on the device.

WebGPU drops the host's copy of a tensor when a kernel wants it on the device (backend_webgpu.js:591), and can't hand it
back in time to an executor that reads it as an argument, or to the arithmetic that such an argument comes from.
"""

from dataclasses import replace

import numpy as np

from converter.tfjs.builder import Builder
from converter.tfjs.graph import Graph, NameAllocator, Node, Ref
from converter.tfjs.optable import OPTABLE

_FACTS = frozenset({"Rank", "Shape", "Size"})  # made on the host, wherever the operand is


def part_host_values(graph: Graph) -> Graph:
    """The graph with a second copy of each value that an executor depends on and something else reads as well."""
    names = NameAllocator(name for _, one in graph.walk() for name in one.nodes)
    parted = _Parting(graph, names).graph
    parted.functions = {name: _Parting(body, names).graph for name, body in graph.functions.items()}
    return parted


def _parameters(node: Node) -> frozenset[int]:
    return frozenset(OPTABLE[node.op].parameters(len(node.inputs))) if node.op in OPTABLE else frozenset()


def _host_nodes(graph: Graph) -> set[str]:
    """The nodes behind every argument of an operation."""
    waiting = [node.inputs[index].node for node in graph.nodes.values() for index in _parameters(node)]
    found: set[str] = set()
    while waiting:
        node = graph.nodes[waiting.pop()]
        if node.name not in found:
            found.add(node.name)
            waiting.extend(ref.node for ref in node.inputs if node.op not in _FACTS)
    return found


class _Parting:
    """A graph being rebuilt: nodes on the way to an argument as they are, the others reading copies."""

    def __init__(self, source: Graph, names: NameAllocator) -> None:
        self.source = source
        self.host = _host_nodes(source)
        self.graph = replace(source, nodes={}, constants=dict(source.constants))
        self.builder = Builder(self.graph, names)
        self._copies: dict[str, str] = {}
        handed_out = {ref.node for ref in source.outputs.values()}
        for node in source.nodes.values():
            on_host = node.name in self.host or node.name in handed_out
            self.graph.add(node if on_host else replace(node, inputs=self._operands(node)))

    def _operands(self, node: Node) -> tuple[Ref, ...]:
        """A node's operands, with copies for those that it reads as data and an executor depends on."""
        parameters = _parameters(node)
        return tuple(
            ref if index in parameters or ref.node not in self.host else Ref(self._copy(ref.node), ref.output)
            for index, ref in enumerate(node.inputs)
        )

    def _copy(self, name: str) -> str:
        if name not in self._copies:
            self._copies[name] = self._make_copy(self.source.nodes[name])
        return self._copies[name]

    def _make_copy(self, node: Node) -> str:
        name = f"{node.name}/device"
        if node.op == "Const":
            return self.builder.constant(self.source.constants[node.name], name=name).node
        if node.op == "Placeholder":
            return self._copy_of_input(node, name)
        inputs = node.inputs if node.op in _FACTS else self._operands(node)
        twin = replace(node, name=self.builder.names.unique(name), inputs=inputs)
        self.graph.add(twin)
        return twin.name

    def _copy_of_input(self, node: Node, name: str) -> str:
        """An input can't be passed twice; a sum is a tensor of its own."""
        dtype = node.outputs[0].dtype
        if dtype not in ("float32", "int32"):
            return node.name
        zero = self.builder.constant(np.zeros((), dtype=dtype), name=f"{name}/zero")
        (total,) = self.builder.emit("AddV2", Ref(node.name), zero, name=name)
        return total.node
