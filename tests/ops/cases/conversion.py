import numpy as np
from onnx import TensorProto as T

from tests.ops.case import Case

REALS = np.float32([[-2.7, -1.0, -0.3], [0.0, 0.9, 3.5]])
HALF = np.float32([1.0009765, 1.00048828, 1.00146484, 65504, 65519, 65520, 70000, 1e-7, 6e-5, -0.1, 0.333333, 2049])

CASES = [
    *(
        Case(f"cast-{opset}", "Cast", {"X": REALS}, {"to": T.INT32}, opset=opset, outputs={"Y": T.INT32})
        for opset in (6, 9, 13, 19, 21, 23)
    ),
    *(
        Case(
            f"cast-{opset}",
            "Cast",
            {"X": REALS},
            {"to": T.INT32},
            opset=opset,
            outputs={"Y": T.INT32},
            reference="evaluator",
        )
        for opset in (24, 25, 28)
    ),
    Case("cast-to-int64", "Cast", {"X": REALS}, {"to": T.INT64}, outputs={"Y": T.INT64}),
    Case("cast-to-bool", "Cast", {"X": REALS}, {"to": T.BOOL}, outputs={"Y": T.BOOL}),
    Case("cast-int-to-bool", "Cast", {"X": np.int32([-2, 0, 1])}, {"to": T.BOOL}, outputs={"Y": T.BOOL}),
    Case("cast-bool-to-float", "Cast", {"X": np.array([True, False])}, {"to": T.FLOAT}),
    Case("cast-bool-to-int64", "Cast", {"X": np.array([True, False])}, {"to": T.INT64}, outputs={"Y": T.INT64}),
    Case("cast-int64-to-float", "Cast", {"X": np.int64([-5, 0, 7])}, {"to": T.FLOAT}),
    Case("cast-int32-to-uint8", "Cast", {"X": np.int32([-1, 300, 7])}, {"to": T.UINT8}, outputs={"Y": T.UINT8}),
    Case("cast-int32-to-int8", "Cast", {"X": np.int32([-129, 300, 7])}, {"to": T.INT8}, outputs={"Y": T.INT8}),
    Case("cast-to-double", "Cast", {"X": REALS}, {"to": T.DOUBLE}, outputs={"Y": T.DOUBLE}),
    Case("cast-to-float16", "Cast", {"X": HALF}, {"to": T.FLOAT16}, outputs={"Y": T.FLOAT16}),
    Case("cast-from-float16", "Cast", {"X": np.float16([1.5, -2, 0.1])}, {"to": T.FLOAT}),
    *(
        Case(
            f"castlike-{opset}",
            "CastLike",
            {"X": REALS, "L": np.int32([0])},
            opset=opset,
            outputs={"Y": T.INT32},
            reference="evaluator",
        )
        for opset in (15, 19, 21, 23, 24, 25)
    ),
]
