"""Convolutions, pools, matrix products, normalisations and image ops: channels last, filters (…, in, out)."""

from collections.abc import Mapping, Sequence

from converter.tfjs.graph import Dim, Shape, TensorType
from converter.tfjs.infer.call import Call, Rule, add_dims, may_equal, multiply_dims
from converter.tfjs.infer.layout import shape_operand


def _floats(call: Call) -> None:
    call.same_dtype(range(len(call.operands)), "float32")


def _window(call: Call, dim: Dim, size: Dim, stride: int, pads: tuple[int, int] | None) -> Dim:
    """The size of an axis after a window of `size` went over it; pads None means SAME."""
    if pads is None:
        return dim if stride == 1 else -(-dim // stride) if isinstance(dim, int) else None
    if stride == 1 and isinstance(size, int):
        size_out = add_dims(dim, *pads, 1 - size)
    elif isinstance(dim, int) and isinstance(size, int):
        size_out = (dim + sum(pads) - size) // stride + 1
    else:
        return None
    call.need(not isinstance(size_out, int) or size_out > 0, f"a window of {size} does not fit into {dim}")
    return size_out


def _pads(call: Call, n_axes: int) -> list[tuple[int, int] | None]:
    padding = call.attrs.get("padding")
    if padding == "SAME":
        return [None] * n_axes
    if padding == "EXPLICIT":
        flat = call.numbers("explicit_paddings") or []
        return [(flat[at], flat[at + 1]) for at in range(2, 2 + 2 * n_axes, 2)]
    return [(0, 0)] * n_axes


def _spatial(call: Call, dims: Sequence[Dim], window: Sequence[Dim]) -> tuple[Dim, ...]:
    n_axes = len(dims)
    strides = (call.numbers("strides") or [1] * (n_axes + 2))[1:-1]
    dilations = (call.numbers("dilations") or [1] * (n_axes + 2))[1:-1]
    sizes = [(size - 1) * by + 1 if isinstance(size, int) else None for size, by in zip(window, dilations, strict=True)]
    rows = zip(dims, sizes, strides, _pads(call, n_axes), strict=True)
    return tuple(_window(call, *row) for row in rows)


def _conv(call: Call) -> tuple[TensorType, ...]:
    _floats(call)
    rank = 5 if call.op == "Conv3D" else 4
    x, kernel = call.ranked(0, rank), call.ranked(1, rank)
    if x is None or kernel is None:
        return (TensorType("float32", (None,) * rank),)
    call.need(may_equal(x[-1], kernel[-2]), f"{x[-1]} channels go into a filter for {kernel[-2]}")
    depth = multiply_dims(*kernel[-2:]) if "Depthwise" in call.op else kernel[-1]
    _check_channels(call, depth, 2)
    return (TensorType("float32", (x[0], *_spatial(call, x[1:-1], kernel[: rank - 2]), depth)),)


def _check_channels(call: Call, depth: Dim, first: int) -> None:
    """The extra operands of a fused op: one number per output channel, or one for all."""
    for index in range(first, len(call.operands)):
        shape = call.shape(index)
        if shape:
            call.need(may_equal(shape[-1], depth) or shape[-1] == 1, f"operand {index} does not fit {depth} channels")
    if len(call.operands) > first:
        call.ranked(first, 0, 1)


def _conv_transposed(call: Call) -> tuple[TensorType, ...]:
    call.same_dtype((1, 2), "float32")
    kernel, x, target = call.ranked(1, 4), call.ranked(2, 4), shape_operand(call, 0)
    if target is None:
        return (TensorType("float32", (None,) * 4),)
    call.need(len(target) == 4, "the output shape needs four numbers")
    if kernel is None or x is None:
        return (TensorType("float32", target),)
    call.need(may_equal(x[3], kernel[3]), f"{x[3]} channels go into a filter for {kernel[3]}")
    call.need(may_equal(target[3], kernel[2]), f"{kernel[2]} channels come out where {target[3]} are wanted")
    back = _spatial(call, target[1:3], kernel[:2])
    call.need(all(map(may_equal, back, x[1:3])), f"convolving {target[1:3]} gives {back}, not x")
    batch = target[0] if target[0] is not None else x[0]
    return (TensorType("float32", (batch, *target[1:3], kernel[2])),)


def _pool(call: Call) -> tuple[TensorType, ...]:
    _floats(call)
    rank = 5 if call.op.endswith("3D") else 4
    x = call.ranked(0, rank)
    if x is None:
        return (TensorType("float32", (None,) * rank),)
    window = (call.numbers("ksize") or [1] * rank)[1:-1]
    return (TensorType("float32", (x[0], *_spatial(call, x[1:-1], window), x[-1])),)


def _mat_mul(call: Call) -> tuple[TensorType, ...]:
    _floats(call)
    batched = call.op == "BatchMatMulV2"
    shape = _product(
        call, call.flag("adj_x" if batched else "transpose_a"), call.flag("adj_y" if batched else "transpose_b")
    )
    if call.op == "MatMul":
        call.ranked(0, 2)
        call.ranked(1, 2)
    if shape is not None:
        _check_channels(call, shape[-1], 2)
    return (TensorType("float32", shape),)


def _product(call: Call, transpose_a: bool, transpose_b: bool) -> Shape:
    a, b = call.shape(0), call.shape(1)
    if a is None or b is None:
        return None
    call.need(len(a) >= 2 and len(b) >= 2, "the operands must be matrices")
    (rows, inner_a) = (a[-1], a[-2]) if transpose_a else (a[-2], a[-1])
    (inner_b, columns) = (b[-1], b[-2]) if transpose_b else (b[-2], b[-1])
    call.need(may_equal(inner_a, inner_b), f"the inner dimensions {inner_a} and {inner_b} differ")
    batch = call.broadcast(a[:-2], b[:-2]) or ()
    return (*batch, rows, columns)


def _batch_norm(call: Call) -> tuple[TensorType, ...]:
    _floats(call)
    x = call.ranked(0, 4)
    for index in range(1, 5):
        shape = call.ranked(index, 1)
        if shape is not None and x is not None:
            call.need(may_equal(shape[0], x[-1]), f"operand {index} does not have one number per channel")
    return (TensorType("float32", x),)


def _lrn(call: Call) -> tuple[TensorType, ...]:
    _floats(call)
    return (TensorType("float32", call.ranked(0, 3, 4)),)


def _resize(call: Call) -> tuple[TensorType, ...]:
    dtype = call.dtype(0, "float32", "int32")
    x, size = call.ranked(0, 4), shape_operand(call, 1)
    call.need(size is None or len(size) == 2, "the size must be [height, width]")
    height, width = size or (None, None)
    shape: Shape = (None, height, width, None) if x is None else (x[0], height, width, x[3])
    return (TensorType(dtype if call.op == "ResizeNearestNeighbor" else "float32", shape),)


def _crop_and_resize(call: Call) -> tuple[TensorType, ...]:
    call.same_dtype((0, 1), "float32")
    call.dtype(2, "int32")
    image, boxes, size = call.ranked(0, 4), call.ranked(1, 2), shape_operand(call, 3)
    call.need(size is None or len(size) == 2, "the size must be [height, width]")
    count = None if boxes is None else boxes[0]
    return (TensorType("float32", (count, *(size or (None, None)), None if image is None else image[3])),)


def _non_max_suppression(call: Call) -> tuple[TensorType, ...]:
    call.same_dtype((0, 1), "float32")
    boxes, scores = call.ranked(0, 2), call.ranked(1, 1)
    if boxes is not None and scores is not None:
        call.need(may_equal(boxes[0], scores[0]) and may_equal(boxes[1], 4), "there must be one score per box of four")
    padded = call.op == "NonMaxSuppressionV4" and call.flag("pad_to_max_output_size")
    picked: Shape = (call.scalar(2) if padded else None,)
    if call.op == "NonMaxSuppressionV4":
        return TensorType("int32", picked), TensorType("int32", ())
    if call.op == "NonMaxSuppressionV5":
        return TensorType("int32", picked), TensorType("float32", picked)
    return (TensorType("int32", picked),)


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("AvgPool", "AvgPool3D", "MaxPool"), _pool),
    **dict.fromkeys(("Conv2D", "Conv3D", "DepthwiseConv2dNative", "FusedDepthwiseConv2dNative", "_FusedConv2D"), _conv),
    **dict.fromkeys(("BatchMatMulV2", "MatMul", "_FusedMatMul"), _mat_mul),
    **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), _batch_norm),
    **dict.fromkeys(("NonMaxSuppressionV3", "NonMaxSuppressionV4", "NonMaxSuppressionV5"), _non_max_suppression),
    **dict.fromkeys(("ResizeBilinear", "ResizeNearestNeighbor"), _resize),
    "Conv2DBackpropInput": _conv_transposed,
    "CropAndResize": _crop_and_resize,
    "LRN": _lrn,
}
