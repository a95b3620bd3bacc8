"""Transposed convolutions over one to three spatial axes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.legal import pad
from converter.lowering.ops.conv import add_bias, convolve, filter_of
from converter.lowering.registry import lowers
from converter.lowering.spatial import (
    Filter,
    affine_size,
    filter_dims,
    filter_operand,
    fixed,
    flip_filter,
    lifted,
    n_spatial,
    reshape_filter,
    spread,
    spread_filter,
    to_channels_first,
    to_channels_last,
    transpose_filter,
)
from converter.lowering.window import Axis, Window, read_pads
from converter.tfjs.graph import Dim, Ref


@dataclass(frozen=True)
class _Axis:
    """One axis: `size` grows to (size - 1) * stride + extent, loses `before` in front and gains `end` behind."""

    size: Dim
    kernel: int
    stride: int
    dilation: int
    before: int
    end: int

    @property
    def extent(self) -> int:
        return (self.kernel - 1) * self.dilation + 1


_Run = Callable[[LoweringContext, Ref, Filter, Sequence[_Axis]], Ref]


@lowers("ConvTranspose", since=(1, 11, 22))
def lower_conv_transpose(ctx: LoweringContext) -> None:
    """Y = the gradient of a convolution with W, at X, plus B.

    Shapes: X (batch, group * in, *spatial); W (group * in, out, *kernel); B (group * out); Y (batch, group * out, ...).
    Emits:  Conv2DBackpropInput between two Transposes, one for each group; X spread with zeros and convolved with the
            turned filter where there is no such kernel (three axes) or it would take many (depthwise).
    Source: https://onnx.ai/onnx/operators/onnx__ConvTranspose.html; tfjs ignores Conv2DBackpropInput's dilations.
    """
    x = ctx.operand(0)
    n_axes, group = n_spatial(ctx, x), int(ctx.attr("group", 1))
    w = filter_of(ctx)
    dims = filter_dims(ctx, w)
    axes = _checked(ctx, _read_axes(ctx, ctx.dims(x)[2:], dims[2:]))
    if n_axes == 1:
        axes = [_Axis(1, 1, 1, 1, 0, 0), *axes]
    w = reshape_filter(ctx, w, [*dims[:2], *lifted(dims[2:], 1)])
    y = to_channels_last(ctx, x)
    depthwise = group > 1 and group == dims[0] and all(isinstance(axis.size, int) for axis in axes)
    if n_axes == 3:
        y = _by_groups(ctx, y, w, axes, group, _spread_and_convolve)
    elif depthwise:
        w = flip_filter(ctx, transpose_filter(ctx, w, [2, 3, 0, 1]), 2)
        y = convolve(ctx, _spread_input(ctx, y, axes), w, _plain_window(axes), depthwise=True)
    else:
        y = _by_groups(ctx, y, w, axes, group, _backprop)
    ctx.result(to_channels_first(ctx, add_bias(ctx, y), n_axes))


def _read_axes(ctx: LoweringContext, sizes: Sequence[Dim], kernel: list[int]) -> list[_Axis]:
    rank = len(sizes)
    if list(ctx.attr("kernel_shape", kernel)) != kernel:
        ctx.refuse(f"kernel_shape {ctx.attr('kernel_shape')} is not the filter's shape {kernel}")
    strides, dilations = ctx.attr("strides", [1] * rank), ctx.attr("dilations", [1] * rank)
    extra: list[int] = ctx.attr("output_padding", [0] * rank)
    shape: list[int] = ctx.attr("output_shape", [])
    pads, auto_pad = read_pads(ctx, rank)
    axes = [_Axis(*entry, 0, 0) for entry in zip(sizes, kernel, strides, dilations, strict=True)]
    if shape:
        targets = shape[-rank:]
        wholes = [(fixed(ctx, axis.size) - 1) * axis.stride + axis.extent for axis in axes]
        surplus = [whole - target for whole, target in zip(wholes, targets, strict=True)]
    elif auto_pad.startswith("SAME"):
        surplus = [max(0, axis.extent + add - axis.stride) - add for axis, add in zip(axes, extra, strict=True)]
    else:
        pads = pads if auto_pad == "NOTSET" else [(0, 0)] * rank
        ends = [add - after for (_, after), add in zip(pads, extra, strict=True)]
        return [replace(axis, before=pad[0], end=end) for axis, pad, end in zip(axes, pads, ends, strict=True)]
    return [_split_surplus(axis, much, add, auto_pad) for axis, much, add in zip(axes, surplus, extra, strict=True)]


def _checked(ctx: LoweringContext, axes: list[_Axis]) -> list[_Axis]:
    if any(axis.end >= axis.stride for axis in axes if axis.end > 0):
        ctx.refuse("the output is a stride or more longer than the operand reaches; ONNX Runtime refuses that as well")
    return axes


def _split_surplus(axis: _Axis, surplus: int, extra: int, auto_pad: str) -> _Axis:
    total = max(0, surplus + extra)
    before = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
    return replace(axis, before=before, end=before - surplus)


def _by_groups(ctx: LoweringContext, x: Ref, w: Filter, axes: Sequence[_Axis], group: int, run: _Run) -> Ref:
    if group == 1:
        return run(ctx, x, w, axes)
    last = ctx.rank(x) - 1
    parts = ctx.emit_all("Split", ctx.param(last), x, num_split=group)
    filters: list[Filter]
    if isinstance(w, np.ndarray):
        filters = list(np.split(w, group, axis=0))
    else:
        filters = list(ctx.emit_all("Split", ctx.param(0), w, num_split=group))
    outputs = [run(ctx, part, one, axes) for part, one in zip(parts, filters, strict=True)]
    return ctx.emit("ConcatV2", *outputs, ctx.param(last), N=group)


def _backprop(ctx: LoweringContext, x: Ref, w: Filter, axes: Sequence[_Axis]) -> Ref:
    """X (batch, height, width, in), w (in, out, kernel height, kernel width)."""
    n_out = filter_dims(ctx, w)[1]
    kernel = spread_filter(ctx, transpose_filter(ctx, w, [2, 3, 1, 0]), [axis.dilation for axis in axes])
    # The kernel takes paddings below the extent; others are cut off its output.
    pads, cuts = [], []
    for axis in axes:
        before = axis.before if axis.before < axis.extent else 0
        after = -axis.end if 0 <= -axis.end < axis.extent else 0
        pads.append((before, after))
        cuts.append((before - axis.before, min(0, axis.end) + after))
    sizes = [
        affine_size(ctx, x, index, axis.stride, axis.extent - axis.stride - sum(around) + max(0, axis.end))
        for index, (axis, around) in enumerate(zip(axes, pads, strict=True), start=1)
    ]
    explicit = [0, 0, *pads[0], *pads[1], 0, 0]
    padding = {"padding": "EXPLICIT", "explicit_paddings": explicit} if any(explicit) else {"padding": "VALID"}
    y = ctx.emit(
        "Conv2DBackpropInput",
        host.shape_vector(ctx, [host.sizes(ctx, x)[0], *sizes, Size(n_out)]),
        filter_operand(ctx, kernel),
        x,
        strides=[1, *(axis.stride for axis in axes), 1],
        data_format="NHWC",
        **padding,
    )
    shape = (ctx.dims(x)[0], *(size.dim if isinstance(size, Size) else None for size in sizes), n_out)
    y = ctx.refine(y, shape)
    return pad(ctx, y, [(0, 0), *cuts, (0, 0)])


def _spread_and_convolve(ctx: LoweringContext, x: Ref, w: Filter, axes: Sequence[_Axis]) -> Ref:
    """X (batch, *spatial, in), w (in, out, *kernel)."""
    kernel = transpose_filter(ctx, w, [*range(2, len(axes) + 2), 0, 1])
    return convolve(ctx, _spread_input(ctx, x, axes), flip_filter(ctx, kernel, len(axes)), _plain_window(axes))


def _spread_input(ctx: LoweringContext, x: Ref, axes: Sequence[_Axis]) -> Ref:
    for index, axis in enumerate(axes):
        x = spread(ctx, x, index + 1, axis.stride)
    around = [(axis.extent - 1 - axis.before, axis.extent - 1 + axis.end) for axis in axes]
    return pad(ctx, x, [(0, 0), *around, (0, 0)])


def _plain_window(axes: Sequence[_Axis]) -> Window:
    return Window(tuple(Axis(None, axis.kernel, 1, axis.dilation, (0, 0), ceil=False) for axis in axes))
