"""Normalizations: a value shifted and scaled by statistics of itself, or by stored ones."""

from collections.abc import Sequence

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.legal import pad, reshape
from converter.lowering.registry import lowers
from converter.lowering.spatial import aligned, fixed, reshape_like, to_channels_first, to_channels_last
from converter.tfjs.graph import Ref

SMALLEST = float(np.finfo(np.float32).tiny)


@lowers("BatchNormalization", since=(6, 7, 9, 14, 15))
def lower_batch_normalization(ctx: LoweringContext) -> None:
    """Y = scale * (X - mean) / sqrt(var + epsilon) + B, channel by channel.

    Shapes: X and Y (batch, channel, ...); the others (channel).
    Emits:  Mul and AddV2 by constants shaped (1, channel, 1, ...) where the statistics are known. In training mode the
            statistics are X's own, and the running ones move towards them.
    Source: https://onnx.ai/onnx/operators/onnx__BatchNormalization.html
    """
    momentum, epsilon = float(ctx.attr("momentum", 0.9)), float(ctx.attr("epsilon", 1e-5))
    if not ctx.attr("spatial", 1):
        ctx.refuse("BatchNormalization with statistics for each element (spatial=0)", "export at opset 9 or newer")
    training = bool(ctx.attr("training_mode", 0)) or (ctx.since < 7 and not ctx.attr("is_test", 0))
    if (ctx.since < 14 and training) or (ctx.n_outputs > 1 and not training):
        ctx.refuse("BatchNormalization in training mode", "export the model in evaluation mode")
    x = ctx.operand(0)
    if training:
        _train(ctx, x, momentum, epsilon)
        return
    stored = [array for index in range(1, 5) if (array := ctx.known(index)) is not None]
    ctx.result(_by_constants(ctx, x, stored, epsilon) if len(stored) == 4 else _by_values(ctx, x, epsilon))


def _by_constants(ctx: LoweringContext, x: Ref, stored: Sequence[np.ndarray], epsilon: float) -> Ref:
    ones = [1] * (ctx.rank(x) - 2)
    scale, bias, mean, var = (array.astype(np.float64).reshape(1, -1, *ones) for array in stored)
    factor = scale / np.sqrt(var + epsilon)
    y = ctx.emit("Mul", x, ctx.data(factor.astype(np.float32)))
    return ctx.emit("AddV2", y, ctx.data((bias - mean * factor).astype(np.float32)))


def _by_values(ctx: LoweringContext, x: Ref, epsilon: float) -> Ref:
    ones = [1] * (ctx.rank(x) - 2)
    scale, bias, mean, var = (ctx.operand(index) for index in range(1, 5))
    factor = ctx.emit("Mul", scale, _inverse_deviation(ctx, var, epsilon))
    shift = ctx.emit("Sub", bias, ctx.emit("Mul", mean, factor))
    y = ctx.emit("Mul", x, reshape(ctx, factor, (None, *ones)))
    return ctx.emit("AddV2", y, reshape(ctx, shift, (None, *ones)))


def _train(ctx: LoweringContext, x: Ref, momentum: float, epsilon: float) -> None:
    rank = ctx.rank(x)
    mean, centred, var = _moments(ctx, x, [0, *range(2, rank)])
    y = _affine(ctx, ctx.emit("Mul", centred, _inverse_deviation(ctx, var, epsilon)), 1, 2)
    running = []
    for stored, current in ((ctx.operand(3), mean), (ctx.operand(4), var)):
        flat = ctx.emit("Reshape", current, ctx.param([-1]))
        old = ctx.emit("Mul", stored, ctx.data(momentum))
        running.append(ctx.emit("AddV2", old, ctx.emit("Mul", flat, ctx.data(1 - momentum))))
    ctx.result(y, *running)


@lowers("InstanceNormalization", since=(1, 6, 22))
def lower_instance_normalization(ctx: LoweringContext) -> None:
    """Y = scale * (X - mean) / sqrt(var + epsilon) + B, with the statistics of each channel of each instance.

    Shapes: X and Y (batch, channel, *spatial); scale, B (channel).
    Source: https://onnx.ai/onnx/operators/onnx__InstanceNormalization.html
    """
    ctx.ignore_attrs("consumed_inputs")  # said which buffers might be overwritten
    x, epsilon = ctx.operand(0), float(ctx.attr("epsilon", 1e-5))
    y, _, _ = layer_norm(ctx, x, list(range(2, ctx.rank(x))), epsilon)
    ctx.result(_affine(ctx, y, 1, 2))


@lowers("LayerNormalization", since=(1, 17))
def lower_layer_normalization(ctx: LoweringContext) -> None:
    """Y = Scale * (X - Mean) * InvStdDev + B, with the statistics over `axis` and all after it.

    Shapes: X and Y (..., *normalized); Scale, B broadcast to it; Mean, InvStdDev (..., 1, ...).
    Source: https://onnx.ai/onnx/operators/onnx__LayerNormalization.html
    """
    ctx.ignore_attrs("stash_type")  # the type to compute in: it is float32 here in any case
    x, epsilon = ctx.operand(0), float(ctx.attr("epsilon", 1e-5))
    y, mean, inverse = layer_norm(ctx, x, _trailing_axes(ctx, x), epsilon)
    y = ctx.emit("Mul", y, aligned(ctx, ctx.operand(1), ctx.rank(x)))
    y = ctx.emit("AddV2", y, aligned(ctx, ctx.operand(2), ctx.rank(x))) if ctx.has(2) else y
    ctx.result(y, mean, inverse)


def layer_norm(ctx: LoweringContext, x: Ref, axes: Sequence[int], epsilon: float) -> tuple[Ref, Ref, Ref]:
    """Return a value normalized over some axes, its mean, and the inverse of its deviation."""
    mean, centred, var = _moments(ctx, x, axes)
    inverse = _inverse_deviation(ctx, var, epsilon)
    return ctx.emit("Mul", centred, inverse), mean, inverse


@lowers("SimplifiedLayerNormalization", since=(1,))
@lowers("RMSNormalization", since=(23,))
def lower_rms_normalization(ctx: LoweringContext) -> None:
    """Y = scale * X / sqrt(mean of X^2 + epsilon), the mean over `axis` and all after it.

    SimplifiedLayerNormalization is onnxruntime's name for it, in ONNX's domain, and has 1 / sqrt(...) as an output.
    Shapes: X and Y (..., *normalized); scale broadcasts to it.
    Source: https://onnx.ai/onnx/operators/onnx__RMSNormalization.html
    """
    ctx.ignore_attrs("stash_type")  # the type to compute in: it is float32 here in any case
    x, epsilon = ctx.operand(0), float(ctx.attr("epsilon", 1e-5))
    y, inverse = rms_norm(ctx, x, _trailing_axes(ctx, x), epsilon)
    y = ctx.emit("Mul", y, aligned(ctx, ctx.operand(1), ctx.rank(x)))
    ctx.result(*([y] if ctx.node.op == "RMSNormalization" else [y, inverse]))


def rms_norm(ctx: LoweringContext, x: Ref, axes: Sequence[int], epsilon: float) -> tuple[Ref, Ref]:
    """Return a value divided by its root mean square over some axes, and the inverse of that."""
    square = ctx.emit("Mean", ctx.emit("Square", x), ctx.param(list(axes)), keep_dims=True)
    inverse = _inverse_deviation(ctx, square, epsilon)
    return ctx.emit("Mul", x, inverse), inverse


def _trailing_axes(ctx: LoweringContext, x: Ref) -> list[int]:
    rank = ctx.rank(x)
    return list(range(ctx.axis(int(ctx.attr("axis", -1)), rank), rank))


@lowers("GroupNormalization", since=(18, 21))
def lower_group_normalization(ctx: LoweringContext) -> None:
    """Y = scale * (X - mean) / sqrt(var + epsilon) + bias, with the statistics of each group of channels.

    Shapes: X and Y (batch, channel, *spatial); scale, bias (channel), before opset 21 (group).
    Source: https://onnx.ai/onnx/operators/onnx__GroupNormalization.html
    """
    ctx.ignore_attrs("stash_type")  # the type to compute in: it is float32 here in any case
    x, epsilon, n_groups = ctx.operand(0), float(ctx.attr("epsilon", 1e-5)), int(ctx.attr("num_groups"))
    shape = host.sizes(ctx, x)
    n_within = Size(fixed(ctx, ctx.dims(x)[1]) // n_groups)
    groups = host.resize(ctx, x, [shape[0], Size(n_groups), n_within, *shape[2:]])
    y, _, _ = layer_norm(ctx, groups, list(range(2, ctx.rank(groups))), epsilon)
    if ctx.since < 21:
        ctx.result(reshape_like(ctx, _affine(ctx, y, 1, 2), x))
    else:
        ctx.result(_affine(ctx, reshape_like(ctx, y, x), 1, 2))


@lowers("MeanVarianceNormalization", since=(9, 13))
def lower_mean_variance_normalization(ctx: LoweringContext) -> None:
    """Y = (X - mean) / (sqrt(var) + 1e-9), with the statistics over `axes`.

    Source: https://onnx.ai/onnx/operators/onnx__MeanVarianceNormalization.html
    """
    x = ctx.operand(0)
    axes = [ctx.axis(axis, ctx.rank(x)) for axis in ctx.attr("axes", [0, 2, 3])]
    _, centred, var = _moments(ctx, x, axes)
    deviation = ctx.emit("AddV2", ctx.emit("Sqrt", var), ctx.data(1e-9))
    ctx.result(ctx.emit("RealDiv", centred, deviation))


@lowers("LpNormalization", since=(1, 22))
def lower_lp_normalization(ctx: LoweringContext) -> None:
    """Y = X over its p-norm along `axis`, 0 where that is 0.

    Source: https://onnx.ai/onnx/operators/onnx__LpNormalization.html
    """
    x, p = ctx.operand(0), int(ctx.attr("p", 2))
    axis = ctx.param([ctx.axis(int(ctx.attr("axis", -1)), ctx.rank(x))])
    if p == 1:
        norm = ctx.emit("Sum", ctx.emit("Abs", x), axis, keep_dims=True)
    elif p == 2:
        norm = ctx.emit("Sqrt", ctx.emit("Sum", ctx.emit("Square", x), axis, keep_dims=True))
    else:
        ctx.refuse(f"p is {p}; ONNX allows 1 and 2")
    ctx.result(ctx.emit("RealDiv", x, ctx.emit("Maximum", norm, ctx.data(SMALLEST))))


@lowers("LRN", since=(1, 13))
def lower_lrn(ctx: LoweringContext) -> None:
    """Y = X / (bias + alpha / size * the sum of X^2 over `size` neighbouring channels) ^ beta.

    Shapes: X and Y (batch, channel, ...).
    Emits:  LRN between two Transposes for an odd size and rank 4; else Square, PadV2, Slices added up, Pow.
    Source: https://onnx.ai/onnx/operators/onnx__LRN.html
    """
    x, size = ctx.operand(0), int(ctx.attr("size"))
    alpha, beta, bias = float(ctx.attr("alpha", 1e-4)), float(ctx.attr("beta", 0.75)), float(ctx.attr("bias", 1.0))
    if size % 2 and ctx.rank(x) == 4:
        settings = {"depth_radius": size // 2, "alpha": alpha / size, "beta": beta, "bias": bias}
        ctx.result(to_channels_first(ctx, ctx.emit("LRN", to_channels_last(ctx, x), **settings), 2))
        return
    total = _channel_window_sum(ctx, ctx.emit("Square", x), size)
    scaled = ctx.emit("AddV2", ctx.emit("Mul", total, ctx.data(alpha / size)), ctx.data(bias))
    ctx.result(ctx.emit("Mul", x, ctx.emit("Pow", scaled, ctx.data(-beta))))


def _channel_window_sum(ctx: LoweringContext, x: Ref, size: int) -> Ref:
    rank, n_channels = ctx.rank(x), fixed(ctx, ctx.dims(x)[1])
    padded = pad(ctx, x, [(0, 0), ((size - 1) // 2, size // 2), *[(0, 0)] * (rank - 2)])
    sizes = ctx.param([-1, n_channels, *[-1] * (rank - 2)])
    parts = [ctx.emit("Slice", padded, ctx.param([0, first, *[0] * (rank - 2)]), sizes) for first in range(size)]
    return parts[0] if size == 1 else ctx.emit("AddN", *parts)


def _moments(ctx: LoweringContext, x: Ref, axes: Sequence[int]) -> tuple[Ref, Ref, Ref]:
    """Mean over `axes`, which stay as 1, X - Mean, and the population variance.

    A second mean takes out the rounding error of the first, which a small variance would make large: ONNX Runtime
    computes the mean of LayerNormalization in float64.
    """
    near = ctx.emit("Mean", x, ctx.param(list(axes)), keep_dims=True)
    gaps = ctx.emit("Sub", x, near)
    rest = ctx.emit("Mean", gaps, ctx.param(list(axes)), keep_dims=True)
    centred = ctx.emit("Sub", gaps, rest)
    var = ctx.emit("Mean", ctx.emit("Square", centred), ctx.param(list(axes)), keep_dims=True)
    return ctx.emit("AddV2", near, rest), centred, var


def _inverse_deviation(ctx: LoweringContext, var: Ref, epsilon: float) -> Ref:
    return ctx.emit("Rsqrt", ctx.emit("AddV2", var, ctx.data(epsilon)))


def _affine(ctx: LoweringContext, x: Ref, scale: int, bias: int) -> Ref:
    """X * scale + bias, two operands with one number for each entry of axis 1."""
    ones = [1] * (ctx.rank(x) - 2)
    y = ctx.emit("Mul", x, _column(ctx, scale, ones))
    return ctx.emit("AddV2", y, _column(ctx, bias, ones))


def _column(ctx: LoweringContext, index: int, ones: Sequence[int]) -> Ref:
    known = ctx.known(index)
    return ctx.data(known.reshape(-1, *ones)) if known is not None else reshape(ctx, ctx.operand(index), (None, *ones))
