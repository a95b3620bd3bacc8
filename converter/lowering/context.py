"""All that a lowering may touch: one ONNX node on one side, the emitter of the TF.js graph on the other."""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar, overload

import numpy as np

from converter.dtypes import INT32_HIGHEST, INT32_LOWEST, DType
from converter.errors import InternalError, UnsupportedError
from converter.lowering.values import Values
from converter.onnx_model import Integer, OnnxNode, ValueType
from converter.tfjs.graph import Attr, Dim, Node, Ref, Shape, TensorType, merge_shapes

T = TypeVar("T")
LowerNodes = Callable[[Sequence[OnnxNode], Values], None]
REQUIRED: Any = object()
MAX_RANK = 6


class LoweringContext:
    """One node being lowered.

    It enforces five laws: every attribute on the node is read; only operations that TF.js executes alike everywhere
    are emitted; operands declared constant arrive as arrays; names come from one allocator; each output is bound once.
    """

    def __init__(self, node: OnnxNode, values: Values, const_inputs: frozenset[int], lower_nodes: LowerNodes) -> None:
        self.node = node
        self.values = values
        self._builder = values.builder
        self._const_inputs = const_inputs
        self._lower_nodes = lower_nodes
        self._read: set[str] = set()
        self._bound = False

    # The ONNX side.

    @property
    def since(self) -> int:
        """The opset in which the semantics of this node began."""
        return self.node.since

    def has(self, index: int) -> bool:
        """Whether the node has this operand."""
        return index < len(self.node.inputs) and self.node.inputs[index] != ""

    def operand(self, index: int) -> Ref:
        """An operand as a value of the graph.

        Raises: UnsupportedError if the node has no such operand.
        """
        if not self.has(index):
            self.refuse(f"operand {index} is missing")
        return self.values.get(self.node.inputs[index])

    def operands(self) -> list[Ref]:
        """All operands of a variadic operator."""
        return [self.operand(index) for index in range(len(self.node.inputs))]

    def optional(self, index: int) -> Ref | None:
        """An operand as a value of the graph, None if the node doesn't have it."""
        return self.operand(index) if self.has(index) else None

    def const(self, index: int) -> np.ndarray:
        """The values of an operand that the lowering declared constant."""
        if index not in self._const_inputs:
            raise InternalError(f"{self.node}: operand {index} is not declared in const_inputs")
        array = self.known(index)
        if array is None:
            self.refuse(f"operand {index} is missing")
        return array

    def known(self, index: int) -> np.ndarray | None:
        """The values of an operand if they are known before the graph runs, else None."""
        return self.values.known(self.node.inputs[index]) if self.has(index) else None

    def ints(self, index: int) -> list[int] | None:
        """A known integer operand as a list, None if the node lacks it or only the running graph knows it."""
        array = self.known(index)
        return None if array is None else [int(value) for value in np.ravel(array)]

    def elements(self, index: int) -> list[Integer | None] | None:
        """Return the elements of an integer operand, None for those known only at run time; None if all are."""
        name = self.node.inputs[index] if self.has(index) else ""
        known = self.ints(index)
        return list(known) if known is not None else self.values.elements(name)

    def is_size_of(self, element: Integer | None, index: int, axis: int) -> bool:
        """Return whether an element is known to be the size of an axis of an operand."""
        shape = self.onnx_type(index).shape or ()
        dim = shape[axis] if axis < len(shape) else None
        return str(element) == (f"{self.node.inputs[index]}[{axis}]" if dim is None else str(dim))

    def onnx_type(self, index: int) -> ValueType:
        """The ONNX type of an operand.

        Raises: UnsupportedError if shape inference found none.
        """
        if (type_ := self.values.onnx_type(self.node.inputs[index])) is None:
            self.refuse(f"the type of operand {index} ({self.node.inputs[index]}) is unknown")
        return type_

    def dtype(self, index: int) -> DType:
        """The ONNX element type of an operand."""
        return self.onnx_type(index).dtype

    def output_type(self, index: int = 0) -> ValueType:
        """The ONNX type of an output.

        Raises: UnsupportedError if shape inference found none.
        """
        if (type_ := self.values.onnx_type(self.node.outputs[index])) is None:
            self.refuse(f"the type of output {index} ({self.node.outputs[index]}) is unknown")
        return type_

    def output_shape(self, index: int = 0) -> Shape:
        """What ONNX knows of the shape of an output."""
        type_ = self.values.onnx_type(self.node.outputs[index])
        return None if type_ is None else type_.shape

    @property
    def n_outputs(self) -> int:
        """How many outputs the node declares, trailing absent ones not counted."""
        names = list(self.node.outputs)
        while names and not names[-1]:
            names.pop()
        return len(names)

    def wants(self, index: int) -> bool:
        """Whether the node declares this output."""
        return index < len(self.node.outputs) and self.node.outputs[index] != ""

    @overload
    def attr(self, name: str) -> Any: ...
    @overload
    def attr(self, name: str, default: T) -> T: ...
    def attr(self, name: str, default: Any = REQUIRED) -> Any:
        """An attribute, or its default.

        Raises: UnsupportedError if it has neither.
        """
        self._read.add(name)
        if name in self.node.attrs:
            return self.node.attrs[name]
        if default is REQUIRED:
            self.refuse(f"attribute {name!r} is missing")
        return default

    def ignore_attrs(self, *names: str) -> None:
        """Mark attributes as read that can't change the result here (the lowering's docstring says why)."""
        self._read.update(names)

    def refuse(self, reason: str, hint: str = "") -> NoReturn:
        """Give up on this node.

        Raises: UnsupportedError, always.
        """
        raise UnsupportedError(reason, where=f"node {self.node}", hint=hint)

    # The TF.js side.

    def type(self, value: Ref) -> TensorType:
        """What is known of a value of the graph."""
        return self._builder.type_of(value)

    def producer(self, value: Ref) -> Node:
        """The node that makes a value of the graph."""
        return self._builder.graph.nodes[value.node]

    def dims(self, value: Ref) -> tuple[Dim, ...]:
        """The shape of a value.

        Raises: UnsupportedError if its rank is unknown.
        """
        shape = self.type(value).shape
        if shape is None:
            self.refuse(
                "the rank of an operand is unknown", hint="give the model's inputs a fixed number of dimensions"
            )
        return shape

    def rank(self, value: Ref) -> int:
        """The number of dimensions of a value.

        Raises: UnsupportedError if it is unknown.
        """
        return len(self.dims(value))

    def axis(self, axis: int, rank: int) -> int:
        """An axis counted from the front.

        Raises: UnsupportedError if there is no such axis.
        """
        if not -rank <= axis < max(rank, 1):
            self.refuse(f"axis {axis} is outside a value of rank {rank}")
        return axis % rank if rank else 0

    def inside(self, values: Values) -> "LoweringContext":
        """The same node, emitting into a function of the graph."""
        return LoweringContext(self.node, values, self._const_inputs, self._lower_nodes)

    def lower_nodes(self, nodes: Sequence[OnnxNode]) -> None:
        """Lower the nodes of a sub-graph to where this context emits.

        Raises: UnsupportedError naming every node that can't be lowered.
        """
        self._lower_nodes(nodes, self.values)

    def emit(self, op: str, *operands: Ref, **attrs: Attr) -> Ref:
        """Append an operation with one output."""
        (output,) = self.emit_all(op, *operands, types=None, **attrs)
        return output

    def emit_all(
        self, op: str, *operands: Ref, types: Sequence[TensorType] | None = None, **attrs: Attr
    ) -> tuple[Ref, ...]:
        """Append an operation and return all its outputs; `types` replaces inference.

        Raises: UnsupportedError if one has more dimensions than every backend can hold.
        """
        outputs = self._builder.emit(op, *operands, name=f"{self.node.name}/{op}", types=types, **attrs)
        if any((self.type(output).rank or 0) > MAX_RANK for output in outputs):
            self.refuse(f"it needs values of rank {self.type(outputs[0]).rank}; WebGL and WebGPU stop at {MAX_RANK}")
        return outputs

    def data(self, values: np.ndarray | float) -> Ref:
        """A constant that kernels read as data; a bare number becomes a float32 scalar."""
        array = values if isinstance(values, np.ndarray) else np.asarray(values, dtype=np.float32)
        return self.values.constant(array, f"{self.node.name}/const")

    def param(self, values: int | Sequence[int]) -> Ref:
        """A constant argument of an operation (a shape, axes, a permutation); "to the end" sentinels are clamped."""
        if isinstance(values, int):
            return self._builder.parameter(min(max(values, INT32_LOWEST), INT32_HIGHEST))
        return self._builder.parameter([min(max(int(v), INT32_LOWEST), INT32_HIGHEST) for v in values])

    def param_matrix(self, rows: Sequence[Sequence[int]]) -> Ref:
        """A constant argument of rank 2, such as paddings."""
        return self._builder.parameter(np.asarray(rows, dtype=np.int32))

    def result(self, *outputs: Ref) -> None:
        """Bind the node's outputs, in order; those it does not declare may be left out.

        Raises: InternalError if they were bound before, or their types are not what ONNX says.
        """
        if self._bound:
            raise InternalError(f"{self.node}: outputs are bound twice")
        self._bound = True
        names = list(self.node.outputs)
        if len(outputs) < self.n_outputs:
            raise InternalError(f"{self.node}: {len(outputs)} outputs bound of {self.n_outputs}")
        for name, value in zip(names, outputs, strict=False):
            if name:
                self._bind(name, value)

    def _bind(self, name: str, value: Ref) -> None:
        type_ = self.type(value)
        declared = self.values.onnx_type(name)
        if declared is not None and type_.dtype not in (declared.dtype.storage, "variant"):
            raise InternalError(f"{self.node}: {name} is {type_.dtype}, ONNX says {declared.dtype.name}")
        self.values.bind(name, value)

    def refine(self, value: Ref, shape: Shape) -> Ref:
        """The same value, known to have this shape as well.

        Raises: InternalError if that contradicts what is known.
        """
        node = self._builder.graph.nodes[value.node]
        types = list(node.outputs)
        types[value.output] = TensorType(types[value.output].dtype, merge_shapes(types[value.output].shape, shape))
        self.values.retype(node, tuple(types))
        return value

    def finish(self) -> None:
        """Check the laws that only hold once the lowering has run.

        Raises: UnsupportedError if an attribute was not read; InternalError if no output was bound.
        """
        if unread := sorted(set(self.node.attrs) - self._read):
            self.refuse(f"attribute(s) not understood: {', '.join(unread)}")
        if not self._bound:
            raise InternalError(f"{self.node}: the lowering bound no output")
