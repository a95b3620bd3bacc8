"""Sizes and arguments that only the running graph knows, computed where the executor reads them: on the host.

Reading a tensor back from the device blocks on WebGL and crashes WebGPU. TF.js computes small tensors that never left
the host on the host, but only with the operations listed here (webgpu: `kernels/*.js`, `shouldExecuteOnCPU`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from converter.lowering.context import LoweringContext
from converter.tfjs.graph import Dim, Ref

BORN_ON_HOST = frozenset({"Const", "Shape", "Size", "Rank"})
STAYS_ON_HOST = frozenset({
    "Abs", "AddV2", "Cast", "Ceil", "ConcatV2", "Equal", "ExpandDims", "Floor", "FloorDiv", "GatherNd", "GatherV2",
    "Greater", "GreaterEqual", "Identity", "Less", "LessEqual", "Max", "Maximum", "Minimum", "Mul", "Neg", "NotEqual",
    "Pack", "Prod", "Range", "Reshape", "Slice", "Split", "SplitV", "Squeeze", "StridedSlice", "Sub", "Tile",
    "Transpose", "Unpack",
})  # fmt: skip


def is_on_host(ctx: LoweringContext, value: Ref) -> bool:
    """Whether a small value is still on the host when the graph runs."""
    seen: set[str] = set()
    waiting = [value.node]
    while waiting:
        node = ctx.producer(Ref(waiting.pop()))
        if node.name in seen or node.op in BORN_ON_HOST:
            continue
        if node.op == "Placeholder" and not ctx.values.may_be_on_device(node.name):
            continue
        if node.op not in STAYS_ON_HOST:
            return False
        seen.add(node.name)
        waiting.extend(operand.node for operand in node.inputs)
    return True


def argument(ctx: LoweringContext, index: int, role: str) -> Ref:
    """An operand that an executor reads before it runs the operation; `role` says what it is.

    A known one is a constant of its own at each call: verify refuses one that is read as data as well.
    Raises: UnsupportedError if it is computed from tensors that live on the device.
    """
    if (known := ctx.known(index)) is not None:
        return ctx.data(known)
    value = ctx.operand(index)
    if not is_on_host(ctx, value):
        ctx.refuse(
            f"{role} ({ctx.node.inputs[index]}) is computed from the model's data",
            hint="TF.js can't read it back on every backend; make it a constant or a function of input shapes, "
            "or fix the dimensions it depends on with `--bind name=size`",
        )
    return value


def length(ctx: LoweringContext, vector: Ref, role: str) -> int:
    """The number of elements of a vector.

    Raises: UnsupportedError if it is not known before the graph runs.
    """
    (size,) = ctx.dims(vector) or (1,)
    if not isinstance(size, int):
        ctx.refuse(f"the length of {role} is not known before the graph runs", hint="export with a fixed rank")
    return size


def element(ctx: LoweringContext, vector: Ref, index: int) -> Ref:
    """One element of a host vector, as a vector."""
    return ctx.emit("Slice", vector, ctx.param([index]), ctx.param([1]))


def number(ctx: LoweringContext, *values: int) -> Ref:
    """An int32 vector to calculate with on the host: no parameter, since a constant is either that or data."""
    return ctx.data(np.asarray(values, dtype=np.int32))


def scalar(ctx: LoweringContext, vector: Ref) -> Ref:
    """A vector of one element as a scalar."""
    return vector if ctx.type(vector).shape == () else ctx.emit("Reshape", vector, ctx.param([]))


@dataclass(frozen=True)
class Size:
    """A number times dimensions that only the running graph knows; `name` is ONNX's name of a single one."""

    number: int = 1
    dims: tuple[tuple[Ref, int], ...] = ()
    name: str | None = None

    @property
    def is_static(self) -> bool:
        """Whether it is just a number."""
        return not self.dims or self.number == 0

    @property
    def dim(self) -> Dim:
        """The size as a dimension of a type."""
        return self.number if self.is_static else self.name

    def __mul__(self, other: "Size") -> "Size":
        number, dims = self.number * other.number, self.dims + other.dims
        return Size(number, dims, (self.name or other.name) if number == 1 and len(dims) == 1 else None)


def sizes(ctx: LoweringContext, x: Ref) -> list[Size]:
    """The dimensions of a value, each to be looked up only if it is needed."""
    return [Size(dim) if isinstance(dim, int) else Size(1, ((x, axis),), dim) for axis, dim in enumerate(ctx.dims(x))]


def product(factors: Sequence[Size]) -> Size:
    """The number of elements in dimensions of these sizes."""
    return reduce(lambda one, other: one * other, factors, Size())


def as_vector(ctx: LoweringContext, size: Size) -> Ref:
    """A size as an int32 vector of one element."""
    if size.is_static:
        return number(ctx, size.number)
    factors = [element(ctx, ctx.emit("Shape", x), axis) for x, axis in size.dims]
    if size.number != 1:
        factors.append(number(ctx, size.number))
    return reduce(lambda one, other: ctx.emit("Mul", one, other), factors)


def shape_vector(ctx: LoweringContext, shape: Sequence[Size | Ref]) -> Ref:
    """A shape as an int32 vector; a Ref is a vector of one element."""
    if all(isinstance(size, Size) and size.is_static for size in shape):
        return ctx.param([size.number for size in shape if isinstance(size, Size)])
    pieces = [as_vector(ctx, size) if isinstance(size, Size) else size for size in shape]
    return pieces[0] if len(pieces) == 1 else ctx.emit("ConcatV2", *pieces, ctx.param(0), N=len(pieces))


def resize(ctx: LoweringContext, x: Ref, shape: Sequence[Size | None]) -> Ref:
    """`x` with another shape of as many elements; at most one size is None: whatever is left."""
    dims = tuple(None if size is None else size.dim for size in shape)
    if dims == ctx.type(x).shape and None not in dims:
        return x
    left = _left_to_executor(shape)
    if all(size is None or size.is_static or index == left for index, size in enumerate(shape)):
        target = ctx.param([-1 if index == left or size is None else size.number for index, size in enumerate(shape)])
    else:
        target = shape_vector(
            ctx, [number(ctx, -1) if i == left or size is None else size for i, size in enumerate(shape)]
        )
    return ctx.refine(ctx.emit("Reshape", x, target), dims)


def _left_to_executor(shape: Sequence[Size | None]) -> int | None:
    """The position of the size that the executor can work out, as what is left of the number of elements."""
    if None in shape:
        return shape.index(None)
    dynamic = [index for index, size in enumerate(shape) if size is not None and not size.is_static]
    if not dynamic or any(size is not None and size.number == 0 for size in shape):
        return None
    return max(dynamic, key=lambda index: len(size.dims) if (size := shape[index]) is not None else 0)


def squeeze(ctx: LoweringContext, x: Ref, axes: Sequence[int]) -> Ref:
    """`x` without these axes of size 1."""
    kept = [size for axis, size in enumerate(sizes(ctx, x)) if axis not in axes]
    if not axes or sum(not size.is_static for size in kept) <= 1:
        return resize(ctx, x, kept)
    return ctx.refine(ctx.emit("Squeeze", x, axis=list(axes)), tuple(size.dim for size in kept))


def unsqueeze(ctx: LoweringContext, x: Ref, axes: Sequence[int]) -> Ref:
    """`x` with axes of size 1 at these positions of the result."""
    shape = sizes(ctx, x)
    for axis in sorted(axes):
        shape.insert(axis, Size(1))
    if sum(not size.is_static for size in shape) <= 1:
        return resize(ctx, x, shape)
    for axis in sorted(axes):
        x = ctx.emit("ExpandDims", x, ctx.param(axis))
    return ctx.refine(x, tuple(size.dim for size in shape))
