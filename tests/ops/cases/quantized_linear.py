import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

INT32, UINT8, INT8 = {"Y": TensorProto.INT32}, {"Y": TensorProto.UINT8}, {"Y": TensorProto.INT8}
RNG = np.random.default_rng(7)


def draw(*shape, dtype=np.uint8):
    """Any number; of int8 those of 7 bits: without VNNI, onnxruntime's sums of uint8 times int8 saturate at 16 bits."""
    limits = np.iinfo(dtype)
    low, high = (-64, 64) if dtype == np.int8 else (limits.min, limits.max + 1)
    return RNG.integers(low, high, shape).astype(dtype)


IMAGE, FILTER = draw(2, 4, 6, 5), draw(3, 4, 3, 3, dtype=np.int8)
ROWS, MATRIX = draw(3, 20), draw(20, 5, dtype=np.int8)
F = np.float32


def qconv(name, w, w_scale, w_zero, attrs=None, bias=None, constants=("W", "XS", "XZ", "WS", "WZ", "YS", "YZ", "B")):
    inputs = {"X": IMAGE, "XS": F(0.02), "XZ": np.uint8(110), "W": w, "WS": F(w_scale), "WZ": w_zero}
    inputs |= {"YS": F(0.3), "YZ": np.uint8(120)}
    inputs |= {} if bias is None else {"B": bias}
    named = [key for key in constants if key in inputs]
    return Case(f"qlinearconv-{name}", "QLinearConv", inputs, attrs or {}, constants=named, outputs=UINT8)


def qmatmul(name, a=ROWS, a_scale=0.02, b=MATRIX, b_zero=3, b_scale=0.03, **rest):
    inputs = {"A": a, "AS": F(a_scale), "AZ": np.uint8(100), "B": b, "BS": F(b_scale), "BZ": np.int8(b_zero)}
    inputs |= {"YS": F(0.25), "YZ": np.uint8(128)}
    constants = rest.pop("constants", ["AS", "AZ", "B", "BS", "BZ", "YS", "YZ"])
    return Case(f"qlinearmatmul-{name}", "QLinearMatMul", inputs, constants=constants, outputs=UINT8, **rest)


def tie_rows():
    """Rows and a column whose product is rounded otherwise if the scale is folded into the column before the sum.

    Shapes: (row, term) uint8, (term,) uint8
    """
    random = np.random.default_rng(1)
    column = random.integers(0, 256, 16).astype(np.uint8)
    rows = random.integers(0, 256, (200_000, 16)).astype(np.uint8)
    centred, terms, scale = column.astype(F) - 128, rows.astype(F) - 120, F(0.02) * F(0.01) / F(0.4)
    folded = np.zeros(len(rows), F)
    for term in range(16):
        folded += terms[:, term] * (centred[term] * scale)
    return rows[np.rint(folded) != np.rint(terms @ centred * scale)], column


TIES, COLUMN = tie_rows()
TIE_SCALES = {"WS": F(0.01), "WZ": np.uint8(128), "YS": F(0.4), "YZ": np.uint8(100)}
TIED_MATRIX = {"A": TIES, "AS": F(0.02), "AZ": np.uint8(120), "B": np.stack([COLUMN, COLUMN[::-1]], 1)}

CASES = [
    Case(
        "qlinearconv-ties",
        "QLinearConv",
        {
            "X": TIES[:, :, None, None],
            "XS": F(0.02),
            "XZ": np.uint8(120),
            "W": COLUMN[None, :, None, None],
            **TIE_SCALES,
        },
        constants=["XS", "XZ", "W", *TIE_SCALES],
        declared={"X": ("batch", 16, 1, 1)},
        outputs=UINT8,
    ),
    Case(
        "qlinearmatmul-ties",
        "QLinearMatMul",
        TIED_MATRIX | TIE_SCALES,
        constants=["AS", "AZ", "B", *TIE_SCALES],
        declared={"A": ("batch", 16)},
        outputs=UINT8,
    ),
    qconv("int8", FILTER, 0.01, np.int8(0), {"pads": [1, 1, 1, 1]}, draw(3, dtype=np.int16).astype(np.int32)),
    qconv("uint8", draw(3, 4, 3, 3), 0.01, np.uint8(127), {"strides": [2, 1]}),
    qconv("per-channel", FILTER, [0.01, 0.02, 0.005], np.int8([0, 0, 0]), {"dilations": [2, 1], "pads": [1, 0, 1, 2]}),
    qconv("groups", draw(6, 2, 3, 3, dtype=np.int8), 0.01, np.int8(0), {"group": 2}, np.arange(6, dtype=np.int32)),
    qconv("depthwise", draw(4, 1, 3, 3, dtype=np.int8), 0.05, np.int8(0), {"group": 4, "pads": [1, 1, 1, 1]}),
    qconv("not-constant", FILTER, [0.01, 0.02, 0.005], np.int8([0, 0, 0]), constants=()),
    Case("convinteger", "ConvInteger", {"X": IMAGE, "W": draw(3, 4, 3, 3)}, opset=10, constants=["W"], outputs=INT32),
    Case(
        "convinteger-zero-points",
        "ConvInteger",
        {"X": IMAGE, "W": draw(3, 4, 3, 3), "XZ": np.uint8(111), "WZ": np.uint8(99)},
        {"pads": [1, 1, 1, 1]},
        constants=["W", "XZ", "WZ"],
        declared={"X": ("batch", 4, 6, 5)},
        outputs=INT32,
    ),
    Case(
        "convinteger-not-constant",
        "ConvInteger",
        {"X": IMAGE, "W": draw(3, 4, 3, 3), "XZ": np.uint8(111), "WZ": np.uint8(99)},
        {"strides": [2, 2]},
        outputs=INT32,
    ),
    Case("matmulinteger", "MatMulInteger", {"A": ROWS, "B": draw(20, 5)}, opset=10, constants=["B"], outputs=INT32),
    Case(
        "matmulinteger-zero-points",
        "MatMulInteger",
        {"A": ROWS, "B": MATRIX, "AZ": np.uint8(100), "BZ": np.int8(-3)},
        constants=["B", "AZ", "BZ"],
        declared={"A": ("batch", 20)},
        outputs=INT32,
    ),
    Case(
        "matmulinteger-per-column",
        "MatMulInteger",
        {"A": draw(2, 3, 20), "B": MATRIX, "AZ": np.uint8(100), "BZ": np.int8([1, 2, 3, 4, 5])},
        constants=["B", "BZ"],
        outputs=INT32,
    ),
    Case(
        "matmulinteger-per-row",
        "MatMulInteger",
        {"A": ROWS, "B": MATRIX, "AZ": np.uint8([[1], [2], [3]])},
        outputs=INT32,
        reference="evaluator",
    ),
    Case(
        "matmulinteger-batched",
        "MatMulInteger",
        {"A": draw(2, 3, 20), "B": draw(2, 20, 4), "AZ": np.uint8(100), "BZ": np.uint8(90)},
        outputs=INT32,
    ),
    qmatmul("10", opset=10),
    qmatmul("21", opset=21),
    qmatmul("per-column", b_scale=[0.03, 0.02, 0.01, 0.04, 0.05], b_zero=[1, 2, 3, 4, 5], opset=21),
    qmatmul("not-constant", opset=21, constants=[]),
    qmatmul("batched", a=draw(2, 3, 20), b=draw(2, 20, 4, dtype=np.int8), opset=21),
]
