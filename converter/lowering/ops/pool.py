"""Pools over one to three spatial axes, and over all of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from converter.lowering import host
from converter.lowering.argmax_window import max_with_indices
from converter.lowering.context import LoweringContext
from converter.lowering.legal import cast, pad
from converter.lowering.registry import lowers
from converter.lowering.spatial import every, lifted, n_spatial, to_channels_first, to_channels_last
from converter.lowering.window import BIND, Axis, Window, read_window
from converter.tfjs.graph import Dim, Ref


@lowers("MaxPool", since=(1, 8, 10, 11, 12, 22))
def lower_max_pool(ctx: LoweringContext) -> None:
    """Y = the largest element in each window; Indices = where in the flattened X it is.

    Shapes: X (batch, channel, *spatial); Y and Indices (batch, channel, *windows).
    Emits:  MaxPool (twice for a volume) between two Transposes, PadV2 with -inf before it; for a dilated window
            Maximum of StridedSlices, axis after axis; for Indices Greater and SelectV2 over a slice for each element.
            A Slice behind it where a dynamic size may be smaller than the window.
    Source: https://onnx.ai/onnx/operators/onnx__MaxPool.html
    """
    storage = ctx.type(ctx.operand(0)).dtype
    x = cast(ctx, ctx.operand(0), "float32")
    window = _read(ctx, x, _declared(ctx))
    column_major = bool(ctx.attr("storage_order", 0))
    if ctx.wants(1):
        y, indices = max_with_indices(ctx, x, window, column_major=column_major)
        ctx.result(cast(ctx, y, storage), indices)
    elif window.is_dilated:
        y = _fold(ctx, _padded(ctx, x, window, -np.inf), window, "Maximum")
        ctx.result(cast(ctx, _without_margin(ctx, y, x, window, first=2), storage))
    else:
        ctx.result(cast(ctx, _channels_last(ctx, x, window, _max_pool), storage))


@lowers("AveragePool", since=(1, 7, 10, 11, 19, 22))
def lower_average_pool(ctx: LoweringContext) -> None:
    """Y = the mean of the elements in each window; padding counts only with count_include_pad.

    Shapes: X (batch, channel, *spatial); Y (batch, channel, *windows).
    Emits:  AvgPool or AvgPool3D between two Transposes, PadV2 before it; Mul by (window size / elements counted), a
            constant for fixed sizes, else RealDiv by the same pool of a mask. AddV2 of StridedSlices if dilated.
            A Slice behind it where a dynamic size may be smaller than the window.
    Source: https://onnx.ai/onnx/operators/onnx__AveragePool.html
    """
    ctx.result(average_pool(ctx, ctx.operand(0), _declared(ctx)))


def average_pool(ctx: LoweringContext, x: Ref, declared: Sequence[Dim]) -> Ref:
    """Return the mean of each window of (batch, channel, *spatial); ONNX declares so many windows along each axis."""
    window = _read(ctx, x, declared)
    include_pads = bool(ctx.attr("count_include_pad", 0))
    if _is_same(window) and not include_pads and not window.is_dilated:
        return _channels_last(ctx, x, window, _average_pool_same)
    y = _mean(ctx, x, window)
    if _counts_whole_window(ctx):
        return y
    if all(axis.n_windows is not None for axis in window.axes):
        factor = _mean_factor(window, include_pads)
        return y if np.all(factor == 1) else ctx.emit("Mul", y, ctx.data(factor))
    if not window.has_pads or (include_pads and all(axis.tail == 0 for axis in window.axes)):
        return y
    return ctx.emit("RealDiv", y, _mean_of_mask(ctx, x, window, include_pads))


def _declared(ctx: LoweringContext) -> Sequence[Dim]:
    return (ctx.output_type().shape or ())[2:]


def _read(ctx: LoweringContext, x: Ref, declared: Sequence[Dim]) -> Window:
    n_spatial(ctx, x)
    window = read_window(ctx, ctx.dims(x)[2:], ceil=bool(ctx.attr("ceil_mode", 0)))
    for axis, said in zip(window.axes, declared, strict=False):
        if isinstance(said, int) and axis.n_windows not in (None, said):
            # ONNX 1.23 infers windows that start in the padding for opsets before 22; no runtime makes them.
            ctx.refuse(f"ceil_mode makes {axis.n_windows} windows, ONNX infers {said}", "export at opset 22 or newer")
    axes = window.axes if _counts_whole_window(ctx) else tuple(axis.clipped for axis in window.axes)
    return Window(axes if len(axes) == 3 else tuple(axis.with_margin for axis in axes))


def _counts_whole_window(ctx: LoweringContext) -> bool:
    """Return whether a mean is over the whole window, past its padding too: onnxruntime's kernel before opset 19."""
    includes = bool(ctx.attr("count_include_pad", 0)) and not ctx.attr("ceil_mode", 0)
    return includes and ctx.node.op == "AveragePool" and ctx.since < 19


def _mean_factor(window: Window, include_pads: bool) -> np.ndarray:
    counts = np.ones((), dtype=np.int64)
    for axis in window.axes:
        counts = np.multiply.outer(counts, axis.counts(include_pads))
    return (window.n_taps / np.maximum(counts, 1)).astype(np.float32)[np.newaxis, np.newaxis]


def _mean_of_mask(ctx: LoweringContext, x: Ref, window: Window, include_pads: bool) -> Ref:
    """The mean over each window of 1 for what counts and 0 for what doesn't; shape (batch, 1, *windows)."""
    n_axes = len(window.axes)
    channel = ctx.emit("Slice", x, ctx.param([0] * (n_axes + 2)), ctx.param([-1, 1] + [-1] * n_axes))
    mask = ctx.emit("OnesLike", channel)
    if include_pads:
        mask = pad(ctx, mask, [(0, 0), (0, 0), *(axis.pads or (0, 0) for axis in window.axes)], 1.0)
        window = Window(tuple(_after_padding(axis) for axis in window.axes))
    return _mean(ctx, mask, window)


def _after_padding(axis: Axis) -> Axis:
    """The axis of a value that has its explicit padding already."""
    return replace(axis, size=None, pads=(0, 0 if axis.margin else axis.tail or 0), ceil=False)


@lowers("LpPool", since=(2, 11, 18, 22))
def lower_lp_pool(ctx: LoweringContext) -> None:
    """Y = the p-norm of the elements in each window.

    Shapes: X (batch, channel, *spatial); Y (batch, channel, *windows).
    Emits:  what AveragePool emits, between the p-th power and the p-th root.
    Source: https://onnx.ai/onnx/operators/onnx__LpPool.html
    """
    x, p = ctx.operand(0), int(ctx.attr("p", 2))
    window = _read(ctx, x, _declared(ctx))
    mean = _mean(ctx, power(ctx, x, p), window)
    ctx.result(root(ctx, ctx.emit("Mul", mean, ctx.data(float(window.n_taps))), p))


@lowers("GlobalAveragePool", since=(1, 22))
def lower_global_average_pool(ctx: LoweringContext) -> None:
    """Y = the mean of each channel. Emits: Mean."""
    ctx.result(_over_space(ctx, "Mean", ctx.operand(0)))


@lowers("GlobalMaxPool", since=(1, 22))
def lower_global_max_pool(ctx: LoweringContext) -> None:
    """Y = the largest element of each channel. Emits: Max."""
    ctx.result(_over_space(ctx, "Max", ctx.operand(0)))


@lowers("GlobalLpPool", since=(2, 22))
def lower_global_lp_pool(ctx: LoweringContext) -> None:
    """Y = the p-norm of each channel. Emits: Sum between the p-th power and the p-th root."""
    p = int(ctx.attr("p", 2))
    ctx.result(root(ctx, _over_space(ctx, "Sum", power(ctx, ctx.operand(0), p)), p))


def _over_space(ctx: LoweringContext, op: str, x: Ref) -> Ref:
    return ctx.emit(op, x, ctx.param(list(range(2, ctx.rank(x)))), keep_dims=True)


def power(ctx: LoweringContext, x: Ref, p: float) -> Ref:
    """|x| to the p."""
    if p == 2:
        return ctx.emit("Square", x)
    size = ctx.emit("Abs", x)
    return size if p == 1 else ctx.emit("Pow", size, ctx.data(float(p)))


def root(ctx: LoweringContext, x: Ref, p: float) -> Ref:
    """The p-th root of x >= 0."""
    if p == 2:
        return ctx.emit("Sqrt", x)
    return x if p == 1 else ctx.emit("Pow", x, ctx.data(1 / p))


def _padded(ctx: LoweringContext, x: Ref, window: Window, value: float, first: int = 2) -> Ref:
    """`x` with the window's padding around the axes from `first` on."""
    if any(axis.pads is None for axis in window.axes):
        ctx.refuse("auto_pad over a dynamic size has a padding that only the running graph knows", BIND)
    if not window.has_pads:
        return x
    after = ctx.rank(x) - first - len(window.axes)
    return pad(ctx, x, [(0, 0)] * first + window.pads + [(0, 0)] * after, value)


def _fold(ctx: LoweringContext, x: Ref, window: Window, op: str) -> Ref:
    """A padded (batch, channel, *spatial) with each window folded by an operation that may go axis by axis."""
    for index, axis in enumerate(window.axes, start=2):
        taps = [
            every(ctx, x, index, tap * axis.dilation, (axis.kernel - 1 - tap) * axis.dilation, axis.stride)
            for tap in range(axis.kernel)
        ]
        x = taps[0]
        for tap in taps[1:]:
            x = ctx.emit(op, x, tap)
    return x


def _mean(ctx: LoweringContext, x: Ref, window: Window) -> Ref:
    """(batch, channel, *spatial) to the sum of each window, padding being 0, over the window's size."""
    if not window.is_dilated:
        return _channels_last(ctx, x, window, _average_pool)
    total = _fold(ctx, _padded(ctx, x, window, 0.0), window, "AddV2")
    total = _without_margin(ctx, total, x, window, first=2)
    return ctx.emit("Mul", total, ctx.data(1 / window.n_taps))


_Pool = Callable[[LoweringContext, Ref, Window], Ref]


def _channels_last(ctx: LoweringContext, x: Ref, window: Window, run: _Pool) -> Ref:
    image = to_channels_last(ctx, x)
    y = _without_margin(ctx, run(ctx, image, window), image, window, _first_axis(window))
    return to_channels_first(ctx, y, len(window.axes))


def _first_axis(window: Window) -> int:
    """The first spatial axis of an image, channels last: a signal is an image of height 1."""
    return 2 if len(window.axes) == 1 else 1


def _without_margin(ctx: LoweringContext, y: Ref, x: Ref, window: Window, first: int) -> Ref:
    """The pool `y` of `x` (spatial axes from `first` on) without the windows that only the margin made room for.

    Along each axis max(1 + floor(room / stride), 1 if room > -stride else 0) are left: what truncation gives.
    """
    if not window.has_margin:
        return y
    n_behind = ctx.rank(y) - first - len(window.axes)
    strides = [1] * first + list(window.strides) + [1] * n_behind
    beyond = [axis.stride + sum(axis.pads or ()) - axis.extent for axis in window.axes]
    offsets = [0] * first + beyond + [0] * n_behind
    sizes = ctx.emit("Shape", x)
    if any(offsets):
        sizes = ctx.emit("AddV2", sizes, host.number(ctx, *offsets))
    lone = ctx.emit("Minimum", sizes, host.number(ctx, *[1] * len(strides)))
    counts = ctx.emit("Maximum", ctx.emit("FloorDiv", sizes, host.number(ctx, *strides)), lone)
    if min(offsets) < -1:
        counts = ctx.emit("Maximum", counts, host.number(ctx, *[0] * len(strides)))
    dims = list(ctx.dims(y))
    dims[first : first + len(window.axes)] = [axis.n_windows for axis in window.axes]
    return ctx.refine(ctx.emit("Slice", y, ctx.param([0] * len(strides)), counts), tuple(dims))


def _is_same(window: Window) -> bool:
    """Return whether TF.js's SAME padding gives the windows, in front of those that only a margin makes room for."""
    if not window.has_margin:
        return window.is_tf_same
    return all(axis.pads == (0, 0) and axis.extent <= 2 for axis in window.axes)


def _max_pool(ctx: LoweringContext, x: Ref, window: Window) -> Ref:
    if len(window.axes) == 3:
        return _max_pool_volume(ctx, x, window)
    if _is_same(window):
        return _emit(ctx, "MaxPool", x, window, "SAME")
    return _emit(ctx, "MaxPool", _padded_last(ctx, x, window, -np.inf), window, "VALID")


def _max_pool_volume(ctx: LoweringContext, x: Ref, window: Window) -> Ref:
    """The maximum over height and width, then over depth: wasm's MaxPool3D knows no maximum below 0."""
    batch, depth, height, width, channels = host.sizes(ctx, x)
    planes = _max_pool(ctx, host.resize(ctx, x, [batch * depth, height, width, channels]), Window(window.axes[1:]))
    _, n_rows, n_columns, _ = host.sizes(ctx, planes)
    columns = host.resize(ctx, planes, [batch, depth, n_rows * n_columns, channels])
    y = _max_pool(ctx, columns, Window((window.axes[0], Axis(None, 1, 1, 1, (0, 0), ceil=False))))
    return host.resize(ctx, y, [batch, host.sizes(ctx, y)[1], n_rows, n_columns, channels])


def _average_pool(ctx: LoweringContext, x: Ref, window: Window) -> Ref:
    return _emit(ctx, "AvgPool", _padded_last(ctx, x, window, 0.0), window, "VALID")


def _average_pool_same(ctx: LoweringContext, x: Ref, window: Window) -> Ref:
    return _emit(ctx, "AvgPool", x, window, "SAME")


def _padded_last(ctx: LoweringContext, x: Ref, window: Window, value: float) -> Ref:
    return _padded(ctx, x, window, value, _first_axis(window))


def _emit(ctx: LoweringContext, op: str, x: Ref, window: Window, padding: str) -> Ref:
    volume = len(window.axes) == 3
    return ctx.emit(
        f"{op}3D" if volume else op,
        x,
        ksize=[1, *lifted(window.kernel, 1), 1],
        strides=[1, *lifted(window.strides, 1), 1],
        padding=padding,
        data_format="NDHWC" if volume else "NHWC",
    )
