from pathlib import Path

import pytest

from converter.errors import ConfigError, EngineMissing
from converter.tensorflow_chain.environment import in_use, installed
from converter.tensorflow_chain.home import default_home
from converter.tensorflow_chain.locked import ENGINES, Engine


def test_engine_that_is_not_installed_is_told_how_to_get(tmp_path: Path) -> None:
    with pytest.raises(EngineMissing) as error:
        installed(home=tmp_path)
    assert error.value.exit_code == 7
    assert error.value.what == "the engine onnx-tf is not installed"
    assert error.value.where == str(tmp_path / "engines" / "onnx-tf")
    assert error.value.hint == "compat-export engine install onnx-tf"
    assert list(tmp_path.iterdir()) == []


def test_engine_that_is_not_installed_can_not_be_used(tmp_path: Path) -> None:
    with pytest.raises(EngineMissing, match="not installed"), in_use(home=tmp_path):
        raise AssertionError("never reached")


@pytest.mark.parametrize("name", ["direct", "onnx2tf", "../onnx-tf", ""])
def test_unknown_engine_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the engines are: onnx-tf"):
        installed(name, home=tmp_path)


def test_home_may_be_named_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMPAT_EXPORT_HOME", "here")
    assert default_home() == tmp_path / "here"
    monkeypatch.delenv("COMPAT_EXPORT_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_home().name == "compat-export"


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_lock_holds_what_was_asked_for_with_digests_and_no_address(engine: Engine) -> None:
    lock, versions = engine.lock, engine.versions()
    text = lock.read_text(encoding="utf-8")
    asked = [line for line in lock.with_suffix(".in").read_text().splitlines() if not line.startswith("#")]
    pins = dict(line.split("==") for line in asked if "==" in line)
    assert len(pins) >= 10
    assert {name: versions[name] for name in pins} == pins
    left_out = lock.with_suffix(".override").read_text().splitlines()
    assert [line for line in left_out if line.partition(" ;")[0] in versions] == []
    assert text.count("--hash=sha256:") >= len(versions) > 30
    assert "://" not in text
