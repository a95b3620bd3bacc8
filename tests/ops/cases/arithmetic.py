import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

INT32, INT64 = {"Y": TensorProto.INT32}, {"Y": TensorProto.INT64}
SIGNED = np.array([[-7, 7, -8, 9], [5, -5, 0, 3]], dtype=np.int32)
DIVISORS = np.array([[2, -2, -3, 4], [5, 2, 3, -3]], dtype=np.int32)
BYTES = np.array([250, 3, 128, 0], dtype=np.uint8)
BASES = np.linspace(0.5, 2, 24, dtype=np.float32).reshape(2, 3, 4)
LEGACY = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}

CASES = [
    *(
        Case(f"{op.lower()}-6", op, {"A": (2, 3), "B": (2, 3)}, opset=6, reference=function)
        for op, function in LEGACY.items()
    ),
    *(
        Case(
            f"{op.lower()}-6-axis",
            op,
            {"A": (2, 3, 4), "B": (3,)},
            {"broadcast": 1, "axis": 1},
            opset=6,
            reference=lambda a, b, function=function: function(a, b[:, None]),
        )
        for op, function in LEGACY.items()
    ),
    Case("add-6-suffix", "Add", {"A": (2, 3, 4), "B": (3, 4)}, {"broadcast": 1}, opset=6, reference=np.add),
    *(
        Case(f"{op.lower()}-{opset}", op, {"A": (2, 3, 4), "B": (3, 1)}, opset=opset)
        for op in ("Add", "Sub", "Mul")
        for opset in (7, 13, 14)
    ),
    *(Case(f"div-{opset}", "Div", {"A": (2, 3), "B": np.float32([2, -4, 0.5])}, opset=opset) for opset in (7, 13, 14)),
    Case("add-rank-5-vector", "Add", {"A": (3, 4, 5, 6, 7), "B": (7,)}),
    Case("mul-rank-6-const-vector", "Mul", {"A": (3, 1, 5, 6, 7, 4), "B": (4,)}, constants=["B"]),
    Case("add-dynamic", "Add", {"A": (3, 4), "B": (4,)}, declared={"A": ("batch", 4)}),
    Case("add-const", "Add", {"A": (3, 4), "B": (4,)}, constants=["B"]),
    Case("mul-scalar-const", "Mul", {"A": (3, 4), "B": np.float32(2.5)}, constants=["B"]),
    Case("add-int64", "Add", {"A": SIGNED.astype(np.int64), "B": DIVISORS.astype(np.int64)}, outputs=INT64),
    Case("sub-uint8-wraps", "Sub", {"A": BYTES, "B": np.uint8([10, 10, 1, 1])}, outputs={"Y": TensorProto.UINT8}),
    Case(
        "add-int8-wraps", "Add", {"A": np.int8([120, -120]), "B": np.int8([20, -20])}, outputs={"Y": TensorProto.INT8}
    ),
    Case("div-int32-truncates", "Div", {"A": SIGNED, "B": DIVISORS}, outputs=INT32),
    Case("div-int64", "Div", {"A": SIGNED.astype(np.int64), "B": DIVISORS.astype(np.int64)}, outputs=INT64),
    Case("div-uint8", "Div", {"A": BYTES, "B": np.uint8([3, 2, 7, 1])}, outputs={"Y": TensorProto.UINT8}),
    *(Case(f"mod-{opset}", "Mod", {"A": SIGNED, "B": DIVISORS}, opset=opset, outputs=INT32) for opset in (10, 13)),
    Case("mod-28", "Mod", {"A": SIGNED, "B": DIVISORS}, opset=28, outputs=INT32, reference="evaluator"),
    Case(
        "mod-fmod",
        "Mod",
        {"A": np.float32([-4.3, 7.2, 5.0, 4.3]), "B": np.float32([2.1, -3.4, 8.0, -2.1])},
        {"fmod": 1},
    ),
    Case(
        "mod-infinite",
        "Mod",
        {"A": np.float32([-3, 3, -1, 1, 0]), "B": np.float32([np.inf, np.inf, -np.inf, -np.inf, np.inf])},
        opset=28,
        reference="evaluator",
    ),
    Case("mod-fmod-int", "Mod", {"A": SIGNED, "B": DIVISORS}, {"fmod": 1}, outputs=INT32),
    Case("pow-1", "Pow", {"A": BASES, "B": (3, 4)}, {"broadcast": 1}, opset=6, reference=np.power),
    Case(
        "pow-1-axis",
        "Pow",
        {"A": BASES, "B": (3,)},
        {"broadcast": 1, "axis": 1},
        opset=6,
        reference=lambda a, b: np.power(a, b[:, None]),
    ),
    *(
        Case(f"pow-{opset}", "Pow", {"A": np.float32([1.5, 2, 3]), "B": np.float32([2, 0.5, -1])}, opset=opset)
        for opset in (7, 12, 13, 15)
    ),
    *(
        Case(f"pow-const-{power}", "Pow", {"A": np.float32([[0.5, 2, 3]]), "B": np.float32(power)}, constants=["B"])
        for power in (2, 3, 0.5, 1.7)
    ),
    Case("pow-negative-base", "Pow", {"A": np.float32([-2, -3, 2]), "B": np.float32([2, 3, -2])}),
    Case("pow-int32", "Pow", {"A": np.int32([1, 5, -3]), "B": np.int32([4, 2, 3])}, outputs=INT32),
    *(
        Case(f"{op.lower()}-{opset}", op, {"A": (2, 3), "B": (3,), "C": (2, 1)}, opset=opset)
        for op, versions in {"Max": (8, 12, 13), "Min": (8, 12, 13), "Sum": (8, 13), "Mean": (8, 13)}.items()
        for opset in versions
    ),
    *(Case(f"{op.lower()}-6", op, {"A": (2, 3), "B": (2, 3)}, opset=6) for op in ("Max", "Min", "Sum", "Mean")),
    Case("max-one", "Max", {"A": (2, 3)}),
    Case("max-int64", "Max", {"A": SIGNED.astype(np.int64), "B": np.int64([0])}, outputs=INT64),
    Case("min-int32", "Min", {"A": SIGNED, "B": DIVISORS}, outputs=INT32),
]
