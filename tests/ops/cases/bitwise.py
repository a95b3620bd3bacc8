import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

TYPES = {
    name: getattr(TensorProto, name.upper())
    for name in ("int8", "uint8", "int16", "uint16", "int32", "int64", "uint32")
}
RNG = np.random.default_rng(11)


def draw(dtype, *shape):
    """All the values of a narrow type; of a wide one those that a GPU's floats tell apart."""
    limits = np.iinfo(dtype)
    low, high = max(int(limits.min), -(1 << 23)), min(int(limits.max), 1 << 23)
    values = RNG.integers(low, high, shape, endpoint=True)
    values.flat[:3] = low, high, 0
    return values.astype(dtype)


def shift(name, x, y, direction="LEFT", constants=(), opset=18, reference="onnxruntime", **rest):
    outputs = {"Z": TYPES[x.dtype.name]}
    attrs = {"direction": direction}
    return Case(
        f"bitshift-{name}",
        "BitShift",
        {"X": x, "Y": y},
        attrs,
        opset,
        constants,
        reference=reference,
        outputs=outputs,
        **rest,
    )


CASES = [
    *(
        Case(f"{op.lower()}-{name}", op, {"A": draw(name, 4, 5), "B": draw(name, 4, 5)}, outputs={"C": code})
        for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")
        for name, code in TYPES.items()
    ),
    Case(
        "bitwiseand-broadcast",
        "BitwiseAnd",
        {"A": draw("uint8", 2, 3, 4, 5), "B": draw("uint8", 4, 1)},
        constants=["B"],
        outputs={"C": TensorProto.UINT8},
        declared={"A": ("batch", 3, 4, 5)},
    ),
    Case(
        "bitwisexor-rank-5",
        "BitwiseXor",
        {"A": draw("int8", 2, 1, 2, 2, 3), "B": draw("int8", 2, 3, 1, 2, 3)},
        outputs={"C": TensorProto.INT8},
    ),
    Case(
        "bitwiseor-scalar", "BitwiseOr", {"A": np.int32(-21846), "B": np.int32(257)}, outputs={"C": TensorProto.INT32}
    ),
    *(
        Case(f"bitwisenot-{name}", "BitwiseNot", {"X": draw(name, 4, 5)}, outputs={"Y": code})
        for name, code in TYPES.items()
        if name != "uint32"
    ),
    *(
        shift(
            f"{direction.lower()}-{name}",
            draw(name, 4, 5),
            RNG.integers(0, 8, (4, 5)).astype(name),
            direction,
            opset=11,
        )
        for name in ("uint8", "uint32")
        for direction in ("LEFT", "RIGHT")
    ),
    shift("uint16", draw("uint16", 4, 5), RNG.integers(0, 16, (4, 5)).astype(np.uint16), reference="evaluator"),
    shift(
        "constant", draw("uint8", 4, 5), np.uint8([0, 1, 4, 7, 3]), "RIGHT", constants=["Y"], declared={"X": ("n", 5)}
    ),
    shift("scalar", draw("uint8", 4, 5), np.uint8(3), constants=["Y"]),
    shift("large", np.uint32([1, 3, 5, 2**30]), np.uint32([30, 29, 28, 0]), "LEFT"),
    shift("large-right", np.uint32([2**24, 2**30, 2**29, 7]), np.uint32([24, 30, 1, 31]), "RIGHT"),
    *(
        shift(
            f"28-{name}-{direction.lower()}",
            np.asarray([[-128, -1, 0, 5, 127], [-7, -64, 1, 33, 100]], dtype=name),
            np.asarray([[0, 1, 2, 3, 4], [7, -1, 70, 6, 5]], dtype=name),
            direction,
            opset=28,
            reference="evaluator",
        )
        for name in ("int8", "int16", "int32")
        for direction in ("LEFT", "RIGHT")
    ),
]
