"""Operators whose results are as long as the data says: they make a graph asynchronous."""

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.indexing import as_data
from converter.lowering.legal import as_number, cast, transpose
from converter.lowering.movement import span, take
from converter.lowering.reduce import reduce_axes
from converter.lowering.registry import lowers
from converter.tfjs.graph import Ref

MOST_COLUMNS = 64


@lowers("NonZero", since=(9, 13))
def lower_non_zero(ctx: LoweringContext) -> None:
    """The coordinates of the elements that are not zero, in row-major order.

    Shapes: (d1, …, dr) -> (r, found)
    Emits:  Where, which is asynchronous, and Transpose.
    """
    x = ctx.operand(0)
    if ctx.rank(x) == 0:
        ctx.refuse("a scalar has no coordinates")
    ctx.result(transpose(ctx, ctx.emit("Where", cast(ctx, x, "bool")), [1, 0]))


@lowers("Compress", since=(9, 11, 28))
def lower_compress(ctx: LoweringContext) -> None:
    """The entries along an axis, or of the flat data, where the condition holds.

    Emits: GatherV2; Where, which is asynchronous, for a condition that is computed.
    """
    x, axis = ctx.operand(0), ctx.attr("axis", None)
    if axis is None:
        x, axis = host.resize(ctx, x, [None]), 0
    known = ctx.known(1)
    places = ctx.data(np.flatnonzero(known).astype(np.int32)) if known is not None else _where(ctx, ctx.operand(1))
    ctx.result(take(ctx, x, ctx.axis(axis, ctx.rank(x)), places))


def _where(ctx: LoweringContext, condition: Ref) -> Ref:
    """The places of a vector where a condition holds."""
    return host.resize(ctx, ctx.emit("Where", condition), [None])


@lowers("Unique", since=(11, 28))
def lower_unique(ctx: LoweringContext) -> None:
    """The distinct elements, or slices along an axis, sorted or in the order in which they first appear.

    Shapes: -> Y (found, …), indices (found), inverse_indices (n), counts (found)
    Emits:  TopKV2 to sort, Where (asynchronous) for the first of each run of equals, Cumsum, ScatterNd; slices are
            numbered by comparing all with all, column after column.
    Source: https://onnx.ai/onnx/operators/onnx__Unique.html
    """
    x, axis, is_sorted = as_number(ctx, ctx.operand(0)), ctx.attr("axis", None), bool(ctx.attr("sorted", 1))
    if axis is None:
        x, axis = host.resize(ctx, x, [None]), 0
    axis = ctx.axis(axis, ctx.rank(x))
    keys = _keys(ctx, x, axis)
    n = host.sizes(ctx, keys)[0]
    order = _ascending(ctx, keys, n)
    firsts, run = _runs(ctx, take(ctx, keys, 0, order))
    found = ctx.emit("Shape", firsts)
    indices = take(ctx, order, 0, firsts)
    inverse = _scattered(ctx, order, run, host.as_vector(ctx, n))
    counts = _scattered(ctx, run, ctx.emit("OnesLike", run), found)
    if not is_sorted:
        marks = _scattered(ctx, indices, ctx.emit("OnesLike", indices), host.as_vector(ctx, n))
        indices = _where(ctx, cast(ctx, marks, "bool"))
        appearing = take(ctx, inverse, 0, indices)
        counts = take(ctx, counts, 0, appearing)
        inverse = take(ctx, _scattered(ctx, appearing, span(ctx, appearing, 0), found), 0, inverse)
    y = cast(ctx, take(ctx, x, axis, indices), ctx.type(ctx.operand(0)).dtype)
    ctx.result(y, indices, inverse, counts)


def _ascending(ctx: LoweringContext, keys: Ref, n: Size) -> Ref:
    """The places of the elements of a vector in ascending order; of equals the first comes first."""
    if n == Size(1):  # WebGPU hands out the operand itself
        return ctx.data(np.zeros(1, dtype=np.int32))
    return ctx.emit_all("TopKV2", ctx.emit("Neg", keys), host.scalar(ctx, host.as_vector(ctx, n)), sorted=True)[1]


def _runs(ctx: LoweringContext, keys: Ref) -> tuple[Ref, Ref]:
    """Where each run of equals begins in a sorted vector, and the number of the run that each element belongs to."""
    places = span(ctx, keys, 0)
    one, zero = (ctx.data(np.asarray(value, dtype=np.int32)) for value in (1, 0))
    before = take(ctx, keys, 0, ctx.emit("Maximum", ctx.emit("Sub", places, one), zero))
    begins = ctx.emit("LogicalOr", ctx.emit("NotEqual", keys, before), ctx.emit("Equal", places, zero))
    counted = ctx.emit("Cumsum", cast(ctx, begins, "int32"), ctx.param(0), exclusive=False, reverse=False)
    return _where(ctx, begins), ctx.emit("Sub", counted, one)


def _scattered(ctx: LoweringContext, places: Ref, values: Ref, length: Ref) -> Ref:
    """A vector with values at places, added up where these meet."""
    return ctx.emit("ScatterNd", host.unsqueeze(ctx, places, [1]), values, length)


def _keys(ctx: LoweringContext, x: Ref, axis: int) -> Ref:
    """One number for each slice along an axis, in the order of the slices; equal slices have equal numbers."""
    if ctx.rank(x) == 1:
        return x
    sizes = host.sizes(ctx, x)
    n, width = sizes[axis], host.product([*sizes[:axis], *sizes[axis + 1 :]])
    if not width.is_static or width.number > MOST_COLUMNS:
        ctx.refuse(
            f"distinct slices of {width.name or width.number} elements", hint=f"at most {MOST_COLUMNS} are compared"
        )
    order = [axis, *[at for at in range(len(sizes)) if at != axis]]
    columns = host.resize(ctx, transpose(ctx, x, order), [n, width])
    keys: Ref | None = None
    for column in ctx.emit_all("Unpack", columns, axis=1):
        ranks = _ranks(ctx, column)
        keys = ranks if keys is None else _ranks(ctx, ctx.emit("AddV2", ctx.emit("Mul", keys, as_data(ctx, n)), ranks))
    return keys if keys is not None else ctx.refuse("the slices are empty")


def _ranks(ctx: LoweringContext, column: Ref) -> Ref:
    """How many elements of a vector are less than each."""
    less = ctx.emit("Less", host.unsqueeze(ctx, column, [0]), host.unsqueeze(ctx, column, [1]))
    return reduce_axes(ctx, "Sum", cast(ctx, less, "int32"), [1], keepdims=False)
