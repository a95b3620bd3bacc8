"""Reshape, Squeeze and ExpandDims of a value whose Transpose is still owed."""

from converter.tfjs.graph import Node, Ref
from converter.tfjs.passes.nhwc_layout.apart import part
from converter.tfjs.passes.nhwc_layout.groups import regrouped, regrouped_into
from converter.tfjs.passes.nhwc_layout.lazy import Layout
from converter.tfjs.permute import after, dropped, inserted, inverse, is_identity, moved, reshape_operand


def reshape(layout: Layout, node: Node) -> bool:
    """Reshape: where it joins and splits axes that lie side by side in the value moved, it does so there.

    Otherwise the axes to be joined are first brought together, unless all that follows takes them apart. The one
    Transpose that this takes puts the groups in the order that a Transpose further on wants, or leaves them in the one
    they are in if it may want that, and pays all that is owed if not.
    """
    lazy = layout.lazy(node.inputs[0])
    old, new = layout.rw.old_type(node.inputs[0]).shape, node.outputs[0].shape
    group = None if lazy is None else regrouped(old, new, lazy.perm)
    if lazy is None or old is None or new is None or group is None:
        return False
    if not group.is_ready and part(layout, node):
        return True
    target = layout.wanted.get(Ref(node.name))
    if not group.is_ready and target is not None:
        group = regrouped_into(old, new, target) or group
    operand = reshape_operand(moved(new, inverse(group.perm)))
    if operand is None or not (group.is_ready or Ref(node.name) in layout.wanted):
        return False
    base = lazy.base
    if not group.is_ready:
        whole = [*group.order, *(axis for axis in range(len(old)) if old[axis] == 1)]
        base = layout.moved(base, after(lazy.perm, whole), f"{node.name}/nhwc")
    if is_identity(group.perm):
        return layout.rw.put(node, "Reshape", base, layout.rw.param(operand))
    result = layout.rw.emit("Reshape", base, layout.rw.param(operand), name=f"{node.name}/nhwc")
    layout.owe(Ref(node.name), result, group.perm)
    return True


def squeeze(layout: Layout, node: Node) -> bool:
    """Squeeze: axes of size 1 go, wherever they are."""
    lazy = layout.lazy(node.inputs[0])
    axes = node.attrs.get("axis") or node.attrs.get("squeeze_dims")
    if lazy is None or not isinstance(axes, list):
        return False
    gone = sorted({int(axis) % len(lazy.perm) for axis in axes})
    places = sorted(lazy.perm[axis] for axis in gone)
    return layout.emit(node, dropped(lazy.perm, gone), lazy.base, squeeze_dims=places)


def expand_dims(layout: Layout, node: Node) -> bool:
    """ExpandDims: the new axis goes where the one that it precedes is, or last."""
    lazy, known = layout.lazy(node.inputs[0]), layout.rw.known(node.inputs[1])
    if lazy is None or known is None:
        return False
    axis = int(known) % (len(lazy.perm) + 1)
    perm = inserted(lazy.perm, axis)
    return layout.emit(node, perm, lazy.base, layout.rw.param(perm[axis]))
