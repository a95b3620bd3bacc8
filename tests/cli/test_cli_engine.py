from pathlib import Path

import pytest

from tests.cli.conftest import Cli


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COMPAT_EXPORT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path / "home"


def test_list_names_what_can_be_installed_and_what_it_costs(cli: Cli, home: Path) -> None:
    run = cli("engine", "list", "--json")
    assert (run.code, run.err) == (0, "")
    (engine,) = run.document["engines"]
    assert (engine["name"], engine["status"]) == ("onnx-tf", "not installed")
    assert engine["hint"] == "compat-export engine install onnx-tf"
    assert engine["folder"] == str(home / "engines" / "onnx-tf")
    assert engine["disk_mb"] > engine["download_mb"] > 100
    assert cli("engine", "list", "-q").out == "onnx-tf: not installed\n"
    assert "1,800 MB" in cli("engine", "list").out
    assert not home.exists()


def test_list_tells_of_an_engine_that_is_not_usable(cli: Cli, home: Path) -> None:
    (home / "engines" / "onnx-tf").mkdir(parents=True)
    assert cli("engine", "list", "-q").out == "onnx-tf: not usable\n"
    shown = " ".join(cli("engine", "list").out.split())
    assert "its engine.json is missing or damaged: compat-export engine install onnx-tf rebuilds it" in shown


def test_remove_clears_what_is_there(cli: Cli, home: Path) -> None:
    assert cli("engine", "remove", "onnx-tf", "--json").document["status"] == "absent"
    (home / "engines" / "onnx-tf").mkdir(parents=True)
    (home / "engines" / "onnx-tf" / "file").write_bytes(bytes(5_000_000))
    run = cli("engine", "remove", "onnx-tf", "--json")
    assert (run.code, run.document["status"], run.document["freed_mb"]) == (0, "removed", 5)
    assert not home.exists()


@pytest.mark.parametrize("command", ["install", "remove"])
def test_unknown_engine_is_a_wrong_setting(command: str, cli: Cli, home: Path) -> None:
    run = cli("engine", command, "onnx2tf", "--json")
    assert run.code == 2
    assert run.document["error"]["hint"] == "the engines are: onnx-tf"
    assert not home.exists()


def test_install_on_a_python_that_is_none_leaves_nothing(cli: Cli, home: Path, tmp_path: Path) -> None:
    run = cli("engine", "install", "onnx-tf", "--python", tmp_path / "python")
    assert run.code == 7
    assert "420 MB to download, 1800 MB on disk" in run.err
    assert f"No interpreter found at path `{tmp_path / 'python'}`" in run.err
    assert "--python PATH" in run.err
    assert [path for path in home.rglob("*") if path.is_file() and ".onnx-tf.cache" not in str(path)] == []
