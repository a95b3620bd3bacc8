"""Convolutions and matrix products of quantized integers.

They run as float32 products of centred integers, which are exact while a sum stays below 2 ** 24: for 8-bit operands
up to 258 products of the largest numbers, in practice far more.
"""

import numpy as np

from converter.dtypes import DType
from converter.lowering.context import LoweringContext
from converter.lowering.legal import cast, reshape, transpose
from converter.lowering.narrow import along, centred, centred_array, is_zero, saturated
from converter.lowering.ops.conv import convolution
from converter.lowering.ops.linear import matmul
from converter.lowering.registry import lowers
from converter.lowering.spatial import Filter, filter_dims, n_spatial, to_channels_first
from converter.lowering.window import read_window
from converter.tfjs.graph import Ref


@lowers("ConvInteger", since=(10,))
def lower_conv_integer(ctx: LoweringContext) -> None:
    """Y = (x - x_zero_point) convolved with (w - w_zero_point), as int32.

    Shapes: as Conv; x_zero_point (), w_zero_point () or one for each output channel
    Emits:  Cast, Sub, then as Conv.
    """
    y, n_axes = _convolved(ctx, x=(0, 2), w=(1, 3))
    ctx.result(cast(ctx, to_channels_first(ctx, y, n_axes), "int32"))


@lowers("QLinearConv", since=(1,), domain="com.microsoft")
@lowers("QLinearConv", since=(10,))
def lower_qlinear_conv(ctx: LoweringContext) -> None:
    """Y = X convolved with W plus B, all of them quantized; the result is rescaled, rounded and saturated.

    Shapes: as Conv, onnxruntime's own one also with the channels of X and Y last; scales and zero points (), those of W
            also one for each output channel
    Emits:  Cast, Sub, as Conv, then Mul, Round, AddV2, ClipByValue, Cast.
    Source: https://onnx.ai/onnx/operators/onnx__QLinearConv.html
    """
    is_last = bool(ctx.attr("channels_last", 0))
    y, n_axes = _convolved(ctx, x=(0, 2), w=(3, 5), is_last=is_last)
    if ctx.has(8):
        y = ctx.emit("AddV2", y, cast(ctx, ctx.operand(8), "float32"))
    rank = n_axes + 2
    y = _rescaled(ctx, y, along(ctx, 1, rank, 0), along(ctx, 4, 1, 0), ctx.dtype(7))
    y = to_channels_first(ctx, y, n_axes)
    ctx.result(cast(ctx, transpose(ctx, y, [0, *range(2, rank), 1]) if is_last else y, "int32"))


def _convolved(
    ctx: LoweringContext, x: tuple[int, int], w: tuple[int, int], *, is_last: bool = False
) -> tuple[Ref, int]:
    """Return the convolution of two operands, each an (operand, its zero point), channels last, and its spatial axes.

    `is_last` says that the channels of the first operand are last as well.
    """
    image = centred(ctx, *x, channel=1)
    if is_last:
        image = transpose(ctx, image, [0, ctx.rank(image) - 1, *range(1, ctx.rank(image) - 1)])
    n_axes, group = n_spatial(ctx, image), int(ctx.attr("group", 1))
    known = centred_array(ctx, *w, channel=0)
    kernel: Filter = known if known is not None else centred(ctx, *w, channel=0)
    window = read_window(ctx, ctx.dims(image)[2:], filter_dims(ctx, kernel)[2:])
    return convolution(ctx, image, kernel, window, group), n_axes


@lowers("MatMulInteger", since=(10,))
def lower_matmul_integer(ctx: LoweringContext) -> None:
    """Y = (A - a_zero_point) @ (B - b_zero_point), as int32.

    Shapes: as MatMul; a_zero_point () or one for each row, b_zero_point () or one for each column
    Emits:  Cast, Sub, MatMul or BatchMatMulV2, Cast.
    """
    ctx.result(cast(ctx, _product(ctx, a=(0, 2), b=(1, 3)), "int32"))


@lowers("QLinearMatMul", since=(10, 21))
def lower_qlinear_matmul(ctx: LoweringContext) -> None:
    """Y = A @ B, both quantized; the result is rescaled, rounded and saturated.

    Shapes: as MatMul; scales and zero points of A () or one for each row, of B () or one for each column
    Emits:  as MatMulInteger, then Mul, Round, AddV2, ClipByValue, Cast.
    Source: https://onnx.ai/onnx/operators/onnx__QLinearMatMul.html
    """
    if not ctx.dtype(7).is_integer:
        ctx.refuse(f"TF.js can't round to {ctx.dtype(7).name}", hint="quantize to int8 or uint8")
    y = _product(ctx, a=(0, 2), b=(3, 5))
    rank = max(ctx.rank(y), 1)
    y = _rescaled(ctx, y, _per_row(ctx, 1, rank), along(ctx, 4, rank, rank - 1), ctx.dtype(7))
    ctx.result(cast(ctx, y, "int32"))


def _per_row(ctx: LoweringContext, index: int, rank: int) -> Ref:
    return along(ctx, index, rank, max(rank - 2, 0))


def _product(ctx: LoweringContext, a: tuple[int, int], b: tuple[int, int]) -> Ref:
    ranks = [ctx.rank(ctx.operand(index)) for index, _ in (a, b)]
    left = centred(ctx, *a, channel=max(ranks[0] - 2, 0))
    return matmul(ctx, left, centred(ctx, *b, channel=ranks[1] - 1))


def _rescaled(ctx: LoweringContext, y: Ref, one: Ref, other: Ref, target: DType) -> Ref:
    """A sum of products times the scales of its operands, over that of the result, rounded into the target type."""
    factor = ctx.emit("RealDiv", ctx.emit("Mul", one, other), _scalar(ctx, 6))
    zero = None if is_zero(ctx.known(7)) else _scalar(ctx, 7)
    return saturated(ctx, ctx.emit("Mul", y, factor), zero, int(target.lowest or 0), int(target.highest or 0))


def _scalar(ctx: LoweringContext, index: int) -> Ref:
    known = ctx.known(index)
    if known is not None and known.size == 1:
        return ctx.data(known.astype(np.float32).reshape(()))
    value = cast(ctx, ctx.operand(index), "float32")
    return reshape(ctx, value, ()) if ctx.dims(value) == (1,) else value
