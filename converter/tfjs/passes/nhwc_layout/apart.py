"""Keeps axes apart that a Reshape joins, where all that follows can do without the Transpose that joining takes.

GroupNorm in NHWC is the pattern: its statistics are those of channels and space together, and between one Reshape and
the one back everything works on each element. Flattening before a product is another: its constant's rows move.
"""

from collections.abc import Callable, Mapping

import numpy as np

from converter.tfjs.graph import Node, Ref
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
    """The axes of the value moved that a reduction reduces; none if only the running graph knows them."""
    axes = rw.known(node.inputs[1])
    rank = len(parts.counts)
    whole = [] if axes is None else [int(axis) % rank for axis in axes.ravel()]
    return sorted(parts.perm[part] for axis in whole for part in parts.of_axis(axis))


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
    """Reshape: cut where its axes lie apart, if what follows allows."""
    lazy = layout.lazy(node.inputs[0])
    parts = None if lazy is None else parts_of_reshape(layout.rw, node, lazy.perm)
    operand = None if parts is None else reshape_operand(moved(parts.dims, inverse(parts.perm)))
    if lazy is None or parts is None or operand is None:
        return False
    base = layout.rw.emit("Reshape", lazy.base, layout.rw.param(operand), name=f"{node.name}/nhwc")
    layout.parts[Ref(node.name)] = (base, parts)
    return True


def _elementwise(layout: Layout, node: Node) -> bool:
    parts = next(layout.parts[ref][1] for ref in node.inputs if ref in layout.parts)
    return _emit(layout, node, parts, *(_brought(layout, node, index, parts) for index in range(len(node.inputs))))


def _brought(layout: Layout, node: Node, index: int, parts: Parts) -> Ref:
    """An operand in parts: one that is already, an argument, or a constant."""
    old = node.inputs[index]
    if old in layout.parts:
        return layout.parts[old][0]
    array = layout.rw.known(old)
    if array is None or array.ndim == 0 or node.op in _UNARY:
        return layout.rw.operand(node, index)
    wide = array.reshape((1,) * (len(parts.shape) - array.ndim) + array.shape)
    cut = wide.reshape([dim for dim in parts.dims_of(wide.shape) or () if isinstance(dim, int)])
    return layout.rw.data(np.ascontiguousarray(np.transpose(cut, inverse(parts.perm))), name=f"{old.node}/nhwc")


def _reduce(layout: Layout, node: Node) -> bool:
    base, parts = layout.parts[node.inputs[0]]
    return _emit(layout, node, parts, base, layout.rw.param(_reduced(layout.rw, node, parts)))


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
    flat = layout.rw.emit(
        "Reshape", base, layout.rw.param(reshape_operand(parts.shape) or []), name=f"{node.name}/nhwc"
    )
    right = node.inputs[1]
    matrix = layout.rw.known(right)
    if matrix is None:
        return layout.rw.put(node, node.op, flat, layout.rw.operand(node, 1), **node.attrs)
    rows = int(bool(node.attrs.get("transpose_b") or node.attrs.get("adj_y")))
    columns = matrix.T if rows else matrix
    dims = [parts.dims[k] for k in parts.of_axis(1)]
    order = sorted(range(len(dims)), key=[parts.perm[k] for k in parts.of_axis(1)].__getitem__)
    cut = columns.reshape(*(dim for dim in dims if isinstance(dim, int)), -1).transpose(*order, len(dims))
    ordered = cut.reshape(columns.shape)
    data = layout.rw.data(np.ascontiguousarray(ordered.T if rows else ordered), name=f"{right.node}/nhwc")
    return layout.rw.put(node, node.op, flat, data, **node.attrs)


APART: Mapping[str, Callable[[Layout, Node], bool]] = {
    **dict.fromkeys((*_UNARY, *BROADCASTING), _elementwise),
    **dict.fromkeys(_REDUCING, _reduce),
    **dict.fromkeys(_PRODUCTS, _multiply),
    "Reshape": _reshape,
}
"""For a node that has an operand in parts: what `parts_of_reshape` found that it can do."""
