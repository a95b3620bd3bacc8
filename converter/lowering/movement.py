"""Data movement in the form that is right for every dtype and up to rank 6 on every backend.

Bools move as int32 (wasm moves four bytes where a bool has one); WebGPU tiles on the device up to rank 4 only; on wasm
a StridedSlice with steps returns float32 whatever it is given.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from converter.dtypes import INT32_HIGHEST
from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.legal import MAX_RANK, TF_TYPE, as_number, cast
from converter.tfjs.graph import Ref

STORAGE_DTYPES = {"float32": np.float32, "int32": np.int32}

Bound = int | Ref  # a number, or a host vector of one element


def empty(ctx: LoweringContext, index: int = 0) -> Ref | None:
    """An output that is known to have no elements, as a constant; None if it may have some."""
    shape = ctx.output_shape(index)
    if shape is None or 0 not in shape or not all(isinstance(dim, int) for dim in shape):
        return None
    storage = ctx.output_type(index).dtype.storage
    if storage not in TF_TYPE:
        return None
    return ctx.data(np.zeros([int(dim or 0) for dim in shape], dtype=storage))


def span(ctx: LoweringContext, x: Ref, axis: int) -> Ref:
    """0, 1, 2 … along an axis, as an int32 vector."""
    size = host.sizes(ctx, x)[axis]
    if size.is_static:
        return ctx.data(np.arange(size.number, dtype=np.int32))
    return count_to(ctx, host.as_vector(ctx, size))


def count_to(ctx: LoweringContext, end: Ref) -> Ref:
    """0, 1, 2 … up to a host number, which is not in it."""
    return ctx.emit("Range", ctx.param(0), end, ctx.param(1), Tidx=TF_TYPE["int32"])


def movable(ctx: LoweringContext, x: Ref) -> Ref:
    """`x` in a dtype that every backend can move about.

    Raises: UnsupportedError for strings.
    """
    if ctx.type(x).dtype == "string":
        ctx.refuse("TF.js can't move strings about", hint="keep text outside the model")
    return as_number(ctx, x)


def take(ctx: LoweringContext, x: Ref, axis: int, indices: Ref) -> Ref:
    """The entries of `x` at `indices` (int32, from 0 to the size - 1) along an axis."""
    taken = ctx.emit("GatherV2", movable(ctx, x), indices, ctx.param(axis))
    return cast(ctx, taken, ctx.type(x).dtype)


def fold(ctx: LoweringContext, x: Ref, axis: int) -> Ref:
    """`x` as (what is before the axis, the axis, what is after it)."""
    shape = host.sizes(ctx, x)
    return host.resize(ctx, x, [host.product(shape[:axis]), shape[axis], host.product(shape[axis + 1 :])])


def unfold(ctx: LoweringContext, folded: Ref, shape: Sequence[Size], axis: int) -> Ref:
    """What `fold` made of a value of this shape, as it was, but for the size of the axis."""
    size = host.sizes(ctx, folded)[1]
    return host.resize(ctx, folded, [*shape[:axis], None if size.dim is None else size, *shape[axis + 1 :]])


def tile(ctx: LoweringContext, x: Ref, repeats: Sequence[int]) -> Ref:
    """`x` repeated along each axis."""
    dtype, y = ctx.type(x).dtype, movable(ctx, x)
    if all(repeat == 1 for repeat in repeats):
        return x
    if len(repeats) <= MAX_RANK:
        return cast(ctx, ctx.emit("Tile", y, ctx.param(repeats)), dtype)
    for axis, repeat in enumerate(repeats):
        if repeat != 1:
            shape = host.sizes(ctx, y)
            y = unfold(ctx, ctx.emit("Tile", fold(ctx, y, axis), ctx.param([1, repeat, 1])), shape, axis)
    return cast(ctx, y, dtype)


def broadcast_to(ctx: LoweringContext, x: Ref, shape: Sequence[Size]) -> Ref:
    """`x` broadcast to a shape that its own broadcasts to.

    Emits: BroadcastTo, but Tile for axes of 1 that may be repeated 0 times: BroadcastTo leaves those as they are
           (tfjs-core, ops/broadcast_to.js). Above rank 4 a product with ones.
    """
    dims = tuple(size.dim for size in shape)
    source = [*[Size(1)] * (len(shape) - ctx.rank(x)), *host.sizes(ctx, x)]
    if dims == ctx.dims(x) and None not in dims:
        return x
    is_dynamic = any(have.dim == 1 and not want.is_static for have, want in zip(source, shape, strict=True))
    if not is_dynamic or len(shape) > MAX_RANK:
        return ctx.refine(_spread(ctx, x, host.shape_vector(ctx, shape), len(shape)), dims)
    repeats = [want if have.dim == 1 else Size(1) for have, want in zip(source, shape, strict=True)]
    tiled = ctx.emit("Tile", host.resize(ctx, movable(ctx, x), source), host.shape_vector(ctx, repeats))
    return cast(ctx, ctx.refine(tiled, dims), ctx.type(x).dtype)


def broadcast_against(ctx: LoweringContext, x: Ref, target: Ref, n_axes: int) -> Ref:
    """`x` broadcast against a shape of `n_axes`, a host vector.

    Emits: Tile, with repeats computed on the host; above rank 4 a product with ones.
    """
    missing = n_axes - ctx.rank(x)
    if missing < 0:
        target = ctx.emit("ConcatV2", host.number(ctx, *[1] * -missing), target, ctx.param(0), N=2)
    rank = max(n_axes, ctx.rank(x))
    if rank > MAX_RANK:
        return _spread(ctx, x, target, rank)
    source = [*[Size(1)] * missing, *host.sizes(ctx, x)]
    one = host.number(ctx, 1)
    is_one = cast(ctx, ctx.emit("Equal", _as_number(ctx, source), one), "int32")
    repeats = ctx.emit("AddV2", ctx.emit("Mul", is_one, ctx.emit("Sub", target, one)), one)
    tiled = ctx.emit("Tile", host.resize(ctx, movable(ctx, x), source), repeats)
    return cast(ctx, tiled, ctx.type(x).dtype)


def _as_number(ctx: LoweringContext, shape: Sequence[Size]) -> Ref:
    """A shape to calculate with, no parameter."""
    if all(size.is_static for size in shape):
        return host.number(ctx, *[size.number for size in shape])
    return host.shape_vector(ctx, shape)


def _spread(ctx: LoweringContext, x: Ref, shape: Ref, rank: int) -> Ref:
    dtype, number = ctx.type(x).dtype, movable(ctx, x)
    if rank <= MAX_RANK:
        return cast(ctx, ctx.emit("BroadcastTo", number, shape), dtype)
    storage = ctx.type(number).dtype
    one = ctx.data(np.ones((), dtype=STORAGE_DTYPES[storage]))
    return cast(ctx, ctx.emit("Mul", number, ctx.emit("Fill", shape, one, T=TF_TYPE[storage])), dtype)


def contiguous(ctx: LoweringContext, x: Ref, cuts: Mapping[int, tuple[Bound, Bound]]) -> Ref:
    """The elements of `x` from start to end (not in it) along some axes; bounds count and clamp as Python's do."""
    dims = ctx.dims(x)
    cuts = {axis: cut for axis, cut in cuts.items() if not _is_everything(cut)}
    starts, lengths = [0] * len(dims), [dim if isinstance(dim, int) else -1 for dim in dims]
    is_static = True
    for axis, (start, end) in cuts.items():
        dim = dims[axis]
        if isinstance(dim, int) and isinstance(start, int) and isinstance(end, int):
            first, last, _ = slice(start, end).indices(dim)
            starts[axis], lengths[axis] = first, max(last - first, 0)
        else:
            is_static = False
    if is_static:
        if tuple(lengths) == tuple(dim if isinstance(dim, int) else -1 for dim in dims):
            return x
        return ctx.emit("Slice", x, ctx.param(starts), ctx.param(lengths))
    return _strided(ctx, x, {axis: (start, end, 1) for axis, (start, end) in cuts.items()})


def _is_everything(cut: tuple[Bound, Bound]) -> bool:
    start, end = cut
    return start == 0 and isinstance(end, int) and end >= INT32_HIGHEST


def _strided(ctx: LoweringContext, x: Ref, cuts: Mapping[int, tuple[Bound, Bound, int]]) -> Ref:
    rank = ctx.rank(x)
    bounds = [cuts.get(axis, (0, 0, 1)) for axis in range(rank)]
    untouched = sum(1 << axis for axis in range(rank) if axis not in cuts)
    starts, ends = (host_bounds(ctx, [bound[side] for bound in bounds]) for side in (0, 1))
    steps = ctx.param([step for _, _, step in bounds])
    return ctx.emit("StridedSlice", x, starts, ends, steps, begin_mask=untouched, end_mask=untouched)


def host_bounds(ctx: LoweringContext, bounds: Sequence[Bound]) -> Ref:
    """Numbers and host vectors of one element as one host vector."""
    if all(isinstance(bound, int) for bound in bounds):
        return ctx.param([bound for bound in bounds if isinstance(bound, int)])
    return host.shape_vector(ctx, [host.number(ctx, bound) if isinstance(bound, int) else bound for bound in bounds])


def stepped(ctx: LoweringContext, x: Ref, cuts: Mapping[int, tuple[Bound, Bound, int]]) -> Ref:
    """The elements of `x` from start to end (not in it) in steps, along some axes, as Python's slices take them."""
    plain = {axis: (start, end) for axis, (start, end, step) in cuts.items() if step == 1}
    if len(plain) == len(cuts):
        return contiguous(ctx, x, plain)
    if ctx.type(x).dtype == "float32" and ctx.rank(x) <= MAX_RANK:
        return _strided(ctx, x, cuts)
    x = contiguous(ctx, x, plain)
    for axis, (start, end, step) in cuts.items():
        if step != 1:
            x = take(ctx, x, axis, _positions(ctx, x, axis, start, end, step))
    return x


def _positions(ctx: LoweringContext, x: Ref, axis: int, start: Bound, end: Bound, step: int) -> Ref:
    dim = ctx.dims(x)[axis]
    if isinstance(dim, int) and isinstance(start, int) and isinstance(end, int):
        return ctx.data(np.arange(dim, dtype=np.int32)[onnx_slice(start, end, step, dim)])
    every = cast(ctx, count_to(ctx, host.as_vector(ctx, host.sizes(ctx, x)[axis])), "float32")
    return cast(ctx, _strided(ctx, every, {0: (start, end, step)}), "int32")


def onnx_slice(start: int, end: int, step: int, dim: int) -> slice:
    """An ONNX slice of an axis as one of Python: -1 as an end before the first element is None there."""
    first, last, _ = slice(start, end, step).indices(dim)
    return slice(first, None if last < 0 else last, step)
