"""What a command loads before it works: slow packages only where they are used."""

import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import parser

HEAVY = {"torch", "onnx", "onnxruntime", "onnxscript", "numpy", "pyarrow", "jinja2"}
MOST_OWN_MODULES, MOST_MODULES = 40, 550
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


def modules_of(*arguments: str | Path) -> set[str]:
    """Every module that a command line imports."""
    lines = run(*arguments, options=("-X", "importtime")).stderr.splitlines()
    modules = {line.rsplit("|", 1)[1].strip() for line in lines if line.startswith("import time:")}
    assert "converter.cli" in modules, "the imports were not recorded"
    return modules


def packages_of(modules: set[str]) -> set[str]:
    return {module.split(".")[0] for module in modules}


@pytest.mark.parametrize("arguments", HELPS, ids=" ".join)
def test_help_loads_little(arguments: list[str]) -> None:
    """What `--help` takes is what it imports: benchmarks/cold_start.py has the time."""
    modules = modules_of(*arguments)
    assert packages_of(modules) & HEAVY == set()
    assert len([one for one in modules if one.startswith("converter")]) <= MOST_OWN_MODULES
    assert len(modules) <= MOST_MODULES


def test_list_of_engines_loads_nothing_heavy() -> None:
    assert packages_of(modules_of("engine", "list", "--json")) & HEAVY == set()


def test_config_show_loads_nothing_heavy() -> None:
    config = Path(__file__).parents[2] / "configs" / "compatibility.yaml"
    assert packages_of(modules_of("config", "show", config, "--json")) & HEAVY == set()


@pytest.mark.parametrize("module", ["verify", "bench", "release"])
def test_what_needs_no_compiler_loads_none(module: str) -> None:
    program = f"import converter.pipeline.{module}, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert f"converter.pipeline.{module}" in loaded
    assert not set(loaded) & {"torch", "onnx", "onnxruntime", "converter.lowering"}


def test_conversion_from_onnx_loads_no_torch(tmp_path: Path) -> None:
    onnx.save(parser.parse_model(MODEL), tmp_path / "m.onnx")
    loaded = modules_of("convert", tmp_path / "m.onnx", "--artifacts", tmp_path, "--no-verify", "--quiet")
    assert packages_of(loaded) & {"torch", "onnxruntime", "onnxscript", "rich", "yaml", "onnx"} == {"onnx"}


def test_a_conversion_that_proves_nothing_loads_nothing_that_proves(tmp_path: Path) -> None:
    onnx.save(parser.parse_model(MODEL), tmp_path / "m.onnx")
    loaded = modules_of("convert", tmp_path / "m.onnx", "--artifacts", tmp_path, "--no-verify", "--quiet")
    of_proofs = ("converter.parity", "converter.runtimes", "converter.layers", "converter.training.", "numpy.random")
    assert [module for module in loaded if module.startswith(of_proofs)] == []
