"""Operators between real numbers and the narrow integers that stand for them."""

from collections.abc import Callable

import numpy as np

from converter.dtypes import BY_NAME, BY_ONNX_CODE, DType
from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.legal import cast
from converter.lowering.movement import take
from converter.lowering.narrow import along, centred, is_zero, narrowest, saturated
from converter.lowering.reduce import reduce_axes
from converter.lowering.registry import lowers
from converter.lowering.rounding import rounded
from converter.tfjs.graph import Ref

MAX_AXES = 6


@lowers("QuantizeLinear", since=(1,), domain="com.microsoft")
@lowers("QuantizeLinear", since=(10, 13, 19, 21, 23, 24, 25, 28))
def lower_quantize_linear(ctx: LoweringContext) -> None:
    """Y = saturate(round(x / y_scale) + y_zero_point), for all of x, for each index of an axis, or for each block.

    Shapes: x (d0, …); y_scale, y_zero_point (), (d_axis) or (d0, …, ceil(d_axis / block_size), …)
    Emits:  RealDiv, Round (ties to even on every backend), AddV2, ClipByValue, Cast; more where y is of real numbers.
    Source: https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html
    """
    ctx.ignore_attrs("precision")  # real numbers are float32 here
    target = _quantized_type(ctx)
    x = cast(ctx, ctx.operand(0), "float32")
    rank = ctx.rank(x)
    axis, block = _axis(ctx, rank), int(ctx.attr("block_size", 0))
    if block and ctx.rank(ctx.operand(1)) == rank:
        ctx.result(_by_blocks(ctx, x, axis, block, lambda *cut: _quantized(ctx, target, *cut)))
        return
    zero = None if _has_no_zero_point(ctx) else along(ctx, 2, rank, axis)
    ctx.result(_quantized(ctx, target, x, along(ctx, 1, rank, axis), zero))


def _quantized(ctx: LoweringContext, target: DType, x: Ref, scale: Ref, zero: Ref | None) -> Ref:
    saturate = bool(ctx.attr("saturate", 1))
    y = ctx.emit("RealDiv", x, scale)
    if target.is_integer:
        return cast(ctx, saturated(ctx, y, zero, int(target.lowest or 0), int(target.highest or 0)), "int32")
    return rounded(ctx, y if zero is None else ctx.emit("AddV2", y, zero), target, saturate=saturate)


def _quantized_type(ctx: LoweringContext) -> DType:
    code = ctx.attr("output_dtype", 0)
    if ctx.has(2):
        return ctx.dtype(2)
    return BY_ONNX_CODE[code] if code else BY_NAME["uint8"]


@lowers("DequantizeLinear", since=(1,), domain="com.microsoft")
@lowers("DequantizeLinear", since=(10, 13, 19, 21, 23, 24, 25, 28))
def lower_dequantize_linear(ctx: LoweringContext) -> None:
    """Y = (x - x_zero_point) * x_scale, for all of x, for each index of an axis, or for each block.

    Shapes: as QuantizeLinear
    Emits:  Cast, Sub, Mul; a constant keeps its narrow dtype in the file and is cast when the graph runs.
    Source: https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html
    """
    ctx.ignore_attrs("output_dtype")  # every float type is float32 here
    rank = ctx.rank(ctx.operand(0))
    axis, block = _axis(ctx, rank), int(ctx.attr("block_size", 0))
    if block and ctx.rank(ctx.operand(1)) == rank:
        known = ctx.known(0)
        x = ctx.operand(0) if known is None or not ctx.dtype(0).is_integer else ctx.data(narrowest(known))
        ctx.result(_by_blocks(ctx, cast(ctx, x, "float32"), axis, block, lambda *cut: _dequantized(ctx, *cut)))
        return
    ctx.result(ctx.emit("Mul", centred(ctx, 0, 2, axis), along(ctx, 1, rank, axis)))


def _dequantized(ctx: LoweringContext, x: Ref, scale: Ref, zero: Ref | None) -> Ref:
    return ctx.emit("Mul", x if zero is None else ctx.emit("Sub", x, zero), scale)


def _axis(ctx: LoweringContext, rank: int) -> int:
    """The axis that a vector of scales runs along; a single scale needs none."""
    axis = int(ctx.attr("axis", 1))
    return ctx.axis(axis, rank) if ctx.type(ctx.operand(1)).shape not in ((), (1,)) and rank > 1 else 0


def _has_no_zero_point(ctx: LoweringContext) -> bool:
    return not ctx.has(2) or is_zero(ctx.known(2))


def _by_blocks(
    ctx: LoweringContext, x: Ref, axis: int, block: int, apply: Callable[[Ref, Ref, Ref | None], Ref]
) -> Ref:
    """`apply` to x, the scale and the zero point, those of a block standing for each of its elements."""
    sizes = host.sizes(ctx, x)
    scale = cast(ctx, ctx.operand(1), "float32")
    zero = None if _has_no_zero_point(ctx) else cast(ctx, ctx.operand(2), "float32")
    size = sizes[axis]
    if not size.is_static:
        ctx.refuse(f"blocks along the dynamic dimension {size.name}", hint="fix it with `--bind name=size`")
    if size.number % block == 0 and len(sizes) < MAX_AXES:
        split = [*sizes[:axis], Size(size.number // block), Size(block), *sizes[axis + 1 :]]
        one_each = [None if value is None else host.unsqueeze(ctx, value, [axis + 1]) for value in (scale, zero)]
        y = apply(host.resize(ctx, x, split), one_each[0] or scale, one_each[1])
        return host.resize(ctx, y, sizes)
    places = ctx.data((np.arange(size.number) // block).astype(np.int32))
    return apply(x, take(ctx, scale, axis, places), None if zero is None else take(ctx, zero, axis, places))


@lowers("DynamicQuantizeLinear", since=(11,))
def lower_dynamic_quantize_linear(ctx: LoweringContext) -> None:
    """X as uint8, with the scale and the zero point that its own range asks for; the range always holds 0.

    Shapes: x (d0, …) -> y (d0, …), y_scale (), y_zero_point ()
    Emits:  Max, Min, arithmetic, Round; a scale of 1 where all of x is 0.
    Source: https://onnx.ai/onnx/operators/onnx__DynamicQuantizeLinear.html
    """
    y, scale, zero = dynamically_quantized(ctx, ctx.operand(0))
    ctx.result(cast(ctx, y, "int32"), scale, cast(ctx, zero, "int32"))


def dynamically_quantized(ctx: LoweringContext, x: Ref) -> tuple[Ref, Ref, Ref]:
    """Return a value in 256 steps of its own range, the scale and the zero point, all as float32."""
    flat = host.resize(ctx, x, [None])
    nought, steps = ctx.data(0.0), ctx.data(255.0)
    high = ctx.emit("Maximum", reduce_axes(ctx, "Max", flat, [0], keepdims=False), nought)
    low = ctx.emit("Minimum", reduce_axes(ctx, "Min", flat, [0], keepdims=False), nought)
    scale = ctx.emit("RealDiv", ctx.emit("Sub", high, low), steps)
    is_flat = cast(ctx, ctx.emit("Equal", scale, nought), "float32")
    scale = ctx.emit("AddV2", scale, is_flat)
    zero = ctx.emit("RealDiv", ctx.emit("Neg", low), scale)
    zero = ctx.emit("Round", ctx.emit("ClipByValue", zero, ctx.data(0.0), ctx.data(255.0)))
    return saturated(ctx, ctx.emit("RealDiv", x, scale), zero, 0, 255), scale, zero
