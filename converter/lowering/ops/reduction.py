"""Operators that reduce a value along axes."""

from collections.abc import Callable

import numpy as np

from converter.dtypes import INT32_HIGHEST, INT32_LOWEST, DType
from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.legal import MAX_RANK, cast, pad
from converter.lowering.movement import empty
from converter.lowering.reduce import Axes, reduce_axes
from converter.lowering.registry import lowers
from converter.tfjs.graph import Ref

BIND = "make the axes a constant of the model, or fix sizes with `--bind name=size`"
LARGEST = float(np.finfo(np.float32).max)
AXES_FROM_INPUT = {"ReduceSum": 13}  # the other operators: since 18
NEUTRAL = {
    "ReduceSum": 0.0, "ReduceL1": 0.0, "ReduceL2": 0.0, "ReduceSumSquare": 0.0, "ReduceProd": 1.0,
    "ReduceLogSum": -np.inf, "ReduceLogSumExp": -np.inf, "ReduceMax": -np.inf, "ReduceMin": np.inf,
    "ReduceMean": np.nan,
}  # fmt: skip

_PADDING = {op: 0.0 if op == "ReduceLogSum" else value for op, value in NEUTRAL.items() if op != "ReduceMean"}
"""The element that changes no result."""


@lowers("ReduceSum", since=(1, 11, 13))
@lowers("ReduceMean", "ReduceProd", since=(1, 11, 13, 18))
@lowers("ReduceMax", "ReduceMin", since=(1, 11, 12, 13, 18, 20))
def lower_reduce(ctx: LoweringContext) -> None:
    """The sum, mean, product, maximum or minimum along axes.

    Emits: Sum, Mean, Prod, Max or Min; for integers on the last axes, and an integer mean divides by FloorDiv.
    """
    op = ctx.node.op.removeprefix("Reduce")
    _lower(ctx, lambda x, axes, keepdims: reduce_axes(ctx, op, x, axes, keepdims=keepdims))


@lowers("ReduceL1", since=(1, 11, 13, 18))
def lower_reduce_l1(ctx: LoweringContext) -> None:
    """The sum of the absolute values along axes."""
    _lower(ctx, lambda x, axes, keepdims: reduce_axes(ctx, "Sum", ctx.emit("Abs", x), axes, keepdims=keepdims))


@lowers("ReduceSumSquare", since=(1, 11, 13, 18))
def lower_reduce_sum_square(ctx: LoweringContext) -> None:
    """The sum of the squares along axes."""
    _lower(ctx, lambda x, axes, keepdims: reduce_axes(ctx, "Sum", ctx.emit("Mul", x, x), axes, keepdims=keepdims))


@lowers("ReduceL2", since=(1, 11, 13, 18))
def lower_reduce_l2(ctx: LoweringContext) -> None:
    """The square root of the sum of the squares along axes."""

    def l2(x: Ref, axes: Axes, keepdims: bool) -> Ref:
        return ctx.emit("Sqrt", reduce_axes(ctx, "Sum", ctx.emit("Mul", x, x), axes, keepdims=keepdims))

    _lower(ctx, l2, in_floats=True)


@lowers("ReduceLogSum", since=(1, 11, 13, 18, 28))
def lower_reduce_log_sum(ctx: LoweringContext) -> None:
    """The logarithm of the sum along axes."""
    _lower(
        ctx,
        lambda x, axes, keepdims: ctx.emit("Log", reduce_axes(ctx, "Sum", x, axes, keepdims=keepdims)),
        in_floats=True,
    )


@lowers("ReduceLogSumExp", since=(1, 11, 13, 18, 28))
def lower_reduce_log_sum_exp(ctx: LoweringContext) -> None:
    """The logarithm of the sum of the exponentials along axes.

    Emits: Max, ClipByValue, Sub, Exp, Sum, Log, AddV2: the largest exponent is taken out, so that none overflows.
    """

    def log_sum_exp(x: Ref, axes: Axes, keepdims: bool) -> Ref:
        highest = _finite(ctx, reduce_axes(ctx, "Max", x, axes, keepdims=True))
        total = reduce_axes(ctx, "Sum", ctx.emit("Exp", ctx.emit("Sub", x, highest)), axes, keepdims=keepdims)
        if not keepdims:
            highest = _finite(ctx, reduce_axes(ctx, "Max", x, axes, keepdims=False))
        return ctx.emit("AddV2", ctx.emit("Log", total), highest)

    _lower(ctx, log_sum_exp, in_floats=True)


def _finite(ctx: LoweringContext, x: Ref) -> Ref:
    return ctx.emit("ClipByValue", x, ctx.data(-LARGEST), ctx.data(LARGEST))


def _lower(ctx: LoweringContext, compute: Callable[[Ref, Axes, bool], Ref], *, in_floats: bool = False) -> None:
    keepdims = bool(ctx.attr("keepdims", 1))
    axes = _axes(ctx)
    if (nothing := empty(ctx)) is not None:
        ctx.result(nothing)
    elif (neutral := _of_nothing(ctx)) is not None:
        ctx.result(neutral)
    else:
        x = ctx.operand(0)
        storage = ctx.type(x).dtype
        x = _filled(ctx, cast(ctx, x, "float32") if in_floats else x, axes)
        ctx.result(cast(ctx, compute(x, axes, keepdims), storage))


def _filled(ctx: LoweringContext, x: Ref, axes: Axes) -> Ref:
    """The operand with one more element that changes no result, where there may be none and the result is not empty.

    A reduction of no elements is whatever the memory holds on wasm, NaN on cpu, and fails on GPUs. A mean is left
    alone: no element leaves it as it is.
    """
    dims = ctx.dims(x)
    neutral = _PADDING.get(ctx.node.op)
    if isinstance(axes, Ref) or neutral is None or len(dims) > MAX_RANK:
        return x
    kept = {dim for axis, dim in enumerate(dims) if axis not in axes} - {None}
    dynamic = [axis for axis in axes if not isinstance(dims[axis], int) and dims[axis] not in kept]
    if ctx.type(x).dtype == "bool":
        neutral = float(neutral > 0)
    elif ctx.type(x).dtype == "int32":
        neutral = float(np.clip(neutral, INT32_LOWEST, INT32_HIGHEST))
    return pad(ctx, x, [(0, int(axis in dynamic)) for axis in range(len(dims))], neutral)


def _axes(ctx: LoweringContext) -> Axes:
    """The axes to reduce, counted from the front; none where `noop_with_empty_axes` says so."""
    rank = ctx.rank(ctx.operand(0))
    if ctx.since < AXES_FROM_INPUT.get(ctx.node.op, 18):
        axes = ctx.attr("axes", None)
    else:
        axes = ctx.ints(1)
        ctx.attr("noop_with_empty_axes", 0)
        if axes is None and ctx.has(1) and ctx.onnx_type(1).shape != (0,):
            return host.argument(ctx, 1, "the axes")
    if axes:
        return [ctx.axis(axis, rank) for axis in axes]
    return [] if ctx.attr("noop_with_empty_axes", 0) else list(range(rank))


def _of_nothing(ctx: LoweringContext) -> Ref | None:
    """The result where no elements are reduced at all: each operator has its own."""
    if 0 not in ctx.dims(ctx.operand(0)):
        return None
    type_ = ctx.output_type()
    if type_.shape is None or not type_.is_static:
        ctx.refuse("what is left of a value without elements must be known before the graph runs", hint=BIND)
    shape = [int(dim or 0) for dim in type_.shape]
    return ctx.data(np.full(shape, _neutral(ctx, type_.dtype), dtype=type_.dtype.storage))


def _neutral(ctx: LoweringContext, dtype: DType) -> float:
    """What a reduction of nothing gives; the end of an integer's range stands for an infinity."""
    value = NEUTRAL[ctx.node.op]
    if dtype.is_float or np.isfinite(value):
        return value
    if dtype.name == "bool" and not np.isnan(value):
        return float(value > 0)
    end = dtype.highest if value > 0 else dtype.lowest
    if end is None or np.isnan(value) or not INT32_LOWEST <= end <= INT32_HIGHEST:
        ctx.refuse(f"a reduction of no {dtype.name} elements has no value that TF.js can hold")
    return end
