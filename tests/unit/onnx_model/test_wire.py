from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from converter.errors import CheckpointError
from converter.onnx_model import load
from converter.onnx_model.wire import without_weights

RNG = np.random.default_rng(0)
WEIGHTS = {
    "large": RNG.normal(size=(64, 33)).astype(np.float32),
    "small": np.arange(4, dtype=np.float32),
    "few and wide": np.arange(700, dtype=np.float64),
    "halves": RNG.normal(size=5000).astype(np.float16),
    "flags": RNG.random(8192) > 0.5,
    "narrow": RNG.normal(size=4096).astype(ml_dtypes.bfloat16),
    "nibbles": (np.arange(20_000) % 16 - 8).astype(ml_dtypes.int4),
    "listed": np.arange(2000, dtype=np.int64),
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model with weights of every kind."""
    tensors = [numpy_helper.from_array(array, name) for name, array in WEIGHTS.items() if name != "listed"]
    listed = helper.make_tensor("listed", TensorProto.INT64, [2000], WEIGHTS["listed"].tolist())
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "kinds",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        [*tensors, listed],
    )
    path = tmp_path / "kinds.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    return path


def test_weights_stay_in_the_file_until_they_are_read(model: Path) -> None:
    loaded = load(model, mapped_bytes=0)
    kept = {tensor.name: numpy_helper.to_array(tensor) for tensor in loaded.proto.graph.initializer}
    assert set(kept) == {"small", "few and wide"}
    found = {**kept, **loaded.constants}
    for name, array in WEIGHTS.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array), name
    assert isinstance(loaded.constants["large"], np.memmap)
    assert not loaded.constants["large"].flags.writeable
    assert len(loaded.proto.SerializeToString()) < 10_000


def test_a_mapped_model_is_the_one_that_is_read(model: Path) -> None:
    mapped, read = load(model, mapped_bytes=0), load(model)
    assert mapped.proto == read.proto
    assert mapped.sha256 == read.sha256
    assert list(mapped.constants) == list(read.constants)


@pytest.mark.parametrize("n_bytes", [1, 100, 5_000, 20_000, 40_000])
def test_a_truncated_model_is_refused(model: Path, n_bytes: int) -> None:
    model.write_bytes(model.read_bytes()[:-n_bytes])
    with pytest.raises(CheckpointError):
        load(model, mapped_bytes=0)


def test_raw_data_of_another_length_is_refused(model: Path) -> None:
    proto = onnx.load(model)
    proto.graph.initializer[0].dims[0] = 63
    onnx.save(proto, model)
    with pytest.raises(CheckpointError, match="initializer 'large'"):
        load(model, mapped_bytes=0)


@pytest.mark.parametrize(
    "content",
    [b"\xff" * 40, b"\x3a\xff\xff\xff\xff\x7f", b"\x3b", b"\x38\x01", b"\x3a\x00\x3a\x00", b"\x3a\x02\x2a\x7f"],
    ids=["endless number", "too long", "group", "graph as a number", "two graphs", "inner too long"],
)
def test_what_no_exporter_writes_is_left_to_the_parser(content: bytes) -> None:
    assert without_weights(memoryview(content)) is None
