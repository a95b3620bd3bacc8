"""Splits long float sums and means into two levels, so that their rounding errors stay those of onnxruntime.

WebAssembly's Sum and Mean add one element after the other to a single float32 (kernels/Sum.js, Mean.js). onnxruntime
keeps eight partial sums, the GPU backends reduce in trees, and the cpu backend adds in float64.
"""

from collections.abc import Sequence
from math import inf, isqrt, prod

import numpy as np

from converter.tfjs.graph import DataType, Dim, Graph, Node, Ref
from converter.tfjs.permute import reshape_operand
from converter.tfjs.rewrite import Rewrite, rewrite

_N_PARTIAL_SUMS, _N_JOINING = 8, 5  # sums that onnxruntime makes side by side, and the additions that join them
_N_DYNAMIC_PARTS = 16
_FEWEST_OTHERS = _N_PARTIAL_SUMS // 2  # elements of other axes, which take twice the additions from a dynamic one
_MAX_RANK = 6
_MAX_PADDED_RANK = 4


def split_long_sums(graph: Graph) -> Graph:
    """The graph with no Sum or Mean that makes more than twice the additions in a row that onnxruntime makes."""
    return rewrite(graph, lambda rw: _Splitter(rw).split, only=("Mean", "Sum"))


def is_short(n_additions: int, count: int) -> bool:
    """Whether so many additions in a row are at most twice those of onnxruntime for `count` elements."""
    return n_additions <= 2 * (count / _N_PARTIAL_SUMS + _N_JOINING)


class _Splitter:
    """The rule for one graph, with the shapes of dynamic values that it has made so far."""

    def __init__(self, rw: Rewrite) -> None:
        self._rw = rw
        self._shapes: dict[tuple[Dim, ...], Ref] = {}

    def split(self, node: Node) -> bool:
        """Split a reduction of more elements than may be added in a row."""
        if node.op not in ("Mean", "Sum") or self._rw.old_type(node.inputs[0]).dtype != "float32":
            return False
        shape, known = self._rw.old_type(node.inputs[0]).shape, self._rw.known(node.inputs[1])
        if shape is None or known is None or 0 in shape or (node.op == "Mean" and self._rw.must_stay_exact(node)):
            return False
        axes = [axis for axis in sorted({int(axis) % len(shape) for axis in known.ravel()}) if shape[axis] != 1]
        count = _count(shape, axes)
        if not axes or (count is not None and is_short(count, count)):
            return False
        return self._nest(node, shape, axes) or self._cut(node, shape, axes)

    def _nest(self, node: Node, shape: Sequence[Dim], axes: Sequence[int]) -> bool:
        """Reduce the last of several axes, then the others, if none is nearly all of the elements."""
        sizes = [size for axis in axes if isinstance(size := shape[axis], int)]
        is_dynamic = len(sizes) < len(axes)
        is_even = is_short(sum(sizes), prod(sizes)) if not is_dynamic else len(axes) - len(sizes) > 1
        if len(axes) == 1 or not (is_even or (is_dynamic and prod(sizes) >= _FEWEST_OTHERS)):
            return False
        rw, last = self._rw, self._rw.param([axes[-1]])
        y = rw.emit(node.op, rw.value(node.inputs[0]), last, name=f"{node.name}/inner", keep_dims=True)
        return rw.put(node, node.op, y, rw.operand(node, 1), **node.attrs)

    def _cut(self, node: Node, shape: Sequence[Dim], axes: Sequence[int]) -> bool:
        """Cut the longest axis into parts, after zeros have been added where it has no such parts; reduce each part."""
        axis = max(axes, key=lambda one: size if isinstance(size := shape[one], int) else inf)
        n_parts, n_added = _parts(shape[axis], _count(shape, [one for one in axes if one != axis]) or 1)
        if len(shape) >= _MAX_RANK or (n_added != 0 and len(shape) > _MAX_PADDED_RANK):
            return False
        rw, x, op = self._rw, self._rw.value(node.inputs[0]), node.op if n_added == 0 else "Sum"
        padded = x if n_added == 0 else self._padded(x, axis, n_added, node.name)
        rows = self._rows(x, padded, axis, n_parts, node.name)
        parts = rw.emit(op, rows, rw.param([axis + 1]), name=f"{node.name}/parts", keep_dims=False)
        if op == node.op:
            return rw.put(node, op, parts, rw.operand(node, 1), **node.attrs)
        total = rw.emit(op, parts, rw.operand(node, 1), name=f"{node.name}/total", **node.attrs)
        return rw.put(node, "RealDiv", total, self._counted(x, axes, node.name))

    def _rows(self, x: Ref, padded: Ref, axis: int, n_parts: int, name: str) -> Ref:
        """The padded `x` with an axis in two: the parts, and the places in them."""
        rw, shape, length = self._rw, self._rw.type_of(x).shape or (), (self._rw.type_of(padded).shape or ())[axis]
        within = length // n_parts if isinstance(length, int) else None
        dims = (*shape[:axis], n_parts, within, *shape[axis + 1 :])
        if (static := reshape_operand(dims)) is not None:
            return rw.emit("Reshape", padded, rw.param(static), name=f"{name}/rows")
        if dims not in self._shapes or None in dims:
            pieces = [
                *([self._sizes(x, 0, axis, f"{name}/before")] if axis else []),
                self._numbers([n_parts, -1 if within is None else within], name),
                *([self._sizes(x, axis + 1, -1, f"{name}/after")] if axis < len(shape) - 1 else []),
            ]
            self._shapes[dims] = self._joined(pieces, f"{name}/shape")
        return rw.refine(rw.emit("Reshape", padded, self._shapes[dims], name=f"{name}/rows"), dims)

    def _padded(self, x: Ref, axis: int, n_added: int | None, name: str) -> Ref:
        """`x` with zeros after an axis; None: as many as make it a multiple of the parts of a dynamic one."""
        rw, rank = self._rw, len(self._rw.type_of(x).shape or ())
        if n_added is not None:
            pads = rw.param(np.asarray([[0, n_added if one == axis else 0] for one in range(rank)]))
        else:
            size, parts = self._sizes(x, axis, 1, f"{name}/size"), self._numbers([_N_DYNAMIC_PARTS], name)
            full = rw.emit("FloorDiv", size, parts, name=f"{name}/full")
            within = rw.emit("AddV2", full, self._numbers([1], name), name=f"{name}/within")  # never empty
            gap = rw.emit("Sub", rw.emit("Mul", within, parts, name=f"{name}/whole"), size, name=f"{name}/gap")
            before, after = [0] * (2 * axis + 1), [0] * (2 * (rank - axis - 1))
            pieces = [self._numbers(before, name), gap, *([self._numbers(after, name)] if after else [])]
            pads = rw.emit("Reshape", self._joined(pieces, f"{name}/gaps"), rw.param([rank, 2]), name=f"{name}/pads")
        zero = rw.data(np.zeros((), dtype=np.float32), name=f"{name}/zero")
        return rw.emit("PadV2", x, pads, zero, name=f"{name}/padded")

    def _counted(self, x: Ref, axes: Sequence[int], name: str) -> Ref:
        """The number of elements along axes, one of which may be dynamic, as a float."""
        rw, shape = self._rw, self._rw.type_of(x).shape or ()
        fixed = np.asarray(prod(size for axis in axes if isinstance(size := shape[axis], int)), dtype=np.float32)
        count = rw.data(fixed, name=f"{name}/count")
        for axis in (axis for axis in axes if not isinstance(shape[axis], int)):
            length = rw.emit("Reshape", self._sizes(x, axis, 1, f"{name}/size"), rw.param([]), name=f"{name}/scalar")
            number = rw.emit("Cast", length, name=f"{name}/float", SrcT=DataType("DT_INT32"), DstT=DataType("DT_FLOAT"))
            count = rw.emit("Mul", number, count, name=f"{name}/count")
        return count

    def _sizes(self, x: Ref, first: int, n_sizes: int, name: str) -> Ref:
        """Dimensions of `x` as a vector on the host; -1: all from the first on."""
        shape = self._rw.emit("Shape", x, name=f"{name}/all")
        return self._rw.emit("Slice", shape, self._rw.param([first]), self._rw.param([n_sizes]), name=name)

    def _numbers(self, values: Sequence[int], name: str) -> Ref:
        return self._rw.data(np.asarray(values, dtype=np.int32), name=f"{name}/numbers")

    def _joined(self, pieces: Sequence[Ref], name: str) -> Ref:
        if len(pieces) == 1:
            return pieces[0]
        return self._rw.emit("ConcatV2", *pieces, self._rw.param(0), name=name, N=len(pieces))


def _count(shape: Sequence[Dim], axes: Sequence[int]) -> int | None:
    """The number of elements along axes, None where one is dynamic."""
    sizes = [size for axis in axes if isinstance(size := shape[axis], int)]
    return prod(sizes) if len(sizes) == len(axes) else None


def _parts(size: Dim, n_others: int) -> tuple[int, int | None]:
    """How many parts to cut an axis into, and how many zeros to add for that, None where its size is dynamic.

    `n_others` elements of other axes are reduced along with it.
    """
    if not isinstance(size, int):
        return _N_DYNAMIC_PARTS, None
    small = [n for n in range(1, isqrt(size) + 1) if size % n == 0]
    n_parts = min((*(size // n for n in small), *small), key=lambda n: size // n + n * n_others)  # many short ones
    if is_short(size // n_parts + n_parts * n_others, size * n_others):
        return n_parts, 0
    n_parts = max(2, isqrt(size // n_others))
    return n_parts, -size % n_parts
