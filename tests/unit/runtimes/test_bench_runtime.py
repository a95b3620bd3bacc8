"""What bench asks of the runtimes: many runs where the model is, and files as a server sends them."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from graph_models import linear

from converter.errors import ConverterError, InternalError
from converter.runtimes import RuntimePool
from converter.tfjs.builder import Builder
from converter.tfjs.graph import Graph, NameAllocator, TensorType
from converter.tfjs.write import write

X = {"x": np.arange(8, dtype=np.float32).reshape(2, 4)}
TFJS = ("tfjs-cpu@node", "tfjs-wasm@node", "tfjs-wasm@chromium", "tfjs-webgl@chromium", "tfjs-webgpu@chromium")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return linear().write(tmp_path / "linear")


@pytest.mark.parametrize("name", TFJS)
def test_many_runs_leave_nothing_behind(pool: RuntimePool, name: str, model: Path) -> None:
    runtime = pool.get(name)
    runtime.start()
    before = runtime.memory()["n_tensors"]
    loaded = runtime.load(model)
    inputs = {slot.name: next(iter(X.values())) for slot in loaded.inputs}
    expected = loaded.run(inputs).outputs
    found = loaded.bench(inputs, 5)
    assert len(found.predict_ms) == 5
    assert all(time_ms >= 0 for time_ms in found.predict_ms)
    assert len(set(found.n_tensors)) == 1
    assert found.peak_bytes >= runtime.memory()["size_bytes"] + next(iter(X.values())).nbytes
    assert found.heap_bytes is not None
    assert found.heap_bytes > 100_000
    if "-wasm@" in runtime.name:
        assert found.wasm_bytes is not None
        assert found.wasm_bytes > found.peak_bytes
    else:
        assert found.wasm_bytes is None
    for key, array in loaded.run(inputs).outputs.items():
        np.testing.assert_array_equal(array, expected[key])
    loaded.close()
    assert runtime.memory()["n_tensors"] == before


def test_an_output_that_is_a_weight_outlives_the_runs(pool: RuntimePool, tmp_path: Path) -> None:
    builder = Builder(Graph(), NameAllocator())
    x = builder.placeholder("x", TensorType("float32", (2, 4)))
    builder.output("y", builder.emit("Neg", x, name="neg")[0])
    builder.output("length", builder.constant(np.array([7], np.int32), name="length"))
    entries = [{"name": key, "dtype": "float32", "shape": None} for key in ("x", "y")]
    length = {"name": "length", "dtype": "int32", "shape": None}
    builder.graph.metadata = {"inputs": entries[:1], "outputs": [entries[1], length], "async": False}
    write(builder.graph, tmp_path, generator="test")
    loaded = pool.get("tfjs-wasm@node").load(tmp_path)
    assert len(set(loaded.bench(X, 3).n_tensors)) == 1
    np.testing.assert_array_equal(loaded.run(X).outputs["length"], [7])
    loaded.close()


def test_wrong_inputs_are_refused(pool: RuntimePool, model: Path) -> None:
    loaded = pool.get("tfjs-cpu@node").load(model)
    with pytest.raises(ConverterError, match=r"the model takes"):
        loaded.bench({"other": np.zeros(2, np.float32)}, 3)
    loaded.close()


def test_wire_sizes_are_those_of_compressed_files(tmp_path: Path) -> None:
    files = [tmp_path / "even.bin", tmp_path / "random.bin"]
    files[0].write_bytes(b"a" * 100_000)
    files[1].write_bytes(np.random.default_rng(0).bytes(100_000))
    with RuntimePool() as pool:  # nothing was started before
        even, random = pool.wire_sizes(files)
    assert even.raw == random.raw == 100_000
    assert even.brotli < even.gzip < 1000
    assert abs(even.gzip - len(gzip.compress(files[0].read_bytes(), 9))) < 50
    assert min(random.gzip, random.brotli) > 99_000


def test_a_file_that_is_missing_is_an_error(pool: RuntimePool, tmp_path: Path) -> None:
    with pytest.raises(InternalError, match=r"none\.bin"):
        pool.wire_sizes([tmp_path / "none.bin"])
