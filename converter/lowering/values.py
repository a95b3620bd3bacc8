"""The values of an ONNX graph while it is lowered: where each lives in the TF.js graph, and what ONNX knows of it."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from converter.dtypes import BY_NAME, INT32_HIGHEST, INT32_LOWEST, dtype_of
from converter.errors import InternalError, UnsupportedError
from converter.onnx_model import Integer, OnnxGraph, ValueType
from converter.tfjs.builder import Builder
from converter.tfjs.graph import Node, Ref, Shape, TensorType, merge_shapes


class Values:
    """ONNX names -> values of the graph; a constant enters the graph when it is first read as data."""

    def __init__(self, graph: OnnxGraph, builder: Builder) -> None:
        self.builder = builder
        self.graph = graph
        self.functions = builder.graph.functions
        self._constants: Mapping[str, np.ndarray] = graph.constants
        self._types = graph.types
        self._bound: dict[str, Ref] = {}

    def bind(self, name: str, value: Ref) -> None:
        """Say where an ONNX value lives, and take over what ONNX knows of its shape.

        Raises: InternalError if it lives somewhere already, or ONNX knows something else.
        """
        if name in self._bound:
            raise InternalError(f"{name!r} is bound twice")
        self._bound[name] = value
        if (declared := self._types.get(name)) is not None:
            node = self.builder.graph.nodes[value.node]
            types = list(node.outputs)
            types[value.output] = _refined(types[value.output], declared.shape)
            self.retype(node, tuple(types))

    def retype(self, node: Node, types: tuple[TensorType, ...]) -> None:
        """Replace what is known of a node's outputs."""
        if types != node.outputs:
            self.builder.graph.nodes[node.name] = replace(node, outputs=types)

    def bound(self) -> dict[str, Ref]:
        """Where each ONNX value that was read or made lives."""
        return dict(self._bound)

    def is_bound(self, name: str) -> bool:
        """Whether the value can be read."""
        return name in self._bound or name in self._constants

    def get(self, name: str) -> Ref:
        """The value of the graph that holds an ONNX value."""
        if name not in self._bound:
            self._bound[name] = self.constant(self._constants[name], name)
        return self._bound[name]

    def known(self, name: str) -> np.ndarray | None:
        """The array of an ONNX value that is known before the graph runs, in its ONNX dtype."""
        return self._constants.get(name)

    def elements(self, name: str) -> list[Integer | None] | None:
        """Return the elements of an ONNX value of which only some are known; None if none are."""
        found = self.graph.elements.get(name)
        return None if found is None else list(found)

    def may_be_on_device(self, placeholder: str) -> bool:
        """Whether a placeholder may get a value that was computed on the device: never in the main graph."""
        return False

    def onnx_type(self, name: str) -> ValueType | None:
        """What ONNX knows of a value."""
        return self._types.get(name)

    def constant(self, array: np.ndarray, name: str) -> Ref:
        """A data constant of the graph for an array of any ONNX dtype.

        Raises: UnsupportedError if its values don't fit what TF.js can hold.
        """
        return self.builder.constant(storable(array, name), name=name)


def storable(array: np.ndarray, name: str) -> np.ndarray:
    """An array in a dtype that a graph can hold, as narrow as its values allow in a file.

    64-bit integers become int32, those of less than a byte int8; real numbers float16 or float32.

    Raises: UnsupportedError if an integer doesn't fit int32, or a finite float64 doesn't fit float32.
    """
    if array.dtype.name in ("float32", "float16", "int32", "int16", "int8", "uint16", "uint8", "bool"):
        return array
    row = dtype_of(array)
    if row.bits is not None and row.bits < 8 and row.is_integer:
        return array.astype(np.int8)
    if row.is_integer:
        if array.size and (int(array.min()) < INT32_LOWEST or int(array.max()) > INT32_HIGHEST):
            raise UnsupportedError(
                f"an integer of the constant doesn't fit int32 (range {array.min()} to {array.max()})",
                where=f"constant {name!r}",
                hint="TF.js has no 64-bit integers; rescale the values or compute them outside the model",
            )
        return array.astype(np.int32)
    if BY_NAME["float16"].holds(row):
        return array.astype(np.float16)
    if row.storage == "float32":
        with np.errstate(over="ignore"):
            narrow = array.astype(np.float32)
        if bool(np.any(np.isinf(narrow) & np.isfinite(array.astype(np.float64)))):
            raise UnsupportedError(
                "a value of the constant doesn't fit float32", where=f"constant {name!r}", hint="rescale the weights"
            )
        return narrow
    if row.storage in ("string", "complex64"):
        return array
    raise UnsupportedError(f"TF.js can't hold {row.name}", where=f"constant {name!r}")


def _refined(type_: TensorType, shape: Shape) -> TensorType:
    return TensorType(type_.dtype, merge_shapes(type_.shape, shape))
