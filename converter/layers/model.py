"""A chain of layers in memory, and one step of the graph that it is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import numpy as np

from converter.errors import UnsupportedError
from converter.tfjs.graph import Attr, Dim, Graph, Node

HINT = "leave out the layers format: tf.loadGraphModel runs any graph"

T = TypeVar("T", bool, int, float, str, list[int], list[str])


@dataclass(frozen=True)
class Layer:
    """One layer: its class, its own settings, and its weights by the names that TF.js Layers knows them by."""

    kind: str
    config: Mapping[str, Any]
    weights: Mapping[str, np.ndarray]


class Chain:
    """The layers so far, each fed by the one before it."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []

    def add(self, kind: str, weights: Mapping[str, np.ndarray] | None = None, **config: Any) -> None:
        """Append a layer."""
        stored = {name: np.ascontiguousarray(values, np.float32) for name, values in (weights or {}).items()}
        self.layers.append(Layer(kind, config, stored))

    def replace_last(self, layer: Layer) -> None:
        """Put another layer in the place of the last one."""
        self.layers[-1] = layer

    @property
    def last(self) -> Layer | None:
        """The layer that the next one is fed by, None where that is the input."""
        return self.layers[-1] if self.layers else None


class Step:
    """One node of the graph: what it reads, and what it says of itself.

    Shapes: x is what is computed before it, y what it computes; the first dimension is the batch.
    """

    def __init__(self, graph: Graph, node: Node, data: int) -> None:
        self.node = node
        self._graph, self._data = graph, data
        self._unread = set(node.attrs)
        self.x = self._shape_of(graph.type_of(node.inputs[data]).shape)
        self.y = self._shape_of(node.outputs[0].shape)

    @property
    def constants(self) -> list[np.ndarray]:
        """The other operands, in their order."""
        operands = [ref for index, ref in enumerate(self.node.inputs) if index != self._data]
        return [self._graph.constants[ref.node] for ref in operands]

    def needs_data_first(self) -> None:
        """Refuse a node that computes with its operands the other way round."""
        if self._data != 0:
            self.refuse("what is computed before it must be its first operand")

    def attr(self, name: str, default: T) -> T:
        """An attribute, or the value that stands for its absence."""
        self._unread.discard(name)
        value: Attr = self.node.attrs.get(name, default)
        if type(value) is not type(default):
            self.refuse(f"its {name} is {value!r}")
        return value

    def require(self, name: str, wanted: T) -> None:
        """Refuse an attribute that is there with another value."""
        if (value := self.attr(name, wanted)) != wanted:
            self.refuse(f"its {name} is {value!r}, and only {wanted!r} can be expressed")

    def check_all_read(self) -> None:
        """Refuse a node that says more of itself than the layers express."""
        if self._unread:
            self.refuse(f"nothing expresses its {', '.join(sorted(self._unread))}")

    def static(self, dims: Sequence[Dim]) -> list[int]:
        """Dimensions that are all numbers."""
        sizes = [dim for dim in dims if isinstance(dim, int)]
        if len(sizes) != len(dims):
            self.refuse("it needs sizes that are known before the graph runs")
        return sizes

    def refuse(self, why: str) -> NoReturn:
        """Raises: UnsupportedError naming the node."""
        raise refusal(self.node, why)

    def _shape_of(self, shape: Sequence[Dim] | None) -> tuple[Dim, ...]:
        if not shape:
            self.refuse("a value of unknown rank, or without a batch")
        return tuple(shape)


def refusal(node: Node, why: str) -> UnsupportedError:
    """The error of a node that has no place in a chain of layers."""
    return UnsupportedError(f"can't become a TF.js Layers model: {why}", where=f"{node.name} ({node.op})", hint=HINT)
