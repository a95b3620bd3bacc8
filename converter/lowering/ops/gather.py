"""Operators that pick elements by their positions."""

import numpy as np

from converter.dtypes import INT32_HIGHEST
from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.indexing import counted_from_front, in_batches, row_numbers, rows_of
from converter.lowering.legal import as_number, cast, transpose
from converter.lowering.movement import contiguous, empty, take
from converter.lowering.registry import lowers


@lowers("Gather", since=(1, 11, 13))
def lower_gather(ctx: LoweringContext) -> None:
    """The entries of the data at the indices along an axis; negative indices count from the end.

    Shapes: data (…, axis, …), indices (i…) -> (…, i…, …)
    Emits: GatherV2; Slice for known indices that follow each other.
    """
    x, known = ctx.operand(0), ctx.known(1)
    axis = ctx.axis(ctx.attr("axis", 0), ctx.rank(x))
    if (nothing := empty(ctx)) is not None:
        ctx.result(nothing)
    elif known is not None and known.ndim == 0:
        index = int(known)
        one = contiguous(ctx, x, {axis: (index, INT32_HIGHEST if index == -1 else index + 1)})
        ctx.result(host.squeeze(ctx, one, [axis]))
    elif known is not None and known.ndim == 1 and known.size and known[0] >= 0 and (np.diff(known) == 1).all():
        ctx.result(contiguous(ctx, x, {axis: (int(known[0]), int(known[-1]) + 1)}))
    else:
        ctx.result(take(ctx, x, axis, counted_from_front(ctx, 1, host.sizes(ctx, x)[axis])))


@lowers("GatherElements", since=(11, 13))
def lower_gather_elements(ctx: LoweringContext) -> None:
    """For each index the element at that position along the axis, and at the index's own position along the others.

    Shapes: data, indices of one rank -> the shape of the indices
    Emits: GatherV2 of single elements, the axis last, all rows one after the other; wasm is wrong with batch_dims.
    """
    x, rank = ctx.operand(0), ctx.rank(ctx.operand(0))
    axis = ctx.axis(ctx.attr("axis", 0), rank)
    if (nothing := empty(ctx)) is not None:
        ctx.result(nothing)
        return
    indices = counted_from_front(ctx, 1, host.sizes(ctx, x)[axis])
    shape = host.sizes(ctx, indices)
    others = {at: (0, size.number) for at, size in enumerate(shape) if at != axis and size.is_static}
    rows, _ = rows_of(ctx, contiguous(ctx, as_number(ctx, x), others), axis)
    row_indices, order = rows_of(ctx, indices, axis)
    row_shape = host.sizes(ctx, rows)
    elements = host.resize(ctx, rows, [host.product(row_shape)])
    picked = take(ctx, elements, 0, in_batches(ctx, row_indices, row_shape[1]))
    picked = host.resize(ctx, picked, [shape[at] for at in order])
    ctx.result(cast(ctx, transpose(ctx, picked, [order.index(at) for at in range(rank)]), ctx.type(x).dtype))


@lowers("GatherND", since=(11, 12, 13))
def lower_gather_nd(ctx: LoweringContext) -> None:
    """The slices of the data at coordinates, batch by batch.

    Shapes: data (batch…, d1, …, dk, slice…), indices (batch…, i…, k) -> (batch…, i…, slice…)
    Emits: GatherV2 of rows, the batch and the k axes being one.
    """
    x, n_batch = ctx.operand(0), ctx.attr("batch_dims", 0)
    if (nothing := empty(ctx)) is not None:
        ctx.result(nothing)
        return
    indices = ctx.operand(1)
    *outer, depth = host.sizes(ctx, indices)
    if not depth.is_static:
        ctx.refuse("the length of a coordinate must be known before the graph runs")
    shape, end = host.sizes(ctx, x), n_batch + depth.number
    axes, rest = shape[n_batch:end], shape[end:]
    numbers = row_numbers(ctx, 1, axes)
    numbers = host.resize(ctx, numbers, [host.product(outer[:n_batch]), host.product(outer[n_batch:])])
    data = host.resize(ctx, x, [host.product(shape[:end]), host.product(rest)])
    picked = take(ctx, data, 0, in_batches(ctx, numbers, host.product(axes)))
    ctx.result(host.resize(ctx, picked, [*outer, *rest]))
