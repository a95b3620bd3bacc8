import numpy as np
import onnxruntime
from onnx import parser

from converter.onnx_model import folded, load_bytes, whole
from converter.onnx_model.bind import with_shapes
from converter.onnx_model.load import LoadedOnnx

PADDED = """
<ir_version: 8, opset_import: ["" : 12]>
padded (float[batch, 2] x) => (float[batch, width] y)
{
    pads = Constant<value = int64[4] {0, 1, 0, 2}>()
    largest = Constant<value = int64[1] {9223372036854775807}>()
    start = Constant<value = int64[1] {0}>()
    same = Slice(pads, start, largest)
    y = Pad(x, same)
}
"""


def loaded(text: str) -> LoadedOnnx:
    return load_bytes(parser.parse_model(text).SerializeToString(), where="test")


def run(model: LoadedOnnx, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(whole(model).SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def test_what_no_input_decides_is_a_constant() -> None:
    before, after = loaded(PADDED), folded(loaded(PADDED))
    assert [node.op_type for node in after.proto.graph.node] == ["Pad"]
    assert [opset.version for opset in after.proto.opset_import] == [12]
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_array_equal(run(after, x), run(before, x))


def test_large_weights_stay_weights() -> None:
    weight = ", ".join(["0.5"] * 2048)
    text = f"""
    <ir_version: 8, opset_import: ["" : 12]>
    wide (float[batch, 2] x) => (float[batch, 1024] y)
    <float[2, 1024] w = {{{weight}}}>
    {{ y = MatMul(x, w) }}
    """
    after = folded(loaded(text))
    assert [(name, array.shape) for name, array in after.constants.items()] == [("w", (2, 1024))]
    x = np.ones((1, 2), np.float32)
    np.testing.assert_array_equal(run(after, x), np.ones((1, 1024), np.float32))


def test_declared_shapes_are_written_into_the_model() -> None:
    model = with_shapes(loaded(PADDED), {"x": (4, 2)})
    (value,) = model.proto.graph.input
    assert [dim.dim_value for dim in value.type.tensor_type.shape.dim] == [4, 2]
    assert not model.proto.graph.output[0].type.tensor_type.HasField("shape")
