from pathlib import Path

import jsonschema
import pytest
import yaml

from converter.config import Config
from tests.cli.conftest import Cli

CONFIG = Path(__file__).parents[2] / "configs" / "compatibility.yaml"

ATOL = "parity.tolerances.float32.atol"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text("name: small\nparity: {tolerances: {float32: {atol: 0.5}}}\n")
    return path


def test_every_value_has_its_source(cli: Cli, small: Path) -> None:
    run = cli("config", "show", small, "--json")
    assert (run.code, run.err) == (0, "")
    assert run.document["config"] == Config.model_validate(yaml.safe_load(small.read_text())).model_dump(mode="json")
    sources = run.document["sources"]
    assert {path for path, source in sources.items() if source == "file"} == {"name", ATOL}
    assert sources["parity.tolerances.float32.rtol"] == "default"


def test_people_see_value_and_source(cli: Cli, small: Path) -> None:
    lines = {
        line.split()[0]: line.split()[1:] for line in cli("config", "show", small).out.splitlines() if line.split()
    }
    assert lines[ATOL] == ["0.5", "file"]
    assert lines["parity.tolerances.float32.rtol"] == ["0.0001", "default"]
    assert lines["version"] == ['"0.1.0"', "default"]


def test_quiet_gives_a_line_for_each_value(cli: Cli, small: Path) -> None:
    assert f"{ATOL}=0.5" in cli("config", "show", small, "--quiet").out.splitlines()


def test_schema_describes_the_config_of_this_repository(cli: Cli) -> None:
    schema = cli("config", "show", "--schema").document
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(CONFIG.read_text()), schema)
    with pytest.raises(jsonschema.ValidationError, match="nonsense"):
        jsonschema.validate({"name": "a", "nonsense": 1}, schema)


def test_unknown_key_is_named(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "typo.yaml"
    path.write_text("name: a\nparity: {atoll: 1}\nversion: one\n")
    run = cli("config", "show", path)
    assert (run.code, run.out) == (2, "")
    assert "error: 2 value(s) don't fit:" in run.err
    assert "  - parity.atoll: unknown key" in run.err
    assert "  - version: " in run.err
    assert f"where: {path}" in run.err


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        pytest.param(["missing.yaml"], "can't be read: No such file or directory", id="missing-file"),
        pytest.param([], "no config was named", id="no-file"),
    ],
)
def test_without_a_config(cli: Cli, arguments: list[str], what: str) -> None:
    run = cli("config", "show", *arguments)
    assert run.code == 2
    assert what in run.err
