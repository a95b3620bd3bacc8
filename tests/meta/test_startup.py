"""What a command loads before it works: slow packages only where they are used."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import parser

HEAVY = {"torch", "onnx", "onnxruntime", "onnxscript", "numpy"}
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
COMMANDS = (
    "train",
    "convert",
    "verify",
    "bench",
    "bisect",
    "inspect",
    "doctor",
    "release",
    "serve",
    "client types",
    "client bundle",
    "config",
    "config show",
)
COMMANDS += ("list", "show", "diff", "gc", "client", "client types", "client bundle")
COMMANDS += ("engine", "engine install", "engine list", "engine remove")
HELPS = [["--help"], ["--version"], *([*name.split(), "--help"] for name in COMMANDS)]
MODEL = """
<ir_version: 10, opset_import: ["" : 18]>
mlp (float[batch, 3] x) => (float[batch, 3] y)
{ y = Sigmoid(x) }
"""


def run(*arguments: str | Path, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *options, "-m", "converter", *map(str, arguments)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)


def loaded_by(*arguments: str | Path) -> set[str]:
    """The top-level packages that a command line imports."""
    lines = run(*arguments, options=("-X", "importtime")).stderr.splitlines()
    modules = [line.rsplit("|", 1)[1].strip() for line in lines if line.startswith("import time:")]
    assert "converter.cli" in modules, "the imports were not recorded"
    return {module.split(".")[0] for module in modules}


@pytest.mark.parametrize("arguments", HELPS, ids=" ".join)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    assert loaded_by(*arguments) & HEAVY == set()


def test_list_of_engines_loads_nothing_heavy() -> None:
    assert loaded_by("engine", "list", "--json") & HEAVY == set()


def test_config_show_loads_nothing_heavy() -> None:
    config = Path(__file__).parents[2] / "configs" / "compatibility.yaml"
    assert loaded_by("config", "show", config, "--json") & HEAVY == set()


@pytest.mark.parametrize("module", ["verify", "bench", "release"])
def test_what_needs_no_compiler_loads_none(module: str) -> None:
    program = f"import converter.pipeline.{module}, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert f"converter.pipeline.{module}" in loaded
    assert not set(loaded) & {"torch", "onnx", "onnxruntime", "converter.lowering"}


def test_conversion_from_onnx_loads_no_torch(tmp_path: Path) -> None:
    onnx.save(parser.parse_model(MODEL), tmp_path / "m.onnx")
    loaded = loaded_by("convert", tmp_path / "m.onnx", "--artifacts", tmp_path, "--no-verify", "--quiet")
    assert loaded & {"torch", "onnxruntime", "onnxscript", "rich", "onnx"} == {"onnx"}


@pytest.mark.parametrize("arguments", HELPS, ids=" ".join)
def test_help_is_quick(arguments: list[str]) -> None:
    """In processor time, which a busy machine stretches less than it stretches the time on the clock."""

    def time_s() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run(*arguments)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(time_s() for _ in range(3)) < 0.5
