"""Reshape, Squeeze and ExpandDims of a value whose Transpose is still owed."""

from collections.abc import Sequence
from typing import NamedTuple

from converter.tfjs.graph import Dim, Node, Ref
from converter.tfjs.passes.nhwc_layout.lazy import Layout
from converter.tfjs.permute import after, identity, inverse, is_identity, keeps_order, moved, reshape_operand


class Group(NamedTuple):
    """Axes before and after a reshape that hold the same elements."""

    old: list[int]
    new: list[int]


def reshape(layout: Layout, node: Node) -> bool:
    """Reshape: where it joins and splits axes that lie side by side in the value moved, it does so there.

    Otherwise the axes to be joined are first brought together: the one Transpose that this takes leaves the groups in
    the order they are in if a Transpose further on may want them so, and pays all that is owed if not.
    """
    lazy = layout.lazy(node.inputs[0])
    old, new = layout.rw.old_type(node.inputs[0]).shape, node.outputs[0].shape
    groups = None if old is None or new is None else _groups(old, new)
    if lazy is None or old is None or new is None or groups is None:
        return False
    now = [axis for axis in inverse(lazy.perm) if old[axis] != 1]
    tidy = sorted(groups, key=lambda group: min((lazy.perm[axis] for axis in group.old), default=-1))
    order = [axis for group in tidy for axis in group.old]
    if now != order and Ref(node.name) not in layout.wanted:
        return False
    axes = [axis for group in tidy for axis in group.new]
    perm = identity(len(new)) if keeps_order(new, axes) else inverse(axes)
    operand = reshape_operand(moved(new, inverse(perm)))
    if operand is None:
        return False
    base = lazy.base
    if now != order:
        whole = [*order, *(axis for axis in range(len(old)) if old[axis] == 1)]
        base = layout.moved(base, after(lazy.perm, whole), f"{node.name}/nhwc")
    if is_identity(perm):
        return layout.rw.put(node, "Reshape", base, layout.rw.param(operand))
    result = layout.rw.emit("Reshape", base, layout.rw.param(operand), name=f"{node.name}/nhwc")
    layout.owe(Ref(node.name), result, perm)
    return True


def _groups(old: Sequence[Dim], new: Sequence[Dim]) -> list[Group] | None:
    """The shortest runs of axes with the same elements; axes of size 1 follow the run before them.

    None where a dynamic dimension isn't found again, or there are no elements.
    """
    groups = [Group([], [])]
    left = [axis for axis, dim in enumerate(old) if dim != 1]
    at = 0
    while left or at < len(new):
        if at < len(new) and new[at] == 1:
            groups[-1].new.append(at)
            at += 1
            continue
        group = _next_group(old, left, new, at)
        if group is None:
            return None
        groups.append(group)
        left = left[len(group.old) :]
        at += len(group.new)
    return groups


def _next_group(old: Sequence[Dim], left: Sequence[int], new: Sequence[Dim], at: int) -> Group | None:
    if not left or at == len(new):
        return None
    if isinstance(old[left[0]], str) and old[left[0]] == new[at]:
        return Group([left[0]], [at])
    n_old, n_new, before, behind = 0, 0, 1, 1
    while before != behind or not n_old:
        if before <= behind:
            size = old[left[n_old]] if n_old < len(left) else None
            n_old, before = n_old + 1, before * size if isinstance(size, int) else 0
        else:
            size = new[at + n_new] if at + n_new < len(new) else None
            n_new, behind = n_new + 1, behind * size if isinstance(size, int) else 0
        if not before or not behind:
            return None
    return Group(list(left[:n_old]), list(range(at, at + n_new)))


def squeeze(layout: Layout, node: Node) -> bool:
    """Squeeze: axes of size 1 go, wherever they are."""
    lazy = layout.lazy(node.inputs[0])
    axes = node.attrs.get("axis") or node.attrs.get("squeeze_dims")
    if lazy is None or not isinstance(axes, list):
        return False
    gone = {int(axis) % len(lazy.perm) for axis in axes}
    kept = [place for axis, place in enumerate(lazy.perm) if axis not in gone]
    perm = tuple(sorted(kept).index(place) for place in kept)
    return layout.emit(node, perm, lazy.base, squeeze_dims=sorted(lazy.perm[axis] for axis in gone))


def expand_dims(layout: Layout, node: Node) -> bool:
    """ExpandDims: the new axis goes where the one that it precedes is, or last."""
    lazy, known = layout.lazy(node.inputs[0]), layout.rw.known(node.inputs[1])
    if lazy is None or known is None:
        return False
    rank = len(lazy.perm)
    axis = int(known) % (rank + 1)
    place = lazy.perm[axis] if axis < rank else rank
    later = [one + (one >= place) for one in lazy.perm]
    return layout.emit(node, (*later[:axis], place, *later[axis:]), lazy.base, layout.rw.param(place))
