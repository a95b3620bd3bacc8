import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

INTERVALS = {"Acos": (-0.9, 0.9), "Acosh": (1.1, 5), "Asin": (-0.9, 0.9), "Atanh": (-0.9, 0.9), "Log": (0.1, 5),
             "Sqrt": (0.1, 5), "Reciprocal": (0.5, 4), "Tan": (-1.2, 1.2)}  # fmt: skip
VERSIONS = {
    "Abs": (6, 13), "Acos": (7, 22), "Acosh": (9, 22), "Asin": (7, 22), "Asinh": (9, 22), "Atan": (7, 22),
    "Atanh": (9, 22), "Ceil": (6, 13), "Cos": (7, 22), "Cosh": (9, 22), "Erf": (9, 13), "Exp": (6, 13),
    "Floor": (6, 13), "Log": (6, 13), "Neg": (6, 13), "Reciprocal": (6, 13), "Round": (11, 22), "Sigmoid": (6, 13),
    "Sign": (9, 13), "Sin": (7, 22), "Sinh": (9, 22), "Softplus": (1, 22), "Sqrt": (6, 13), "Tan": (7, 22),
    "Tanh": (6, 13), "Relu": (6, 13, 14),
}  # fmt: skip


def spread(op: str, shape: tuple[int, ...]) -> np.ndarray:
    low, high = INTERVALS.get(op, (-4, 4))
    return np.linspace(low, high, int(np.prod(shape)), dtype=np.float32).reshape(shape)


BOOL = {"Y": TensorProto.BOOL}
ODD = np.array([[np.nan, 1.0, -np.inf], [np.inf, 0.0, -2.5]], dtype=np.float32)
HALVES = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5], dtype=np.float32)

CASES = [
    *(
        Case(f"{op.lower()}-{opset}", op, {"X": spread(op, (3, 5))}, opset=opset)
        for op, versions in VERSIONS.items()
        for opset in versions
    ),
    Case("sigmoid-dynamic", "Sigmoid", {"X": (3, 2, 4)}, declared={"X": ("batch", 2, "length")}),
    Case("exp-rank-6", "Exp", {"X": (1, 2, 1, 2, 2, 3)}),
    Case("tanh-scalar", "Tanh", {"X": ()}),
    Case("round-halves-to-even", "Round", {"X": HALVES}),
    Case("relu-int32", "Relu", {"X": np.array([-3, 0, 4], dtype=np.int32)}, outputs={"Y": TensorProto.INT32}),
    Case("neg-int32", "Neg", {"X": np.array([-3, 0, 4], dtype=np.int32)}, outputs={"Y": TensorProto.INT32}),
    Case("abs-int64", "Abs", {"X": np.array([-3, 0, 4], dtype=np.int64)}, outputs={"Y": TensorProto.INT64}),
    Case("exp-float64", "Exp", {"X": np.linspace(-1, 1, 5)}, outputs={"Y": TensorProto.DOUBLE}),
    Case("not", "Not", {"X": np.array([[True, False], [False, True]])}, opset=9, outputs=BOOL),
    *(Case(f"isnan-{opset}", "IsNaN", {"X": ODD}, opset=opset, outputs=BOOL) for opset in (9, 13, 20)),
    *(Case(f"identity-{opset}", "Identity", {"X": (2, 3)}, opset=opset) for opset in (9, 13, 14, 16, 19, 21, 23)),
    Case("identity-24", "Identity", {"X": (2, 3)}, opset=24, reference="evaluator"),
    Case("identity-25", "Identity", {"X": (2, 3)}, opset=25, reference="evaluator"),
    Case("identity-bool", "Identity", {"X": np.array([True, False])}, outputs=BOOL),
    *(Case(f"dropout-{opset}", "Dropout", {"X": (2, 3)}, opset=opset) for opset in (7, 10, 12, 13, 22)),
    *(
        Case(f"dropout-{opset}-{name}", "Dropout", {"X": (2, 3)}, attrs, opset=opset, reference=lambda x: x)
        for opset in (1, 6)
        for name, attrs in (("test", {"is_test": 1}), ("nothing", {"ratio": 0.0}))
    ),
    Case("dropout-mask", "Dropout", {"X": (2, 3)}, outputs={"Y": TensorProto.FLOAT, "M": TensorProto.BOOL}),
    Case(
        "dropout-training",
        "Dropout",
        {"X": (2, 3), "R": np.float32(0), "T": np.bool_(True)},
        {"seed": 1},
        constants=["R", "T"],
        outputs={"Y": TensorProto.FLOAT, "M": TensorProto.BOOL},
    ),
]
