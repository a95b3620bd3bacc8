"""Losses over classes."""

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.legal import cast, select, transpose
from converter.lowering.movement import span
from converter.lowering.reduce import reduce_axes
from converter.lowering.registry import lowers
from converter.tfjs.graph import Ref


@lowers("NegativeLogLikelihoodLoss", since=(12, 13, 22))
def lower_negative_log_likelihood_loss(ctx: LoweringContext) -> None:
    """The negative of each sample's log-probability of its class, times the weight of the class.

    Shapes: input (batch, class, …), target (batch, …), weight (class) -> (batch, …), or () where it is reduced
    Emits:  Equal and SelectV2 by the number of the class, with the classes last; Sum or Mean.
    """
    rows, sizes = _rows(ctx)
    ctx.result(_loss(ctx, rows, sizes))


@lowers("SoftmaxCrossEntropyLoss", since=(12, 13))
def lower_softmax_cross_entropy_loss(ctx: LoweringContext) -> None:
    """The negative log-likelihood of the softmax of scores, and the logarithm of that softmax.

    Shapes: as NegativeLogLikelihoodLoss; log_prob as the scores
    Emits:  LogSoftmax with the classes last, then as NegativeLogLikelihoodLoss.
    """
    rows, sizes = _rows(ctx)
    rows = ctx.emit("LogSoftmax", rows)
    loss = _loss(ctx, rows, sizes)
    if not ctx.wants(1):
        ctx.result(loss)
        return
    ctx.result(loss, _classes_second(ctx, rows, sizes))


def _rows(ctx: LoweringContext) -> tuple[Ref, list[Size]]:
    """The scores as a matrix with a row of classes for each sample, and their sizes as they were."""
    x = cast(ctx, ctx.operand(0), "float32")
    sizes = host.sizes(ctx, x)
    if len(sizes) == 2:
        return x, sizes
    rest = host.product(sizes[2:])
    last = transpose(ctx, host.resize(ctx, x, [sizes[0], sizes[1], rest]), [0, 2, 1])
    return host.resize(ctx, last, [sizes[0] * rest, sizes[1]]), sizes


def _classes_second(ctx: LoweringContext, rows: Ref, sizes: list[Size]) -> Ref:
    if len(sizes) == 2:
        return rows
    last = host.resize(ctx, rows, [sizes[0], host.product(sizes[2:]), sizes[1]])
    return host.resize(ctx, transpose(ctx, last, [0, 2, 1]), list(sizes))


def _loss(ctx: LoweringContext, rows: Ref, sizes: list[Size]) -> Ref:
    reduction = ctx.attr("reduction", "mean")
    ignored: int | None = ctx.attr("ignore_index", None)
    target = host.resize(ctx, ctx.operand(1), [host.sizes(ctx, rows)[0], Size(1)])
    chosen = ctx.emit("Equal", target, span(ctx, rows, 1))
    if ignored is not None:
        counts = ctx.emit("NotEqual", target, ctx.data(np.asarray(ignored, dtype=np.int32)))
        chosen = ctx.emit("LogicalAnd", chosen, counts)
    loss = ctx.emit("Neg", _sum(ctx, select(ctx, chosen, rows, ctx.data(0.0)), 1))
    weight = _weight(ctx, chosen, is_uniform=ignored is None)
    if weight is not None and ctx.has(2):
        loss = ctx.emit("Mul", loss, weight)
    if reduction == "none":
        return host.resize(ctx, loss, [sizes[0], *sizes[2:]])
    if reduction == "mean" and weight is None:
        return reduce_axes(ctx, "Mean", loss, [0], keepdims=False)
    total = _sum(ctx, loss, 0)
    return total if reduction == "sum" or weight is None else ctx.emit("RealDiv", total, _sum(ctx, weight, 0))


def _weight(ctx: LoweringContext, chosen: Ref, *, is_uniform: bool) -> Ref | None:
    """The weight of each sample, 0 if it is ignored; None where all weigh the same."""
    if is_uniform and not ctx.has(2):
        return None
    numbers = cast(ctx, chosen, "float32")
    return _sum(ctx, ctx.emit("Mul", numbers, cast(ctx, ctx.operand(2), "float32")) if ctx.has(2) else numbers, 1)


def _sum(ctx: LoweringContext, x: Ref, axis: int) -> Ref:
    return reduce_axes(ctx, "Sum", x, [axis], keepdims=False)
