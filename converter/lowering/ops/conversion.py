"""Changes of element type."""

from converter.dtypes import BY_ONNX_CODE, INT32_HIGHEST, DType
from converter.lowering.context import LoweringContext
from converter.lowering.legal import cast, wrapped
from converter.lowering.registry import lowers
from converter.lowering.rounding import rounded
from converter.tfjs.graph import Ref

CAST_VERSIONS = (6, 9, 13, 19, 21, 23, 24, 25, 28)


@lowers("Cast", since=CAST_VERSIONS)
def lower_cast(ctx: LoweringContext) -> None:
    """Y = X in another element type.

    Emits: Cast between storage types; NotEqual for bool; arithmetic where a narrow integer wraps or a narrow float
           rounds.
    Source: https://onnx.ai/onnx/operators/onnx__Cast.html
    """
    _lower_cast(ctx, BY_ONNX_CODE[int(ctx.attr("to"))])


@lowers("CastLike", since=(15, 19, 21, 23, 24, 25))
def lower_cast_like(ctx: LoweringContext) -> None:
    """Y = X in the element type of the second operand."""
    _lower_cast(ctx, ctx.dtype(1))


def _lower_cast(ctx: LoweringContext, target: DType) -> None:
    x, saturate, round_mode = ctx.operand(0), bool(ctx.attr("saturate", 1)), ctx.attr("round_mode", "up")
    ctx.result(converted(ctx, x, ctx.dtype(0), target, saturate=saturate, round_mode=round_mode))


def converted(
    ctx: LoweringContext, x: Ref, source: DType, target: DType, *, saturate: bool = True, round_mode: str = "up"
) -> Ref:
    """`x`, which has the ONNX type `source`, as `target`.

    Raises: UnsupportedError for strings and complex numbers.
    """
    if source == target:
        return x
    if "string" in (source.name, target.name):
        ctx.refuse(f"TF.js can't cast {source.name} to {target.name}", hint="read or write text outside the model")
    if source.storage is None or target.storage is None or "complex64" in (source.name, target.name):
        ctx.refuse(f"TF.js can't cast {source.name} to {target.name}", hint="split complex numbers into real ones")
    result = cast(ctx, x, target.storage)
    if target.is_float and target.name not in ("float32", "float64") and not target.holds(source):
        return rounded(ctx, result, target, saturate=saturate, round_mode=round_mode)
    if target.is_integer and not target.holds(source):
        return wrapped(ctx, result, target)
    return result


@lowers("BitCast", since=(26,))
def lower_bit_cast(ctx: LoweringContext) -> None:
    """Y = the bits of X, read as a number of another type of as many bits.

    Emits: Cast, FloorMod; nothing where the numbers stay what they are.
    Raises: UnsupportedError for real numbers, whose bits TF.js can't reach, and for integers that int32 can't hold.
    Source: https://onnx.ai/onnx/operators/onnx__BitCast.html
    """
    x, source, target = ctx.operand(0), ctx.dtype(0), BY_ONNX_CODE[int(ctx.attr("to"))]
    if source == target:
        ctx.result(x)
        return
    if not all(row.is_integer or row.name == "bool" for row in (source, target)):
        ctx.refuse(f"TF.js can't reach the bits of {source.name} as {target.name}", hint="use Cast, or keep one type")
    if source.is_integer and target.highest is not None and target.highest > INT32_HIGHEST and source.lowest:
        ctx.refuse(f"negative numbers of {source.name} are {target.name} beyond int32", hint="keep one type")
    ctx.result(converted(ctx, x, source, target))
