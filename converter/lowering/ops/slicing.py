"""Operators that cut a value into pieces or join pieces."""

from collections.abc import Sequence

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.movement import Bound, empty, stepped
from converter.lowering.registry import lowers
from converter.tfjs.graph import Ref


@lowers("Slice", since=(1,))
def lower_slice_1(ctx: LoweringContext) -> None:
    """The elements from `starts` to `ends` along some axes; bounds count from the end where they are negative.

    Emits: Slice, or StridedSlice where a dimension is dynamic.
    """
    starts, ends = ctx.attr("starts"), ctx.attr("ends")
    axes = ctx.attr("axes", list(range(len(starts))))
    _slice(ctx, starts, ends, axes, [1] * len(axes))


@lowers("Slice", since=(10, 11, 13), const_inputs=(3, 4))
def lower_slice(ctx: LoweringContext) -> None:
    """The elements from `starts` to `ends` in `steps` along `axes`; bounds may be host values of the running graph.

    Emits: Slice; StridedSlice for dynamic bounds and dimensions, and for steps of float32 up to rank 4; GatherV2 for
           other steps.
    Source: https://onnx.ai/onnx/operators/onnx__Slice.html
    """
    starts, ends = _bounds(ctx, 1, "the starts"), _bounds(ctx, 2, "the ends")
    axes = ctx.ints(3) or list(range(len(starts)))
    _slice(ctx, starts, ends, axes, ctx.ints(4) or [1] * len(axes))


def _bounds(ctx: LoweringContext, index: int, role: str) -> Sequence[Bound]:
    if (known := ctx.ints(index)) is not None:
        return known
    vector = host.argument(ctx, index, role)
    count = host.length(ctx, vector, role)
    return [vector] if count == 1 else [host.element(ctx, vector, position) for position in range(count)]


def _slice(
    ctx: LoweringContext, starts: Sequence[Bound], ends: Sequence[Bound], axes: Sequence[int], steps: Sequence[int]
) -> None:
    if (nothing := empty(ctx)) is not None:
        ctx.result(nothing)
        return
    x = ctx.operand(0)
    if 0 in steps:
        ctx.refuse("a step of a slice is 0")
    rank = ctx.rank(x)
    rows = zip(axes, starts, ends, steps, strict=True)
    ctx.result(stepped(ctx, x, {ctx.axis(axis, rank): (start, end, step) for axis, start, end, step in rows}))


@lowers("Concat", since=(4, 11, 13))
def lower_concat(ctx: LoweringContext) -> None:
    """The operands one after the other along an axis.

    Emits: ConcatV2.
    """
    axis = ctx.attr("axis")
    operands = [_joinable(ctx, index) for index in range(len(ctx.node.inputs))]
    if len(operands) == 1:
        ctx.result(operands[0])
        return
    at = ctx.axis(axis, ctx.rank(operands[0]))
    ctx.result(ctx.emit("ConcatV2", *operands, ctx.param(at), N=len(operands)))


def _joinable(ctx: LoweringContext, index: int) -> Ref:
    """An operand; the constant parts of a shape as constants of their own, so that they stay on the host."""
    values = ctx.known(index)
    if values is not None and values.ndim == 1 and values.size <= 8 and ctx.dtype(index).is_integer:
        return host.number(ctx, *map(int, values))
    return ctx.operand(index)


@lowers("Split", since=(2, 11, 13, 18))
def lower_split(ctx: LoweringContext) -> None:
    """Pieces of the data along an axis: of the sizes given, or of one size, the last one smaller.

    Emits: SplitV; for an axis whose size only the running graph knows, with sizes computed on the host.
    """
    x = ctx.operand(0)
    at = ctx.axis(ctx.attr("axis", 0), ctx.rank(x))
    count = ctx.attr("num_outputs", len(ctx.node.outputs))
    if count < ctx.n_outputs:
        ctx.refuse(f"num_outputs is {count}, but the node has {ctx.n_outputs} outputs")
    sizes = ctx.attr("split", None) if ctx.since < 13 else ctx.ints(1)
    if sizes is not None:
        operand = ctx.param(sizes)
    elif ctx.has(1):
        operand = host.argument(ctx, 1, "the sizes")
    else:
        operand = _equal_sizes(ctx, x, at, count)
    pieces = ctx.emit_all("SplitV", x, operand, ctx.param(at)) if count > 1 else (x,)
    ctx.result(*pieces)


def _equal_sizes(ctx: LoweringContext, x: Ref, axis: int, count: int) -> Ref:
    size = host.sizes(ctx, x)[axis]
    if size.is_static:
        each = -(-size.number // count)
        return ctx.param([*[each] * (count - 1), size.number - each * (count - 1)])
    rounded = ctx.emit("AddV2", host.as_vector(ctx, size), host.number(ctx, count - 1))
    chunk = ctx.emit("FloorDiv", rounded, host.number(ctx, count))
    return host.shape_vector(ctx, [*[chunk] * (count - 1), host.number(ctx, -1)])
