"""Which operations can work on a value whose Transpose is still owed, and how their arguments move with its axes."""

from collections.abc import Callable, Mapping

import numpy as np

from converter.tfjs.graph import Attr, Node, Ref
from converter.tfjs.passes.families import BROADCASTING, UNARY
from converter.tfjs.passes.nhwc_layout.combine import add_n, concat, elementwise
from converter.tfjs.passes.nhwc_layout.lazy import Layout
from converter.tfjs.passes.nhwc_layout.price import MOVABLE
from converter.tfjs.passes.nhwc_layout.regroup import expand_dims, reshape, squeeze
from converter.tfjs.passes.nhwc_layout.shapes import shape, slice_of_shape
from converter.tfjs.permute import Perm, after, dropped, is_identity

_Rule = Callable[[Layout, Node], bool]


def _transpose(layout: Layout, node: Node) -> bool:
    perm, view = layout.rw.known(node.inputs[1]), layout.view(node.inputs[0])
    if perm is None or view is None or node.outputs[0].dtype not in MOVABLE:
        return False
    old, total = Ref(node.name), after(view.perm, tuple(int(axis) for axis in perm))
    if not is_identity(total) and layout.prices is not None and layout.prices.is_better_now(old, total):
        return layout.rw.forward(node, layout.moved(view.base, total, node))
    layout.owe(old, view.base, total)
    return True


def _unary(layout: Layout, node: Node) -> bool:
    """An operation on each element; operands after the first are arguments that no axis matters to."""
    lazy = layout.lazy(node.inputs[0])
    if lazy is None or node.outputs[0].dtype not in MOVABLE:
        return False
    rest = [layout.rw.operand(node, index) for index in range(1, len(node.inputs))]
    return layout.emit(node, lazy.perm, lazy.base, *rest, **node.attrs)


def _last_axis(layout: Layout, node: Node) -> bool:
    """An operation on each element, or along the last axis."""
    lazy = layout.lazy(node.inputs[0])
    is_last = lazy is not None and lazy.perm[-1] == len(lazy.perm) - 1
    return is_last and _unary(layout, node)


def _pad(layout: Layout, node: Node) -> bool:
    return _by_axis(layout, node, 1)


def _by_axis(layout: Layout, node: Node, *arguments: int) -> bool:
    """An operation with constant arguments that have a row for each axis."""
    lazy = layout.lazy(node.inputs[0])
    if lazy is None:
        return False
    operands = [lazy.base]
    for index in range(1, len(node.inputs)):
        rows = layout.rw.known(node.inputs[index])
        if index not in arguments:
            operands.append(layout.rw.operand(node, index))
        elif rows is None or len(rows) != len(lazy.perm):
            return False
        else:
            operands.append(layout.rw.param(_moved_rows(rows, lazy.perm)))
    return layout.emit(node, lazy.perm, *operands, **node.attrs)


def _moved_rows(rows: np.ndarray, perm: Perm) -> np.ndarray:
    result = np.empty_like(rows)
    result[list(perm)] = rows
    return result


def _slice(layout: Layout, node: Node) -> bool:
    return slice_of_shape(layout, node) or _by_axis(layout, node, 1, 2)


def _strided_slice(layout: Layout, node: Node) -> bool:
    lazy = layout.lazy(node.inputs[0])
    if lazy is None or any(node.attrs.get(f"{name}_mask") for name in ("ellipsis", "new_axis", "shrink_axis")):
        return False
    masks: dict[str, Attr] = {}
    for name in ("begin_mask", "end_mask"):
        old = int(node.attrs.get(name, 0))  # type: ignore[arg-type]
        masks[name] = sum(1 << axis for index, axis in enumerate(lazy.perm) if old >> index & 1)
    rows = [known for known in map(layout.rw.known, node.inputs[1:]) if known is not None]
    if [len(row) for row in rows] != [len(lazy.perm)] * 3:
        return False
    arguments = [layout.rw.param(_moved_rows(row, lazy.perm)) for row in rows]
    return layout.emit(node, lazy.perm, lazy.base, *arguments, **{**node.attrs, **masks})


def _axes_argument(layout: Layout, old: Ref, rank: int) -> list[int] | None:
    axes = layout.rw.known(old)
    return None if axes is None else [int(axis) % rank for axis in axes.ravel()]


def _reduce(layout: Layout, node: Node) -> bool:
    lazy = layout.lazy(node.inputs[0])
    axes = None if lazy is None else _axes_argument(layout, node.inputs[1], len(lazy.perm))
    if lazy is None or axes is None or node.outputs[0].dtype not in MOVABLE:
        return False
    perm = lazy.perm if node.attrs.get("keep_dims") else dropped(lazy.perm, axes)
    argument = layout.rw.param(sorted(lazy.perm[axis] for axis in axes))
    return layout.emit(node, perm, lazy.base, argument, **node.attrs)


def _along(layout: Layout, node: Node, data: int, axis: int, *, drops: bool = False) -> bool:
    """An operation along one axis, which is a constant argument."""
    lazy = layout.lazy(node.inputs[data])
    axes = None if lazy is None else _axes_argument(layout, node.inputs[axis], len(lazy.perm))
    if lazy is None or axes is None:
        return False
    perm = dropped(lazy.perm, axes) if drops else lazy.perm
    if node.outputs[0].dtype not in MOVABLE and not is_identity(perm):
        return False
    new = {data: lazy.base, axis: layout.rw.param(lazy.perm[axes[0]])}
    operands = [new[index] if index in new else layout.rw.operand(node, index) for index in range(len(node.inputs))]
    return layout.emit(node, perm, *operands, **node.attrs)


def _unpack(layout: Layout, node: Node) -> bool:
    lazy = layout.lazy(node.inputs[0])
    if lazy is None:
        return False
    axis = int(node.attrs.get("axis", 0)) % len(lazy.perm)  # type: ignore[arg-type]
    return layout.emit(node, dropped(lazy.perm, [axis]), lazy.base, **{**node.attrs, "axis": lazy.perm[axis]})


def _gather(layout: Layout, node: Node) -> bool:
    indices = layout.rw.old_type(node.inputs[1]).rank
    if node.attrs.get("batch_dims") or indices not in (0, 1) or layout.lazy(node.inputs[1]) is not None:
        return False
    return _along(layout, node, 0, 2, drops=indices == 0)


def _reverse(layout: Layout, node: Node) -> bool:
    lazy = layout.lazy(node.inputs[0])
    axes = None if lazy is None else _axes_argument(layout, node.inputs[1], len(lazy.perm))
    if lazy is None or axes is None:
        return False
    return layout.emit(node, lazy.perm, lazy.base, layout.rw.param([lazy.perm[axis] for axis in axes]), **node.attrs)


def _broadcast_to(layout: Layout, node: Node) -> bool:
    lazy = layout.lazy(node.inputs[0])
    return lazy is not None and node.outputs[0].rank == len(lazy.perm) and _by_axis(layout, node, 1)


RULES: Mapping[str, _Rule] = {
    **dict.fromkeys(UNARY, _unary),
    **dict.fromkeys(BROADCASTING, elementwise),
    **dict.fromkeys(("BiasAdd", "LogSoftmax", "Prelu", "Softmax"), _last_axis),
    **dict.fromkeys(("Max", "Mean", "Min", "Prod", "Sum"), _reduce),
    **dict.fromkeys(("ArgMax", "ArgMin"), lambda layout, node: _along(layout, node, 0, 1, drops=True)),
    **dict.fromkeys(("Cumsum", "Cumprod"), lambda layout, node: _along(layout, node, 0, 1)),
    **dict.fromkeys(("MirrorPad", "PadV2"), _pad),
    "AddN": add_n,
    "BroadcastTo": _broadcast_to,
    "ConcatV2": concat,
    "ExpandDims": expand_dims,
    "GatherV2": _gather,
    "Reshape": reshape,
    "ReverseV2": _reverse,
    "Shape": shape,
    "Slice": _slice,
    "Split": lambda layout, node: _along(layout, node, 1, 0),
    "SplitV": lambda layout, node: _along(layout, node, 0, 2),
    "Squeeze": squeeze,
    "StridedSlice": _strided_slice,
    "Tile": lambda layout, node: _by_axis(layout, node, 1),
    "Transpose": _transpose,
    "Unpack": _unpack,
}
"""Tried for a node whose operand owes a Transpose; False means that the node must have it."""
