"""A TF.js graph model in memory: nodes in topological order, constants beside them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from converter.dtypes import Storage
from converter.errors import InternalError

Dim = int | str | None  # a size, the name of a dynamic size, or unknown
Shape = tuple[Dim, ...] | None  # None: unknown rank
NOT_COMPUTED = ("Const", "Placeholder")


class DataType(NamedTuple):
    """The value of a `type` attribute, as TensorFlow names it (`DT_FLOAT`)."""

    tf: str


class FunctionName(NamedTuple):
    """The value of a `func` attribute: a key of `Graph.functions`."""

    name: str


Attr = bool | int | float | str | DataType | FunctionName | Shape | list[int] | list[float] | list[str] | list[bool]


class Ref(NamedTuple):
    """One output of one node."""

    node: str
    output: int = 0

    def __str__(self) -> str:
        return f"{self.node}:{self.output}" if self.output else self.node


class TensorType(NamedTuple):
    """What is known of a value before the graph runs."""

    dtype: Storage | str  # "variant" for TensorLists
    shape: Shape

    @property
    def rank(self) -> int | None:
        """The number of dimensions, None where it is unknown."""
        return None if self.shape is None else len(self.shape)

    @property
    def is_static(self) -> bool:
        """Whether every dimension is a number."""
        return self.shape is not None and all(isinstance(dim, int) for dim in self.shape)


@dataclass(frozen=True, slots=True)
class Node:
    """One operation: a name of its own, operands, attributes, and the type of each of its outputs."""

    name: str
    op: str
    inputs: tuple[Ref, ...]
    attrs: Mapping[str, Attr]
    outputs: tuple[TensorType, ...]


@dataclass
class Graph:
    """A graph or a function body.

    `nodes` is in topological order. A constant is a `Const` node whose values are in `constants`, under the node's
    name; the array may be narrower than the node's dtype (int8, uint8, int16, uint16, float16), which is then how it
    is stored. `inputs` maps the key that a caller passes to a `Placeholder`; `outputs` maps the key that a caller
    receives to an `Identity` of its own. Constant names are unique across a graph and all its functions.
    """

    nodes: dict[str, Node] = field(default_factory=dict)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, Ref] = field(default_factory=dict)
    functions: dict[str, "Graph"] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)

    def type_of(self, ref: Ref) -> TensorType:
        """The type of a value."""
        return self.nodes[ref.node].outputs[ref.output]

    def constant(self, ref: Ref) -> np.ndarray | None:
        """The values of a constant, None for a value that only the running graph knows."""
        return self.constants.get(ref.node)

    def add(self, node: Node) -> None:
        """Append a node after its operands.

        Raises: InternalError if the name is taken or an operand isn't there yet.
        """
        if node.name in self.nodes:
            raise InternalError(f"node {node.name!r} is defined twice")
        for ref in node.inputs:
            if ref.node not in self.nodes:
                raise InternalError(f"{node.name} ({node.op}) reads {ref}, which no node before it defines")
        self.nodes[node.name] = node

    def consumers(self) -> dict[Ref, list[Node]]:
        """Each value that is read, with the nodes that read it (once for each operand)."""
        readers: dict[Ref, list[Node]] = {}
        for node in self.nodes.values():
            for ref in node.inputs:
                readers.setdefault(ref, []).append(node)
        return readers

    def walk(self) -> Iterator[tuple[str, "Graph"]]:
        """This graph under the name "", then each function under its own."""
        yield "", self
        yield from self.functions.items()

    def count_ops(self) -> dict[str, int]:
        """How many nodes of each op there are, functions included, constants and placeholders not."""
        counts: dict[str, int] = {}
        for _, graph in self.walk():
            for node in graph.nodes.values():
                if node.op not in NOT_COMPUTED:
                    counts[node.op] = counts.get(node.op, 0) + 1
        return dict(sorted(counts.items()))


RESERVED_NAMES = frozenset({
    "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf",
})  # fmt: skip
"""What every JavaScript object answers to: TF.js takes a node so called for one that has run already."""


class NameAllocator:
    """Hands out node names that are legal in TF.js and unique, the same ones for the same requests."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {*RESERVED_NAMES, *taken}
        self._next: dict[str, int] = {}

    def unique(self, *parts: str) -> str:
        """`a/b` for parts a and b, made legal, numbered if it is taken."""
        base = "/".join(filter(None, (re.sub(r"[^A-Za-z0-9_.\-/]", "_", part).strip("/") for part in parts))) or "node"
        base = base if base[0].isalnum() else f"n{base}"
        name = base
        while name in self._taken:
            self._next[base] = self._next.get(base, 0) + 1
            name = f"{base}_{self._next[base]}"
        self._taken.add(name)
        return name


def merge_shapes(one: Shape, other: Shape) -> Shape:
    """What two true statements about the same value's shape say together.

    Raises: InternalError if they contradict each other.
    """
    if one is None or other is None:
        return one if other is None else other
    if len(one) != len(other):
        raise InternalError(f"shapes {one} and {other} can't describe the same value")
    merged: list[Dim] = []
    for a, b in zip(one, other, strict=True):
        if isinstance(a, int) and isinstance(b, int) and a != b:
            raise InternalError(f"shapes {one} and {other} can't describe the same value")
        merged.append(a if isinstance(a, int) or b is None else b if isinstance(b, int) or a is None else a)
    return tuple(merged)


def n_elements(shape: Sequence[Dim] | None) -> int | None:
    """The number of elements, None where a dimension is dynamic."""
    if shape is None:
        return None
    total = 1
    for dim in shape:
        if not isinstance(dim, int):
            return None
        total *= dim
    return total
