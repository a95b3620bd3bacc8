"""Operators that put elements at positions."""

from collections.abc import Mapping

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.indexing import counted_from_front, in_batches, row_numbers, rows_of
from converter.lowering.legal import cast, select, transpose
from converter.lowering.movement import movable, span
from converter.lowering.reduce import reduce_axes
from converter.lowering.registry import lowers
from converter.tfjs.graph import Ref

COMBINE: Mapping[str, tuple[str, str, float, int]] = {
    # how updates of one element combine, how they combine with it, and what changes nothing in float32 and int32
    "mul": ("Prod", "Mul", 1.0, 1),
    "max": ("Max", "Maximum", -np.inf, -(2**31)),
    "min": ("Min", "Minimum", np.inf, 2**31 - 128),  # the largest int32 that a float32 holds
}


@lowers("ScatterElements", since=(11, 13, 16, 18))
@lowers("Scatter", since=(9,))
def lower_scatter_elements(ctx: LoweringContext) -> None:
    """The data, with each update at its index along the axis and at its own position along the others.

    Shapes: data; indices and updates of one shape, not larger than the data but along the axis -> as data
    Emits: TensorScatterUpdate on rows of one element; for a reduction see `_combined`.
    """
    x, axis_attr = ctx.operand(0), ctx.attr("axis", 0)
    axis = ctx.axis(axis_attr, ctx.rank(x))
    reduction = ctx.attr("reduction", "none")
    if 0 in ctx.dims(ctx.operand(1)):
        ctx.result(x)
        return
    size = host.sizes(ctx, x)[axis]
    data, order = rows_of(ctx, movable(ctx, x), axis)
    places, _ = rows_of(ctx, counted_from_front(ctx, 1, size), axis)
    updates, _ = rows_of(ctx, movable(ctx, ctx.operand(2)), axis)
    if (starts := _row_starts(ctx, axis)) is not None:
        places = host.resize(ctx, ctx.emit("AddV2", places, ctx.data(starts)), [Size(1), None])
        data, updates = (host.resize(ctx, matrix, [Size(1), None]) for matrix in (data, updates))
    columns = [host.resize(ctx, matrix, [*host.sizes(ctx, matrix), Size(1)]) for matrix in (data, updates)]
    result = _scattered(ctx, columns[0], places, columns[1], reduction)
    shape = host.sizes(ctx, x)
    moved = host.resize(ctx, result, [shape[at] for at in order])
    ctx.result(cast(ctx, transpose(ctx, moved, [order.index(at) for at in range(len(order))]), ctx.type(x).dtype))


def _row_starts(ctx: LoweringContext, axis: int) -> np.ndarray | None:
    """Where in the data each row of indices begins, None if the two have the same rows."""
    data, indices = ([dim for at, dim in enumerate(ctx.dims(ctx.operand(index))) if at != axis] for index in (0, 1))
    size = ctx.dims(ctx.operand(0))[axis]
    if data == indices and None not in data:
        return None
    lengths, counts = ([dim for dim in dims if isinstance(dim, int)] for dims in (data, indices))
    if len(lengths) < len(data) or len(counts) < len(indices) or not isinstance(size, int):
        ctx.refuse("indices that may not cover the data need fixed sizes", hint="fix them with `--bind name=size`")
    grid = np.indices(counts).reshape(len(counts), -1)
    starts = np.asarray(np.ravel_multi_index(tuple(grid), lengths)) * size
    return starts.astype(np.int32).reshape(-1, 1)


@lowers("ScatterND", since=(11, 13, 16, 18))
def lower_scatter_nd(ctx: LoweringContext) -> None:
    """The data, with each slice of the updates at its coordinates.

    Shapes: data (d1, …, dk, slice…), indices (i…, k), updates (i…, slice…) -> as data
    Emits: TensorScatterUpdate of rows, the k axes being one; for a reduction see `_combined`.
    """
    x, reduction = ctx.operand(0), ctx.attr("reduction", "none")
    *outer, depth = host.sizes(ctx, ctx.operand(1))
    if 0 in ctx.dims(ctx.operand(1)):
        ctx.result(x)
        return
    if not depth.is_static:
        ctx.refuse("the length of a coordinate must be known before the graph runs")
    shape = host.sizes(ctx, x)
    axes, inner = shape[: depth.number], host.product(shape[depth.number :])
    data = host.resize(ctx, movable(ctx, x), [Size(1), host.product(axes), inner])
    updates = host.resize(ctx, movable(ctx, ctx.operand(2)), [Size(1), host.product(outer), inner])
    places = host.resize(ctx, row_numbers(ctx, 1, axes), [Size(1), host.product(outer)])
    result = host.resize(ctx, _scattered(ctx, data, places, updates, reduction), shape)
    ctx.result(cast(ctx, result, ctx.type(x).dtype))


def _scattered(ctx: LoweringContext, data: Ref, places: Ref, updates: Ref, reduction: str) -> Ref:
    """Updates put into, or combined with, rows of the data, batch by batch.

    Shapes: data (batch, n, inner), places (batch, m) int32, updates (batch, m, inner) -> (batch, n, inner)
    """
    if reduction in COMBINE:
        return _combined(ctx, data, places, updates, reduction)
    if reduction not in ("none", "add"):
        ctx.refuse(f"reduction {reduction!r} is not one of none, add, mul, max, min")
    shape, (_, n_updates, inner) = host.sizes(ctx, data), host.sizes(ctx, updates)
    rows = host.resize(ctx, data, [shape[0] * shape[1], inner])
    numbers = host.resize(ctx, in_batches(ctx, places, shape[1]), [shape[0] * n_updates, Size(1)])
    values = host.resize(ctx, updates, [shape[0] * n_updates, inner])
    if reduction == "none":
        result = ctx.emit("TensorScatterUpdate", rows, numbers, values)
    else:
        added = ctx.emit("ScatterNd", numbers, values, host.shape_vector(ctx, [shape[0] * shape[1], inner]))
        result = ctx.emit("AddV2", rows, added)
    return host.resize(ctx, result, shape)


def _combined(ctx: LoweringContext, data: Ref, places: Ref, updates: Ref, reduction: str) -> Ref:
    """Every row against every update: those that belong to it are reduced, the others changed to a neutral value.

    Emits: Equal, SelectV2, Prod, Max or Min, on tensors of batch · m · n · inner elements.
    """
    reduce, apply, neutral_float, neutral_int = COMBINE[reduction]
    neutral: np.ndarray = np.asarray(neutral_int, dtype=np.int32)
    if ctx.type(data).dtype == "float32":
        neutral = np.asarray(neutral_float, dtype=np.float32)
    rows = host.resize(ctx, span(ctx, data, 1), [Size(1), Size(1), None, Size(1)])
    hit = ctx.emit("Equal", host.unsqueeze(ctx, places, [2, 3]), rows)
    candidates = select(ctx, hit, host.unsqueeze(ctx, updates, [2]), ctx.data(neutral))
    return ctx.emit(apply, data, reduce_axes(ctx, reduce, candidates, [1], keepdims=False))
