from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from converter.onnx_model import load, save

WEIGHTS = np.random.default_rng(0).normal(size=(40, 64)).astype(np.float32)
BIAS = np.random.default_rng(1).normal(size=64).astype(np.float32)
INDICES = np.arange(2000, dtype=np.int64) % 64


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A product, a sum and a selection, with weights that are large, small and whole numbers."""
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["product"]),
            helper.make_node("Add", ["product", "b"], ["sum"]),
            helper.make_node("Gather", ["sum", "i"], ["y"], axis=1),
        ],
        "parts",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 40])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2000])],
        [numpy_helper.from_array(array, name) for name, array in (("w", WEIGHTS), ("b", BIAS), ("i", INDICES))],
    )
    path = tmp_path / "given.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def computed(path: Path) -> np.ndarray:
    x = np.linspace(-1, 1, 80, dtype=np.float32).reshape(2, 40)
    result: np.ndarray = onnxruntime.InferenceSession(path).run(None, {"x": x})[0]
    return result


def test_a_model_is_one_file(model: Path, tmp_path: Path) -> None:
    assert save(load(model), tmp_path / "saved.onnx", {"b": "2", "a": "1"}) == [tmp_path / "saved.onnx"]
    assert np.array_equal(computed(tmp_path / "saved.onnx"), computed(model))
    saved = onnx.load(tmp_path / "saved.onnx")
    assert [(one.key, one.value) for one in saved.metadata_props] == [("a", "1"), ("b", "2")]


def test_many_weights_are_in_a_file_of_their_own(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "saved.onnx"
    assert save(load(model), path, one_file_bytes=20_000) == [path, tmp_path / "saved.onnx.data"]
    assert path.stat().st_size < 2000
    initializers = {one.name: one for one in onnx.load(path, load_external_data=False).graph.initializer}
    places = {
        name: {entry.key: entry.value for entry in one.external_data}
        for name, one in initializers.items()
        if one.data_location == TensorProto.EXTERNAL
    }
    assert sorted(places) == ["i", "w"]
    assert all(int(place["offset"]) % 4096 == 0 for place in places.values())
    assert {place["location"] for place in places.values()} == {"saved.onnx.data"}
    assert np.array_equal(computed(path), computed(model))


def test_what_was_apart_loads_again(model: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
    save(load(model), first, one_file_bytes=0)
    loaded = load(first)
    assert np.array_equal(loaded.constants["w"], WEIGHTS)
    assert np.array_equal(loaded.constants["i"], INDICES)
    save(loaded, second, one_file_bytes=0)
    data = [path.with_name(f"{path.name}.data").read_bytes() for path in (first, second)]
    assert data[0] == data[1]
    assert len(data[0]) % 4096 == 0


def test_types_that_onnx_packs_stay_inside(tmp_path: Path) -> None:
    narrow = np.arange(9000).astype(ml_dtypes.bfloat16)
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "narrow",
        [helper.make_tensor_value_info("x", TensorProto.BFLOAT16, [9000])],
        [helper.make_tensor_value_info("y", TensorProto.BFLOAT16, [9000])],
        [numpy_helper.from_array(narrow, "w")],
    )
    path = tmp_path / "narrow.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    assert save(load(path), tmp_path / "saved.onnx", one_file_bytes=0) == [tmp_path / "saved.onnx"]
    assert np.array_equal(load(tmp_path / "saved.onnx").constants["w"], narrow)
