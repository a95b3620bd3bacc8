from dataclasses import replace

import numpy as np
from onnx import TensorProto

from converter.onnx_model.contributed import DOMAIN
from tests.ops.case import Case

UINT8, INT8, FLOAT = TensorProto.UINT8, TensorProto.INT8, TensorProto.FLOAT
RNG = np.random.default_rng(11)
F, U = np.float32, np.uint8
EVERY = np.arange(256)


def draw(*shape, dtype=np.uint8):
    """Any uint8; of int8 those of 7 bits: without VNNI, onnxruntime's sums of uint8 times int8 saturate at 16 bits."""
    low, high = (0, 256) if dtype == np.uint8 else (-64, 64)
    return RNG.integers(low, high, shape).astype(dtype)


def quantized(name, op, inputs, attrs=None, outputs=None, **rest):
    constants = rest.pop("constants", [key for key, value in inputs.items() if np.ndim(value) == 0])
    return Case(
        f"{op.lower()}-{name}",
        op,
        inputs,
        attrs or {},
        constants=constants,
        outputs=outputs or {"Y": UINT8},
        domain=DOMAIN,
        **rest,
    )


def pair(name, op, a, b, zero=(120, 130, 110), scale=(0.02, 0.03, 0.05), dtype=U, **rest):
    scales, zeros = [F(value) for value in scale], [dtype(value) for value in zero]
    inputs = {"A": a, "AS": scales[0], "AZ": zeros[0], "B": b, "BS": scales[1], "BZ": zeros[1]}
    inputs |= {"YS": scales[2], "YZ": zeros[2]}
    return quantized(name, op, inputs, outputs={"Y": INT8 if dtype == np.int8 else UINT8}, **rest)


def unary(name, op, x, zero=(120, 10), scale=(0.05, 0.01), dtype=U, attrs=None, **rest):
    inputs = {"X": x.astype(dtype), "XS": F(scale[0]), "XZ": dtype(zero[0]), "YS": F(scale[1]), "YZ": dtype(zero[1])}
    return quantized(name, op, inputs, attrs, outputs={"Y": INT8 if dtype == np.int8 else UINT8}, **rest)


def pool(name, x, attrs, op="QLinearAveragePool", **rest):
    return unary(name, op, x, (120, 90), (0.02, 0.011), attrs=attrs, **rest)


def conv(name, x, attrs, declared=None, w=None):
    w = draw(4, 3, 3, 3) if w is None else w
    inputs = {"X": x, "XS": F(0.02), "XZ": U(120), "W": w, "WS": F(0.01), "WZ": U(127), "YS": F(0.2), "YZ": U(128)}
    inputs |= {"B": RNG.integers(-900, 900, w.shape[0]).astype(np.int32)}
    case = quantized(name, "QLinearConv", inputs, attrs, constants=list(inputs)[1:], declared=declared or {})
    return replace(case, id=f"contrib-{case.id}")


def concat(name, parts, axis, declared=None):
    inputs = {"YS": F(0.03), "YZ": U(100)}
    for index, part in enumerate(parts):
        inputs |= {f"X{index}": part, f"S{index}": F(0.02 + 0.01 * index), f"Z{index}": U(120 + index)}
    return quantized(name, "QLinearConcat", inputs, {"axis": axis}, declared=declared or {})


def gemm(name, a=None, b=None, attrs=None, bias=True, rescaled=True, b_scale=0.01, b_zero=127, b_type=U, **rest):
    a, b = draw(6, 20) if a is None else a, draw(20, 5, dtype=b_type) if b is None else b
    inputs = {"A": a, "AS": F(0.02), "AZ": U(110), "B": b, "BS": F(b_scale), "BZ": b_type(b_zero)}
    inputs |= {"C" if bias else " ": RNG.integers(-9000, 9000, 5).astype(np.int32)}
    inputs |= {"YS": F(0.25), "YZ": U(128)} if rescaled else {}
    inputs = inputs if bias or rescaled else {key: value for key, value in inputs.items() if key != " "}
    constants = [key for key in inputs if key not in ("A", " ")]
    made = {"Y": UINT8 if rescaled else FLOAT}
    return quantized(name, "QGemm", inputs, attrs, made, constants=rest.pop("constants", constants), **rest)


def to_float(name, a, b, b_scale=0.01, zeros=(110, 127), bias=None, **rest):
    inputs = {"A": a, "B": b, "AS": F(0.02), "BS": F(b_scale)}
    inputs |= {} if zeros is None else {"AZ": a.dtype.type(zeros[0]), "BZ": b.dtype.type(zeros[1])}
    inputs |= {"C": (bias,)} if bias else {}
    constants = rest.pop("constants", [key for key in inputs if key != "A"])
    return quantized(name, "MatMulIntegerToFloat", inputs, outputs={"Y": FLOAT}, constants=constants, **rest)


def dynamic(name, a, b, b_scale=0.01, zero=127, bias=None, **rest):
    inputs = {"A": a, "B": b, "BS": F(b_scale)} | ({} if zero is None else {"BZ": b.dtype.type(zero)})
    inputs |= {"C": (bias,)} if bias else {}
    constants = rest.pop("constants", [key for key in inputs if key != "A"])
    return quantized(name, "DynamicQuantizeMatMul", inputs, outputs={"Y": FLOAT}, constants=constants, **rest)


def attention(name, weights=None, w_zero=127, mask=None, past=None, attrs=None, declared=None, w_scale=0.01):
    weights = draw(6, 24) if weights is None else weights
    inputs = {"X": draw(2, 3, 6), "W": weights, "B": (24,), "XS": F(0.02), "WS": F(w_scale)}
    inputs |= {"M" if mask is not None else " ": mask, "XZ": U(120), "WZ": weights.dtype.type(w_zero)}
    inputs |= {"P": past} if past else {}
    return quantized(
        name,
        "QAttention",
        inputs,
        {"num_heads": 2, **(attrs or {})},
        dict.fromkeys(("Y", "T")[: 2 if past else 1], FLOAT),
        constants=[key for key in inputs if key not in ("X", "M", "P", " ")],
        declared={"X": ("batch", "sequence", 6)} if declared is None else declared,
    )


def linear(name, op, x, scale, zero, made, **rest):
    inputs = {"X": x, "S": scale} | ({} if zero is None else {"Z": zero})
    case = quantized(name, op, inputs, rest.pop("attrs", None), {"Y": made}, constants=["S", "Z"][: len(inputs) - 1])
    return replace(case, id=f"contrib-{case.id}", **rest)


IMAGE = draw(2, 3, 7, 6)
LAST = np.ascontiguousarray(IMAGE.transpose(0, 2, 3, 1))
WIDE = RNG.uniform(-3, 3, (3, 40)).astype(F)
SIDES = {"A": ("batch", 4, 5), "B": ("batch", 4, 5)}
FIVE = np.array([0.01, 0.02, 0.005, 0.015, 0.03], F)

CASES = [
    pair("same-shape", "QLinearAdd", draw(2, 4, 5), draw(2, 4, 5), declared=SIDES),
    pair("broadcast", "QLinearAdd", draw(2, 4, 5), draw(5), constants=["AS", "AZ", "B", "BS", "BZ", "YS", "YZ"]),
    pair("int8", "QLinearAdd", draw(40, dtype=np.int8), draw(40, dtype=np.int8), (3, -4, 5), dtype=np.int8),
    pair("saturates", "QLinearAdd", draw(300), draw(300), scale=(0.05, 0.05, 0.01)),
    pair("not-constant", "QLinearAdd", draw(30), draw(30), constants=()),
    pair("same-shape", "QLinearMul", draw(2, 4, 5), draw(2, 4, 5), declared=SIDES),
    pair("broadcast", "QLinearMul", draw(1, 4, 5), draw(3, 1, 5)),
    pair("int8", "QLinearMul", draw(40, dtype=np.int8), draw(40, dtype=np.int8), (3, -4, 5), dtype=np.int8),
    concat("channels", [draw(2, 3, 4), draw(2, 2, 4), draw(2, 1, 4)], 1),
    concat("last", [draw(2, 3, 4), draw(2, 3, 2)], -1, {"X0": ("batch", 3, 4), "X1": ("batch", 3, 2)}),
    unary("every-uint8", "QLinearLeakyRelu", EVERY, attrs={"alpha": 0.1}),
    unary("every-int8", "QLinearLeakyRelu", EVERY - 128, (4, -100), dtype=np.int8),
    unary("not-constant", "QLinearLeakyRelu", EVERY, scale=(0.05, 0.013), attrs={"alpha": 0.1}, constants=()),
    unary("not-constant", "QLinearSigmoid", EVERY, (120, 0), (0.05, 0.0039), constants=()),
    unary("every-uint8", "QLinearSigmoid", EVERY, (120, 0), (0.05, 1 / 256), declared={"X": ("n",)}),
    unary("every-int8", "QLinearSigmoid", EVERY - 128, (4, -128), (0.03, 1 / 256), dtype=np.int8),
    unary("last", "QLinearSoftmax", draw(3, 20), (120, 0), (0.02, 1 / 256), attrs={"opset": 13, "axis": -1}),
    unary("axis", "QLinearSoftmax", draw(3, 5, 4), (120, 10), (0.02, 0.003), attrs={"opset": 13, "axis": 1}),
    unary("flattened", "QLinearSoftmax", draw(3, 5, 4), (120, 0), (0.02, 1 / 256), attrs={"opset": 12, "axis": 1}),
    unary("int8", "QLinearSoftmax", EVERY[:40] - 20, (4, -128), (0.02, 1 / 256), np.int8, {"opset": 13}),
    pool("plain", IMAGE, {"kernel_shape": [2, 2], "strides": [2, 2]}, declared={"X": ("batch", 3, "height", "width")}),
    pool("pads", IMAGE, {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 1]}),
    pool("count-pads", IMAGE, {"kernel_shape": [3, 2], "pads": [1, 0, 1, 0], "count_include_pad": 1}),
    pool("channels-last", LAST, {"kernel_shape": [3, 2], "channels_last": 1}),
    pool("plain", IMAGE, {}, "QLinearGlobalAveragePool", declared={"X": ("batch", 3, "height", "width")}),
    pool("channels-last", LAST, {"channels_last": 1}, "QLinearGlobalAveragePool"),
    conv("channels-last", LAST, {"channels_last": 1, "pads": [1, 1, 1, 1]}, {"X": ("batch", 7, 6, 3)}),
    conv("channels-last-depthwise", LAST, {"channels_last": 1, "group": 3}, w=draw(3, 1, 3, 3)),
    conv("channels-first", IMAGE, {"strides": [2, 1]}),
    gemm("plain", declared={"A": ("batch", 20)}),
    gemm("int8", b_type=np.int8, b_zero=0),
    gemm("alpha", attrs={"alpha": 0.5}),
    gemm("transposed", draw(20, 6), draw(5, 20), {"transA": 1, "transB": 1}),
    gemm("per-column", b_scale=FIVE, b_zero=[120, 121, 122, 123, 124]),
    gemm("per-row-of-transposed", b=draw(5, 20), attrs={"transB": 1}, b_scale=FIVE, b_zero=[120, 121, 122, 123, 124]),
    gemm("without-bias", bias=False),
    gemm("float", rescaled=False, attrs={"alpha": 0.5}),
    gemm("float-without-bias", rescaled=False, bias=False),
    gemm("not-constant", constants=()),
    to_float("plain", draw(6, 20), draw(20, 5), bias=5, declared={"A": ("batch", 20)}),
    to_float("stack", draw(2, 3, 20), draw(20, 5, dtype=np.int8), zeros=(110, 0), declared={"A": ("n", "s", 20)}),
    to_float("without-zero-points", draw(6, 20), draw(20, 5), zeros=None),
    to_float("per-column", draw(6, 20), draw(20, 5), FIVE, (110, [120, 121, 122, 123, 124]), bias=5),
    to_float("not-constant", draw(6, 20), draw(20, 5), constants=()),
    dynamic("plain", (6, 20), draw(20, 5), bias=5, declared={"A": ("batch", 20)}),
    dynamic("stack", (2, 3, 20), draw(20, 5, dtype=np.int8), zero=0, declared={"A": ("batch", "sequence", 20)}),
    dynamic("per-column", (6, 20), draw(20, 5), FIVE, [120, 121, 122, 123, 124], bias=5),
    dynamic("without-zero-point", (6, 20), draw(20, 5, dtype=np.int8), zero=None),
    dynamic("zeros", np.zeros((3, 20), F), draw(20, 5), bias=5),
    attention("plain"),
    attention("int8", draw(6, 24, dtype=np.int8), 0),
    attention("mask", mask=np.int32([[1, 1, 0], [1, 0, 0]]), declared={"X": ("b", "s", 6), "M": ("b", "s")}),
    attention("mask-lengths", mask=np.int32([2, 1]), declared={"X": ("batch", "sequence", 6), "M": ("batch",)}),
    attention("past", past=(2, 2, 2, 2, 4), attrs={"unidirectional": 1}, declared={}),
    attention("per-column", w_scale=np.linspace(0.005, 0.03, 24), w_zero=[127] * 24),
    linear("uint16", "QuantizeLinear", WIDE, F(1e-4), np.uint16(32768), TensorProto.UINT16),
    linear("int16", "QuantizeLinear", WIDE, F(1e-3), np.int16(-7), TensorProto.INT16),
    linear("uint8", "QuantizeLinear", WIDE, F(0.02), None, UINT8, declared={"X": ("batch", 40)}),
    linear("int8-per-row", "QuantizeLinear", WIDE, FIVE[:3], np.int8([1, 2, 3]), INT8, attrs={"axis": 0}),
    linear("uint16", "DequantizeLinear", EVERY.astype(np.uint16) * 255, F(1e-3), np.uint16(32768), FLOAT),
    linear("int16", "DequantizeLinear", (EVERY * 200 - 20000).astype(np.int16), F(1e-3), np.int16(-9), FLOAT),
    linear("int32", "DequantizeLinear", (EVERY * 9000).astype(np.int32), F(1e-3), None, FLOAT),
    linear("uint8-per-row", "DequantizeLinear", draw(3, 40), FIVE[:3], U([1, 2, 3]), FLOAT, attrs={"axis": 0}),
]
