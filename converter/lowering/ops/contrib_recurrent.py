"""The LSTM of ONNX Runtime's dynamic quantizer."""

import numpy as np

from converter.lowering.context import LoweringContext
from converter.lowering.gates import Product, product, read_sequences
from converter.lowering.legal import cast
from converter.lowering.narrow import narrowest
from converter.lowering.ops.contrib_fused import DOMAIN
from converter.lowering.ops.quantization import dynamically_quantized
from converter.lowering.ops.recurrent import lower_lstm_with
from converter.lowering.registry import lowers
from converter.tfjs.graph import Ref

W, R, LENGTHS, W_SCALE, W_ZERO, R_SCALE, R_ZERO = 1, 2, 4, 8, 9, 10, 11


@lowers("DynamicQuantizeLSTM", since=(1,), const_inputs=(W, R, W_SCALE, W_ZERO, R_SCALE, R_ZERO), domain=DOMAIN)
def lower_dynamic_quantize_lstm(ctx: LoweringContext) -> None:
    """An LSTM whose weights are narrow integers, and whose operands of MatMul are rounded to 256 steps of their range.

    That range is one for all steps and sequences of the input, and one for the states of all sequences at each step,
    as it is in ONNX Runtime with one thread; with more, it rounds the states of some sequences apart from others.
    Shapes: as LSTM, but W (direction, input, 4 * hidden) and R (direction, hidden, 4 * hidden); their scales and zero
            points (direction) or (direction, 4 * hidden)
    Emits:  as LSTM and DynamicQuantizeLinear; the weights stay as narrow as they are in the file.
    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
    """
    if ctx.has(LENGTHS) and read_sequences(ctx).lengths is not None:
        ctx.refuse(
            "the range of its states depends on how onnxruntime leaves sequences that have ended",
            "give it sequences of one length, without sequence_lens",
        )
    ctx.ignore_attrs("hidden_size")  # the shape of R says it
    lower_lstm_with(
        ctx,
        lambda index: (_centred(ctx, W, W_ZERO, index), _centred(ctx, R, R_ZERO, index)),
        int(ctx.const(R).shape[1]),
        lambda index: (_rounded_product(ctx.const(W_SCALE)[index]), _rounded_product(ctx.const(R_SCALE)[index])),
    )


def _centred(ctx: LoweringContext, index: int, zero_point: int, direction: int) -> Ref:
    """Return the weights of a direction minus their zero point."""
    wide = ctx.const(index)[direction].astype(np.int64) - ctx.const(zero_point)[direction].astype(np.int64)
    return cast(ctx, ctx.data(narrowest(wide)), "float32")


def _rounded_product(scale: np.ndarray) -> Product:
    """Return the product of a value, rounded to 256 steps of its range, and integers of this scale."""

    def multiply(ctx: LoweringContext, x: Ref, weights: Ref) -> Ref:
        steps, step, zero = dynamically_quantized(ctx, x)
        rows = product(ctx, ctx.emit("Sub", steps, zero), weights)
        return ctx.emit("Mul", rows, ctx.emit("Mul", step, ctx.data(np.asarray(scale, dtype=np.float32))))

    return multiply
