"""Contributed operators of ONNX Runtime on quantized integers: each is float32 between two conversions."""

from collections.abc import Callable, Sequence

import numpy as np

from converter.dtypes import DType
from converter.lowering.context import LoweringContext
from converter.lowering.legal import cast, transpose
from converter.lowering.movement import take
from converter.lowering.narrow import along, centred, is_zero, saturated
from converter.lowering.ops.activation import softmax
from converter.lowering.ops.contrib_attention import packed_attention, refuse_shared_buffers
from converter.lowering.ops.contrib_fused import DOMAIN
from converter.lowering.ops.linear import matmul
from converter.lowering.ops.pool import average_pool
from converter.lowering.ops.quantization import dynamically_quantized
from converter.lowering.registry import lowers
from converter.tfjs.graph import Dim, Ref


@lowers("QLinearAdd", "QLinearMul", since=(1,), domain=DOMAIN)
def lower_qlinear_arithmetic(ctx: LoweringContext) -> None:
    """C = the sum or the product of A and B, all of them quantized.

    Shapes: A and B broadcast; scales and zero points ()
    Emits:  Cast, Sub, Mul, AddV2 or Mul, then RealDiv, Round, AddV2, ClipByValue, Cast.
    """
    a, b = (dequantized(ctx, index) for index in (0, 3))
    ctx.result(requantized(ctx, ctx.emit("AddV2" if ctx.node.op == "QLinearAdd" else "Mul", a, b), 6, ctx.dtype(0)))


@lowers("QLinearConcat", since=(1,), domain=DOMAIN)
def lower_qlinear_concat(ctx: LoweringContext) -> None:
    """Y = the operands one after the other along an axis, each brought to the scale of Y.

    Shapes: Y_scale (), Y_zero_point (), then a value, a scale () and a zero point () for each
    """
    parts = [dequantized(ctx, index) for index in range(2, len(ctx.node.inputs), 3)]
    axis = ctx.axis(int(ctx.attr("axis")), ctx.rank(parts[0]))
    joined = parts[0] if len(parts) == 1 else ctx.emit("ConcatV2", *parts, ctx.param(axis), N=len(parts))
    ctx.result(requantized(ctx, joined, 0, ctx.dtype(1)))


@lowers("QLinearLeakyRelu", since=(1,), domain=DOMAIN)
def lower_qlinear_leaky_relu(ctx: LoweringContext) -> None:
    """Y = X where X >= 0, else alpha * X, both quantized.

    Emits: GatherV2 of the 256 results, exact on every backend, if scales and zero points are known.
    """
    alpha = float(ctx.attr("alpha", 0.01))
    table = _table(ctx, lambda x: np.where(x >= 0, x, x * np.float32(alpha)))
    y = table or requantized(ctx, ctx.emit("LeakyRelu", dequantized(ctx, 0), alpha=alpha), 3, ctx.dtype(0))
    ctx.result(y)


@lowers("QLinearSigmoid", since=(1,), domain=DOMAIN)
def lower_qlinear_sigmoid(ctx: LoweringContext) -> None:
    """Y = 1 / (1 + exp(-X)), both quantized.

    Emits: as QLinearLeakyRelu.
    """
    table = _table(ctx, lambda x: 1 / (1 + np.exp(-x.astype(np.float64))))
    ctx.result(table or requantized(ctx, ctx.emit("Sigmoid", dequantized(ctx, 0)), 3, ctx.dtype(0)))


def _table(ctx: LoweringContext, function: Callable[[np.ndarray], np.ndarray]) -> Ref | None:
    """Return a function of quantized numbers, looked up in a table; None if a scale or zero point is not known."""
    target = ctx.dtype(0)
    low, high = int(target.lowest or 0), int(target.highest or 0)
    found = [_number(ctx, index) for index in (1, 2, 3, 4)]
    if None in found:
        return None
    x_scale, x_zero, y_scale, y_zero = (np.float32(value) for value in found if value is not None)
    results = function((np.arange(low, high + 1, dtype=np.float32) - x_zero) * x_scale).astype(np.float32)
    table = np.clip(np.rint(results / y_scale) + y_zero, low, high).astype(np.int32)
    position = ctx.operand(0) if low == 0 else ctx.emit("Sub", ctx.operand(0), ctx.data(np.asarray(low, np.int32)))
    return take(ctx, ctx.data(table), 0, position)


def _number(ctx: LoweringContext, index: int) -> float | None:
    """Return a known scale or zero point, 0 for one that is absent."""
    if not ctx.has(index):
        return 0.0
    known = ctx.known(index)
    return None if known is None or known.size != 1 else float(known.ravel()[0])


@lowers("QLinearSoftmax", since=(1,), domain=DOMAIN)
def lower_qlinear_softmax(ctx: LoweringContext) -> None:
    """Y = softmax of X along an axis, both quantized; `opset` says of which opset the Softmax is.

    ONNX Runtime takes the inverse of the scale of Y for the next lower integer, which is 256 for nearly all files.
    Emits: Cast, Mul, Softmax, Mul, Round, AddV2, ClipByValue, Cast.
    """
    opset = int(ctx.attr("opset"))
    x = ctx.emit("Mul", cast(ctx, ctx.operand(0), "float32"), along(ctx, 1, 1, 0))
    y = softmax(ctx, "Softmax", x, int(ctx.attr("axis", 1 if opset < 13 else -1)), flattens=opset < 13)
    steps = ctx.emit("Floor", ctx.emit("RealDiv", ctx.data(1.0), along(ctx, 3, 1, 0)))
    ctx.result(_rounded(ctx, ctx.emit("Mul", y, steps), 4, ctx.dtype(0)))


@lowers("QLinearAveragePool", since=(1,), domain=DOMAIN)
def lower_qlinear_average_pool(ctx: LoweringContext) -> None:
    """Y = the mean of the elements in each window, both quantized.

    Shapes: as AveragePool, or with the channels last
    """
    ctx.result(_pooled(ctx, lambda x, declared: average_pool(ctx, x, declared)))


@lowers("QLinearGlobalAveragePool", since=(1,), domain=DOMAIN)
def lower_qlinear_global_average_pool(ctx: LoweringContext) -> None:
    """Y = the mean of each channel, both quantized.

    Shapes: as GlobalAveragePool, or with the channels last
    """
    ctx.result(_pooled(ctx, lambda x, _: ctx.emit("Mean", x, ctx.param(list(range(2, ctx.rank(x)))), keep_dims=True)))


def _pooled(ctx: LoweringContext, pool: Callable[[Ref, Sequence[Dim]], Ref]) -> Ref:
    """Return operand 0 pooled and quantized again; the pool is given the value and its windows, channels second."""
    x, is_last = dequantized(ctx, 0), bool(ctx.attr("channels_last", 0))
    rank, declared = ctx.rank(x), ctx.output_shape() or ()
    if is_last:
        x = transpose(ctx, x, [0, rank - 1, *range(1, rank - 1)])
    y = requantized(ctx, pool(x, declared[1:-1] if is_last else declared[2:]), 3, ctx.dtype(0))
    return transpose(ctx, y, [0, *range(2, rank), 1]) if is_last else y


@lowers("QGemm", since=(1,), domain=DOMAIN)
def lower_qgemm(ctx: LoweringContext) -> None:
    """Y = alpha * (op(A) @ op(B) + C), where op transposes if asked to; float32 if there is no scale of Y.

    Shapes: as Gemm; scales and zero points (), those of B also one for each column; C int32, of the scale of A times B
    Emits:  Cast, Sub, MatMul, AddV2, Mul, then Round, AddV2, ClipByValue, Cast if Y is quantized.
    """
    turns_b = bool(ctx.attr("transB", 0))
    a, b = centred(ctx, 0, 2, 0), centred(ctx, 3, 5, 0 if turns_b else 1)
    y = matmul(ctx, a, b, (bool(ctx.attr("transA", 0)), turns_b))
    if ctx.has(6):
        y = ctx.emit("AddV2", y, cast(ctx, ctx.operand(6), "float32"))
    factor = ctx.emit("Mul", along(ctx, 1, 2, 0), along(ctx, 4, 2, 1))
    if (alpha := float(ctx.attr("alpha", 1.0))) != 1.0:
        factor = ctx.emit("Mul", factor, ctx.data(alpha))
    if not ctx.has(7):
        ctx.result(ctx.emit("Mul", y, factor))
        return
    factor = ctx.emit("RealDiv", factor, along(ctx, 7, 1, 0))
    ctx.result(_rounded(ctx, ctx.emit("Mul", y, factor), 8, ctx.output_type().dtype))


@lowers("MatMulIntegerToFloat", since=(1,), domain=DOMAIN)
def lower_matmul_integer_to_float(ctx: LoweringContext) -> None:
    """Y = (A - a_zero_point) @ (B - b_zero_point) * a_scale * b_scale + bias.

    Shapes: as MatMul; scale and zero point of A (), of B () or one for each column; bias one for each column
    """
    rank = ctx.rank(ctx.operand(0))
    y = _product(ctx, centred(ctx, 0, 4, max(rank - 2, 0)), along(ctx, 2, 1, 0), (1, 3, 5))
    ctx.result(ctx.emit("AddV2", y, ctx.operand(6)) if ctx.has(6) else y)


@lowers("DynamicQuantizeMatMul", since=(1,), domain=DOMAIN)
def lower_dynamic_quantize_matmul(ctx: LoweringContext) -> None:
    """Y = A @ (B - b_zero_point) * b_scale + bias, with A rounded to the 256 steps of its own range first.

    Shapes: as MatMulIntegerToFloat
    Emits:  as DynamicQuantizeLinear and MatMulIntegerToFloat.
    """
    a, scale, zero = dynamically_quantized(ctx, ctx.operand(0))
    y = _product(ctx, ctx.emit("Sub", a, zero), scale, (1, 2, 3))
    ctx.result(ctx.emit("AddV2", y, ctx.operand(4)) if ctx.has(4) else y)


@lowers("QAttention", since=(1,), domain=DOMAIN)
def lower_qattention(ctx: LoweringContext) -> None:
    """Attention whose projection is quantized; all that follows it is float32.

    Shapes: as Attention; scale and zero point of X (), of the weights () or one for each column
    """
    refuse_shared_buffers(ctx, None)
    x = centred(ctx, 0, 6, 1)
    y = _product(ctx, x, along(ctx, 3, 1, 0), (1, 4, 7))
    packed_attention(ctx, ctx.emit("AddV2", y, ctx.operand(2)), (), mask=5, past=8, bias=None)


def _product(ctx: LoweringContext, a: Ref, scale: Ref, b: tuple[int, int, int]) -> Ref:
    """Return a @ b * scale * its scale, b being an operand, its scale and its zero point."""
    index, b_scale, b_zero = b
    rank = ctx.rank(ctx.operand(index))
    product = matmul(ctx, a, centred(ctx, index, b_zero, rank - 1))
    return ctx.emit("Mul", product, ctx.emit("Mul", scale, along(ctx, b_scale, rank, rank - 1)))


def dequantized(ctx: LoweringContext, index: int) -> Ref:
    """Return (x - zero point) * scale for an operand that its scale and its zero point follow."""
    return ctx.emit("Mul", centred(ctx, index, index + 2, 0), along(ctx, index + 1, 1, 0))


def requantized(ctx: LoweringContext, y: Ref, scale: int, target: DType) -> Ref:
    """Return y / scale + zero point, rounded and limited to a type; the zero point follows the scale."""
    return _rounded(ctx, ctx.emit("RealDiv", y, along(ctx, scale, 1, 0)), scale + 1, target)


def _rounded(ctx: LoweringContext, y: Ref, zero_point: int, target: DType) -> Ref:
    zero = None if not ctx.has(zero_point) or is_zero(ctx.known(zero_point)) else along(ctx, zero_point, 1, 0)
    return cast(ctx, saturated(ctx, y, zero, int(target.lowest or 0), int(target.highest or 0)), "int32")
