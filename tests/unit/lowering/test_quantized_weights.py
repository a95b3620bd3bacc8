"""Quantized weights take one byte each in the file, and are transposed before the graph runs."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from converter.onnx_model import load_bytes
from converter.parity.compare import Tolerance, compare
from converter.pipeline.compile import compile_onnx, write_graph
from converter.runtimes.onnxruntime_ import OnnxRuntime
from converter.tfjs.verify import verify

RNG = np.random.default_rng(0)
OUT, IN, CLASSES = 32, 24, 64
FILTERS = RNG.integers(-128, 128, (OUT, IN, 3, 3)).astype(np.int8)
MATRIX = RNG.integers(0, 256, (OUT, CLASSES)).astype(np.uint8)
CONSTANTS = {
    "w": FILTERS,
    "w_scale": RNG.uniform(0.01, 0.02, OUT).astype(np.float32),
    "w_zero": np.zeros(OUT, dtype=np.int8),
    "x_scale": np.float32(0.02),
    "x_zero": np.uint8(128),
    "m": MATRIX,
    "m_scale": np.float32(0.03),
    "m_zero": np.uint8(120),
}


def with_pairs() -> bytes:
    """A network of QuantizeLinear and DequantizeLinear around floating-point operators."""
    return content(
        helper.make_node("QuantizeLinear", ["x", "x_scale", "x_zero"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "x_scale", "x_zero"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "w_scale", "w_zero"], ["wd"], axis=0),
        helper.make_node("Conv", ["xd", "wd"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["c"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("DequantizeLinear", ["m", "m_scale", "m_zero"], ["md"]),
        helper.make_node("MatMul", ["f", "md"], ["y"]),
    )


def with_integers() -> bytes:
    """The same weights in operators on integers, which a dynamically quantized model has."""
    return content(
        helper.make_node("DynamicQuantizeLinear", ["x"], ["xq", "s", "z"]),
        helper.make_node("ConvInteger", ["xq", "w", "z"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Cast", ["c"], ["cf"], to=TensorProto.FLOAT),
        helper.make_node("GlobalAveragePool", ["cf"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("DynamicQuantizeLinear", ["f"], ["fq", "fs", "fz"]),
        helper.make_node("MatMulInteger", ["fq", "m", "fz", "m_zero"], ["p"]),
        helper.make_node("Cast", ["p"], ["y"], to=TensorProto.FLOAT),
    )


def content(*nodes) -> bytes:
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "quantized",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", IN, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", CLASSES])],
        [numpy_helper.from_array(array, name) for name, array in CONSTANTS.items() if name in used],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()


@pytest.mark.parametrize("make", [with_pairs, with_integers])
def test_weights_stay_narrow_and_results_right(make, pool, tmp_path):
    compiled = compile_onnx(load_bytes(make(), where="net"), on_pass=lambda _, graph: verify(graph))
    files = write_graph(compiled, tmp_path)
    n_weights = FILTERS.size + MATRIX.size
    assert n_weights < sum(file.stat().st_size for file in files[1:]) < 1.2 * n_weights
    transposed = [node for node in compiled.graph.nodes.values() if node.op == "Transpose"]
    assert all(node.inputs[0].node not in compiled.graph.constants for node in transposed)
    assert len(transposed) == 1  # of the image
    feed = {"x": RNG.uniform(-2, 2, (2, IN, 8, 8)).astype(np.float32)}
    wanted = OnnxRuntime().load(make()).run(feed).outputs
    for runtime in ("tfjs-cpu@node", "tfjs-wasm@node"):
        model = pool.get(runtime).load(tmp_path)
        try:
            verdicts = compare(wanted, model.run(feed).outputs, Tolerance(1e-3, 1e-4))
        finally:
            model.close()
        assert [verdict for verdict in verdicts if verdict.bad] == []
