"""client types, and what convert stores of it."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli

CONFIG = """
name: pairs
model: {checkpoint: mlp.onnx}
features:
  - {name: likes, unit: likes, low: 0, high: 30, description: How many.}
  - {name: km, unit: km, low: 0, high: 300, transform: inverse, scale: 100}
  - {name: share, unit: share, low: 0, high: 1}
"""


@pytest.fixture
def artifact(cli: Cli, mlp: Path) -> Path:
    (mlp.parent / "pairs.yaml").write_text(CONFIG)
    run = cli("convert", mlp.parent / "pairs.yaml", "--no-verify")
    assert run.code == 0, run.err
    return mlp.parent / "artifacts/pairs/0.1.0"


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_an_artifact_carries_its_types(cli: Cli, artifact: Path) -> None:
    manifest = json.loads((artifact / "manifest.json").read_bytes())
    (types,) = (one for one in manifest["formats"] if one["name"] == "types")
    assert types["files"] == ["client/features.d.ts", "client/features.js"]
    assert sorted(contents(artifact / "client")) == ["features.d.ts", "features.js"]
    assert b"readonly km: number;" in (artifact / "client/features.d.ts").read_bytes()


def test_types_are_those_that_the_artifact_carries(cli: Cli, artifact: Path, tmp_path: Path) -> None:
    run = cli("client", "types", artifact, "--to", tmp_path / "app/model", "--json")
    assert run.code == 0, run.err
    assert run.document["features"] == ["likes", "km", "share"]
    assert contents(tmp_path / "app/model") == contents(artifact / "client")


def test_types_again_are_the_same_and_replace_older_ones(
    cli: Cli, artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("features.js").write_text("older")
    run = cli("client", "types", artifact, "-q")
    assert (run.code, run.out) == (0, "features.d.ts\nfeatures.js\n")
    assert Path("features.js").read_bytes() == (artifact / "client/features.js").read_bytes()


def test_a_model_without_features_has_no_types(cli: Cli, mlp: Path, tmp_path: Path) -> None:
    assert cli("convert", mlp, "--artifacts", tmp_path / "artifacts", "--no-verify").code == 0
    plain = tmp_path / "artifacts/mlp/0.1.0"
    assert not (plain / "client").exists()
    run = cli("client", "types", plain, "--to", tmp_path / "nothing", "--json")
    assert (run.code, run.document["error"]["type"]) == (2, "ConfigError")
    assert "no named features" in run.document["error"]["what"]
    assert not (tmp_path / "nothing").exists()


def test_a_released_artifact_keeps_its_types(cli: Cli, mlp: Path, artifact: Path, tmp_path: Path) -> None:
    config = mlp.parent / "pairs.yaml"
    assert cli("convert", config, "--version", "0.2.0", "--runtimes", "onnxruntime,tfjs-cpu@node").code == 0
    assert cli("release", artifact.parent / "0.2.0", "--to", tmp_path / "out").code == 0
    assert sorted(contents(tmp_path / "out/pairs/0.2.0/client")) == ["features.d.ts", "features.js"]


@pytest.fixture
def proved(cli: Cli, mlp: Path) -> Path:
    assert cli("convert", mlp, "--artifacts", mlp.parent / "store", "--runtimes", "tfjs-cpu@node").code == 0
    return mlp.parent / "store/mlp/0.1.0"


def test_a_build_is_small_proved_in_chromium_and_has_what_the_client_uses(
    cli: Cli, proved: Path, tmp_path: Path
) -> None:
    run = cli("client", "bundle", proved, "--backend", "wasm", "--to", tmp_path / "app", "--json")
    assert run.code == 0, run.err
    (runtime,) = run.document["parity"]["runtimes"]
    assert (runtime["name"], runtime["status"]) == ("tfjs-bundle-wasm@chromium", "passed")
    assert runtime["outputs"][0]["compared"] > 10
    sizes = run.document["size_bytes"]
    assert sizes["bundle"]["raw"] == (tmp_path / "app/tfjs-wasm.js").stat().st_size
    assert sizes["bundle"]["gzip"] < 0.35 * sizes["tf.min.js"]["gzip"]
    assert sizes["bundle"]["gzip"] < 0.6 * sizes["whole"]["gzip"]
    assert run.document["share_of_tf_min_js"] == sizes["bundle"]["gzip"] / sizes["tf.min.js"]["gzip"]
    assert {"_FusedMatMul", "Sigmoid"} <= set(run.document["kernels"])
    assert "Conv2D" not in run.document["kernels"]
    assert sorted(contents(tmp_path / "app")) == [
        "tfjs-backend-wasm-simd.wasm",
        "tfjs-backend-wasm-threaded-simd.wasm",
        "tfjs-backend-wasm.wasm",
        "tfjs-wasm.d.ts",
        "tfjs-wasm.js",
        "tfjs-wasm.js.LEGAL.txt",
    ]


def test_a_machine_without_tfjs_says_what_to_install(cli: Cli, proved: Path, tmp_path: Path) -> None:
    run = cli("client", "bundle", proved, "--backend", "cpu", "--modules", tmp_path, "--to", tmp_path / "app", "--json")
    assert (run.code, run.document["error"]["type"]) == (7, "RuntimeMissing")
    assert "esbuild, @tensorflow/tfjs-core@4.22.0" in run.document["error"]["what"]
    assert "npm install" in run.document["error"]["hint"]
    assert not (tmp_path / "app").exists()
