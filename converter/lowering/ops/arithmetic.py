"""Arithmetic on two or more operands that broadcast."""

from functools import reduce

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.legal import cast, reshape, select, wrapped
from converter.lowering.registry import lowers
from converter.tfjs.graph import Ref

BINARY = {"Add": "AddV2", "Sub": "Sub", "Mul": "Mul"}
NO_AXIS = 1 << 30
VARIADIC = {"Max": "Maximum", "Min": "Minimum", "Sum": "AddV2"}


@lowers("Add", "Sub", "Mul", since=(7, 13, 14))
def lower_binary(ctx: LoweringContext) -> None:
    """C = A op B; integers narrower than 32 bits wrap as ONNX's do.

    Emits: AddV2, Sub or Mul.
    """
    result = ctx.emit(BINARY[ctx.node.op], ctx.operand(0), ctx.operand(1))
    ctx.result(wrapped(ctx, result, ctx.dtype(0)))


@lowers("Add", "Sub", "Mul", "Div", since=(6,))
def lower_legacy_binary(ctx: LoweringContext) -> None:
    """C = A op B before opset 7: B only broadcasts where `broadcast` says so, from `axis` of A on.

    Emits: AddV2, Sub, Mul or RealDiv, with B reshaped to A's rank.
    """
    a, b = ctx.operand(0), _aligned(ctx, ctx.operand(0), ctx.operand(1))
    if ctx.node.op == "Div" and ctx.type(a).dtype == "int32":
        ctx.refuse("integer division before opset 7", hint="export at opset 7 or newer")
    result = ctx.emit({**BINARY, "Div": "RealDiv"}[ctx.node.op], a, b)
    ctx.result(wrapped(ctx, result, ctx.dtype(0)))


@lowers("Pow", since=(1,))
def lower_legacy_pow(ctx: LoweringContext) -> None:
    """Z = X ** Y on floats before opset 7, broadcast as arithmetic was then.

    Emits: Pow, with Y reshaped to X's rank.
    """
    x = ctx.operand(0)
    ctx.result(ctx.emit("Pow", x, _aligned(ctx, x, ctx.operand(1))))


def _aligned(ctx: LoweringContext, a: Ref, b: Ref) -> Ref:
    """B with dimensions of 1 behind its own where it stands for earlier dimensions of A."""
    broadcast, axis = bool(ctx.attr("broadcast", 0)), int(ctx.attr("axis", NO_AXIS))
    if not broadcast or axis == NO_AXIS:
        return b
    dims = ctx.dims(b)
    after = ctx.rank(a) - ctx.axis(axis, ctx.rank(a)) - len(dims)
    return reshape(ctx, b, (*dims, *[1] * max(after, 0)))


@lowers("Div", since=(7, 13, 14))
def lower_div(ctx: LoweringContext) -> None:
    """C = A / B; integers are truncated toward zero.

    Emits: RealDiv; for integers Sign, Abs, FloorDiv and Mul, since TF.js rounds an integer quotient down.
    """
    a, b = ctx.operand(0), ctx.operand(1)
    if ctx.type(a).dtype == "float32":
        ctx.result(ctx.emit("RealDiv", a, b))
        return
    if ctx.dtype(0).lowest == 0:
        ctx.result(ctx.emit("FloorDiv", a, b))
        return
    sign = ctx.emit("Mul", _sign(ctx, a), _sign(ctx, b))
    quotient = ctx.emit("FloorDiv", ctx.emit("Abs", a), ctx.emit("Abs", b))
    ctx.result(wrapped(ctx, ctx.emit("Mul", sign, quotient), ctx.dtype(0)))


def _sign(ctx: LoweringContext, x: Ref) -> Ref:
    """The sign of an int32 value, through comparisons: the Sign kernels are made for floats."""
    zero = ctx.data(np.asarray(0, dtype=np.int32))
    positive, negative = ctx.emit("Greater", x, zero), ctx.emit("Less", x, zero)
    return ctx.emit("Sub", cast(ctx, positive, "int32"), cast(ctx, negative, "int32"))


@lowers("Mod", since=(10, 13, 28))
def lower_mod(ctx: LoweringContext) -> None:
    """C = A mod B with the sign of B, or of A where `fmod` is set.

    Emits: FloorMod; for fmod on the absolute values, with the sign of A put back. Of sizes FloorDiv, Mul and Sub, since
           WebGPU has no FloorMod on the host.
    """
    a, b = ctx.operand(0), ctx.operand(1)
    if not ctx.attr("fmod", 0):
        ctx.result(_floor_mod(ctx, a, b))
        return
    remainder = ctx.emit("FloorMod", ctx.emit("Abs", a), ctx.emit("Abs", b))
    sign = ctx.emit("Sign", a) if ctx.type(a).dtype == "float32" else _sign(ctx, a)
    ctx.result(ctx.emit("Mul", sign, remainder))


def _floor_mod(ctx: LoweringContext, a: Ref, b: Ref) -> Ref:
    """A mod B with the sign of B; where B is infinite and A isn't, that is A or B, whichever has the sign of B."""
    if ctx.type(a).dtype == "int32":
        is_size = host.is_on_host(ctx, a) and host.is_on_host(ctx, b)
        whole = ctx.emit("Mul", ctx.emit("FloorDiv", a, b), b) if is_size else None
        return ctx.emit("FloorMod", a, b) if whole is None else ctx.emit("Sub", a, whole)
    remainder, known = ctx.emit("FloorMod", a, b), ctx.known(1)
    if known is not None and np.isfinite(known).all():
        return remainder
    infinity, zero = ctx.data(np.inf), ctx.data(0.0)
    is_past = ctx.emit("LogicalAnd", ctx.emit("Equal", ctx.emit("Abs", b), infinity), _is_finite(ctx, a))
    differs = ctx.emit("Less", ctx.emit("Mul", ctx.emit("Sign", a), ctx.emit("Sign", b)), zero)
    return select(ctx, is_past, select(ctx, differs, b, a), remainder)


def _is_finite(ctx: LoweringContext, x: Ref) -> Ref:
    return ctx.emit("Less", ctx.emit("Abs", x), ctx.data(np.inf))


@lowers("Pow", since=(7, 12, 13, 15))
def lower_pow(ctx: LoweringContext) -> None:
    """Z = X ** Y, in the type of X.

    Emits: Square, Sqrt or Mul where the exponent is a known small number; else Pow on float32.
    """
    x, dtype = ctx.operand(0), ctx.dtype(0)
    exponent = ctx.known(1)
    if exponent is not None and exponent.size == 1 and exponent.ndim <= len(ctx.type(x).shape or ()):
        power = float(exponent.ravel()[0])
        if power == 2.0:
            ctx.result(wrapped(ctx, ctx.emit("Mul", x, x), dtype))
            return
        if power == 3.0:
            ctx.result(wrapped(ctx, ctx.emit("Mul", ctx.emit("Mul", x, x), x), dtype))
            return
        if power == 0.5 and dtype.is_float:
            ctx.result(ctx.emit("Sqrt", x))
            return
    result = ctx.emit("Pow", cast(ctx, x, "float32"), cast(ctx, ctx.operand(1), "float32"))
    if dtype.is_integer:  # WebGPU's pow is inexact: 5 ** 2 may come out as 24.999998
        result = wrapped(ctx, cast(ctx, ctx.emit("Round", result), "int32"), dtype)
    ctx.result(result)


@lowers("Max", "Min", "Sum", since=(6, 8))
@lowers("Max", "Min", since=(12,))
@lowers("Max", "Min", "Sum", since=(13,))
def lower_variadic(ctx: LoweringContext) -> None:
    """The sum, maximum or minimum of any number of operands that broadcast.

    Emits: a chain of AddV2, Maximum or Minimum.
    """
    op = VARIADIC[ctx.node.op]
    ctx.result(reduce(lambda one, other: ctx.emit(op, one, other), ctx.operands()))


@lowers("Mean", since=(6, 8, 13))
def lower_mean(ctx: LoweringContext) -> None:
    """The mean of any number of operands that broadcast."""
    operands = ctx.operands()
    total = reduce(lambda one, other: ctx.emit("AddV2", one, other), operands)
    ctx.result(ctx.emit("Mul", total, ctx.data(1.0 / len(operands))))
