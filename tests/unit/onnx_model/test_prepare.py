import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, parser

from converter.errors import CheckpointError
from converter.onnx_model import OnnxModel, load_bytes, prepare


def prepared(text: str, *, has_lowering=lambda *_: True, shapes=None, weights=()) -> OnnxModel:
    proto = parser.parse_model(text)
    proto.graph.initializer.extend(weights)
    return prepare(load_bytes(proto.SerializeToString(), where="test"), has_lowering=has_lowering, shapes=shapes)


HEAD = '<ir_version: 8, opset_import: ["" : 18]>\n'


def test_what_is_known_is_folded() -> None:
    model = prepared(
        HEAD
        + """net (float[2, 3] x, float[1] z) => (float[a, b] y) {
            s = Shape (x)
            one = Constant <value_ints = [1]> ()
            bigger = Add (s, one)
            y = Expand (z, bigger)
        }"""
    )
    assert [node.op for node in model.graph.nodes] == ["Expand"]
    assert model.graph.constants["bigger"].tolist() == [3, 4]


def test_shape_of_a_dynamic_value_stays() -> None:
    model = prepared(HEAD + "net (float[n, 3] x) => (int64[2] y) { y = Shape (x) }")
    assert [node.op for node in model.graph.nodes] == ["Shape"]


def test_static_part_of_a_dynamic_shape_is_folded() -> None:
    model = prepared(HEAD + "net (float[n, 3] x) => (int64[1] y) { y = Shape <start = 1> (x) }")
    assert model.graph.nodes == ()
    assert model.graph.constants["y"].tolist() == [3]


def test_declared_shapes_win() -> None:
    text = HEAD + "net (float[n, m] x) => (float[n, m] y) { y = Relu (x) }"
    model = prepared(text, shapes={"x": ("batch", 8)})
    assert model.graph.types["x"].shape == ("batch", 8)
    assert model.graph.types["y"].shape == ("batch", 8)


def test_shapes_that_contradict_the_model_are_refused() -> None:
    text = HEAD + "net (float[n, 4] x, float[4, 5] w) => (float[n, 5] y) { y = MatMul (x, w) }"
    with pytest.raises(CheckpointError, match="contradict"):
        prepared(text, shapes={"x": (2, 3)})


def test_dead_nodes_and_their_weights_are_gone() -> None:
    weights = [numpy_helper.from_array(np.ones(3, np.float32), name) for name in ("used", "unused")]
    text = HEAD + "net (float[3] x) => (float[3] y) { y = Add (x, used) z = Add (x, unused) }"
    model = prepared(text, weights=weights)
    assert [node.outputs for node in model.graph.nodes] == [("y",)]
    assert set(model.graph.constants) == {"used"}


def test_functions_without_a_lowering_are_inlined() -> None:
    text = HEAD + "net (float[3] x) => (float[3] y) { y = HardSwish (x) }"
    model = prepared(text, has_lowering=lambda _, op, __: op != "HardSwish")
    assert [node.op for node in model.graph.nodes] == ["HardSigmoid", "Mul"]


def test_versions_are_those_of_the_opset() -> None:
    text = '<ir_version: 8, opset_import: ["" : 12]>\nnet (float[2, 3] x) => (float[2, 3] y) { y = Softmax (x) }'
    assert prepared(text).graph.nodes[0].since == 11


def test_random_values_are_never_folded() -> None:
    text = HEAD + "net () => (float[3] y) { y = RandomNormal <shape = [3]> () }"
    assert [node.op for node in prepared(text).graph.nodes] == ["RandomNormal"]


def test_large_results_are_not_folded() -> None:
    node = helper.make_node("ConstantOfShape", ["s"], ["y"], name="fill")
    graph = helper.make_graph(
        [node],
        "net",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4096, 4096])],
        [numpy_helper.from_array(np.array([4096, 4096]), "s")],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    model = prepare(load_bytes(proto.SerializeToString(), where="test"), has_lowering=lambda *_: True)
    assert [one.op for one in model.graph.nodes] == ["ConstantOfShape"]
