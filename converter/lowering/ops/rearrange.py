"""Blocks of space as channels, and back."""

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.legal import cast, transpose
from converter.lowering.registry import lowers
from converter.lowering.spatial import fixed, to_channels_first, to_channels_last
from converter.tfjs.graph import Ref


@lowers("DepthToSpace", since=(1, 11, 13, 28))
def lower_depth_to_space(ctx: LoweringContext) -> None:
    """Y = X with each run of block^2 channels laid out as a block x block square.

    Shapes: X (batch, channel * block^2, height, width); Y (batch, channel, height * block, width * block).
    Emits:  DepthToSpace between two Transposes; GatherV2 of the channels before it for mode CRD.
    Source: https://onnx.ai/onnx/operators/onnx__DepthToSpace.html
    """
    block, mode = int(ctx.attr("blocksize")), _mode(ctx)
    storage = ctx.type(ctx.operand(0)).dtype
    y = to_channels_last(ctx, cast(ctx, ctx.operand(0), "float32"))
    if mode == "CRD":
        channels = fixed(ctx, ctx.dims(y)[3])
        order = np.arange(channels, dtype=np.int32).reshape(-1, block * block).T.reshape(-1)
        y = ctx.emit("GatherV2", y, ctx.data(order), ctx.param(3))
    if block > 1:
        y = ctx.emit("DepthToSpace", y, block_size=block, data_format="NHWC")
    ctx.result(cast(ctx, to_channels_first(ctx, y, 2), storage))


@lowers("SpaceToDepth", since=(1, 13, 28))
def lower_space_to_depth(ctx: LoweringContext) -> None:
    """Y = X with each block x block square laid out as a run of channels.

    Shapes: X (batch, channel, height * block, width * block); Y (batch, channel * block^2, height, width).
    Emits:  Reshape, Transpose of rank 6, Reshape.
    Source: https://onnx.ai/onnx/operators/onnx__SpaceToDepth.html
    """
    block, mode = int(ctx.attr("blocksize")), _mode(ctx)
    storage = ctx.type(ctx.operand(0)).dtype
    x = cast(ctx, ctx.operand(0), "float32")
    channels = fixed(ctx, ctx.dims(x)[1])
    size = Size(block)
    height, width = _blocks(ctx, x, 2, block), _blocks(ctx, x, 3, block)
    squares = host.shape_vector(ctx, [Size(-1), Size(channels), height, size, width, size])
    moved = transpose(ctx, ctx.emit("Reshape", x, squares), [0, 1, 3, 5, 2, 4] if mode == "CRD" else [0, 3, 5, 1, 2, 4])
    target = host.shape_vector(ctx, [Size(-1), Size(channels * block * block), height, width])
    ctx.result(cast(ctx, ctx.emit("Reshape", moved, target), storage))


def _mode(ctx: LoweringContext) -> str:
    mode = str(ctx.attr("mode", "DCR"))
    if mode not in ("DCR", "CRD"):
        ctx.refuse(f"mode is {mode!r}; ONNX knows DCR and CRD")
    return mode


def _blocks(ctx: LoweringContext, x: Ref, axis: int, block: int) -> Size | Ref:
    """How many blocks there are along an axis."""
    size = host.sizes(ctx, x)[axis]
    if size.is_static:
        return Size(size.number // block)
    return ctx.emit("FloorDiv", host.as_vector(ctx, size), host.number(ctx, block)) if block > 1 else size
