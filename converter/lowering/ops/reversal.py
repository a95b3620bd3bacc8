"""Reversal of sequences of different lengths."""

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.indexing import in_batches
from converter.lowering.legal import cast, select, transpose
from converter.lowering.movement import movable, span
from converter.lowering.registry import lowers
from converter.tfjs.graph import Ref


@lowers("ReverseSequence", since=(10, 28))
def lower_reverse_sequence(ctx: LoweringContext) -> None:
    """The first elements of each batch, as many as its length says, back to front.

    Shapes: input (time, batch, …) or (batch, time, …), sequence_lens (batch)
    Emits:  GatherV2 of rows; SelectV2 for lengths that only the running graph knows.
    """
    x, dtype = movable(ctx, ctx.operand(0)), ctx.type(ctx.operand(0)).dtype
    if ctx.attr("time_axis", 0) == ctx.attr("batch_axis", 1):
        ctx.refuse("time_axis and batch_axis are the same")
    swap = [1, 0, *range(2, ctx.rank(x))] if ctx.attr("time_axis", 0) == 0 else list(range(ctx.rank(x)))
    moved = transpose(ctx, x, swap)
    sizes = host.sizes(ctx, moved)
    rows = host.resize(ctx, moved, [sizes[0] * sizes[1], host.product(sizes[2:])])
    places = in_batches(ctx, _places(ctx, moved, sizes), sizes[1])
    reversed_ = host.resize(ctx, ctx.emit("GatherV2", rows, places, ctx.param(0)), list(sizes))
    ctx.result(cast(ctx, transpose(ctx, reversed_, swap), dtype))


def _places(ctx: LoweringContext, x: Ref, sizes: list[Size]) -> Ref:
    """Where each element of each batch comes from.

    Shapes: (batch, time)
    """
    known = ctx.known(1)
    if known is not None and sizes[1].is_static:
        places, ends = np.arange(sizes[1].number)[None, :], known.astype(np.int64)[:, None]
        return ctx.data(np.where(places < ends, ends - 1 - places, places).astype(np.int32))
    moments, lengths = span(ctx, x, 1), host.resize(ctx, ctx.operand(1), [None, Size(1)])
    last = ctx.emit("Sub", lengths, ctx.data(np.asarray(1, dtype=np.int32)))
    return select(ctx, ctx.emit("Less", moments, lengths), ctx.emit("Sub", last, moments), moments)
