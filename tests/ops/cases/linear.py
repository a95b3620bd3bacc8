import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

INTEGERS = np.arange(-6, 6, dtype=np.int32).reshape(3, 4)

CASES = [
    Case(
        "gemm-6",
        "Gemm",
        {"A": (3, 4), "B": (4, 5), "C": (5,)},
        {"broadcast": 1},
        opset=6,
        reference=lambda a, b, c: a @ b + c,
    ),
    *(Case(f"gemm-{opset}", "Gemm", {"A": (3, 4), "B": (4, 5), "C": (5,)}, opset=opset) for opset in (7, 9, 11, 13)),
    Case(
        "gemm-const",
        "Gemm",
        {"A": (3, 4), "B": (5, 4), "C": (5,)},
        {"transB": 1},
        constants=["B", "C"],
        declared={"A": ("batch", 4)},
    ),
    Case("gemm-scaled", "Gemm", {"A": (1, 4), "B": (4, 2), "C": (1, 2)}, {"alpha": 0.5, "beta": 2.0}),
    Case(
        "gemm-scaled-const",
        "Gemm",
        {"A": (2, 4), "B": (4, 2), "C": (1, 2)},
        {"alpha": 0.5, "beta": 2.0},
        constants=["B", "C"],
    ),
    Case("gemm-transA", "Gemm", {"A": (4, 3), "B": (4, 5)}, {"transA": 1}),
    Case("gemm-matrix-bias", "Gemm", {"A": (3, 4), "B": (4, 5), "C": (3, 5)}, constants=["C"]),
    Case("gemm-column-bias", "Gemm", {"A": (3, 4), "B": (4, 5), "C": (3, 1)}),
    Case("gemm-scalar-bias", "Gemm", {"A": (3, 4), "B": (4, 5), "C": ()}),
    Case(
        "gemm-int32",
        "Gemm",
        {"A": INTEGERS, "B": INTEGERS.T.copy(), "C": np.int32([1, 2, 3])},
        outputs={"Y": TensorProto.INT32},
        reference="evaluator",
    ),
    *(Case(f"matmul-{opset}", "MatMul", {"A": (3, 4), "B": (4, 5)}, opset=opset) for opset in (8, 9, 13)),
    Case("matmul-stack", "MatMul", {"A": (2, 3, 4), "B": (2, 4, 5)}),
    Case("matmul-broadcast", "MatMul", {"A": (2, 1, 3, 4), "B": (5, 4, 2)}),
    Case(
        "matmul-stack-by-matrix",
        "MatMul",
        {"A": (2, 3, 4), "B": (4, 5)},
        constants=["B"],
        declared={"A": ("batch", "length", 4)},
    ),
    Case("matmul-vector-left", "MatMul", {"A": (4,), "B": (4, 5)}),
    Case("matmul-vector-right", "MatMul", {"A": (2, 3, 4), "B": (4,)}),
    Case("matmul-vectors", "MatMul", {"A": (4,), "B": (4,)}),
    Case("matmul-int32", "MatMul", {"A": INTEGERS, "B": INTEGERS.T.copy()}, outputs={"Y": TensorProto.INT32}),
]
