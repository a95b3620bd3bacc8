"""What recurrent, spectral, bitwise and region operators refuse, with the reason and what to do."""

import numpy as np
import pytest
from onnx import TensorProto

from converter.errors import UnsupportedError
from converter.onnx_model import load_bytes
from converter.pipeline.compile import compile_onnx
from tests.ops.case import Case

I64, UINT32 = {"Y": TensorProto.INT64}, {"Y": TensorProto.UINT32}
GATES = {"W": (1, 12, 3), "R": (1, 12, 3)}
ROIS = {"R": (2, 4), "B": np.int64([0, 0])}
STRINGS = {"mode": "TF", "min_gram_length": 1, "max_gram_length": 1, "max_skip_count": 0, "ngram_counts": [0],
           "ngram_indexes": [0], "pool_strings": ["a"]}  # fmt: skip
REFUSED = [
    (
        Case("projection", "LSTM", {"X": (4, 2, 3), **GATES, "": (), " ": (), "H": (1, 2, 3), "C": (1, 2, 6)},
             {"hidden_size": 6}),
        "W has the shape [1, 12, 3], and with hidden_size 6 ONNX wants [1, 24, any]", "proj_size",
    ),
    (
        Case("state", "LSTM", {"X": (4, 2, 3), **GATES}, {}, declared={"R": (1, 12, "hidden")}),
        "the size of the state is only known when the graph runs", "",
    ),
    (
        Case("activation", "RNN", {"X": (4, 2, 3), "W": (1, 3, 3), "R": (1, 3, 3)},
             {"hidden_size": 3, "activations": ["Mish"]}),
        "'Mish' is no activation", "",
    ),
    (
        Case("samples", "DFT", {"X": (2, 8, 1)}, opset=20, declared={"X": (2, "n", 1)}),
        "a dynamic number of samples", "--bind",
    ),
    (
        Case("step", "STFT", {"X": (2, 8, 1), "S": np.int64(2), "W": (4,)}, opset=17),
        "operand 1 (S) must be known", "constant",
    ),
    (
        Case("complement", "BitwiseNot", {"X": np.uint32([1])}, outputs=UINT32),
        "the complement of uint32 is beyond 31 bits", "",
    ),
    (
        Case("bits", "BitwiseAnd", {"X": np.ones((1,) * 6, np.uint8), "Z": np.ones((1,) * 6, np.uint8)},
             outputs={"Y": TensorProto.UINT8}),
        "bits of a value of rank 6", "reshape",
    ),
    (
        Case("adaptive", "RoiAlign", {"X": (1, 2, 6, 6), **ROIS}),
        "sampling_ratio 0", "fixed sampling_ratio",
    ),
    (
        Case("classes", "NonMaxSuppression", {"B": (1, 5, 4), "S": (1, 2, 5), "M": np.int64(3)}, constants=["M"],
             declared={"S": (1, "classes", 5)}, outputs=I64),
        "the number of batches or classes", "--bind classes=size",
    ),
    (
        Case("threshold", "NonMaxSuppression", {"B": (1, 5, 4), "S": (1, 2, 5), "M": np.int64(3), "O": np.float32(1)},
             constants=["M", "O"], outputs=I64),
        "iou_threshold 1.0", "",
    ),
    (
        Case("slices", "Unique", {"X": (5, 100)}, {"axis": 0}),
        "distinct slices of 100 elements", "at most 64",
    ),
    (
        Case("coordinates", "NonZero", {"X": np.float32(1)}, outputs=I64),
        "a scalar has no coordinates", "",
    ),
    (
        Case("words", "TfIdfVectorizer", {"X": np.asarray(["a", "b"])}, STRINGS),
        "TF.js can't compare strings", "outside the model",
    ),
    (
        Case("interpolation", "GridSample", {"X": np.ones((1, 1, 4, 4), np.int32), "G": (1, 2, 2, 2)}, opset=16,
             outputs={"Y": TensorProto.INT32}),
        "interpolation between values of int32", "nearest",
    ),
    (
        Case("rows", "Det", {"X": (40, 40)}),
        "determinants of matrices with 40 rows", "at most 32",
    ),
    (
        Case("blocks", "DequantizeLinear", {"X": np.ones((4, 6), np.int8), "S": (2, 6)}, {"axis": 0, "block_size": 2},
             opset=21, declared={"X": ("n", 6)}),
        "blocks along the dynamic dimension n", "--bind",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("case", "reason", "hint"), REFUSED, ids=[row[0].id for row in REFUSED])
def test_what_cannot_be_right_is_refused_with_reason_and_hint(case, reason, hint):
    with pytest.raises(UnsupportedError) as caught:
        compile_onnx(load_bytes(case.model().SerializeToString(), where=case.id))
    assert reason in caught.value.what
    assert caught.value.where.startswith(f"node case ({case.op}")
    assert hint in caught.value.hint
    assert caught.value.exit_code == 4
