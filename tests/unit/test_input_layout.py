from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import parser

from converter.config import resolve
from converter.errors import ConfigError
from converter.pipeline.compile import compile_onnx
from converter.pipeline.events import silent
from converter.pipeline.layout import in_layout
from converter.pipeline.source import Source, open_source

HEAD = '<ir_version: 10, opset_import: ["" : 18]>\n'
MODEL = (
    HEAD
    + """
seen (float[batch, 3, height, 5] x, float[batch, 2] z, bool flag) => (float[batch, 1, oh, ow] y, float[batch, 2] w)
<float[1, 3, 2, 2] k = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}>
{
    c = Conv(x, k)
    y = If (flag) <
        then_branch = yes () => (float[batch, 1, oh, ow] then_y) { m = ReduceMean<keepdims = 1>(x) then_y = Add(c, m) },
        else_branch = no () => (float[batch, 1, oh, ow] else_y) { n = Neg(c) else_y = Exp(n) }
    >
    w = Identity(z)
}
"""
)


def opened(tmp_path: Path, text: str, **settings: object) -> Source:
    onnx.save(parser.parse_model(text), tmp_path / "m.onnx")
    flags = {"name": "m", "model.checkpoint": tmp_path / "m.onnx", **settings}
    return open_source(resolve(None, flags), emit=silent)


@pytest.mark.parametrize("flag", [True, False])
def test_images_are_taken_channels_last_and_nothing_else_changes(tmp_path: Path, flag: bool) -> None:
    source = opened(tmp_path, MODEL)
    turned = in_layout(source, "nhwc")
    shapes = {spec.name: spec.shape for spec in turned.inputs}
    assert shapes == {"x": ("batch", "height", 5, 3), "z": ("batch", 2), "flag": ()}
    onnx.checker.check_model(turned.onnx.proto, full_check=True)
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    rest = {"z": np.ones((2, 2), np.float32), "flag": np.array(flag)}
    was, now = (onnxruntime.InferenceSession(one.onnx.proto.SerializeToString()) for one in (source, turned))
    expected = was.run(None, {"x": x, **rest})
    found = now.run(None, {"x": np.ascontiguousarray(x.transpose(0, 2, 3, 1)), **rest})
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)
    assert source.inputs[0].shape == ("batch", 3, "height", 5)


def test_a_network_of_convolutions_needs_no_transpose_of_its_input(tmp_path: Path) -> None:
    text = HEAD + "g (float[n, 3, 4, 5] x) => (float[n, 2] y) "
    text += "<float[2, 3, 1, 1] k = {1, 2, 3, 4, 5, 6}, int64[2] a = {2, 3}> "
    text += "{ c = Conv(x, k) r = Relu(c) y = ReduceMax<keepdims = 0>(r, a) }"
    source = opened(tmp_path, text)
    assert compile_onnx(source.onnx).graph.count_ops()["Transpose"] == 1
    assert "Transpose" not in compile_onnx(in_layout(source, "nhwc").onnx).graph.count_ops()


def test_as_the_model_has_them(tmp_path: Path) -> None:
    source = opened(tmp_path, MODEL)
    assert in_layout(source, "model") is source


@pytest.mark.parametrize(
    ("text", "inputs", "what"),
    [
        pytest.param(
            "g (float[n, 3] x) => (float[n, 3] y) { y = Exp(x) }", [], "no input of four dimensions", id="rows",
        ),
        pytest.param(
            "g (float[n, 3, 4, 5] x) => (float[n, 3, 4, 5] x, float[n, 3, 4, 5] y) { y = Exp(x) }", [],
            "'x' is an output as well", id="handed-on",
        ),
        pytest.param(
            "g (float[n, 3, 4, 2] x) => (float[n, 3, 4, 2] y) { y = Exp(x) }",
            [{"name": "x", "shape": ["n", 3, 4, 2], "low": [0, 1], "high": 2}], "a bound for each entry", id="bounds",
        ),
    ],
)  # fmt: skip
def test_what_can_not_be_taken_channels_last(tmp_path: Path, text: str, inputs: list[object], what: str) -> None:
    with pytest.raises(ConfigError, match=what) as caught:
        in_layout(opened(tmp_path, HEAD + text, inputs=inputs), "nhwc")
    assert caught.value.hint
