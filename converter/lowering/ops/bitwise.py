"""Operators on the bits of integers, by arithmetic: WebGPU has no kernels for them, and no backend has all.

Integers are int32 here, and floats on a GPU: exact below 2 ** 24 there.
"""

import operator
from collections.abc import Callable

import numpy as np

from converter.dtypes import DType
from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.legal import select, wrapped
from converter.lowering.movement import empty, take
from converter.lowering.reduce import reduce_axes
from converter.lowering.registry import lowers
from converter.tfjs.graph import Ref

BASE = 16
MAX_RANK = 6
NARROW = 16  # bits
TABLES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "BitwiseAnd": operator.and_,
    "BitwiseOr": operator.or_,
    "BitwiseXor": operator.xor,
}


def _int(value: int | np.ndarray) -> np.ndarray:
    return np.asarray(value, dtype=np.int32)


def _bits(dtype: DType) -> int:
    """How many bits a value has that fits int32 as well."""
    return min(int(dtype.highest or 0).bit_length() + (1 if dtype.lowest else 0), 32)


@lowers("BitwiseAnd", "BitwiseOr", "BitwiseXor", since=(18,))
def lower_bitwise(ctx: LoweringContext) -> None:
    """C = A op B, bit by bit.

    Emits: FloorDiv and FloorMod for digits of four bits, GatherV2 from the table of all pairs of digits, Sum.
    """
    if (nothing := empty(ctx)) is not None:
        ctx.result(nothing)
        return
    a, b = ctx.operand(0), ctx.operand(1)
    bits, signed = _bits(ctx.dtype(0)), bool(ctx.dtype(0).lowest)
    if bits <= NARROW:
        ctx.result(_looked_up(ctx, a, b, bits // 4, signed=signed))
        return
    half = ctx.data(_int(1 << NARROW))  # a sum of higher digits would be beyond what a float holds
    lows, highs = ([ctx.emit(op, value, half) for value in (a, b)] for op in ("FloorMod", "FloorDiv"))
    low = _looked_up(ctx, lows[0], lows[1], NARROW // 4, signed=False)
    high = _looked_up(ctx, highs[0], highs[1], NARROW // 4, signed=signed)
    ctx.result(ctx.emit("AddV2", ctx.emit("Mul", high, half), low))


def _looked_up(ctx: LoweringContext, a: Ref, b: Ref, digits: int, *, signed: bool) -> Ref:
    """The result for two numbers of so many digits, digit by digit; the highest of a signed one counts downward."""
    rank = max(ctx.rank(a), ctx.rank(b))
    if rank >= MAX_RANK:
        ctx.refuse(f"bits of a value of rank {rank}", hint="reshape it to a lower rank")
    places = (BASE ** np.arange(digits)).reshape((1, -1) if rank else -1)  # WebGPU broadcasts no vector to rank 5
    one, other = (_digits(ctx, value, places) for value in (a, b))
    index = ctx.emit("AddV2", ctx.emit("Mul", one, ctx.data(_int(BASE))), other)
    if signed:
        index = ctx.emit("AddV2", index, ctx.data(_int(BASE**2 * (places == places.max()))))
    found = take(ctx, ctx.data(_table(TABLES[ctx.node.op])), 0, index)
    return reduce_axes(ctx, "Sum", ctx.emit("Mul", found, ctx.data(_int(places))), [rank], keepdims=False)


def _digits(ctx: LoweringContext, x: Ref, places: np.ndarray) -> Ref:
    """The digits of two's complement numbers, lowest first, along a new last axis."""
    x = host.unsqueeze(ctx, x, [ctx.rank(x)])
    return ctx.emit("FloorMod", ctx.emit("FloorDiv", x, ctx.data(_int(places))), ctx.data(_int(BASE)))


def _table(apply: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """The result for each pair of digits, then the same with the highest bit counting -8."""
    digit = np.arange(BASE)
    results = apply(digit[:, None], digit[None, :]).ravel()
    return np.concatenate([results, np.where(results >= BASE // 2, results - BASE, results)]).astype(np.int8)


@lowers("BitwiseNot", since=(18,))
def lower_bitwise_not(ctx: LoweringContext) -> None:
    """Y = X with every bit turned over.

    Emits: Sub.
    """
    dtype = ctx.dtype(0)
    if dtype.name in ("uint32", "uint64"):
        ctx.refuse(f"the complement of {dtype.name} is beyond 31 bits, and TF.js has int32 only")
    ctx.result(ctx.emit("Sub", ctx.data(_int(int(dtype.highest or 0) if dtype.lowest == 0 else -1)), ctx.operand(0)))


@lowers("BitShift", since=(11, 28))
def lower_bit_shift(ctx: LoweringContext) -> None:
    """Z = X shifted by Y bits; what leaves is lost, and a negative number stays negative on its way right.

    A shift of all bits or more leaves what one of all bits would; one by a negative number as well.
    Emits: FloorDiv by a power of two, or Mul; powers by GatherV2. Numbers of 32 bits and more are shifted twice by
           half, since 2 ** 31 is beyond int32; narrower ones first lose what would leave.
    Source: https://onnx.ai/onnx/operators/onnx__BitShift.html
    """
    if (nothing := empty(ctx)) is not None:
        ctx.result(nothing)
        return
    is_left = ctx.attr("direction") == "LEFT"
    x, bits = ctx.operand(0), _bits(ctx.dtype(0))
    amount = _amount(ctx, bits)
    if bits <= NARROW:
        power = _entry(ctx, 2 ** np.arange(bits + 1), amount)
        ctx.result(_cut_and_shifted(ctx, x, amount, power, bits) if is_left else ctx.emit("FloorDiv", x, power))
        return
    for power in _halves(ctx, amount, bits, is_left=is_left):
        x = ctx.emit("Mul" if is_left else "FloorDiv", x, power)
    ctx.result(x)


def _cut_and_shifted(ctx: LoweringContext, x: Ref, amount: Ref, power: Ref, bits: int) -> Ref:
    """A narrow number shifted to the left, without the bits that leave."""
    kept = _entry(ctx, 2 ** np.arange(bits, -1, -1), amount)
    return wrapped(ctx, ctx.emit("Mul", ctx.emit("FloorMod", x, kept), power), ctx.dtype(0))


def _halves(ctx: LoweringContext, amount: Ref, bits: int, *, is_left: bool) -> list[Ref]:
    """Two powers of two whose product is 2 ** amount, which may be beyond int32; 0 for a shift that leaves nothing."""
    shifts = np.arange(bits + 1)
    tables = [2 ** (shifts // 2), 2 ** (shifts - shifts // 2)]
    if is_left:
        tables = [np.where(shifts == bits, 0, table) for table in tables]
    return [_entry(ctx, table, amount) for table in tables]


def _entry(ctx: LoweringContext, table: np.ndarray, index: Ref) -> Ref:
    return take(ctx, ctx.data(_int(table)), 0, index)


def _amount(ctx: LoweringContext, bits: int) -> Ref:
    """The shifts, `bits` where they are out of range."""
    known = ctx.known(1)
    if known is not None:
        wide = known.astype(np.int64)
        return ctx.data(_int(np.where((wide < 0) | (wide > bits), bits, wide)))
    amount = ctx.operand(1)
    if ctx.dtype(1).lowest:
        negative = ctx.emit("Less", amount, ctx.data(_int(0)))
        amount = select(ctx, negative, ctx.data(_int(bits)), amount)
    return ctx.emit("Minimum", amount, ctx.data(_int(bits)))
