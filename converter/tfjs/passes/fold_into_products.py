"""Takes scales and shifts of channels into the constant filters of the products that read them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from converter.tfjs.graph import Graph, Node, Ref
from converter.tfjs.rewrite import Rewrite, rewrite

_FILTER = 1  # the position of the filter among the operands of a product
_STEPS = frozenset({"AddV2", "Mul", "RealDiv"})
_RESHAPES = frozenset({"ExpandDims", "Reshape", "Squeeze"})
_POOLS = frozenset({"AvgPool", "MaxPool"})
_MOST_PASSED = 6  # pools and gates between a scale and a product that takes it in


@dataclass(frozen=True)
class _Affine:
    """`scale * source() + shift` for each channel: what `result` is, and `reshaped` is another shape of.

    Shapes: scale, shift (channel,) float64.
    """

    source: Callable[[], Ref]
    scale: np.ndarray
    shift: np.ndarray
    result: Ref
    reshaped: Node | None = None


def fold_into_products(graph: Graph) -> Graph:
    """The graph without Mul, RealDiv and AddV2 by one constant a channel that only products with constants read.

    The affine part of a normalization goes into the weights of queries, keys and values, the factor of an activation
    into the filters behind it; a factor goes through pools, and through a product of two values, on its way. Filters
    are computed in float64 and stored as float32. A RealDiv is by one number: by the deviations of features, weights
    would differ so much that few bits hold them badly.
    """
    return rewrite(graph, lambda rw: _Folding(rw).visit)


class _Folding:
    def __init__(self, rw: Rewrite) -> None:
        self.rw = rw
        self.kept: dict[Ref, _Affine] = {}
        self._absorbed: dict[tuple[Ref, bool, int], bool] = {}
        self._of_products: set[Ref] = set()

    def visit(self, node: Node) -> bool:
        if node.op in _POOLS or self._is_gate(node):
            return self._keep(node, self._passed(node))
        if node.op in _STEPS:
            return self._keep(node, self._step(node))
        if node.op in _RESHAPES:
            return self._keep(node, self._reshaped(node))
        return node.op in _PRODUCTS and node.inputs[0] in self.kept and self._fold(node, self.kept[node.inputs[0]])

    def _keep(self, node: Node, affine: _Affine | None) -> bool:
        """Make the value only if something else than a product reads it."""
        if affine is None:
            return False
        old = Ref(node.name)
        self.kept[old] = affine
        self.rw.bind_lazily(old, lambda: self.rw.emit(node.op, *self.rw.operands(node), name=node, **node.attrs))
        return True

    def _step(self, node: Node) -> _Affine | None:
        for side in (0, 1):
            old, array = node.inputs[side], self.rw.known(node.inputs[1 - side])
            vector = None if array is None else _channels(array, node)
            if array is not None and vector is not None and node.op == "RealDiv":
                vector = None if side or array.size > 1 else _inverse(vector)
            if vector is None or self.rw.known(old) is not None or self.rw.old_type(old) != node.outputs[0]:
                continue
            before = self._before(old, len(vector))
            if before is None:
                self._of_products.add(Ref(node.name))
                return None
            return _stepped(before, node, vector)
        return None

    def _before(self, old: Ref, depth: int) -> _Affine | None:
        """What an old value is so far; None if it is a product with steps, which itself can take in what follows."""
        if old in self.kept and self.kept[old].reshaped is None:
            return self.kept[old]
        producer = self.rw.source.nodes[old.node]
        if producer.op in _PRODUCTS and self.rw.known(producer.inputs[_FILTER]) is not None:
            self._of_products.add(old)
        if old in self._of_products:
            return None
        return _Affine(lambda: self.rw.value(old), np.ones(depth), np.zeros(depth), old)

    def _is_gate(self, node: Node) -> bool:
        """Whether a node multiplies two values by each other."""
        return node.op == "Mul" and node.inputs[0] != node.inputs[1] and not any(map(self._is_known, node.inputs))

    def _is_known(self, old: Ref) -> bool:
        return self.rw.known(old) is not None

    def _passed(self, node: Node) -> _Affine | None:
        """What a pool or a gate makes of values of which one at least is scaled."""
        depth, operands = _depth(node), node.inputs[: 2 if node.op == "Mul" else 1]
        scaled = {old: self.kept[old] for old in operands if old in self.kept and self._is_absorbed(old, False)}
        if depth is None or not scaled or any(affine.shift.any() or affine.reshaped for affine in scaled.values()):
            return None
        scale = np.ones(depth)
        for affine in scaled.values():
            if len(affine.scale) not in (1, depth) or (node.op == "MaxPool" and not (affine.scale > 0).all()):
                return None
            scale = scale * affine.scale

        @cache
        def unscaled() -> Ref:
            values = [scaled[old].source() if old in scaled else self.rw.value(old) for old in operands]
            return self.rw.emit(node.op, *values, name=f"{node.name}/unscaled", **node.attrs)

        return _Affine(unscaled, scale, np.zeros(depth), Ref(node.name))

    def _reshaped(self, node: Node) -> _Affine | None:
        affine = self.kept.get(node.inputs[0])
        if affine is None or affine.reshaped is not None or _depth(node) != len(affine.scale):
            return None
        return replace(affine, reshaped=node)

    def _fold(self, node: Node, affine: _Affine) -> bool:
        shifts, filters = bool(affine.shift.any()), self.rw.known(node.inputs[_FILTER])
        if filters is None or not self._is_absorbed(affine.result, shifts):
            return False
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = (filters * affine.scale.reshape(_PRODUCTS[node.op])).astype(np.float32)
            bias = _bias(affine.shift, filters) if shifts else np.zeros(0)
        if not (np.isfinite(scaled).all() and np.isfinite(bias).all()):
            return False
        data = self.rw.data(scaled, f"{node.inputs[_FILTER].node}/scaled")
        if not shifts:
            return self.rw.put(node, node.op, self._source(affine), data, **node.attrs)
        product = self.rw.emit(node.op, self._source(affine), data, name=f"{node.name}/scaled", **node.attrs)
        return self.rw.put(node, "AddV2", product, self.rw.data(bias, f"{node.name}/shift"))

    def _source(self, affine: _Affine) -> Ref:
        value, node = affine.source(), affine.reshaped
        if node is None:
            return value
        return self.rw.emit(node.op, value, *self.rw.operands(node)[1:], name=f"{node.name}/source", **node.attrs)

    def _is_absorbed(self, old: Ref, shifts: bool, n_passed: int = 0) -> bool:
        """Whether nothing but products that take them in reads a value, so that its steps are gone for good."""
        key = old, shifts, n_passed
        if key not in self._absorbed:
            readers = self.rw.readers(old)
            self._absorbed[key] = bool(readers) and all(self._absorbs(node, old, shifts, n_passed) for node in readers)
        return self._absorbed[key]

    def _absorbs(self, node: Node, old: Ref, shifts: bool, n_passed: int) -> bool:
        if node.op in _RESHAPES and self.rw.old_type(old).shape != node.outputs[0].shape:
            same = _depth(node) == (self.rw.old_type(old).shape or (None,))[-1]
            result = Ref(node.name)
            return same and all(self._takes(reader, result, shifts) for reader in self.rw.readers(result))
        if node.op in _POOLS or self._is_gate(node):
            is_short = not shifts and n_passed < _MOST_PASSED and _depth(node) is not None
            return is_short and self._is_absorbed(Ref(node.name), False, n_passed + 1)
        return self._takes(node, old, shifts)

    def _takes(self, node: Node, old: Ref, shifts: bool) -> bool:
        """Whether a node is a product of a value with a constant that nothing else reads."""
        if node.op not in _PRODUCTS or node.inputs[0] != old or self.rw.must_stay_exact(node):
            return False
        filters = self.rw.known(node.inputs[_FILTER])
        if filters is None or filters.dtype != np.float32 or len(self.rw.readers(node.inputs[_FILTER])) != 1:
            return False
        if node.op in ("BatchMatMulV2", "MatMul"):
            is_turned = any(node.attrs.get(name) for name in ("adj_x", "adj_y", "transpose_a", "transpose_b"))
            return filters.ndim == 2 and not is_turned
        pads = node.attrs["padding"] != "VALID"  # with zeros, which are not shifted
        return not shifts or (node.op == "Conv2D" and not pads)


def _stepped(before: _Affine, node: Node, vector: np.ndarray) -> _Affine:
    if node.op == "AddV2":
        return replace(before, shift=before.shift + vector, result=Ref(node.name))
    return replace(before, scale=before.scale * vector, shift=before.shift * vector, result=Ref(node.name))


def _inverse(vector: np.ndarray) -> np.ndarray | None:
    with np.errstate(divide="ignore", over="ignore"):
        inverse = 1 / vector
    return inverse if np.isfinite(inverse).all() else None


def _bias(shift: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """What a shift of each channel adds to each result of a product with the filters."""
    matrix = filters.astype(np.float64).reshape(-1, *filters.shape[-2:]).sum(axis=0)
    return np.asarray(shift @ matrix, dtype=np.float32)


def _channels(array: np.ndarray, node: Node) -> np.ndarray | None:
    """A constant as one number for each channel of a node's result, None if it isn't that."""
    depth = _depth(node)
    if depth is None or array.ndim > (node.outputs[0].rank or 0) or array.dtype.kind != "f":
        return None
    if array.size not in (1, depth) or array.shape[-1:] not in ((), (array.size,)):
        return None
    return np.broadcast_to(array.ravel().astype(np.float64), (depth,))


def _depth(node: Node) -> int | None:
    """The number of channels of a float32 value."""
    type_ = node.outputs[0]
    last = type_.shape[-1] if type_.shape else None
    return last if isinstance(last, int) and type_.dtype == "float32" else None


_PRODUCTS = {
    "BatchMatMulV2": (-1, 1),
    "Conv2D": (1, 1, -1, 1),
    "DepthwiseConv2dNative": (1, 1, -1, 1),
    "MatMul": (-1, 1),
}
"""The axis of each filter that the channels of the data lie along."""
