"""Scaled dot-product attention, and the cache of its keys and values."""

from dataclasses import dataclass

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.indexing import as_data
from converter.lowering.legal import cast, pad, select, transpose
from converter.lowering.movement import count_to, movable, span
from converter.lowering.registry import lowers
from converter.lowering.sampling import real
from converter.tfjs.constraints import REDUCTION_LIMIT
from converter.tfjs.graph import Ref

LOWEST = float(np.finfo(np.float32).min)
SCORES = 2  # the value of qk_matmul_output_mode that returns what the softmax reads


@dataclass(frozen=True)
class Heads:
    """An operand as (batch, head, position, depth)."""

    value: Ref
    sizes: list[Size]


@lowers("Attention", since=(23, 24, 25))
def lower_attention(ctx: LoweringContext) -> None:
    """Y = softmax(Q @ K' * scale + mask) @ V for each head; a query that may see no key gives zeros.

    Several heads of Q that share one of K are stacked along its positions, so that nothing is repeated.
    Shapes: Q (batch, head, query, depth) or (batch, query, head * depth); K, V alike; mask broadcasts to
            (batch, head, query, key), short ones are filled up; past keys and values go before K and V
    Emits:  two BatchMatMulV2, Mul, Softmax; SelectV2 and AddV2 for masks.
    Source: https://onnx.ai/onnx/operators/onnx__Attention.html
    """
    ctx.ignore_attrs("softmax_precision")  # every float type is float32 here
    mode, softcap = int(ctx.attr("qk_matmul_output_mode", 0)), float(ctx.attr("softcap", 0.0))
    q = _heads(ctx, 0, "q_num_heads")
    k, v = (_with_past(ctx, _heads(ctx, index, "kv_num_heads"), index + 3) for index in (1, 2))
    raw = scores_of(ctx, q, k, ctx.attr("scale", None))
    scores = capped = raw if not softcap else _capped(ctx, raw, softcap)
    visible = _visible(ctx, q, k, scores)
    mask = _real_mask(ctx, k)
    if mask is not None:
        scores = ctx.emit("AddV2", scores, mask)
        visible = _both(ctx, visible, _not_excluded(ctx, mask))
    if visible is not None:
        # a lower number costs more in Softmax, and what a query without a key gets is dropped
        scores = select(ctx, visible, scores, ctx.data(-np.inf if mode == SCORES else -REDUCTION_LIMIT))
    weights = ctx.emit("Softmax", scores)
    if visible is not None and not _sees_something(ctx):
        weights = select(ctx, visible, weights, ctx.data(0.0))
    y = _weighted(ctx, weights, q, v)
    ctx.result(y, k.value, v.value, (raw, capped, scores, weights)[mode])


def _heads(ctx: LoweringContext, index: int, attribute: str) -> Heads:
    x, count = cast(ctx, ctx.operand(index), "float32"), int(ctx.attr(attribute, 0))
    sizes = host.sizes(ctx, x)
    if len(sizes) == 4:
        return Heads(x, sizes)
    if not sizes[2].is_static or not count:
        ctx.refuse(f"operand {index} is not split into heads, and {attribute} or its last dimension is unknown")
    return split_heads(ctx, x, count)


def split_heads(ctx: LoweringContext, x: Ref, count: int) -> Heads:
    """Return (batch, position, head * depth), whose last dimension is known, split into heads."""
    sizes = host.sizes(ctx, x)
    shape = [sizes[0], sizes[1], Size(count), Size(sizes[2].number // count)]
    value = transpose(ctx, host.resize(ctx, x, list(shape)), [0, 2, 1, 3])
    return Heads(value, [shape[0], shape[2], shape[1], shape[3]])


def _with_past(ctx: LoweringContext, heads: Heads, index: int) -> Heads:
    if not ctx.has(index):
        return heads
    past = cast(ctx, ctx.operand(index), "float32")
    value = ctx.emit("ConcatV2", past, heads.value, ctx.param(2), N=2)
    return Heads(value, [*heads.sizes[:2], host.sizes(ctx, value)[2], heads.sizes[3]])


def scores_of(ctx: LoweringContext, q: Heads, k: Heads, scale: float | None) -> Ref:
    """Return Q @ K' * scale, the scale being 1 / sqrt(depth) if it is None.

    Shapes: (batch, head, query, key)
    """
    depth = q.sizes[3]
    if scale is None and not depth.is_static:
        factor = ctx.emit("Rsqrt", real(ctx, depth))
    else:
        factor = ctx.data(float(depth.number**-0.5 if scale is None else scale))
    scaled = _stacked(ctx, ctx.emit("Mul", q.value, factor), q, k, q.sizes[3])
    product = ctx.emit("BatchMatMulV2", scaled, k.value, adj_x=False, adj_y=True)
    return _unstacked(ctx, product, q, k, k.sizes[2])


def _stacked(ctx: LoweringContext, x: Ref, q: Heads, k: Heads, last: Size) -> Ref:
    """(batch, head, query, last) with as many heads as K has, each followed by those that share it."""
    if q.sizes[1] == k.sizes[1]:
        return x
    if not (q.sizes[1].is_static and k.sizes[1].is_static):
        ctx.refuse("the number of heads is only known when the graph runs")
    shared = Size(q.sizes[1].number // k.sizes[1].number)
    return host.resize(ctx, x, [q.sizes[0], k.sizes[1], shared * q.sizes[2], last])


def _unstacked(ctx: LoweringContext, x: Ref, q: Heads, k: Heads, last: Size) -> Ref:
    return x if q.sizes[1] == k.sizes[1] else host.resize(ctx, x, [*q.sizes[:3], last])


def _capped(ctx: LoweringContext, x: Ref, limit: float) -> Ref:
    return ctx.emit("Mul", ctx.emit("Tanh", ctx.emit("Mul", x, ctx.data(1 / limit))), ctx.data(limit))


def _weighted(ctx: LoweringContext, weights: Ref, q: Heads, v: Heads) -> Ref:
    keys, depth = v.sizes[2], v.sizes[3]
    product = ctx.emit("BatchMatMulV2", _stacked(ctx, weights, q, v, keys), v.value, adj_x=False, adj_y=False)
    y = _unstacked(ctx, product, q, v, depth)
    return y if ctx.rank(ctx.operand(0)) == 4 else joined_heads(ctx, y, q, depth)


def joined_heads(ctx: LoweringContext, y: Ref, q: Heads, depth: Size) -> Ref:
    """Return (batch, head, query, depth) as (batch, query, head * depth)."""
    joined = transpose(ctx, y, [0, 2, 1, 3])
    return host.resize(ctx, joined, [q.sizes[0], q.sizes[2], q.sizes[1] * depth])


def _real_mask(ctx: LoweringContext, k: Heads) -> Ref | None:
    if not ctx.has(3) or ctx.dtype(3).name == "bool":
        return None
    return _filled_up(ctx, cast(ctx, ctx.operand(3), "float32"), k.sizes[2], -np.inf)


def _filled_up(ctx: LoweringContext, mask: Ref, keys: Size, value: float) -> Ref:
    """A mask that is shorter than the keys are many, with `value` for the others."""
    rank, last = ctx.rank(mask), host.sizes(ctx, mask)[-1]
    if not (last.is_static and keys.is_static) or last.number in (1, keys.number):
        return mask
    return pad(ctx, mask, [*[(0, 0)] * (rank - 1), (0, keys.number - last.number)], value)


def _not_excluded(ctx: LoweringContext, mask: Ref) -> Ref | None:
    known = ctx.known(3)
    if known is not None and not np.isneginf(known).any() and known.shape[-1] == (ctx.type(mask).shape or (0,))[-1]:
        return None
    return ctx.emit("GreaterEqual", mask, ctx.data(LOWEST))


def _both(ctx: LoweringContext, one: Ref | None, other: Ref | None) -> Ref | None:
    if one is None or other is None:
        return one or other
    return ctx.emit("LogicalAnd", one, other)


def _sees_something(ctx: LoweringContext) -> bool:
    """Whether the only keys a query can't see are later ones, so that each sees at least itself."""
    return not ctx.has(3) and not ctx.has(6) and int(ctx.attr("left_window_size", -1)) < 0


def _visible(ctx: LoweringContext, q: Heads, k: Heads, scores: Ref) -> Ref | None:
    """Which keys each query may see; None for all."""
    given = None
    if ctx.has(3) and ctx.dtype(3).name == "bool":
        given = _filled_up(ctx, ctx.operand(3), k.sizes[2], 0.0)
    if ctx.has(6):
        counts = host.resize(ctx, ctx.operand(6), [None, Size(1), Size(1), Size(1)])
        given = _both(ctx, given, ctx.emit("Less", span(ctx, scores, 3), counts))
    left, right = int(ctx.attr("left_window_size", -1)), int(ctx.attr("right_window_size", -1))
    if ctx.attr("is_causal", 0):
        right = 0
    if left < 0 and right < 0:
        return given
    return _both(ctx, given, _near(ctx, q, k, (left, right)))


def _near(ctx: LoweringContext, q: Heads, k: Heads, window: tuple[int, int]) -> Ref:
    """Which keys are at most so many places before and after the place of each query (-1: any number)."""
    past = host.sizes(ctx, ctx.operand(4))[2] if ctx.has(4) else Size(0)
    queries, keys = q.sizes[2], k.sizes[2]
    if queries.is_static and keys.is_static and past.is_static and (ctx.has(4) or not ctx.has(6)):
        apart = np.arange(keys.number)[None, :] - np.arange(queries.number)[:, None] - past.number
        near = (window[0] < 0) | (apart >= -window[0])
        return ctx.data(near & ((window[1] < 0) | (apart <= window[1])))
    places = host.resize(ctx, span(ctx, q.value, 2), [None, Size(1)])
    if ctx.has(4):
        places = ctx.emit("AddV2", places, as_data(ctx, past))
    elif ctx.has(6):
        start = ctx.emit("Sub", ctx.operand(6), as_data(ctx, queries))
        places = ctx.emit("AddV2", places, host.resize(ctx, start, [None, Size(1), Size(1), Size(1)]))
    distance = ctx.emit("Sub", span(ctx, k.value, 2), places)
    low = None if window[0] < 0 else ctx.emit("GreaterEqual", distance, ctx.data(np.asarray(-window[0], np.int32)))
    high = None if window[1] < 0 else ctx.emit("LessEqual", distance, ctx.data(np.asarray(window[1], np.int32)))
    return _both(ctx, low, high) or distance


@lowers("TensorScatter", since=(24,))
def lower_tensor_scatter(ctx: LoweringContext) -> None:
    """The cache with the update written along an axis, in each batch from an index of its own on.

    Shapes: past_cache (batch, …, longest, …), update (batch, …, length, …), write_indices (batch)
    Emits:  TensorScatterUpdate of rows; FloorMod where the cache is circular.
    """
    cache, update = movable(ctx, ctx.operand(0)), movable(ctx, ctx.operand(1))
    sizes, axis = host.sizes(ctx, cache), ctx.axis(ctx.attr("axis", -2), ctx.rank(cache))
    mode = ctx.attr("mode", "linear")
    length, longest, depth = host.sizes(ctx, update)[axis], sizes[axis], host.product(sizes[axis + 1 :])
    places = host.resize(ctx, span(ctx, update, axis), [Size(1), Size(1), length])
    if ctx.has(2):
        places = ctx.emit("AddV2", places, host.resize(ctx, ctx.operand(2), [None, Size(1), Size(1)]))
    if mode == "circular":
        places = ctx.emit("FloorMod", places, as_data(ctx, longest))
    n_rows = host.product(sizes[:axis])
    starts = ctx.emit("Mul", count_to(ctx, host.as_vector(ctx, n_rows)), as_data(ctx, longest))
    starts = host.resize(ctx, starts, [sizes[0], host.product(sizes[1:axis]), Size(1)])
    rows = host.resize(ctx, ctx.emit("AddV2", starts, places), [n_rows * length, Size(1)])
    flat = host.resize(ctx, cache, [n_rows * longest, depth])
    written = ctx.emit("TensorScatterUpdate", flat, rows, host.resize(ctx, update, [n_rows * length, depth]))
    ctx.result(cast(ctx, host.resize(ctx, written, list(sizes)), ctx.type(ctx.operand(0)).dtype))
