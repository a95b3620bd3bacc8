from pathlib import Path

import pytest

from converter.runtimes.catalog import CHROMIUM_RUNTIMES, NODE_RUNTIMES
from tests.cli.conftest import Cli


def test_this_machine_has_everything(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPAT_EXPORT_HOME", str(tmp_path))
    run = cli("doctor", "--json")
    assert (run.code, run.err) == (0, "")
    checks = {check["name"]: check for check in run.document["checks"]}
    parts = {"python", "onnx", "onnxruntime", "torch", "browser", "firefox", *NODE_RUNTIMES, *CHROMIUM_RUNTIMES}
    assert parts <= checks.keys()
    assert {name for name in parts - {"firefox"} if checks[name]["status"] != "ok"} == set()
    assert not checks["firefox"]["is_needed"]
    assert (checks["engine onnx-tf"]["status"], checks["engine onnx-tf"]["is_needed"]) == ("missing", False)
    assert checks["engine onnx-tf"]["hint"] == "compat-export engine install onnx-tf"
    assert "4.22.0" in checks["tfjs-wasm@node"]["detail"]


def test_browser_that_was_named_is_needed(cli: Cli, tmp_path: Path) -> None:
    run = cli("doctor", "--browser", tmp_path / "nowhere")
    assert run.code == 7
    row = next(line.split() for line in run.out.splitlines() if line.split()[:1] == ["browser"])
    assert row[1] == "missing"
    assert str(tmp_path / "nowhere") in "".join(run.out.split())


def test_browser_may_be_named_in_the_environment(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPAT_EXPORT_BROWSER", str(tmp_path / "nowhere"))
    assert cli("doctor", "-q").out == "missing: browser\n"
