"""serve, as a process of its own that Ctrl-C ends."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.cli.conftest import Cli


@pytest.fixture
def artifact(cli: Cli, mlp: Path) -> Path:
    assert cli("convert", mlp, "--artifacts", mlp.parent / "artifacts", "--no-verify").code == 0
    return mlp.parent / "artifacts/mlp/0.1.0"


@contextmanager
def started(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "converter", "serve", *map(str, arguments), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    return process.returncode, out, err


def test_the_first_line_of_json_says_where_and_ctrl_c_ends_it_well(artifact: Path) -> None:
    with started(artifact, "--json") as process:
        document = json.loads(next_line(process))
        (listed,) = document["artifacts"]
        assert listed == {"name": "mlp", "version": "0.1.0", "url": f"{document['url']}mlp/0.1.0/"}
        with urlopen(f"{listed['url']}manifest.json", timeout=10) as response:
            assert response.read() == (artifact / "manifest.json").read_bytes()
        assert ended(process) == (0, "", "")


def test_quietly_it_says_the_address_only(artifact: Path) -> None:
    with started(artifact, "-q") as process:
        address = next_line(process).strip()
        assert address.endswith("/mlp/0.1.0/")
        with urlopen(f"{address}tfjs/model.json", timeout=10) as response:
            assert response.headers["Content-Type"] == "application/json"
        assert ended(process) == (0, "", "")


def test_people_are_told_where_and_how_it_ends(artifact: Path) -> None:
    with started(artifact) as process:
        assert next_line(process).startswith("serving http://127.0.0.1:")
        assert "Ctrl-C ends it" in next_line(process)
        assert ended(process) == (0, "", "")


def test_no_artifact_is_an_error_before_anything_listens(cli: Cli, tmp_path: Path) -> None:
    run = cli("serve", tmp_path, "--json")
    assert run.code == 6
    assert run.document["error"]["what"].startswith("no artifact here")


def test_a_port_beyond_the_last_is_a_usage_error(cli: Cli, artifact: Path) -> None:
    assert cli("serve", artifact, "--port", "65536").code == 2
