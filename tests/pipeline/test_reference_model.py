import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from converter.artifact.store import open_artifact
from converter.artifact.vectors import load_vectors
from converter.cli import main
from converter.errors import ParityError
from converter.parity.agreement import Agreement
from converter.parity.compare import Tolerance
from converter.parity.inputs import Sample
from converter.parity.run import Candidate, Reference, check_parity
from converter.runtimes.base import RuntimeInfo
from converter.tfjs.read import read
from converter.tfjs.write import write
from tests.pipeline.conftest import SIX, TFJS

AGREEMENT = Agreement.everywhere(Tolerance(1e-5, 1e-4))


def convert(config: Path, artifacts: Path, *flags: str) -> int:
    return main(["convert", str(config), "--artifacts", str(artifacts), *flags])


@pytest.fixture(scope="module")
def artifact(reference_config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("artifacts")
    assert convert(reference_config, root, "--runtimes", ",".join(SIX), "--quiet") == 0
    return root / "compatibility" / "1.0.0"


def test_parity_passed_in_every_runtime(artifact: Path) -> None:
    parity = json.loads((artifact / "parity.json").read_bytes())
    assert parity["reference"]["name"] == "torch"
    assert {one["name"]: one["status"] for one in parity["runtimes"]} == dict.fromkeys(SIX[1:], "passed")
    assert all(one["outputs"][0]["compared"] > 0 for one in parity["runtimes"])
    labels = [sample["label"] for sample in parity["samples"]]
    fills = ("random", "zeros", "ones", "high", "corners")
    expected = {f"batch{size}-{fill}" for size in (1, 4, 32) for fill in fills}
    expected |= {f"batch1-random{i}" for i in range(2, 9)} | {"batch4-random2"}
    assert expected == set(labels)  # all-low is all-zeros here, and not run twice


def test_manifest_says_where_each_format_came_from(artifact: Path) -> None:
    manifest = open_artifact(artifact).manifest
    assert [(one.name, one.parent and one.parent.format) for one in manifest.formats] == [
        ("checkpoint", None),
        ("onnx", "checkpoint"),
        ("tfjs", "onnx"),
        ("types", None),
    ]
    assert [feature.name for feature in manifest.features][:2] == ["likesGiven", "likesReceived"]
    assert {"torch", "onnx", "onnxruntime", "tfjs", "node"} <= manifest.toolchain.keys()
    assert manifest.metrics is not None
    assert 0.5 < manifest.metrics["accuracy"] < 1


def test_normalisation_is_in_the_graph(artifact: Path) -> None:
    graph = read(artifact / "tfjs")
    ops = graph.count_ops()
    assert {op: ops.get(op) for op in ("Maximum", "Minimum", "Sub")} == {"Maximum": 1, "Minimum": 1, "Sub": 1}


def test_two_runs_give_the_same_bytes(reference_config: Path, artifact: Path, tmp_path: Path) -> None:
    assert convert(reference_config, tmp_path, "--runtimes", ",".join(SIX), "--quiet") == 0
    again = tmp_path / "compatibility" / "1.0.0"
    files = sorted(path.relative_to(artifact) for path in artifact.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert [path for path in files if (artifact / path).read_bytes() != (again / path).read_bytes()] == []


def test_verify_needs_no_torch(artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(artifact), "--runtimes", "onnxruntime,tfjs-cpu@node", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)["parity"]
    assert report["status"] == "passed"
    assert report["reference"]["name"] == "test-vectors"


def test_verify_refuses_an_unknown_runtime(artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(artifact), "--runtimes", "tfjs-metal@node"]) == 2
    assert "tfjs-metal@node" in capsys.readouterr().err


def test_a_flipped_byte_in_any_file_is_named(
    artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in sorted(artifact.rglob("*")):
        if path.is_dir():
            continue
        copy = tmp_path / "copy"
        shutil.copytree(artifact, copy)
        damaged = copy / path.relative_to(artifact)
        data = bytearray(damaged.read_bytes())
        data[len(data) // 2] ^= 1
        damaged.write_bytes(data)
        assert main(["verify", str(copy), "--runtimes", "tfjs-cpu@node"]) == 6, path
        assert damaged.relative_to(copy).as_posix() in capsys.readouterr().err
        shutil.rmtree(copy)


@pytest.mark.parametrize("runtime", TFJS)
def test_one_perturbed_weight_fails_parity(artifact: Path, runtime: str, pool, tmp_path: Path) -> None:
    graph = read(artifact / "tfjs")
    name = next(name for name, array in graph.constants.items() if array.ndim == 2 and array.dtype == np.float32)
    changed = graph.constants[name].copy()
    changed[np.unravel_index(np.argmax(np.abs(changed)), changed.shape)] *= 1.05
    graph.constants[name] = changed
    write(graph, tmp_path / "tfjs", generator="test")
    vectors = load_vectors(artifact)
    samples = [Sample(label, inputs) for label, inputs in vectors.inputs.items()]
    reference = Reference(RuntimeInfo("test-vectors", {}, ""), vectors.outputs)
    report = check_parity(reference, [Candidate(pool.get(runtime), tmp_path / "tfjs")], samples, AGREEMENT)
    with pytest.raises(ParityError, match=r"values differ"):
        report.raise_if_failed()


def test_a_version_that_exists_is_refused(reference_config: Path, artifact: Path, capsys) -> None:
    before = (artifact / "manifest.json").read_bytes()
    assert convert(reference_config, artifact.parents[1], "--runtimes", "tfjs-cpu@node") == 6
    assert "this version exists" in capsys.readouterr().err
    assert (artifact / "manifest.json").read_bytes() == before


def test_a_failing_parity_leaves_nothing(reference_config: Path, tmp_path: Path, capsys) -> None:
    flags = ("--runtimes", "tfjs-wasm@node", "--atol", "0", "--rtol", "0")
    assert convert(reference_config, tmp_path, *flags) == 5
    assert "tfjs-wasm@node" in capsys.readouterr().err
    assert list(tmp_path.rglob("*")) == []


def test_a_browser_that_is_not_there_is_a_failure(reference_config: Path, tmp_path: Path, capsys) -> None:
    flags = ("--runtimes", "tfjs-wasm@chromium", "--browser", str(tmp_path / "no-such-browser"))
    assert convert(reference_config, tmp_path / "artifacts", *flags) == 7
    assert "no-such-browser" in capsys.readouterr().err
    assert list(tmp_path.rglob("*/*")) == []


def test_without_proof_the_artifact_says_so(reference_config: Path, tmp_path: Path, capsys) -> None:
    assert convert(reference_config, tmp_path, "--no-verify", "--quiet") == 0
    artifact = tmp_path / "compatibility" / "1.0.0"
    assert open_artifact(artifact).manifest.parity.status == "not-run"
    capsys.readouterr()
    assert main(["verify", str(artifact), "--runtimes", "tfjs-cpu@node", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parity"]["reference"]["name"] == "onnxruntime"
