"""The GitHub action does what docs/ci.md says: its scripts are run as a runner would run them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
import yaml
from onnx import parser

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
GUIDE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
EXPRESSION = re.compile(r"\$\{\{\s*([^}]+?)\s*\}\}")
MODEL = """
<ir_version: 10, opset_import: ["" : 18]>
mlp (float[batch, 3] x) => (float[batch, 3] y)
{ y = Sigmoid(x) }
"""


def run(name: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A step's script, as GitHub's runner starts it."""
    environment = os.environ | {
        "RUNNER_TEMP": str(folder / "temp"),
        "GITHUB_ACTION_PATH": str(ROOT),
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        "GITHUB_ACTIONS": "true",
        "DOCUMENTS": str(folder / "documents"),
    }
    inputs = dict.fromkeys(STEPS[name]["env"], "") | environment | variables
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]["run"]]
    return subprocess.run(command, cwd=folder, env=inputs, capture_output=True, text=True)


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    """A runner after the step that installs."""
    program = tmp_path / "temp" / "compat-export" / "bin" / "compat-export"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m converter "$@"\n')
    program.chmod(0o755)
    onnx.save(parser.parse_model(MODEL), tmp_path / "model.onnx")
    return tmp_path


def output(folder: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (folder / "output").read_text().splitlines())


def test_convert_and_verify(runner: Path) -> None:
    runtimes = "onnxruntime,tfjs-wasm@node"
    done = run("Convert", runner, SOURCE="model.onnx", RUNTIMES=runtimes, ARGUMENTS="--name detector --version 2.0.0")
    assert done.returncode == 0, done.stderr
    assert output(runner)["artifact"] == "artifacts/detector/2.0.0"
    done = run("Verify", runner, ARTIFACT="artifacts/detector/2.0.0", RUNTIMES=f"torch,{runtimes}")
    assert done.returncode == 0, done.stderr
    assert "verified artifacts/detector/2.0.0" in done.stdout
    documents = sorted(file.name for file in (runner / "documents").iterdir())
    assert documents == ["convert.html", "convert.xml", "verify.html", "verify.xml"]
    assert (runner / "summary.md").read_text(encoding="utf-8").count("### detector 2.0.0") == 2
    done = run("Bench", runner, ARTIFACT="artifacts/detector/2.0.0")
    assert done.returncode == 0, done.stderr
    assert (runner / "documents" / "bench.html").is_file()


def test_a_failure_fails_the_step(runner: Path) -> None:
    done = run("Convert", runner, SOURCE="missing.onnx")
    assert done.returncode == 3
    assert "::error title=compat-export%3A CheckpointError::" in done.stderr
    assert not (runner / "output").exists()


def test_inputs_are_words_and_never_code(runner: Path) -> None:
    shutil.copyfile(runner / "model.onnx", runner / "a $(touch hacked) b.onnx")
    done = run(
        "Convert",
        runner,
        SOURCE="a $(touch hacked) b.onnx",
        RUNTIMES="tfjs-cpu@node",
        ARGUMENTS="--name x --version 1.0.0",
    )
    assert done.returncode == 0, done.stderr
    assert not (runner / "hacked").exists()
    assert run("Convert", runner, SOURCE="model.onnx", ARGUMENTS="$(touch hacked) ; touch hacked").returncode != 0
    assert not (runner / "hacked").exists()


@pytest.mark.parametrize("name", STEPS)
def test_scripts_get_their_inputs_from_the_environment(name: str) -> None:
    script = STEPS[name]["run"]
    assert EXPRESSION.findall(script) == [], "an expression in a script is code from outside"
    assert STEPS[name]["shell"] == "bash"
    given = {"RUNNER_TEMP", "GITHUB_OUTPUT", "GITHUB_ACTION_PATH"}
    own = set(re.findall(r"^\s*(\w+)=", script, re.MULTILINE))
    assert set(re.findall(r"\$\{?([A-Z_]+)", script)) <= {*STEPS[name]["env"], *given, *own}


def test_expressions_name_what_is_there() -> None:
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    steps = {step["id"] for step in STEPS.values() if "id" in step}
    for expression in EXPRESSION.findall(text):
        root, name, *rest = expression.split(".")
        assert (root, name) in {*(("inputs", key) for key in ACTION["inputs"]), *(("steps", key) for key in steps)}, (
            rest
        )
    assert {name for name in ACTION["inputs"] if f"inputs.{name}" not in text} == set()


def test_what_the_action_installs_is_here() -> None:
    assert "$GITHUB_ACTION_PATH/constraints.txt" in STEPS["Install compat-export"]["run"]
    assert (ROOT / "constraints.txt").is_file()


def test_guide_and_action_say_the_same() -> None:
    tables = re.findall(r"^\| (input|output) \|.*\n\|[-|]+\n((?:\|.*\n)+)", GUIDE, re.MULTILINE)
    told = {kind: set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) for kind, table in tables}
    assert told == {"input": set(ACTION["inputs"]), "output": set(ACTION["outputs"])}
    workflow = next(
        yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL) if "jobs:" in block
    )
    steps = workflow["jobs"]["model"]["steps"]
    (ours,) = [step for step in steps if "compat-export@" in step.get("uses", "")]
    assert set(ours["with"]) <= set(ACTION["inputs"])
    used = re.findall(rf"steps\.{ours['id']}\.outputs\.(\w+)", GUIDE)
    assert set(used) == set(ACTION["outputs"])


def test_budgets_of_the_guide_are_real() -> None:
    from converter.budget_settings import BudgetsSection

    (block,) = [block for block in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL) if block.startswith("budgets:")]
    section = BudgetsSection.model_validate(yaml.safe_load(block)["budgets"])
    assert section.model_fields_set == BudgetsSection.model_fields.keys()
