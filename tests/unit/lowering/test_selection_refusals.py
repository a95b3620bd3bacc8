"""What the operators that drop, find or count elements can't do, and what they say then."""

import numpy as np
import pytest
from onnx import TensorProto

from converter.errors import UnsupportedError
from converter.onnx_model import load_bytes
from converter.pipeline.compile import compile_onnx
from tests.ops.case import Case

I64 = {"Y": TensorProto.INT64}
TRAINING = np.bool_(True)
POOL = {
    "mode": "TF",
    "min_gram_length": 1,
    "max_gram_length": 1,
    "max_skip_count": 0,
    "ngram_counts": [0],
    "ngram_indexes": [0, 1],
}
NUMBERS, WORDS = {"pool_int64s": [3, 4]}, {"pool_strings": ["a", "b"]}
ROWS = np.int64([[1, 3, 3]])
REFUSED = [
    (
        Case("dropout", "Dropout", {"X": (2, 3), "R": np.float32(0.5), "T": TRAINING}, constants=["R", "T"]),
        "in training mode is random, unless its ratio is known to be 0",
        "evaluation mode",
    ),
    (
        Case("dropout-default", "Dropout", {"X": (2, 3), "": (), "T": TRAINING}, constants=["T"]),
        "in training mode is random",
        "evaluation mode",
    ),
    (
        Case("dropout-ratio", "Dropout", {"X": (2, 3), "R": np.float32(0), "T": TRAINING}, constants=["T"]),
        "in training mode is random",
        "--bind",
    ),
    (
        Case("dropout-mode", "Dropout", {"X": (2, 3), "R": np.float32(0), "T": TRAINING}),
        "operand 2 (T) must be known",
        "--bind",
    ),
    (Case("nonzero", "NonZero", {"X": ()}, outputs=I64), "a scalar has no coordinates", ""),
    (
        Case("n-grams", "TfIdfVectorizer", {"X": ROWS}, POOL | NUMBERS, declared={"X": (1, "length")}),
        "the length of the sequences is only known when the graph runs",
        "--bind",
    ),
    (
        Case("words", "TfIdfVectorizer", {"X": np.array(["a"], dtype=object)}, POOL | WORDS),
        "TF.js can't compare strings",
        "outside the model",
    ),
]


@pytest.mark.parametrize(("case", "reason", "hint"), REFUSED, ids=lambda value: getattr(value, "id", ""))
def test_a_refusal_says_what_and_where_and_what_to_do(case, reason, hint):
    with pytest.raises(UnsupportedError) as caught:
        compile_onnx(load_bytes(case.model().SerializeToString(), where=case.id))
    assert reason in caught.value.what
    assert caught.value.where.startswith(f"node case ({case.op}, since ")
    assert hint in caught.value.hint
    assert caught.value.exit_code == 4
