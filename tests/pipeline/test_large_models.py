import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from benchmarks.processes import run

WIDTH = 5120
N_LAYERS = 4
WEIGHTS_BYTES = 4 * WIDTH * WIDTH * N_LAYERS


def beside(name: str, offset: int, n_bytes: int) -> onnx.TensorProto:
    """A square weight that lies in a file beside the model."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[WIDTH, WIDTH])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "large.data", "offset": offset, "length": n_bytes}.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def large_model(folder: Path) -> Path:
    """A chain of products by weights that differ in a few numbers; all others are 0, and take no room on the disk."""
    n_bytes = WEIGHTS_BYTES // N_LAYERS
    data = np.memmap(folder / "large.data", np.float32, mode="w+", shape=(N_LAYERS, WIDTH, WIDTH))
    data[:, 0, 0] = range(1, N_LAYERS + 1)
    data.flush()
    values = ["x", *(f"v{index}" for index in range(N_LAYERS))]
    nodes = [helper.make_node("MatMul", [values[index], f"w{index}"], [values[index + 1]]) for index in range(N_LAYERS)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, WIDTH]) for name in (values[0], values[-1])]
    weights = [beside(f"w{index}", index * n_bytes, n_bytes) for index in range(N_LAYERS)]
    graph = helper.make_graph(nodes, "large", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    (folder / "large.onnx").write_bytes(model.SerializeToString())
    return folder / "large.onnx"


def test_a_large_model_needs_little_more_memory_than_its_weights() -> None:
    with tempfile.TemporaryDirectory() as folder:  # which, other than pytest's, isn't kept
        command = [
            sys.executable,
            "-m",
            "converter",
            "convert",
            str(large_model(Path(folder))),
            "--no-verify",
            "--quiet",
        ]
        took = run([*command, "--artifacts", f"{folder}/artifacts"])
        sizes = [shard.stat().st_size for shard in Path(folder, "artifacts").rglob("*.bin")]
    assert took.status == 0
    assert sum(sizes) >= WEIGHTS_BYTES
    assert took.peak_bytes < 1.3 * WEIGHTS_BYTES + 300e6
