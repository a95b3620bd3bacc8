"""Operators on rectangles of an image: pooling of each, and the choice among overlapping ones."""

import math
from collections.abc import Sequence

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.indexing import as_data
from converter.lowering.legal import cast, select, transpose
from converter.lowering.movement import span, take
from converter.lowering.reduce import reduce_axes
from converter.lowering.registry import lowers
from converter.lowering.sampling import Pixels, Tap, blend, limited, linear_weights, read_pixels, real, within
from converter.tfjs.constraints import REDUCTION_LIMIT
from converter.tfjs.graph import Ref

NOTHING = -REDUCTION_LIMIT  # below every pixel


@lowers("RoiAlign", since=(10, 16, 22))
def lower_roi_align(ctx: LoweringContext) -> None:
    """The mean, or the maximum, of interpolated samples in each cell of a grid over each region of an image.

    The maximum is that of the weighted pixels, not of their sums: so has ONNX defined it.
    Shapes: X (batch, channel, h, w), rois (region, 4) as x1, y1, x2, y2, batch_indices (region)
            -> (region, channel, output_height, output_width)
    Emits:  for each of four pixels GatherV2 of its channels, times its weight; AvgPool or MaxPool over the samples.
    Source: https://onnx.ai/onnx/operators/onnx__RoiAlign.html
    """
    is_half_pixel = ctx.since > 10 and ctx.attr("coordinate_transformation_mode", "half_pixel") == "half_pixel"
    is_maximum = ctx.attr("mode", "avg") == "max"
    ratio, scale = int(ctx.attr("sampling_ratio", 0)), float(ctx.attr("spatial_scale", 1.0))
    cells = [int(ctx.attr("output_height", 1)), int(ctx.attr("output_width", 1))]
    if ratio <= 0:
        ctx.refuse(
            "sampling_ratio 0 takes as many samples from each region as it is large",
            hint="export the model with a fixed sampling_ratio, such as 2",
        )
    x, batch = cast(ctx, ctx.operand(0), "float32"), host.resize(ctx, ctx.operand(2), [None, Size(1), Size(1)])
    corners = _corners(ctx, ctx.operand(1), scale, 0.5 if is_half_pixel else 0.0)
    image = read_pixels(ctx, x, 2)
    pixels = Pixels(image.rows, image.sizes, ctx.emit("Mul", batch, as_data(ctx, host.product(image.sizes))))
    taps: list[Sequence[Tap]] = []
    for axis, (start, end) in enumerate(corners):
        length = ctx.emit("Sub", end, start)
        length = length if is_half_pixel else ctx.emit("Maximum", length, ctx.data(1.0))
        n_samples = cells[axis] * ratio
        fractions = (np.arange(n_samples, dtype=np.float32) + np.float32(0.5)) / np.float32(n_samples)
        places = ctx.emit("AddV2", start, ctx.emit("Mul", length, ctx.data(fractions[None])))
        shape = [None, Size(n_samples), Size(1)] if axis == 0 else [None, Size(1), Size(n_samples)]
        taps.append(_pair(ctx, host.resize(ctx, places, shape), image.sizes[axis]))
    samples = blend(ctx, pixels, taps, "Maximum" if is_maximum else "AddV2")
    window = {"ksize": [1, ratio, ratio, 1], "strides": [1, ratio, ratio, 1]}
    pooled = (
        samples if ratio == 1 else ctx.emit("MaxPool" if is_maximum else "AvgPool", samples, padding="VALID", **window)
    )
    ctx.result(transpose(ctx, pooled, [0, 3, 1, 2]))


def _corners(ctx: LoweringContext, rois: Ref, scale: float, offset: float) -> list[tuple[Ref, Ref]]:
    """Where regions (region, 4) begin and end, along y and along x, as columns."""
    scaled = ctx.emit("Mul", rois, ctx.data(scale)) if scale != 1.0 else rois
    moved = ctx.emit("Sub", scaled, ctx.data(offset)) if offset else scaled
    x1, y1, x2, y2 = ctx.emit_all("SplitV", moved, ctx.param([1, 1, 1, 1]), ctx.param(1))
    return [(y1, y2), (x1, x2)]


def _pair(ctx: LoweringContext, place: Ref, size: Size) -> list[Tap]:
    """The two pixels around a place; none where it is more than a pixel outside the image."""
    inside = within(ctx, place, ctx.data(-1.0), real(ctx, size))
    low, before, after = linear_weights(ctx, limited(ctx, place, size))
    next_one = ctx.emit("Minimum", ctx.emit("AddV2", low, ctx.data(1.0)), real(ctx, size, 1.0, -1.0))
    return [Tap(low, ctx.emit("Mul", before, inside)), Tap(next_one, ctx.emit("Mul", after, inside))]


@lowers("MaxRoiPool", since=(1, 22))
def lower_max_roi_pool(ctx: LoweringContext) -> None:
    """The maximum in each cell of a grid over each region of an image; 0 for a cell without pixels.

    Shapes: X (batch, channel, h, w), rois (region, 5) as batch, x1, y1, x2, y2 -> (region, channel, *pooled_shape)
    Emits:  for each row, then each column of cells SelectV2 of its pixels and Max: as much memory as regions of X.
    """
    cells, scale = [int(n) for n in ctx.attr("pooled_shape")], float(ctx.attr("spatial_scale", 1.0))
    rois = ctx.operand(1)
    parts = ctx.emit_all("SplitV", rois, ctx.param([1, 4]), ctx.param(1))
    scaled = ctx.emit("AddV2", ctx.emit("Mul", parts[1], ctx.data(scale)), ctx.data(0.5))
    corners = _corners(ctx, ctx.emit("Floor", scaled), 1.0, 0.0)
    batch = cast(ctx, host.resize(ctx, parts[0], [None]), "int32")
    y = take(ctx, ctx.operand(0), 0, batch)
    for axis, (start, end) in zip((2, 3), corners, strict=True):
        y = _pooled_along(ctx, y, axis, cells[axis - 2], start, end)
    ctx.result(select(ctx, ctx.emit("Greater", y, ctx.data(NOTHING / 2)), y, ctx.data(0.0)))


def _pooled_along(ctx: LoweringContext, x: Ref, axis: int, cells: int, start: Ref, end: Ref) -> Ref:
    """The maximum over each cell of one axis; a number below any other where a cell is empty."""
    size = ctx.emit("RealDiv", _length(ctx, start, end), ctx.data(float(cells)))
    places = cast(ctx, span(ctx, x, axis), "float32")
    places = host.resize(ctx, places, [Size(1), Size(1), None, *[Size(1)] * (3 - axis)])
    parts = []
    for cell in range(cells):
        low = ctx.emit("Floor", ctx.emit("Mul", size, ctx.data(float(cell))))
        high = ctx.emit("Ceil", ctx.emit("Mul", size, ctx.data(float(cell + 1))))
        bounds = [host.resize(ctx, ctx.emit("AddV2", one, start), [None, *[Size(1)] * 3]) for one in (low, high)]
        inside = ctx.emit("GreaterEqual", places, bounds[0])
        inside = ctx.emit("LogicalAnd", inside, ctx.emit("Less", places, bounds[1]))
        parts.append(reduce_axes(ctx, "Max", select(ctx, inside, x, ctx.data(NOTHING)), [axis], keepdims=True))
    return parts[0] if cells == 1 else ctx.emit("ConcatV2", *parts, ctx.param(axis), N=cells)


def _length(ctx: LoweringContext, start: Ref, end: Ref) -> Ref:
    return ctx.emit("Maximum", ctx.emit("AddV2", ctx.emit("Sub", end, start), ctx.data(1.0)), ctx.data(1.0))


@lowers("NonMaxSuppression", since=(10, 11))
def lower_non_max_suppression(ctx: LoweringContext) -> None:
    """The boxes of the best scores of each class, without those that overlap a better one too much.

    Shapes: boxes (batch, box, 4), scores (batch, class, box) -> (selected, 3) as batch, class, box
    Emits:  NonMaxSuppressionV3, which is asynchronous, for each batch and class; ConcatV2; FloorDiv and FloorMod.
    Source: https://onnx.ai/onnx/operators/onnx__NonMaxSuppression.html; TF.js suppresses from the threshold on, ONNX
            beyond it (tfjs-core backends/non_max_suppression_impl.js).
    """
    boxes, scores = cast(ctx, ctx.operand(0), "float32"), cast(ctx, ctx.operand(1), "float32")
    n_batch, n_classes, n_boxes = host.sizes(ctx, scores)
    if not (n_batch.is_static and n_classes.is_static):
        ctx.refuse(
            "the number of batches or classes is only known when the graph runs",
            hint=f"fix it with `--bind {n_batch.name or n_classes.name or 'name'}=size`",
        )
    if ctx.attr("center_point_box", 0):
        boxes = _from_centres(ctx, boxes)
    limits = (_most(ctx), _overlap(ctx), _lowest_score(ctx))
    of_batch = [host.squeeze(ctx, part, [0]) for part in _pieces(ctx, boxes, n_batch.number, 0)]
    flat = host.resize(ctx, scores, [Size(n_batch.number * n_classes.number), n_boxes])
    total = as_data(ctx, n_boxes)
    found = []
    for row, part in enumerate(_pieces(ctx, flat, n_batch.number * n_classes.number, 0)):
        score = host.squeeze(ctx, part, [0])
        chosen = ctx.emit("NonMaxSuppressionV3", of_batch[row // n_classes.number], score, *limits)
        start = ctx.emit("Mul", total, ctx.data(np.asarray(row, dtype=np.int32)))
        found.append(chosen if row == 0 else ctx.emit("AddV2", chosen, start))
    places = found[0] if len(found) == 1 else ctx.emit("ConcatV2", *found, ctx.param(0), N=len(found))
    row_of, box = ctx.emit("FloorDiv", places, total), ctx.emit("FloorMod", places, total)
    classes = ctx.data(np.asarray(n_classes.number, dtype=np.int32))
    columns = [ctx.emit("FloorDiv", row_of, classes), ctx.emit("FloorMod", row_of, classes), box]
    ctx.result(ctx.emit("Pack", *columns, axis=1))


def _pieces(ctx: LoweringContext, x: Ref, count: int, axis: int) -> tuple[Ref, ...]:
    return (x,) if count == 1 else ctx.emit_all("Split", ctx.param(axis), x, num_split=count)


def _from_centres(ctx: LoweringContext, boxes: Ref) -> Ref:
    x, y, width, height = ctx.emit_all("SplitV", boxes, ctx.param([1, 1, 1, 1]), ctx.param(2))
    halves = [ctx.emit("Mul", side, ctx.data(0.5)) for side in (height, width)]
    low = [ctx.emit("Sub", middle, half) for middle, half in zip((y, x), halves, strict=True)]
    high = [ctx.emit("AddV2", middle, half) for middle, half in zip((y, x), halves, strict=True)]
    return ctx.emit("ConcatV2", *low, *high, ctx.param(2), N=4)


def _most(ctx: LoweringContext) -> Ref:
    known = ctx.ints(2)
    if known is not None or not ctx.has(2):
        return ctx.param(max(known[0], 0) if known else 0)
    return host.scalar(ctx, host.argument(ctx, 2, "the number of boxes"))


def _overlap(ctx: LoweringContext) -> Ref:
    """The first overlap that suppresses: just above the threshold."""
    known = ctx.known(3)
    if known is not None or not ctx.has(3):
        limit = np.float32(0.0 if known is None else known.ravel()[0])
        if not 0 <= limit < 1:
            ctx.refuse(f"iou_threshold {limit} is not in [0, 1)")
        return ctx.data(np.nextafter(limit, np.float32(2), dtype=np.float32))
    threshold = host.scalar(ctx, host.argument(ctx, 3, "the overlap threshold"))
    above = ctx.emit("Maximum", ctx.emit("Mul", threshold, ctx.data(1 + 2.0**-23)), ctx.data(2.0**-126))
    return ctx.emit("Minimum", above, ctx.data(1.0))


def _lowest_score(ctx: LoweringContext) -> Ref:
    known = ctx.known(4)
    if known is not None or not ctx.has(4):
        return ctx.data(-math.inf if known is None else float(known.ravel()[0]))
    return host.scalar(ctx, host.argument(ctx, 4, "the score threshold"))
