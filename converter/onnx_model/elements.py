"""Partial evaluation: integers, flags and scales computed element by element from shapes of which some are known."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from converter.dtypes import as_numpy
from converter.onnx_model import expression as ex
from converter.onnx_model.expression import Expression, Integer
from converter.onnx_model.fold import evaluate
from converter.onnx_model.model import Dim, OnnxNode, ValueType

MAX_ELEMENTS = 64  # of a value that is tracked: a shape, pads, a few flags or scales
EXACT_FLOATS = ("float32", "float64")  # types in which a size is exact

Element = bool | float | Integer | None  # None: known only at run time


@dataclass(frozen=True)
class Elements:
    """A small tensor of which some elements are known; `items` is an array of objects."""

    dtype: np.dtype[Any]
    items: np.ndarray

    @property
    def is_number(self) -> np.ndarray:
        """Which elements are numbers, neither unknown nor expressions."""
        return np.asarray(np.frompyfunc(_is_number, 1, 1)(self.items), dtype=bool)

    def array(self) -> np.ndarray | None:
        """Return the tensor if every element is a number."""
        return self.filled() if self.is_number.all() else None

    def filled(self) -> np.ndarray:
        """Return the tensor with 1 in the place of elements that are no numbers."""
        return np.where(self.is_number, self.items, 1).astype(self.dtype)

    def integers(self) -> tuple[Integer | None, ...]:
        """Return the elements in order, None for those that are no integers."""
        return tuple(item if ex.is_integer(item) else None for item in self.items.ravel())


def _is_number(item: Element) -> bool:
    return item is not None and not isinstance(item, Expression)


def of_array(array: np.ndarray) -> Elements:
    """Return a known tensor as elements."""
    return Elements(array.dtype, array.astype(object))


def _of(dtype: np.dtype[Any], items: object) -> Elements:
    return Elements(dtype, np.asarray(items, dtype=object))


class Dimensions:
    """The sizes of axes as expressions, and expressions as names of dimensions."""

    def __init__(self) -> None:
        self._named: dict[str, Expression] = {}

    def size(self, value: str, axis: int, dim: Dim) -> Integer:
        """Return the size of an axis of a value; that of an unnamed dimension gets a name of its own."""
        if isinstance(dim, int):
            return dim
        name = f"{value}[{axis}]" if dim is None else dim
        return self._named.get(name) or ex.size(name)

    def shape(self, value: str, type_: ValueType | None) -> list[Integer] | None:
        """Return the shape of a value, None if its rank is unknown."""
        if type_ is None or type_.shape is None:
            return None
        return [self.size(value, axis, dim) for axis, dim in enumerate(type_.shape)]

    def dim(self, size: Integer | None) -> Dim:
        """Return a size as the dimension of a type."""
        if size is None or isinstance(size, int):
            return size if size is not None and size >= 0 else None
        name = str(size)
        self._named[name] = size
        return name


Find = Callable[[str], Elements | None]
"""Returns what is known of the elements of a value; None if nothing is, or the value is too large to be tracked."""


def partial_results(
    node: OnnxNode, find: Find, types: Mapping[str, ValueType], dimensions: Dimensions, opsets: Mapping[str, int]
) -> list[Elements] | None:
    """Return what is known of the outputs of a node, element by element; None if nothing is."""
    if node.domain or not all(node.outputs):
        return None
    if node.op in ("Shape", "Size"):
        shape = dimensions.shape(node.inputs[0], types.get(node.inputs[0]))
        return None if shape is None else [_shape_or_size(node, shape)]
    if node.op not in _RULES:
        return None
    operands = [find(name) if name else None for name in node.inputs]
    if node.op == "Concat" and any(operand is not None for operand in operands):
        operands = [operand or _unknown(types.get(name)) for operand, name in zip(operands, node.inputs, strict=True)]
    if not any(operand is not None and not operand.is_number.all() for operand in operands):
        return None
    results = _RULES[node.op](node, operands, opsets)
    return None if results is None or any(result.items.size > MAX_ELEMENTS for result in results) else results


def _shape_or_size(node: OnnxNode, shape: Sequence[Integer]) -> Elements:
    int64 = np.dtype(np.int64)
    if node.op == "Size":
        return _of(int64, ex.product(shape))
    return _of(int64, list(shape[slice(node.attrs.get("start", 0), node.attrs.get("end"))]))


def _unknown(type_: ValueType | None) -> Elements | None:
    """Return a small tensor of unknown elements, None if its size is unknown too."""
    if type_ is None or type_.shape is None or not type_.is_static or not type_.dtype.is_integer:
        return None
    shape = [int(dim or 0) for dim in type_.shape]
    return Elements(as_numpy(type_.dtype), np.full(shape, None)) if np.prod(shape) <= MAX_ELEMENTS else None


def _moved(node: OnnxNode, operands: Sequence[Elements | None], opsets: Mapping[str, int]) -> list[Elements] | None:
    """Evaluate an operator that only moves elements, on their positions in a list of all of them."""
    if node.attrs.get("reduction", "none") != "none":
        return None
    data = _MOVES[node.op] or range(len(operands))
    places: dict[str, np.ndarray] = {}
    items: list[np.ndarray] = []
    count = 0
    for index, operand in enumerate(operands):
        if not node.inputs[index]:
            continue
        if operand is None:
            return None
        if index in data:
            places[str(index)] = (np.arange(operand.items.size) + count).reshape(operand.items.shape)
            items.append(operand.items.ravel())
            count += operand.items.size
        elif (array := operand.array()) is not None:
            places[str(index)] = array
        else:
            return None
    inputs = tuple(str(index) if name else "" for index, name in enumerate(node.inputs))
    found = evaluate(replace(node, inputs=inputs), places, opsets)
    if found is None or any(array.size > MAX_ELEMENTS for array in found.values()):
        return None
    pool, first = np.concatenate(items), operands[data[0]]
    return None if first is None else [_of(first.dtype, pool[array]) for array in found.values()]


def _elementwise(
    node: OnnxNode, operands: Sequence[Elements | None], opsets: Mapping[str, int]
) -> list[Elements] | None:
    """Evaluate numbers as ONNX does, and everything else by the rule of the operator."""
    known = [operand for operand in operands if operand is not None]
    if len(known) < len(operands):
        return None
    inputs = tuple(str(index) for index in range(len(operands)))
    arrays = {name: operand.filled() for name, operand in zip(inputs, known, strict=True)}
    found = evaluate(replace(node, inputs=inputs), arrays, opsets)
    if found is None:
        return None
    (result,) = found.values()
    if result.size > MAX_ELEMENTS:
        return None
    is_number = reduce(np.logical_and, [operand.is_number for operand in known])
    rule = _rule(node, known[0].dtype, result.dtype)
    columns = [operand.items for operand in known]
    if rule is None:
        items = np.full(result.shape, None)
    elif len(columns) == 1:
        items = np.frompyfunc(rule, 1, 1)(*columns)
    else:
        items = reduce(np.frompyfunc(rule, 2, 1), columns)
    return [_of(result.dtype, np.where(is_number, result.astype(object), items))]


def _chosen(node: OnnxNode, operands: Sequence[Elements | None], opsets: Mapping[str, int]) -> list[Elements] | None:
    """Evaluate Where; an unknown condition doesn't matter where both sides are the same."""
    condition, one, other = operands
    if condition is None or one is None or other is None:
        return None

    def choose(flag: Element, a: Element, b: Element) -> Element:
        return (b if flag is False else a) if flag is not None or a == b else None

    return [_of(one.dtype, np.frompyfunc(choose, 3, 1)(condition.items, one.items, other.items))]


def _reduced(node: OnnxNode, operands: Sequence[Elements | None], opsets: Mapping[str, int]) -> list[Elements] | None:
    """Evaluate a reduction of integers."""
    data, axes = operands[0], node.attrs.get("axes")
    if data is None or data.dtype.kind != "i" or not data.items.size:
        return None
    if len(operands) > 1 and node.inputs[1]:
        given = operands[1].array() if operands[1] is not None else None
        if given is None:
            return None
        axes = given.tolist()
    if not axes:
        if node.attrs.get("noop_with_empty_axes", 0):
            return None
        axes = range(data.items.ndim)
    step = np.frompyfunc(_REDUCTIONS[node.op], 2, 1)
    items = data.items
    for axis in axes:
        items = step.reduce(items, axis=axis, keepdims=True)
    if not node.attrs.get("keepdims", 1):
        items = np.squeeze(np.asarray(items, dtype=object), axis=tuple(axes))
    return [_of(data.dtype, items)]


Rule = Callable[..., Element]


def _on_integers(rule: Callable[[Integer, Integer], Element]) -> Rule:
    """Return a rule for two elements: unknown unless both are integers."""

    def apply(one: Element, other: Element) -> Element:
        a, b = _as_integer(one), _as_integer(other)
        return None if a is None or b is None else rule(a, b)

    return apply


def _as_integer(item: Element) -> Integer | None:
    if isinstance(item, float):
        return int(item) if item.is_integer() else None
    return item if ex.is_integer(item) else None


def _and(one: Element, other: Element) -> Element:
    return False if False in (one, other) else None


def _or(one: Element, other: Element) -> Element:
    return True if True in (one, other) else None


def _not(flag: Element) -> Element:
    return None if flag is None else not flag


def _same(item: Element) -> Element:
    return item


def _as_flag(item: Element) -> Element:
    return True if ex.is_integer(item) and (ex.lower_bound(item) or 0) > 0 else None


def _rule(node: OnnxNode, operand: np.dtype[Any], result: np.dtype[Any]) -> Rule | None:
    """Return how an operator treats an expression; None if the result is unknown then."""
    if any(dtype.kind == "f" and dtype.name not in EXACT_FLOATS for dtype in (operand, result)):
        return None
    if node.op == "Cast" and result.kind == "b":
        return _as_flag
    if node.op == "Div" and operand.kind == "f":
        return _on_integers(ex.divide_exactly)
    return _ELEMENTWISE[node.op]


_ELEMENTWISE: Mapping[str, Rule | None] = {
    "Abs": lambda item: item if ex.is_integer(item) and ex.is_natural(item) else None,
    "Add": _on_integers(ex.add),
    "And": _and,
    "Cast": _same,
    "Ceil": _same,
    "Div": _on_integers(ex.divide),
    "Equal": _on_integers(ex.is_equal),
    "Floor": _same,
    "Greater": _on_integers(lambda a, b: ex.is_less(b, a)),
    "GreaterOrEqual": _on_integers(lambda a, b: _not(ex.is_less(a, b))),
    "Less": _on_integers(ex.is_less),
    "LessOrEqual": _on_integers(lambda a, b: _not(ex.is_less(b, a))),
    "Max": _on_integers(ex.maximum),
    "Min": _on_integers(ex.minimum),
    "Mod": _on_integers(ex.modulo),
    "Mul": _on_integers(ex.multiply),
    "Neg": lambda item: ex.multiply(-1, item) if ex.is_integer(item) else None,
    "Not": _not,
    "Or": _or,
    "Pow": None,
    "Round": _same,
    "Sign": None,
    "Sqrt": None,
    "Sub": _on_integers(ex.subtract),
    "Xor": None,
}
_MOVES: Mapping[str, tuple[int, ...]] = {  # the operands whose elements move; none for all of them
    "Concat": (),
    "Expand": (0,),
    "Flatten": (0,),
    "Gather": (0,),
    "GatherElements": (0,),
    "GatherND": (0,),
    "Identity": (0,),
    "Reshape": (0,),
    "ScatterElements": (0, 2),
    "ScatterND": (0, 2),
    "Slice": (0,),
    "Split": (0,),
    "Squeeze": (0,),
    "Tile": (0,),
    "Transpose": (0,),
    "Unsqueeze": (0,),
}
_REDUCTIONS = {
    "ReduceMax": _on_integers(ex.maximum),
    "ReduceMin": _on_integers(ex.minimum),
    "ReduceProd": _on_integers(ex.multiply),
    "ReduceSum": _on_integers(ex.add),
}
_RULES = {
    **dict.fromkeys(_MOVES, _moved),
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    **dict.fromkeys(_REDUCTIONS, _reduced),
    "Where": _chosen,
}
