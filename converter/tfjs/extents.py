"""The values beyond `REDUCTION_LIMIT` that may arrive at each place of a graph, as far as its constants bring them in.

Inputs, and what is computed from ordinary numbers, count as within the limit: a graph that has no constant beyond it
has none anywhere. Attention masks of `finfo.min` and of infinities are such constants.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from math import inf
from typing import NamedTuple

import numpy as np

from converter.tfjs.constraints import REDUCTION_LIMIT
from converter.tfjs.evaluate import widened
from converter.tfjs.graph import Dim, FunctionName, Graph, Node, Ref

Values = frozenset[float] | None  # None: any

ABSORBING = 2.0**25 * REDUCTION_LIMIT
"""From here on, adding a number within the limit changes nothing."""


class Extent(NamedTuple):
    """The values below the negative limit that a value of a graph may have, and those above the limit."""

    low: Values = frozenset()
    high: Values = frozenset()

    def __bool__(self) -> bool:
        return self != WITHIN

    def __or__(self, other: "Extent") -> "Extent":
        return Extent(_union(self.low, other.low), _union(self.high, other.high))

    def __neg__(self) -> "Extent":
        return Extent(_negated(self.high), _negated(self.low))


WITHIN = Extent()
ANY = Extent(None, None)


def _union(one: Values, other: Values) -> Values:
    both = None if one is None or other is None else one | other
    return both if both is not None and len(both) <= 1 else None


def _negated(values: Values) -> Values:
    return None if values is None else frozenset(-value for value in values)


class Extents:
    """The extent of each value of a graph and its functions."""

    def __init__(self, graph: Graph) -> None:
        self._constants = {
            Ref(name): extent
            for _, one in graph.walk()
            for name, array in one.constants.items()
            if (extent := _of_array(array))
        }
        self._found: dict[Ref, Extent] = {}
        self._reached: set[str] = set()  # functions that are given, or give, values beyond the limit
        while self._constants and self._reaches_more(graph):
            pass

    def __bool__(self) -> bool:
        return bool(self._constants)

    def of(self, ref: Ref) -> Extent:
        """Return the extent of a value."""
        return self._found.get(ref, WITHIN)

    def reduced_by(self, graph: Graph, node: Node) -> Extent:
        """Return the extent of what a node reads first, without what fills only a part of each window of a pool."""
        padded = _padding_of_windows(graph, node) if node.op == "MaxPool" else None
        return self.of(padded.inputs[0] if padded else node.inputs[0])

    def _reaches_more(self, graph: Graph) -> bool:
        before = len(self._reached)
        for name, one in graph.walk():
            for node in one.nodes.values():
                extent = self._of_node(one, node, name)
                if extent:
                    self._found.update(
                        (Ref(node.name, at), extent)
                        for at, type_ in enumerate(node.outputs)
                        if type_.dtype in ("float32", "variant")
                    )
            if name and any(self.of(ref) for ref in one.outputs.values()):
                self._reached.add(name)
        return len(self._reached) > before

    def _of_node(self, graph: Graph, node: Node, function: str) -> Extent:
        if node.op == "Const":
            return self._constants.get(Ref(node.name), WITHIN)
        if node.op == "Placeholder":
            return ANY if function in self._reached else WITHIN
        operands = [self.of(ref) for ref in node.inputs]
        called = {value.name for value in node.attrs.values() if isinstance(value, FunctionName)}
        if called:
            if any(operands):
                self._reached |= called
            return ANY if called & self._reached else WITHIN
        if not any(operands) or node.op in _BOUNDED:
            return WITHIN
        if node.op == "MaxPool":
            return self.reduced_by(graph, node)
        if node.op in ("Mul", "RealDiv"):
            return _scaled(graph, node, operands)
        return _RULES.get(node.op, _anything)(operands)


def _of_array(array: np.ndarray) -> Extent:
    if array.dtype.kind != "f" or not array.size:
        return WITHIN
    if float(array.min()) >= -REDUCTION_LIMIT and float(array.max()) <= REDUCTION_LIMIT:
        return WITHIN
    wide = widened(array)
    sides = [wide[wide < -REDUCTION_LIMIT], wide[wide > REDUCTION_LIMIT]]
    low, high = (frozenset(map(float, np.unique(side))) for side in sides)
    return Extent(_union(low, low), _union(high, high))


def _padding_of_windows(graph: Graph, pool: Node) -> Node | None:
    """The PadV2 in front of a pool, if it pads each axis by less than the window is long."""
    window = pool.attrs["ksize"]
    node, lengths = graph.nodes[pool.inputs[0].node], list(window) if isinstance(window, list) else []
    while node.op in ("Reshape", "Transpose"):
        given, result = graph.type_of(node.inputs[0]).shape, node.outputs[0].shape
        perm = graph.constant(node.inputs[1])
        if node.op == "Transpose" and perm is not None:
            lengths = [lengths[perm.tolist().index(axis)] for axis in range(len(lengths))]
        elif given is not None and result is not None and _differ_by_ones(given, result):
            kept = iter([length for length, dim in zip(lengths, result, strict=True) if dim != 1])
            lengths = [1 if dim == 1 else next(kept) for dim in given]
        else:
            return None
        node = graph.nodes[node.inputs[0].node]
    rows = graph.constant(node.inputs[1]) if node.op == "PadV2" else None
    if rows is None or any(max(row) >= length for row, length in zip(rows.tolist(), lengths, strict=True)):
        return None
    return node


def _differ_by_ones(one: Sequence[Dim], other: Sequence[Dim]) -> bool:
    kept = [[dim for dim in shape if dim != 1] for shape in (one, other)]
    return kept[0] == kept[1] and None not in kept[0]


def _anything(operands: Sequence[Extent]) -> Extent:
    return ANY


def _moved(operands: Sequence[Extent]) -> Extent:
    return reduce(Extent.__or__, operands)


def _added(operands: Sequence[Extent]) -> Extent:
    total = _moved(operands)
    n_beyond = sum(map(bool, operands))
    is_absorbing = all(side is not None and all(abs(one) >= ABSORBING for one in side) for side in total)
    return total if n_beyond == 1 and is_absorbing else ANY


def _subtracted(operands: Sequence[Extent]) -> Extent:
    return _added([operands[0], -operands[1]])


def _larger(operands: Sequence[Extent]) -> Extent:
    """Of a maximum: it is below the limit only where both operands are."""
    one, other = operands
    low = _union(one.low, other.low) if one.low != frozenset() != other.low else frozenset()
    return Extent(low, _union(one.high, other.high))


def _smaller(operands: Sequence[Extent]) -> Extent:
    return -_larger([-one for one in operands])


def _scaled(graph: Graph, node: Node, operands: Sequence[Extent]) -> Extent:
    """Of a product with a number, or with zeros and ones; and of a quotient."""
    sides = [side for side, extent in enumerate(operands) if extent]
    if sides == [1] and node.op == "RealDiv":
        return WITHIN
    if len(sides) == 2:
        return ANY
    (side,) = sides
    other = node.inputs[1 - side]
    if node.op == "Mul" and is_zero_or_one(graph, other):
        return operands[side]
    factor = graph.constant(other)
    if factor is None or factor.size != 1 or not factor.any() or not np.isfinite(factor).all():
        return ANY
    by = float(factor.ravel()[0])
    return _times(operands[side], by if node.op == "Mul" else 1 / by)


def _times(extent: Extent, factor: float) -> Extent:
    if factor < 0:
        return _times(-extent, -factor)
    with np.errstate(over="ignore"):
        sides = [None if side is None else {float(np.float32(one * factor)) for one in side} for side in extent]
    return Extent(*(None if s is None else frozenset(one for one in s if abs(one) > REDUCTION_LIMIT) for s in sides))


def is_zero_or_one(graph: Graph, ref: Ref) -> bool:
    """Whether a value was a bool, or is 1 minus one that was."""
    while True:
        node = graph.nodes[ref.node]
        if node.op == "Cast" and graph.type_of(node.inputs[0]).dtype == "bool":
            return True
        one = graph.constant(node.inputs[0]) if node.op == "Sub" else None
        if one is not None and bool((one == 1).all()):
            ref = node.inputs[1]
        elif node.op in REARRANGING or node.op == "Cast":
            ref = node.inputs[0]
        else:
            return False


def _only_infinite(operands: Sequence[Extent]) -> Extent:
    high = operands[0].high
    return Extent(high=frozenset({inf})) if high is None or inf in high else WITHIN


REARRANGING = frozenset({
    "BroadcastTo", "EnsureShape", "ExpandDims", "GatherNd", "GatherV2", "Identity", "MirrorPad", "Reshape", "ReverseV2",
    "Slice", "Split", "SplitV", "Squeeze", "StopGradient", "StridedSlice", "Tile", "Transpose", "Unpack",
})  # fmt: skip
"""The ops whose results hold elements of their first operand and nothing else."""

_SELECTING = frozenset({
    "Cast", "ConcatV2", "Fill", "IdentityN", "Max", "Min", "Pack", "PadV2", "SelectV2", "TensorScatterUpdate", "TopKV2",
})  # fmt: skip
_BOUNDED = frozenset({
    "Atan", "Cos", "Erf", "Reciprocal", "Relu6", "Rsqrt", "Sigmoid", "Sign", "Sin", "Softmax", "Tanh",
})  # fmt: skip
_RULES: Mapping[str, Callable[[Sequence[Extent]], Extent]] = {
    **dict.fromkeys(REARRANGING | _SELECTING, _moved),
    **dict.fromkeys(("Add", "AddN", "AddV2", "BiasAdd"), _added),
    **dict.fromkeys(("Elu", "Relu", "Selu", "Softplus"), lambda x: Extent(high=x[0].high)),
    **dict.fromkeys(("Log", "Log1p", "Sqrt"), _only_infinite),
    "Abs": lambda x: Extent(high=(x[0] | -x[0]).high),
    "ClipByValue": lambda x: _smaller([_larger(x[:2]), x[2]]),
    "Exp": lambda x: Extent(high=None if x[0].high != frozenset() else frozenset()),
    "Maximum": _larger,
    "Minimum": _smaller,
    "Neg": lambda x: -x[0],
    "Sub": _subtracted,
}
