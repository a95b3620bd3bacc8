"""What Resize looks up is what onnxruntime looks up, for drawn sizes in every mode."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from converter.lowering.interpolation import Sampling, Scaling, matrix

COORDINATES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric")
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
KNOWN = [(7, 4), (7, 8), (11, 26), (3, 11), (14, 19), (19, 15), (26, 1)]  # where float32 rounds past an element
SAMPLINGS = [
    *(Sampling("nearest", coordinates, rounding) for coordinates in COORDINATES for rounding in ROUNDINGS),
    *(Sampling(mode, one, antialias=aa) for mode in ("linear", "cubic") for one in COORDINATES for aa in (False, True)),
]


def drawn_sizes() -> list[tuple[int, int]]:
    pairs = np.random.default_rng(0).integers(1, 33, (40, 2))
    return [*KNOWN, *((int(a), int(b)) for a, b in pairs if a != b)]


def resized(sampling: Sampling, n_in: int, n_out: int) -> np.ndarray:
    """The rows of an identity matrix, resized by onnxruntime: the weight of each element in each output."""
    attrs = {
        "mode": sampling.mode,
        "coordinate_transformation_mode": sampling.coordinates,
        "nearest_mode": sampling.nearest,
        "antialias": int(sampling.antialias),
    }
    sizes = numpy_helper.from_array(np.int64([n_in, 1, 1, n_out]), "sizes")
    graph = helper.make_graph(
        [helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], **attrs)],
        "resize",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [n_in, 1, 1, n_in])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [sizes],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.eye(n_in, dtype=np.float32).reshape(n_in, 1, 1, n_in)
    return session.run(None, {"x": x})[0].reshape(n_in, n_out).T


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
def test_weights_are_those_of_onnxruntime(sampling):
    atol = 0 if sampling.mode == "nearest" else 3e-5
    wrong = [
        (n_in, n_out)
        for n_in, n_out in drawn_sizes()
        if not np.allclose(
            matrix(sampling, Scaling(n_in, n_out, n_out / n_in)), resized(sampling, n_in, n_out), rtol=0, atol=atol
        )
    ]
    assert wrong == []
