import hashlib
import os
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from converter.errors import CheckpointError
from converter.onnx_model import load, load_bytes, save

WEIGHTS = np.arange(2048, dtype=np.float32).reshape(4, 512)


def model(**changes: str) -> onnx.ModelProto:
    """Y = X @ W with W stored beside the model, its `external_data` entries overridden by `changes`."""
    tensor = TensorProto(name="W", data_type=TensorProto.FLOAT, dims=WEIGHTS.shape, data_location=TensorProto.EXTERNAL)
    entries = {"location": "weights.bin", "offset": "0", "length": str(WEIGHTS.nbytes), **changes}
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["X", "W"], ["Y"], name="product", doc_string="/secret/place/net.py:12")],
        "net",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, ["batch", 512])],
        [tensor],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def write(folder: Path, **changes: str) -> Path:
    (folder / "weights.bin").write_bytes(WEIGHTS.tobytes())
    path = folder / "model.onnx"
    path.write_bytes(model(**changes).SerializeToString())
    return path


def test_external_data_beside_the_model_is_read(tmp_path: Path) -> None:
    path = write(tmp_path)
    loaded = load(path)
    assert np.array_equal(loaded.constants["W"], WEIGHTS)
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param({"location": "../weights.bin"}, "outside the model's folder", id="parent"),
        pytest.param({"location": "/etc/passwd"}, "outside the model's folder", id="absolute"),
        pytest.param({"location": "a\\b"}, "outside the model's folder", id="backslash"),
        pytest.param({"location": ""}, "outside the model's folder", id="empty"),
        pytest.param({"location": "nowhere.bin"}, "No such file", id="missing"),
        pytest.param({"location": "."}, "no regular file", id="folder"),
        pytest.param({"length": "100"}, "shorter than the model says", id="length"),
        pytest.param({"offset": "8"}, "shorter than the model says", id="past-the-end"),
        pytest.param({"offset": "-8"}, "shorter than the model says", id="negative-offset"),
        pytest.param({"offset": "many"}, "invalid literal", id="offset-is-text"),
    ],
)
def test_external_data_that_is_unsafe_is_refused(tmp_path: Path, changes: dict[str, str], complaint: str) -> None:
    with pytest.raises(CheckpointError, match=complaint) as caught:
        load(write(tmp_path, **changes))
    assert "'W'" in caught.value.where
    assert caught.value.hint


@pytest.mark.parametrize("dtype", [ml_dtypes.int4, ml_dtypes.uint2, ml_dtypes.float8_e4m3fn, ml_dtypes.bfloat16])
def test_narrow_external_data_is_unpacked(tmp_path: Path, dtype: type) -> None:
    weights = (np.arange(2043) % 4).astype(dtype).reshape(3, 681)
    tensor = numpy_helper.from_array(weights, "W")
    (tmp_path / "weights.bin").write_bytes(b"before" + tensor.raw_data)
    entries = {"location": "weights.bin", "offset": "6", "length": str(len(tensor.raw_data))}
    loaded = load(save_with(tmp_path, tensor.data_type, (3, 681), entries))
    assert loaded.constants["W"].dtype == weights.dtype
    assert np.array_equal(loaded.constants["W"], weights)


def test_external_data_of_strings_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(range(64)))
    path = save_with(tmp_path, TensorProto.STRING, (8,), {"location": "weights.bin", "offset": "0", "length": "64"})
    with pytest.raises(CheckpointError, match="can't hold this type") as caught:
        load(path)
    assert "'W'" in caught.value.where


def save_with(folder: Path, data_type: int, dims: tuple[int, ...], entries: dict[str, str]) -> Path:
    """Y = W, with W stored beside the model."""
    tensor = TensorProto(name="W", data_type=data_type, dims=dims, data_location=TensorProto.EXTERNAL)
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    graph = helper.make_graph(
        [helper.make_node("Identity", ["W"], ["Y"])],
        "net",
        [],
        [helper.make_tensor_value_info("Y", data_type, dims)],
        [tensor],
    )
    path = folder / "model.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 25)]).SerializeToString())
    return path


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_external_data_behind_a_link_is_refused(tmp_path: Path, link) -> None:
    path = write(tmp_path)
    (tmp_path / "weights.bin").rename(tmp_path / "secret.bin")
    link(tmp_path / "secret.bin", tmp_path / "weights.bin")
    with pytest.raises(CheckpointError, match="is a link"):
        load(path)


def test_external_data_of_a_model_without_a_folder_is_refused() -> None:
    with pytest.raises(CheckpointError, match="refers to external data"):
        load_bytes(model().SerializeToString(), where="stdin")


@pytest.mark.parametrize(
    "content",
    [b"", b"not ONNX at all", b"\x08", model().SerializeToString()[:-40]],
    ids=["empty", "text", "one-byte", "truncated"],
)
def test_what_is_no_onnx_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path)
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        load(path)
    assert str(path) in caught.value.where


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="No such file"):
        load(tmp_path / "nowhere.onnx")


def test_a_file_that_was_saved_is_whole_and_tells_nothing(tmp_path: Path) -> None:
    loaded = load(write(tmp_path))
    loaded.proto.metadata_props.add(key="source", value="/secret/place")
    loaded.proto.graph.node[0].metadata_props.add(key="pkg.torch.onnx.stack_trace", value="File /secret/place")
    save(loaded, tmp_path / "saved.onnx")
    content = (tmp_path / "saved.onnx").read_bytes()
    assert b"/secret/place" not in content
    saved = onnx.load_model_from_string(content)
    onnx.checker.check_model(saved, full_check=True)
    assert [info.name for info in saved.graph.input] == ["X"]
    assert np.array_equal(numpy_helper.to_array(saved.graph.initializer[0]), WEIGHTS)
    save(load(tmp_path / "saved.onnx"), tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == content


def test_equal_wildcards_are_not_equal_sizes(tmp_path: Path) -> None:
    proto = model()
    for info in (*proto.graph.input, *proto.graph.output):
        info.type.tensor_type.shape.dim[0].dim_param = "?"
    (tmp_path / "weights.bin").write_bytes(WEIGHTS.tobytes())
    loaded = load_bytes(proto.SerializeToString(), where="m", folder=tmp_path)
    assert not loaded.proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param
