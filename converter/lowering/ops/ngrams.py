"""Counting of n-grams."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.legal import cast
from converter.lowering.reduce import reduce_axes
from converter.lowering.registry import lowers
from converter.tfjs.graph import Ref


@dataclass(frozen=True)
class Pool:
    """The n-grams of one length, and the column of the result that each is counted in.

    Shapes: items (n-gram, length), columns (n-gram)
    """

    items: np.ndarray
    columns: np.ndarray


@lowers("TfIdfVectorizer", since=(9,))
def lower_tf_idf_vectorizer(ctx: LoweringContext) -> None:
    """How often each n-gram of a pool occurs in each sequence (TF), whether it does (IDF), or both, times weights.

    The items of an n-gram may be up to max_skip_count items apart, all equally far.
    Shapes: (length) -> (column), (batch, length) -> (batch, column)
    Emits:  for each length and distance Slice, Equal and LogicalAnd of all windows with all n-grams; Sum; MatMul to the
            columns.
    Source: https://onnx.ai/onnx/operators/onnx__TfIdfVectorizer.html
    """
    x = ctx.operand(0)
    if "pool_strings" in ctx.node.attrs:
        ctx.refuse("TF.js can't compare strings on every backend", hint="turn the words into numbers outside the model")
    mode = str(ctx.attr("mode"))
    sizes = host.sizes(ctx, x)
    if not sizes[-1].is_static:
        ctx.refuse(
            "the length of the sequences is only known when the graph runs", hint="fix it with `--bind name=size`"
        )
    n_columns = int(max(ctx.attr("ngram_indexes"))) + 1
    weights = np.asarray(ctx.attr("weights", [1.0] * n_columns), dtype=np.float32)
    rows = x if len(sizes) == 2 else host.unsqueeze(ctx, x, [0])
    total: Ref | None = None
    for pool, distance in _searches(ctx, sizes[-1].number):
        places = np.zeros((len(pool.items), n_columns), dtype=np.float32)
        places[np.arange(len(pool.items)), pool.columns] = 1
        found = _occurrences(ctx, rows, pool, distance, sizes[-1].number)
        counts = ctx.emit("MatMul", found, ctx.data(places), transpose_a=False, transpose_b=False)
        total = counts if total is None else ctx.emit("AddV2", total, counts)
    if total is None:
        ctx.refuse("no n-gram of the pool fits into the sequences")
    if mode == "IDF":
        total = ctx.emit("Minimum", total, ctx.data(1.0))
    if mode != "TF" and (weights != 1).any():
        total = ctx.emit("Mul", total, ctx.data(weights))
    ctx.result(total if len(sizes) == 2 else host.squeeze(ctx, total, [0]))


def _searches(ctx: LoweringContext, length: int) -> Iterator[tuple[Pool, int]]:
    """The pools of n-grams, each with every distance that its items may have in sequences of this length."""
    shortest, longest = int(ctx.attr("min_gram_length")), int(ctx.attr("max_gram_length"))
    most_skipped = int(ctx.attr("max_skip_count"))
    for pool in _pools(ctx.attr("pool_int64s"), ctx.attr("ngram_counts"), ctx.attr("ngram_indexes")):
        size = pool.items.shape[1]
        if shortest <= size <= longest:
            for distance in range(1, 2 if size == 1 else most_skipped + 2):
                if (size - 1) * distance < length:
                    yield pool, distance


def _pools(items: Sequence[int], starts: Sequence[int], columns: Sequence[int]) -> Iterator[Pool]:
    values, targets = np.asarray(items, dtype=np.int64), np.asarray(columns, dtype=np.int64)
    used = 0
    for size, (start, end) in enumerate(zip(starts, [*starts[1:], len(values)], strict=True), start=1):
        count = (end - start) // size
        if count:
            yield Pool(values[start : start + count * size].reshape(count, size), targets[used : used + count])
        used += count


def _occurrences(ctx: LoweringContext, rows: Ref, pool: Pool, distance: int, length: int) -> Ref:
    """How often each n-gram of a pool occurs in each row.

    Shapes: (batch, length) -> (batch, n-gram)
    """
    size = pool.items.shape[1]
    windows = length - (size - 1) * distance
    hits: Ref | None = None
    for position in range(size):
        part = ctx.emit("Slice", rows, ctx.param([0, position * distance]), ctx.param([-1, windows]))
        part = host.resize(ctx, part, [host.sizes(ctx, rows)[0], Size(windows), Size(1)])
        equal = ctx.emit("Equal", part, ctx.data(pool.items[:, position].astype(np.int32)[None]))
        hits = equal if hits is None else ctx.emit("LogicalAnd", hits, equal)
    if hits is None:
        ctx.refuse("an n-gram of no items")
    return reduce_axes(ctx, "Sum", cast(ctx, hits, "float32"), [1], keepdims=False)
