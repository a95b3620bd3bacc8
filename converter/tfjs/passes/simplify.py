"""Removes operations that change nothing, and joins those that follow each other."""

from collections.abc import Callable, Mapping

import numpy as np

from converter.tfjs.graph import DataType, Graph, Node, Ref
from converter.tfjs.infer import STORAGE_OF_TF
from converter.tfjs.permute import after, is_identity, keeps_order, moved, reshape_operand
from converter.tfjs.rewrite import Rewrite, rewrite

_RESHAPING = ("Reshape", "Squeeze", "ExpandDims")
_IDEMPOTENT = ("Abs", "Ceil", "Floor", "Relu", "Relu6", "Round", "Sign")
_EXACT_CASTS = {("bool", "int32"), ("bool", "float32")}


def simplify(graph: Graph) -> Graph:
    """The graph without operations that hand on their operand, and with chains of data movement joined."""
    return rewrite(graph, lambda rw: lambda node: node.op in _RULES and _RULES[node.op](rw, node))


def _same(rw: Rewrite, node: Node, old: Ref | None = None) -> bool:
    """Let an operand, the first by default, take the place of the node."""
    old = node.inputs[0] if old is None else old
    if rw.known(old) is not None:
        rw.alias(Ref(node.name), old)
        return True
    return rw.forward(node, rw.value(old))


def _has_type_of(rw: Rewrite, node: Node, old: Ref) -> bool:
    """Whether an operand is known to have the dtype and every dimension of the result."""
    given, result = rw.old_type(old), node.outputs[0]
    return given == result and result.shape is not None and None not in result.shape


def _producer(rw: Rewrite, new: Ref) -> Node:
    return rw.graph.nodes[new.node]


def _identity(rw: Rewrite, node: Node) -> bool:
    return _same(rw, node)


def _sole(rw: Rewrite, node: Node) -> bool:
    """AddN and ConcatV2 of one value."""
    n_values = len(node.inputs) - (node.op == "ConcatV2")
    return n_values == 1 and _same(rw, node)


def _reshaping(rw: Rewrite, node: Node) -> bool:
    if _has_type_of(rw, node, node.inputs[0]):
        return _same(rw, node)
    new = rw.value(node.inputs[0])
    producer = _producer(rw, new)
    if producer.op not in _RESHAPING:
        return False
    source = producer.inputs[0]
    if rw.type_of(source) == node.outputs[0] and None not in (node.outputs[0].shape or (None,)):
        return rw.forward(node, source)
    if node.op == "Reshape":
        return rw.put(node, "Reshape", source, rw.operands(node)[1])
    operand = None if node.outputs[0].shape is None else reshape_operand(node.outputs[0].shape)
    return operand is not None and rw.put(node, "Reshape", source, rw.param(operand))


def _transpose(rw: Rewrite, node: Node) -> bool:
    perm = rw.known(node.inputs[1])
    if perm is None:
        return False
    total = tuple(int(axis) for axis in perm)
    source = rw.value(node.inputs[0])
    producer = _producer(rw, source)
    if producer.op == "Transpose" and (inner := rw.graph.constant(producer.inputs[1])) is not None:
        source, total = producer.inputs[0], after([int(axis) for axis in inner], total)
    if is_identity(total):
        return rw.forward(node, source)
    shape = rw.type_of(source).shape
    if keeps_order(shape, total) and shape is not None:
        operand = reshape_operand(moved(shape, total))
        if operand is not None:
            return rw.put(node, "Reshape", source, rw.param(operand))
    return producer.op == "Transpose" and rw.put(node, "Transpose", source, rw.param(total))


def _cast(rw: Rewrite, node: Node) -> bool:
    target = node.attrs["DstT"]
    storage = STORAGE_OF_TF[target.tf] if isinstance(target, DataType) else ""
    if rw.old_type(node.inputs[0]).dtype == storage:
        return _same(rw, node)
    producer = _producer(rw, rw.value(node.inputs[0]))
    if producer.op != "Cast":
        return False
    source = rw.type_of(producer.inputs[0]).dtype
    if (source, producer.outputs[0].dtype) not in _EXACT_CASTS:
        return False
    if source == storage:
        return rw.forward(node, producer.inputs[0])
    return rw.put(node, "Cast", producer.inputs[0], DstT=node.attrs["DstT"])


def _not_equal(rw: Rewrite, node: Node) -> bool:
    """A bool that was made a number, and compared with zero to make it a bool again."""
    zero = rw.known(node.inputs[1])
    producer = _producer(rw, rw.value(node.inputs[0]))
    if producer.op != "Cast" or zero is None or zero.size != 1 or zero.ndim or zero.any():
        return False
    return rw.type_of(producer.inputs[0]).dtype == "bool" and rw.forward(node, producer.inputs[0])


def _neutral(element: float, *, sides: tuple[int, ...]) -> "Callable[[Rewrite, Node], bool]":
    """A rule for an operation that a constant full of `element`, on one of these sides, makes do nothing."""

    def rule(rw: Rewrite, node: Node) -> bool:
        for side in sides:
            array, other = rw.known(node.inputs[side]), node.inputs[1 - side]
            if array is not None and array.size and bool(np.all(array == element)) and _has_type_of(rw, node, other):
                return _same(rw, node, other)
        return False

    return rule


def _whole(zero: int, operand: int) -> "Callable[[Rewrite, Node], bool]":
    """A rule for an operation that does nothing if one operand holds nothing but `zero`."""

    def rule(rw: Rewrite, node: Node) -> bool:
        array = rw.known(node.inputs[operand])
        return array is not None and bool(np.all(array == zero)) and _same(rw, node)

    return rule


def _slice(rw: Rewrite, node: Node) -> bool:
    begin = rw.known(node.inputs[1])
    return begin is not None and not begin.any() and _has_type_of(rw, node, node.inputs[0]) and _same(rw, node)


def _if_same_type(rw: Rewrite, node: Node) -> bool:
    return _has_type_of(rw, node, node.inputs[0]) and _same(rw, node)


def _twice(rw: Rewrite, node: Node) -> bool:
    """An operation that undoes itself."""
    producer = _producer(rw, rw.value(node.inputs[0]))
    return producer.op == node.op and rw.forward(node, producer.inputs[0])


def _idempotent(rw: Rewrite, node: Node) -> bool:
    return _producer(rw, rw.value(node.inputs[0])).op == node.op and _same(rw, node)


def _clip(rw: Rewrite, node: Node) -> bool:
    low, high = rw.known(node.inputs[1]), rw.known(node.inputs[2])
    if low is None or high is None or (float(low), float(high)) != (0.0, 6.0):
        return False
    return rw.old_type(node.inputs[0]).dtype == "float32" and rw.put(node, "Relu6", rw.value(node.inputs[0]))


def _padded_convolution(rw: Rewrite, node: Node) -> bool:
    """A convolution pads by itself, with zeros."""
    pad = _producer(rw, rw.value(node.inputs[0]))
    if pad.op != "PadV2" or node.attrs["padding"] not in ("EXPLICIT", "VALID"):
        return False
    rows, value = (rw.graph.constant(ref) for ref in pad.inputs[1:])
    if rows is None or value is None or value.any() or rows[[0, 3]].any():
        return False
    own = node.attrs["explicit_paddings"] if node.attrs["padding"] == "EXPLICIT" else [0] * 8
    total = [int(a) + int(b) for a, b in zip(own, rows.ravel(), strict=True)]  # type: ignore[arg-type]
    attrs = {**node.attrs, "padding": "EXPLICIT", "explicit_paddings": total}
    return rw.put(node, node.op, pad.inputs[0], rw.operand(node, 1), **attrs)


def _leaky(rw: Rewrite, node: Node) -> bool:
    """max(x, 0) + slope * min(x, 0), with one slope for all or for each channel."""
    one, other = (_producer(rw, rw.value(ref)) for ref in node.inputs)
    positive, negative = (one, other) if one.op == "Maximum" else (other, one)
    if positive.op != "Maximum" or negative.op != "Mul":
        return False
    x = _unless_zero(rw, positive)
    for side in (0, 1):
        slope, minimum = rw.graph.constant(negative.inputs[side]), _producer(rw, negative.inputs[1 - side])
        if x is None or slope is None or minimum.op != "Minimum" or _unless_zero(rw, minimum) != x:
            continue
        return _put_leaky(rw, node, x, negative.inputs[side], slope)
    return False


def _unless_zero(rw: Rewrite, node: Node) -> Ref | None:
    """The other operand of an operation of which one is the number 0."""
    for side in (0, 1):
        array = rw.graph.constant(node.inputs[side])
        if array is not None and array.size == 1 and array.ndim == 0 and not array.any():
            return node.inputs[1 - side]
    return None


def _put_leaky(rw: Rewrite, node: Node, x: Ref, ref: Ref, slope: np.ndarray) -> bool:
    dtype, shape = rw.type_of(x)
    if dtype != "float32" or not shape or node.outputs[0].shape != shape:
        return False
    if slope.size == 1:
        return bool(slope > 0) and rw.put(node, "LeakyRelu", x, alpha=float(slope.ravel()[0]))
    return slope.shape == (shape[-1],) and rw.put(node, "Prelu", x, ref)


def _add(rw: Rewrite, node: Node) -> bool:
    return _neutral(0, sides=(0, 1))(rw, node) or _leaky(rw, node)


_RULES: Mapping[str, Callable[[Rewrite, Node], bool]] = {
    **dict.fromkeys(("Identity", "StopGradient", "Snapshot"), _identity),
    **dict.fromkeys(_RESHAPING, _reshaping),
    **dict.fromkeys(("AddN", "ConcatV2"), _sole),
    **dict.fromkeys(("LogicalNot", "Neg"), _twice),
    **dict.fromkeys(_IDEMPOTENT, _idempotent),
    **dict.fromkeys(("Conv2D", "DepthwiseConv2dNative"), _padded_convolution),
    "AddV2": _add,
    "BroadcastTo": _if_same_type,
    "Cast": _cast,
    "ClipByValue": _clip,
    "MirrorPad": _whole(0, 1),
    "Mul": _neutral(1, sides=(0, 1)),
    "NotEqual": _not_equal,
    "PadV2": _whole(0, 1),
    "Pow": _neutral(1, sides=(1,)),
    "RealDiv": _neutral(1, sides=(1,)),
    "Slice": _slice,
    "Sub": _neutral(0, sides=(1,)),
    "Tile": _whole(1, 1),
    "Transpose": _transpose,
}
