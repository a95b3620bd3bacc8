import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, parser

from converter.errors import ConverterError, UnsupportedError

NAMES = ("onnxruntime-web@node", "onnxruntime-web@chromium")
LINEAR = """
<ir_version: 10, opset_import: ["" : 18]>
linear (float[batch, 2] x) => (float[batch, 2] y, int64[batch] top)
<float[2, 2] w = {1.0, -1.0, 0.5, 2.0}>
{
    y = MatMul(x, w)
    top = ArgMax<axis = 1, keepdims = 0>(y)
}
"""
WORDS = """
<ir_version: 10, opset_import: ["" : 18]>
words (float[n] x) => (string[n] y) { y = Cast<to = 8>(x) }
"""
X = np.array([[1, 2], [3, -4], [0.25, 0]], np.float32)


@pytest.fixture(scope="module", params=NAMES)
def runtime(request, pool):
    runtime = pool.get(request.param)
    runtime.start()
    return runtime


@pytest.fixture
def linear(tmp_path):
    return saved(LINEAR, tmp_path / "model.onnx")


def saved(text, path):
    onnx.save(parser.parse_model(text), path)
    return path


def identity(dtype, path):
    code = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    x, y = (helper.make_tensor_value_info(name, code, ["n"]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "same", [x], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def test_start_tells_versions_and_device(runtime):
    info = runtime.start()
    place = info.name.partition("@")[2]
    assert (info.name, info.device) == (runtime.name, "WebAssembly, SIMD, 1 thread")
    assert info.versions["onnxruntime-web"] == "1.30.0"
    assert set(info.versions) == {"onnxruntime-web", place}


def test_outputs_have_onnx_names_dtypes_and_shapes(runtime, linear):
    model = runtime.load(linear)
    result = model.run({"x": X})
    model.close()
    assert list(result.outputs) == ["y", "top"]
    np.testing.assert_allclose(result.outputs["y"], X @ np.array([[1, -1], [0.5, 2]], np.float32), rtol=1e-6)
    np.testing.assert_array_equal(result.outputs["top"], np.array([1, 0, 0]), strict=True)
    assert model.load_ms > 0
    assert result.predict_ms > 0


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("float16", [1.5, -65504, np.inf]),
        ("float64", [1e300, -1 / 3, np.nan]),
        ("int64", [-(1 << 63), (1 << 63) - 1, 0]),
        ("uint64", [(1 << 64) - 1, 0, 1]),
        ("uint32", [(1 << 32) - 1, 0, 1]),
        ("int16", [-32768, 32767, 0]),
        ("uint16", [65535, 0, 1]),
        ("int8", [-128, 127, 0]),
        ("uint8", [255, 0, 1]),
        ("bool", [True, False, True]),
    ],
)
def test_every_dtype_comes_back_as_it_went(runtime, tmp_path, dtype, values):
    x = np.array(values, dtype)
    model = runtime.load(identity(dtype, tmp_path / "same.onnx"))
    y = model.run({"x": x}).outputs["y"]
    model.close()
    np.testing.assert_array_equal(y, x, strict=True)


def test_an_empty_batch_gives_empty_outputs(runtime, linear):
    model = runtime.load(linear)
    outputs = model.run({"x": np.zeros((0, 2), np.float32)}).outputs
    model.close()
    assert [array.shape for array in outputs.values()] == [(0, 2), (0,)]


def test_bench_runs_where_the_model_is(runtime, linear):
    model = runtime.load(linear)
    result = model.bench({"x": X}, 3)
    model.close()
    assert len(result.predict_ms) == 3
    assert (result.n_tensors, result.peak_bytes) == ((), None)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, r"the inputs are \[\], the model takes \['x'\]"),
        ({"x": X.astype(np.float64)}, "the array is float64, the model takes float32"),
        ({"x": np.ones((1, 3), np.float32)}, r"the shape is \(1, 3\), the model takes \(batch, 2\)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(runtime, linear, inputs, message):
    model = runtime.load(linear)
    with pytest.raises(ConverterError, match=message):
        model.run(inputs)
    model.close()


def test_strings_cannot_be_handed_over(runtime, tmp_path):
    with pytest.raises(UnsupportedError, match="y is of type string") as refused:
        runtime.load(saved(WORDS, tmp_path / "words.onnx"))
    assert refused.value.where == runtime.name


def test_a_model_that_fails_says_why(runtime, tmp_path):
    index = helper.make_tensor_value_info("i", TensorProto.INT64, ["n"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])
    table = helper.make_tensor("table", TensorProto.FLOAT, [2], [1, 2])
    graph = helper.make_graph([helper.make_node("Gather", ["table", "i"], ["y"])], "g", [index], [y], [table])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), tmp_path / "g.onnx")
    model = runtime.load(tmp_path / "g.onnx")
    with pytest.raises(ConverterError, match="indices element out of data bounds") as failed:
        model.run({"i": np.array([7])})
    assert (failed.value.where, failed.value.exit_code) == (runtime.name, 1)
    np.testing.assert_array_equal(model.run({"i": np.array([1])}).outputs["y"], [2])
    model.close()


@pytest.mark.parametrize("damage", ["missing", "folder", "no protobuf", "cut off"])
def test_what_is_no_model_is_refused(runtime, linear, damage):
    path = linear.with_name("damaged.onnx")
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes(b"no model" if damage == "no protobuf" else linear.read_bytes()[:-20])
    with pytest.raises(ConverterError) as refused:
        runtime.load(path)
    assert (refused.value.where, refused.value.exit_code) == (runtime.name, 1)
