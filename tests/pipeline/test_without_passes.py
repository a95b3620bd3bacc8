"""Each pass of the compiler can be left out, and the artifact says so."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from converter.config import resolve
from converter.errors import ConfigError
from converter.pipeline.bisect import bisect
from converter.pipeline.convert import convert
from converter.pipeline.stages import stages_of
from converter.pipeline.target import open_target
from converter.tfjs.passes import PASSES, REPAIRS
from tests.pipeline.conftest import n_bad_without

RUNTIMES = ("onnxruntime", "tfjs-wasm@node")
MODELS = {
    "mlp": """
<ir_version: 10, opset_import: ["" : 18]>
mlp (float[batch, 16] x) => (float[batch, 4] y)
{
    h = Gemm(x, w1, b1)
    a = Relu(h)
    s = MatMul(a, w2)
    y = Softmax<axis = -1>(s)
}
""",
    "cnn": """
<ir_version: 10, opset_import: ["" : 18]>
cnn (float[batch, 3, 8, 8] x) => (float[batch, 4] y, int64[batch] best)
{
    c1 = Conv<pads = [1, 1, 1, 1]>(x, k1)
    n1 = BatchNormalization(c1, scale, shift, mean, variance)
    a1 = Relu(n1)
    c2 = Conv<pads = [1, 1, 1, 1], group = 8>(a1, k2)
    a2 = Clip(c2, zero, six)
    same = Clip(c2, zero, six)
    both = Concat<axis = 1>(a2, same)
    m = GlobalAveragePool(both)
    f = Flatten(m)
    y = Gemm<transB = 1>(f, w3)
    best = ArgMax<axis = 1, keepdims = 0>(y)
}
""",
}
SHAPES = {
    "w1": (16, 32), "b1": (32,), "w2": (32, 4), "k1": (8, 3, 3, 3), "scale": (8,), "shift": (8,), "mean": (8,),
    "variance": (8,), "k2": (8, 1, 3, 3), "w3": (4, 16),
}  # fmt: skip


def written(name: str, folder: Path) -> Path:
    rng = np.random.default_rng(0)
    proto = parser.parse_model(MODELS[name])
    arrays = {key: rng.uniform(0.1, 1, shape).astype(np.float32) for key, shape in SHAPES.items()}
    arrays |= {"zero": np.array(0, np.float32), "six": np.array(6, np.float32)}
    read = {name for node in proto.graph.node for name in node.input}
    proto.graph.initializer.extend(numpy_helper.from_array(arrays[key], key) for key in sorted(read & arrays.keys()))
    onnx.save(proto, folder / f"{name}.onnx")
    return folder / f"{name}.onnx"


def converted(model: Path, root: Path, *without: str) -> Path:
    settings = {"name": model.stem, "model.checkpoint": model, "artifacts": root, "without_passes": without}
    return convert(resolve(None, settings), runtimes=RUNTIMES).folder


@pytest.fixture(scope="module", params=MODELS)
def artifact(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("without")
    return converted(written(request.param, folder), folder / "artifacts")


@pytest.mark.parametrize("name", PASSES)
def test_a_model_is_right_without_any_one_pass(artifact: Path, name: str, pool, tmp_path: Path) -> None:
    assert n_bad_without(artifact, [name], pool, tmp_path) == 0


def test_an_artifact_says_what_it_was_made_without(tmp_path: Path) -> None:
    folder = converted(written("mlp", tmp_path), tmp_path / "artifacts", "fuse-*", "dead-code")
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert manifest["config"]["without_passes"] == ["fuse-*", "dead-code"]
    assert manifest["config_sources"]["without_passes"] == "flag"
    nodes = json.loads((folder / "tfjs" / "model.json").read_bytes())["modelTopology"]["node"]
    assert "MatMul" in {node["op"] for node in nodes}
    left = {"fuse-bias-activation", "dead-code"}
    assert {one["stage"] for one in stages_of(folder)} == {"lowering", *PASSES} - left
    assert {one["stage"] for one in stages_of(folder, ["all"])} == {"lowering", *REPAIRS}
    target = open_target(folder)
    assert target.without_passes == left
    assert bisect(target, "tfjs-wasm@node").divergence is None


def test_a_pass_that_is_unknown_is_refused(tmp_path: Path) -> None:
    model = written("mlp", tmp_path)
    with pytest.raises(ConfigError, match="there is no pass fold") as refused:
        converted(model, tmp_path / "artifacts", "fold")
    assert "fold-constants" in str(refused.value.hint)
    assert not (tmp_path / "artifacts").exists()


def test_a_bisection_leaves_out_what_the_artifact_was_made_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = converted(written("mlp", tmp_path), tmp_path / "artifacts", "fuse-bias-activation")
    ran: list[str] = []
    run = PASSES["fuse-bias-activation"]
    monkeypatch.setitem(PASSES, "fuse-bias-activation", lambda graph: ran.append("fused") or run(graph))
    bisect(open_target(folder), "tfjs-wasm@node")
    assert ran == []
