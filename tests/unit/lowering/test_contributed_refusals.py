"""What contributed operators can ask for that onnxruntime's own CPU kernels don't do, or that is not defined."""

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from converter.errors import UnsupportedError
from converter.onnx_model import load_bytes
from converter.onnx_model.contributed import DOMAIN
from converter.pipeline.compile import compile_onnx
from tests.ops.case import Case

X, SELF = (2, 3, 8), {"X": (2, 3, 6), "W": (6, 24), "B": (24,)}
QUERIES = {"Q": X, "K": X, "V": X}
PAST = {" ": (), "P": (2, 2, 2, 2, 4)}
LENGTHS = np.int32([5, 2])
LSTM = {
    "X": (5, 2, 6), "W": np.zeros((1, 6, 32), np.uint8), "R": np.zeros((1, 8, 32), np.uint8), " ": (), "L": LENGTHS,
    "  ": (), "   ": (), "    ": (), "WS": np.float32([1]), "WZ": np.uint8([0]), "RS": np.float32([1]),
    "RZ": np.uint8([0]),
}  # fmt: skip
HEADS = {"num_heads": 2}


@pytest.mark.parametrize(
    ("op", "inputs", "attrs", "outputs", "reason"),
    [
        ("Attention", SELF, {"do_rotary": 1}, 1, "rotary positions inside of Attention"),
        ("Attention", SELF, {"past_present_share_buffer": 1}, 1, "a cache that is written in place"),
        ("Attention", {**SELF, **PAST}, {}, 1, "it has a past but no present output"),
        ("Attention", {**SELF, "M": np.ones((2, 1, 8, 8), np.int32)}, {}, 1, "a mask of rank 4"),
        ("Attention", {**SELF, "M": np.ones(8, np.int32)}, {}, 1, "a mask of 8 numbers for 2 batch entries"),
        ("Attention", SELF, {"qkv_hidden_sizes": [8, 8, 9]}, 1, "are not 24 numbers in 2 heads"),
        ("MultiHeadAttention", {"Q": (2, 3, 2, 3, 4)}, {}, 1, "packed in one operand"),
        ("MultiHeadAttention", {**QUERIES, "K": (2, 5, 8), "V": (2, 5, 8)}, {"unidirectional": 1}, 1, "other lengths"),
        ("MultiHeadAttention", {**QUERIES, " ": (), "  ": (), "   ": (), "A": (2, 2, 2, 4), "B": (2, 2, 2, 4)}, {}, 1,
         "it has a past but no present outputs"),
        ("FusedGemm", {"A": (2, 3), "B": (3, 4)}, {"activation": "Selu"}, 1, "the fused activation 'Selu'"),
        ("DynamicQuantizeLSTM", LSTM, {}, 1, "sequences that have ended"),
        ("SkipSimplifiedLayerNormalization", {"A": X, "B": X, "G": (8,)}, {}, 2, "its output `mean` is not defined"),
    ],
)  # fmt: skip
def test_what_is_not_defined_is_refused(
    op: str, inputs: dict[str, Any], attrs: dict[str, Any], outputs: int, reason: str
) -> None:
    attrs = attrs | (HEADS if "Attention" in op else {})
    constants = [name for name in ("W", "R", "WS", "WZ", "RS", "RZ", "B") if name in inputs and op.endswith("LSTM")]
    made = dict.fromkeys(("Y", "T")[:outputs], TensorProto.FLOAT)
    case = Case(f"refused-{op}", op, inputs, attrs, constants=constants, outputs=made, domain=DOMAIN)
    with pytest.raises(UnsupportedError, match=reason) as refused:
        compile_onnx(load_bytes(case.model().SerializeToString(), where=op))
    assert f"case ({DOMAIN}::{op}, since 1)" in refused.value.where
