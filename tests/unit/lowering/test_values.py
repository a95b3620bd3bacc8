import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, parser

from converter.errors import UnsupportedError
from converter.lowering.values import storable
from converter.onnx_model import load_bytes
from converter.pipeline.compile import compile_onnx

WEIGHTS = (np.arange(4096) % 8).reshape(64, 64)


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [
        ("int4", "int8"),
        ("uint4", "int8"),
        ("int2", "int8"),
        ("uint2", "int8"),
        ("int8", "int8"),
        ("int64", "int32"),
        ("float4_e2m1fn", "float16"),
        ("float8_e4m3fn", "float16"),
        ("float8_e5m2fnuz", "float16"),
        ("float6_e3m2fn", "float16"),
        ("float8_e8m0fnu", "float32"),
        ("bfloat16", "float32"),
        ("float64", "float32"),
    ],
)
def test_constants_are_stored_as_narrow_as_their_values_allow(dtype, stored):
    array = np.float64([1, 0.5, 1]).astype(getattr(ml_dtypes, dtype, dtype))
    result = storable(array, "w")
    assert result.dtype.name == stored
    assert np.array_equal(result.astype(np.float64), array.astype(np.float64))


@pytest.mark.parametrize("value", [1 << 31, -(1 << 31) - 1])
def test_integers_beyond_int32_are_refused(value):
    with pytest.raises(UnsupportedError, match="doesn't fit int32") as refused:
        storable(np.array([0, value]), "w")
    assert refused.value.where == "constant 'w'"


def test_real_numbers_beyond_float32_are_refused_and_infinity_is_not():
    with pytest.raises(UnsupportedError, match="doesn't fit float32"):
        storable(np.array([1e39]), "w")
    assert storable(np.array([np.inf]), "w").tolist() == [np.inf]


@pytest.mark.parametrize("dtype", [ml_dtypes.int4, ml_dtypes.uint4])
def test_weights_of_a_few_bits_stay_at_a_byte_in_the_graph(dtype):
    graph = parser.parse_graph(
        """g (float[batch, 64] X) => (float[batch, 64] Y) <float s = {0.5}>
        { w = DequantizeLinear(W, s) Y = MatMul(X, w) }"""
    )
    graph.initializer.append(numpy_helper.from_array(WEIGHTS.astype(dtype), "W"))
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 25)])
    compiled = compile_onnx(load_bytes(proto.SerializeToString(), where="net"))
    (weights,) = (array for array in compiled.graph.constants.values() if array.size == WEIGHTS.size)
    assert weights.dtype == np.int8
    assert np.array_equal(weights, WEIGHTS)


def test_text_is_cast_only_where_it_is_known():
    known = parser.parse_graph(
        """g (float[2] X) => (float[2] Y) { t = Constant<value_strings = ["1.5", "-INF"]>() n = Cast<to = 1>(t)
        Y = Add(X, n) }"""
    )
    proto = helper.make_model(known, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    compiled = compile_onnx(load_bytes(proto.SerializeToString(), where="net"))
    assert [-np.inf, 1.5] in [sorted(array.ravel().tolist()) for array in compiled.graph.constants.values()]
    unknown = helper.make_graph(
        [helper.make_node("Cast", ["T"], ["Y"], to=TensorProto.FLOAT)],
        "g",
        [helper.make_tensor_value_info("T", TensorProto.STRING, [2])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [2])],
    )
    proto = helper.make_model(unknown, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    with pytest.raises(UnsupportedError, match="can't cast string to float32") as refused:
        compile_onnx(load_bytes(proto.SerializeToString(), where="net"))
    assert "outside the model" in refused.value.hint
