from types import MappingProxyType

import ml_dtypes
import numpy as np
from onnx import TensorProto, helper

from tests.ops.case import Case

UINT8, INT8, UINT16, INT16 = (
    {"Y": TensorProto.UINT8},
    {"Y": TensorProto.INT8},
    {"Y": TensorProto.UINT16},
    {"Y": TensorProto.INT16},
)
SPREAD = np.linspace(-3.1, 3.3, 24, dtype=np.float32).reshape(2, 3, 4)
TIES = np.float32([-300, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 127.5, 254.5, 300])
SCALE, SCALES = np.float32(0.05), np.float32([0.01, 0.05, 0.1])
BYTES = np.arange(0, 240, 10, dtype=np.uint8).reshape(2, 3, 4)
SIGNED = (BYTES.astype(np.int16) - 120).astype(np.int8)
BLOCKS = np.float32([[[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]], [[0.7, 0.8], [0.9, 1.0], [1.1, 1.2]]])
REALS = np.float32([[0, 1, -2.25, 0.3, 100, -1000], [1e6, -1e6, np.inf, -np.inf, 0.26, 0.74], [3, 3.5, 13, 8, 7, -7]])
SMALL = np.float32([0, 1, -1, 2, -2, 3, 4, -6])
FLOATS8 = (ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e4m3fnuz, ml_dtypes.float8_e5m2, ml_dtypes.float8_e5m2fnuz)
ZEROS = {**dict.fromkeys((*FLOATS8, ml_dtypes.float4_e2m1fn), 0), ml_dtypes.int4: -3, ml_dtypes.uint2: 1}
BIT_BY_BIT = MappingProxyType({"opset": 25, "reference": "evaluator", "atol": 0, "rtol": 0})


def name_of(code):
    return TensorProto.DataType.Name(code).lower()


def quantize(name, inputs, outputs=UINT8, **rest):
    constants = rest.pop("constants", [key for key in inputs if key not in ("X", "")])
    return Case(f"quantize-{name}", "QuantizeLinear", inputs, constants=constants, outputs=outputs, **rest)


def dequantize(name, inputs, **rest):
    constants = rest.pop("constants", [key for key in inputs if key not in ("X", "")])
    return Case(f"dequantize-{name}", "DequantizeLinear", inputs, constants=constants, **rest)


CASES = [
    *(
        quantize(f"{opset}", {"X": SPREAD, "S": SCALE, "Z": np.uint8(60)}, opset=opset)
        for opset in (10, 13, 19, 21, 23, 24, 25)
    ),
    quantize("28", {"X": SPREAD, "S": SCALE, "Z": np.uint8(60)}, opset=28, reference="evaluator"),
    quantize("ties", {"X": TIES, "S": np.float32(1)}),
    quantize("vector", {"X": TIES, "S": np.float32([2]), "Z": np.int8([3])}, outputs=INT8),
    quantize("int8", {"X": SPREAD, "S": SCALE, "Z": np.int8(-5)}, outputs=INT8, declared={"X": ("batch", 3, 4)}),
    quantize("axis", {"X": SPREAD, "S": SCALES, "Z": np.int8([1, 2, 3])}, outputs=INT8),
    quantize("axis-zero", {"X": SPREAD, "S": SCALES[:2], "Z": np.uint8([100, 200])}, attrs={"axis": -3}),
    quantize("not-constant", {"X": SPREAD, "S": SCALES, "Z": np.int8([1, 2, 3])}, outputs=INT8, constants=[]),
    quantize("scalar-not-constant", {"X": SPREAD, "S": SCALE, "Z": np.uint8(7)}, constants=[]),
    quantize("int32", {"X": np.arange(-50, 50, dtype=np.int32), "S": np.float32(0.5)}, reference="evaluator"),
    quantize("float16", {"X": SPREAD.astype(np.float16), "S": np.float16(0.05), "Z": np.uint8(7)}, opset=21),
    quantize("uint16", {"X": SPREAD, "S": np.float32(1e-4), "Z": np.uint16(30000)}, opset=21, outputs=UINT16),
    quantize("int16", {"X": SPREAD, "S": np.float32(1e-4), "Z": np.int16(-3)}, opset=21, outputs=INT16),
    quantize(
        "output-dtype", {"X": SPREAD, "S": SCALE}, attrs={"output_dtype": TensorProto.INT8}, opset=21, outputs=INT8
    ),
    quantize("blocks", {"X": SPREAD, "S": BLOCKS}, attrs={"axis": 2, "block_size": 2}, opset=21),
    quantize(
        "blocks-uneven",
        {"X": SPREAD, "S": BLOCKS, "Z": np.full((2, 3, 2), 9, dtype=np.int8)},
        attrs={"axis": 2, "block_size": 3},
        opset=21,
        outputs=INT8,
    ),
    *(
        dequantize(f"{opset}", {"X": BYTES, "S": SCALE, "Z": np.uint8(60)}, opset=opset)
        for opset in (10, 13, 19, 21, 23, 24, 25)
    ),
    dequantize("28", {"X": BYTES, "S": SCALE, "Z": np.uint8(60)}, opset=28, reference="evaluator"),
    dequantize("int8", {"X": SIGNED, "S": SCALE, "Z": np.int8(-7)}, declared={"X": ("batch", 3, 4)}),
    dequantize("int32", {"X": np.arange(-60, 60, 5, dtype=np.int32), "S": SCALE}),
    dequantize("axis", {"X": SIGNED, "S": SCALES, "Z": np.int8([1, 2, 3])}),
    dequantize("not-constant", {"X": SIGNED, "S": SCALES, "Z": np.int8([1, 2, 3])}, constants=[]),
    dequantize("uint16", {"X": np.arange(0, 60000, 7000, dtype=np.uint16), "S": SCALE, "Z": np.uint16(9)}, opset=21),
    dequantize("blocks", {"X": SIGNED, "S": BLOCKS}, attrs={"axis": -1, "block_size": 2}, opset=21),
    dequantize("blocks-uneven", {"X": SIGNED, "S": BLOCKS}, attrs={"axis": 2, "block_size": 3}, opset=21),
    dequantize(
        "blocks-first",
        {"X": SIGNED, "S": BLOCKS[:1, :, [0, 1, 0, 1]], "Z": SIGNED[:1]},
        attrs={"axis": 0, "block_size": 2},
        opset=21,
    ),
    *(
        quantize(
            f"{dtype.__name__}-saturate-{saturate}",
            {"X": REALS, "S": np.float32(0.5), "Z": np.zeros((), dtype)},
            {"Y": helper.np_dtype_to_tensor_dtype(np.dtype(dtype))},
            attrs={"saturate": saturate},
            **BIT_BY_BIT,
        )
        for dtype in FLOATS8
        for saturate in (0, 1)
    ),
    *(
        quantize(
            name_of(code),
            {"X": np.clip(REALS, -1e6, 1e6), "S": np.float32(0.5)},
            {"Y": code},
            attrs={"output_dtype": code},
            **BIT_BY_BIT,
        )
        for code in (TensorProto.FLOAT4E2M1, TensorProto.UINT4, TensorProto.INT4, TensorProto.UINT2, TensorProto.INT2)
    ),
    quantize(
        "float4-shifted",
        {"X": REALS, "S": np.float32(0.5), "Z": np.ones((), ml_dtypes.float4_e2m1fn)},
        {"Y": TensorProto.FLOAT4E2M1},
        **BIT_BY_BIT,
    ),
    quantize(
        "float8-axis",
        {"X": SPREAD, "S": np.float32([0.25, 0.5, 2]), "Z": np.zeros(3, ml_dtypes.float8_e4m3fn)},
        {"Y": TensorProto.FLOAT8E4M3FN},
        constants=[],
        declared={"X": ("batch", 3, 4)},
        **BIT_BY_BIT,
    ),
    quantize(
        "float8-blocks",
        {"X": SPREAD, "S": np.exp2(np.round(BLOCKS * 4))},
        {"Y": TensorProto.FLOAT8E5M2},
        attrs={"axis": 2, "block_size": 2, "output_dtype": TensorProto.FLOAT8E5M2},
        **BIT_BY_BIT,
    ),
    *(
        dequantize(
            f"{dtype.__name__}-{name}",
            {"X": SMALL.astype(dtype), "S": np.float32(0.3), "Z": np.asarray(zero, dtype)},
            constants=constants,
            **BIT_BY_BIT,
        )
        for dtype, zero in ZEROS.items()
        for name, constants in (("input", ["S", "Z"]), ("constant", ["X", "Z"]))
    ),
    dequantize(
        "float8-blocks-constant",
        {"X": SPREAD.astype(ml_dtypes.float8_e5m2), "S": BLOCKS},
        attrs={"axis": 2, "block_size": 2},
        constants=["X"],
        **BIT_BY_BIT,
    ),
    dequantize(
        "int4-blocks-constant",
        {"X": (SIGNED // 16).astype(ml_dtypes.int4), "S": BLOCKS},
        attrs={"axis": 2, "block_size": 2},
        constants=["X"],
        **BIT_BY_BIT,
    ),
    dequantize(
        "float8e8m0-scale",
        {"X": SMALL.astype(ml_dtypes.float4_e2m1fn), "S": np.float32(0.25).astype(ml_dtypes.float8_e8m0fnu)},
        attrs={"output_dtype": TensorProto.FLOAT},
        **BIT_BY_BIT,
    ),
    Case(
        "dynamic-quantize",
        "DynamicQuantizeLinear",
        {"X": SPREAD},
        outputs={"Y": TensorProto.UINT8, "S": TensorProto.FLOAT, "Z": TensorProto.UINT8},
        declared={"X": ("batch", 3, 4)},
    ),
    Case(
        "dynamic-quantize-positive",
        "DynamicQuantizeLinear",
        {"X": np.abs(SPREAD) + 1},
        outputs={"Y": TensorProto.UINT8, "S": TensorProto.FLOAT, "Z": TensorProto.UINT8},
    ),
    Case(
        "dynamic-quantize-zeros",
        "DynamicQuantizeLinear",
        {"X": np.zeros((2, 3), dtype=np.float32)},
        outputs={"Y": TensorProto.UINT8, "S": TensorProto.FLOAT, "Z": TensorProto.UINT8},
    ),
]
