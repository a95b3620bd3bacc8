import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser
from onnx.reference import ReferenceEvaluator

from converter.dtypes import BY_NAME
from converter.onnx_model import ValueType, known_values, load_bytes, nodes_of, piece_of, with_outputs

MODEL = """
<ir_version: 10, opset_import: ["" : 18]>
net (float[batch, 3] x, bool flag) => (float[batch, 3] y)
<float[3] w = {1, 2, 3}>
{
    two = Constant<value = float {2}> ()
    w2 = Mul(w, two)
    a = Add(x, w2)
    b = Relu(a)
    y = If (flag) <
        then_branch = yes () => (float[batch, 3] t) { t = Add(b, w) },
        else_branch = no () => (float[batch, 3] e) { s = Add(a, b)  e = Identity(s) }
    >
}
"""
FLOAT = BY_NAME["float32"]
X = np.array([[-9.0, 1.0, 2.0]], np.float32)


@pytest.fixture
def loaded():
    return load_bytes(parser.parse_model(MODEL).SerializeToString(), where="test")


def evaluated(model: bytes, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    proto = onnx.load_model_from_string(model)
    values = ReferenceEvaluator(proto).run(None, inputs)
    return dict(zip([info.name for info in proto.graph.output], values, strict=True))


def test_nodes_tell_what_their_subgraphs_read(loaded):
    nodes = nodes_of(loaded)
    assert [node.op for node in nodes] == ["Constant", "Mul", "Add", "Relu", "If"]
    assert nodes[2].reads == ("x", "w2")
    assert set(nodes[4].reads) == {"flag", "a", "b", "w"}
    assert nodes[4].inputs == ("flag",)
    assert str(nodes[3]) == "Relu_3 (Relu)"


def test_known_values_depend_on_no_input(loaded):
    assert known_values(loaded) == {"w", "two", "w2"}


def test_random_values_are_never_known():
    text = "m (float[2] x) => (float[2] y) { r = RandomNormal<shape = [2]>() y = Add(x, r) }"
    model = parser.parse_model(f'<ir_version: 10, opset_import: ["" : 18]> {text}')
    assert known_values(load_bytes(model.SerializeToString(), where="test")) == set()


def test_inner_values_can_be_handed_out(loaded):
    found = evaluated(with_outputs(loaded, ["b", "w2", "y"]), x=X, flag=np.array(True))
    np.testing.assert_array_equal(found["w2"], [2, 4, 6])
    np.testing.assert_array_equal(found["b"], [[0, 5, 8]])
    np.testing.assert_array_equal(found["y"], [[1, 7, 11]])


def test_a_piece_computes_what_its_nodes_computed(loaded):
    type_ = ValueType(FLOAT, ("batch", 3))
    relu = [node for node in nodes_of(loaded) if node.op == "Relu"]
    model = piece_of(loaded, relu, inputs={"a": type_}, outputs={"b": type_}, constants={})
    onnx.checker.check_model(onnx.load_model_from_string(model), full_check=True)
    np.testing.assert_array_equal(evaluated(model, a=X)["b"], [[0, 1, 2]])


def test_a_piece_keeps_subgraphs_and_weights(loaded):
    type_ = ValueType(FLOAT, ("batch", 3))
    choice = [node for node in nodes_of(loaded) if node.op == "If"]
    inputs = {"flag": ValueType(BY_NAME["bool"], ()), "a": type_, "b": type_}
    weights = {"w": np.array([1, 2, 3], np.float32)}
    model = piece_of(loaded, choice, inputs=inputs, outputs={"y": type_}, constants=weights)
    np.testing.assert_array_equal(evaluated(model, flag=np.array(True), a=X, b=X)["y"], X + weights["w"])
    np.testing.assert_array_equal(evaluated(model, flag=np.array(False), a=X, b=X)["y"], 2 * X)
    assert [tensor.name for tensor in onnx.load_model_from_string(model).graph.initializer] == ["w"]


def test_large_weights_of_the_model_are_in_what_is_handed_out():
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Add", ["x", "w"], ["y"])],
        "g",
        [onnx.helper.make_tensor_value_info("x", 1, [2000])],
        [onnx.helper.make_tensor_value_info("y", 1, [2000])],
        [numpy_helper.from_array(np.ones(2000, np.float32), "w")],
    )
    loaded = load_bytes(onnx.helper.make_model(graph, ir_version=10).SerializeToString(), where="test")
    assert "w" in loaded.constants
    assert evaluated(with_outputs(loaded, ["y"]), x=np.ones(2000, np.float32))["y"].sum() == 4000
