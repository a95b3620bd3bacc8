import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

INT64, BOOL = {"Y": TensorProto.INT64}, {"Y": TensorProto.BOOL}
SCALAR = np.float32(1.5)
LOWEST = np.float32(-np.inf)


def i64(*values: int) -> np.ndarray:
    return np.asarray(values, dtype=np.int64)


def ints(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.int32).reshape(shape)


def pad(name, x, pads, mode="constant", *, value=None, axes=None, known=("P", "V", "A"), **fields) -> Case:
    operands = {"X": x, "P": i64(*pads)}
    if value is not None or axes is not None:
        operands["V" if value is not None else ""] = np.asarray(0.0 if value is None else value)
    if axes is not None:
        operands["A"] = i64(*axes)
    constants = [name for name in operands if name in known]
    return Case(f"pad-{name}", "Pad", operands, {"mode": mode}, constants=constants, **fields)


CASES = [
    Case("pad-2", "Pad", {"X": (2, 3)}, {"pads": [0, 1, 2, 1], "value": 1.5}, opset=10),
    Case("pad-2-edge", "Pad", {"X": (2, 3)}, {"pads": [0, 1, 2, -1], "mode": "edge"}, opset=10),
    *(pad(f"{opset}", (2, 3), (0, 1, 2, 1), value=SCALAR, opset=opset) for opset in (11, 13, 18, 19, 21, 23, 24, 25)),
    *(pad(f"reflect-{opset}", (3, 4), (2, 1, 1, 3), "reflect", opset=opset) for opset in (11, 18, 25)),
    *(pad(f"edge-{opset}", (3, 4), (2, 1, 1, 3), "edge", opset=opset) for opset in (13, 21)),
    *(pad(f"wrap-{opset}", (3, 4), (2, 1, 1, 3), "wrap", opset=opset) for opset in (19, 25)),
    pad("no-value", (2, 3), (1, 0, 0, 1)),
    pad("none", (2, 3), (0, 0, 0, 0)),
    pad("lowest", (2, 3), (1, 0, 0, 1), value=LOWEST),
    pad("negative", (4, 5), (-1, 2, 1, -2), value=SCALAR),
    pad("negative-dynamic", (4, 5), (-1, 0, -1, 1), declared={"X": ("batch", 5)}),
    pad("cut-to-nothing", (2, 3), (-1, 0, -1, 0)),
    pad("negative-reflect", (4, 6), (0, -1, 0, 2), "reflect"),
    pad("negative-edge", (4, 6), (2, -1, -1, 2), "edge"),
    pad("axes", (2, 3, 4), (1, 2), axes=(-1,)),
    pad("axes-value", (2, 3, 4), (1, 0, 2, 1), value=SCALAR, axes=(2, 0)),
    pad("axes-edge", (2, 3, 4), (1, 2), "edge", axes=(1,)),
    pad("dynamic", (2, 3, 4, 4), (0, 0, 1, 1, 0, 0, 1, 1), declared={"X": ("batch", 3, "height", "width")}),
    *(
        pad(f"dynamic-{mode}", (2, 4, 5), (0, 2, 3, 0, 1, 2), mode, opset=19, declared={"X": ("batch", "time", 5)})
        for mode in ("reflect", "edge", "wrap")
    ),
    *(
        pad(f"negative-{mode}-dynamic", (4, 6), (2, -1, -1, 2), mode, declared={"X": ("batch", "time")})
        for mode in ("reflect", "edge")
    ),
    pad("host-value", (2, 3), (1, 0, 0, 1), value=SCALAR, known=("P",)),
    pad("host-value-rank-5", (2, 3, 1, 2, 2), (1, 0, 0, 1, 0, 0, 0, 0, 0, 1), value=SCALAR, known=("P",)),
    pad("host-pads", (2, 3), (1, 0, 0, 2), value=SCALAR, known=("V",)),
    pad("host-pads-negative", (4, 5), (-1, 2, 1, -2), known=()),
    pad("host-pads-axes", (2, 3, 4), (1, 0, 2, -1), axes=(-1, 0), known=("A",)),
    pad("rank-5", (2, 1, 3, 2, 2), (0, 0, 1, 2, 0, 0, 0, 0, 1, 1), value=SCALAR),
    pad("rank-5-large", (2, 3, 6, 6, 6), (0, 0, 1, 1, 1, 0, 0, 1, 1, 1)),
    pad("rank-5-dynamic", (2, 1, 3, 2, 2), (0, 0, 1, 2, 0, 0, 0, 0, 1, 1),
        declared={"X": ("batch", 1, "depth", "height", 2)}),
    pad("rank-6-reflect", (2, 1, 3, 2, 2, 2), (0, 0, 2, 1, 0, 0, 0, 0, 1, 1, 0, 0), "reflect"),
    pad("large", (2, 3, 20, 20), (0, 0, 3, 3, 0, 0, 2, 2), value=SCALAR),
    pad("reflect-large", (1, 3, 20, 20), (0, 0, 3, 3, 0, 0, 3, 3), "reflect"),
    pad("edge-large", (1, 3, 20, 20), (0, 0, 3, 0, 0, 0, 3, 1), "edge"),
    pad("int64", ints(2, 3).astype(np.int64), (1, 1, 0, 0), value=np.int64(7), outputs=INT64),
    pad("int64-large", ints(30, 40).astype(np.int64), (1, 1, 0, 0), value=np.int64(-7), outputs=INT64),
    pad("bool", ints(2, 3) % 2 == 0, (1, 1, 0, 0), value=np.bool_(True), outputs=BOOL),
    pad("bool-large", ints(30, 40) % 2 == 0, (1, 1, 0, 2), outputs=BOOL),
    pad("bool-edge-large", ints(30, 40) % 2 == 0, (1, 1, 0, 2), "edge", outputs=BOOL, reference="evaluator"),
]  # fmt: skip
