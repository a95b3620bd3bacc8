import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from converter.errors import UnsupportedError
from converter.onnx_model import load_bytes
from converter.pipeline.compile import compile_onnx
from tests.ops.case import Case

I64 = np.int64
FREE = {"X": ("batch", "time", 4)}
FROM_OPERAND = "make it a constant of the model"
REFUSED = [
    (Case("squeeze", "Squeeze", {"X": (1, 3, 4)}, declared=FREE), "which dimensions go depends on sizes", "--bind"),
    (Case("squeeze-axes", "Squeeze", {"X": (1, 3), "A": I64([0])}), "operand 1 (A) must be known", FROM_OPERAND),
    (
        Case("slice-axes", "Slice", {"X": (2, 3), "S": I64([0]), "E": I64([1]), "A": I64([0])}),
        "operand 3 (A) must be known", FROM_OPERAND,
    ),
    (
        Case("slice-step", "Slice", {"X": (2, 3), "S": I64([0]), "E": I64([1]), "A": I64([0]), "P": I64([0])},
             constants=["S", "E", "A", "P"], declared={"X": ("batch", 3)}),
        "a step of a slice is 0", "",
    ),
    (
        Case("tile", "Tile", {"X": (1, 1, 1, 1, 2), "R": I64([1, 1, 1, 1, 2])}),
        "above rank 4 must be known", "constant",
    ),
    (
        Case("pad-mode", "Pad", {"X": (2, 3), "P": I64([0, 1, 0, 1])}, {"mode": "edge"}),
        "pads must be known", "--bind",
    ),
    (
        Case("pad-unknown-mode", "Pad", {"X": (2, 3), "P": I64([0, 1, 0, 1])}, {"mode": "mirror"}, constants=["P"]),
        "mode 'mirror' is not one of constant, edge, reflect, wrap", "",
    ),
    (
        Case("pad-negative", "Pad", {"X": (2, 3), "P": I64([-1, 0, 0, 0])}, {"mode": "wrap"}, constants=["P"],
             declared={"X": ("batch", 3)}),
        "negative pads on a dynamic axis", "--bind",
    ),
    (
        Case("scatter", "ScatterElements", {"X": (4, 3), "I": np.zeros((2, 3), I64), "U": (2, 3)}, {"axis": 1},
             declared={"X": ("batch", 3), "I": ("n", 3), "U": ("n", 3)}),
        "may not cover the data", "--bind",
    ),
    (
        Case("reduction", "ScatterND", {"X": (4,), "I": np.zeros((2, 1), I64), "U": (2,)}, {"reduction": "avg"}),
        "reduction 'avg' is not one of", "",
    ),
    (
        Case("prod", "ReduceProd", {"X": (2, 3), "A": I64([1])}),
        "the axes of an integer mean or a product must be known", "",
    ),
    (
        Case("nothing", "ReduceMax", {"X": np.zeros((2, 0), np.int64), "A": I64([1])}, constants=["A"],
             outputs={"Y": TensorProto.INT64}),
        "a reduction of no int64 elements", "",
    ),
    (
        Case("strings", "Gather", {"X": np.array(["a", "b"], dtype=object), "I": I64([1])},
             outputs={"Y": TensorProto.STRING}),
        "strings", "text outside the model",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("case", "what", "hint"), REFUSED, ids=lambda value: getattr(value, "id", ""))
def test_refused_with_reason_place_and_hint(case, what, hint):
    with pytest.raises(UnsupportedError) as caught:
        compile_onnx(load_bytes(case.model().SerializeToString(), where=case.id))
    assert what in caught.value.what
    assert case.op in caught.value.where
    assert hint in caught.value.hint
    assert caught.value.exit_code == 4


def test_a_shape_computed_from_data_is_refused():
    nodes = [
        helper.make_node("ReduceSum", ["S", "A"], ["total"], name="sum", keepdims=0),
        helper.make_node("Reshape", ["X", "total"], ["Y"], name="reshape"),
    ]
    inputs = [
        helper.make_tensor_value_info("X", TensorProto.FLOAT, ["batch", "time"]),
        helper.make_tensor_value_info("S", TensorProto.INT64, [2, 3]),
    ]
    output = helper.make_tensor_value_info("Y", TensorProto.FLOAT, ["n", "m"])
    graph = helper.make_graph(nodes, "g", inputs, [output])
    graph.initializer.append(numpy_helper.from_array(I64([1]), "A"))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    with pytest.raises(UnsupportedError, match="computed from the model's data") as caught:
        compile_onnx(load_bytes(model.SerializeToString(), where="g"))
    assert "reshape" in caught.value.where
    assert "--bind" in caught.value.hint
