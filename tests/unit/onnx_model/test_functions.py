"""What ONNX's own functions ask of the view: their bodies, and the sub-graphs that become a part of these."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from converter.onnx_model import OnnxModel, load_bytes, prepare

SHAPE = [1, 2, 3, 4]


def prepared(nodes, inputs, outputs, initializers=(), domains=()) -> OnnxModel:
    graph = helper.make_graph(nodes, "main", inputs, outputs, list(initializers))
    opsets = [helper.make_opsetid("", 25), *(helper.make_opsetid(domain, 1) for domain in domains)]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return prepare(load_bytes(proto.SerializeToString(), where="model"), has_lowering=lambda domain, *_: not domain)


def tensor(name, shape, code=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, code, shape)


def flex_attention(**attrs) -> OnnxModel:
    node = helper.make_node("FlexAttention", ["Q", "K", "V"], ["Y"], domain="ai.onnx.preview", **attrs)
    inputs = [tensor(name, SHAPE) for name in "QKV"]
    return prepared([node], inputs, [tensor("Y", SHAPE)], domains=["ai.onnx.preview"])


def test_a_function_that_does_not_import_what_it_uses_takes_the_models_opset():
    model = flex_attention()
    assert {node.op for node in model.graph.nodes} >= {"MatMul", "Softmax"}
    assert all(node.since > 0 for node in model.graph.nodes)
    assert model.problems == ()


def test_constants_of_a_sub_graph_survive_when_a_function_takes_it_in():
    cap = numpy_helper.from_array(np.float32(20), "cap")
    body = helper.make_graph(
        [helper.make_node("Div", ["scores", "cap"], ["capped"])],
        "score_mod",
        [tensor("scores", [1, 2, 3, 3])],
        [tensor("capped", [1, 2, 3, 3])],
        [cap],
    )
    graph = flex_attention(score_mod=body).graph
    (division,) = [node for node in graph.nodes if node.op == "Div"]
    assert graph.constants[division.inputs[1]] == 20


@pytest.mark.parametrize(
    ("code", "joins", "value"),
    [
        (TensorProto.BFLOAT16, "Add", 2),
        (TensorProto.FLOAT16, "Add", 2),
        (TensorProto.INT64, "Add", 2),
        (TensorProto.BOOL, "And", 1),
    ],
)
def test_a_constant_cast_to_the_type_of_an_input_is_known(code, joins, value):
    nodes = [helper.make_node("CastLike", ["two", "X"], ["Y"]), helper.make_node(joins, ["X", "Y"], ["Z"])]
    two = numpy_helper.from_array(np.float32(2), "two")
    graph = prepared(nodes, [tensor("X", [3], code)], [tensor("Z", [3], code)], [two]).graph
    assert [node.op for node in graph.nodes] == [joins]
    assert graph.constants["Y"].dtype == helper.tensor_dtype_to_np_dtype(code)
    assert graph.constants["Y"].astype(np.float32) == value
