"""Activation functions."""

import math

import numpy as np

from converter.dtypes import BY_NAME
from converter.lowering.context import LoweringContext
from converter.lowering.legal import cast, reshape, select, transpose
from converter.lowering.registry import lowers
from converter.tfjs.graph import Ref, n_elements


@lowers("LeakyRelu", since=(6, 16))
def lower_leaky_relu(ctx: LoweringContext) -> None:
    """Y = X where X >= 0, else alpha * X."""
    ctx.result(ctx.emit("LeakyRelu", ctx.operand(0), alpha=float(ctx.attr("alpha", 0.01))))


@lowers("PRelu", since=(6, 7, 9, 16))
def lower_prelu(ctx: LoweringContext) -> None:
    """Y = X where X >= 0, else slope * X; slope broadcasts to X.

    Emits: max(X, 0) + slope * min(X, 0), which is also right for integers.
    """
    x, slope = ctx.operand(0), ctx.operand(1)
    if ctx.since == 6 and ctx.rank(slope) == 1 and ctx.rank(x) > 2:  # one slope for each channel, not broadcast
        slope = reshape(ctx, slope, (*ctx.dims(slope), *[1] * (ctx.rank(x) - 2)))
    zero = ctx.data(np.zeros((), dtype=np.float32 if ctx.type(x).dtype == "float32" else np.int32))
    negative = ctx.emit("Mul", slope, ctx.emit("Minimum", x, zero))
    ctx.result(ctx.emit("AddV2", ctx.emit("Maximum", x, zero), negative))


@lowers("Elu", since=(6, 22))
def lower_elu(ctx: LoweringContext) -> None:
    """Y = X where X >= 0, else alpha * (exp(X) - 1)."""
    _scaled_elu(ctx, float(ctx.attr("alpha", 1.0)), 1.0)


@lowers("Selu", since=(6, 22))
def lower_selu(ctx: LoweringContext) -> None:
    """Y = gamma * X where X > 0, else gamma * alpha * (exp(X) - 1)."""
    _scaled_elu(ctx, float(ctx.attr("alpha", 1.6732632423543772)), float(ctx.attr("gamma", 1.0507009873554805)))


def _scaled_elu(ctx: LoweringContext, alpha: float, gamma: float) -> None:
    x = ctx.operand(0)
    if alpha == 1.0:
        result = ctx.emit("Elu", x)
    else:
        negative = ctx.emit("Expm1", ctx.emit("Minimum", x, ctx.data(0.0)))
        result = ctx.emit("AddV2", ctx.emit("Relu", x), ctx.emit("Mul", negative, ctx.data(alpha)))
    ctx.result(result if gamma == 1.0 else ctx.emit("Mul", result, ctx.data(gamma)))


@lowers("Celu", since=(12, 28))
def lower_celu(ctx: LoweringContext) -> None:
    """Y = max(0, X) + min(0, alpha * (exp(X / alpha) - 1))."""
    alpha = float(ctx.attr("alpha", 1.0))
    x = ctx.operand(0)
    negative = ctx.emit("Elu", ctx.emit("Minimum", ctx.emit("RealDiv", x, ctx.data(alpha)), ctx.data(0.0)))
    ctx.result(ctx.emit("AddV2", ctx.emit("Relu", x), ctx.emit("Mul", negative, ctx.data(alpha))))


@lowers("Clip", since=(6, 11, 12, 13))
def lower_clip(ctx: LoweringContext) -> None:
    """Y = X limited to [min, max]; a bound that is absent does not limit.

    Emits: ClipByValue for float32 with both bounds known; else Maximum and Minimum.
    """
    x = ctx.operand(0)
    if ctx.since == 6:
        low, high = float(ctx.attr("min", -math.inf)), float(ctx.attr("max", math.inf))
        bounds = [None if math.isinf(bound) else np.asarray(bound, dtype=np.float32) for bound in (low, high)]
    else:
        bounds = [ctx.known(1), ctx.known(2)]
        if (ctx.has(1) and bounds[0] is None) or (ctx.has(2) and bounds[1] is None):
            _clip_by_values(ctx, x, ctx.optional(1), ctx.optional(2))
            return
    if ctx.type(x).dtype == "float32" and bounds[0] is not None and bounds[1] is not None:
        low, high = float(bounds[0].ravel()[0]), float(bounds[1].ravel()[0])
        if math.isfinite(low) and math.isfinite(high) and low <= high:
            ctx.result(_clip_to(ctx, x, low, high))
            return
    limits = [None if bound is None else ctx.data(_bound(ctx, bound)) for bound in bounds]
    _clip_by_values(ctx, x, *limits)


def _clip_to(ctx: LoweringContext, x: Ref, low: float, high: float) -> Ref:
    if (low, high) == (0.0, 6.0):
        return ctx.emit("Relu6", x)
    return ctx.emit("ClipByValue", x, ctx.data(low), ctx.data(high))


def _bound(ctx: LoweringContext, bound: np.ndarray) -> np.ndarray:
    if ctx.dtype(0).is_float:
        return np.asarray(bound.ravel()[0], dtype=np.float32)
    row = BY_NAME["int32"]
    return np.asarray(min(max(int(bound.ravel()[0]), int(row.lowest or 0)), int(row.highest or 0)), dtype=np.int32)


def _clip_by_values(ctx: LoweringContext, x: Ref, low: Ref | None, high: Ref | None) -> None:
    if low is not None:
        x = ctx.emit("Maximum", x, low)
    if high is not None:
        x = ctx.emit("Minimum", x, high)
    ctx.result(x)


@lowers("HardSigmoid", since=(6, 22))
def lower_hard_sigmoid(ctx: LoweringContext) -> None:
    """Y = alpha * X + beta, limited to [0, 1]."""
    alpha, beta = float(ctx.attr("alpha", 0.2)), float(ctx.attr("beta", 0.5))
    line = ctx.emit("AddV2", ctx.emit("Mul", ctx.operand(0), ctx.data(alpha)), ctx.data(beta))
    ctx.result(_clip_to(ctx, line, 0.0, 1.0))


@lowers("HardSwish", since=(14, 22))
def lower_hard_swish(ctx: LoweringContext) -> None:
    """Y = X * max(0, min(1, X / 6 + 0.5))."""
    x = ctx.operand(0)
    gate = ctx.emit("Mul", ctx.emit("Relu6", ctx.emit("AddV2", x, ctx.data(3.0))), ctx.data(1.0 / 6.0))
    ctx.result(ctx.emit("Mul", x, gate))


@lowers("Softsign", since=(1, 22))
def lower_softsign(ctx: LoweringContext) -> None:
    """Y = X / (1 + |X|)."""
    x = ctx.operand(0)
    ctx.result(ctx.emit("RealDiv", x, ctx.emit("AddV2", ctx.emit("Abs", x), ctx.data(1.0))))


@lowers("ThresholdedRelu", since=(10, 22))
def lower_thresholded_relu(ctx: LoweringContext) -> None:
    """Y = X where X > alpha, else 0."""
    x = ctx.operand(0)
    above = ctx.emit("Greater", x, ctx.data(float(ctx.attr("alpha", 1.0))))
    ctx.result(select(ctx, above, x, ctx.emit("ZerosLike", x)))


@lowers("Shrink", since=(9,))
def lower_shrink(ctx: LoweringContext) -> None:
    """Y = X + bias where X < -lambd, X - bias where X > lambd, else 0."""
    dtype = ctx.type(ctx.operand(0)).dtype
    x = cast(ctx, ctx.operand(0), "float32")
    bias, lambd = float(ctx.attr("bias", 0.0)), float(ctx.attr("lambd", 0.5))
    low = select(
        ctx, ctx.emit("Less", x, ctx.data(-lambd)), ctx.emit("AddV2", x, ctx.data(bias)), ctx.emit("ZerosLike", x)
    )
    shrunk = select(ctx, ctx.emit("Greater", x, ctx.data(lambd)), ctx.emit("Sub", x, ctx.data(bias)), low)
    ctx.result(cast(ctx, shrunk, dtype))


@lowers("Gelu", since=(20,))
def lower_gelu(ctx: LoweringContext) -> None:
    """Y = 0.5 * X * (1 + erf(X / sqrt 2)), or its tanh approximation."""
    ctx.result(gelu(ctx, ctx.operand(0), approximate=ctx.attr("approximate", "none") == "tanh"))


def gelu(ctx: LoweringContext, x: Ref, *, approximate: bool) -> Ref:
    """Return the GELU of a value: with the error function, or its approximation with tanh."""
    if approximate:
        cubic = ctx.emit("Mul", ctx.emit("Mul", ctx.emit("Mul", x, x), x), ctx.data(0.044715))
        inner = ctx.emit("Mul", ctx.emit("AddV2", x, cubic), ctx.data(math.sqrt(2.0 / math.pi)))
        gate = ctx.emit("Tanh", inner)
    else:
        gate = ctx.emit("Erf", ctx.emit("Mul", x, ctx.data(math.sqrt(0.5))))
    half = ctx.emit("Mul", x, ctx.data(0.5))
    return ctx.emit("Mul", half, ctx.emit("AddV2", gate, ctx.data(1.0)))


@lowers("Mish", since=(18, 22))
def lower_mish(ctx: LoweringContext) -> None:
    """Y = X * tanh(softplus(X))."""
    x = ctx.operand(0)
    ctx.result(ctx.emit("Mul", x, ctx.emit("Tanh", ctx.emit("Softplus", x))))


@lowers("Swish", since=(24,))
def lower_swish(ctx: LoweringContext) -> None:
    """Y = X * sigmoid(alpha * X)."""
    ctx.result(swish(ctx, ctx.operand(0), float(ctx.attr("alpha", 1.0))))


def swish(ctx: LoweringContext, x: Ref, alpha: float) -> Ref:
    """Return x * sigmoid(alpha * x)."""
    gate = x if alpha == 1.0 else ctx.emit("Mul", x, ctx.data(alpha))
    return ctx.emit("Mul", x, ctx.emit("Sigmoid", gate))


@lowers("Softmax", "LogSoftmax", since=(1, 11, 13))
def lower_softmax(ctx: LoweringContext) -> None:
    """Softmax (or its logarithm) along one axis; before opset 13 over all axes from `axis` on.

    Emits: Softmax or LogSoftmax over the last axis, which is the only one that TF.js knows.
    """
    flattens = ctx.since < 13
    axis = int(ctx.attr("axis", 1 if flattens else -1))
    ctx.result(softmax(ctx, ctx.node.op, ctx.operand(0), axis, flattens=flattens))


def softmax(ctx: LoweringContext, op: str, x: Ref, axis: int, *, flattens: bool) -> Ref:
    """Return Softmax or LogSoftmax along an axis, or over all axes from it on if `flattens`."""
    dims = ctx.dims(x)
    rank = len(dims)
    axis = ctx.axis(axis, rank)
    if flattens:
        flat = reshape(ctx, x, (n_elements(dims[:axis]), n_elements(dims[axis:])), x) if axis < rank - 1 else x
        result = ctx.emit(op, flat)
        return result if flat is x else reshape(ctx, result, dims, x)
    order = [index for index in range(rank) if index != axis] + [axis]
    inverse = [order.index(index) for index in range(rank)]
    return transpose(ctx, ctx.emit(op, transpose(ctx, x, order)), inverse)
