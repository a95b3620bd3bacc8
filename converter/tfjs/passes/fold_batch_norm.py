"""Takes scales and shifts of channels into the constant filter of the convolution or matrix product before them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from converter.tfjs.discontinuity import are_powers_of_two
from converter.tfjs.graph import Attr, Graph, Node, Ref
from converter.tfjs.rewrite import Rewrite, rewrite

_COLUMNS = 64  # that are computed at a time; a transposed filter of 512x512x3x3 takes 0.54 of the time of all at once
_FILTER = 1  # the position of the filter among the operands of every producer


@dataclass(frozen=True)
class Affine:
    """`scale * producer + shift` for each channel: what `node` computes.

    Shapes: scale, shift (channel,) float64.
    """

    producer: "Node | Joined | Given"
    scale: np.ndarray
    shift: np.ndarray
    node: Node

    def then(self, scale: np.ndarray, shift: np.ndarray, node: Node) -> "Affine":
        """This, scaled and shifted once more."""
        return Affine(self.producer, self.scale * scale, self.shift * scale + shift, node)


@dataclass(frozen=True)
class Joined:
    """ConcatV2 of such values along the channels."""

    node: Node
    parts: tuple[Affine, ...]


@dataclass(frozen=True)
class Given:
    """An old value that nothing folds into, and the first node that scales or shifts it."""

    value: Ref
    first: Node


def fold_batch_norm(graph: Graph) -> Graph:
    """The graph with Mul, AddV2, Sub and RealDiv by one constant a channel folded into what makes the channels.

    Where that is no product with a constant, at most a Mul and an AddV2 remain of a chain of them. Factors are computed
    in float64 and stored as float32.
    """
    return rewrite(graph, lambda rw: _Folding(rw).visit)


class _Folding:
    """Keeps values back as long as what reads them may fold into them."""

    def __init__(self, rw: Rewrite) -> None:
        self.rw = rw
        self.kept: dict[Ref, Affine] = {}

    def visit(self, node: Node) -> bool:
        if node.op in _PRODUCERS:
            return self._keep_producer(node)
        if node.op == "ConcatV2":
            return self._keep_joined(node)
        return node.op in _STEPS and self._fold(node)

    def _keep_producer(self, node: Node) -> bool:
        filters, depth = self.rw.known(node.inputs[_FILTER]), _depth(node)
        if filters is None or depth is None or len(self.rw.readers(node.inputs[_FILTER])) != 1:
            return False
        return self._is_private(node) and self._keep(Affine(node, np.ones(depth), np.zeros(depth), node))

    def _keep_joined(self, node: Node) -> bool:
        axis, rank, depth = self.rw.known(node.inputs[-1]), node.outputs[0].rank, _depth(node)
        if axis is None or rank is None or depth is None or int(axis) % rank != rank - 1 or not self._is_private(node):
            return False
        parts = tuple(self.kept[ref] for ref in node.inputs[:-1] if ref in self.kept)
        if len(parts) != len(node.inputs) - 1 or any(isinstance(part.producer, Given) for part in parts):
            return False
        return self._keep(Affine(Joined(node, parts), np.ones(depth), np.zeros(depth), node))

    def _is_private(self, node: Node) -> bool:
        """Whether the only thing that reads a node may fold into it."""
        readers = self.rw.readers(Ref(node.name))
        return len(readers) == 1 and (readers[0].op in _STEPS or readers[0].op == "ConcatV2")

    def _fold(self, node: Node) -> bool:
        for side in (0, 1):
            affine, array = self.kept.get(node.inputs[side]), self.rw.known(node.inputs[1 - side])
            if affine is None or array is None:
                continue
            vector = _channels(array, affine.node.outputs[0].rank, len(affine.scale))
            with np.errstate(all="ignore"):
                step = None if vector is None else _STEPS[node.op](vector, side)
                folded = None if step is None else affine.then(*step, node)
            if step is None or folded is None or not self._is_sound(folded, affine):
                continue
            if not self.rw.must_stay_exact(node) or _is_exact(affine, *step):
                return self._keep(folded)
        return self._keep_given(node)

    def _keep_given(self, node: Node) -> bool:
        depth = _depth(node)
        if depth is None or not self._is_private(node):
            return False
        for side in (0, 1):
            array = self.rw.known(node.inputs[1 - side])
            rank = self.rw.old_type(node.inputs[side]).rank
            vector = None if array is None else _channels(array, rank, depth)
            with np.errstate(all="ignore"):
                step = None if vector is None else _STEPS[node.op](vector, side)
            if step is None or self.rw.old_type(node.inputs[side]).shape != node.outputs[0].shape:
                continue
            affine = Affine(Given(node.inputs[side], node), *step, node)
            return self._is_sound(affine, affine) and self._keep(affine)
        return False

    def _is_sound(self, folded: Affine, before: Affine) -> bool:
        """Whether folding overflows nothing, and does not scale what only a shift has made small."""
        if isinstance(folded.producer, Given) and before.shift.any() and (before.scale == 1).all():
            return self._is_finite(folded) and bool((folded.scale == 1).all())
        return self._is_finite(folded)

    def _is_finite(self, affine: Affine) -> bool:
        """Whether the filters are still numbers of float32."""
        if isinstance(affine.producer, Joined):
            return all(map(self._is_finite, _spread(affine)))
        highest = 1.0
        if isinstance(affine.producer, Node):
            filters = self._filters(affine.producer)
            highest = max(float(filters.max()), -float(filters.min())) if filters.size else 0.0
        largest = (np.abs(affine.scale).max(initial=0.0) * highest, np.abs(affine.shift).max(initial=0.0))
        return all(value <= np.finfo(np.float32).max for value in largest)

    def _keep(self, affine: Affine) -> bool:
        old = Ref(affine.node.name)
        if len(self.rw.readers(old)) == 1:
            self.kept[old] = affine
        self.rw.bind_lazily(old, lambda: self._emit(affine, affine.node))
        return True

    def _emit(self, affine: Affine, name: Node | str) -> Ref:
        """Make an affine value, under the name of its node where that has the same value."""
        if isinstance(affine.producer, Joined):
            return self._emit_joined(affine, affine.producer.node, name)
        if isinstance(affine.producer, Given) and affine.node is affine.producer.first:
            return self.rw.emit(affine.node.op, *self.rw.operands(affine.node), name=name, **affine.node.attrs)
        if not affine.shift.any():
            return self._emit_scaled(affine.producer, affine.scale, name)
        path = affine.node.name
        product = self._emit_scaled(affine.producer, affine.scale, f"{path}/scaled")
        return self.rw.emit("AddV2", product, self.rw.data(affine.shift.astype(np.float32), f"{path}/shift"), name=name)

    def _emit_joined(self, affine: Affine, node: Node, name: Node | str) -> Ref:
        if _is_neutral(affine):
            parts = [self.rw.value(ref) for ref in node.inputs[:-1]]
        else:
            parts = [self._emit(part, f"{part.node.name}/scaled") for part in _spread(affine)]
        return self.rw.emit("ConcatV2", *parts, self.rw.operand(node, len(parts)), name=name, **node.attrs)

    def _emit_scaled(self, producer: Node | Given, scale: np.ndarray, name: Node | str) -> Ref:
        if isinstance(producer, Node):
            return self._emit_product(producer, scale, name)
        value = self.rw.value(producer.value)
        if (scale == 1).all():
            return value if isinstance(name, str) else self.rw.emit("Identity", value, name=name)
        path = name if isinstance(name, str) else name.name
        return self.rw.emit("Mul", value, self.rw.data(scale.astype(np.float32), f"{path}/scale"), name=name)

    def _emit_product(self, node: Node, scale: np.ndarray, name: Node | str) -> Ref:
        operands = {index: self.rw.operand(node, index) for index in range(len(node.inputs)) if index != _FILTER}
        if (scale == 1).all():
            return self.rw.emit(node.op, *_ordered(operands, self.rw.operand(node, _FILTER)), name=node, **node.attrs)
        filters = self._filters(node)
        factors = _PRODUCERS[node.op](scale, filters.shape, node.attrs)
        data = self.rw.data(_scaled(filters, factors), f"{node.inputs[_FILTER].node}/scaled")
        return self.rw.emit(node.op, *_ordered(operands, data), name=name, **node.attrs)

    def _filters(self, node: Node) -> np.ndarray:
        filters = self.rw.known(node.inputs[_FILTER])
        assert filters is not None
        return filters


def _scaled(filters: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Filters times their factors, a few columns at a time: as they lie in a file, columns are far apart."""
    scaled = np.empty(filters.shape, dtype=np.float32)
    spread = np.broadcast_to(factors, filters.shape)
    for start in range(0, filters.shape[-1], _COLUMNS):
        columns = np.s_[..., start : start + _COLUMNS]
        np.multiply(filters[columns], spread[columns], out=scaled[columns], dtype=np.float64, casting="same_kind")
    return scaled


def _ordered(operands: dict[int, Ref], filters: Ref) -> list[Ref]:
    return [ref for _, ref in sorted({**operands, _FILTER: filters}.items())]


def _spread(affine: Affine) -> list[Affine]:
    """The parts of a joined value with its scale and shift in each."""
    assert isinstance(affine.producer, Joined)
    ends = np.cumsum([len(part.scale) for part in affine.producer.parts])[:-1]
    pieces = zip(affine.producer.parts, np.split(affine.scale, ends), np.split(affine.shift, ends), strict=True)
    return [part.then(scale, shift, part.node) for part, scale, shift in pieces]


def _is_exact(affine: Affine, scale: np.ndarray, shift: np.ndarray) -> bool:
    """Return whether one more step gives the same float32 values when it is folded."""
    return are_powers_of_two(scale) and not (affine.shift.any() and shift.any())


def _is_neutral(affine: Affine) -> bool:
    return bool((affine.scale == 1).all()) and not affine.shift.any()


def _depth(node: Node) -> int | None:
    """The number of channels of a float32 value."""
    type_ = node.outputs[0]
    last = type_.shape[-1] if type_.shape else None
    return last if isinstance(last, int) and type_.dtype == "float32" else None


def _channels(array: np.ndarray, rank: int | None, depth: int) -> np.ndarray | None:
    """A constant as one number for each channel of a value of that rank, None if it isn't that."""
    is_vector = array.size in (1, depth) and array.shape[-1:] in ((), (array.size,))
    if not is_vector or array.ndim > (rank or 0):
        return None
    return np.broadcast_to(array.ravel().astype(np.float64), (depth,))


Step = Callable[[np.ndarray, int], "tuple[np.ndarray, np.ndarray] | None"]
Factors = Callable[[np.ndarray, tuple[int, ...], Mapping[str, Attr]], np.ndarray]


def _added(vector: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    return np.ones_like(vector), vector


def _subtracted(vector: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    return (np.ones_like(vector), -vector) if side == 0 else (-np.ones_like(vector), vector)


def _multiplied(vector: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    return vector, np.zeros_like(vector)


def _divided(vector: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray] | None:
    return (1 / vector, np.zeros_like(vector)) if side == 0 else None


_STEPS: Mapping[str, Step] = {
    "AddV2": _added,
    "BiasAdd": _added,
    "Mul": _multiplied,
    "RealDiv": _divided,
    "Sub": _subtracted,
}


def _columns(scale: np.ndarray, shape: tuple[int, ...], attrs: Mapping[str, Attr]) -> np.ndarray:
    return scale[:, None] if attrs.get("transpose_b") or attrs.get("adj_y") else scale


_PRODUCERS: Mapping[str, Factors] = {
    "BatchMatMulV2": _columns,
    "Conv2D": lambda scale, shape, attrs: scale,
    "Conv2DBackpropInput": lambda scale, shape, attrs: scale[:, None],
    "DepthwiseConv2dNative": lambda scale, shape, attrs: scale.reshape(shape[2:]),
    "MatMul": _columns,
}
"""What each filter is multiplied by so that its results are scaled."""
