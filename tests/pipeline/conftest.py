import shutil
import sys
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from converter.artifact.store import open_artifact
from converter.artifact.vectors import load_vectors
from converter.cli import main
from converter.onnx_model import load
from converter.parity.compare import Tolerance, compare_outputs
from converter.pipeline.compile import compile_onnx, write_graph
from converter.runtimes import RuntimePool

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

SIX = ("torch", "onnxruntime", "tfjs-cpu@node", "tfjs-wasm@node", "tfjs-wasm@chromium", "tfjs-webgl@chromium")
TFJS = SIX[2:]


@pytest.fixture(scope="session")
def reference_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference model's config with its checkpoint trained, in a folder of its own."""
    folder = tmp_path_factory.mktemp("reference") / "configs"
    folder.mkdir()
    config = folder / "compatibility.yaml"
    shutil.copyfile(ROOT / "configs" / "compatibility.yaml", config)
    assert main(["train", str(config), "--quiet"]) == 0
    return config


@pytest.fixture
def model_file() -> Callable[[str], Path]:
    """The file of a real model by its name in benchmarks/models.toml."""
    from fetch import fetch

    return fetch


def n_bad_without(artifact: Path, passes: Collection[str], pool: RuntimePool, folder: Path) -> int:
    """How many values are wrong on wasm, over all test vectors, if an artifact's model is compiled without passes."""
    shapes = {one.name: one.shape for one in open_artifact(artifact).manifest.inputs}
    write_graph(compile_onnx(load(artifact / "model.onnx"), shapes=shapes, skip_passes=passes), folder)
    vectors, model = load_vectors(artifact), pool.get("tfjs-wasm@node").load(folder)
    verdicts = [
        one
        for label, inputs in vectors.inputs.items()
        for one in compare_outputs(vectors.outputs[label], model.run(inputs).outputs, Tolerance(1e-5, 1e-4))
    ]
    model.close()
    assert all(one.compared for one in verdicts)
    return sum(one.bad for one in verdicts)
