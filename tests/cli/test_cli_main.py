import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from converter import __version__, errors
from converter.cli import failure_from
from converter.cli.exit_codes import exit_codes
from tests.cli.conftest import Cli

COMMAND = [sys.executable, "-m", "converter"]


def test_version(cli: Cli) -> None:
    assert cli("--version").out == f"compat-export {__version__}\n"


def test_no_command_shows_help_and_is_a_usage_error(cli: Cli) -> None:
    run = cli()
    assert run.code == 2
    assert "Usage: compat-export" in run.out


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        pytest.param(["convert", "--jsn"], "--json", id="option-with-suggestion"),
        pytest.param(["verfy", "x"], "Did you mean 'verify'", id="command-with-suggestion"),
        pytest.param(["convert"], "Missing argument 'SOURCE'", id="no-argument"),
        pytest.param(["convert", "m.onnx", "--opset", "new"], "--opset", id="no-number"),
        pytest.param(["release", "a"], "--to", id="no-required-option"),
        pytest.param(["config"], "Missing command", id="no-subcommand"),
    ],
)
def test_usage_error(cli: Cli, arguments: list[str], what: str) -> None:
    run = cli(*arguments)
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith("error: ")
    assert what in run.err
    assert "--help` explains it" in run.err


def test_usage_error_as_json(cli: Cli) -> None:
    run = cli("convert", "--json", "--zzz")
    assert (run.code, run.err) == (2, "")
    assert run.document["error"] == {
        "type": "UsageError",
        "what": "No such option: --zzz",
        "where": "compat-export convert",
        "hint": "`compat-export convert --help` explains it",
        "exit_code": 2,
    }


def test_error_says_what_where_and_what_next(cli: Cli, tmp_path: Path) -> None:
    run = cli("verify", tmp_path)
    assert (run.code, run.out) == (6, "")
    assert run.err.startswith("error: no artifact here: manifest.json: No such file or directory\n")
    assert f"  where: {tmp_path}\n" in run.err
    assert "  hint:  name the folder that holds manifest.json" in run.err


def test_error_text_is_not_read_as_markup(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "[bold]x[/]:smile:.onnx"
    assert str(path) in cli("inspect", path).err


def test_quiet_still_says_errors(cli: Cli, tmp_path: Path) -> None:
    run = cli("verify", tmp_path, "--quiet")
    assert (run.code, run.out) == (6, "")
    assert run.err.startswith("error: ")


def test_error_as_json_is_the_only_document(cli: Cli, tmp_path: Path) -> None:
    run = cli("verify", tmp_path, "--json")
    assert (run.code, run.err) == (6, "")
    assert run.document["error"].keys() == {"type", "what", "where", "hint", "exit_code"}
    assert run.document["error"]["type"] == "ArtifactError"


@pytest.mark.parametrize("kind", errors.ConverterError.__subclasses__(), ids=lambda kind: kind.__name__)
def test_every_error_of_ours_has_its_exit_code(kind: type[errors.ConverterError]) -> None:
    failure = failure_from(kind("what", where="where", hint="hint"))
    assert vars(failure) == {
        "type": kind.__name__, "what": "what", "where": "where", "hint": "hint", "exit_code": kind.exit_code
    }  # fmt: skip
    assert failure.exit_code in exit_codes()


@pytest.mark.parametrize("error", [errors.InternalError("odd"), ValueError("odd"), MemoryError("odd")], ids=repr)
def test_what_nobody_foresaw_is_a_bug_to_report(error: Exception) -> None:
    failure = failure_from(error)
    assert (failure.exit_code, failure.type) == (70, "InternalError")
    assert "odd" in failure.what
    assert "please report" in failure.hint


def test_error_of_the_disk_names_the_file() -> None:
    failure = failure_from(PermissionError(13, "Permission denied", "model.onnx"))
    assert (failure.exit_code, failure.what, failure.where) == (1, "Permission denied", "model.onnx")


def test_interrupt_ends_with_130(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("raise KeyboardInterrupt\n")
    (tmp_path / "net.pth").write_bytes(b"never read")
    run = cli("convert", tmp_path / "net.pth", "--factory", f"{tmp_path / 'net.py'}:build", "--artifacts", tmp_path)
    assert (run.code, run.out) == (130, "")
    assert "error: interrupted" in run.err


def test_traceback_only_when_debugging(cli: Cli, tmp_path: Path) -> None:
    assert "Traceback" not in cli("verify", tmp_path).err
    assert "Traceback" in cli("--debug", "verify", tmp_path).err


@pytest.mark.parametrize("arguments", [["config", "show", "--schema"], ["--help"], ["doctor", "--nonsense", "--json"]])
def test_reader_that_goes_away_is_no_drama(arguments: list[str]) -> None:
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 1


def test_shell_completion_offers_commands() -> None:
    words = {"_COMPAT_EXPORT_COMPLETE": "complete_bash", "COMP_WORDS": "compat-export con", "COMP_CWORD": "1"}
    done = subprocess.run(COMMAND, env=os.environ | words, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["convert", "config"]


def test_json_is_plain_ascii_on_any_terminal(cli: Cli, tmp_path: Path) -> None:
    run = cli("verify", tmp_path / "größe", "--json")
    assert run.out.isascii()
    assert json.loads(run.out)["error"]["where"].endswith("größe")
