"""Reads an image at positions that only the running graph knows, between its pixels too."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.indexing import as_data
from converter.lowering.legal import cast, transpose
from converter.lowering.movement import count_to, movable
from converter.tfjs.graph import Ref


@dataclass(frozen=True)
class Pixels:
    """An image as rows of channels, and the number of rows and columns it has.

    Shapes: rows (batch * pixels, channel); first () or (batch, 1 …) int32: the row where each image begins
    """

    rows: Ref
    sizes: Sequence[Size]
    first: Ref | None


@dataclass(frozen=True)
class Tap:
    """A pixel along one axis: its place, a whole number inside the image, and how much it counts (None: 1)."""

    place: Ref
    weight: Ref | None


def read_pixels(ctx: LoweringContext, x: Ref, n_points: int) -> Pixels:
    """(batch, channel, *spatial) as pixels, to be read at (batch, *points) positions of `n_points` axes."""
    sizes = host.sizes(ctx, x)
    rank = len(sizes)
    last = transpose(ctx, movable(ctx, x), [0, *range(2, rank), 1])
    rows = host.resize(ctx, last, [host.product([sizes[0], *sizes[2:]]), sizes[1]])
    return Pixels(rows, sizes[2:], _first_rows(ctx, sizes[0], host.product(sizes[2:]), n_points))


def _first_rows(ctx: LoweringContext, batch: Size, pixels: Size, n_points: int) -> Ref | None:
    if batch == Size(1):
        return None
    shape = [batch, *[Size(1)] * n_points]
    if batch.is_static and pixels.is_static:
        starts = np.arange(batch.number, dtype=np.int32) * np.int32(pixels.number)
        return ctx.data(starts.reshape(-1, *[1] * n_points))
    numbers = host.resize(ctx, count_to(ctx, host.as_vector(ctx, batch)), [None, *shape[1:]])
    return ctx.emit("Mul", numbers, as_data(ctx, pixels))


def real(ctx: LoweringContext, size: Size, times: float = 1.0, plus: float = 0.0) -> Ref:
    """A multiple of a size plus a number, as a float32 scalar."""
    if size.is_static:
        return ctx.data(size.number * times + plus)
    value = cast(ctx, as_data(ctx, size), "float32")
    value = value if times == 1.0 else ctx.emit("Mul", value, ctx.data(times))
    return value if plus == 0.0 else ctx.emit("AddV2", value, ctx.data(plus))


def limited(ctx: LoweringContext, place: Ref, size: Size) -> Ref:
    """A place moved onto the nearest pixel where it is outside the image."""
    return ctx.emit("Maximum", ctx.emit("Minimum", place, real(ctx, size, 1.0, -1.0)), ctx.data(0.0))


def within(ctx: LoweringContext, place: Ref, low: Ref, high: Ref) -> Ref:
    """1 where low <= place <= high, 0 elsewhere."""
    both = ctx.emit("LogicalAnd", ctx.emit("GreaterEqual", place, low), ctx.emit("LessEqual", place, high))
    return cast(ctx, both, "float32")


def fetch(ctx: LoweringContext, pixels: Pixels, places: Sequence[Ref]) -> Ref:
    """The channels at whole places, one for each axis, which broadcast.

    Shapes: (batch, *points) each -> (batch, *points, channel)
    """
    index: Ref | None = pixels.first
    for axis, place in enumerate(places):
        step = host.product(pixels.sizes[axis + 1 :])
        offset = cast(ctx, place, "int32")
        offset = offset if step == Size(1) else ctx.emit("Mul", offset, as_data(ctx, step))
        index = offset if index is None else ctx.emit("AddV2", index, offset)
    if index is None:
        ctx.refuse("the image has no axes")
    return ctx.emit("GatherV2", pixels.rows, index, ctx.param(0))


def blend(ctx: LoweringContext, pixels: Pixels, taps: Sequence[Sequence[Tap]], joined_by: str = "AddV2") -> Ref:
    """The channels of every combination of taps of all axes, each times its weights, joined by an operation."""
    result: Ref | None = None
    for combination in product(*taps):
        value = fetch(ctx, pixels, [tap.place for tap in combination])
        weight: Ref | None = None
        for tap in combination:
            if tap.weight is not None:
                weight = tap.weight if weight is None else ctx.emit("Mul", weight, tap.weight)
        if weight is not None:
            value = ctx.emit("Mul", value, host.unsqueeze(ctx, weight, [ctx.rank(weight)]))
        result = value if result is None else ctx.emit(joined_by, result, value)
    if result is None:
        ctx.refuse("there is nothing to sample")
    return result


def linear_weights(ctx: LoweringContext, place: Ref) -> tuple[Ref, Ref, Ref]:
    """The pixel before a place, and the weights of that and of the next one."""
    low = ctx.emit("Floor", place)
    after = ctx.emit("Sub", place, low)
    return low, ctx.emit("Sub", ctx.data(1.0), after), after
