"""Moves arithmetic on single elements ahead of what only rearranges them, to where a product can take it in."""

import numpy as np

from converter.tfjs.graph import Graph, Node, Ref, Shape
from converter.tfjs.passes.families import BROADCASTING, UNARY
from converter.tfjs.rewrite import Rewrite, rewrite

_FREE = frozenset({"ExpandDims", "Reshape", "Squeeze"})  # no kernel runs
_MOVING = _FREE | {"Transpose"}
_MOST_MOVERS = 3  # that one operation is moved ahead of, so that a long chain of them takes linear time
_SCALING = frozenset({"Mul", "RealDiv"})
_PRODUCTS = frozenset({"BatchMatMulV2", "Conv2D", "DepthwiseConv2dNative", "MatMul"})
_BIASING = frozenset({"AddV2", "BiasAdd"})


def lift_arithmetic(graph: Graph) -> Graph:
    """The graph with each operation on elements before the Reshape or Transpose that it followed.

    A number that the product of two values is multiplied by goes to the first of them, if that is a product with a
    constant: attention scales its queries where they are made, which rounds once less.
    """
    return rewrite(graph, lambda rw: lambda node: _lift(rw, node), only=_MOVING)


def _lift(rw: Rewrite, node: Node) -> bool:
    if node.outputs[0].dtype != "float32" or node.op not in UNARY + BROADCASTING:
        return False
    side = _only_side(rw, node)
    if side is None:
        return _lift_both(rw, node) or _lift_beside_constant(rw, node)
    return _lift_over_product(rw, node, side) or _lift_one(rw, node, side)


def _only_side(rw: Rewrite, node: Node) -> int | None:
    """Which operand of an operation is a value, if each of the others is the same for all its elements."""
    if node.op in UNARY:
        return 0
    values = [side for side, ref in enumerate(node.inputs) if not _is_number(rw, ref)]
    has_type = len(values) == 1 and rw.old_type(node.inputs[values[0]]) == node.outputs[0]
    return values[0] if has_type else None


def _is_number(rw: Rewrite, old: Ref) -> bool:
    array = rw.known(old)
    return array is not None and array.size == 1 and array.ndim <= 1


def _lift_one(rw: Rewrite, node: Node, side: int) -> bool:
    old = node.inputs[side]
    if rw.known(old) is not None or rw.old_type(old).dtype != "float32":
        return False
    movers = _movers(rw, old)
    if not movers or rw.type_of(movers[0].inputs[0]).rank in (None, 0):
        return False
    source = movers[0].inputs[0]
    operands = [source if index == side else rw.operand(node, index) for index in range(len(node.inputs))]
    moved = rw.emit(node.op, *operands, name=f"{node.name}/lifted", **node.attrs)
    for mover in movers[:-1]:
        moved = rw.emit(mover.op, moved, *mover.inputs[1:], name=f"{mover.name}/lifted", **mover.attrs)
    return rw.put(node, movers[-1].op, moved, *movers[-1].inputs[1:], **movers[-1].attrs)


def _movers(rw: Rewrite, old: Ref) -> list[Node]:
    """What has only moved the elements of a value since they were made, and can be done again for nothing."""
    movers: list[Node] = []
    mover = rw.graph.nodes[rw.value(old).node]
    while mover.op in _FREE or (mover.op in _MOVING and not movers and len(rw.readers(old)) == 1):
        if len(movers) == _MOST_MOVERS:
            break
        movers.insert(0, mover)
        mover = rw.graph.nodes[mover.inputs[0].node]
    return movers


def _lift_beside_constant(rw: Rewrite, node: Node) -> bool:
    """An operation on a value that was given axes of 1, or lost some, and on a constant, which is given the same."""
    for side in (0, 1):
        array, old = rw.known(node.inputs[1 - side]), node.inputs[side]
        mover = rw.graph.nodes[rw.value(old).node]
        if len(node.inputs) != 2 or array is None or mover.op not in _FREE or rw.old_type(old) != node.outputs[0]:
            continue
        source = rw.type_of(mover.inputs[0])
        shaped = None if source.dtype != "float32" else _reshaped(array, mover.outputs[0].shape, source.shape)
        if shaped is None:
            continue
        constant = rw.data(shaped, f"{node.inputs[1 - side].node}/shaped")
        operands = [mover.inputs[0], constant] if side == 0 else [constant, mover.inputs[0]]
        moved = rw.emit(node.op, *operands, name=f"{node.name}/lifted", **node.attrs)
        return rw.put(node, mover.op, moved, *mover.inputs[1:], **mover.attrs)
    return False


def _reshaped(array: np.ndarray, shape: Shape, source: Shape) -> np.ndarray | None:
    """A constant that broadcasts to a shape, as it broadcasts to another that differs in axes of 1 only."""
    if shape is None or not source or None in shape or [d for d in shape if d != 1] != [d for d in source if d != 1]:
        return None
    aligned = (1,) * (len(shape) - array.ndim) + array.shape
    kept = [size for size, dim in zip(aligned, shape, strict=True) if dim != 1]
    sizes = [1 if dim == 1 else kept.pop(0) for dim in source]
    return array.reshape(sizes)


def _lift_both(rw: Rewrite, node: Node) -> bool:
    """An operation on values of which each has been given another shape, the same."""
    if len(node.inputs) != 2 or any(rw.known(ref) is not None for ref in node.inputs):
        return False
    one, other = (rw.graph.nodes[rw.value(ref).node] for ref in node.inputs)
    if one.op not in _FREE or other.op not in _FREE or one.outputs != other.outputs:
        return False
    types = [rw.type_of(mover.inputs[0]) for mover in (one, other)]
    if types[0] != types[1] or None in (types[0].shape or (None,)) or one.outputs[0].dtype != "float32":
        return False
    lifted = rw.emit(node.op, one.inputs[0], other.inputs[0], name=f"{node.name}/lifted", **node.attrs)
    return rw.put(node, one.op, lifted, *one.inputs[1:], **one.attrs)


def _lift_over_product(rw: Rewrite, node: Node, side: int) -> bool:
    if node.op not in _SCALING or (node.op == "RealDiv" and side == 1) or rw.known(node.inputs[side]) is not None:
        return False
    if rw.must_stay_exact(node):
        return False
    product = rw.source.nodes[node.inputs[side].node]
    if product.op != "BatchMatMulV2" or len(rw.readers(Ref(product.name))) != 1:
        return False
    path = _way_to_product(rw, product.inputs[0])
    if path is None:
        return False
    made, *movers = path
    factor = rw.operand(node, 1 - side)
    scaled = rw.emit(node.op, rw.value(Ref(made.name)), factor, name=f"{made.name}/scaled")
    for mover in movers:
        scaled = rw.emit(mover.op, scaled, *rw.operands(mover)[1:], name=f"{mover.name}/scaled", **mover.attrs)
    return rw.put(node, product.op, scaled, rw.value(product.inputs[1]), **product.attrs)


def _way_to_product(rw: Rewrite, old: Ref) -> list[Node] | None:
    """The product with a constant, with its bias, that a value is only moved from since, and what moves it."""
    movers: list[Node] = []
    node = rw.source.nodes[old.node]
    while node.op in _MOVING and len(rw.readers(Ref(node.name))) == 1:
        movers.insert(0, node)
        node = rw.source.nodes[node.inputs[0].node]
    made = node
    if node.op in _BIASING and len(rw.readers(Ref(node.name))) == 1:
        values = [ref for ref in node.inputs if rw.known(ref) is None]
        node = rw.source.nodes[values[0].node] if len(values) == 1 else node
    is_weighted = node.op in _PRODUCTS and rw.known(node.inputs[1]) is not None
    return [made, *movers] if is_weighted and len(rw.readers(Ref(node.name))) == 1 else None
