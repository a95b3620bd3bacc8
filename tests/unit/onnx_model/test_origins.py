import numpy as np
import pytest
from onnx import TensorProto as T
from onnx import helper, numpy_helper

from converter.onnx_model import load_bytes
from converter.onnx_model.origins import IndexOutput, float16_outputs, index_outputs

N = helper.make_node


def loaded(nodes, outputs, weights=(), dtype=T.FLOAT):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", dtype, [2, 6])],
        [helper.make_tensor_value_info(name, code, None) for name, code in outputs.items()],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return load_bytes(model.SerializeToString(), where="test")


def test_indices_are_found_through_what_only_reshapes_them():
    nodes = [
        N("Relu", ["x"], ["r"]),
        N("TopK", ["r", "k"], ["values", "places"], axis=1),
        N("Squeeze", ["places", "axes"], ["squeezed"]),
        N("Cast", ["squeezed"], ["y"], to=T.INT32),
        N("ArgMax", ["x"], ["a"], axis=-1),
        N("ArgMin", ["r"], ["b"]),
        N("Add", ["b", "one"], ["c"]),
    ]
    weights = [("k", np.int64([1])), ("axes", np.int64([1])), ("one", np.int64(1))]
    model = loaded(nodes, {"y": T.INT32, "values": T.FLOAT, "a": T.INT64, "b": T.INT64, "c": T.INT64}, weights)
    assert index_outputs(model) == {"y": IndexOutput("r", 1), "a": IndexOutput("x", -1), "b": IndexOutput("r", 0)}


HALF, SINGLE = np.float16([1, 2, 3, 4, 5, 6]), np.float32(0.5)
GRAPHS = {
    "round-trip": (
        [N("Cast", ["x"], ["h"], to=T.FLOAT16), N("Cast", ["h"], ["f"], to=T.FLOAT), N("Relu", ["f"], ["y"])],
        True,
    ),
    "weights-only": ([N("Cast", ["w"], ["f"], to=T.FLOAT), N("Add", ["x", "f"], ["y"])], False),
    "weights-rounded-once": (
        [N("Cast", ["s"], ["h"], to=T.FLOAT16), N("Cast", ["h"], ["f"], to=T.FLOAT), N("Mul", ["x", "f"], ["y"])],
        False,
    ),
    "shape-only": (
        [N("Cast", ["x"], ["h"], to=T.FLOAT16), N("Shape", ["h"], ["n"]), N("Reshape", ["x", "n"], ["y"])],
        False,
    ),
    "half-arithmetic": (
        [
            N("Cast", ["x"], ["h"], to=T.FLOAT16),
            N("Add", ["h", "w"], ["t"]),
            N("Cast", ["t"], ["y"], to=T.FLOAT),
        ],
        True,
    ),
}


@pytest.mark.parametrize(("nodes", "is_rounded"), GRAPHS.values(), ids=GRAPHS)
def test_outputs_that_were_rounded_to_float16_are_found(nodes, is_rounded):
    model = loaded([*nodes, N("Neg", ["x"], ["z"])], {"y": T.FLOAT, "z": T.FLOAT}, [("w", HALF), ("s", SINGLE)])
    assert float16_outputs(model) == ({"y"} if is_rounded else set())


def test_an_input_of_float16_rounds_nothing_by_itself():
    assert float16_outputs(loaded([N("Cast", ["x"], ["y"], to=T.FLOAT)], {"y": T.FLOAT}, dtype=T.FLOAT16)) == set()
    nodes = [N("Relu", ["x"], ["r"]), N("Cast", ["r"], ["y"], to=T.FLOAT)]
    assert float16_outputs(loaded(nodes, {"y": T.FLOAT}, dtype=T.FLOAT16)) == {"y"}
