"""Shape of a value whose Transpose is owed: the shape of the value moved, its entries in another order."""

from converter.tfjs.graph import Node, Ref
from converter.tfjs.passes.nhwc_layout.lazy import Layout
from converter.tfjs.permute import Perm


def shape(layout: Layout, node: Node) -> bool:
    """Shape: put in order only if anything reads more than one entry."""
    lazy = layout.lazy(node.inputs[0])
    if lazy is None:
        return False
    found = layout.shape_of(lazy.base, f"{node.name}/nhwc")
    old = Ref(node.name)
    layout.shapes[old] = (found, lazy.perm)
    layout.rw.bind_lazily(old, lambda: _in_order(layout, node, found, lazy.perm))
    return True


def _in_order(layout: Layout, node: Node, found: Ref, perm: Perm) -> Ref:
    one = layout.rw.param([1])
    entries = [layout.rw.emit("Slice", found, layout.rw.param([axis]), one, name=f"{node.name}/axis") for axis in perm]
    return layout.rw.emit("ConcatV2", *entries, layout.rw.param(0), name=node, N=len(entries))


def slice_of_shape(layout: Layout, node: Node) -> bool:
    """Slice of one entry of such a shape."""
    begin, size = map(layout.rw.known, node.inputs[1:])
    if node.inputs[0] not in layout.shapes or begin is None or size is None or int(size[0]) != 1:
        return False
    found, perm = layout.shapes[node.inputs[0]]
    return layout.rw.put(node, "Slice", found, layout.rw.param([perm[int(begin[0])]]), layout.rw.operand(node, 2))
