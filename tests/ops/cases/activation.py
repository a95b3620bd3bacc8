import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

X = np.linspace(-7, 7, 24, dtype=np.float32).reshape(2, 3, 4)

CASES = [
    *(Case(f"leakyrelu-{opset}", "LeakyRelu", {"X": X}, {"alpha": 0.2}, opset=opset) for opset in (6, 16)),
    Case("prelu-6", "PRelu", {"X": X, "S": (3,)}, opset=6, reference=lambda x, s: np.where(x < 0, s[:, None] * x, x)),
    *(Case(f"prelu-{opset}", "PRelu", {"X": X, "S": (3, 1)}, opset=opset) for opset in (7, 9, 16)),
    Case("prelu-const", "PRelu", {"X": X, "S": (4,)}, constants=["S"]),
    *(Case(f"elu-{opset}", "Elu", {"X": X}, opset=opset) for opset in (6, 22)),
    Case("elu-alpha", "Elu", {"X": X}, {"alpha": 2.0}),
    *(Case(f"selu-{opset}", "Selu", {"X": X}, opset=opset) for opset in (6, 22)),
    Case("selu-attrs", "Selu", {"X": X}, {"alpha": 2.0, "gamma": 3.0}),
    Case("celu-12", "Celu", {"X": X}, {"alpha": 2.0}, opset=12),
    Case("celu-28", "Celu", {"X": X}, {"alpha": 0.5}, opset=28, reference="evaluator"),
    Case("clip-6", "Clip", {"X": X}, {"min": -1.0, "max": 2.0}, opset=6),
    Case("clip-6-open", "Clip", {"X": X}, {"min": -1.0}, opset=6),
    *(
        Case(
            f"clip-{opset}",
            "Clip",
            {"X": X, "L": np.float32(-1), "H": np.float32(2)},
            opset=opset,
            constants=["L", "H"],
        )
        for opset in (11, 12, 13)
    ),
    Case("clip-relu6", "Clip", {"X": X, "L": np.float32(0), "H": np.float32(6)}, constants=["L", "H"]),
    Case("clip-run-time", "Clip", {"X": X, "L": np.float32(-1), "H": np.float32(2)}),
    Case("clip-max-only", "Clip", {"X": X, "": (), "H": np.float32(2)}, constants=["H"]),
    Case("clip-none", "Clip", {"X": X}),
    Case("clip-min-above-max", "Clip", {"X": X, "L": np.float32(3), "H": np.float32(1)}, constants=["L", "H"]),
    Case(
        "clip-int64",
        "Clip",
        {"X": np.int64([-9, 0, 9]), "L": np.int64(-2), "H": np.int64(5)},
        constants=["L", "H"],
        outputs={"Y": TensorProto.INT64},
    ),
    *(Case(f"hardsigmoid-{opset}", "HardSigmoid", {"X": X}, {"alpha": 0.3}, opset=opset) for opset in (6, 22)),
    *(Case(f"hardswish-{opset}", "HardSwish", {"X": X}, opset=opset) for opset in (14, 22)),
    *(Case(f"softsign-{opset}", "Softsign", {"X": X}, opset=opset) for opset in (7, 22)),
    *(Case(f"thresholdedrelu-{opset}", "ThresholdedRelu", {"X": X}, opset=opset) for opset in (10, 22)),
    Case("shrink", "Shrink", {"X": X}, {"lambd": 1.5, "bias": 1.5}, opset=9),
    Case("gelu", "Gelu", {"X": X}, opset=20),
    Case("gelu-tanh", "Gelu", {"X": X}, {"approximate": "tanh"}, opset=20),
    *(Case(f"mish-{opset}", "Mish", {"X": X}, opset=opset) for opset in (18, 22)),
    Case("swish", "Swish", {"X": X}, {"alpha": 1.5}, opset=24, reference="evaluator"),
    *(
        Case(f"{op.lower()}-{opset}{name}", op, {"X": X}, attrs, opset=opset)
        for op in ("Softmax", "LogSoftmax")
        for opset, name, attrs in (
            (9, "", {}),
            (11, "-axis-2", {"axis": 2}),
            (11, "-axis-0", {"axis": 0}),
            (13, "", {}),
            (13, "-axis-1", {"axis": 1}),
            (13, "-axis-minus-3", {"axis": -3}),
        )
    ),
    Case("softmax-dynamic", "Softmax", {"X": X}, {"axis": 1}, declared={"X": ("batch", 3, "length")}),
    Case("softmax-large", "Softmax", {"X": np.float32([[1000, 1001, -1000]])}),
]
