"""Rounds real numbers to the values of a narrower type, with operations that are exact on every backend.

Only multiplications by powers of two, comparisons and the rounding to whole numbers are exact everywhere. A power of
two comes from a table; the logarithm that picks its place may be a little off, but only where both neighbours round
alike.
"""

import numpy as np

from converter.dtypes import DType, FloatFormat
from converter.errors import InternalError
from converter.lowering.context import LoweringContext
from converter.lowering.legal import MAX_RANK, cast, select
from converter.tfjs.graph import Ref

_STEPS = {"up": ("LessEqual", 1.0, 2.0), "nearest": ("Less", 1.5, 3.0), "down": ("Less", 2.0, 4.0)}
_LOG2 = 1 / np.log(2.0)


def rounded(ctx: LoweringContext, x: Ref, target: DType, *, saturate: bool = True, round_mode: str = "up") -> Ref:
    """Each float32 of `x` as the nearest value of `target`, ties to even, still as float32.

    What lies beyond the type becomes its largest value if `saturate` or if the type has nothing else, its infinity or
    NaN otherwise; float16 and bfloat16 never saturate. float8e8m0 rounds by `round_mode` instead.
    Source: https://onnx.ai/onnx/operators/onnx__Cast.html
    """
    if round_mode not in _STEPS:
        ctx.refuse(f"round_mode {round_mode!r} is none of {', '.join(_STEPS)}")
    shape = ctx.type(x).shape
    has_select = shape is not None and len(shape) <= MAX_RANK
    flat = x if has_select else ctx.emit("Reshape", x, ctx.param([-1]))
    if target.name == "float8e8m0":
        y = _power_of_two(ctx, flat, saturate, round_mode)
    else:
        y = _nearest(ctx, flat, target, saturate and target.bits != 16)
    return y if has_select else ctx.refine(ctx.emit("Reshape", y, ctx.emit("Shape", x)), shape)


def _nearest(ctx: LoweringContext, x: Ref, target: DType, saturate: bool) -> Ref:
    grid, highest = _grid(target)
    magnitude = ctx.emit("Abs", x)
    top = int(np.floor(np.log2(highest)))
    place = _place(ctx, magnitude, grid.min_exponent, top, 0.0)
    exponents = np.arange(grid.min_exponent, top + 1)
    # Between 2 and 4, so that neither a factor nor the product is too small or too large for any backend.
    scaled = ctx.emit("Mul", x, _looked_up(ctx, 1 - exponents, place))
    whole = ctx.emit("Round", ctx.emit("Mul", scaled, _power(ctx, grid.digits - 2)))
    y = ctx.emit("Mul", ctx.emit("Mul", whole, _power(ctx, 1 - grid.digits)), _looked_up(ctx, exponents, place))
    gap = 2.0 ** (top - grid.digits + 1)
    is_odd = highest / gap % 2 == 1  # a tie above the highest value goes to the even one of the two
    is_within = ctx.emit("Less" if is_odd else "LessEqual", magnitude, ctx.data(highest + gap / 2))
    return select(ctx, is_within, y, _beyond(ctx, x, target, saturate))


def _beyond(ctx: LoweringContext, x: Ref, target: DType, saturate: bool) -> Ref:
    """What takes the place of NaN and of numbers beyond the type."""
    grid, highest = _grid(target)
    if grid.has_nan and not saturate:
        return ctx.emit("Mul", x, _power(ctx, 127)) if grid.has_infinity else ctx.data(np.nan)
    limit = ctx.emit("Mul", ctx.emit("Sign", x), ctx.data(highest))
    if grid.has_nan:
        return select(ctx, ctx.emit("IsNan", x), x, limit)
    return select(ctx, ctx.emit("IsNan", x), ctx.data(0.0), limit)


def _power_of_two(ctx: LoweringContext, x: Ref, saturate: bool, round_mode: str) -> Ref:
    """A power of two from 2**-127 to 2**127; 0 is the smallest where a backend has no smaller float32 than 2**-126."""
    place = _place(ctx, x, -126, 127, -0.5)
    lower = np.arange(-127, 127)  # the power of two that is at most x, or the one below that
    ratio = ctx.emit("Mul", x, _looked_up(ctx, -lower, place))
    comparison, first, second = _STEPS[round_mode]
    is_half, is_one = (ctx.emit(comparison, ratio, ctx.data(bound)) for bound in (first, second))
    factor = select(ctx, is_half, ctx.data(0.5), select(ctx, is_one, ctx.data(1.0), ctx.data(2.0)))
    y = ctx.emit("Mul", _looked_up(ctx, lower + 1, place), factor)
    highest = _power(ctx, 127)
    if saturate:
        return select(ctx, ctx.emit("IsNan", x), x, ctx.emit("Minimum", y, highest))
    below = np.nextafter(np.float32(2.0**-127), np.float32(0))
    is_large = ctx.emit("Greater", x, ctx.data(np.asarray(below)))
    is_within = ctx.emit("LogicalAnd", is_large, ctx.emit("LessEqual", x, highest))
    return select(ctx, is_within, y, ctx.data(np.nan))


def _place(ctx: LoweringContext, magnitude: Ref, lowest: int, highest: int, shift: float) -> Ref:
    """The whole part of log2(magnitude) + shift, counted from that of the lowest power of two."""
    # Not ClipByValue: on WebGL it leaves the neighbours of a NaN as they are.
    limited = ctx.emit("Maximum", ctx.emit("Minimum", magnitude, _power(ctx, highest)), _power(ctx, lowest))
    exponent = ctx.emit("Mul", ctx.emit("Log", limited), ctx.data(_LOG2))
    start = float(np.floor(lowest + shift)) - shift
    return cast(ctx, ctx.emit("Sub", exponent, ctx.data(start)), "int32")


def _looked_up(ctx: LoweringContext, exponents: np.ndarray, place: Ref) -> Ref:
    table = ctx.data(np.exp2(exponents).astype(np.float32))
    return ctx.emit("GatherV2", table, place, ctx.param(0), batch_dims=0)


def _power(ctx: LoweringContext, exponent: int) -> Ref:
    return ctx.data(2.0**exponent)


def _grid(target: DType) -> tuple[FloatFormat, float]:
    if target.format is None or target.highest is None:
        raise InternalError(f"{target.name} is no type of real numbers")
    return target.format, float(target.highest)
