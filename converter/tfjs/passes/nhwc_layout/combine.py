"""Operations that take several values element by element, or join them: all operands must be in one layout."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import NamedTuple

from converter.tfjs.graph import Node, Ref
from converter.tfjs.passes.nhwc_layout.lazy import FREE, Cost, Layout, Lazy
from converter.tfjs.passes.nhwc_layout.price import MOVABLE
from converter.tfjs.permute import Perm, after, identity, inverse, is_identity, reshape_operand


class Brought(NamedTuple):
    """An operand in the layout asked for: what it would take, and how to make it."""

    cost: Cost
    make: Callable[[], Ref]


def elementwise(layout: Layout, node: Node) -> bool:
    """An operation on operands that broadcast."""
    found = _cheapest(layout, node, node.inputs, trims=True)
    if found is None:
        return False
    perm, operands = found
    return layout.emit(node, perm, *(one.make() for one in operands), **node.attrs)


def add_n(layout: Layout, node: Node) -> bool:
    """AddN: its operands have one shape."""
    found = _cheapest(layout, node, node.inputs, trims=False)
    if found is None:
        return False
    perm, operands = found
    return layout.emit(node, perm, *(one.make() for one in operands), **node.attrs)


def concat(layout: Layout, node: Node) -> bool:
    """ConcatV2: the axis moves with the layout."""
    axis, rank = layout.rw.known(node.inputs[-1]), node.outputs[0].rank
    if axis is None or rank is None:
        return False
    found = _cheapest(layout, node, node.inputs[:-1], trims=False)
    if found is None:
        return False
    perm, operands = found
    moved_axis = layout.rw.param(perm[int(axis) % rank])
    return layout.emit(node, perm, *(one.make() for one in operands), moved_axis, **node.attrs)


def _cheapest(layout: Layout, node: Node, operands: Sequence[Ref], *, trims: bool) -> tuple[Perm, list[Brought]] | None:
    """The layout that some operand is in already and that takes least, None if it is the one the graph has."""
    rank = node.outputs[0].rank
    owed = [lazy.perm for lazy in map(layout.lazy, operands) if lazy is not None and len(lazy.perm) == rank]
    if not owed or rank is None or node.outputs[0].dtype not in MOVABLE:
        return None
    best: tuple[Cost, Perm, list[Brought]] | None = None
    for perm in dict.fromkeys([*owed, identity(rank)]):
        brought = [_bring(layout, old, perm, trims) for old in operands]
        ready = [one for one in brought if one is not None]
        if len(ready) < len(operands):
            continue
        cost = reduce(Cost.plus, (one.cost for one in ready))
        if best is None or cost < best[0]:
            best = (cost, perm, ready)
    return None if best is None or is_identity(best[1]) else best[1:]


def _bring(layout: Layout, old: Ref, perm: Perm, trims: bool) -> Brought | None:
    """An operand in the layout whose values owe `perm`, None if it can't be brought there."""
    if layout.rw.known(old) is not None:
        return Brought(FREE, lambda: layout.constant(old, perm, trims=trims))
    view, type_ = layout.view(old), layout.rw.old_type(old)
    if view is None or type_.shape is None:
        return None
    is_lower = len(view.perm) < len(perm)
    if is_lower and all(dim == 1 for dim in type_.shape):
        return Brought(FREE, lambda: layout.rw.value(old))
    brought = _lower(layout, old, view, perm) if is_lower else _full(layout, old, view, perm)
    is_still = brought is not None and brought.cost == FREE
    return brought if is_still or type_.dtype in MOVABLE else None


def _full(layout: Layout, old: Ref, view: Lazy, perm: Perm) -> Brought:
    total = after(view.perm, inverse(perm))
    return Brought(layout.cost(view.base, total), lambda: layout.moved(view.base, total, f"{old.node}/nhwc"))


def _lower(layout: Layout, old: Ref, view: Lazy, perm: Perm) -> Brought | None:
    """An operand of lower rank, which broadcasts along leading axes that may no longer lead."""
    shape = layout.rw.old_type(old).shape or ()
    rank = len(perm)
    places = perm[rank - len(shape) :]
    order = tuple(sorted(range(len(shape)), key=places.__getitem__))
    total = after(view.perm, order)
    dims = [shape[places.index(place)] if place in places else 1 for place in range(min(places), rank)]
    operand = reshape_operand(dims)
    cost, name = layout.cost(view.base, total), f"{old.node}/nhwc"
    if len(dims) == len(shape):
        return Brought(cost, lambda: layout.moved(view.base, total, name))
    if operand is None:
        return None

    def make() -> Ref:
        ordered = layout.moved(view.base, total, name)
        return layout.rw.emit("Reshape", ordered, layout.rw.param(operand), name=name)

    return Brought(cost.plus(Cost(0, 0, 1)), make)
