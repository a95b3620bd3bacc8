"""Contributed operators of ONNX Runtime that fuse an activation, a bias or a residual into another operator."""

import numpy as np

from converter.lowering.context import LoweringContext
from converter.lowering.legal import transpose
from converter.lowering.ops.activation import gelu, swish
from converter.lowering.ops.conv import conv
from converter.lowering.ops.linear import gemm, matmul
from converter.lowering.ops.normalization import layer_norm, rms_norm
from converter.lowering.registry import lowers
from converter.onnx_model.contributed_shapes import matmul_order
from converter.tfjs.graph import Ref

DOMAIN = "com.microsoft"
_PLAIN = frozenset({"Relu", "Sigmoid", "Softplus", "Tanh"})


@lowers("Gelu", "BiasGelu", since=(1,), domain=DOMAIN)
def lower_bias_gelu(ctx: LoweringContext) -> None:
    """Y = gelu(X + bias), with the error function; Gelu has no bias."""
    ctx.result(gelu(ctx, _with_bias(ctx), approximate=False))


@lowers("FastGelu", since=(1,), domain=DOMAIN)
def lower_fast_gelu(ctx: LoweringContext) -> None:
    """Y = gelu(X + bias), approximated with tanh."""
    ctx.result(gelu(ctx, _with_bias(ctx), approximate=True))


def _with_bias(ctx: LoweringContext) -> Ref:
    return ctx.emit("AddV2", ctx.operand(0), ctx.operand(1)) if ctx.has(1) else ctx.operand(0)


@lowers("QuickGelu", since=(1,), domain=DOMAIN)
def lower_quick_gelu(ctx: LoweringContext) -> None:
    """Y = X * sigmoid(alpha * X)."""
    ctx.result(swish(ctx, ctx.operand(0), float(ctx.attr("alpha", 1.702))))


@lowers("FusedConv", since=(1,), domain=DOMAIN)
def lower_fused_conv(ctx: LoweringContext) -> None:
    """Y = activation(X convolved with W, plus B, plus Z).

    Shapes: as Conv; Z as Y
    Emits:  as Conv, AddV2, the activation.
    """
    y = conv(ctx)
    if ctx.has(3):
        y = ctx.emit("AddV2", y, ctx.operand(3))
    params: list[float] = list(ctx.attr("activation_params", []))
    ctx.result(_activated(ctx, y, ctx.attr("activation", ""), params))


@lowers("FusedGemm", since=(1,), domain=DOMAIN)
def lower_fused_gemm(ctx: LoweringContext) -> None:
    """Y = activation(alpha * op(A) @ op(B) + beta * C), where op transposes if asked to."""
    y = gemm(ctx)
    found: list[float | None] = [ctx.attr(f"activation_{name}", None) for name in ("alpha", "beta", "gamma")]
    params = [value for value in found if value is not None]
    ctx.result(_activated(ctx, y, ctx.attr("activation", ""), params))


def _activated(ctx: LoweringContext, y: Ref, name: str, params: list[float]) -> Ref:
    if not name:
        return y
    if name in _PLAIN:
        return ctx.emit(name, y)
    if name == "LeakyRelu":
        return ctx.emit("LeakyRelu", y, alpha=params[0] if params else 0.01)
    if name == "Clip" and len(params) == 2:
        return ctx.emit("ClipByValue", y, ctx.data(params[0]), ctx.data(params[1]))
    if name == "HardSigmoid" and len(params) in (0, 2):
        alpha, beta = params or (0.2, 0.5)
        line = ctx.emit("AddV2", ctx.emit("Mul", y, ctx.data(alpha)), ctx.data(beta))
        return ctx.emit("ClipByValue", line, ctx.data(0.0), ctx.data(1.0))
    ctx.refuse(f"the fused activation {name!r} with {len(params)} parameters is not supported")


@lowers("FusedMatMul", since=(1,), domain=DOMAIN)
def lower_fused_matmul(ctx: LoweringContext) -> None:
    """Y = alpha * op(A) @ op(B), where op swaps the last two axes, or moves the first axis before the last, or both.

    Emits: MatMul or BatchMatMulV2, which transpose by themselves; Transpose for the first axis; Mul.
    """
    (a, turn_a), (b, turn_b) = (_side(ctx, index, side) for index, side in enumerate("AB"))
    y, alpha = matmul(ctx, a, b, (turn_a, turn_b)), float(ctx.attr("alpha", 1.0))
    ctx.result(y if alpha == 1.0 else ctx.emit("Mul", y, ctx.data(alpha)))


def _side(ctx: LoweringContext, index: int, side: str) -> tuple[Ref, bool]:
    """Return an operand, and whether its last two axes are still to be swapped: those of a constant are not."""
    turns, moves = bool(ctx.attr(f"trans{side}", 0)), bool(ctx.attr(f"transBatch{side}", 0))
    known = ctx.known(index)
    if known is not None:
        return ctx.data(np.ascontiguousarray(known.transpose(matmul_order(known.ndim, turns, moves)))), False
    x = ctx.operand(index)
    return transpose(ctx, x, matmul_order(ctx.rank(x), False, moves)), turns


@lowers("SkipLayerNormalization", since=(1,), domain=DOMAIN)
def lower_skip_layer_normalization(ctx: LoweringContext) -> None:
    """Y = gamma * normalized(X + skip + bias) + beta over the last axis; the sum is the fourth output.

    Shapes: X, Y (batch, sequence, hidden) or (token, hidden); skip broadcasts to it; gamma, beta, bias (hidden)
    """
    epsilon = float(ctx.attr("epsilon", 1e-12))
    total = _sum_of_branches(ctx, 4)
    y, mean, inverse = layer_norm(ctx, total, [ctx.rank(total) - 1], epsilon)
    y = ctx.emit("Mul", y, ctx.operand(2))
    y = ctx.emit("AddV2", y, ctx.operand(3)) if ctx.has(3) else y
    ctx.result(y, mean, inverse, total)


@lowers("SkipSimplifiedLayerNormalization", since=(1,), domain=DOMAIN)
def lower_skip_simplified_layer_normalization(ctx: LoweringContext) -> None:
    """Y = gamma * (X + skip + bias) over its root mean square along the last axis; the sum is the fourth output.

    Shapes: as SkipLayerNormalization
    """
    epsilon = float(ctx.attr("epsilon", 1e-12))
    if ctx.wants(1):
        ctx.refuse("its output `mean` is not defined, nor made by onnxruntime")
    total = _sum_of_branches(ctx, 3)
    y, inverse = rms_norm(ctx, total, [ctx.rank(total) - 1], epsilon)
    ctx.result(ctx.emit("Mul", y, ctx.operand(2)), inverse, inverse, total)


def _sum_of_branches(ctx: LoweringContext, bias: int) -> Ref:
    total = ctx.emit("AddV2", ctx.operand(0), ctx.operand(1))
    return ctx.emit("AddV2", total, ctx.operand(bias)) if ctx.has(bias) else total
