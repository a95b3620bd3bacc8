"""Shapes that a file declares of inner values and outputs."""

import pytest
from onnx import helper, parser

from converter.errors import CheckpointError
from converter.onnx_model import load_bytes, prepare

HEAD = '<ir_version: 8, opset_import: ["" : 18]>\n'


def types(text: str) -> dict[str, tuple[int | str | None, ...] | None]:
    proto = parser.parse_model(HEAD + text)
    graph = prepare(load_bytes(proto.SerializeToString(), where="test"), has_lowering=lambda *_: True).graph
    return {name: type_.shape for name, type_ in graph.types.items()}


def test_declared_shapes_that_agree_are_used() -> None:
    found = types(
        "net (float[n, 4] x, int64[2] target) => (float[a, b] y) <float[rows, 8] r> "
        "{ r = Reshape (x, target) y = Relu (r) }"
    )
    assert found["r"] == ("rows", 8)
    assert found["y"] == ("a", 8)


def test_one_contradiction_discards_them_all() -> None:
    found = types(
        "net (float[n, 4] x, int64[2] target) => (float[2, 5] y) <float[2, 4] a, float[2, 8] r> "
        "{ a = Relu (x) r = Reshape (a, target) y = Relu (r) }"
    )
    assert found["a"] == ("n", 4)
    assert found["r"] is not None
    assert not any(isinstance(dim, int) for dim in found["r"])


def test_a_declared_size_of_a_dynamic_dimension_is_a_contradiction() -> None:
    found = types("net (float[n, 4] x) => (float[1, 4] y) { y = Relu (x) }")
    assert found["y"] == ("n", 4)


def test_shapes_declared_in_branches_are_checked_too() -> None:
    found = types(
        "net (float[n, 4] x, bool c) => (float[n, 4] y) { y = If (c) <"
        "then_branch = yes () => (float[3, 9] a) { a = Neg (x) },"
        "else_branch = no () => (float[3, 9] b) { b = Abs (x) }> }"
    )
    assert found["y"] == ("n", 4)


def test_a_model_whose_nodes_contradict_each_other_is_refused() -> None:
    with pytest.raises(CheckpointError, match="contradict"):
        types("net (float[n, 4] x, float[5, 2] w) => (float[n, 2] y) { y = MatMul (x, w) }")


def test_declared_shapes_of_constants_are_kept() -> None:
    proto = parser.parse_model(
        HEAD + "net (float[n, 4] x) => (float[n, 2] y) "
        "<int64[1] zero = {0}, int64[1] one = {1}, int64[1] two = {2}, int64[1] four = {4}, float[n, 2] r> "
        "{ r = Slice (x, zero, four, one, two) y = Relu (r) }"
    )
    constants = [helper.make_tensor_value_info(tensor.name, 7, [1]) for tensor in proto.graph.initializer]
    proto.graph.value_info.extend(constants)
    graph = prepare(load_bytes(proto.SerializeToString(), where="test"), has_lowering=lambda *_: True).graph
    assert graph.types["r"].shape == ("n", 2)
    assert graph.types["y"].shape == ("n", 2)
