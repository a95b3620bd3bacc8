"""Fourier transforms as products with matrices of cosines and sines: TF.js has no FFT on wasm, nor complex numbers."""

import math

import numpy as np

from converter.dtypes import BY_ONNX_CODE
from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.legal import TF_TYPE, cast, transpose
from converter.lowering.registry import lowers
from converter.tfjs.graph import Ref

WINDOWS = {"HannWindow": (0.5, 0.5, 0.0), "HammingWindow": (25 / 46, 21 / 46, 0.0), "BlackmanWindow": (0.42, 0.5, 0.08)}


def fourier_matrix(n: int, parts: int, length: int, *, inverse: bool, onesided: bool) -> np.ndarray:
    """What turns n samples of 1 or 2 parts (real, imaginary) into the transform of their first `length`.

    Shapes: (n * parts, bins * 2); for an inverse onesided transform, which gives real numbers, (n * 2, length)
    """
    bins = length // 2 + 1 if onesided else length
    n_in, n_out = (min(n, bins), length) if inverse and onesided else (min(n, length), bins)
    turns = np.outer(np.arange(n_in), np.arange(n_out)) % length * (2 * math.pi / length)
    cosine, sine = np.cos(turns), np.sin(turns) * (1 if inverse else -1)
    real, imaginary = np.stack([cosine, sine], axis=-1), np.stack([-sine, cosine], axis=-1)
    matrix = np.zeros((n, parts, n_out, 2))
    matrix[:n_in, 0] = real
    matrix[:n_in, 1:] = imaginary[:, None]
    if inverse and onesided:  # each bin but the first, and the middle one, stands for its mirror image too
        weights = np.where((np.arange(n) == 0) | (2 * np.arange(n) == length), 1, 2)
        matrix = matrix[..., :1] * weights[:, None, None, None]
    matrix = matrix / length if inverse else matrix
    return matrix.reshape(n * parts, -1).astype(np.float32)


@lowers("DFT", since=(17,), const_inputs=(1,))
@lowers("DFT", since=(20,), const_inputs=(1, 2))
def lower_dft(ctx: LoweringContext) -> None:
    """The discrete Fourier transform along an axis, or its inverse; `onesided` keeps half of the symmetric spectrum.

    Shapes: (…, n, …, 1 or 2) -> (…, bins, …, 2), the last axis holding real and imaginary parts
    Emits:  MatMul between Transposes.
    Source: https://onnx.ai/onnx/operators/onnx__DFT.html
    """
    x = cast(ctx, ctx.operand(0), "float32")
    rank = ctx.rank(x)
    axis = ctx.axis(_axis(ctx), rank)
    inverse, onesided = bool(ctx.attr("inverse", 0)), bool(ctx.attr("onesided", 0))
    sizes = host.sizes(ctx, x)
    if not (sizes[axis].is_static and sizes[-1].is_static):
        ctx.refuse("the transform of a dynamic number of samples", hint="fix it with `--bind name=size`")
    n, parts = sizes[axis].number, sizes[-1].number
    length = (ctx.ints(1) or [2 * (n - 1) if inverse and onesided else n])[0]
    matrix = fourier_matrix(n, parts, length, inverse=inverse, onesided=onesided)
    order = [*[at for at in range(rank - 1) if at != axis], axis, rank - 1]
    rows = host.resize(ctx, transpose(ctx, x, order), [None, Size(n * parts)])
    y = ctx.emit("MatMul", rows, ctx.data(matrix), transpose_a=False, transpose_b=False)
    parts_out = 1 if inverse and onesided else 2
    shape = [*[sizes[at] for at in order[:-2]], Size(matrix.shape[1] // parts_out), Size(parts_out)]
    ctx.result(transpose(ctx, host.resize(ctx, y, list(shape)), [order.index(at) for at in range(rank)]))


def _axis(ctx: LoweringContext) -> int:
    if ctx.since == 17:
        return int(ctx.attr("axis", 1))
    return (ctx.ints(2) or [-2])[0]


@lowers("STFT", since=(17,), const_inputs=(1, 3))
def lower_stft(ctx: LoweringContext) -> None:
    """The Fourier transform of each frame of a signal, weighted by a window.

    Shapes: signal (batch, n) or (batch, n, 1 or 2), window (frame_length) -> (batch, frame, bins, 2)
    Emits:  Conv2D of height 1 whose filter is the matrix of the transform, each row weighted by the window.
    Source: https://onnx.ai/onnx/operators/onnx__STFT.html
    """
    x = cast(ctx, ctx.operand(0), "float32")
    sizes = host.sizes(ctx, x)
    parts = sizes[2].number if len(sizes) == 3 else 1
    length = _frame_length(ctx)
    step = (ctx.ints(1) or [1])[0]
    matrix = fourier_matrix(length, parts, length, inverse=False, onesided=bool(ctx.attr("onesided", 1)))
    image = host.resize(ctx, x, [sizes[0], Size(1), sizes[1], Size(parts)])
    weighted = _weighted(ctx, matrix.reshape(1, length, parts, -1))
    steps = {"strides": [1, 1, step, 1], "dilations": [1, 1, 1, 1]}
    y = ctx.emit("Conv2D", image, weighted, padding="VALID", data_format="NHWC", **steps)
    batch, _, frames, depth = host.sizes(ctx, y)
    ctx.result(host.resize(ctx, y, [batch, frames, Size(depth.number // 2), Size(2)]))


def _frame_length(ctx: LoweringContext) -> int:
    window = ctx.dims(ctx.operand(2))[0] if ctx.has(2) else None
    given = ctx.ints(3)
    length = given[0] if given else window
    if not isinstance(length, int):
        ctx.refuse("the length of the frames is only known when the graph runs", hint="make the window a constant")
    return length


def _weighted(ctx: LoweringContext, matrix: np.ndarray) -> Ref:
    if not ctx.has(2):
        return ctx.data(matrix)
    window = ctx.known(2)
    if window is not None:
        return ctx.data((matrix * window.reshape(1, -1, 1, 1)).astype(np.float32))
    column = host.resize(ctx, cast(ctx, ctx.operand(2), "float32"), [Size(1), None, Size(1), Size(1)])
    return ctx.emit("Mul", ctx.data(matrix), column)


@lowers("HannWindow", "HammingWindow", "BlackmanWindow", since=(17,))
def lower_window(ctx: LoweringContext) -> None:
    """A window of samples: a - b * cos(2 pi n / N) + c * cos(4 pi n / N); N is `size` if periodic, else `size` - 1.

    Shapes: () -> (size)
    Emits:  Range, Cos and arithmetic, for a size that only the running graph knows.
    """
    size = cast(ctx, host.scalar(ctx, host.argument(ctx, 0, "the size")), "int32")
    period = size if ctx.attr("periodic", 1) else ctx.emit("Sub", size, ctx.data(np.asarray(1, dtype=np.int32)))
    storage = BY_ONNX_CODE[ctx.attr("output_datatype", 1)].storage or "float32"
    places = cast(ctx, ctx.emit("Range", ctx.param(0), size, ctx.param(1), Tidx=TF_TYPE["int32"]), "float32")
    turns = ctx.emit("RealDiv", places, cast(ctx, period, "float32"))
    constant, once, twice = WINDOWS[ctx.node.op]
    y = ctx.emit("Sub", ctx.data(constant), _wave(ctx, turns, 2 * math.pi, once))
    if twice:
        y = ctx.emit("AddV2", y, _wave(ctx, turns, 4 * math.pi, twice))
    ctx.result(cast(ctx, y, storage))


def _wave(ctx: LoweringContext, turns: Ref, angle: float, height: float) -> Ref:
    return ctx.emit("Mul", ctx.emit("Cos", ctx.emit("Mul", turns, ctx.data(angle))), ctx.data(height))


@lowers("MelWeightMatrix", since=(17,), const_inputs=(0, 1, 2, 3, 4))
def lower_mel_weight_matrix(ctx: LoweringContext) -> None:
    """The weights of mel bands over a spectrum: with known operands they are a constant before any node is lowered."""
    ctx.refuse("these weights could not be computed at compile time", hint="store them in the model as a constant")
