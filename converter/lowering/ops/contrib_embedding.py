"""The first layer of a BERT as ONNX Runtime's contributed operators have it: summed embeddings, normalized."""

from collections.abc import Callable

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.legal import cast
from converter.lowering.movement import contiguous, span, take
from converter.lowering.narrow import along, centred
from converter.lowering.ops.contrib_fused import DOMAIN
from converter.lowering.ops.normalization import layer_norm
from converter.lowering.reduce import reduce_axes
from converter.lowering.registry import lowers
from converter.tfjs.graph import Ref

_Lookup = Callable[[int, Ref], Ref]  # the rows of a table, an operand, at some indices


@lowers("EmbedLayerNormalization", since=(1,), domain=DOMAIN)
def lower_embed_layer_normalization(ctx: LoweringContext) -> None:
    """Y = gamma * normalized(word + position + segment) + beta, with a row of each table for each token.

    The second output is how many entries of each row of the mask are 1, and 0 without a mask; the third is the sum.
    Shapes: input_ids, segment_ids, mask (batch, sequence); position_ids (batch, sequence) or (1, sequence);
            tables (row, hidden); Y (batch, sequence, hidden); lengths (batch)
    Emits:  GatherV2 and AddV2, then as LayerNormalization.
    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
    """
    ctx.ignore_attrs("mask_index_type")  # the lengths are made whether it is 0 or 1
    positions = ctx.operand(8) if ctx.has(8) else None
    total = _summed(ctx, lambda index, ids: take(ctx, ctx.operand(index), 0, ids), positions)
    y = _normalized(ctx, total, ctx.operand(5), ctx.operand(6))
    ctx.result(y, _lengths(ctx, 7), total)


@lowers("QEmbedLayerNormalization", since=(1,), domain=DOMAIN)
def lower_quantized_embed_layer_normalization(ctx: LoweringContext) -> None:
    """As EmbedLayerNormalization, with tables, gamma and beta of narrow integers.

    Emits: GatherV2 of integers, then Cast, Sub and Mul of the rows; the tables stay as narrow as they are.
    """

    def rows(index: int, ids: Ref) -> Ref:
        taken = cast(ctx, take(ctx, ctx.operand(index), 0, ids), "float32")
        return ctx.emit("Mul", ctx.emit("Sub", taken, along(ctx, index + 11, 1, 0)), along(ctx, index + 6, 1, 0))

    gamma, beta = (ctx.emit("Mul", centred(ctx, at, at + 11, 0), along(ctx, at + 6, 1, 0)) for at in (5, 6))
    ctx.result(_normalized(ctx, _summed(ctx, rows, None), gamma, beta), _lengths(ctx, 7))


def _summed(ctx: LoweringContext, rows: _Lookup, positions: Ref | None) -> Ref:
    ids = ctx.operand(0)
    total = ctx.emit("AddV2", rows(2, ids), rows(3, span(ctx, ids, 1) if positions is None else positions))
    return ctx.emit("AddV2", total, rows(4, ctx.operand(1))) if ctx.has(1) else total


def _normalized(ctx: LoweringContext, total: Ref, gamma: Ref, beta: Ref) -> Ref:
    y, _, _ = layer_norm(ctx, total, [2], float(ctx.attr("epsilon", 1e-12)))
    return ctx.emit("AddV2", ctx.emit("Mul", y, gamma), beta)


def _lengths(ctx: LoweringContext, index: int) -> Ref:
    if ctx.has(index):
        one = ctx.data(np.ones((), dtype=np.int32))
        return reduce_axes(
            ctx, "Sum", cast(ctx, ctx.emit("Equal", ctx.operand(index), one), "int32"), [1], keepdims=False
        )
    column = contiguous(ctx, ctx.emit("ZerosLike", ctx.operand(0)), {1: (0, 1)})
    return host.resize(ctx, column, [host.sizes(ctx, column)[0]])
