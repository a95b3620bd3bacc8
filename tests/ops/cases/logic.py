import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

BOOL = {"Y": TensorProto.BOOL}
T, F = True, False
P, Q = np.array([[T, F, T], [F, F, T]]), np.array([T, T, F])
A, B = np.float32([[1, 2, 3], [3, 2, 1]]), np.float32([2, 2, 2])
ODD = np.float32([np.inf, -np.inf, np.nan, 1])

CASES = [
    *(
        Case(f"{op.lower()}-{opset}", op, {"A": a, "B": b}, opset=opset, outputs=BOOL)
        for op, versions in {
            "Equal": (11, 13, 19),
            "Greater": (7, 9, 13),
            "Less": (7, 9, 13),
            "GreaterOrEqual": (12, 16),
            "LessOrEqual": (12, 16),
        }.items()
        for opset in versions
        for a, b in [(A, B)]
    ),
    Case("equal-7", "Equal", {"A": A.astype(np.int32), "B": B.astype(np.int32)}, opset=7, outputs=BOOL),
    Case("equal-bool", "Equal", {"A": P, "B": Q}, outputs=BOOL),
    Case("equal-int64", "Equal", {"A": A.astype(np.int64), "B": B.astype(np.int64)}, outputs=BOOL),
    *(Case(op.lower(), op, {"A": P, "B": Q}, opset=7, outputs=BOOL) for op in ("And", "Or", "Xor")),
    *(Case(f"where-{opset}", "Where", {"C": Q, "A": (2, 3), "B": (1,)}, opset=opset) for opset in (9, 16)),
    Case("where-rank-5", "Where", {"C": np.array([T, F, T]), "A": (2, 1, 2, 2, 3), "B": (2, 2, 1, 1, 3)}),
    Case(
        "where-dynamic",
        "Where",
        {"C": P, "A": (2, 3), "B": (2, 3)},
        declared={"C": ("batch", 3), "A": ("batch", 3), "B": ("batch", 3)},
    ),
    Case(
        "where-nan-not-chosen",
        "Where",
        {"C": np.array([T, F]), "A": np.float32([1, np.nan]), "B": np.float32([np.inf, 2])},
    ),
    Case(
        "where-int64",
        "Where",
        {"C": Q, "A": np.int64([1, 2, 3]), "B": np.int64([4, 5, 6])},
        outputs={"Y": TensorProto.INT64},
    ),
    Case(
        "where-bool",
        "Where",
        {"C": Q, "A": np.array([T, F, T]), "B": np.array([F, F, T])},
        outputs=BOOL,
        reference="evaluator",
    ),
    *(Case(f"isinf-{opset}", "IsInf", {"X": ODD}, opset=opset, outputs=BOOL) for opset in (10, 20)),
    Case("isinf-negative", "IsInf", {"X": ODD}, {"detect_positive": 0}, outputs=BOOL),
    Case("isinf-positive", "IsInf", {"X": ODD}, {"detect_negative": 0}, outputs=BOOL),
    Case("isinf-none", "IsInf", {"X": ODD}, {"detect_negative": 0, "detect_positive": 0}, outputs=BOOL),
]
