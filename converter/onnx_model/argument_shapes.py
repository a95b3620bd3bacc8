"""Output shapes of operators whose shape, sizes, pads or bounds are known element by element."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce

from converter.onnx_model import expression as ex
from converter.onnx_model.elements import Dimensions, Find
from converter.onnx_model.expression import Integer
from converter.onnx_model.model import OnnxNode, ValueType

Sizes = list[Integer | None]
END = (1 << 31) - 1  # a bound from here on means "to the end"


@dataclass(frozen=True)
class _Operands:
    """The operands of a node: their shapes, and the elements of those that are arguments."""

    node: OnnxNode
    find: Find
    types: Mapping[str, ValueType]
    dimensions: Dimensions

    def has(self, index: int) -> bool:
        return index < len(self.node.inputs) and self.node.inputs[index] != ""

    def shape(self, index: int = 0) -> list[Integer] | None:
        """Return the shape of an operand, None if its rank is unknown."""
        name = self.node.inputs[index]
        return self.dimensions.shape(name, self.types.get(name))

    def integers(self, index: int) -> Sizes | None:
        """Return the elements of an operand; None if even their number is unknown, or it is absent."""
        if not self.has(index):
            return None
        name = self.node.inputs[index]
        if (known := self.find(name)) is not None:
            return list(known.integers())
        type_ = self.types.get(name)
        shape = None if type_ is None else type_.shape
        if shape == ():
            return [None]
        return [None] * shape[0] if shape and len(shape) == 1 and isinstance(shape[0], int) else None

    def axes(self, rank: int, index: int | None = None) -> list[int] | None:
        """Return the axes that an operand or attribute lists, all by default; None if some are unknown."""
        if index is not None and self.has(index):
            axes = self.integers(index)
        else:
            axes = self.node.attrs.get("axes", range(rank))
        known = [axis % rank for axis in axes or () if isinstance(axis, int) and -rank <= axis < rank]
        return known if axes is not None and len(known) == len(axes) else None


def argument_types(
    node: OnnxNode, find: Find, types: Mapping[str, ValueType], dimensions: Dimensions
) -> dict[str, ValueType]:
    """Return the types of outputs that follow from arguments of which only some elements are known."""
    rule = None if node.domain else _RULES.get(node.op)
    if rule is None or all(name not in types or types[name].is_static for name in node.outputs):
        return {}
    shapes = rule(_Operands(node, find, types, dimensions))
    return {
        name: ValueType(types[name].dtype, tuple(map(dimensions.dim, shape)))
        for name, shape in zip(node.outputs, shapes or (), strict=False)
        if name in types
    }


def _reshape(of: _Operands) -> list[Sizes] | None:
    source = of.shape()
    target: Sizes | None = of.node.attrs.get("shape") if of.node.since == 1 else of.integers(1)
    if source is None or target is None:
        return None
    shape = list(target)
    if not of.node.attrs.get("allowzero", 0):
        shape = [source[axis] if size == 0 and axis < len(source) else size for axis, size in enumerate(shape)]
    open_axes = [axis for axis, size in enumerate(shape) if size is None or size == -1]
    if len(open_axes) == 1:
        (axis,) = open_axes
        others = [size for size in shape if size is not None and size != -1]
        shape[axis] = ex.divide_exactly(ex.product(source), ex.product(others)) if 0 not in others else None
    return [[None if size == -1 else size for size in shape]]


def _expand(of: _Operands) -> list[Sizes] | None:
    source, target = of.shape(), of.integers(1)
    if source is None or target is None:
        return None
    rank = max(len(source), len(target))
    have = [*[1] * (rank - len(source)), *source]
    want = [*[1] * (rank - len(target)), *target]
    return [[_broadcast(*pair) for pair in zip(have, want, strict=True)]]


def _broadcast(have: Integer, want: Integer | None) -> Integer | None:
    if want == 1 or have == want:
        return have
    if have == 1:
        return want
    numbers = [size for size in (have, want) if isinstance(size, int)]  # of which each is the size, if it isn't 1
    return numbers[0] if numbers else None


def _filled(of: _Operands) -> list[Sizes] | None:
    target = of.integers(0)
    return None if target is None else [target]


def _tile(of: _Operands) -> list[Sizes] | None:
    source, repeats = of.shape(), of.integers(1)
    if source is None or repeats is None or len(repeats) != len(source):
        return None
    return [[None if n is None else ex.multiply(size, n) for size, n in zip(source, repeats, strict=True)]]


def _resize(of: _Operands) -> list[Sizes] | None:
    source = of.shape()
    if source is None or of.node.attrs.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        return None
    axes, sizes = of.axes(len(source)), of.integers(3)
    if axes is None or sizes is None or len(sizes) != len(axes):
        return None
    given = dict(zip(axes, sizes, strict=True))
    return [[given.get(axis, size) for axis, size in enumerate(source)]]


def _slice(of: _Operands) -> list[Sizes] | None:
    source = of.shape()
    if source is None:
        return None
    starts, ends = (
        of.integers(index) if of.has(index) else of.node.attrs.get(name) for index, name in ((1, "starts"), (2, "ends"))
    )
    axes = of.axes(len(source), 3)
    if starts is None or ends is None or axes is None:
        return None
    steps = of.integers(4) or [1] * len(starts)
    shape: Sizes = list(source)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=False):
        shape[axis] = _between(source[axis], start, end) if step == 1 else None
    return [shape]


def _between(size: Integer, start: Integer | None, end: Integer | None) -> Integer | None:
    """Return the number of elements from one bound to another, both counted as Slice counts them."""
    first, last = _bound(size, start), _bound(size, end)
    if first is None or last is None:
        return None
    return ex.maximum(ex.subtract(last, first), 0)


def _bound(size: Integer, bound: Integer | None) -> Integer | None:
    """Return the position that a bound means; None if that depends on sizes in a way that no expression tells."""
    if bound is None:
        return None
    if isinstance(bound, int) and bound >= END:
        return size
    if ex.is_less(bound, 0):
        bound = ex.add(bound, size)
        return ex.maximum(bound, 0)
    return ex.minimum(bound, size) if ex.is_natural(bound) else None


def _pad(of: _Operands) -> list[Sizes] | None:
    source = of.shape()
    pads: Sizes | None = of.integers(1) if of.has(1) else of.node.attrs.get("pads")
    if source is None or pads is None:
        return None
    axes = of.axes(len(source), 3)
    if axes is None or len(pads) != 2 * len(axes):
        return None
    shape: Sizes = list(source)
    for axis, before, after in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        shape[axis] = None if before is None or after is None else reduce(ex.add, (before, after), source[axis])
    return [shape]


def _split(of: _Operands) -> list[Sizes] | None:
    source, sizes = of.shape(), of.integers(1)
    if source is None or sizes is None or len(sizes) != len(of.node.outputs):
        return None
    axis = of.node.attrs.get("axis", 0) % len(source)
    return [[*source[:axis], size, *source[axis + 1 :]] for size in sizes]


def _range(of: _Operands) -> list[Sizes] | None:
    (start, limit, step) = ((of.integers(index) or [None])[0] for index in range(3))
    if start is None or limit is None or step != 1:
        return None
    return [[ex.maximum(ex.subtract(limit, start), 0)]]


def _topk(of: _Operands) -> list[Sizes] | None:
    source, k = of.shape(), of.integers(1)
    if source is None or not k:
        return None
    axis = of.node.attrs.get("axis", -1) % len(source)
    return [[*source[:axis], k[0], *source[axis + 1 :]]] * 2


def _concat(of: _Operands) -> list[Sizes] | None:
    shapes = [of.shape(index) for index in range(len(of.node.inputs))]
    first = shapes[0]
    known = [shape for shape in shapes if shape is not None]
    if first is None or len(known) < len(shapes) or any(len(shape) != len(first) for shape in known):
        return None
    axis = of.node.attrs.get("axis", 1) % len(first)
    shape: Sizes = [
        next((size for size in sizes if isinstance(size, int)), sizes[0]) for sizes in zip(*known, strict=True)
    ]
    shape[axis] = reduce(ex.add, [sizes[axis] for sizes in known])
    return [shape]


def _flatten(of: _Operands) -> list[Sizes] | None:
    source = of.shape()
    if source is None:
        return None
    axis = of.node.attrs.get("axis", 1)
    axis = axis + len(source) if axis < 0 else axis
    return [[ex.product(source[:axis]), ex.product(source[axis:])]]


_RULES: Mapping[str, Callable[[_Operands], list[Sizes] | None]] = {
    "Concat": _concat,
    "ConstantOfShape": _filled,
    "Expand": _expand,
    "Flatten": _flatten,
    "Pad": _pad,
    "Range": _range,
    "Reshape": _reshape,
    "Resize": _resize,
    "Slice": _slice,
    "Split": _split,
    "Tile": _tile,
    "TopK": _topk,
}
