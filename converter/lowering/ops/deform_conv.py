"""Convolution at positions that the model computes."""

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.legal import transpose
from converter.lowering.registry import lowers
from converter.lowering.sampling import Tap, blend, limited, linear_weights, read_pixels, real, within
from converter.lowering.spatial import filter_dims, transpose_filter
from converter.lowering.window import Window, read_window
from converter.tfjs.graph import Ref


@lowers("DeformConv", since=(19, 22))
def lower_deform_conv(ctx: LoweringContext) -> None:
    """Y = X convolved with W plus B, where each tap of the filter is moved by an offset and weighted by a mask.

    Shapes: X (batch, in, h, w); W (out, in / group, kh, kw); offset (batch, offset_group * kh * kw * 2, oh, ow);
            B (out); mask (batch, offset_group * kh * kw, oh, ow) -> (batch, out, oh, ow)
    Emits:  four GatherV2 for each offset group, then MatMul with the filter, one for each group.
    Source: https://onnx.ai/onnx/operators/onnx__DeformConv.html
    """
    x, dims = ctx.operand(0), filter_dims(ctx, _filter(ctx))
    if ctx.rank(x) != 4:
        ctx.refuse(f"a deformed convolution over {ctx.rank(x) - 2} axes", hint="only two can be expressed")
    groups, offset_groups = int(ctx.attr("group", 1)), int(ctx.attr("offset_group", 1))
    window = read_window(ctx, ctx.dims(x)[2:], dims[2:])
    batch, _, height, width = host.sizes(ctx, ctx.operand(2))
    if not (height.is_static and width.is_static):
        ctx.refuse("the size of the result is only known when the graph runs", hint="fix it with `--bind name=size`")
    points = (height.number, width.number)
    columns = [
        _sampled(ctx, part, index, offset_groups, window, points)
        for index, part in enumerate(_split(ctx, x, offset_groups, 1))
    ]
    taps = columns[0] if offset_groups == 1 else ctx.emit("ConcatV2", *columns, ctx.param(3), N=offset_groups)
    y = _multiplied(ctx, taps, groups)
    if ctx.has(3):
        y = ctx.emit("AddV2", y, ctx.operand(3))
    ctx.result(transpose(ctx, host.resize(ctx, y, [batch, height, width, Size(dims[0])]), [0, 3, 1, 2]))


def _filter(ctx: LoweringContext) -> np.ndarray | Ref:
    known = ctx.known(1)
    return ctx.operand(1) if known is None else known


def _split(ctx: LoweringContext, x: Ref, count: int, axis: int) -> tuple[Ref, ...]:
    return (x,) if count == 1 else ctx.emit_all("Split", ctx.param(axis), x, num_split=count)


def _sampled(ctx: LoweringContext, x: Ref, group: int, n_groups: int, window: Window, points: tuple[int, int]) -> Ref:
    """What the taps of the filter see of one offset group of channels.

    Shapes: (batch, channel, h, w) -> (batch, points, taps, channel)
    """
    n_taps, n_points = window.n_taps, points[0] * points[1]
    batch = host.sizes(ctx, ctx.operand(2))[0]
    offsets = host.resize(ctx, ctx.operand(2), [batch, Size(n_groups), Size(n_taps * 2), Size(n_points)])
    offsets = host.squeeze(ctx, _one_of(ctx, offsets, 1, group), [1])
    offsets = host.resize(ctx, offsets, [batch, Size(n_taps), Size(2), Size(n_points)])
    pixels = read_pixels(ctx, x, 2)
    places = _places(window, points)
    taps = []
    for axis, size in enumerate(pixels.sizes):
        moved = host.squeeze(ctx, _one_of(ctx, offsets, 2, axis), [2])
        place = ctx.emit("AddV2", transpose(ctx, moved, [0, 2, 1]), ctx.data(places[axis]))
        low, before, after = linear_weights(ctx, place)
        taps.append([_tap(ctx, low, before, size), _tap(ctx, ctx.emit("AddV2", low, ctx.data(1.0)), after, size)])
    seen = blend(ctx, pixels, taps)
    if not ctx.has(4):
        return seen
    mask = host.resize(ctx, ctx.operand(4), [batch, Size(n_groups), Size(n_taps), Size(n_points)])
    mask = transpose(ctx, host.squeeze(ctx, _one_of(ctx, mask, 1, group), [1]), [0, 2, 1])
    return ctx.emit("Mul", seen, host.unsqueeze(ctx, mask, [3]))


def _one_of(ctx: LoweringContext, x: Ref, axis: int, index: int) -> Ref:
    starts = [index if at == axis else 0 for at in range(ctx.rank(x))]
    lengths = [1 if at == axis else -1 for at in range(ctx.rank(x))]
    return x if ctx.dims(x)[axis] == 1 else ctx.emit("Slice", x, ctx.param(starts), ctx.param(lengths))


def _tap(ctx: LoweringContext, place: Ref, weight: Ref, size: Size) -> Tap:
    inside = within(ctx, place, ctx.data(0.0), real(ctx, size, 1.0, -1.0))
    return Tap(limited(ctx, place, size), ctx.emit("Mul", weight, inside))


def _places(window: Window, points: tuple[int, int]) -> list[np.ndarray]:
    """Where the taps of the filter are before they are moved, along each axis.

    Shapes: (points, taps) each
    """
    places = []
    for index, axis in enumerate(window.axes):
        before = axis.pads[0] if axis.pads else 0
        starts = np.arange(points[index]) * axis.stride - before
        steps = np.arange(axis.kernel) * axis.dilation
        grid = np.indices(points)[index].ravel()[:, None], np.indices(window.kernel)[index].ravel()[None, :]
        places.append((starts[grid[0]] + steps[grid[1]]).astype(np.float32))
    return places


def _multiplied(ctx: LoweringContext, taps: Ref, groups: int) -> Ref:
    """The taps times the filter, group by group.

    Shapes: (batch, points, taps, in) -> (batch * points, out)
    """
    dims = filter_dims(ctx, _filter(ctx))
    w = transpose_filter(ctx, _filter(ctx), [2, 3, 1, 0])
    matrix = ctx.data(np.ascontiguousarray(w)) if isinstance(w, np.ndarray) else w
    depth = Size(dims[1] * dims[2] * dims[3])
    matrix = host.resize(ctx, matrix, [depth, Size(dims[0])])
    products = []
    for part, columns in zip(_split(ctx, taps, groups, 3), _split(ctx, matrix, groups, 1), strict=True):
        rows = host.resize(ctx, part, [None, depth])
        products.append(ctx.emit("MatMul", rows, columns, transpose_a=False, transpose_b=False))
    return products[0] if groups == 1 else ctx.emit("ConcatV2", *products, ctx.param(1), N=groups)
