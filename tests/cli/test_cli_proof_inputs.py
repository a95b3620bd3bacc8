"""What a proof is run on: --samples, --batches, --size and --seed of convert and verify."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from onnx import parser

from converter.artifact.vectors import load_vectors
from converter.cli.proof_options import batches_from_list, sizes_from_texts
from converter.errors import ConfigError
from tests.cli.conftest import Cli

NODE = "onnxruntime,tfjs-wasm@node"
FRAMES = """
<ir_version: 10, opset_import: ["" : 18]>
frames (float[batch, frame, 2] x) => (float[batch, frame, 2] y) { y = Tanh(x) }
"""
SCORER = """
<ir_version: 10, opset_import: ["" : 18]>
scorer (float[batch, 2] x) => (float[batch, 2] p) { p = Softmax(x) }
"""


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    path = tmp_path / "frames.onnx"
    onnx.save(parser.parse_model(FRAMES), path)
    return path


@pytest.fixture
def proved(cli: Cli, frames: Path) -> Path:
    run = cli("convert", frames, "--artifacts", frames.parent, "--runtimes", NODE, "--batches", "1")
    assert run.code == 0, run.err
    return frames.parent / "frames/0.1.0"


@pytest.fixture
def scorer(tmp_path: Path) -> Path:
    onnx.save(parser.parse_model(SCORER), tmp_path / "scorer.onnx")
    features = [{"name": name, "unit": "km", "low": 0, "high": 9} for name in ("near", "far")]
    config: dict[str, Any] = {"name": "scorer", "model": {"checkpoint": "scorer.onnx"}, "features": features}
    (tmp_path / "people.csv").write_text("id,far,near\na,8,1\nb,9,2\n")
    config["parity"] = {"samples": "people.csv", "batches": [2], "store_samples": True}
    (tmp_path / "scorer.yaml").write_text(yaml.safe_dump(config))
    return tmp_path / "scorer.yaml"


def labels(document: Any) -> list[str]:
    return [sample["label"] for sample in document["parity"]["samples"]]


def test_convert_draws_what_is_asked_for(cli: Cli, frames: Path) -> None:
    flags = ["--batches", "1,3", "--size", "frame=4,9", "--seed", "2"]
    run = cli("convert", frames, "--artifacts", frames.parent, "--runtimes", NODE, "--json", *flags)
    assert run.code == 0, run.out
    vectors = load_vectors(frames.parent / "frames/0.1.0")
    shapes = {inputs["x"].shape for inputs in vectors.inputs.values()}
    assert shapes == {(batch, size, 2) for batch in (1, 3) for size in (4, 9)}
    assert "batch3-frame9-random" in labels(run.document)
    manifest = json.loads((frames.parent / "frames/0.1.0/manifest.json").read_bytes())
    assert manifest["config"]["parity"]["sizes"] == {"frame": [4, 9]}
    assert manifest["config_sources"]["parity.batches"] == "flag"


def test_a_users_samples_are_compared_but_not_stored(cli: Cli, frames: Path, tmp_path: Path) -> None:
    mine = np.linspace(-3, 3, 12, dtype=np.float32).reshape(2, 3, 2)
    np.savez(tmp_path / "mine.npz", x=mine)
    run = cli(
        "convert",
        frames,
        "--artifacts",
        frames.parent,
        "--samples",
        tmp_path / "mine.npz",
        "--runtimes",
        NODE,
        "--json",
    )
    assert "samples" in labels(run.document)
    artifact = frames.parent / "frames/0.1.0"
    vectors = load_vectors(artifact)
    assert "samples" not in vectors.inputs
    assert len(vectors.inputs) == len(labels(run.document)) - 1
    values = mine.tobytes()
    assert [file.name for file in artifact.rglob("*") if file.is_file() and values in file.read_bytes()] == []
    assert cli("verify", artifact, "--runtimes", NODE).code == 0


def test_release_reports_whether_it_publishes_a_users_samples(cli: Cli, frames: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", x=np.zeros((2, 3, 2), np.float32))
    flags = ["--artifacts", frames.parent, "--samples", tmp_path / "mine.npz", "--runtimes", NODE]
    assert cli("convert", frames, *flags).code == 0
    assert cli("convert", frames, *flags, "--store-samples", "--version", "0.2.0").code == 0
    for version, included in (("0.1.0", False), ("0.2.0", True)):
        run = cli("release", frames.parent / "frames" / version, "--to", tmp_path / "out", "--json")
        assert run.document["has_user_samples"] is included
    run = cli("release", frames.parent / "frames/0.2.0", "--to", tmp_path / "out")
    assert "includes your own samples" in run.err + run.out


def test_test_vectors_are_bounded(cli: Cli, frames: Path) -> None:
    config = frames.parent / "frames.yaml"
    settings = {"test_vectors_mb": 0.004, "sizes": {"frame": [50]}, "batches": [1, 4]}
    config.write_text(yaml.safe_dump({"name": "frames", "model": {"checkpoint": frames.name}, "parity": settings}))
    run = cli("convert", config, "--artifacts", frames.parent, "--runtimes", NODE, "--json")
    assert run.code == 0, run.out
    vectors = load_vectors(frames.parent / "frames/0.1.0")
    stored = sum(
        array.nbytes for part in (vectors.inputs, vectors.outputs) for v in part.values() for array in v.values()
    )
    assert 0 < stored <= 4000
    assert len(labels(run.document)) > len(vectors.inputs)


def test_one_sample_is_stored_however_large(cli: Cli, frames: Path) -> None:
    config = frames.parent / "frames.yaml"
    settings = {"test_vectors_mb": 0.00001, "sizes": {"frame": [50]}, "batches": [4, 1]}
    config.write_text(yaml.safe_dump({"name": "frames", "model": {"checkpoint": frames.name}, "parity": settings}))
    assert cli("convert", config, "--artifacts", frames.parent, "--runtimes", NODE).code == 0
    (inputs,) = load_vectors(frames.parent / "frames/0.1.0").inputs.values()
    assert inputs["x"].shape == (1, 50, 2)


def test_stored_samples_become_test_vectors_and_no_path_of_this_machine_is_kept(
    cli: Cli, frames: Path, tmp_path: Path
) -> None:
    mine = np.linspace(-3, 3, 12, dtype=np.float32).reshape(2, 3, 2)
    np.savez(tmp_path / "mine.npz", x=mine)
    flags = ["--samples", tmp_path / "mine.npz", "--store-samples", "--runtimes", NODE]
    assert cli("convert", frames, "--artifacts", frames.parent, *flags).code == 0
    artifact = frames.parent / "frames/0.1.0"
    np.testing.assert_array_equal(load_vectors(artifact).inputs["samples"]["x"], mine)
    manifest = (artifact / "manifest.json").read_text()
    assert json.loads(manifest)["config"]["parity"]["samples"] == "mine.npz"
    assert str(tmp_path) not in manifest


def test_samples_of_a_config_are_columns_for_features(cli: Cli, scorer: Path) -> None:
    run = cli("convert", scorer, "--runtimes", NODE, "--json")
    assert run.code == 0, run.out
    vectors = load_vectors(scorer.parent / "artifacts/scorer/0.1.0")
    np.testing.assert_array_equal(vectors.inputs["samples"]["x"], np.array([[1, 8], [2, 9]], np.float32))
    ranking = run.document["parity"]["runtimes"][0]["outputs"][0]["ranking"]
    assert ranking["rows"] == ranking["top1"] == sum(len(each["x"]) for each in vectors.inputs.values())


def test_verify_compares_new_inputs_beside_the_vectors(cli: Cli, proved: Path) -> None:
    run = cli("verify", proved, "--runtimes", NODE, "--batches", "5", "--size", "frame=7", "--json")
    assert run.code == 0, run.out
    known = list(load_vectors(proved).inputs)
    assert labels(run.document)[: len(known)] == known
    new = labels(run.document)[len(known) :]
    assert new[0] == "new-batch5-random"
    reference = run.document["parity"]["reference"]
    assert reference["name"] == "test-vectors"
    assert f"{len(new)} more samples computed by onnxruntime" in reference["device"]
    compared = {one["name"]: one["outputs"][0]["compared"] for one in run.document["parity"]["runtimes"]}
    values = sum(each["y"].size for each in load_vectors(proved).outputs.values())
    assert compared == {"onnxruntime": values, "tfjs-wasm@node": values + len(new) * 5 * 7 * 2}


def test_verify_runs_nothing_twice(cli: Cli, proved: Path) -> None:
    run = cli("verify", proved, "--runtimes", NODE, "--batches", "1", "--json")
    assert labels(run.document) == list(load_vectors(proved).inputs)


def test_verify_takes_samples(cli: Cli, proved: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", x=np.zeros((2, 11, 2), np.float32))
    run = cli("verify", proved, "--runtimes", "tfjs-wasm@node", "--samples", tmp_path / "mine.npz", "--json")
    assert run.code == 0, run.out
    assert labels(run.document)[-1] == "new-samples"


def test_samples_that_do_not_fit_are_refused(cli: Cli, proved: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", z=np.zeros(3))
    run = cli("verify", proved, "--runtimes", NODE, "--samples", tmp_path / "mine.npz")
    assert (run.code, run.out) == (2, "")
    assert "it holds ['z'], the model takes ['x']" in run.err


def test_a_size_of_no_dimension_is_refused(cli: Cli, proved: Path) -> None:
    run = cli("verify", proved, "--runtimes", NODE, "--size", "width=3")
    assert run.code == 2
    assert "no input has a dimension width" in run.err


def test_every_runtime_of_this_machine(cli: Cli, proved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no Firefox there
    run = cli("verify", proved, "--runtimes", "all", "--json")
    assert run.code == 0, run.out
    statuses = {one["name"]: one["status"] for one in run.document["parity"]["runtimes"]}
    assert statuses == dict.fromkeys(
        [
            "onnxruntime", "tfjs-cpu@node", "tfjs-wasm@node", "onnxruntime-web@node",
            "tfjs-cpu@chromium", "tfjs-wasm@chromium", "tfjs-webgl@chromium", "tfjs-webgl-f16@chromium",
            "tfjs-webgpu@chromium", "onnxruntime-web@chromium",
        ],
        "passed",
    )  # fmt: skip
    assert run.document["parity"]["not_run"] == dict.fromkeys(
        ["tfjs-wasm@firefox", "tfjs-webgl@firefox"], "no Firefox found"
    )
    held_to = {one["name"]: one["outputs"][0]["tolerance"]["atol"] for one in run.document["parity"]["runtimes"]}
    assert held_to["tfjs-webgl-f16@chromium"] == 0.01
    assert held_to["tfjs-webgl@chromium"] == 1e-5


def test_firefox_that_is_asked_for_and_not_there_is_a_failure(
    cli: Cli, proved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    run = cli("verify", proved, "--runtimes", "tfjs-wasm@node,tfjs-wasm@firefox")
    assert run.code == 7
    assert "no Firefox that starts was found" in run.err
    assert "install Firefox" in run.err


@pytest.mark.parametrize("text", ["", "1,", "0", "1,x", "-1", "1.5"])
def test_batches_are_whole_numbers_above_0(text: str) -> None:
    with pytest.raises(ConfigError, match="no list of whole numbers above 0") as refused:
        batches_from_list(text)
    assert refused.value.where == "--batches"


@pytest.mark.parametrize("texts", [["frame"], ["=3"], ["frame=3", "frame=4"], ["frame=0"], ["frame=a"]])
def test_sizes_have_a_name_and_numbers(texts: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        sizes_from_texts(texts)
    assert (refused.value.where, refused.value.exit_code) == ("--size", 2)


def test_options_that_are_not_given_ask_for_nothing() -> None:
    assert batches_from_list(None) is None
    assert sizes_from_texts(None) is None
    assert sizes_from_texts(["a=1, 2", "b=3"]) == {"a": (1, 2), "b": (3,)}
