"""Indices of ties pass verification, and indices of smaller values do not."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper, numpy_helper

from converter.config import ParitySection
from converter.parity.agreement import Agreement
from converter.parity.inputs import Sample
from converter.parity.run import Candidate, check_parity
from converter.pipeline.prove import reference_of
from converter.runtimes.base import RunResult, RuntimeInfo
from converter.runtimes.onnxruntime_ import OnnxRuntime

AGREEMENT = Agreement.of(ParitySection())


class Choosing:
    """Gives its own indices."""

    name, load_ms = "choosing", 0.0

    def __init__(self, indices):
        self.indices = np.array(indices, np.int64)

    def start(self):
        return RuntimeInfo(self.name, {}, "cpu")

    def load(self, model):
        return self

    def run(self, inputs):
        return RunResult({"places": self.indices}, 0.0)

    def close(self):
        pass


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The places of the two largest of 2 * x."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "two"], ["d"]), helper.make_node("TopK", ["d", "k"], ["", "places"])],
        "g",
        [helper.make_tensor_value_info("x", T.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("places", T.INT64, ["n", 2])],
        [numpy_helper.from_array(np.float32(2), "two"), numpy_helper.from_array(np.array([2]), "k")],
    )
    graph.node[1].output[0] = "unused"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


@pytest.mark.parametrize(
    ("row", "indices", "status"),
    [
        ([0, 0, 0, 0], [3, 1], "passed"),
        ([0, 0, 0, 0], [1, 1], "failed"),
        ([1, 5, 5, 3], [2, 1], "passed"),
        ([1, 5, 5, 3], [2, 3], "failed"),
        ([1, 5, 5 - 1e-3, 3], [2, 1], "failed"),
    ],
)
def test_only_the_indices_of_equal_values_pass(model, row, indices, status):
    samples = [Sample("one", {"x": np.float32([row])})]
    reference = reference_of(OnnxRuntime(), model, samples, AGREEMENT, emit=lambda event: None)
    report = check_parity(reference, [Candidate(Choosing([indices]), model)], samples, AGREEMENT)
    assert report.runtimes[0].status == status
