"""Emits data movement in the form that is right on every backend.

The limits each function works around: int32 and bool transposes are invalid shaders on WebGPU; bool data movement
corrupts memory on wasm; pad, strided slice, select and reverse stop at rank 4 on WebGL and WebGPU.
"""

from collections.abc import Sequence

import numpy as np

from converter.dtypes import DType
from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size, is_on_host
from converter.tfjs.graph import DataType, Dim, Ref, n_elements

TF_TYPE = {"float32": DataType("DT_FLOAT"), "int32": DataType("DT_INT32"), "bool": DataType("DT_BOOL")}
MAX_RANK = 4
MAX_SHAPE_ELEMENTS = 8


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
    """`x` with the shape `dims`; dynamic dims are looked up by name in the shapes of `x` and of `like`.

    At most one dim may be found nowhere: it is whatever is left.

    Raises: UnsupportedError if several are.
    """
    found = [size for source in (*reversed(like), x) for size in host.sizes(ctx, source)]
    known: dict[Dim, Size] = {size.name: size for size in found if size.name}
    sizes = [Size(dim) if isinstance(dim, int) else known.get(dim) for dim in dims]
    if sizes.count(None) > 1:
        lost = ", ".join(str(dim) for dim, size in zip(dims, sizes, strict=True) if size is None)
        ctx.refuse(
            f"dimensions that only the running graph knows ({lost}) are needed, and nothing here tells them",
            hint="fix them with `--bind name=size`",
        )
    return ctx.refine(host.resize(ctx, x, sizes), tuple(dims))


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
    if dtype == "int32" and all(_is_shape_arithmetic(ctx, value) for value in (condition, one, other)):
        change = ctx.emit("Mul", cast(ctx, condition, "int32"), ctx.emit("Sub", one, other))
        return ctx.emit("AddV2", other, change)
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


def _is_shape_arithmetic(ctx: LoweringContext, value: Ref) -> bool:
    """Whether a value is as small as a shape and on the host, where it has to stay: SelectV2 would move it away."""
    count = n_elements(ctx.type(value).shape)
    return count is not None and count <= MAX_SHAPE_ELEMENTS and is_on_host(ctx, value)


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
