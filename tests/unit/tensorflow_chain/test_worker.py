import numpy as np
import pytest
from onnx import ModelProto, parser

from converter.tensorflow_chain.worker import Refusal, check_ranges, message_of, with_safe_names

MODEL = """
<ir_version: 8, opset_import: ["" : 12]>
odd (float[n, 3] x, float[n, 3] input_1) => (float[n, 3] y, float[n, 3] z)
{ y = Add(x, input_1)  z = Relu(y) }
"""


def renamed(names: dict[str, str]) -> ModelProto:
    model = parser.parse_model(MODEL)
    for value in (*model.graph.input, *model.graph.output):
        value.name = names.get(value.name, value.name)
    for node in model.graph.node:
        for places in (node.input, node.output):
            places[:] = [names.get(name, name) for name in places]
    return model


def test_names_that_tensorflow_takes_stay() -> None:
    model = parser.parse_model(MODEL)
    names = with_safe_names(model)
    assert names == {
        "inputs": [{"name": "x", "key": "x"}, {"name": "input_1", "key": "input_1"}],
        "outputs": [{"name": "y", "key": "y"}, {"name": "z", "key": "z"}],
    }
    assert model == parser.parse_model(MODEL)


@pytest.mark.parametrize("odd", ["input.1", "a/b", "12", "x:0", "self", "größe"])
def test_other_names_get_keys_that_nothing_has(odd: str) -> None:
    model = renamed({"x": "onnx::Add_0", "y": odd})
    names = with_safe_names(model)
    assert [one["name"] for one in names["inputs"]] == ["onnx::Add_0", "input_1"]
    assert [one["key"] for one in names["inputs"]] == ["input_0", "input_1"]
    assert [(one["name"], one["key"]) for one in names["outputs"]] == [(odd, "output_0"), ("z", "z")]
    assert [value.name for value in model.graph.input] == ["input_0", "input_1"]
    assert [value.name for value in model.graph.output] == ["output_0", "z"]
    first, *_, last = model.graph.node
    assert (first.op_type, *first.input, *first.output) == ("Identity", "input_0", "onnx::Add_0")
    assert (last.op_type, *last.input, *last.output) == ("Identity", odd, "output_0")


def test_key_that_is_taken_is_not_given_again() -> None:
    names = with_safe_names(renamed({"x": "input_0", "input_1": "a b", "y": "input_1_"}))
    assert [one["key"] for one in names["inputs"]] == ["input_0", "input_1"]
    names = with_safe_names(renamed({"x": "a b", "input_1": "input_0"}))
    assert [one["key"] for one in names["inputs"]] == ["input_0_", "input_0"]


def test_output_without_a_shape_is_no_scalar() -> None:
    model = parser.parse_model(MODEL)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    with_safe_names(model)
    assert [dim.dim_value for dim in model.graph.output[0].type.tensor_type.shape.dim] == [0]


@pytest.mark.parametrize(
    "values",
    [
        np.array([-(2**31), 2**31 - 1], np.int64),
        np.array([], np.int64),
        np.array([np.finfo(np.float32).max, np.inf, np.nan], np.float64),
        np.array([3.4e38], np.float32),
        np.array(["text"], object),
    ],
    ids=lambda values: f"{values.dtype}-{values.size}",
)
def test_weights_that_tensorflowjs_stores_as_they_are_pass(values: np.ndarray) -> None:
    check_ranges([("weight", values)])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param(np.array([1, 2**63 - 1]), "int64 values from 1 to 9223372036854775807", id="int64-max"),
        pytest.param(np.array(2**31), "int64 values from 2147483648", id="int32-plus-one"),
        pytest.param(np.array([-(2**31) - 1]), "int64 values from -2147483649", id="int32-minus-one"),
        pytest.param(np.array([1e39, np.nan]), r"float64 values up to 1e\+39, beyond float32", id="float64"),
    ],
)
def test_weights_that_it_would_change_are_refused_by_name(values: np.ndarray, words: str) -> None:
    with pytest.raises(Refusal, match=f"^ends holds {words}") as caught:
        check_ranges([("fine", np.array([1])), ("ends", values)])
    assert caught.value.by == "tensorflowjs"


def test_message_of_a_traced_error_is_its_last_line() -> None:
    traced = RuntimeError('in user code:\n\n    File "x.py", line 1, in f\n        g()\n\n    KeyError: the reason\n')
    assert message_of(traced) == "KeyError: the reason"
    assert message_of(ValueError("two\nlines")) == "two lines"
    assert message_of(ValueError()) == "ValueError"
