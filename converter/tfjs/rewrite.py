"""Rebuilds a graph node by node, so that a rewrite only says what to do with the nodes it cares about."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from converter.dtypes import dtype_of
from converter.errors import InternalError
from converter.tfjs.builder import Builder, const_node
from converter.tfjs.discontinuity import CALLS, nodes_before_discontinuity
from converter.tfjs.graph import Attr, FunctionName, Graph, NameAllocator, Node, Ref, Shape, TensorType, merge_shapes
from converter.tfjs.infer import infer
from converter.tfjs.optable import OPTABLE, check_node

Rule = Callable[[Node], bool]
"""Called for each node in topological order; False leaves the node to be copied as it is."""


class Rewrite:
    """A new graph in the making, beside the one it is made from.

    Old values are those of `source`, new values those of `graph`. Only what the outputs need is rebuilt. A name stands
    for the same value in both graphs: whatever computes something else gets a new name. Constants enter the new graph
    when they are read, those read as parameters apart from those read as data.
    """

    def __init__(self, source: Graph, names: NameAllocator, *, is_function: bool = False) -> None:
        self.source = source
        self._is_function = is_function
        self.graph = Graph(metadata=dict(source.metadata))
        self.builder = Builder(self.graph, names)
        self.live = _live_nodes(source)
        self._readers: dict[Ref, list[Node]] = {}
        for node in self.live:
            for ref in node.inputs:
                self._readers.setdefault(ref, []).append(node)
        self._arrays = {Ref(name): array for name, array in source.constants.items()}
        self._constants: dict[tuple[Ref, bool], Ref] = {}
        self._values: dict[Ref, Ref | Callable[[], Ref]] = {}
        self._same: dict[Ref, Ref] = {}
        self.functions: dict[str, Graph] = {}  # what the rule calls and the source does not have

    def old_type(self, old: Ref) -> TensorType:
        """What the source knows of an old value."""
        return self.source.type_of(old)

    def type_of(self, new: Ref) -> TensorType:
        """What is known of a new value."""
        return self.graph.type_of(new)

    def known(self, old: Ref) -> np.ndarray | None:
        """The array of an old value that is constant, or was found to be."""
        return self._arrays.get(self._same.get(old, old))

    def readers(self, old: Ref) -> list[Node]:
        """The nodes that read an old value, once for each operand."""
        return self._readers.get(old, [])

    def must_stay_exact(self, node: Node) -> bool:
        """Return whether what a node of the source computes reaches a discontinuous operation, unsummed.

        A rule may compute it in another way only if that rounds nothing differently.
        """
        return node.name in self._before_discontinuity

    @cached_property
    def _before_discontinuity(self) -> frozenset[str]:
        returned = [ref.node for ref in self.source.outputs.values()] if self._is_function else []
        return nodes_before_discontinuity(self.source, self.live, returned=returned)

    def value(self, old: Ref) -> Ref:
        """The new value, as data, that an old one became."""
        old = self._same.get(old, old)
        if old in self._arrays:
            return self._constant(old, is_parameter=False)
        found = self._values[old]
        if not isinstance(found, Ref):
            found = found()
            self.bind(old, found)
        return found

    def operand(self, node: Node, index: int) -> Ref:
        """The new value that one of a node's operands became, as data or as a parameter."""
        old = self._same.get(node.inputs[index], node.inputs[index])
        if old not in self._arrays:
            return self.value(old)
        return self._constant(old, node.op in OPTABLE and index in OPTABLE[node.op].parameters(len(node.inputs)))

    def operands(self, node: Node) -> tuple[Ref, ...]:
        """The new values that a node's operands became."""
        return tuple(self.operand(node, index) for index in range(len(node.inputs)))

    def _constant(self, old: Ref, is_parameter: bool) -> Ref:
        if (old, is_parameter) not in self._constants:
            array = self._arrays[old]
            taken = old.output > 0 or old.node in self.graph.nodes
            name = self.builder.names.unique(old.node) if taken else old.node
            self.graph.add(const_node(name, array))
            self.graph.constants[name] = array
            self._constants[old, is_parameter] = Ref(name)
        return self._constants[old, is_parameter]

    def bind(self, old: Ref, new: Ref) -> None:
        """Say which new value an old one became.

        Raises: InternalError if their types contradict each other.
        """
        type_ = self.old_type(old)
        if self.type_of(new).dtype != type_.dtype:
            raise InternalError(f"a rewrite turned {old} from {type_.dtype} into {self.type_of(new).dtype}")
        self._values[old] = self.refine(new, type_.shape)

    def bind_lazily(self, old: Ref, make: Callable[[], Ref]) -> None:
        """Say how to make what an old value becomes, in case anything reads it."""
        self._values[old] = make

    def bind_array(self, old: Ref, array: np.ndarray) -> None:
        """Say that an old value is constant.

        Raises: InternalError if the array isn't what the source says of the value.
        """
        type_ = self.old_type(old)
        merge_shapes(type_.shape, array.shape)
        if dtype_of(array).storage != type_.dtype:
            raise InternalError(f"{old} is {type_.dtype}, its constant {array.dtype}")
        self._arrays[old] = array

    def alias(self, old: Ref, other: Ref) -> None:
        """Say that two old values are the same, and `other` is the one to keep."""
        self._same[old] = self._same.get(other, other)

    def forward(self, node: Node, *outputs: Ref) -> bool:
        """Put existing new values in the place of a node's outputs."""
        for index, new in enumerate(outputs):
            self.bind(Ref(node.name, index), new)
        return True

    def copy(self, node: Node) -> bool:
        """Take a node over as it is, with its operands replaced."""
        operands, types = self.operands(node), node.outputs
        if node.op not in CALLS and self._knows_more(node, operands):
            types = self._infer(node.op, operands, node.attrs)
        is_same = operands == node.inputs and types is node.outputs
        self.graph.add(node if is_same else Node(node.name, node.op, operands, node.attrs, types))
        if types is not node.outputs:
            return self.forward(node, *_outputs(node.name, types))
        self._values.update((ref, ref) for ref in _outputs(node.name, types))
        return True

    def _knows_more(self, node: Node, operands: tuple[Ref, ...]) -> bool:
        """Whether more is known of a node's operands than was of those in the source."""
        return any(
            self.type_of(new) != self.old_type(old) or (old in self._arrays and old.node not in self.source.constants)
            for old, new in zip(node.inputs, operands, strict=True)
        )

    def put(self, node: Node, op: str, *operands: Ref, **attrs: Attr) -> bool:
        """Put another operation, which computes the same, in the place of a node."""
        return self.forward(node, *self.emit_all(op, *operands, name=node, **attrs))

    def emit(self, op: str, *operands: Ref, name: str | Node, **attrs: Attr) -> Ref:
        """Append an operation with one output."""
        (output,) = self.emit_all(op, *operands, name=name, **attrs)
        return output

    def emit_all(self, op: str, *operands: Ref, name: str | Node, **attrs: Attr) -> tuple[Ref, ...]:
        """Append an operation under a new name, or under that of a node of the source which computes the same."""
        if isinstance(name, str):
            return self.builder.emit(op, *operands, name=name, types=None, **attrs)
        check_node(op, len(operands), attrs)
        types = self._infer(op, operands, attrs)
        self.graph.add(Node(name.name, op, operands, dict(attrs), types))
        return _outputs(name.name, types)

    def refine(self, new: Ref, shape: Shape) -> Ref:
        """The same new value, known to have this shape as well."""
        node = self.graph.nodes[new.node]
        known = node.outputs[new.output]
        merged = merge_shapes(known.shape, shape)
        if merged != known.shape and node.op not in ("Const", "Placeholder"):
            types = list(node.outputs)
            types[new.output] = TensorType(known.dtype, merged)
            self.graph.nodes[new.node] = replace(node, outputs=tuple(types))
        return new

    def param(self, values: int | Sequence[int] | np.ndarray) -> Ref:
        """A constant argument of an operation."""
        return self.builder.parameter(values)

    def data(self, values: np.ndarray, name: str) -> Ref:
        """A constant that kernels read as data and that the source does not have."""
        return self.builder.constant(values, name=name)

    def _infer(self, op: str, operands: tuple[Ref, ...], attrs: Mapping[str, Attr]) -> tuple[TensorType, ...]:
        constants = [self.graph.constant(ref) for ref in operands]
        return infer(op, [self.type_of(ref) for ref in operands], attrs, constants)


def rewrite(graph: Graph, make_rule: Callable[[Rewrite], Rule], *, only: Collection[str] = ()) -> Graph:
    """The graph, with its functions, after a rule has seen every node that the outputs need.

    The graph itself, if `only` names the ops without which the rule does nothing and it has none of them.

    Raises: InternalError if a rule changes the type of a value.
    """
    if only and not any(node.op in only for _, one in graph.walk() for node in one.nodes.values()):
        return graph
    names = NameAllocator(name for _, one in graph.walk() for name in one.nodes)
    rw = Rewrite(graph, names)
    result, made = _rewrite_one(rw, make_rule), rw.functions
    for name in _reachable_functions(graph):
        rw = Rewrite(graph.functions[name], names, is_function=True)
        result.functions[name] = _rewrite_one(rw, make_rule)
        made |= rw.functions
    result.functions |= made
    result.functions = {name: result.functions[name] for name in _reachable_functions(result)}
    return result


def _rewrite_one(rw: Rewrite, make_rule: Callable[[Rewrite], Rule]) -> Graph:
    source = rw.source
    for name in source.inputs.values():
        rw.copy(source.nodes[name])
    rw.graph.inputs = dict(source.inputs)
    rule = make_rule(rw)
    outputs = {ref.node for ref in source.outputs.values()}
    for node in rw.live:
        if node.op not in ("Const", "Placeholder") and node.name not in outputs and not rule(node):
            rw.copy(node)
    for ref in source.outputs.values():
        rw.copy(source.nodes[ref.node])
    rw.graph.outputs = dict(source.outputs)
    _sweep(rw.graph)
    return rw.graph


def _sweep(graph: Graph) -> None:
    """Drop what a rule made and then had no use for."""
    kept = {node.name for node in _live_nodes(graph)} | set(graph.inputs.values())
    graph.nodes = {name: node for name, node in graph.nodes.items() if name in kept}
    graph.constants = {name: array for name, array in graph.constants.items() if name in kept}


def _live_nodes(graph: Graph) -> list[Node]:
    needed = {ref.node for ref in graph.outputs.values()}
    live = []
    for node in reversed(graph.nodes.values()):
        if node.name in needed:
            live.append(node)
            needed.update(ref.node for ref in node.inputs)
    return live[::-1]


def _reachable_functions(graph: Graph) -> list[str]:
    reached: set[str] = set()
    waiting = [graph]
    while waiting:
        for node in _live_nodes(waiting.pop()):
            for value in node.attrs.values():
                if isinstance(value, FunctionName) and value.name not in reached:
                    reached.add(value.name)
                    waiting.append(graph.functions[value.name])
    return [name for name in graph.functions if name in reached]


def _outputs(name: str, types: tuple[TensorType, ...]) -> tuple[Ref, ...]:
    return tuple(Ref(name, index) for index in range(len(types)))
