import json
import subprocess
import sys
import time
from pathlib import Path

import onnx
import pytest
import torch
import yaml
from onnx import helper, parser

from tests.cli.conftest import Cli

NODE = "onnxruntime,tfjs-wasm@node"
NET = """
from torch import nn

print("a factory that chatters")


class Net(nn.Sequential):
    def __init__(self, hidden=4):
        print("all the time")
        super().__init__(nn.Linear(3, hidden), nn.ReLU(), nn.Linear(hidden, 1))
"""


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(NET)
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Linear(5, 1))
    path = tmp_path / "My Net.pth"
    torch.save(network.state_dict(), path)
    return path


def manifest_of(artifact: Path) -> dict[str, object]:
    return json.loads((artifact / "manifest.json").read_text())


def test_onnx_becomes_a_proved_artifact(cli: Cli, mlp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mlp.parent)
    run = cli("convert", "mlp.onnx")
    assert run.code == 0, run.err
    for runtime in ("tfjs-cpu@node", "tfjs-wasm@node", "tfjs-wasm@chromium", "tfjs-webgl@chromium"):
        row = next(line.split() for line in run.out.splitlines() if line.split()[:1] == [runtime])
        assert row[1] == "passed"
        assert float(row[3]) < 1e-5
    assert "samples against onnxruntime" in run.out
    assert "artifact artifacts/mlp/0.1.0 " in run.out
    assert "done compile" in run.err
    assert "\x1b" not in run.out + run.err
    assert manifest_of(Path("artifacts/mlp/0.1.0"))["parity"]["status"] == "passed"


def test_json_has_the_proof(cli: Cli, mlp: Path) -> None:
    run = cli("convert", mlp, "--artifacts", mlp.parent, "--runtimes", NODE, "--json", "--version", "2.0.0-rc.1")
    assert (run.code, run.err) == (0, "")
    document = run.document
    assert (document["name"], document["version"]) == ("mlp", "2.0.0-rc.1")
    assert document["digest"] == manifest_of(mlp.parent / "mlp/2.0.0-rc.1")["digest"]
    assert document["parity"]["status"] == "passed"
    assert [runtime["name"] for runtime in document["parity"]["runtimes"]] == ["tfjs-wasm@node"]


def test_quiet_prints_where_the_artifact_is(cli: Cli, mlp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mlp.parent)
    run = cli("convert", mlp, "--no-verify", "--quiet")
    assert (run.code, run.out, run.err) == (0, "artifacts/mlp/0.1.0\n", "")


def test_unproved_artifact_says_so(cli: Cli, mlp: Path) -> None:
    run = cli("convert", mlp, "--artifacts", mlp.parent, "--no-verify")
    assert run.code == 0
    assert run.out.startswith("not proved: ")
    assert manifest_of(mlp.parent / "mlp/0.1.0")["parity"]["status"] == "not-run"


def test_version_that_exists_is_kept(cli: Cli, mlp: Path) -> None:
    arguments = ["convert", mlp, "--artifacts", mlp.parent, "--no-verify"]
    assert cli(*arguments).code == 0
    before = (mlp.parent / "mlp/0.1.0/manifest.json").read_bytes()
    run = cli(*arguments)
    assert (run.code, run.out) == (6, "")
    assert "error: this version exists" in run.err
    assert (mlp.parent / "mlp/0.1.0/manifest.json").read_bytes() == before


def test_failed_parity_leaves_nothing(cli: Cli, mlp: Path) -> None:
    run = cli("convert", mlp, "--artifacts", mlp.parent / "out", "--runtimes", NODE, "--atol", "0", "--rtol", "0")
    assert run.code == 5, run.out
    assert "error: " in run.err
    assert "tfjs-wasm@node" in run.err
    assert list((mlp.parent / "out").rglob("*.json")) == []


def test_unsupported_operator_is_named(cli: Cli, unsupported: Path) -> None:
    run = cli("convert", unsupported, "--artifacts", unsupported.parent)
    assert (run.code, run.out) == (4, "")
    assert "StringNormalizer" in run.err


def test_checkpoint_without_a_config(cli: Cli, checkpoint: Path) -> None:
    factory = f"{checkpoint.parent / 'net.py'}:Net"
    run = cli(
        "convert", checkpoint, "--factory", factory, "--kwargs", '{"hidden": 5}',
        "--input", "x=batch,3:float32:0..2", "--output", "score", "--artifacts", checkpoint.parent,
        "--runtimes", "torch," + NODE, "--seed", "7", "--json",
    )  # fmt: skip
    assert run.code == 0, run.out
    assert run.document["name"] == "my-net"
    assert run.document["parity"]["reference"]["name"] == "torch"
    manifest = manifest_of(checkpoint.parent / "my-net/0.1.0")
    tensor = manifest["inputs"][0]
    assert (tensor["name"], tensor["shape"], tensor["low"], tensor["high"]) == ("x", ["batch", 3], 0.0, 2.0)
    assert manifest["outputs"][0]["name"] == "score"
    assert manifest["config"]["model"]["kwargs"] == {"hidden": 5}
    assert manifest["config_sources"]["parity.seed"] == "flag"
    assert str(checkpoint.parent) not in json.dumps(manifest)


def test_flags_win_over_the_config(cli: Cli, mlp: Path) -> None:
    config = mlp.parent / "model.yaml"
    config.write_text(yaml.safe_dump({"name": "named", "version": "1.0.0", "model": {"checkpoint": "mlp.onnx"}}))
    run = cli("convert", config, "--version", "1.1.0", "--no-verify", "--json")
    assert run.code == 0, run.out
    manifest = manifest_of(mlp.parent / "artifacts/named/1.1.0")
    assert manifest["config_sources"]["version"] == "flag"
    assert manifest["config_sources"]["name"] == "file"


def test_artifacts_flag_is_relative_to_here(cli: Cli, mlp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (mlp.parent / "configs").mkdir()
    config = mlp.parent / "configs" / "model.yaml"
    config.write_text("{name: named, model: {checkpoint: ../mlp.onnx}}")
    monkeypatch.chdir(mlp.parent)
    assert cli("convert", config, "--artifacts", "out", "--no-verify", "-q").out == "out/named/0.1.0\n"


def test_bound_dimension_is_fixed(cli: Cli, mlp: Path) -> None:
    run = cli("convert", mlp, "--artifacts", mlp.parent, "--bind", "batch=2", "--runtimes", NODE)
    assert run.code == 0, run.err
    assert manifest_of(mlp.parent / "mlp/0.1.0")["inputs"][0]["shape"] == [2, 3]


def test_recorded_time_comes_from_the_environment(cli: Cli, mlp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert cli("convert", mlp, "--artifacts", mlp.parent, "--no-verify").code == 0
    assert manifest_of(mlp.parent / "mlp/0.1.0")["created"] == "1970-01-02T00:00:00Z"


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        pytest.param(["m.h5"], 2, "cannot convert m.h5: expected .pth, .pt, .ckpt", id="suffix"),
        pytest.param(["model"], 2, "cannot convert model: expected .pth", id="no-suffix"),
        pytest.param(["m.pth"], 2, "a state dict holds weights only", id="no-factory"),
        pytest.param(["m.onnx", "--kwargs", "[]"], 2, "not a JSON object", id="kwargs"),
        pytest.param(["m.onnx", "--input", "x"], 2, "is not NAME=DIMS", id="input"),
        pytest.param(["m.onnx", "--bind", "x"], 2, "is not NAME=SIZE", id="bind"),
        pytest.param(["m.onnx", "--version", "1"], 2, "version: String should match", id="version"),
        pytest.param(["m.onnx", "--name", "A B"], 2, "name: String should match", id="name"),
        pytest.param(["m.onnx", "--opset", "9"], 2, "export.opset: ", id="opset"),
        pytest.param(["m.onnx", "--atol", "-1"], 2, "parity.tolerances.float32.atol: ", id="atol"),
        pytest.param(["m.onnx", "--input", "x=3:float31"], 2, "inputs.0.dtype: ", id="dtype"),
        pytest.param(["m.onnx", "--engine", "onnx2tf"], 2, "engine: Input should be 'direct'", id="engine"),
        pytest.param(["m.onnx", "--also", "tflite"], 2, "also.0: ", id="also"),
        pytest.param(["m.onnx", "--engine", "onnx-tf", "--also", "layers"], 2, "makes no Layers", id="engine-layers"),
        pytest.param(["m.onnx", "--engine", "onnx-tf", "--weights", "uint8"], 2, "weights need", id="engine-weights"),
        pytest.param(["m.pth", "--factory", "no.where:Net"], 3, "no.where", id="missing-factory"),
    ],
)
def test_wrong_arguments(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, what: str
) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / arguments[0]
    source.touch()
    run = cli("convert", *arguments)
    assert (run.code, run.out) == (code, "")
    assert what in run.err
    assert "hint: " in run.err
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(("name", "code"), [("m.onnx", 3), ("m.pth", 3), ("m.h5", 3), ("folder", 3), ("m.yaml", 2)])
def test_a_missing_source_is_reported_before_anything_else(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    run = cli("convert", name, "--version", "1")
    assert (run.code, run.out) == (code, "")
    assert "no such file" in run.err
    assert f"where: {name}" in run.err
    assert list(tmp_path.iterdir()) == []


def test_runtime_that_was_asked_for_and_is_missing(cli: Cli, mlp: Path) -> None:
    run = cli(
        "convert", mlp, "--artifacts", mlp.parent / "out", "--runtimes", "tfjs-webgl@chromium",
        "--browser", mlp.parent / "no-browser", "--json",
    )  # fmt: skip
    assert run.code == 7
    assert "no-browser" in run.document["error"]["what"]
    assert not (mlp.parent / "out/mlp/0.1.0").exists()


def test_unknown_runtime(cli: Cli, mlp: Path) -> None:
    run = cli("convert", mlp, "--artifacts", mlp.parent / "out", "--runtimes", "tfjs-gpu@moon")
    assert run.code == 2
    assert "tfjs-gpu@moon" in run.err
    assert "tfjs-wasm@node" in run.err


def test_also_layers_is_stored_proved_and_proved_again(cli: Cli, mlp: Path, tmp_path: Path) -> None:
    run = cli("convert", mlp, "--also", "layers", "--artifacts", tmp_path, "--runtimes", "tfjs-cpu@node", "--json")
    assert run.code == 0, run.err
    runtimes = [one["name"] for one in run.document["parity"]["runtimes"]]
    assert runtimes == ["tfjs-cpu@node", "tfjs-layers-cpu@node"]
    manifest = json.loads((tmp_path / "mlp/0.1.0/manifest.json").read_bytes())
    (layers,) = (one for one in manifest["formats"] if one["name"] == "tfjs-layers")
    assert layers["files"] == ["tfjs-layers/group1-shard1of1.bin", "tfjs-layers/model.json"]
    assert layers["parent"]["format"] == "tfjs"
    assert manifest["config"]["also"] == ["layers"]
    again = cli("verify", tmp_path / "mlp/0.1.0", "--runtimes", "tfjs-layers-wasm@node")
    assert again.code == 0, again.err


def test_images_with_their_channels_last(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "eye.py").write_text("from torch import nn\n\n\ndef Eye():\n    return nn.Conv2d(3, 2, 2)\n")
    torch.save(torch.nn.Conv2d(3, 2, 2).state_dict(), tmp_path / "eye.pth")
    model = [tmp_path / "eye.pth", "--factory", f"{tmp_path / 'eye.py'}:Eye", "--input", "x=batch,3,4,5"]
    where = ["--artifacts", tmp_path, "--runtimes", "torch," + NODE, "--quiet"]
    run = cli("convert", *model, *where, "--input-layout", "nhwc")
    assert run.code == 0, run.err
    manifest = manifest_of(tmp_path / "eye/0.1.0")
    assert manifest["inputs"][0]["shape"] == ["batch", 4, 5, 3]
    assert manifest["outputs"][0]["shape"] == ["batch", 2, 3, 4]
    assert manifest["parity"]["reference"] == "torch"
    again = cli("verify", tmp_path / "eye/0.1.0", "--runtimes", NODE)
    assert again.code == 0, again.err
    ops = cli("inspect", tmp_path / "eye/0.1.0", "--json").document["ops"]
    assert ops == {"Identity": 1, "Transpose": 1, "_FusedConv2D": 1}


def test_a_layout_that_does_not_exist(cli: Cli, mlp: Path, tmp_path: Path) -> None:
    run = cli("convert", mlp, "--artifacts", tmp_path, "--input-layout", "nchw")
    assert run.code == 2
    assert "input_layout" in run.err


def test_a_model_that_is_no_chain_of_layers_stores_nothing(cli: Cli, tmp_path: Path) -> None:
    model = (
        '<ir_version: 10, opset_import: ["" : 18]> g (float[b, 3] x) => (float[b, 3] y) { a = Exp(x) y = Add(x, a) }'
    )
    onnx.save(parser.parse_model(model), tmp_path / "skip.onnx")
    run = cli("convert", tmp_path / "skip.onnx", "--also", "layers", "--artifacts", tmp_path / "artifacts", "--json")
    assert (run.code, run.document["error"]["type"]) == (4, "UnsupportedError")
    assert run.document["error"]["where"].endswith("(Exp)")
    assert [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()] == []


def test_layers_runtimes_need_a_layers_model(cli: Cli, mlp: Path, tmp_path: Path) -> None:
    run = cli("convert", mlp, "--artifacts", tmp_path, "--runtimes", "tfjs-layers-cpu@node")
    assert run.code == 2
    assert "convert with --also layers" in run.err


@pytest.mark.parametrize("flags", [("--engine", "onnx-tf"), ("--engine", "both"), ("--also", "saved-model")])
def test_engine_that_is_not_installed_is_said_before_anything_is_made(
    cli: Cli, mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, str]
) -> None:
    monkeypatch.setenv("COMPAT_EXPORT_HOME", str(tmp_path / "home"))
    run = cli("convert", mlp, "--artifacts", tmp_path / "artifacts", *flags)
    assert run.code == 7
    assert "the engine onnx-tf is not installed" in run.err
    assert "compat-export engine install onnx-tf" in run.err
    assert list((tmp_path / "artifacts").iterdir()) == []


def test_chain_reads_one_opset_only(cli: Cli, mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPAT_EXPORT_HOME", str(tmp_path / "home"))
    run = cli("convert", mlp, "--artifacts", tmp_path / "artifacts", "--engine", "onnx-tf", "--opset", "20")
    assert run.code == 2
    assert "reads opset 12" in run.err


def test_saved_model_runtime_needs_a_saved_model(cli: Cli, mlp: Path, tmp_path: Path) -> None:
    run = cli("convert", mlp, "--artifacts", tmp_path, "--runtimes", "saved-model")
    assert run.code == 2
    assert "convert with --also saved-model" in run.err


def test_termination_cleans_up_as_an_interrupt_does(mlp: Path, tmp_path: Path) -> None:
    artifacts = tmp_path / "artifacts"
    command = [sys.executable, "-m", "converter", "convert", str(mlp), "--artifacts", str(artifacts), "--quiet"]
    process = subprocess.Popen([*command, "--runtimes", "tfjs-cpu@node"], stderr=subprocess.PIPE, text=True)
    while not list(artifacts.glob("mlp/.*/model.onnx")) and process.poll() is None:
        time.sleep(0.005)
    process.terminate()
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert "interrupted" in error
    assert list(artifacts.iterdir()) == []


def test_an_input_without_a_shape_takes_the_one_that_is_given(cli: Cli, tmp_path: Path) -> None:
    options = ("--runtimes", "tfjs-cpu@node", "--artifacts", tmp_path / "artifacts")
    infos = [helper.make_tensor_value_info(name, 1, None) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "shapeless", infos[:1], infos[1:])
    path = tmp_path / "shapeless.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    refused = cli("convert", path, *options)
    assert refused.code == 2
    assert "--input x=batch,8" in refused.err
    run = cli("convert", path, *options, "--input", "x=batch,4")
    assert run.code == 0, run.err
    interface = manifest_of(tmp_path / "artifacts" / "shapeless" / "0.1.0")["inputs"]
    assert [entry["shape"] for entry in interface] == [["batch", 4]]


def test_a_model_without_inputs_is_proved_and_proved_again(cli: Cli, tmp_path: Path) -> None:
    options = ("--runtimes", "tfjs-cpu@node", "--artifacts", tmp_path / "artifacts")
    text = '<ir_version: 8, opset_import: ["" : 17]> net () => (float[2] y) <float[2] a = {1, -2}> { y = Neg (a) }'
    path = tmp_path / "constant.onnx"
    onnx.save(parser.parse_model(text), path)
    run = cli("convert", path, *options)
    assert run.code == 0, run.err
    assert cli("verify", tmp_path / "artifacts" / "constant" / "0.1.0", "--runtimes", "tfjs-cpu@node").code == 0


def test_dropout_in_test_mode_is_compared_with_onnxruntime(cli: Cli, tmp_path: Path) -> None:
    options = ("--runtimes", "tfjs-cpu@node", "--artifacts", tmp_path / "artifacts")
    text = '<ir_version: 3, opset_import: ["" : 6]> net (float[n, 2] x) => (float[n, 2] y) '
    path = tmp_path / "dropout.onnx"
    onnx.save(parser.parse_model(text + "{ y, mask = Dropout <is_test = 1> (x) }"), path)
    assert cli("convert", path, *options).code == 0
    path = tmp_path / "training.onnx"
    onnx.save(parser.parse_model(text + "{ y, mask = Dropout (x) }"), path)
    refused = cli("convert", path, *options)
    assert refused.code == 4
    assert "Dropout in training mode is random" in refused.err
