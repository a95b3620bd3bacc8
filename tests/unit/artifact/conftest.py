import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from converter.artifact.manifest import Contents, ParityRuntime, ParitySummary, TensorInfo
from converter.artifact.store import Artifact, Draft, FormatPlan
from converter.artifact.vectors import Vectors, save_vectors
from converter.fileio import canonical_json

FORMATS = (
    FormatPlan("checkpoint", sha256="c" * 64),
    FormatPlan("onnx", path="model.onnx", parent="checkpoint"),
    FormatPlan("tfjs", path="tfjs", parent="onnx"),
)


def contents_of(name: str = "compatibility", version: str = "1.0.0", **changes: object) -> Contents:
    return Contents(
        name=name,
        version=version,
        inputs=(TensorInfo(name="features", dtype="float32", shape=("batch", 8), low=(0.0,) * 8, high=(1.0,) * 8),),
        outputs=(TensorInfo(name="score", dtype="float32", shape=("batch", 1), unit="probability", low=0, high=1),),
        config={"name": name, "parity": {"atol": 1e-5, "runtimes": None}},
        config_sources={"name": "file", "parity.atol": "default"},
        toolchain={"python": "3.11", "onnx": "1.23.2"},
        parity=ParitySummary(
            status="passed",
            reference="torch",
            runtimes=(ParityRuntime(name="tfjs-cpu@node", compared=40, max_abs=1.5e-7),),
            not_run={"tfjs-webgl@chromium": "no browser was found"},
        ),
        metrics={"accuracy": 0.97},
        **changes,
    )


def fill(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"onnx" * 1000)
    (folder / "tfjs").mkdir()
    (folder / "tfjs" / "model.json").write_text("{}")
    (folder / "tfjs" / "group1-shard1of1.bin").write_bytes(bytes(range(256)) * 10)
    (folder / "parity.json").write_text('{"status": "passed"}')
    samples = {"batch1-random": {"features": np.ones((1, 8), np.float32)}}
    save_vectors(folder, Vectors(samples, {"batch1-random": {"score": np.ones((1, 1), np.float32)}}))


@pytest.fixture
def publish(tmp_path: Path) -> Callable[..., Artifact]:
    def run(root: Path = tmp_path / "artifacts", version: str = "1.0.0", **changes: object) -> Artifact:
        with Draft(root, "compatibility", version) as draft:
            fill(draft.folder)
            return draft.publish(contents_of(version=version, **changes), FORMATS)

    return run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


@pytest.fixture
def contents_factory() -> Callable[..., Contents]:
    return contents_of


@pytest.fixture
def sealed() -> Callable[[dict], bytes]:
    """The bytes of a manifest value with its digest put right."""

    def run(value: dict) -> bytes:
        body = {key: inner for key, inner in value.items() if key != "digest"}
        return canonical_json(body | {"digest": hashlib.sha256(canonical_json(body)).hexdigest()})

    return run
