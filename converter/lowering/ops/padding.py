"""Pad: by a constant, or by elements of the value itself."""

from collections.abc import Sequence

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.legal import MAX_RANK, TF_TYPE, as_number, cast, pad
from converter.lowering.movement import empty, fold, take, unfold
from converter.lowering.registry import lowers
from converter.tfjs.graph import Ref

BIND = "make the pads a constant of the model, or fix the sizes they depend on with `--bind name=size`"


@lowers("Pad", since=(2,))
def lower_pad_2(ctx: LoweringContext) -> None:
    """The data with elements added before and after each axis; negative pads cut.

    Emits: as later versions.
    """
    value = float(ctx.attr("value", 0.0))
    _lower(ctx, _pairs(ctx, ctx.attr("pads"), None), value)


@lowers("Pad", since=(11, 13, 18, 19, 21, 23, 24, 25), const_inputs=(3,))
def lower_pad(ctx: LoweringContext) -> None:
    """The data with elements added before and after some axes; negative pads cut.

    Emits: PadV2 for a constant; MirrorPad for numbers that are reflected once; else a GatherV2 along each axis.
    Source: https://onnx.ai/onnx/operators/onnx__Pad.html
    """
    pads = ctx.ints(1)
    if pads is None:
        _lower_at_run_time(ctx)
    else:
        _lower(ctx, _pairs(ctx, pads, ctx.ints(3)), _value(ctx))


def _value(ctx: LoweringContext) -> float | Ref:
    if not ctx.has(2):
        return 0.0
    known = ctx.known(2)
    if known is not None:
        return float(known.item()) if ctx.dtype(2).is_float else int(known.item())
    return as_number(ctx, host.scalar(ctx, host.argument(ctx, 2, "the value")))


def _pairs(ctx: LoweringContext, pads: Sequence[int], axes: Sequence[int] | None) -> list[tuple[int, int]]:
    """What to add before and after each axis."""
    rank = ctx.rank(ctx.operand(0))
    axes = list(range(rank)) if axes is None else axes
    if len(pads) != 2 * len(axes):
        ctx.refuse(f"{len(pads)} pads for {len(axes)} axes")
    pairs = [(0, 0)] * rank
    for position, axis in enumerate(axes):
        pairs[ctx.axis(axis, rank)] = pads[position], pads[position + len(axes)]
    return pairs


def _lower(ctx: LoweringContext, pairs: Sequence[tuple[int, int]], value: float | Ref) -> None:
    mode, x = ctx.attr("mode", "constant"), ctx.operand(0)
    if (nothing := empty(ctx)) is not None:
        ctx.result(nothing)
    elif mode == "constant":
        ctx.result(_padded(ctx, x, pairs, value))
    elif mode == "reflect" and _is_mirror(ctx, x, pairs):
        ctx.result(ctx.emit("MirrorPad", x, ctx.param_matrix(pairs), mode="REFLECT"))
    elif mode in ("edge", "reflect", "wrap"):
        for axis, (before, after) in enumerate(pairs):
            if before or after:
                x = take(ctx, x, axis, _sources(ctx, x, axis, before, after, mode))
        ctx.result(x)
    else:
        ctx.refuse(f"mode {mode!r} is not one of constant, edge, reflect, wrap")


def _is_mirror(ctx: LoweringContext, x: Ref, pairs: Sequence[tuple[int, int]]) -> bool:
    """Whether MirrorPad does it: nothing is cut, and no element is mirrored twice."""
    if ctx.type(x).dtype != "float32" or len(pairs) > MAX_RANK:
        return False
    return all(
        pair == (0, 0) or (isinstance(size, int) and min(pair) >= 0 and max(pair) < size)
        for size, pair in zip(ctx.dims(x), pairs, strict=True)
    )


def _padded(ctx: LoweringContext, x: Ref, pairs: Sequence[tuple[int, int]], value: float | Ref) -> Ref:
    if len(pairs) <= MAX_RANK:
        return pad(ctx, x, pairs, value)
    for axis, pair in enumerate(pairs):
        if pair != (0, 0):
            shape = host.sizes(ctx, x)
            x = unfold(ctx, pad(ctx, fold(ctx, x, axis), [(0, 0), pair, (0, 0)], value), shape, axis)
    return x


def _sources(ctx: LoweringContext, x: Ref, axis: int, before: int, after: int, mode: str) -> Ref:
    """The positions along the axis that the padded axis is made of."""
    size = host.sizes(ctx, x)[axis]
    if size.is_static:
        kept = np.arange(size.number, dtype=np.int32)[max(-before, 0) : size.number - max(-after, 0)]
        return ctx.data(np.pad(kept, (max(before, 0), max(after, 0)), mode=mode))  # type: ignore[call-overload]
    if mode == "wrap" and min(before, after) < 0:
        ctx.refuse("mode 'wrap' with negative pads on a dynamic axis", hint=f"fix axis {axis} with `--bind`")
    whole = host.as_vector(ctx, size)
    end = ctx.emit("AddV2", whole, host.number(ctx, after))
    places = ctx.emit("Range", ctx.param(-before), end, ctx.param(1), Tidx=TF_TYPE["int32"])
    if mode == "wrap":
        return ctx.emit("FloorMod", places, whole)
    last = ctx.emit("Sub", whole, host.number(ctx, 1))
    if mode == "edge":
        return ctx.emit("Minimum", ctx.emit("Maximum", places, host.number(ctx, 0)), last)
    return ctx.emit("Sub", last, ctx.emit("Abs", ctx.emit("Sub", last, ctx.emit("Abs", places))))


def _lower_at_run_time(ctx: LoweringContext) -> None:
    """Pads that only the running graph knows: cut what is negative, then add what is positive."""
    pads, x = host.argument(ctx, 1, "the pads"), ctx.operand(0)
    if ctx.attr("mode", "constant") != "constant" or ctx.rank(x) > MAX_RANK:
        ctx.refuse("pads must be known before the graph runs, but for mode constant up to rank 4", hint=BIND)
    zero, value = host.number(ctx, 0), _value(ctx)
    before, after = _sides(ctx, pads, ctx.rank(x))
    cut_before, cut_after = (ctx.emit("Maximum", ctx.emit("Neg", side), zero) for side in (before, after))
    left = ctx.emit("Sub", ctx.emit("Sub", ctx.emit("Shape", x), cut_before), cut_after)
    number = ctx.emit("Slice", as_number(ctx, x), cut_before, left)
    matrix = ctx.emit("Pack", *(ctx.emit("Maximum", side, zero) for side in (before, after)), axis=1)
    filler = value if isinstance(value, Ref) else ctx.data(np.asarray(value, dtype=ctx.type(number).dtype))
    ctx.result(cast(ctx, ctx.emit("PadV2", number, matrix, filler), ctx.type(x).dtype))


def _sides(ctx: LoweringContext, pads: Ref, rank: int) -> tuple[Ref, Ref]:
    """What to add before each axis, and after."""
    axes = ctx.ints(3) or list(range(rank))
    given = {ctx.axis(axis, rank): position for position, axis in enumerate(axes)}
    before, after = (
        host.shape_vector(
            ctx,
            [
                host.element(ctx, pads, given[axis] + offset) if axis in given else host.number(ctx, 0)
                for axis in range(rank)
            ],
        )
        for offset in (0, len(axes))
    )
    return before, after
