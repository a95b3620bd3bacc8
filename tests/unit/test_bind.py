from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import parser

from converter.config import resolve
from converter.errors import ConfigError
from converter.pipeline.bind import bound
from converter.pipeline.compile import compile_onnx
from converter.pipeline.events import silent
from converter.pipeline.source import Source, open_source

MODEL = """
<ir_version: 10, opset_import: ["" : 18]>
scaled (float[batch, n] x, int64 rate, int64[1] gain) => (float[batch, n] y)
{
    r = Cast<to = 1>(rate)
    g = Cast<to = 1>(gain)
    h = Mul(x, r)
    y = Mul(h, g)
}
"""


@pytest.fixture
def source(tmp_path: Path) -> Source:
    onnx.save(parser.parse_model(MODEL), tmp_path / "m.onnx")
    return open_source(resolve(None, {"name": "m", "model.checkpoint": tmp_path / "m.onnx"}), emit=silent)


def test_dimensions_become_numbers(source: Source) -> None:
    shapes = {spec.name: spec.shape for spec in bound(source, {"batch": 2}).inputs}
    assert shapes == {"x": (2, "n"), "rate": (), "gain": (1,)}


def test_inputs_of_one_number_become_constants(source: Source) -> None:
    fixed = bound(source, {"rate": 16000, "gain": 3})
    assert [spec.name for spec in fixed.inputs] == ["x"]
    graph = compile_onnx(fixed.onnx).graph
    assert list(graph.inputs) == ["x"]
    constants = [array.item() for array in graph.constants.values() if array.dtype == np.float32]
    assert sorted(constants) == [3, 16000]


def test_the_source_is_left_as_it_was(source: Source) -> None:
    bound(source, {"rate": 1})
    assert [spec.name for spec in source.inputs] == ["x", "rate", "gain"]
    assert list(compile_onnx(source.onnx).graph.inputs) == ["x", "rate", "gain"]


def test_nothing_bound_is_the_same_source(source: Source) -> None:
    assert bound(source, {}) == source


def test_unknown_name_is_refused(source: Source) -> None:
    with pytest.raises(ConfigError, match="no input has a dimension named x") as caught:
        bound(source, {"x": 1})
    assert caught.value.where == "--bind"
    assert "batch, n" in caught.value.hint
    assert "gain, rate" in caught.value.hint
