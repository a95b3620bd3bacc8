"""Integers of one byte or two that stand for real numbers: stored narrow, brought to float32 where they are used."""

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.legal import cast
from converter.tfjs.graph import Ref

_NARROW = (np.int8, np.uint8, np.int16, np.uint16)


def narrowest(array: np.ndarray) -> np.ndarray:
    """Integers in the smallest dtype that a graph can store them in."""
    wide = array.astype(np.int64)
    for dtype in _NARROW:
        limits = np.iinfo(dtype)
        if wide.size == 0 or (int(wide.min()) >= limits.min and int(wide.max()) <= limits.max):
            return wide.astype(dtype)
    return wide.astype(np.int32)


def centred_array(ctx: LoweringContext, index: int, zero_point: int, channel: int) -> np.ndarray | None:
    """A known integer operand minus its known zero point, exactly; None where one is not known, or it would be wider.

    A zero point that is a vector has one number for each index of the axis `channel` (counted from the front).
    """
    values = ctx.known(index)
    zeros = np.zeros((), dtype=np.int8) if not ctx.has(zero_point) else ctx.known(zero_point)
    if values is None or zeros is None or not ctx.dtype(index).is_integer:
        return None
    wide = zeros.astype(np.int64)
    if wide.ndim == 1:
        wide = wide.reshape([-1 if axis == channel else 1 for axis in range(values.ndim)]) if wide.size > 1 else wide[0]
    result = narrowest(values.astype(np.int64) - wide)
    return result if result.itemsize <= values.itemsize else None


def centred(ctx: LoweringContext, index: int, zero_point: int, channel: int) -> Ref:
    """An operand minus its zero point as float32; what is known is subtracted before the graph runs."""
    array = centred_array(ctx, index, zero_point, channel)
    if array is not None:
        return cast(ctx, ctx.data(array), "float32")
    x = cast(ctx, ctx.operand(index), "float32")
    if not ctx.has(zero_point) or is_zero(ctx.known(zero_point)):
        return x
    return ctx.emit("Sub", x, along(ctx, zero_point, ctx.rank(x), channel))


def is_zero(array: np.ndarray | None) -> bool:
    """Whether these values are known to be 0."""
    return array is not None and not np.any(array.astype(np.float32))


def along(ctx: LoweringContext, index: int, rank: int, channel: int) -> Ref:
    """A scale or a zero point as float32 that broadcasts against a value of this rank, a vector along one axis."""
    known = ctx.known(index)
    if known is not None:
        values = known.astype(np.float32)
        if values.size == 1:
            return ctx.data(values.reshape(()))
        if values.ndim == 1:
            values = values.reshape([-1 if axis == channel else 1 for axis in range(rank)])
        return ctx.data(_without_leading_ones(values))
    value = cast(ctx, ctx.operand(index), "float32")
    if ctx.rank(value) != 1 or rank == 1:
        return value
    if ctx.dims(value) == (1,):
        return host.resize(ctx, value, [])
    return host.resize(ctx, value, [None, *[Size(1)] * (rank - channel - 1)])


def _without_leading_ones(values: np.ndarray) -> np.ndarray:
    while values.ndim and values.shape[0] == 1:
        values = values[0]
    return values


def saturated(ctx: LoweringContext, x: Ref, zero_point: Ref | None, lowest: int, highest: int) -> Ref:
    """A float32 value rounded to the nearest whole number, ties to even, shifted and limited, still as float32."""
    y = ctx.emit("Round", x)
    if zero_point is not None:
        y = ctx.emit("AddV2", y, zero_point)
    return ctx.emit("ClipByValue", y, ctx.data(float(lowest)), ctx.data(float(highest)))
