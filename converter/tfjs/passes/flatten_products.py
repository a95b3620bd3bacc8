"""Multiplies stacks of rows by a matrix as one matrix product.

wasm runs a product of two matrices with XNNPACK, and any other with a plain loop that is an order of magnitude slower
and adds a wrong bias when fused (tfjs-backend-wasm, batch_mat_mul_impl.cc; measured and probed).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from converter.tfjs.graph import Dim, Graph, Node, Ref, TensorType
from converter.tfjs.passes.families import BROADCASTING, UNARY
from converter.tfjs.permute import reshape_operand
from converter.tfjs.rewrite import Rewrite, rewrite


class Rows(NamedTuple):
    """A value whose leading axes are merged, and a new value that still has them.

    Shapes: flat (row, channel); the value and `like` (*lead, channel).
    """

    flat: Ref
    lead: tuple[Dim, ...]
    like: Ref


def flatten_products(graph: Graph) -> Graph:
    """The graph with BatchMatMulV2 by a single matrix as MatMul of all rows, and what follows on rows as well."""
    return rewrite(graph, lambda rw: _Flattening(rw).visit)


class _Flattening:
    """Keeps values flat until something needs their leading axes."""

    def __init__(self, rw: Rewrite) -> None:
        self.rw = rw
        self.rows: dict[Ref, Rows] = {}
        self._flat: dict[Ref, Ref] = {}

    def visit(self, node: Node) -> bool:
        return node.op in _RULES and node.outputs[0].dtype in ("float32", "bool") and _RULES[node.op](self, node)

    def multiply(self, node: Node) -> bool:
        rows = self._as_rows(node.inputs[0])
        if rows is None or set(rows.lead[:-1]) <= {1} or node.attrs.get("adj_x") or node.attrs.get("adj_y"):
            return False
        matrix = self._matrix(node.inputs[1])
        return matrix is not None and self._keep(node, rows, "MatMul", rows.flat, matrix)

    def unary(self, node: Node) -> bool:
        rows = self.rows.get(node.inputs[0])
        rest = [self.rw.operand(node, index) for index in range(1, len(node.inputs))] if rows else []
        return rows is not None and self._keep(node, rows, node.op, rows.flat, *rest, **node.attrs)

    def broadcast(self, node: Node) -> bool:
        """An operation whose operands all have the same leading axes, or none that matter."""
        rows = next((self.rows[ref] for ref in node.inputs if ref in self.rows), None)
        if rows is None or (node.outputs[0].shape or ())[:-1] != rows.lead:
            return False
        makers = [self._beside(ref, rows) for ref in node.inputs]
        found = [make for make in makers if make is not None]
        if len(found) < len(makers):
            return False
        return self._keep(node, rows, node.op, *(make() for make in found), **node.attrs)

    def reduce(self, node: Node) -> bool:
        """A reduction of the last axis that keeps it."""
        rows, axes = self.rows.get(node.inputs[0]), self.rw.known(node.inputs[1])
        if rows is None or axes is None or not node.attrs.get("keep_dims"):
            return False
        rank = len(rows.lead) + 1
        if [int(axis) % rank for axis in axes.ravel()] != [rank - 1]:
            return False
        return self._keep(node, rows, node.op, rows.flat, self.rw.param([1]), **node.attrs)

    def reshape(self, node: Node) -> bool:
        rows = self.rows.get(node.inputs[0])
        return rows is not None and self.rw.put(node, "Reshape", rows.flat, self.rw.operand(node, 1))

    def _keep(self, node: Node, rows: Rows, op: str, *operands: Ref, **attrs: object) -> bool:
        """Append an operation on rows; the node's value is what it makes, with the leading axes back."""
        flat = self.rw.emit(op, *operands, name=f"{node.name}/rows", **attrs)  # type: ignore[arg-type]
        old = Ref(node.name)
        self.rows[old] = rows._replace(flat=flat)
        self.rw.bind_lazily(old, lambda: self._unflattened(node, flat, rows))
        return True

    def _unflattened(self, node: Node, flat: Ref, rows: Rows) -> Ref:
        channels = (self.rw.type_of(flat).shape or (None,))[-1]
        operand = reshape_operand((*rows.lead, channels))
        if operand is not None:
            return self.rw.emit("Reshape", flat, self.rw.param(operand), name=node)
        path = f"{node.name}/shape"
        shape = self.rw.emit("Shape", rows.like, name=path)
        lead = self.rw.emit("Slice", shape, self.rw.param([0]), self.rw.param([len(rows.lead)]), name=path)
        last = self.rw.data(np.asarray([channels], dtype=np.int32), path)
        vector = self.rw.emit("ConcatV2", lead, last, self.rw.param(0), name=path, N=2)
        return self.rw.emit("Reshape", flat, vector, name=node)

    def _as_rows(self, old: Ref) -> Rows | None:
        """A value with its leading axes merged, None if it has no such axes."""
        if old in self.rows:
            return self.rows[old]
        type_ = self.rw.old_type(old)
        if self.rw.known(old) is not None or not _has_rows(type_) or type_.shape is None:
            return None
        new = self.rw.value(old)
        if old not in self._flat:
            operand = self.rw.param([-1, type_.shape[-1]])  # type: ignore[list-item]
            self._flat[old] = self.rw.emit("Reshape", new, operand, name=f"{old.node}/rows")
        return Rows(self._flat[old], type_.shape[:-1], new)

    def _matrix(self, old: Ref) -> Ref | None:
        """The right operand as one matrix, None if it is a stack."""
        array, shape = self.rw.known(old), self.rw.old_type(old).shape
        if shape is None or any(dim != 1 for dim in shape[:-2]):
            return None
        if len(shape) == 2:
            return self.rw.value(old)
        return None if array is None else self.rw.data(array.reshape(array.shape[-2:]), f"{old.node}/matrix")

    def _beside(self, old: Ref, rows: Rows) -> Callable[[], Ref] | None:
        """An operand that broadcasts to the rows as it did to the value, None if there is none."""
        array, shape = self.rw.known(old), self.rw.old_type(old).shape
        if old in self.rows:
            return (lambda: self.rows[old].flat) if self.rows[old].lead == rows.lead else None
        if array is not None:
            if array.size != (array.shape[-1] if array.ndim else 1) or array.ndim > len(rows.lead) + 1:
                return None
            if array.ndim <= 1:
                return lambda: self.rw.value(old)
            return lambda: self.rw.data(array.reshape(array.shape[-1:]), f"{old.node}/row")
        if shape is None or shape[:-1] != rows.lead or not _has_rows(self.rw.old_type(old)):
            return None
        return lambda: _flat_of(self._as_rows(old))


def _flat_of(rows: Rows | None) -> Ref:
    assert rows is not None
    return rows.flat


def _has_rows(type_: TensorType) -> bool:
    """Whether a value has leading axes that can be merged."""
    shape = type_.shape
    is_known = shape is not None and len(shape) > 2 and None not in shape and 0 not in shape
    return is_known and shape is not None and isinstance(shape[-1], int) and type_.dtype == "float32"


_RULES: Mapping[str, Callable[[_Flattening, Node], bool]] = {
    **dict.fromkeys(UNARY, _Flattening.unary),
    **dict.fromkeys(("LogSoftmax", "Softmax"), _Flattening.unary),
    **dict.fromkeys(BROADCASTING, _Flattening.broadcast),
    **dict.fromkeys(("Max", "Mean", "Min", "Sum"), _Flattening.reduce),
    "BatchMatMulV2": _Flattening.multiply,
    "Reshape": _Flattening.reshape,
}
