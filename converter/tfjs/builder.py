"""Appends checked, typed nodes to a graph: the only way to emit an operation."""

from collections.abc import Sequence

import numpy as np

from converter.dtypes import dtype_of
from converter.errors import InternalError
from converter.tfjs.graph import Attr, DataType, Graph, NameAllocator, Node, Ref, TensorType
from converter.tfjs.infer import TF_OF_STORAGE, infer
from converter.tfjs.optable import check_node


class Builder:
    """Emits into one graph; names come from one allocator, types from inference."""

    def __init__(self, graph: Graph, names: NameAllocator) -> None:
        self.graph = graph
        self.names = names
        self._parameters: dict[tuple[tuple[int, ...], bytes], Ref] = {}

    def type_of(self, ref: Ref) -> TensorType:
        """The type of a value of this graph."""
        return self.graph.type_of(ref)

    def emit(
        self, op: str, *operands: Ref, name: str, types: Sequence[TensorType] | None = None, **attrs: Attr
    ) -> tuple[Ref, ...]:
        """Append one node and return its outputs; `types` replaces inference where only the caller can know.

        Raises: InternalError if TF.js would refuse or misread the node.
        """
        check_node(op, len(operands), attrs)
        if types is None:
            operand_types = [self.graph.type_of(ref) for ref in operands]
            constants = [self.graph.constant(ref) for ref in operands]
            types = infer(op, operand_types, attrs, constants)
        node = Node(self.names.unique(name), op, operands, dict(attrs), tuple(types))
        self.graph.add(node)
        return tuple(Ref(node.name, index) for index in range(len(node.outputs)))

    def constant(self, values: np.ndarray, *, name: str) -> Ref:
        """A constant that a kernel reads as data."""
        node = const_node(self.names.unique(name), values)
        self.graph.add(node)
        self.graph.constants[node.name] = values
        return Ref(node.name)

    def parameter(self, values: int | Sequence[int] | np.ndarray) -> Ref:
        """An int32 constant that an executor reads as an argument (a shape, axes, a permutation), never as data."""
        array = np.asarray(values, dtype=np.int32)
        key = (array.shape, array.tobytes())
        if key not in self._parameters:
            text = "x".join(map(str, array.ravel()[:6])).replace("-", "m") or "none"
            self._parameters[key] = self.constant(array, name=f"param/{text}")
        return self._parameters[key]

    def placeholder(self, key: str, type_: TensorType) -> Ref:
        """An input that the caller passes under `key`."""
        return self._placeholder(key, self.names.unique(key), type_)

    def argument(self, name: str, type_: TensorType) -> Ref:
        """An input of a function, whose key is the name that it gets."""
        own = self.names.unique(name)
        return self._placeholder(own, own, type_)

    def _placeholder(self, key: str, name: str, type_: TensorType) -> Ref:
        attrs: dict[str, Attr] = {"dtype": DataType(TF_OF_STORAGE[type_.dtype]), "shape": type_.shape}
        self.graph.add(Node(name, "Placeholder", (), attrs, (type_,)))
        self.graph.inputs[key] = name
        return Ref(name)

    def output(self, key: str, value: Ref) -> None:
        """Hand `value` to the caller under `key`, through an Identity of its own."""
        (self.graph.outputs[key],) = self.emit("Identity", value, name=f"output/{key}")


def const_node(name: str, values: np.ndarray) -> Node:
    """The node of a constant that holds `values`.

    Raises: InternalError if TF.js has no such dtype.
    """
    row = dtype_of(values)
    if row.storage is None or (values.dtype.itemsize > 4 and row.storage != "string"):
        raise InternalError(f"a constant of {values.dtype} can't be stored: cast it first")
    type_ = TensorType(row.storage, tuple(values.shape))
    return Node(name, "Const", (), {"dtype": DataType(TF_OF_STORAGE[row.storage])}, (type_,))
