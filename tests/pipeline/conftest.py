import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from converter.cli import main

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
