"""The README says what is true: its commands run, its table of exit codes is complete, its links lead somewhere."""

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
import typer
from onnx import parser

from converter.cli import main
from converter.cli.exit_codes import exit_codes
from converter.cli.root import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
SHELL_LINES = [
    line
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line and not line.startswith("#")
]
NEEDS_ENGINE = ("engine install", "--engine", "saved-model")
CHAIN_LINES = [line for line in SHELL_LINES if any(text in line for text in NEEDS_ENGINE)]
NET = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
"""
MODEL = """
<ir_version: 10, opset_import: ["" : 18]>
mlp (float[batch, 3] x) => (float[batch, 3] y)
{ y = Sigmoid(x) }
"""


def commands() -> dict[str, Any]:
    """Every command line that there is, as people type it."""
    group = typer.main.get_command(app)
    found = {}
    for name, command in group.commands.items():
        for inner, subcommand in getattr(command, "commands", {"": command}).items():
            found[f"{name} {inner}".strip()] = subcommand
    return found


@pytest.mark.parametrize("name", commands())
def test_readme_documents_the_command(name: str) -> None:
    assert re.search(rf"^\| `{name}\b", README, re.MULTILINE), "no row in the table of commands"
    assert any(line.startswith(f"compat-export {name}") for line in SHELL_LINES), "no example"


@pytest.mark.parametrize("name", commands())
def test_help_of_the_command_teaches(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*name.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"Usage: compat-export {name}" in shown
    assert f"compat-export {name}" in shown.partition("Example")[2], "no example"


@pytest.mark.parametrize("name", commands())
def test_every_option_has_help(name: str) -> None:
    silent = [parameter.name for parameter in commands()[name].params if not getattr(parameter, "help", "--")]
    assert silent == []


@pytest.mark.parametrize("name", commands())
def test_every_command_speaks_to_machines(name: str) -> None:
    options = {option for parameter in commands()[name].params for option in parameter.opts}
    assert {"--json", "--quiet"} <= options


def test_readme_knows_every_exit_code() -> None:
    rows = dict(re.findall(r"^\| (\d+) \| (.+) \|$", README, re.MULTILINE))
    assert {int(code): meaning for code, meaning in rows.items()} == exit_codes()


def test_help_knows_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert [f"{code} {meaning}" for code, meaning in exit_codes().items() if f"{code} {meaning}" not in shown] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text(encoding="utf-8"))
    inside = [link for link in links if "://" not in link]
    assert [link for link in inside if not (document.parent / link).exists()] == []


def test_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"^make (\w+)", README, re.MULTILINE)) == {"convert", "test"}
    assert {"convert", "test", "check", "release", "clean"} <= targets


def served(arguments: list[str]) -> int:
    """The exit code of a server that is interrupted as soon as it says where it listens."""
    command = [sys.executable, "-m", "converter", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "http://" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        try:
            return process.wait(timeout=20)
        finally:
            process.kill()


def assert_measures(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Budgets of time may be exceeded: they belong to the machine."""
    capsys.readouterr()
    code = main([*arguments, "--json"])
    document = json.loads(capsys.readouterr().out)
    assert code in (0, 8), document
    assert [one for one in document["exceeded"] if not one["budget"].endswith("_ms")] == []


def test_commands_of_the_readme_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    (tmp_path / "net.py").write_text(NET)
    torch.save(
        torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1)).state_dict(),
        tmp_path / "model.pth",
    )
    onnx.save(parser.parse_model(MODEL), tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMPAT_EXPORT_HOME", str(tmp_path / "home"))
    assert len(SHELL_LINES) >= 10
    for line in SHELL_LINES:
        if line in CHAIN_LINES:  # tests/chain runs them
            continue
        program, *arguments = shlex.split(line)
        assert program == "compat-export"
        if arguments[0] == "bench":
            assert_measures(arguments, capsys)
            continue
        code = served(arguments) if arguments[0] == "serve" else main(arguments)
        assert code == 0, f"{line}: {capsys.readouterr().err}"
    assert (tmp_path / "dist/release/compatibility/1.0.0/manifest.json").is_file()
    assert (tmp_path / "artifacts/mine/1.0.0/tfjs/model.json").is_file()
