"""The largest element of each window together with its place, by comparing one window element after another.

MaxPoolWithArgmax is wrong for negative maxima on wasm, and which of equal elements it takes depends on the backend.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from converter.lowering.context import LoweringContext
from converter.lowering.legal import cast, pad, select
from converter.lowering.movement import span
from converter.lowering.spatial import every, fixed
from converter.lowering.window import Axis, Window
from converter.tfjs.graph import Ref

EXACT = 1 << 24  # float32, and int32 on WebGL and WebGPU, count exactly up to here


def max_with_indices(ctx: LoweringContext, x: Ref, window: Window, *, column_major: bool) -> tuple[Ref, Ref]:
    """The maximum of each window of (batch, channel, *spatial), and the index of its first place in the flattened x.

    `column_major` counts the spatial axes the other way round: the first varies fastest.

    Raises: UnsupportedError if a spatial size is dynamic, or x has more elements than GPUs can count.
    """
    dims = ctx.dims(x)
    sizes = [fixed(ctx, dim) for dim in dims[1:]]
    volume = int(np.prod(sizes[1:]))
    if int(np.prod([dim for dim in dims if isinstance(dim, int)])) >= EXACT:
        ctx.refuse("Indices past 2^24 can't be computed exactly on WebGL and WebGPU")
    order = sizes[1:] if column_major else sizes[:0:-1]
    steps = [int(np.prod(order[:index])) for index in range(len(order))]
    steps = steps if column_major else steps[::-1]
    padded = pad(ctx, x, [(0, 0), (0, 0), *window.pads], -np.inf) if window.has_pads else x
    (first, best), *others = _taps(ctx, padded, window.axes, steps, 2)
    place = ctx.data(float(first))
    for offset, tap in others:
        place = select(ctx, ctx.emit("Greater", tap, best), ctx.data(float(offset)), place)
        best = ctx.emit("Maximum", best, tap)
    place = ctx.emit("AddV2", place, ctx.data(_starts(window, steps)))
    place = ctx.emit("AddV2", place, _plane_starts(ctx, x, sizes[0], volume))
    return best, cast(ctx, place, "int32")


def _taps(
    ctx: LoweringContext, x: Ref, axes: Sequence[Axis], steps: Sequence[int], index: int
) -> Iterator[tuple[int, Ref]]:
    """The elements at each place of the window, in row-major order, with the distance from the window's first."""
    if not axes:
        yield 0, x
        return
    axis = axes[0]
    for tap in range(axis.kernel):
        after = (axis.kernel - 1 - tap) * axis.dilation
        row = every(ctx, x, index, tap * axis.dilation, after, axis.stride)
        for offset, value in _taps(ctx, row, axes[1:], steps[1:], index + 1):
            yield tap * axis.dilation * steps[0] + offset, value


def _starts(window: Window, steps: Sequence[int]) -> np.ndarray:
    """Where each window starts in its plane. Shapes: (1, 1, *windows) float32."""
    total = np.zeros((), dtype=np.float32)
    for axis, step in zip(window.axes, steps, strict=True):
        before = axis.pads[0] if axis.pads else 0
        starts = (np.arange(axis.n_windows or 0) * axis.stride - before) * step
        total = np.add.outer(total, starts.astype(np.float32))
    return total[np.newaxis, np.newaxis]


def _plane_starts(ctx: LoweringContext, x: Ref, n_channels: int, volume: int) -> Ref:
    """Where each plane of (batch, channel, *spatial) starts. Shapes: (batch, channel, 1, ...) float32."""
    batch, ones = ctx.dims(x)[0], [1] * (ctx.rank(x) - 2)
    channels = np.arange(n_channels, dtype=np.float32).reshape(1, -1, *ones) * volume
    if isinstance(batch, int):
        images = np.arange(batch, dtype=np.float32).reshape(-1, 1, *ones) * (n_channels * volume)
        return ctx.data(images + channels)
    numbers = ctx.emit("Reshape", cast(ctx, span(ctx, x, 0), "float32"), ctx.param([-1, 1, *ones]))
    offsets = ctx.emit("Mul", numbers, ctx.data(float(n_channels * volume)))
    return ctx.emit("AddV2", offsets, ctx.data(channels))
