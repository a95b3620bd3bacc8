import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper, parser

from converter.cli import main

MLP = """
<ir_version: 10, opset_import: ["" : 18]>
mlp (float[batch, 3] x) => (float[batch, 2] y)
<float[3, 2] w = {0.5, -0.25, 1.0, 2.0, -1.5, 0.75}, float[2] b = {0.1, -0.2}>
{
    h = MatMul(x, w)
    s = Add(h, b)
    y = Sigmoid(s)
}
"""

UNSUPPORTED = """
<ir_version: 10, opset_import: ["" : 18]>
words (float[n] x) => (string[n] y, string[n] z)
{
    text = Cast<to = 8>(x)
    y = StringNormalizer(text)
    z = StringNormalizer<case_change_action = "UPPER">(text)
}
"""


@dataclass(frozen=True)
class Run:
    """What a command line gave."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


Cli = Callable[..., Run]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command line in this process."""

    def run(*arguments: str | Path) -> Run:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Run(code, captured.out, captured.err)

    return run


@pytest.fixture
def mlp(tmp_path: Path) -> Path:
    """A small ONNX model with a dynamic batch."""
    path = tmp_path / "mlp.onnx"
    onnx.save(parser.parse_model(MLP), path)
    return path


@pytest.fixture
def rounding(tmp_path: Path) -> Path:
    """An ONNX model of one product, whose sums are rounded otherwise in another order."""
    weights = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")],
        "rounding",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", 64])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", 64])],
        [numpy_helper.from_array(weights, "w")],
    )
    path = tmp_path / "rounding.onnx"
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)]), path)
    return path


@pytest.fixture
def unsupported(tmp_path: Path) -> Path:
    """An ONNX model that TF.js can't express."""
    path = tmp_path / "words.onnx"
    onnx.save(parser.parse_model(UNSUPPORTED), path)
    return path
