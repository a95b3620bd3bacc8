"""Operators that make values out of sizes, positions and scalars."""

import numpy as np

from converter.dtypes import BY_ONNX_CODE, dtype_of
from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.legal import TF_TYPE, cast, select
from converter.lowering.movement import count_to, empty, span
from converter.lowering.registry import lowers
from converter.tfjs.graph import Ref


@lowers("ConstantOfShape", since=(9, 20, 21, 23, 24, 25))
def lower_constant_of_shape(ctx: LoweringContext) -> None:
    """One value, repeated into a shape.

    Emits: Fill.
    """
    value = np.asarray(ctx.attr("value", np.zeros(1, dtype=np.float32))).reshape(())
    storage = dtype_of(value).storage
    if storage not in TF_TYPE:
        ctx.refuse(f"TF.js can't fill a tensor with {value.dtype}")
    if (nothing := empty(ctx)) is not None:
        ctx.result(nothing)
        return
    shape = ctx.output_shape()
    if shape is not None and all(isinstance(dim, int) for dim in shape):
        target = ctx.param([int(dim or 0) for dim in shape])
    else:
        target = host.argument(ctx, 0, "the shape")
    number = value.astype(np.int32) if storage == "bool" else value
    filled = ctx.emit(
        "Fill", target, ctx.data(_as_stored(number)), T=TF_TYPE["int32" if storage == "bool" else storage]
    )
    ctx.result(cast(ctx, filled, storage))


def _as_stored(value: np.ndarray) -> np.ndarray:
    return value.astype(np.float32) if value.dtype.kind == "f" else value


@lowers("Range", since=(11, 27))
def lower_range(ctx: LoweringContext) -> None:
    """The numbers from start to limit (not in it) in steps of delta.

    Emits: Range up to a limit that isn't on the wrong side of start, where TF.js would count backwards; for floats
           start + delta * position, since TF.js adds up the rounding errors.
    Source: https://onnx.ai/onnx/operators/onnx__Range.html, @tensorflow/tfjs-backend-cpu kernels/Range_impl.js
    """
    ctx.ignore_attrs("stash_type")  # floats are float32 here, whatever they are kept in between
    start, end, delta = _scalar(ctx, 0, "start"), _reachable(ctx), _scalar(ctx, 2, "delta")
    storage = ctx.type(start).dtype
    numbers = ctx.emit("Range", start, end, delta, Tidx=TF_TYPE[storage])
    if storage == "float32":
        places = cast(ctx, count_to(ctx, ctx.emit("Size", numbers)), "float32")
        scaled = ctx.emit("Mul", places, _scalar(ctx, 2, "delta"))
        numbers = ctx.emit("AddV2", scaled, _scalar(ctx, 0, "start"))
    ctx.result(numbers)


def _scalar(ctx: LoweringContext, index: int, role: str) -> Ref:
    return host.scalar(ctx, host.argument(ctx, index, role))


def _reachable(ctx: LoweringContext) -> Ref:
    """The limit, or start where no step leads to it."""
    start, limit, step = _scalar(ctx, 0, "start"), _scalar(ctx, 1, "limit"), ctx.known(2)
    if step is not None:
        return ctx.emit("Maximum" if step.item() > 0 else "Minimum", limit, start)
    delta = _scalar(ctx, 2, "delta")
    zero = ctx.data(np.zeros((), dtype=ctx.type(delta).dtype))
    upward = cast(ctx, ctx.emit("Greater", delta, zero), ctx.type(delta).dtype)
    high, low = ctx.emit("Maximum", limit, start), ctx.emit("Minimum", limit, start)
    return ctx.emit("AddV2", low, ctx.emit("Mul", upward, ctx.emit("Sub", high, low)))


@lowers("EyeLike", since=(9, 22))
def lower_eye_like(ctx: LoweringContext) -> None:
    """Ones on the k-th diagonal of a matrix like the operand, zeros elsewhere.

    Emits: Equal of positions.
    """
    x, k = ctx.operand(0), ctx.attr("k", 0)
    code = ctx.attr("dtype", None)
    dtype = ctx.dtype(0) if code is None else BY_ONNX_CODE[code]
    if dtype.storage not in TF_TYPE:
        ctx.refuse(f"TF.js has no matrices of {dtype.name}")
    rows, columns = _grid(ctx, x)
    diagonal = ctx.emit("AddV2", rows, ctx.data(np.asarray(k, dtype=np.int32)))
    ctx.result(cast(ctx, ctx.emit("Equal", diagonal, columns), dtype.storage))


def _grid(ctx: LoweringContext, x: Ref) -> tuple[Ref, Ref]:
    """The row numbers of a matrix as a column, its column numbers as a row."""
    rank = ctx.rank(x)
    rows, columns = span(ctx, x, rank - 2), span(ctx, x, rank - 1)
    return host.resize(ctx, rows, [None, Size(1)]), host.resize(ctx, columns, [Size(1), None])


@lowers("Trilu", since=(14,))
def lower_trilu(ctx: LoweringContext) -> None:
    """The part of each matrix on and above its k-th diagonal (`upper`), or on and below it; zeros elsewhere.

    Emits: SelectV2 by a comparison of positions.
    """
    x, upper = ctx.operand(0), bool(ctx.attr("upper", 1))
    if (nothing := empty(ctx)) is not None:
        ctx.result(nothing)
        return
    rows, columns = _grid(ctx, x)
    if ctx.has(1):
        rows = ctx.emit("AddV2", rows, host.scalar(ctx, ctx.operand(1)))
    inside = ctx.emit("GreaterEqual" if upper else "LessEqual", columns, rows)
    ctx.result(select(ctx, inside, x, ctx.data(np.zeros((), dtype=ctx.type(x).dtype))))


@lowers("OneHot", since=(9, 11, 28))
def lower_one_hot(ctx: LoweringContext) -> None:
    """The on value where the position along a new axis is the index, the off value elsewhere.

    Negative indices count from the end; indices outside [-depth, depth) switch nothing on.
    Emits: Equal and SelectV2; the OneHot of TF.js ignores its axis, and wraps no index.
    """
    indices = cast(ctx, ctx.operand(0), "int32")
    rank = ctx.rank(indices)
    axis = ctx.axis(ctx.attr("axis", -1), rank + 1)
    known = ctx.ints(1)
    depth = ctx.data(np.asarray(known[0], dtype=np.int32)) if known else _depth(ctx)
    negative = cast(ctx, ctx.emit("Less", indices, ctx.data(np.zeros((), dtype=np.int32))), "int32")
    positive = ctx.emit("AddV2", indices, ctx.emit("Mul", negative, depth))
    places = ctx.data(np.arange(known[0], dtype=np.int32)) if known else count_to(ctx, _depth(ctx))
    places = host.resize(ctx, places, [None, *[Size(1)] * (rank - axis)])
    hit = ctx.emit("Equal", host.unsqueeze(ctx, positive, [axis]), places)
    ctx.result(_switched(ctx, hit))


def _depth(ctx: LoweringContext) -> Ref:
    return cast(ctx, host.scalar(ctx, host.argument(ctx, 1, "the depth")), "int32")


def _switched(ctx: LoweringContext, hit: Ref) -> Ref:
    values = ctx.operand(2)
    known = ctx.known(2)
    if known is not None and known.tolist() == [0, 1]:
        return cast(ctx, hit, ctx.type(values).dtype)
    off, on = (host.scalar(ctx, host.element(ctx, values, position)) for position in (0, 1))
    return select(ctx, hit, on, off)
