import sys

import numpy as np
import onnx
import onnx.numpy_helper
import onnx.parser
import pytest

from converter.errors import CheckpointError, ConverterError, RuntimeMissing, UnsupportedError
from converter.parity.compare import Tolerance, compare
from converter.runtimes.onnxruntime_ import OnnxRuntime, Value

DENSE = """
<ir_version: 8, opset_import: ["" : 18]>
dense (float[batch, 3] x, int64[batch] ids, bool[batch] keep)
  => (float[batch, 2] y, int64[batch] next, bool[batch] drop)
<float[3, 2] w = {1, 2, 3, 4, 5, 6}, int64[1] one = {1}>
{
    y = MatMul(x, w)
    next = Add(ids, one)
    drop = Not(keep)
}
"""


def bytes_of(text):
    return onnx.parser.parse_model(text).SerializeToString()


@pytest.fixture
def loaded():
    model = OnnxRuntime().load(bytes_of(DENSE))
    yield model
    model.close()


def feed(n_rows=2):
    return {
        "x": np.arange(n_rows * 3, dtype=np.float32).reshape(n_rows, 3),
        "ids": np.arange(n_rows) + 2**60,
        "keep": np.arange(n_rows) % 2 == 0,
    }


def test_it_says_who_runs():
    info = OnnxRuntime().start()
    assert info.name == "onnxruntime" == OnnxRuntime().name
    assert info.versions["onnxruntime"].count(".") == 2
    assert info.device.startswith("cpu")


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for action in (OnnxRuntime().start, lambda: OnnxRuntime().load(b"")):
        with pytest.raises(RuntimeMissing, match="can't be imported") as caught:
            action()
        assert (caught.value.exit_code, caught.value.hint) == (7, "pip install onnxruntime")


@pytest.mark.parametrize("n_rows", [1, 5])
def test_named_arrays_go_in_and_come_out(loaded, n_rows):
    inputs = feed(n_rows)
    result = loaded.run(inputs)
    weights = np.float32([[1, 2], [3, 4], [5, 6]])
    expected = {"y": inputs["x"] @ weights, "next": inputs["ids"] + 1, "drop": ~inputs["keep"]}
    assert [verdict.bad for verdict in compare(expected, result.outputs, Tolerance(0, 0))] == [0, 0, 0]
    assert list(result.outputs) == ["y", "next", "drop"]
    assert result.predict_ms > 0
    assert loaded.load_ms > 0


def test_the_signature_has_our_dtype_names(loaded):
    assert loaded.signature().inputs == (
        Value("x", "float32", ("batch", 3)),
        Value("ids", "int64", ("batch",)),
        Value("keep", "bool", ("batch",)),
    )
    assert [value.name for value in loaded.signature().outputs] == ["y", "next", "drop"]


def test_a_path_loads_with_external_data(tmp_path):
    model = onnx.parser.parse_model(DENSE)
    for weight in model.graph.initializer:
        weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight), weight.name))
    options = {"save_as_external_data": True, "location": "weights.bin", "size_threshold": 0}
    onnx.save(model, tmp_path / "model.onnx", **options)
    assert (tmp_path / "weights.bin").is_file()
    result = OnnxRuntime().load(tmp_path / "model.onnx").run(feed())
    np.testing.assert_array_equal(result.outputs["y"][1], [3 + 12 + 25, 6 + 16 + 30])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: b"not a model", "ONNX Runtime"),
        (lambda data: data[: len(data) // 2], "ONNX Runtime"),
        (lambda data: data.replace(b"MatMul", b"MatMux"), "MatMux"),
        (lambda data: b"", "ONNX Runtime"),
    ],
)
def test_a_damaged_model_is_a_checkpoint_error(tmp_path, damage, message, capfd):
    path = tmp_path / "model.onnx"
    path.write_bytes(damage(bytes_of(DENSE)))
    for model in (path, path.read_bytes()):
        with pytest.raises(CheckpointError, match=message) as caught:
            OnnxRuntime().load(model)
        assert caught.value.exit_code == 3
        assert caught.value.hint
        assert caught.value.where == (str(path) if model is path else "the ONNX model")
    assert capfd.readouterr() == ("", "")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="no such file") as caught:
        OnnxRuntime().load(tmp_path / "absent.onnx")
    assert caught.value.where == str(tmp_path / "absent.onnx")


@pytest.mark.parametrize("kind", ["bfloat16[2]", "seq(float[2])"])
def test_what_is_no_common_array_is_unsupported(kind):
    text = f'<ir_version: 8, opset_import: ["" : 18]> g ({kind} x) => ({kind} y) {{ y = Identity(x) }}'
    with pytest.raises(UnsupportedError, match="x is a ") as caught:
        OnnxRuntime().load(bytes_of(text))
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda inputs: inputs.pop("keep"), r"inputs \['ids', 'x'\] given, the model has \['ids', 'keep', 'x'\]"),
        (lambda inputs: inputs.update(z=inputs["x"]), "given, the model has"),
        (lambda inputs: inputs.update(x=inputs["x"].astype(np.float64)), r"float64\[2, 3\] given"),
        (
            lambda inputs: inputs.update(x=inputs["x"].T),
            r"float32\[3, 2\] given, the model takes float32\['batch', 3\]",
        ),
        (lambda inputs: inputs.update(x=inputs["x"][0]), r"float32\[3\] given"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(loaded, change, message):
    inputs = feed()
    change(inputs)
    with pytest.raises(ConverterError, match=message) as caught:
        loaded.run(inputs)
    assert caught.value.hint


def test_a_failure_inside_the_model_is_an_error_of_ours(capfd):
    text = """<ir_version: 8, opset_import: ["" : 18]>
    g (float[n] a, float[m] b) => (float[k] y) { y = Add(a, b) }"""
    model = OnnxRuntime().load(bytes_of(text))
    with pytest.raises(ConverterError, match="ONNX Runtime") as caught:
        model.run({"a": np.zeros(2, np.float32), "b": np.zeros(3, np.float32)})
    assert caught.value.__cause__ is not None
    assert capfd.readouterr() == ("", "")


def test_a_closed_model_says_so(loaded):
    loaded.close()
    with pytest.raises(ConverterError, match="was closed"):
        loaded.run(feed())


def test_runs_repeat_bit_for_bit(loaded):
    one, other = loaded.run(feed(64)).outputs["y"], loaded.run(feed(64)).outputs["y"]
    assert one.tobytes() == other.tobytes()


def test_strings_and_half_floats_pass():
    text = """<ir_version: 8, opset_import: ["" : 18]>
    g (string[n] words, float16[2] h) => (string[n] same, float16[2] negated)
    { same = Identity(words) negated = Neg(h) }"""
    model = OnnxRuntime().load(bytes_of(text))
    outputs = model.run({"words": np.array(["a", "bc"], object), "h": np.float16([1, -2])}).outputs
    assert list(outputs["same"]) == ["a", "bc"]
    np.testing.assert_array_equal(outputs["negated"], np.float16([-1, 2]))
    assert [value.dtype for value in model.signature().outputs] == ["string", "float16"]
