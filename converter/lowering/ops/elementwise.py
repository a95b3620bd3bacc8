"""Operators of one operand that act on each element alone."""

import numpy as np

from converter.lowering.context import LoweringContext
from converter.lowering.legal import cast
from converter.lowering.narrow import is_zero
from converter.lowering.registry import lowers

DIRECT = {
    "Abs": (6, 13), "Acos": (7, 22), "Acosh": (9, 22), "Asin": (7, 22), "Asinh": (9, 22), "Atan": (7, 22),
    "Atanh": (9, 22), "Ceil": (6, 13), "Cos": (7, 22), "Cosh": (9, 22), "Erf": (9, 13), "Exp": (6, 13),
    "Floor": (6, 13), "Log": (6, 13), "Neg": (6, 13), "Reciprocal": (6, 13), "Round": (11, 22), "Sigmoid": (6, 13),
    "Sign": (9, 13), "Sin": (7, 22), "Sinh": (9, 22), "Softplus": (1, 22), "Sqrt": (6, 13), "Tan": (7, 22),
    "Tanh": (6, 13),
}  # fmt: skip


def _direct(op: str) -> None:
    def lower(ctx: LoweringContext) -> None:
        ctx.result(ctx.emit(op, ctx.operand(0)))

    lower.__name__ = f"lower_{op.lower()}"
    lower.__doc__ = f"Y = {op}(X), element by element."
    lowers(op, since=DIRECT[op])(lower)


for _op in DIRECT:
    _direct(_op)


@lowers("Relu", since=(6, 13, 14))
def lower_relu(ctx: LoweringContext) -> None:
    """Y = max(X, 0)."""
    x = ctx.operand(0)
    if ctx.type(x).dtype == "int32":
        ctx.result(ctx.emit("Maximum", x, ctx.data(np.asarray(0, dtype=np.int32))))
    else:
        ctx.result(ctx.emit("Relu", x))


@lowers("Not", since=(1,))
def lower_not(ctx: LoweringContext) -> None:
    """Y = not X."""
    ctx.result(ctx.emit("LogicalNot", ctx.operand(0)))


@lowers("IsNaN", since=(9, 13, 20))
def lower_isnan(ctx: LoweringContext) -> None:
    """Y = whether X is not a number."""
    ctx.result(ctx.emit("IsNan", ctx.operand(0)))


@lowers("Identity", since=(1, 13, 14, 16, 19, 21, 23, 24, 25))
def lower_identity(ctx: LoweringContext) -> None:
    """Y = X."""
    ctx.result(ctx.operand(0))


@lowers("Dropout", since=(1, 6))
def lower_dropout_with_mode(ctx: LoweringContext) -> None:
    """Y = X if `is_test` is set, or the ratio is 0; the mask is all ones."""
    ctx.ignore_attrs("consumed_inputs")  # a hint about memory
    is_test, ratio = bool(ctx.attr("is_test", 0)), float(ctx.attr("ratio", 0.5))
    _without_dropping(ctx, is_training=not is_test and ratio != 0)


@lowers("Dropout", since=(7, 10, 12, 13, 22), const_inputs=(2,))
def lower_dropout(ctx: LoweringContext) -> None:
    """Y = X: a model at rest drops nothing, and one in training nothing at ratio 0; the mask is all true."""
    ctx.ignore_attrs("ratio", "seed")
    training = ctx.known(2)
    _without_dropping(ctx, is_training=training is not None and bool(training) and not is_zero(ctx.known(1)))


def _without_dropping(ctx: LoweringContext, *, is_training: bool) -> None:
    if is_training:
        ctx.refuse(
            "Dropout in training mode is random, unless its ratio is known to be 0",
            hint="export the model in evaluation mode, or bind its inputs with `--bind`",
        )
    x = ctx.operand(0)
    if not ctx.wants(1):
        ctx.result(x)
        return
    zeros = ctx.emit("ZerosLike", cast(ctx, x, "float32"))
    ones = ctx.emit("Equal", zeros, ctx.data(0.0))
    ctx.result(x, ones if ctx.output_type(1).dtype.name == "bool" else cast(ctx, ones, "float32"))
