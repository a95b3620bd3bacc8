"""The engine as `make engine-onnx-tf` installed it."""

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from converter.cli import main
from converter.errors import EngineMissing
from converter.tensorflow_chain.environment import Environment, in_use, installed
from converter.tensorflow_chain.install import size_bytes
from converter.tensorflow_chain.locked import ENGINES
from tests.meta.test_docs import CHAIN_LINES

INSTALLED_VERSIONS = """
import json, sys
from importlib.metadata import distributions
own = [one for one in distributions(path=sys.path[-1:])]
print(json.dumps({one.name.lower().replace("_", "-"): one.version for one in own}))
"""


@pytest.fixture(scope="module")
def engine() -> Environment:
    return installed("onnx-tf")


def output_of(engine: Environment, program: str) -> str:
    command = [engine.python, "-I", "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_environment_holds_the_lock_and_nothing_else(engine: Environment) -> None:
    assert json.loads(output_of(engine, INSTALLED_VERSIONS)) == ENGINES["onnx-tf"].versions() == engine.versions


def test_environment_shares_nothing_with_ours(engine: Environment) -> None:
    path = output_of(engine, "import sys; print(*sys.path, sep='\\n')").splitlines()
    assert [entry for entry in path if "site-packages" in entry] == [
        str(engine.folder / "lib" / "python3.11" / "site-packages")
    ]


def test_engine_takes_about_the_room_that_is_said(engine: Environment) -> None:
    said_mb = ENGINES["onnx-tf"].disk_mb
    assert 0.9 * said_mb < size_bytes(engine.folder) / 1e6 < 1.05 * said_mb


def test_commands_of_the_readme_run(engine: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    assert CHAIN_LINES != []
    for line in CHAIN_LINES:
        program, *arguments = shlex.split(line)
        assert program == "compat-export"
        assert main(arguments) == 0, f"{line}: {capsys.readouterr().err}"


def test_engine_in_use_is_not_removed(engine: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    with in_use("onnx-tf"):
        assert main(["engine", "remove", "onnx-tf"]) == 1
    assert "in use by another process" in capsys.readouterr().err
    assert installed("onnx-tf") == engine


def test_file_that_was_deleted_is_noticed(engine: Environment, tmp_path: Path) -> None:
    victim = next(engine.folder.glob("lib/*/site-packages/tensorflow/python/pywrap_tensorflow.py"))
    victim.rename(tmp_path / "kept")
    try:
        with pytest.raises(EngineMissing, match=r"tensorflow_cpu-.* is damaged: .*/pywrap_tensorflow"):
            installed("onnx-tf")
    finally:
        (tmp_path / "kept").rename(victim)
    assert installed("onnx-tf") == engine
