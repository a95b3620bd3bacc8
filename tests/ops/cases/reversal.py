import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

LENGTHS = np.int64([4, 1, 3])
BY_BATCH = {"time_axis": 1, "batch_axis": 0}


def reverse(name, x, attrs=None, lengths=LENGTHS, opset=10, **rest):
    return Case(f"reversesequence-{name}", "ReverseSequence", {"X": x, "L": lengths}, attrs or {}, opset, **rest)


CASES = [
    reverse("10", (4, 3)),
    reverse("28", (4, 3), opset=28, reference="evaluator"),
    reverse("by-batch", (3, 4), BY_BATCH),
    reverse("constant", (4, 3, 2), constants=["L"]),
    reverse("deep", (3, 4, 2, 5), BY_BATCH),
    reverse("int32", np.arange(24, dtype=np.int32).reshape(4, 3, 2), outputs={"Y": TensorProto.INT32}),
    reverse("bool", np.arange(12).reshape(4, 3) % 3 == 0, outputs={"Y": TensorProto.BOOL}),
    reverse("dynamic", (4, 3, 2), declared={"X": ("t", "n", 2), "L": ("n",)}),
    reverse("dynamic-constant", (4, 3), declared={"X": ("t", 3)}, constants=["L"]),
]
