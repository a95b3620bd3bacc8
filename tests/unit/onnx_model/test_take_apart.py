import numpy as np
import pytest
from onnx import helper, parser
from onnx.reference import ReferenceEvaluator

from converter.errors import UnsupportedError
from converter.onnx_model import LoadedOnnx, load_bytes, take_apart

HEAD = '<ir_version: 8, opset_import: ["" : 18]>\n'
ROWS = [np.ones((2,), np.float32), np.zeros((3,), np.float32)]


def loaded(text: str) -> LoadedOnnx:
    return load_bytes(parser.parse_model(HEAD + text).SerializeToString(), where="test")


def inputs(model: LoadedOnnx) -> list[str]:
    return [info.name for info in model.proto.graph.input]


def test_a_sequence_becomes_an_input_for_each_element() -> None:
    model = loaded("net (float[1] a, seq(float[n]) s) => (float[m] y) { y = ConcatFromSequence <axis = 0> (s) }")
    apart = take_apart(model, {"s": 2})
    assert inputs(apart) == ["a", "s/0", "s/1"]
    assert inputs(model) == ["a", "s"]
    feed = {"a": np.ones(1, np.float32), "s/0": ROWS[0], "s/1": ROWS[1]}
    (y,) = ReferenceEvaluator(apart.proto).run(None, feed)
    assert y.tolist() == [1, 1, 0, 0, 0]


def test_an_empty_sequence_has_no_input() -> None:
    apart = take_apart(loaded("net (seq(float[n]) s, float[1] a) => (int64 y) { y = SequenceLength (s) }"), {"s": 0})
    assert inputs(apart) == ["a"]
    (y,) = ReferenceEvaluator(apart.proto).run(None, {"a": np.ones(1, np.float32)})
    assert y == 0


@pytest.mark.parametrize(
    ("type_", "count", "ops"),
    [
        ("optional(float[2])", None, ["Optional"]),
        ("optional(float[2])", 1, ["Optional"]),
        ("optional(seq(float[n]))", None, ["Optional"]),
        ("optional(seq(float[n]))", 0, ["SequenceEmpty", "Optional"]),
        ("optional(seq(float[n]))", 2, ["SequenceConstruct", "Optional"]),
    ],
)
def test_an_optional_has_as_many_inputs_as_elements(type_: str, count: int | None, ops: list[str]) -> None:
    apart = take_apart(loaded(f"net ({type_} o) => (bool y) {{ y = OptionalHasElement (o) }}"), {"o": count})
    assert inputs(apart) == [f"o/{index}" for index in range(count or 0)]
    assert [node.op_type for node in apart.proto.graph.node] == [*ops, "OptionalHasElement"]


def test_other_types_are_refused() -> None:
    model = loaded("net (float[2] x) => (float[2] y) { y = Neg (x) }")
    elements = helper.make_tensor_type_proto(1, [2])
    model.proto.graph.input.append(helper.make_value_info("m", helper.make_map_type_proto(7, elements)))
    with pytest.raises(UnsupportedError, match="graph input 'm': its type is map_type, not a sequence of tensors"):
        take_apart(model, {"m": 1})
