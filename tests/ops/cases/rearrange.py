import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

DEEP, FLAT = {"X": (2, 12, 2, 3)}, {"X": (2, 3, 4, 6)}
ANY_SIZE = ("batch", 12, "height", "width")
NUMBERS = np.arange(2 * 8 * 2 * 3).reshape(2, 8, 2, 3)

CASES = [
    *(Case(f"depth-to-space-since-{since}", "DepthToSpace", DEEP, {"blocksize": 2}, opset=since) for since in (11, 13)),
    Case("depth-to-space-since-1", "DepthToSpace", DEEP, {"blocksize": 2}, opset=9, declared={"X": ("batch", 12, 2, 3)},
         reference="evaluator"),
    Case("depth-to-space-since-28", "DepthToSpace", DEEP, {"blocksize": 2, "mode": "CRD"}, opset=28,
         reference="evaluator"),
    Case("depth-to-space-crd", "DepthToSpace", DEEP, {"blocksize": 2, "mode": "CRD"}, declared={"X": ANY_SIZE}),
    Case("depth-to-space-dcr", "DepthToSpace", DEEP, {"blocksize": 2, "mode": "DCR"}, declared={"X": ANY_SIZE}),
    Case("depth-to-space-block-3", "DepthToSpace", {"X": (1, 18, 2, 2)}, {"blocksize": 3, "mode": "CRD"}),
    Case("depth-to-space-block-1", "DepthToSpace", {"X": (1, 3, 2, 2)}, {"blocksize": 1}),
    Case("depth-to-space-uint8", "DepthToSpace", {"X": NUMBERS.astype(np.uint8)}, {"blocksize": 2},
         outputs={"Y": TensorProto.UINT8}),
    Case("depth-to-space-int64", "DepthToSpace", {"X": NUMBERS}, {"blocksize": 2, "mode": "CRD"}, opset=13,
         outputs={"Y": TensorProto.INT64}, reference="evaluator"),
    *(Case(f"space-to-depth-since-{since}", "SpaceToDepth", FLAT, {"blocksize": 2}, opset=since) for since in (9, 13)),
    Case("space-to-depth-since-28", "SpaceToDepth", FLAT, {"blocksize": 2, "mode": "CRD"}, opset=28,
         reference="evaluator"),
    Case("space-to-depth-batch", "SpaceToDepth", FLAT, {"blocksize": 2}, declared={"X": ("batch", 3, 4, 6)}),
    Case("space-to-depth-dynamic", "SpaceToDepth", FLAT, {"blocksize": 2},
         declared={"X": ("batch", 3, "height", "width")}),
    Case("space-to-depth-block-3", "SpaceToDepth", {"X": (1, 2, 3, 6)}, {"blocksize": 3}),
    Case("space-to-depth-int32", "SpaceToDepth", {"X": np.arange(48, dtype=np.int32).reshape(1, 2, 4, 6)},
         {"blocksize": 2}, outputs={"Y": TensorProto.INT32}, reference="evaluator"),
]  # fmt: skip
