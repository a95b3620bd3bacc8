"""Emits data movement in the form that is right on every backend.

The limits each function works around: int32 and bool transposes are invalid shaders on WebGPU; bool data movement
corrupts memory on wasm; pad, strided slice, select and reverse stop at rank 4 on WebGL and WebGPU.
"""

from collections.abc import Sequence

import numpy as np

from converter.dtypes import DType
from converter.lowering.context import LoweringContext
from converter.tfjs.graph import DataType, Dim, Ref, n_elements

TF_TYPE = {"float32": DataType("DT_FLOAT"), "int32": DataType("DT_INT32"), "bool": DataType("DT_BOOL")}
MAX_RANK = 4


def cast(ctx: LoweringContext, x: Ref, storage: str) -> Ref:
    """`x` as float32 (bool: 0 or 1), int32 (truncated) or bool (not zero)."""
    source = ctx.type(x).dtype
    if source == storage:
        return x
    if storage == "bool":
        zero = ctx.data(np.zeros((), dtype=np.int32 if source == "int32" else np.float32))
        return ctx.emit("NotEqual", x, zero)
    return ctx.emit("Cast", x, SrcT=TF_TYPE[source], DstT=TF_TYPE[storage])


def wrapped(ctx: LoweringContext, x: Ref, dtype: DType) -> Ref:
    """An int32 result brought back into the range of a narrower ONNX integer type, as its overflow would."""
    if not dtype.is_integer or dtype.lowest is None or dtype.highest is None or dtype.highest > 0xFFFF:
        return x
    span = ctx.data(np.asarray(int(dtype.highest) - int(dtype.lowest) + 1, dtype=np.int32))
    if dtype.lowest == 0:
        return ctx.emit("FloorMod", x, span)
    low = ctx.data(np.asarray(dtype.lowest, dtype=np.int32))
    return ctx.emit("AddV2", ctx.emit("FloorMod", ctx.emit("Sub", x, low), span), low)


def reshape(ctx: LoweringContext, x: Ref, dims: Sequence[Dim], *like: Ref) -> Ref:
    """`x` with the shape `dims`; dynamic dims are looked up in the shapes of `x` and of `like`."""
    shape = ctx.type(x).shape
    if shape is not None and tuple(dims) == shape and all(dim is not None for dim in dims):
        return x
    return ctx.refine(ctx.emit("Reshape", x, dims_operand(ctx, dims, x, *like)), tuple(dims))


def dims_operand(ctx: LoweringContext, dims: Sequence[Dim], *sources: Ref) -> Ref:
    """A shape as an operand: a constant with at most one -1, else read from the shapes of `sources` at run time."""
    dynamic = [index for index, dim in enumerate(dims) if not isinstance(dim, int)]
    if len(dynamic) <= 1 and not (dynamic and 0 in dims):
        return ctx.param([dim if isinstance(dim, int) else -1 for dim in dims])
    return host_vector(ctx, [dim if isinstance(dim, int) else dim_at_run_time(ctx, dim, *sources) for dim in dims])


def host_vector(ctx: LoweringContext, parts: Sequence[int | Ref]) -> Ref:
    """An int32 vector of numbers and of one-element vectors that only the running graph knows."""
    numbers = [part for part in parts if isinstance(part, int)]
    if len(numbers) == len(parts):
        return ctx.param(numbers)
    pieces = [ctx.param([part]) if isinstance(part, int) else part for part in parts]
    return pieces[0] if len(pieces) == 1 else ctx.emit("ConcatV2", *pieces, ctx.param(0), N=len(pieces))


def dim_at_run_time(ctx: LoweringContext, dim: Dim, *sources: Ref) -> Ref:
    """A named dynamic dimension as an int32 vector of one element, computed on the host.

    Raises: UnsupportedError if no source has a dimension of that name.
    """
    for source in sources:
        shape = ctx.type(source).shape
        if shape is not None and dim is not None and dim in shape:
            return dim_of(ctx, source, shape.index(dim))
    ctx.refuse(
        f"dimension {dim or 'without a name'} is only known when the graph runs, and nothing here tells it",
        hint="fix it with `--bind name=size`",
    )


def dim_of(ctx: LoweringContext, x: Ref, axis: int) -> Ref:
    """One dimension of `x` as an int32 vector of one element, computed on the host."""
    shape = ctx.emit("Shape", x)
    return ctx.emit("Slice", shape, ctx.param([axis]), ctx.param([1]))


def transpose(ctx: LoweringContext, x: Ref, perm: Sequence[int]) -> Ref:
    """`x` with its axes reordered."""
    if list(perm) == list(range(len(perm))):
        return x
    dtype = ctx.type(x).dtype
    if dtype == "float32" or len(perm) < 3:
        return ctx.emit("Transpose", x, ctx.param(perm))
    moved = ctx.emit("Transpose", cast(ctx, x, "float32"), ctx.param(perm))
    return cast(ctx, moved, dtype)


def as_number(ctx: LoweringContext, x: Ref) -> Ref:
    """A bool as int32, anything else as it is: what may be moved about in memory."""
    return cast(ctx, x, "int32") if ctx.type(x).dtype == "bool" else x


def select(ctx: LoweringContext, condition: Ref, one: Ref, other: Ref) -> Ref:
    """`one` where the bool `condition` holds, `other` elsewhere; the three broadcast."""
    dtype = ctx.type(one).dtype
    one, other = as_number(ctx, one), as_number(ctx, other)
    ranks = [ctx.rank(value) for value in (condition, one, other)]
    if max(ranks) <= MAX_RANK:
        return cast(ctx, ctx.emit("SelectV2", condition, one, other), dtype)
    # Rank 5 and 6 have no select shader: arithmetic would turn NaN or Inf of the other side into NaN, so flatten.
    numbers = cast(ctx, condition, "int32")
    zeros = ctx.emit("Mul", ctx.emit("ZerosLike", one), ctx.emit("ZerosLike", other))
    zeros = ctx.emit("Mul", zeros, cast(ctx, ctx.emit("ZerosLike", numbers), ctx.type(zeros).dtype))
    full = ctx.dims(zeros)
    parts = [ctx.emit("AddV2", cast(ctx, value, ctx.type(zeros).dtype), zeros) for value in (numbers, one, other)]
    flat = [ctx.emit("Reshape", part, ctx.param([-1])) for part in parts]
    chosen = ctx.emit("SelectV2", cast(ctx, flat[0], "bool"), flat[1], flat[2])
    return cast(ctx, reshape(ctx, chosen, full, zeros), dtype)


def pad(ctx: LoweringContext, x: Ref, pads: Sequence[tuple[int, int]], value: float | Ref = 0.0) -> Ref:
    """`x` with `pads` elements of `value` (a Ref: a host scalar) before and after each axis; negative pads cut."""
    dtype = ctx.type(x).dtype
    x = as_number(ctx, x)
    if any(before < 0 or after < 0 for before, after in pads):
        x = _crop(ctx, x, [(min(before, 0), min(after, 0)) for before, after in pads])
        pads = [(max(before, 0), max(after, 0)) for before, after in pads]
    if any(before or after for before, after in pads):
        x = _pad(ctx, x, pads, value) if len(pads) <= MAX_RANK else _pad_by_axis(ctx, x, pads, value)
    return cast(ctx, x, dtype)


def _pad(ctx: LoweringContext, x: Ref, pads: Sequence[tuple[int, int]], value: float | Ref) -> Ref:
    dtype = np.float32 if ctx.type(x).dtype == "float32" else np.int32
    filler = value if isinstance(value, Ref) else ctx.data(np.asarray(value, dtype=dtype))
    return ctx.emit("PadV2", x, ctx.param_matrix(pads), filler)


def _pad_by_axis(ctx: LoweringContext, x: Ref, pads: Sequence[tuple[int, int]], value: float | Ref) -> Ref:
    for axis, (before, after) in enumerate(pads):
        if before or after:
            dims = ctx.dims(x)
            outer, inner = n_elements(dims[:axis]), n_elements(dims[axis + 1 :])
            size = dims[axis]
            if not isinstance(size, int):
                ctx.refuse(f"padding axis {axis} of rank {len(dims)} needs a fixed size", hint="fix it with `--bind`")
            flat = _pad(ctx, reshape(ctx, x, (outer, size, inner)), [(0, 0), (before, after), (0, 0)], value)
            x = reshape(ctx, flat, (*dims[:axis], size + before + after, *dims[axis + 1 :]), x)
    return x


def _crop(ctx: LoweringContext, x: Ref, cuts: Sequence[tuple[int, int]]) -> Ref:
    dims = ctx.dims(x)
    if all(isinstance(dim, int) or cut == (0, 0) for dim, cut in zip(dims, cuts, strict=True)):
        sizes = [dim + sum(cut) if isinstance(dim, int) else -1 for dim, cut in zip(dims, cuts, strict=True)]
        return ctx.emit("Slice", x, ctx.param([-before for before, _ in cuts]), ctx.param(sizes))
    starts = [-before for before, _ in cuts]
    masks = sum(1 << axis for axis, (_, after) in enumerate(cuts) if after == 0)
    ends = ctx.param([after for _, after in cuts])
    return ctx.emit("StridedSlice", x, ctx.param(starts), ends, ctx.param([1] * len(cuts)), end_mask=masks)
