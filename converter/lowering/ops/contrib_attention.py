"""Attention as ONNX Runtime's contributed operators have it: projections, masks of integers, and caches."""

from collections.abc import Sequence

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.indexing import as_data
from converter.lowering.legal import cast, select
from converter.lowering.movement import contiguous, span, take
from converter.lowering.ops.attention import Heads, joined_heads, scores_of, split_heads
from converter.lowering.ops.contrib_fused import DOMAIN
from converter.lowering.ops.linear import matmul
from converter.lowering.registry import lowers
from converter.lowering.spatial import fixed
from converter.tfjs.graph import Ref

MASKED = -10000.0  # what the scores of a key that a mask hides are changed by, unless the node says otherwise


@lowers("Attention", since=(1,), domain=DOMAIN)
def lower_contrib_attention(ctx: LoweringContext) -> None:
    """Y = softmax(Q @ K' * scale + masks) @ V for each head, with Q, K and V = X @ weights + bias.

    Shapes: X (batch, query, input); weights (input, 3 * hidden) or as qkv_hidden_sizes has it; past and present
            (2, batch, head, position, depth); attention_bias broadcasts to (batch, head, query, key);
            mask_index (batch, key), (batch, query, key), (batch) or (2 * batch), see `padding`
    Emits:  MatMul for Q, K and V at once, SplitV, two BatchMatMulV2, Softmax, AddV2 for masks.
    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.Attention
    """
    ctx.ignore_attrs("rotary_embedding_dim")  # only with do_rotary
    refuse_shared_buffers(ctx, 6)
    projected = matmul(ctx, cast(ctx, ctx.operand(0), "float32"), cast(ctx, ctx.operand(1), "float32"))
    if ctx.has(2):
        projected = ctx.emit("AddV2", projected, ctx.operand(2))
    sizes: list[int] = list(ctx.attr("qkv_hidden_sizes", []))
    packed_attention(ctx, projected, sizes, mask=3, past=4, bias=5)


def packed_attention(
    ctx: LoweringContext, projected: Ref, sizes: Sequence[int], *, mask: int, past: int, bias: int | None
) -> None:
    """Attention of Q, K and V that lie one after the other in the last axis; the numbers are those of operands."""
    total, count = fixed(ctx, ctx.dims(projected)[2]), int(ctx.attr("num_heads"))
    widths = list(sizes) or [total // 3] * 3
    if sum(widths) != total or any(width % count for width in widths):
        ctx.refuse(f"queries, keys and values of {widths} numbers are not {total} numbers in {count} heads")
    parts = ctx.emit_all("SplitV", projected, ctx.param(widths), ctx.param(2))
    q, k, v = (split_heads(ctx, part, count) for part in parts)
    cached = ctx.operand(past) if ctx.has(past) else None
    if cached is not None and not ctx.wants(1):
        ctx.refuse("it has a past but no present output, which onnxruntime doesn't run")
    before = None if cached is None else [_row(ctx, cached, index) for index in (0, 1)]
    k, v = (heads if before is None else _appended(ctx, before[at], heads) for at, heads in enumerate((k, v)))
    y, _ = attend(ctx, (q, k, v), mask, bias)
    if not ctx.wants(1):
        ctx.result(y)
        return
    ctx.result(y, ctx.emit("Pack", k.value, v.value, axis=0))


def refuse_shared_buffers(ctx: LoweringContext, past_length: int | None) -> None:
    """Raise UnsupportedError for what onnxruntime's CPU kernels of attention don't do either."""
    if ctx.attr("do_rotary", 0):
        ctx.refuse("rotary positions inside of Attention", "fuse them as MultiHeadAttention and RotaryEmbedding")
    if ctx.attr("past_present_share_buffer", 0) or (past_length is not None and ctx.has(past_length)):
        ctx.refuse("a cache that is written in place", "export it with past and present as separate tensors")


def _row(ctx: LoweringContext, x: Ref, index: int) -> Ref:
    return host.squeeze(ctx, contiguous(ctx, x, {0: (index, index + 1)}), [0])


def _appended(ctx: LoweringContext, past: Ref, new: Heads) -> Heads:
    value = ctx.emit("ConcatV2", past, new.value, ctx.param(2), N=2)
    return Heads(value, [*new.sizes[:2], host.sizes(ctx, value)[2], new.sizes[3]])


@lowers("MultiHeadAttention", since=(1,), domain=DOMAIN)
def lower_multi_head_attention(ctx: LoweringContext) -> None:
    """Y = softmax(Q @ K' * scale + masks) @ V for each head; the other outputs are K, V and the scores.

    Shapes: Q (batch, query, hidden), K and V alike or (batch, head, key, depth); bias (the hidden sizes of Q, K and V);
            key_padding_mask (batch, key), (batch, query, key) or (batch), see `padding`;
            past and present (batch, head, position, depth)
    Emits:  as Attention, without the projection.
    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MultiHeadAttention
    """
    refuse_shared_buffers(ctx, 8)
    if not (ctx.has(1) and ctx.has(2)) or ctx.rank(ctx.operand(0)) != 3 or ctx.rank(ctx.operand(1)) == 5:
        ctx.refuse("queries, keys and values are packed in one operand, which onnxruntime's CPU kernel doesn't take")
    if ctx.has(9):
        ctx.refuse("the cache of a beam search is looked up", "export the model without beam search")
    count, biases = int(ctx.attr("num_heads")), _biases(ctx)
    heads = [_multi_heads(ctx, index, count, biases[index]) for index in range(3)]
    if ctx.attr("unidirectional", 0) and heads[0].sizes[2].dim != heads[1].sizes[2].dim:
        ctx.refuse("unidirectional with other lengths of queries and keys, whose meaning is not defined")
    if ctx.has(6):
        if not ctx.wants(1) or not ctx.wants(2):
            ctx.refuse("it has a past but no present outputs, which onnxruntime doesn't run")
        heads[1:] = [_appended(ctx, ctx.operand(5 + index), heads[index]) for index in (1, 2)]
    y, scores = attend(ctx, (heads[0], heads[1], heads[2]), 4, 5)
    ctx.result(y, heads[1].value, heads[2].value, scores)


def _biases(ctx: LoweringContext) -> Sequence[Ref | None]:
    """Return the parts of operand 3 that belong to queries, keys and values."""
    if not ctx.has(3):
        return (None, None, None)
    widths = [fixed(ctx, ctx.dims(ctx.operand(0))[2])] * 2
    widths.append(fixed(ctx, ctx.dims(ctx.operand(3))[0]) - sum(widths))
    return ctx.emit_all("SplitV", ctx.operand(3), ctx.param(widths), ctx.param(0))


def _multi_heads(ctx: LoweringContext, index: int, count: int, bias: Ref | None) -> Heads:
    x = ctx.operand(index)
    if ctx.rank(x) == 4:
        return Heads(x, host.sizes(ctx, x))
    fixed(ctx, ctx.dims(x)[2])
    return split_heads(ctx, x if bias is None else ctx.emit("AddV2", x, bias), count)


def attend(ctx: LoweringContext, heads: tuple[Heads, Heads, Heads], mask: int, bias: int | None) -> tuple[Ref, Ref]:
    """Return softmax(Q @ K' * scale + masks) @ V as (batch, query, head * depth), and what the softmax is of."""
    q, k, v = heads
    scores = scores_of(ctx, q, k, float(ctx.attr("scale", 0.0)) or None)
    if bias is not None and ctx.has(bias):
        scores = ctx.emit("AddV2", scores, ctx.operand(bias))
    hidden = padding(ctx, mask, k, float(ctx.attr("mask_filter_value", MASKED)))
    if hidden is not None:
        scores = ctx.emit("AddV2", scores, hidden)
    if ctx.attr("unidirectional", 0):
        scores = select(ctx, _not_later(ctx, q, k), scores, ctx.data(-np.inf))
    product = ctx.emit("BatchMatMulV2", ctx.emit("Softmax", scores), v.value, adj_x=False, adj_y=False)
    return joined_heads(ctx, product, q, v.sizes[3]), scores


def padding(ctx: LoweringContext, index: int, k: Heads, masked: float) -> Ref | None:
    """Return what a mask adds to the scores, None if nothing.

    A mask of two or three axes has a positive number for each key that is seen. One of one axis has the number of keys
    of each batch entry; if it is twice as long, the position after its last key, and then that of its first.
    Shapes: broadcasts to (batch, head, query, key)
    """
    if not ctx.has(index):
        return None
    mask = ctx.operand(index)
    sizes = host.sizes(ctx, mask)
    if len(sizes) == 1:
        seen = _between(ctx, mask, k)
    elif len(sizes) == 2 and sizes[1].dim == 1 and k.sizes[2].dim != 1:
        return None  # a placeholder that hides nothing
    elif len(sizes) in (2, 3):
        shown = ctx.emit("Greater", mask, ctx.data(np.zeros((), np.int32)))
        shape = [sizes[0], Size(1), Size(1) if len(sizes) == 2 else sizes[1], sizes[-1]]
        seen = cast(ctx, shown, "float32")
        seen = host.resize(ctx, seen, shape)
    else:
        ctx.refuse(f"a mask of rank {len(sizes)}, which onnxruntime's CPU kernel doesn't take")
    # 0 where it is seen, `masked` elsewhere.
    return ctx.emit("Mul", ctx.emit("Sub", ctx.data(1.0), seen), ctx.data(masked))


def _between(ctx: LoweringContext, mask: Ref, k: Heads) -> Ref:
    """Return 1 for the keys from the first to the last of each batch entry, 0 for the others."""
    (rows,), batch = ctx.dims(mask), k.sizes[0].dim
    positions = span(ctx, k.value, 2)
    if rows == batch:
        return cast(ctx, ctx.emit("Less", positions, _column(ctx, mask)), "float32")
    if not isinstance(rows, int) or not isinstance(batch, int) or rows != 2 * batch:
        ctx.refuse(
            f"a mask of {rows or 'an unknown number of'} numbers for {batch or 'an unknown number of'} batch entries",
            "fix the batch size with `--bind name=size`, or use a mask of two axes",
        )
    ends, starts = (_column(ctx, part) for part in ctx.emit_all("Split", ctx.param(0), mask, num_split=2))
    seen = ctx.emit("LogicalAnd", ctx.emit("Less", positions, ends), ctx.emit("GreaterEqual", positions, starts))
    return cast(ctx, seen, "float32")


def _column(ctx: LoweringContext, vector: Ref) -> Ref:
    return host.resize(ctx, vector, [host.sizes(ctx, vector)[0], Size(1), Size(1), Size(1)])


def _not_later(ctx: LoweringContext, q: Heads, k: Heads) -> Ref:
    """Return which keys are not later than a query; the last query is as late as the last key."""
    queries, keys = q.sizes[2], k.sizes[2]
    if queries.is_static and keys.is_static:
        return ctx.data(np.tri(queries.number, keys.number, keys.number - queries.number, dtype=bool))
    late = ctx.emit("Sub", as_data(ctx, keys), as_data(ctx, queries))
    limits = ctx.emit("AddV2", host.resize(ctx, span(ctx, q.value, 2), [None, Size(1)]), late)
    return ctx.emit("LessEqual", span(ctx, k.value, 2), limits)


@lowers("RotaryEmbedding", since=(1,), domain=DOMAIN)
def lower_contrib_rotary_embedding(ctx: LoweringContext) -> None:
    """Y = each pair of numbers turned by the angle of its position; the pairs are halves, or neighbours if interleaved.

    Shapes: X (batch, position, hidden) or (batch, head, position, depth); position_ids (batch, position), or (1), the
            first position; cos_cache, sin_cache (position, depth / 2)
    Emits:  GatherV2 for the angles, Slice or GatherV2 for the pairs, arithmetic, ConcatV2.
    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.RotaryEmbedding
    """
    ctx.ignore_attrs("is_packed_batching", "scale")  # a check of sizes; onnxruntime's CPU kernel reads no scale
    x, half = ctx.operand(0), fixed(ctx, ctx.dims(ctx.operand(2))[1])
    shape = host.sizes(ctx, x)
    is_split = len(shape) == 4
    if not is_split:
        x = host.resize(ctx, x, [*shape[:2], *_head_sizes(ctx, fixed(ctx, ctx.dims(x)[2]), half)])
    positions = _positions(ctx, x, 2 if is_split else 1)
    cos, sin = (_angles(ctx, index, positions, is_split=is_split) for index in (2, 3))
    y = _turned(ctx, x, cos, sin, half, is_interleaved=bool(ctx.attr("interleaved", 0)))
    ctx.result(y if is_split else host.resize(ctx, y, shape))


def _head_sizes(ctx: LoweringContext, hidden: int, half: int) -> list[Size]:
    count, rotated = int(ctx.attr("num_heads", 0)), int(ctx.attr("rotary_embedding_dim", 0))
    if rotated and not count:
        ctx.refuse("rotary_embedding_dim is given without num_heads")
    depth = hidden // count if count else 2 * half
    return [Size(hidden // depth), Size(depth)]


def _positions(ctx: LoweringContext, x: Ref, axis: int) -> Ref:
    """Return the position of each row, as (batch, position) or (position)."""
    given = ctx.operand(1)
    return given if ctx.rank(given) == 2 else ctx.emit("AddV2", span(ctx, x, axis), given)


def _angles(ctx: LoweringContext, index: int, positions: Ref, *, is_split: bool) -> Ref:
    """Return rows of a cache that broadcast over the heads of the value."""
    angles = take(ctx, ctx.operand(index), 0, positions)
    sizes = host.sizes(ctx, angles)
    return host.resize(ctx, angles, [*sizes[:-1], Size(1), sizes[-1]] if not is_split else _over_heads(sizes))


def _over_heads(sizes: list[Size]) -> list[Size]:
    return [sizes[0], Size(1), *sizes[1:]] if len(sizes) == 3 else sizes


def _turned(ctx: LoweringContext, x: Ref, cos: Ref, sin: Ref, half: int, *, is_interleaved: bool) -> Ref:
    depth = fixed(ctx, ctx.dims(x)[3])
    order = np.arange(2 * half)
    if is_interleaved:
        order = order.reshape(half, 2).T.ravel()
        one, other = (take(ctx, x, 3, ctx.data(part.astype(np.int32))) for part in np.split(order, 2))
    else:
        one, other = contiguous(ctx, x, {3: (0, half)}), contiguous(ctx, x, {3: (half, 2 * half)})
    parts = [
        ctx.emit("Sub", ctx.emit("Mul", one, cos), ctx.emit("Mul", other, sin)),
        ctx.emit("AddV2", ctx.emit("Mul", other, cos), ctx.emit("Mul", one, sin)),
    ]
    if depth > 2 * half and not is_interleaved:
        parts.append(contiguous(ctx, x, {3: (2 * half, depth)}))
    y = ctx.emit("ConcatV2", *parts, ctx.param(3), N=len(parts))
    if not is_interleaved:
        return y
    y = take(ctx, y, 3, ctx.data(np.argsort(order).astype(np.int32)))
    if depth == 2 * half:
        return y
    return ctx.emit("ConcatV2", y, contiguous(ctx, x, {3: (2 * half, depth)}), ctx.param(3), N=2)
