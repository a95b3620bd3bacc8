"""Operators whose results are drawn at random.

Seeds are not passed on: TF.js draws other numbers than any ONNX runtime, and takes no seed for uniform ones.
"""

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.legal import TF_TYPE, cast
from converter.lowering.movement import empty
from converter.lowering.registry import lowers
from converter.tfjs.graph import Ref


@lowers("RandomNormal", "RandomNormalLike", since=(1, 22))
def lower_random_normal(ctx: LoweringContext) -> None:
    """Numbers of a normal distribution.

    Shapes: the attribute `shape`, or that of the operand
    Emits:  RandomStandardNormal; Mul and AddV2 only where scale or mean need them.
    """
    ctx.ignore_attrs("dtype", "seed")  # the dtype is that of the output
    mean, scale = float(ctx.attr("mean", 0.0)), float(ctx.attr("scale", 1.0))
    _finish(ctx, "RandomStandardNormal", scale, mean)


@lowers("RandomUniform", "RandomUniformLike", since=(1, 22))
def lower_random_uniform(ctx: LoweringContext) -> None:
    """Numbers from `low` on, below `high`, all equally likely.

    Shapes: the attribute `shape`, or that of the operand
    Emits:  RandomUniform from 0 to 1; Mul and AddV2 only where the bounds need them.
    """
    ctx.ignore_attrs("dtype", "seed")  # the dtype is that of the output
    low, high = float(ctx.attr("low", 0.0)), float(ctx.attr("high", 1.0))
    _finish(ctx, "RandomUniform", high - low, low)


def _finish(ctx: LoweringContext, op: str, scale: float, shift: float) -> None:
    shape = [Size(int(dim)) for dim in ctx.attr("shape")] if "shape" in ctx.node.attrs else None
    if (nothing := empty(ctx)) is not None:
        ctx.result(nothing)
        return
    y = _drawn(ctx, op, host.sizes(ctx, ctx.operand(0)) if shape is None else shape)
    y = y if scale == 1.0 else ctx.emit("Mul", y, ctx.data(scale))
    ctx.result(y if shift == 0.0 else ctx.emit("AddV2", y, ctx.data(shift)))


def _drawn(ctx: LoweringContext, op: str, shape: list[Size]) -> Ref:
    y = ctx.emit(op, host.shape_vector(ctx, shape) if shape else ctx.param([]), dtype=TF_TYPE["float32"])
    return ctx.refine(y, tuple(size.dim for size in shape))


@lowers("Bernoulli", since=(15, 22))
def lower_bernoulli(ctx: LoweringContext) -> None:
    """1 with the probability that the operand says, 0 otherwise.

    Emits: RandomUniform, Less, Cast.
    """
    ctx.ignore_attrs("dtype", "seed")  # the dtype is that of the output
    if (nothing := empty(ctx)) is not None:
        ctx.result(nothing)
        return
    x = ctx.operand(0)
    drawn = _drawn(ctx, "RandomUniform", host.sizes(ctx, x))
    ctx.result(cast(ctx, ctx.emit("Less", drawn, x), str(ctx.output_type().dtype.storage)))


@lowers("Multinomial", since=(7, 22))
def lower_multinomial(ctx: LoweringContext) -> None:
    """Classes drawn with probabilities whose logarithms the operand holds, each up to a common addend.

    Shapes: (batch, class) -> (batch, sample_size) int32
    Emits:  Multinomial.
    """
    ctx.ignore_attrs("dtype", "seed")  # the dtype is that of the output
    x, count = ctx.operand(0), int(ctx.attr("sample_size", 1))
    batch, classes = host.sizes(ctx, x)
    if classes != Size(1):
        ctx.result(ctx.emit("Multinomial", x, ctx.param(count)))
    elif batch.is_static:  # TF.js refuses to draw from a single class
        ctx.result(ctx.data(np.zeros((batch.number, count), dtype=np.int32)))
    else:
        zeros = ctx.emit("ZerosLike", cast(ctx, x, "int32"))
        ctx.result(zeros if count == 1 else ctx.emit("Tile", zeros, ctx.param([1, count])))
