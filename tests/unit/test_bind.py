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


UNNAMED = """
<ir_version: 10, opset_import: ["" : 18]>
unnamed (float[?, ?, seq] x, float[2, ?, 4] state, float[?, 4] a_b) => (float[?, 4] y, float[?, ?] z)
{
    y = Add(a_b, a_b)
    axis = Constant<value = int64[1] {2}>()
    z = ReduceSum<keepdims = 0>(x, axis)
}
"""


def opened(tmp_path: Path, model: onnx.ModelProto) -> Source:
    onnx.save(model, tmp_path / "m.onnx")
    return open_source(resolve(None, {"name": "m", "model.checkpoint": tmp_path / "m.onnx"}), emit=silent)


def shapes_of(source: Source) -> dict[str, tuple[int | str, ...]]:
    return {spec.name: spec.shape for spec in source.inputs}


def test_dimensions_without_a_name_are_different_in_every_input(tmp_path: Path) -> None:
    source = opened(tmp_path, parser.parse_model(UNNAMED))
    assert shapes_of(source) == {
        "x": ("x_dim_0", "x_dim_1", "seq"), "state": (2, "state_dim_1", 4), "a_b": ("a_b_dim_0", 4)
    }  # fmt: skip
    fixed = bound(source, {"x_dim_1": 576, "a_b_dim_0": 1})
    assert shapes_of(fixed) == {"x": ("x_dim_0", 576, "seq"), "state": (2, "state_dim_1", 4), "a_b": (1, 4)}


def test_names_that_become_alike_stay_apart(tmp_path: Path) -> None:
    model = parser.parse_model(UNNAMED)
    shapes = {"x": ["s-1", "s+1", None], "state": ["s-1", "a_b_dim_0", 4], "a/b": [None, 4]}
    for info, (name, dims) in zip(model.graph.input, shapes.items(), strict=True):
        info.CopyFrom(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, dims))
    model.graph.node[0].input[:] = ["a/b", "a/b"]
    assert shapes_of(opened(tmp_path, model)) == {
        "x": ("s_1", "s_1_", "x_dim_2"), "state": ("s_1", "a_b_dim_0", 4), "a/b": ("a_b_dim_0_", 4)
    }  # fmt: skip


def test_unknown_name_is_refused(source: Source) -> None:
    with pytest.raises(ConfigError, match="no input has a dimension named x") as caught:
        bound(source, {"x": 1})
    assert caught.value.where == "--bind"
    assert "batch, n" in caught.value.hint
    assert "gain, rate" in caught.value.hint
