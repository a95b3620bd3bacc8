"""Operators that find the largest or smallest elements of an axis, or accumulate along it."""

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.indexing import rows_of
from converter.lowering.legal import MAX_RANK, as_number, cast, select, transpose
from converter.lowering.movement import empty, fold, span, unfold
from converter.lowering.reduce import reduce_axes
from converter.lowering.registry import lowers
from converter.tfjs.graph import Ref

LONGEST_RIGHT = 31  # elements of an axis that one WebGPU thread looks at, in order


@lowers("ArgMax", "ArgMin", since=(1, 11, 12, 13))
def lower_arg(ctx: LoweringContext) -> None:
    """The position of the largest or smallest element along an axis: of equals the first one, or the last.

    Emits: ArgMax or ArgMin on the last axis of a matrix; for long axes and last positions Max or Min, Equal, SelectV2,
           and Min or Max of the positions, since WebGPU picks any of equals (argminmax_webgpu.js).
    """
    x = as_number(ctx, ctx.operand(0))
    axis = ctx.axis(ctx.attr("axis", 0), ctx.rank(x))
    keepdims, last = bool(ctx.attr("keepdims", 1)), bool(ctx.attr("select_last_index", 0))
    ctx.result(_positions(ctx, ctx.node.op, x, axis, keepdims=keepdims, last=last))


def _positions(ctx: LoweringContext, op: str, x: Ref, axis: int, *, keepdims: bool, last: bool = False) -> Ref:
    if ctx.rank(x) == 0:
        return ctx.data(np.zeros((), dtype=np.int32))
    shape = host.sizes(ctx, x)
    rows, _ = rows_of(ctx, x, axis)
    if last or not shape[axis].is_static or shape[axis].number > LONGEST_RIGHT:
        found = _by_comparison(ctx, op, rows, last=last)
    else:
        found = ctx.emit(op, rows, ctx.param(1))
    kept = [Size(1) if at == axis else size for at, size in enumerate(shape) if keepdims or at != axis]
    return host.resize(ctx, found, kept)


def _by_comparison(ctx: LoweringContext, op: str, rows: Ref, *, last: bool) -> Ref:
    best = reduce_axes(ctx, op.removeprefix("Arg"), rows, [1], keepdims=True)
    places = span(ctx, rows, 1)
    other = ctx.data(np.asarray(-1 if last else 2**24, dtype=np.int32))
    candidates = select(ctx, ctx.emit("Equal", rows, best), places, other)
    return reduce_axes(ctx, "Max" if last else "Min", candidates, [1], keepdims=False)


@lowers("Hardmax", since=(1, 11, 13))
def lower_hardmax(ctx: LoweringContext) -> None:
    """1 at the first largest element along an axis, 0 elsewhere; before opset 13 along all axes from `axis` on.

    Emits: ArgMax, and Equal with the positions along the axis.
    """
    x = ctx.operand(0)
    rank, shape = ctx.rank(x), host.sizes(ctx, x)
    if ctx.since < 13:
        axis = ctx.axis(ctx.attr("axis", 1), rank)
        x = host.resize(ctx, x, [host.product(shape[:axis]), host.product(shape[axis:])])
        axis, rank = 1, 2
    else:
        axis = ctx.axis(ctx.attr("axis", -1), rank)
    highest = _positions(ctx, "ArgMax", x, axis, keepdims=True)
    places = host.resize(ctx, span(ctx, x, axis), [None, *[Size(1)] * (rank - axis - 1)])
    ctx.result(host.resize(ctx, cast(ctx, ctx.emit("Equal", highest, places), "float32"), shape))


@lowers("CumSum", since=(11, 14), const_inputs=(1,))
@lowers("CumProd", since=(26,), const_inputs=(1,))
def lower_cumulative(ctx: LoweringContext) -> None:
    """The sums or products of all elements up to each one along an axis.

    Emits: Cumsum or Cumprod; on a value of rank 3 above rank 4, integers on the last axis.
    """
    op = "Cumsum" if ctx.node.op == "CumSum" else "Cumprod"
    flags = {"exclusive": bool(ctx.attr("exclusive", 0)), "reverse": bool(ctx.attr("reverse", 0))}
    x = ctx.operand(0)
    shape = host.sizes(ctx, x)
    axis = ctx.axis(int(ctx.const(1).ravel()[0]), len(shape))
    if ctx.type(x).dtype == "float32" and len(shape) <= MAX_RANK:
        ctx.result(ctx.emit(op, x, ctx.param(axis), **flags))
    elif axis == len(shape) - 1:
        rows = host.resize(ctx, x, [host.product(shape[:-1]), shape[-1]])
        ctx.result(host.resize(ctx, ctx.emit(op, rows, ctx.param(1), **flags), shape))
    else:
        rows = transpose(ctx, fold(ctx, x, axis), [0, 2, 1])
        ctx.result(unfold(ctx, transpose(ctx, ctx.emit(op, rows, ctx.param(2), **flags), [0, 2, 1]), shape, axis))


@lowers("TopK", since=(1, 10, 11, 24))
def lower_top_k(ctx: LoweringContext) -> None:
    """The k largest or smallest elements along an axis, in order, and where they are; of equals the first comes first.

    Emits: TopKV2 on the last axis, between Transposes for another one, between Negs for the smallest.
    """
    ctx.ignore_attrs("sorted")  # sorted is one of the orders that unsorted allows
    x = ctx.operand(0)
    rank, largest = ctx.rank(x), bool(ctx.attr("largest", 1))
    axis = ctx.axis(ctx.attr("axis", -1), rank)
    known = [ctx.attr("k")] if ctx.since == 1 else ctx.ints(1)
    if (nothing := empty(ctx)) is not None:
        ctx.result(nothing, ctx.data(np.zeros(ctx.dims(nothing), dtype=np.int32)))  # type: ignore[arg-type]
        return
    order = [*[at for at in range(rank) if at != axis], axis]
    last = transpose(ctx, x, order)
    k = host.argument(ctx, 1, "k") if known is None else ctx.param(known[0])
    values, indices = _top_k(ctx, last, k, largest=largest)
    back = [order.index(at) for at in range(rank)]
    ctx.result(transpose(ctx, values, back), transpose(ctx, indices, back))


def _top_k(ctx: LoweringContext, x: Ref, k: Ref, *, largest: bool) -> tuple[Ref, Ref]:
    if ctx.dims(x)[-1] == 1:  # WebGPU hands out the operand itself
        return x, ctx.emit("ZerosLike", cast(ctx, x, "int32"))
    signed = x if largest else ctx.emit("Neg", x)
    values, indices = ctx.emit_all("TopKV2", signed, k, sorted=True)
    return values if largest else ctx.emit("Neg", values), indices
