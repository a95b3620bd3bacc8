"""Comparisons, logic, and choice by a condition."""

import numpy as np

from converter.lowering.context import LoweringContext
from converter.lowering.legal import as_number, cast, select
from converter.lowering.registry import lowers
from converter.tfjs.graph import Ref

COMPARISONS = {
    "Equal": "Equal", "Greater": "Greater", "GreaterOrEqual": "GreaterEqual", "Less": "Less",
    "LessOrEqual": "LessEqual",
}  # fmt: skip


@lowers("Equal", since=(7, 11, 13, 19))
@lowers("Greater", "Less", since=(7, 9, 13))
@lowers("GreaterOrEqual", "LessOrEqual", since=(12, 16))
def lower_comparison(ctx: LoweringContext) -> None:
    """C = A compared to B.

    Emits: the comparison; bools are compared as int32.
    """
    if ctx.dtype(0).name == "string":
        ctx.refuse("TF.js can't compare strings on every backend", hint="keep text outside the model")
    a, b = as_number(ctx, ctx.operand(0)), as_number(ctx, ctx.operand(1))
    ctx.result(ctx.emit(COMPARISONS[ctx.node.op], a, b))


@lowers("And", since=(7,))
def lower_and(ctx: LoweringContext) -> None:
    """C = A and B."""
    ctx.result(ctx.emit("LogicalAnd", ctx.operand(0), ctx.operand(1)))


@lowers("Or", since=(7,))
def lower_or(ctx: LoweringContext) -> None:
    """C = A or B."""
    ctx.result(ctx.emit("LogicalOr", ctx.operand(0), ctx.operand(1)))


@lowers("Xor", since=(7,))
def lower_xor(ctx: LoweringContext) -> None:
    """C = A differs from B."""
    ctx.result(ctx.emit("NotEqual", cast(ctx, ctx.operand(0), "int32"), cast(ctx, ctx.operand(1), "int32")))


@lowers("Where", since=(9, 16))
def lower_where(ctx: LoweringContext) -> None:
    """Y = X where the condition holds, else the other operand; the three broadcast.

    Emits: SelectV2 up to rank 4; above, the operands are broadcast and flattened around it.
    """
    ctx.result(select(ctx, ctx.operand(0), ctx.operand(1), ctx.operand(2)))


@lowers("IsInf", since=(10, 20))
def lower_isinf(ctx: LoweringContext) -> None:
    """Y = whether X is infinite, of the signs asked for.

    Emits: IsInf; a comparison with zero where only one sign counts.
    """
    x = ctx.operand(0)
    negative, positive = ctx.attr("detect_negative", 1), ctx.attr("detect_positive", 1)
    infinite = ctx.emit("IsInf", x)
    if negative and positive:
        ctx.result(infinite)
    elif not negative and not positive:
        ctx.result(ctx.emit("LogicalAnd", infinite, ctx.emit("LogicalNot", infinite)))
    else:
        sided: Ref = ctx.emit("Less" if negative else "Greater", x, ctx.data(np.zeros((), dtype=np.float32)))
        ctx.result(ctx.emit("LogicalAnd", infinite, sided))
