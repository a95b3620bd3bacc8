import json
from pathlib import Path

import pytest
from onnx import parser, save

from converter.artifact.store import open_artifact
from converter.cli import main
from tests.chain.conftest import Source

SIX = ("torch", "onnxruntime", "saved-model", "tfjs-cpu@node", "tfjs-wasm@node", "tfjs-webgl@chromium")
MODELS = ("mlp", "cnn", "compatibility", "crepe")
ODD = """
<ir_version: 8, opset_import: ["" : 12]>
odd (int64[batch] index, float[batch, 3] x, bool[batch] is_on)
    => (int64[batch] next, float[batch, 3] y, bool[batch] off)
<int64[1] one = {1}>
{
    next = Add(index, one)
    y = Relu(x)
    off = Not(is_on)
}
"""
MEAN_OF_18 = """
<ir_version: 8, opset_import: ["" : 18]>
mean (float[batch, 3] x) => (float[batch, 1] y)
<int64[1] axes = {1}>
{ y = ReduceMean(x, axes) }
"""
TOO_LARGE = """
<ir_version: 8, opset_import: ["" : 12]>
large (int64[batch] x) => (int64[batch] y)
<int64[1] most = {5000000000}>
{ y = Add(x, most) }
"""


def onnx_file(folder: Path, text: str, **names: str) -> Path:
    """A model from its text, with other names for some of its inputs and outputs."""
    model = parser.parse_model(text)
    for value in (*model.graph.input, *model.graph.output):
        value.name = names.get(value.name, value.name)
    for node in model.graph.node:
        for places in (node.input, node.output):
            places[:] = [names.get(name, name) for name in places]
    path = folder / f"{model.graph.name}.onnx"
    save(model, path)
    return path


def convert(arguments: list[str], artifacts: Path, *flags: str) -> int:
    return main(["convert", *arguments, "--artifacts", str(artifacts), *flags])


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("artifacts")


@pytest.mark.parametrize("name", MODELS)
def test_model_is_right_in_six_runtimes(name: str, source: Source, artifacts: Path) -> None:
    flags = ["--engine", "onnx-tf", "--runtimes", ",".join(SIX), "--quiet"]
    assert convert(source(name), artifacts, *flags, *(["--batches", "2"] if name == "crepe" else [])) == 0
    artifact = open_artifact(artifacts / name / "0.1.0")
    parity = json.loads((artifact.folder / "parity.json").read_bytes())
    assert parity["reference"]["name"] == "torch"
    assert {one["name"]: one["status"] for one in parity["runtimes"]} == dict.fromkeys(SIX[1:], "passed")
    assert all(one["outputs"][0]["compared"] > 0 for one in parity["runtimes"])
    manifest = artifact.manifest
    assert manifest.engine == "onnx-tf"
    assert {"onnx-tf", "tensorflow-cpu", "tensorflowjs"} <= manifest.toolchain.keys()
    assert [(one.name, one.parent and one.parent.format) for one in manifest.formats][:4] == [
        ("checkpoint", None),
        ("onnx", "checkpoint"),
        ("saved-model", "onnx"),
        ("tfjs", "saved-model"),
    ]


def test_same_source_gives_the_same_bytes(source: Source, artifacts: Path, tmp_path: Path) -> None:
    assert convert(source("mlp"), tmp_path, "--engine", "onnx-tf", "--no-verify", "--quiet") == 0
    first, again = (open_artifact(root / "mlp" / "0.1.0").manifest.formats for root in (artifacts, tmp_path))
    assert [one.name for one in first] == ["checkpoint", "onnx", "saved-model", "tfjs"]
    assert again == first


def test_published_model_is_proved_again_and_shown(
    artifacts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(artifacts / "cnn" / "0.1.0")
    page = tmp_path / "report.html"
    assert main(["verify", folder, "--runtimes", "saved-model,tfjs-cpu@node", "--report", str(page), "--json"]) == 0
    (saved, tfjs) = json.loads(capsys.readouterr().out)["parity"]["runtimes"]
    assert [saved["name"], saved["status"], tfjs["status"]] == ["saved-model", "passed", "passed"]
    assert "SavedModel" in page.read_text(encoding="utf-8")
    assert main(["inspect", folder, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ops"]["Transpose"] > 0
    assert main(["diff", folder, folder, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["is_same"] is True
    assert main(["bisect", folder, "--runtime", "tfjs-cpu@node"]) == 2
    assert "is the work of the engine onnx-tf" in capsys.readouterr().err


def test_both_engines_are_held_against_each_other(
    source: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--engine", "both", "--runtimes", "tfjs-cpu@node,tfjs-wasm@node", "--json"]
    assert convert(source("cnn"), tmp_path, *flags) == 0
    document = json.loads(capsys.readouterr().out)
    direct, chain = document["engines"]["figures"]
    assert [direct["name"], chain["name"]] == ["direct", "onnx-tf"]
    assert 0 < direct["n_nodes"] < chain["n_nodes"]
    assert direct["n_transposes"] < chain["n_transposes"]
    assert document["engines"]["distances"].keys() == {"tfjs-cpu@node", "tfjs-wasm@node"}
    assert all(distance < 1e-5 for distance in document["engines"]["distances"].values())
    assert document["engines"]["parity"]["status"] == "passed"
    folder = tmp_path / "cnn" / "0.1.0"
    manifest = open_artifact(folder).manifest
    assert manifest.engine == "both"
    assert [one.name for one in manifest.formats] == ["checkpoint", "onnx", "saved-model", "tfjs"]
    assert {path.name for path in folder.iterdir()} & {"chain", "saved_model", "tfjs"} == {"saved_model", "tfjs"}
    assert "saved-model" in {one.name for one in manifest.parity.runtimes}
    assert "Two engines" in (folder / "report.html").read_text(encoding="utf-8")


def test_saved_model_beside_our_own_graph_keeps_names_dtypes_and_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"x": "input.1", "next": "12", "y": "a/b"}
    model = onnx_file(tmp_path, ODD, **names)
    flags = ["--also", "saved-model", "--runtimes", "saved-model,tfjs-cpu@node", "--json"]
    assert convert([str(model)], tmp_path, *flags) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["engine"] == "direct"
    saved = next(one for one in document["parity"]["runtimes"] if one["name"] == "saved-model")
    assert [one["name"] for one in saved["outputs"]] == ["12", "a/b", "off"]
    manifest = open_artifact(tmp_path / "odd" / "0.1.0").manifest
    assert [(one.name, one.dtype) for one in manifest.inputs] == [
        ("index", "int64"),
        ("input.1", "float32"),
        ("is_on", "bool"),
    ]


def test_what_onnx_tf_refuses_is_told_in_its_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert convert([str(onnx_file(tmp_path, MEAN_OF_18))], tmp_path / "artifacts", "--engine", "onnx-tf") == 4
    error = capsys.readouterr().err
    assert "onnx-tf can't do this with the model: BackendIsNotSupposedToImplementIt: ReduceMean version 18" in error
    assert "--engine direct" in error
    assert "Traceback" not in error
    assert list((tmp_path / "artifacts").iterdir()) == []


def test_integers_that_tensorflowjs_would_wrap_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert convert([str(onnx_file(tmp_path, TOO_LARGE))], tmp_path / "artifacts", "--engine", "onnx-tf") == 4
    assert "holds int64 values from 5000000000 to 5000000000, and int32 is all" in capsys.readouterr().err
    assert list((tmp_path / "artifacts").iterdir()) == []
