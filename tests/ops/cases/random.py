"""Distributions that leave nothing to chance; what is left to it is in test_random_ops.py."""

import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

CERTAIN = np.float32([[0, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1]])
PICKED = np.float32([[-1e4, 0, -1e4], [0, -1e4, -1e4]])
ALL_THREE = {"mean": 3.0, "scale": 0.0}, {"low": 3.0, "high": 3.0}


def three(shape, **rest):
    def reference(*_):
        return np.full(shape, 3, dtype=rest.get("dtype", np.float32))

    return reference


CASES = [
    *(
        Case(f"{op.lower()}-{opset}", op, {}, {"shape": [2, 5], **attrs}, opset, reference=three((2, 5)))
        for op, attrs in zip(("RandomNormal", "RandomUniform"), ALL_THREE, strict=True)
        for opset in (7, 22)
    ),
    *(
        Case(
            f"{op.lower()}-{opset}",
            op,
            {"X": (2, 5)},
            attrs,
            opset,
            declared={"X": ("n", 5)},
            reference=three((2, 5)),
        )
        for op, attrs in zip(("RandomNormalLike", "RandomUniformLike"), ALL_THREE, strict=True)
        for opset in (7, 22)
    ),
    Case(
        "randomnormallike-float16",
        "RandomNormalLike",
        {"X": np.arange(6, dtype=np.int32).reshape(2, 3)},
        {"dtype": TensorProto.FLOAT16, **ALL_THREE[0]},
        outputs={"Y": TensorProto.FLOAT16},
        reference=three((2, 3), dtype=np.float16),
    ),
    *(
        Case(f"bernoulli-{opset}", "Bernoulli", {"X": CERTAIN}, {}, opset, declared={"X": ("n", 4)}, reference=np.copy)
        for opset in (15, 22)
    ),
    Case(
        "bernoulli-bool",
        "Bernoulli",
        {"X": CERTAIN},
        {"dtype": TensorProto.BOOL},
        outputs={"Y": TensorProto.BOOL},
        reference=lambda x: x > 0,
    ),
    *(
        Case(
            f"multinomial-{opset}",
            "Multinomial",
            {"X": PICKED},
            {"sample_size": 4},
            opset,
            outputs={"Y": TensorProto.INT32},
            declared={"X": ("n", 3)},
            reference=lambda x: np.repeat(x.argmax(1)[:, None], 4, axis=1).astype(np.int32),
        )
        for opset in (7, 22)
    ),
    Case(
        "multinomial-int64",
        "Multinomial",
        {"X": PICKED[:, :1]},
        {"dtype": TensorProto.INT64},
        outputs={"Y": TensorProto.INT64},
        reference=lambda x: np.zeros((2, 1), dtype=np.int64),
    ),
]
