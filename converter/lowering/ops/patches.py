"""Operators that put the pieces of an image back, or cut and pad it about its middle."""

import math

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.legal import MAX_RANK, TF_TYPE, as_number, cast, pad, transpose
from converter.lowering.movement import contiguous
from converter.lowering.registry import lowers
from converter.lowering.window import read_pads
from converter.tfjs.graph import Ref


@lowers("Col2Im", since=(18,), const_inputs=(1, 2))
def lower_col2im(ctx: LoweringContext) -> None:
    """An image from its blocks, which are added up where they overlap.

    Shapes: (batch, channel * block, n blocks) -> (batch, channel, *image)
    Emits:  ScatterNd, which adds what meets in one place, of rows of all channels.
    """
    x, image, block = ctx.operand(0), ctx.ints(1) or [], ctx.ints(2) or []
    batch, rows, n_blocks = host.sizes(ctx, x)
    if not (rows.is_static and n_blocks.is_static):
        ctx.refuse("the number of blocks is only known when the graph runs", hint="fix it with `--bind name=size`")
    size, pixels = math.prod(block), math.prod(image)
    channels = rows.number // size
    where = _pixel_of(ctx, image, block).ravel()
    parts = host.resize(ctx, x, [batch, Size(channels), Size(size * n_blocks.number)])
    columns = host.resize(ctx, transpose(ctx, parts, [2, 0, 1]), [Size(where.size), batch * Size(channels)])
    inside = np.flatnonzero(where >= 0).astype(np.int32)
    if inside.size < where.size:
        columns = ctx.emit("GatherV2", columns, ctx.data(inside), ctx.param(0))
    shape = host.shape_vector(ctx, [Size(pixels), batch * Size(channels)])
    places = ctx.data(where[inside].astype(np.int32)[:, None])
    summed = ctx.refine(ctx.emit("ScatterNd", places, columns, shape), (pixels, None))
    y = transpose(ctx, host.resize(ctx, summed, [Size(pixels), batch, Size(channels)]), [1, 2, 0])
    ctx.result(host.resize(ctx, y, [batch, Size(channels), *map(Size, image)]))


def _pixel_of(ctx: LoweringContext, image: list[int], block: list[int]) -> np.ndarray:
    """The flat position of each element of each block in the image, -1 for those in its padding.

    Shapes: (block, n blocks)
    """
    n = len(image)
    pads, _ = read_pads(ctx, n)
    strides, dilations = ctx.attr("strides", [1] * n), ctx.attr("dilations", [1] * n)
    flat, inside = np.zeros((1, 1), dtype=np.int64), np.ones((1, 1), dtype=bool)
    for axis in range(n):
        extent = dilations[axis] * (block[axis] - 1) + 1
        count = (image[axis] + sum(pads[axis]) - extent) // strides[axis] + 1
        steps, starts = np.arange(block[axis]) * dilations[axis], np.arange(count) * strides[axis] - pads[axis][0]
        place = steps[:, None] + starts[None, :]
        shape = (flat.shape[0] * block[axis], flat.shape[1] * count)
        flat = (flat[:, None, :, None] * image[axis] + place[None, :, None, :]).reshape(shape)
        valid = (place >= 0) & (place < image[axis])
        inside = (inside[:, None, :, None] & valid[None, :, None, :]).reshape(shape)
    return np.where(inside, flat, -1)


@lowers("MaxUnpool", since=(9, 11, 22), const_inputs=(2,))
def lower_max_unpool(ctx: LoweringContext) -> None:
    """The image that MaxPool made smaller, with each maximum where it was and zeros elsewhere.

    Shapes: X, I (batch, channel, *pooled) -> (batch, channel, *image), or `output_shape` with zeros at the ends
    Emits:  TensorScatterUpdate of a flat image of zeros.
    Source: https://onnx.ai/onnx/operators/onnx__MaxUnpool.html
    """
    x, sizes = ctx.operand(0), host.sizes(ctx, ctx.operand(0))
    kernel = [int(size) for size in ctx.attr("kernel_shape")]
    strides = ctx.attr("strides", [1] * len(kernel))
    pads, _ = read_pads(ctx, len(kernel))
    if not all(size.is_static for size in sizes[2:]):
        ctx.refuse("the size of the image is only known when the graph runs", hint="fix it with `--bind name=size`")
    image = [
        (size.number - 1) * stride - sum(pad_) + length
        for size, stride, pad_, length in zip(sizes[2:], strides, pads, kernel, strict=True)
    ]
    shape = [*sizes[:2], *map(Size, image)]
    zero = ctx.data(np.zeros((), dtype=np.float32))
    zeros = ctx.emit("Fill", host.as_vector(ctx, host.product(shape)), zero, T=TF_TYPE["float32"])
    places = host.resize(ctx, ctx.operand(1), [None, Size(1)])
    flat = ctx.emit("TensorScatterUpdate", zeros, places, host.resize(ctx, x, [None]))
    y = host.resize(ctx, flat, list(shape))
    target = ctx.ints(2)
    if target is not None:
        ends = [0, 0, *(want - have for want, have in zip(target[2:], image, strict=True))]
        y = pad(ctx, y, [(0, end) for end in ends])
    ctx.result(y)


@lowers("CenterCropPad", since=(18,))
def lower_center_crop_pad(ctx: LoweringContext) -> None:
    """The data cut or padded with zeros about its middle, along some axes; an odd rest is left at the end.

    Emits: Slice and PadV2; for sizes that only the running graph knows, with arguments computed on the host.
    """
    x = ctx.operand(0)
    rank, known = ctx.rank(x), ctx.ints(1)
    axes = [ctx.axis(axis, rank) for axis in ctx.attr("axes", list(range(rank)))]
    sizes = host.sizes(ctx, x)
    if known is None or not all(sizes[axis].is_static for axis in axes):
        ctx.result(_cropped_at_run_time(ctx, x, axes))
        return
    targets = dict(zip(axes, known, strict=True))
    cuts, pads = {}, [(0, 0)] * rank
    for axis, target in targets.items():
        extra = sizes[axis].number - target
        if extra > 0:
            cuts[axis] = (extra // 2, extra // 2 + target)
        else:
            pads[axis] = (-extra // 2, -extra - -extra // 2)
    ctx.result(pad(ctx, contiguous(ctx, x, cuts), pads))


def _cropped_at_run_time(ctx: LoweringContext, x: Ref, axes: list[int]) -> Ref:
    rank, dtype = ctx.rank(x), ctx.type(x).dtype
    if rank > MAX_RANK:
        ctx.refuse(f"padding a value of rank {rank} by sizes that only the running graph knows")
    target, sizes = host.argument(ctx, 1, "the shape"), host.sizes(ctx, x)
    wanted: list[Size | Ref] = list(sizes)
    for position, axis in enumerate(axes):
        wanted[axis] = host.element(ctx, target, position)
    have, want = host.shape_vector(ctx, list(sizes)), host.shape_vector(ctx, wanted)
    cut = ctx.emit("Slice", as_number(ctx, x), _half(ctx, have, want), ctx.emit("Minimum", have, want))
    before = _half(ctx, want, have)
    after = ctx.emit("Sub", _excess(ctx, want, have), before)
    pads = ctx.emit("Pack", before, after, axis=1)
    zero = ctx.data(np.zeros((), dtype=np.float32 if ctx.type(cut).dtype == "float32" else np.int32))
    padded = ctx.emit("PadV2", cut, pads, zero)
    return cast(ctx, ctx.refine(padded, (None,) * rank), dtype)


def _excess(ctx: LoweringContext, one: Ref, other: Ref) -> Ref:
    return ctx.emit("Maximum", ctx.emit("Sub", one, other), host.number(ctx, 0))


def _half(ctx: LoweringContext, one: Ref, other: Ref) -> Ref:
    """Half of what one vector is more than another, rounded down."""
    return ctx.emit("FloorDiv", _excess(ctx, one, other), host.number(ctx, 2))
