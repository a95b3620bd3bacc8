"""Changes of element type."""

import numpy as np

from converter.dtypes import BY_ONNX_CODE, DType
from converter.lowering.context import LoweringContext
from converter.lowering.legal import cast, wrapped
from converter.lowering.registry import lowers
from converter.tfjs.graph import Ref

CAST_VERSIONS = (6, 9, 13, 19, 21, 23, 24, 25, 28)


@lowers("Cast", since=CAST_VERSIONS)
def lower_cast(ctx: LoweringContext) -> None:
    """Y = X in another element type.

    Emits: Cast between storage types; NotEqual for bool; arithmetic where a narrow integer wraps or float16 rounds.
    """
    ctx.ignore_attrs("saturate", "round_mode")  # they only concern the 8-bit floats, which are refused
    ctx.result(converted(ctx, ctx.operand(0), ctx.dtype(0), BY_ONNX_CODE[int(ctx.attr("to"))]))


@lowers("CastLike", since=(15, 19, 21, 23, 24, 25))
def lower_cast_like(ctx: LoweringContext) -> None:
    """Y = X in the element type of the second operand."""
    ctx.ignore_attrs("saturate", "round_mode")
    ctx.result(converted(ctx, ctx.operand(0), ctx.dtype(0), ctx.dtype(1)))


def converted(ctx: LoweringContext, x: Ref, source: DType, target: DType) -> Ref:
    """`x`, which has the ONNX type `source`, as `target`.

    Raises: UnsupportedError for strings and for types whose rounding TF.js can't do.
    """
    if source == target:
        return x
    if "string" in (source.name, target.name) or target.storage is None:
        ctx.refuse(f"TF.js can't cast {source.name} to {target.name}")
    if target.is_float and target.name not in ("float32", "float64"):
        return _to_narrow_float(ctx, x, source, target)
    result = cast(ctx, x, target.storage)
    narrows = source.is_integer and target.is_integer and not _holds(target, source)
    return wrapped(ctx, result, target) if narrows or (source.is_float and target.is_integer) else result


def _holds(wide: DType, narrow: DType) -> bool:
    return int(wide.lowest or 0) <= int(narrow.lowest or 0) and int(narrow.highest or 0) <= int(wide.highest or 0)


def _to_narrow_float(ctx: LoweringContext, x: Ref, source: DType, target: DType) -> Ref:
    if target.name != "float16":
        ctx.refuse(f"TF.js can't round to {target.name}", hint="keep the model in float32")
    value = cast(ctx, x, "float32")
    if not source.is_float and source.highest is not None and int(source.highest) <= 2048:
        return value
    return _rounded_to_float16(ctx, value)


def _rounded_to_float16(ctx: LoweringContext, x: Ref) -> Ref:
    """The nearest float16 of each value, ties to even, as float32.

    Adding and subtracting 2**13 times a value's own power of two rounds it to 11 significant bits.
    """
    magnitude = ctx.emit("Abs", x)
    exponent = ctx.emit(
        "Floor",
        ctx.emit("Mul", ctx.emit("Log", ctx.emit("Maximum", magnitude, ctx.data(2.0**-14))), ctx.data(1 / np.log(2.0))),
    )
    step = ctx.emit("Pow", ctx.data(2.0), ctx.emit("Sub", exponent, ctx.data(10.0)))
    rounded = ctx.emit("Mul", ctx.emit("Round", ctx.emit("RealDiv", x, step)), step)
    overflow = ctx.emit("Greater", magnitude, ctx.data(65519.996))
    infinite = ctx.emit("Mul", ctx.emit("Sign", x), ctx.data(np.asarray(np.inf, dtype=np.float32)))
    return ctx.emit("SelectV2", overflow, infinite, rounded)
