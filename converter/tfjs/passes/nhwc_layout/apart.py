"""Keeps axes apart that a Reshape joins, where all that follows can do without the Transpose that joining takes.

GroupNorm in NHWC is the pattern: its statistics are those of channels and space together, and between one Reshape and
the one back everything works on each element. Flattening before a product is another: its constant's rows move.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from converter.tfjs.graph import Dim, Node, Ref
from converter.tfjs.passes.families import BROADCASTING, UNARY
from converter.tfjs.passes.nhwc_layout.groups import regrouped
from converter.tfjs.passes.nhwc_layout.lazy import Layout
from converter.tfjs.passes.nhwc_layout.parts import Parts, parted
from converter.tfjs.passes.nhwc_layout.price import MOVABLE
from converter.tfjs.permute import Perm, inverse, is_identity, moved, reshape_operand
from converter.tfjs.rewrite import Rewrite

_REACH = 64  # values between one Reshape and what takes the parts
_UNARY = tuple(op for op in UNARY if op != "Identity")  # an output is one
_REDUCING = ("Max", "Mean", "Min", "Prod", "Sum")
_PRODUCTS = ("BatchMatMulV2", "MatMul")


def parts_of_reshape(rw: Rewrite, node: Node, perm: Perm) -> Parts | None:
    """How to cut the axes of a Reshape's result, None unless everything that reads it can take it in parts."""
    parts = parted(rw.old_type(node.inputs[0]).shape, node.outputs[0].shape, perm)
    if parts is None:
        return None
    inside, waiting = {Ref(node.name)}, [Ref(node.name)]
    while waiting:
        old = waiting.pop()
        onward = [reader for reader in rw.readers(old) if not _ends(rw, reader, old, parts)]
        if len(inside) > _REACH or not all(_goes_on(rw, reader, old, parts) for reader in onward):
            return None
        found = {Ref(reader.name) for reader in onward} - inside
        inside |= found
        waiting += found
    mixing = [rw.source.nodes[ref.node] for ref in inside if rw.source.nodes[ref.node].op in BROADCASTING]
    comes_along = all(ref in inside or rw.known(ref) is not None for one in mixing for ref in one.inputs)
    return parts if comes_along else None


def _goes_on(rw: Rewrite, node: Node, old: Ref, parts: Parts) -> bool:
    """Whether a node gives its result in the parts of its operand."""
    if node.outputs[0].dtype not in MOVABLE or parts.dims_of(node.outputs[0].shape) is None:
        return False
    if node.op in _REDUCING:
        return bool(node.attrs.get("keep_dims")) and bool(_reduced(rw, node, parts))
    return node.op in BROADCASTING or (node.op in _UNARY and old not in node.inputs[1:])


def _reduced(rw: Rewrite, node: Node, parts: Parts) -> list[int]:
    """The parts that a reduction reduces; none if only the running graph knows them."""
    axes = rw.known(node.inputs[1])
    rank = len(parts.counts)
    whole = [] if axes is None else sorted({int(axis) % rank for axis in axes.ravel()})
    return [part for axis in whole for part in parts.of_axis(axis)]


def _ends(rw: Rewrite, node: Node, old: Ref, parts: Parts) -> bool:
    """Whether a node takes a value in parts, and its result is whole."""
    if node.inputs[0] != old or old in node.inputs[1:]:
        return False
    if node.op == "Reshape":
        return _put_together(rw, node, parts) is not None
    return node.op in _PRODUCTS and _takes_rows(rw, node, old, parts)


def _put_together(rw: Rewrite, node: Node, parts: Parts) -> tuple[list[int], Perm] | None:
    """What a Reshape of the parts takes, and the permutation that its result owes; None if it can't do without one."""
    dims, new = parts.dims_of(rw.old_type(node.inputs[0]).shape), node.outputs[0].shape
    group = regrouped(dims, new, parts.perm)
    if group is None or new is None or not group.is_ready:
        return None
    operand = reshape_operand(moved(new, inverse(group.perm)))
    return None if operand is None else (operand, group.perm)


def _takes_rows(rw: Rewrite, node: Node, old: Ref, parts: Parts) -> bool:
    """Whether the rows of a product's constant can be put in the order of the parts."""
    right, shape = node.inputs[1], rw.old_type(old).shape
    is_plain = not node.attrs.get("transpose_a") and not node.attrs.get("adj_x")
    is_matrix = len(parts.counts) == 2 and rw.old_type(right).rank == 2 and shape == parts.shape
    is_ours = _is_uniform(rw, right) or (rw.known(right) is not None and len(rw.readers(right)) == 1)
    return is_plain and is_matrix and is_ours and is_identity(parts.perm[: parts.counts[0]])


def _is_uniform(rw: Rewrite, old: Ref) -> bool:
    return rw.source.nodes[old.node].op == "Fill"


def part(layout: Layout, node: Node) -> bool:
    """Reshape: nothing is done where what follows can do with the axes as they are."""
    lazy = layout.lazy(node.inputs[0])
    parts = None if lazy is None else parts_of_reshape(layout.rw, node, lazy.perm)
    if lazy is None or parts is None:
        return False
    layout.parts[Ref(node.name)] = (lazy.base, parts)
    return True


def _is_whole(layout: Layout, old: Ref, parts: Parts) -> bool:
    return layout.rw.old_type(old).shape == parts.shape


def _elementwise(layout: Layout, node: Node) -> bool:
    parts = next(layout.parts[ref][1] for ref in node.inputs if ref in layout.parts)
    return _emit(layout, node, parts, *(_brought(layout, node, index, parts) for index in range(len(node.inputs))))


def _brought(layout: Layout, node: Node, index: int, parts: Parts) -> Ref:
    """An operand as the result is held: one of the same kind, an argument, or a constant."""
    old, is_whole = node.inputs[index], _is_whole(layout, Ref(node.name), parts)
    if old in layout.parts:
        base = layout.parts[old][0]
        return _widened(layout, old, base, parts) if is_whole and not _is_whole(layout, old, parts) else base
    array = layout.rw.known(old)
    if array is None or array.ndim == 0 or node.op in _UNARY:
        return layout.rw.operand(node, index)
    wide = array.reshape((1,) * (len(parts.shape) - array.ndim) + array.shape)
    dims = [dim for dim in parts.dims_of(wide.shape) or () if isinstance(dim, int)]
    held = np.transpose(wide.reshape(dims), inverse(parts.perm))
    if is_whole:
        repeats, operand = _widening(dims, parts, parts.rank)
        held = np.tile(held, repeats).reshape(operand)
    return layout.rw.data(np.ascontiguousarray(held), name=f"{old.node}/nhwc")


def _widened(layout: Layout, old: Ref, base: Ref, parts: Parts) -> Ref:
    """A reduced value with the axes that whole ones have."""
    repeats, operand = _widening(parts.dims_of(layout.rw.old_type(old).shape) or (), parts, parts.rank)
    if any(repeat > 1 for repeat in repeats):
        base = layout.rw.emit("Tile", base, layout.rw.param(repeats), name=f"{old.node}/nhwc")
    return layout.rw.emit("Reshape", base, layout.rw.param(operand), name=f"{old.node}/nhwc")


def _widening(dims: Sequence[Dim], parts: Parts, rank: int) -> tuple[list[int], list[int]]:
    """How often to repeat each axis of a value in parts, and what a Reshape then takes."""
    repeats, shape = [1] * len(dims), [1] * rank
    for run in parts.runs:
        if all(dims[k] == 1 for k in run.parts):
            continue
        for axis, dim in zip(run.axes, run.dims, strict=True):
            shape[axis] = dim if isinstance(dim, int) else -1
        for k in run.parts:
            full = parts.dims[k]
            repeats[parts.perm[k]] = full if dims[k] == 1 and isinstance(full, int) else 1
    return repeats, shape


def _reduce(layout: Layout, node: Node) -> bool:
    """Whole axes first, then what is left in parts."""
    base, parts = layout.parts[node.inputs[0]]
    gone = _reduced(layout.rw, node, parts)
    if _is_whole(layout, node.inputs[0], parts):
        runs = [run for run in parts.runs if set(run.parts) <= set(gone)]
        axes = sorted(axis for run in runs for axis in run.axes)
        if axes:
            base = layout.rw.emit(node.op, base, layout.rw.param(axes), name=f"{node.name}/nhwc", **node.attrs)
        gone = [k for k in gone if not any(k in run.parts for run in runs)]
        ones = {k for run in runs for k in run.parts}
        left = [1 if k in ones else dim for k, dim in enumerate(parts.dims)]
        operand = reshape_operand(moved(left, inverse(parts.perm)))
        base = layout.rw.emit("Reshape", base, layout.rw.param(operand or []), name=f"{node.name}/nhwc")
    if gone:
        axes = sorted(parts.perm[k] for k in gone)
        base = layout.rw.emit(node.op, base, layout.rw.param(axes), name=f"{node.name}/nhwc", **node.attrs)
    layout.parts[Ref(node.name)] = (base, parts)
    return True


def _emit(layout: Layout, node: Node, parts: Parts, *operands: Ref) -> bool:
    base = layout.rw.emit(node.op, *operands, name=f"{node.name}/nhwc", **node.attrs)
    layout.parts[Ref(node.name)] = (base, parts)
    return True


def _reshape(layout: Layout, node: Node) -> bool:
    base, parts = layout.parts[node.inputs[0]]
    found = _put_together(layout.rw, node, parts)
    assert found is not None
    operand, perm = found
    if is_identity(perm):
        return layout.rw.put(node, "Reshape", base, layout.rw.param(operand))
    result = layout.rw.emit("Reshape", base, layout.rw.param(operand), name=f"{node.name}/nhwc")
    layout.owe(Ref(node.name), result, perm)
    return True


def _multiply(layout: Layout, node: Node) -> bool:
    """A product with a constant, whose rows take the order of the parts."""
    base, parts = layout.parts[node.inputs[0]]
    operand = layout.rw.param(reshape_operand(parts.shape) or [])
    flat = layout.rw.emit("Reshape", base, operand, name=f"{node.name}/nhwc")
    right = node.inputs[1]
    matrix = layout.rw.known(right)
    if matrix is None:
        return layout.rw.put(node, node.op, flat, layout.rw.operand(node, 1), **node.attrs)
    is_turned = bool(node.attrs.get("transpose_b") or node.attrs.get("adj_y"))
    ordered = _ordered_rows(matrix.T if is_turned else matrix, parts)
    data = layout.rw.data(np.ascontiguousarray(ordered.T if is_turned else ordered), name=f"{right.node}/nhwc")
    return layout.rw.put(node, node.op, flat, data, **node.attrs)


def _ordered_rows(matrix: np.ndarray, parts: Parts) -> np.ndarray:
    own = parts.of_axis(1)
    dims = [dim for dim in (parts.dims[k] for k in own) if isinstance(dim, int)]
    order = sorted(range(len(own)), key=lambda at: parts.perm[own[at]])
    cut = matrix.reshape(*dims, -1).transpose(*order, len(dims))
    return cut.reshape(matrix.shape)


APART: Mapping[str, Callable[[Layout, Node], bool]] = {
    **dict.fromkeys((*_UNARY, *BROADCASTING), _elementwise),
    **dict.fromkeys(_REDUCING, _reduce),
    **dict.fromkeys(_PRODUCTS, _multiply),
    "Reshape": _reshape,
}
"""For a node that has an operand in parts: what `parts_of_reshape` found that it can do."""
