"""Each way in which an artifact can be wrong makes `verify` fail, with a message and an exit code of its own."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
import pytest
from onnx import parser
from safetensors.numpy import save_file

from converter.artifact.digests import Digests
from converter.artifact.manifest import Contents, Format, Parent, build_manifest, bytes_from_manifest, digest_of
from converter.artifact.store import open_artifact
from converter.cli import main
from converter.errors import ParityError, RuntimeMissing
from converter.pipeline.events import Event, StepAdvanced
from converter.pipeline.verify import verify

MODEL = """
<ir_version: 10, opset_import: ["" : 18]>
two (float[batch, 3] x) => (float[batch, 2] y, float[batch, 2] p)
<float[3, 2] w = {0.5, -0.25, 1.0, 2.0, -1.5, 0.75}, float[2] b = {0.1, -0.2}>
{
    h = MatMul(x, w)
    y = Add(h, b)
    p = Softmax(y)
}
"""
RUNTIMES = ("tfjs-wasm@node", "tfjs-webgl@chromium")


@dataclass(frozen=True)
class Failure:
    code: int
    text: str


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mutations")
    onnx.save(parser.parse_model(MODEL), root / "two.onnx")
    flags = ["--artifacts", str(root), "--runtimes", "onnxruntime,tfjs-cpu@node", "--quiet"]
    assert main(["convert", str(root / "two.onnx"), *flags]) == 0
    return root / "two" / "0.1.0"


@pytest.fixture
def artifact(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "copy"))


@pytest.fixture
def failure(capsys: pytest.CaptureFixture[str]) -> Callable[..., Failure]:
    def run(folder: Path, *flags: str) -> Failure:
        capsys.readouterr()
        code = main(["verify", str(folder), *flags])
        return Failure(code, capsys.readouterr().err)

    return run


def reseal(folder: Path) -> None:
    """Give an artifact that was changed a manifest that fits it, so that no digest tells."""
    old = open_artifact(folder).manifest
    files = Digests(folder).entries()
    formats: dict[str, Format] = {}
    for one in old.formats:
        own = [file for file in files if file.path in one.files or (one.files and file.path.startswith(f"{one.name}/"))]
        parent = one.parent and Parent(format=one.parent.format, sha256=formats[one.parent.format].sha256)
        sha256 = digest_of(own) if own else one.sha256
        formats[one.name] = Format(name=one.name, files=tuple(file.path for file in own), sha256=sha256, parent=parent)
    contents = Contents.model_validate(old.model_dump(include=set(Contents.model_fields)))
    manifest = build_manifest(contents, files, formats.values())
    (folder / "manifest.json").write_bytes(bytes_from_manifest(manifest))


def change_model(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "tfjs" / "model.json"
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))
    reseal(folder)


def change_weight(folder: Path, change: Callable[[np.ndarray], float]) -> None:
    [shard] = (folder / "tfjs").glob("*.bin")
    values = np.frombuffer(shard.read_bytes(), np.float32).copy()
    place = int(np.argmax(np.abs(values)))
    values[place] = change(values[place])
    shard.write_bytes(values.tobytes())
    reseal(folder)


def test_an_artifact_that_nobody_changed_passes_even_when_it_is_sealed_again(artifact: Path) -> None:
    reseal(artifact)
    assert main(["verify", str(artifact), "--runtimes", "onnxruntime,tfjs-wasm@node", "--quiet"]) == 0


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_weight_perturbed(artifact: Path, failure: Callable[..., Failure], runtime: str) -> None:
    change_weight(artifact, lambda value: value * 1.05)
    found = failure(artifact, "--runtimes", runtime)
    assert found.code == 5
    assert f"{runtime}: output y: " in found.text
    assert "values differ, max |error| " in found.text
    assert "the smallest tolerance that would pass: --atol " in found.text


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_nan_on_one_side(artifact: Path, failure: Callable[..., Failure], runtime: str) -> None:
    change_weight(artifact, lambda _: np.nan)
    found = failure(artifact, "--runtimes", runtime)
    assert found.code == 5
    assert "are NaN on one side only" in found.text
    assert "no tolerance would pass" in found.text


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_output_renamed(artifact: Path, failure: Callable[..., Failure], runtime: str) -> None:
    def rename(document: dict[str, Any]) -> None:
        outputs = document["signature"]["outputs"]
        outputs["z"] = outputs.pop("y")
        next(one for one in document["userDefinedMetadata"]["outputs"] if one["name"] == "y")["name"] = "z"

    change_model(artifact, rename)
    found = failure(artifact, "--runtimes", runtime)
    assert found.code == 5
    assert "output names differ: missing ['y'], unexpected ['z']" in found.text


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_output_missing(artifact: Path, failure: Callable[..., Failure], runtime: str) -> None:
    def drop(document: dict[str, Any]) -> None:
        del document["signature"]["outputs"]["y"]
        metadata = document["userDefinedMetadata"]
        metadata["outputs"] = [one for one in metadata["outputs"] if one["name"] != "y"]

    change_model(artifact, drop)
    found = failure(artifact, "--runtimes", runtime)
    assert found.code == 5
    assert "output names differ: missing ['y'], unexpected []" in found.text


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_shape_that_would_broadcast(artifact: Path, failure: Callable[..., Failure], runtime: str) -> None:
    def flatten(document: dict[str, Any]) -> None:
        nodes = {node["name"]: node for node in document["modelTopology"]["node"]}
        weights = document["weightsManifest"][0]["weights"]
        bias = next(weight["name"] for weight in weights if weight["shape"] == [2])
        node = nodes[document["signature"]["outputs"]["y"]["name"].partition(":")[0]]
        node |= {"op": "Identity", "input": [bias], "attr": {}}

    change_model(artifact, flatten)
    found = failure(artifact, "--runtimes", runtime)
    assert found.code == 5
    assert "output y: float32[2] against float32[1, 2] in the reference" in found.text
    assert "a fault of the conversion, not of the tolerance" in found.text


def test_zero_samples(artifact: Path, failure: Callable[..., Failure]) -> None:
    for name in ("inputs", "outputs"):
        save_file({}, artifact / "test-vectors" / f"{name}.safetensors", {"order": "[]"})
    reseal(artifact)
    found = failure(artifact, "--runtimes", "tfjs-wasm@node")
    assert found.code == 5
    assert "there is no sample to compare on" in found.text


def test_runtime_that_dies_at_work(artifact: Path) -> None:
    before = set(psutil.Process().children())

    def kill(event: Event) -> None:
        if isinstance(event, StepAdvanced) and event.step == "parity":
            for child in set(psutil.Process().children()) - before:
                child.kill()

    with pytest.raises(RuntimeMissing, match=r"tfjs-wasm@node: .*Node\.js ended with code") as dead:
        verify(artifact, runtimes=("tfjs-wasm@node",), emit=kill)
    assert dead.value.exit_code == 7
    assert "1 of the runtimes asked for can't run" in dead.value.what
    assert "can be started again" in dead.value.hint


def test_runtime_that_dies_at_work_beside_one_that_agrees(artifact: Path) -> None:
    before = set(psutil.Process().children())

    def kill(event: Event) -> None:
        if isinstance(event, StepAdvanced) and event.note == "tfjs-cpu@node":
            for child in set(psutil.Process().children()) - before:
                child.kill()

    with pytest.raises(RuntimeMissing, match="tfjs-cpu@node") as dead:
        verify(artifact, runtimes=("onnxruntime", "tfjs-cpu@node"), emit=kill)
    assert "onnxruntime" not in dead.value.what.partition("\n")[2]


def test_runtime_that_cannot_start(artifact: Path, failure: Callable[..., Failure], tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text("#!/bin/sh\necho Chromium 150.0.0.0\nexit 3\n")
    browser.chmod(0o755)
    found = failure(artifact, "--runtimes", "tfjs-wasm@chromium", "--browser", str(browser))
    assert found.code == 7
    assert "can't run" in found.text
    assert "does not start" in found.text
    assert "install Chrome or Chromium" in found.text


def test_nothing_to_compare_with(artifact: Path) -> None:
    with pytest.raises(ParityError, match="no runtime was compared"):
        verify(artifact, runtimes=())
