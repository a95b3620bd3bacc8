"""Positions that a model computes, made ready for gathering and scattering: counted from 0, as rows of a matrix."""

from collections.abc import Sequence

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.legal import transpose
from converter.lowering.movement import count_to
from converter.lowering.reduce import reduce_axes
from converter.tfjs.graph import Ref


def counted_from_front(ctx: LoweringContext, index: int, size: Size) -> Ref:
    """An operand's indices into an axis, without negative ones: these throw on cpu and wasm and give 0 elsewhere."""
    known = ctx.known(index)
    if known is not None and (size.is_static or known.size == 0 or int(known.min()) >= 0):
        return ctx.data((known % size.number if size.is_static else known).astype(np.int32))
    return ctx.emit("FloorMod", ctx.operand(index), as_data(ctx, size))


def as_data(ctx: LoweringContext, size: Size) -> Ref:
    """A size as an int32 scalar that kernels read."""
    if size.is_static:
        return ctx.data(np.asarray(size.number, dtype=np.int32))
    return host.scalar(ctx, host.as_vector(ctx, size))


def rows_of(ctx: LoweringContext, x: Ref, axis: int) -> tuple[Ref, list[int]]:
    """`x` as a matrix whose rows run along the axis, and the order of the axes in which it holds them."""
    order = [*[at for at in range(ctx.rank(x)) if at != axis], axis]
    moved = transpose(ctx, x, order)
    shape = host.sizes(ctx, moved)
    return host.resize(ctx, moved, [host.product(shape[:-1]), shape[-1]]), order


def row_numbers(ctx: LoweringContext, index: int, axes: Sequence[Size]) -> Ref:
    """An operand's coordinates (…, k) into k axes as numbers of rows, those axes being one.

    Shapes: (…, k) int32 -> (…,) int32
    """
    known = ctx.known(index)
    if known is not None and all(size.is_static for size in axes):
        dims = [size.number for size in axes]
        columns = np.moveaxis(known % np.asarray(dims, dtype=np.int64), -1, 0)
        return ctx.data(np.asarray(np.ravel_multi_index(tuple(columns), dims)).astype(np.int32))
    places = ctx.emit("FloorMod", ctx.operand(index), _vector(ctx, axes))
    rank = ctx.rank(places)
    if len(axes) == 1:
        return host.squeeze(ctx, places, [rank - 1])
    strides = [host.product(axes[position + 1 :]) for position in range(len(axes))]
    return reduce_axes(ctx, "Sum", ctx.emit("Mul", places, _vector(ctx, strides)), [rank - 1], keepdims=False)


def _vector(ctx: LoweringContext, sizes: Sequence[Size]) -> Ref:
    if all(size.is_static for size in sizes):
        return ctx.data(np.asarray([size.number for size in sizes], dtype=np.int32))
    return host.shape_vector(ctx, sizes)


def in_batches(ctx: LoweringContext, places: Ref, n_rows: Size) -> Ref:
    """Row numbers within each batch (batch, m) as row numbers of all batches together, each of `n_rows`.

    Shapes: (batch, m) int32 -> (batch · m,) int32
    """
    shape = host.sizes(ctx, places)
    if shape[0] != Size(1):
        if shape[0].is_static and n_rows.is_static:
            starts = ctx.data(np.arange(shape[0].number, dtype=np.int32)[:, None] * np.int32(n_rows.number))
        else:
            batches = host.resize(ctx, count_to(ctx, host.as_vector(ctx, shape[0])), [None, Size(1)])
            starts = ctx.emit("Mul", batches, as_data(ctx, n_rows))
        places = ctx.emit("AddV2", places, starts)
    return host.resize(ctx, places, [host.product(shape)])
