"""Convolutions over one to three spatial axes."""

import numpy as np

from converter.lowering.context import LoweringContext
from converter.lowering.legal import pad
from converter.lowering.registry import lowers
from converter.lowering.spatial import (
    Filter,
    aligned,
    filter_dims,
    filter_operand,
    lifted,
    n_spatial,
    reshape_filter,
    spread_filter,
    to_channels_first,
    to_channels_last,
    transpose_filter,
)
from converter.lowering.window import Window, read_window
from converter.tfjs.graph import Ref


@lowers("Conv", since=(1, 11, 22))
def lower_conv(ctx: LoweringContext) -> None:
    """Y = X convolved with W, plus B.

    Shapes: X (batch, group * in, *spatial); W (group * out, in, *kernel); B (group * out); Y (batch, group * out, ...).
    Emits:  Conv2D, Conv3D or DepthwiseConv2dNative between two Transposes, AddV2 for B; a Split, one convolution for
            each group and a ConcatV2 for other groups. A filter that is both strided and dilated is spread with zeros.
    Source: https://onnx.ai/onnx/operators/onnx__Conv.html; both > 1 are refused by tfjs-core ops/conv2d.js:72.
    """
    ctx.result(conv(ctx))


def conv(ctx: LoweringContext) -> Ref:
    """Return operand 0 convolved with operand 1, plus operand 2 if there is one, as (batch, channel, *spatial)."""
    x = ctx.operand(0)
    n_axes, group = n_spatial(ctx, x), int(ctx.attr("group", 1))
    w = filter_of(ctx)
    window = read_window(ctx, ctx.dims(x)[2:], filter_dims(ctx, w)[2:])
    y = convolution(ctx, x, w, window, group)
    return to_channels_first(ctx, add_bias(ctx, y), n_axes)


def convolution(ctx: LoweringContext, x: Ref, w: Filter, window: Window, group: int) -> Ref:
    """(batch, group * in, *spatial) convolved with a filter (group * out, in, *kernel); the result is channels last."""
    dims = filter_dims(ctx, w)
    depthwise = group > 1 and dims[1] == 1 and len(dims) < 5
    kernel = lifted(dims[2:], 1)
    if depthwise:
        w = reshape_filter(ctx, w, [group, dims[0] // group, *kernel])
        w = transpose_filter(ctx, w, [2, 3, 0, 1])
    else:
        w = reshape_filter(ctx, w, [*dims[:2], *kernel])
        w = transpose_filter(ctx, w, [*range(2, len(kernel) + 2), 1, 0])
    y = to_channels_last(ctx, x)
    if depthwise:
        return convolve(ctx, y, w, window, depthwise=True)
    return convolve(ctx, y, w, window) if group == 1 else _grouped(ctx, y, w, window, group)


def filter_of(ctx: LoweringContext) -> Filter:
    """Operand 1, as an array where it is known."""
    known = ctx.known(1)
    return known if known is not None else ctx.operand(1)


def add_bias(ctx: LoweringContext, y: Ref) -> Ref:
    """A channels-last value plus operand 2, one number for each channel, if there is any."""
    return ctx.emit("AddV2", y, aligned(ctx, ctx.operand(2), ctx.rank(y))) if ctx.has(2) else y


def _grouped(ctx: LoweringContext, x: Ref, w: Filter, window: Window, group: int) -> Ref:
    axis = ctx.rank(x) - 1
    parts = ctx.emit_all("Split", ctx.param(axis), x, num_split=group)
    filters: list[Filter]
    if isinstance(w, np.ndarray):
        filters = list(np.split(w, group, axis=axis))
    else:
        filters = list(ctx.emit_all("Split", ctx.param(axis), w, num_split=group))
    outputs = [convolve(ctx, part, one, window) for part, one in zip(parts, filters, strict=True)]
    return ctx.emit("ConcatV2", *outputs, ctx.param(axis), N=group)


def convolve(ctx: LoweringContext, x: Ref, w: Filter, window: Window, *, depthwise: bool = False) -> Ref:
    """A channels-last value convolved with a filter (*kernel, in, out), or (*kernel, in, multiplier) if depthwise."""
    strides, dilations = lifted(window.strides, 1), lifted(window.dilations, 1)
    if max(strides) > 1 and max(dilations) > 1:
        w, dilations = spread_filter(ctx, w, dilations), [1] * len(dilations)
    pads = [(0, 0), *window.pads] if len(window.pads) == 1 else window.pads
    steps = {"strides": [1, *strides, 1], "dilations": [1, *dilations, 1]}
    kernel = filter_operand(ctx, w)
    if len(strides) == 3:
        padded = pad(ctx, x, [(0, 0), *pads, (0, 0)]) if window.has_pads else x
        return ctx.emit("Conv3D", padded, kernel, padding="VALID", data_format="NDHWC", **steps)
    op = "DepthwiseConv2dNative" if depthwise else "Conv2D"
    if any(axis.pads is None for axis in window.axes):
        return ctx.emit(op, x, kernel, padding="SAME", data_format="NHWC", **steps)
    if not window.has_pads:
        return ctx.emit(op, x, kernel, padding="VALID", data_format="NHWC", **steps)
    explicit = [0, 0, *pads[0], *pads[1], 0, 0]
    return ctx.emit(op, x, kernel, padding="EXPLICIT", explicit_paddings=explicit, data_format="NHWC", **steps)
