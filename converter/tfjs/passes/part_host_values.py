"""Keeps what executors read on the host apart from what kernels read on the device.

WebGPU drops the host's copy of a tensor when a kernel wants it on the device (backend_webgpu.js:591), and can't hand it
back in time to an executor that reads it as an argument, or to the arithmetic that such an argument comes from.
"""

from dataclasses import replace

import numpy as np

from converter.tfjs.builder import Builder
from converter.tfjs.graph import FunctionName, Graph, NameAllocator, Node, Ref
from converter.tfjs.optable import OPTABLE

_FACTS = frozenset({"Rank", "Shape", "Size"})  # made on the host, wherever the operand is
_CALLS = frozenset({"StatelessIf", "StatelessWhile"})


def part_host_values(graph: Graph) -> Graph:
    """The graph with a second copy of each value that an executor depends on and something else reads as well."""
    names = NameAllocator(name for _, one in graph.walk() for name in one.nodes)
    borders = _Borders(graph)
    parted = _Parting(graph, "", borders, names).graph
    parted.functions = {name: _Parting(body, name, borders, names).graph for name, body in graph.functions.items()}
    return parted


class _Borders:
    """Which arguments and results of the functions stay on the host: what a loop hands out, it takes in again."""

    def __init__(self, graph: Graph) -> None:
        self._arguments: dict[str, set[int]] = {name: set() for name in graph.functions}
        self._results: dict[str, set[int]] = {name: set() for name in graph.functions}
        while self._widen(graph):
            pass

    def _widen(self, graph: Graph) -> bool:
        before = self._size()
        for name, one in graph.walk():
            if name:
                host = self.host_nodes(one, name)
                self._arguments[name].update(at for at, node in enumerate(one.inputs.values()) if node in host)
            for node in one.nodes.values():
                if node.op == "StatelessWhile":
                    self._close_loop(*_called(node))
        return self._size() != before

    def _size(self) -> int:
        return sum(map(len, (*self._arguments.values(), *self._results.values())))

    def _close_loop(self, test: str, body: str) -> None:
        both = self._arguments[test] | self._arguments[body]
        for kept in (self._arguments[test], self._arguments[body], self._results[body]):
            kept.update(both)

    def parameters(self, node: Node) -> frozenset[int]:
        """The operands of a node that have to be on the host."""
        if node.op in _CALLS:
            first = 1 if node.op == "StatelessIf" else 0
            return frozenset(first + at for name in _called(node) for at in self._arguments[name])
        return frozenset(OPTABLE[node.op].parameters(len(node.inputs))) if node.op in OPTABLE else frozenset()

    def host_nodes(self, graph: Graph, name: str) -> set[str]:
        """The nodes behind everything in a graph that has to be on the host."""
        waiting = [node.inputs[index].node for node in graph.nodes.values() for index in self.parameters(node)]
        waiting += [node for at, node in enumerate(graph.inputs.values()) if at in self._arguments.get(name, ())]
        waiting += [ref.node for at, ref in enumerate(graph.outputs.values()) if at in self._results.get(name, ())]
        found: set[str] = set()
        while waiting:
            node = graph.nodes[waiting.pop()]
            if node.name not in found:
                found.add(node.name)
                waiting.extend(ref.node for ref in node.inputs if node.op not in _FACTS | _CALLS)
        return found


def _called(node: Node) -> tuple[str, str]:
    """The functions of a call: the branches, or the test and the body."""
    one, other = (value.name for value in node.attrs.values() if isinstance(value, FunctionName))
    return one, other


class _Parting:
    """A graph being rebuilt: nodes on the way to an argument as they are, the others reading copies."""

    def __init__(self, source: Graph, name: str, borders: _Borders, names: NameAllocator) -> None:
        self.source = source
        self.borders = borders
        self.host = borders.host_nodes(source, name)
        self.graph = replace(source, nodes={}, constants=dict(source.constants))
        self.builder = Builder(self.graph, names)
        self._copies: dict[str, str] = {}
        handed_out = {ref.node for ref in source.outputs.values()}
        for node in source.nodes.values():
            on_host = node.name in self.host or node.name in handed_out
            self.graph.add(node if on_host else replace(node, inputs=self._operands(node)))

    def _operands(self, node: Node) -> tuple[Ref, ...]:
        """A node's operands, with copies for those that it reads as data and an executor depends on."""
        parameters = self.borders.parameters(node)
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
