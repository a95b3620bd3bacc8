"""Moves images in and out of the channels-last layout, the only one that every backend's kernels take.

Spatial kernels exist for two and three axes: a signal (batch, channel, length) becomes an image of height 1.
"""

from collections.abc import Sequence

import numpy as np

from converter.dtypes import INT32_HIGHEST
from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.legal import MAX_RANK, cast, pad, reshape, transpose
from converter.lowering.movement import contiguous, fold, stepped, unfold
from converter.tfjs.graph import Dim, Ref, n_elements

Filter = np.ndarray | Ref  # known before the graph runs, or not


def n_spatial(ctx: LoweringContext, x: Ref) -> int:
    """How many spatial axes (batch, channel, *spatial) has.

    Raises: UnsupportedError unless there are one to three.
    """
    count = ctx.rank(x) - 2
    if not 1 <= count <= 3:
        ctx.refuse(f"TF.js has no such kernel for {count} spatial axes, only for one to three")
    return count


def to_channels_last(ctx: LoweringContext, x: Ref) -> Ref:
    """(batch, channel, *spatial) as (batch, *spatial, channel), a signal as an image of height 1."""
    rank = ctx.rank(x)
    y = transpose(ctx, x, [0, *range(2, rank), 1])
    return ctx.emit("ExpandDims", y, ctx.param(1)) if rank == 3 else y


def to_channels_first(ctx: LoweringContext, x: Ref, n_axes: int) -> Ref:
    """The inverse of `to_channels_last`, for a value of `n_axes` spatial axes."""
    y = ctx.emit("Squeeze", x, squeeze_dims=[1]) if n_axes == 1 else x
    rank = ctx.rank(y)
    return transpose(ctx, y, [0, rank - 1, *range(1, rank - 1)])


def lifted(values: Sequence[int], neutral: int) -> list[int]:
    """One number for each axis of the kernel that does the work: a signal's kernel has a height as well."""
    return [neutral, *values] if len(values) == 1 else list(values)


def transpose_filter(ctx: LoweringContext, w: Filter, perm: Sequence[int]) -> Filter:
    """A filter with its axes reordered."""
    return np.transpose(w, perm) if isinstance(w, np.ndarray) else transpose(ctx, w, perm)


def reshape_filter(ctx: LoweringContext, w: Filter, dims: Sequence[int]) -> Filter:
    """A filter with other dimensions."""
    return w.reshape(dims) if isinstance(w, np.ndarray) else reshape(ctx, w, dims)


def spread_filter(ctx: LoweringContext, w: Filter, factors: Sequence[int]) -> Filter:
    """A filter (*spatial, in, out) with factor - 1 zeros between its neighbours along each spatial axis."""
    for axis, factor in enumerate(factors):
        if not isinstance(w, np.ndarray):
            w = spread(ctx, w, axis, factor)
        elif factor > 1:
            wide = np.zeros([(n - 1) * factor + 1 if i == axis else n for i, n in enumerate(w.shape)], dtype=w.dtype)
            wide[(slice(None),) * axis + (slice(None, None, factor),)] = w
            w = wide
    return w


def flip_filter(ctx: LoweringContext, w: Filter, n_axes: int) -> Filter:
    """A filter (*spatial, in, out) turned round along its `n_axes` spatial axes."""
    if isinstance(w, np.ndarray):
        return np.flip(w, tuple(range(n_axes)))
    dims = ctx.dims(w)
    rows = reshape(ctx, w, (n_elements(dims[:n_axes]), n_elements(dims[n_axes:])))
    return reshape(ctx, ctx.emit("ReverseV2", rows, ctx.param([0])), dims)


def filter_dims(ctx: LoweringContext, w: Filter) -> list[int]:
    """The dimensions of a filter.

    Raises: UnsupportedError if only the running graph knows them.
    """
    return list(w.shape) if isinstance(w, np.ndarray) else [fixed(ctx, dim) for dim in ctx.dims(w)]


def filter_operand(ctx: LoweringContext, w: Filter) -> Ref:
    """A filter as a float32 operand of an operation; a narrow array of integers is stored as it is."""
    return cast(ctx, ctx.data(w), "float32") if isinstance(w, np.ndarray) else w


def spread(ctx: LoweringContext, x: Ref, axis: int, factor: int) -> Ref:
    """`x` with factor - 1 zeros between neighbours along an axis of fixed size."""
    if factor == 1:
        return x
    shape = host.sizes(ctx, x)
    size = fixed(ctx, ctx.dims(x)[axis])
    outer, inner = host.product(shape[:axis]), host.product(shape[axis + 1 :])
    single = host.resize(ctx, x, [outer, Size(size), Size(1), inner])
    pairs = pad(ctx, single, [(0, 0), (0, 0), (0, factor - 1), (0, 0)])
    rows = host.resize(ctx, pairs, [outer, Size(size * factor), inner])
    wide = contiguous(ctx, rows, {1: (0, (size - 1) * factor + 1)})
    return unfold(ctx, wide, shape, axis)


def fixed(ctx: LoweringContext, dim: Dim) -> int:
    """A dimension that must be known.

    Raises: UnsupportedError if only the running graph knows it.
    """
    if not isinstance(dim, int):
        ctx.refuse(f"dimension {dim or 'without a name'} must be known here", "fix it with `--bind name=size`")
    return dim


def every(ctx: LoweringContext, x: Ref, axis: int, start: int, stop_before_end: int, step: int) -> Ref:
    """The elements start, start + step, ... of an axis, up to `stop_before_end` elements before its end."""
    if ctx.rank(x) > MAX_RANK:
        rows = every(ctx, fold(ctx, x, axis), 1, start, stop_before_end, step)
        return unfold(ctx, rows, host.sizes(ctx, x), axis)
    return stepped(ctx, x, {axis: (start, -stop_before_end if stop_before_end else INT32_HIGHEST, step)})


def affine_size(ctx: LoweringContext, x: Ref, axis: int, times: int, plus: int) -> Size | Ref:
    """A dimension of `x` times a number plus another; a host vector if that is neither a number nor a product."""
    size = host.sizes(ctx, x)[axis] * Size(times)
    if size.is_static:
        return Size(size.number + plus)
    return ctx.emit("AddV2", host.as_vector(ctx, size), host.number(ctx, plus)) if plus else size


def reshape_like(ctx: LoweringContext, y: Ref, x: Ref) -> Ref:
    """`y` with the shape of `x`."""
    return host.resize(ctx, y, host.sizes(ctx, x))


def aligned(ctx: LoweringContext, x: Ref, rank: int) -> Ref:
    """`x` ready to be broadcast to a value of this rank.

    Above rank 4 WebGPU has no valid shader for vectors (binary_op_webgpu.js indexes a vec5): they get axes of size 1.
    """
    dims = ctx.dims(x)
    return reshape(ctx, x, ((1,) * (rank - len(dims)) + dims)) if rank > MAX_RANK and len(dims) == 1 else x
