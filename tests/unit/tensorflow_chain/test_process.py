import errno
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from sys import executable

import pytest

from converter.errors import ConverterError, RuntimeMissing, UnsupportedError
from converter.tensorflow_chain.process import INHERITED, SETTINGS, WorkerProcess

STAND_IN = """
import json, os, signal, subprocess, sys, time

for line in sys.stdin:
    request = json.loads(line)
    print("working on", request["verb"], file=sys.stderr, flush=True)
    match request["verb"]:
        case "environment":
            reply = {"environment": dict(os.environ), "folder": os.getcwd()}
        case "start":
            reply = {"pid": subprocess.Popen(["sleep", "600"]).pid}
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "leave":
            sys.exit(3)
        case "sleep":
            time.sleep(600)
        case code:
            reply = {"error": {"code": code, "by": "onnx-tf", "message": "its own words"}}
    print(json.dumps(reply), flush=True)
"""


@dataclass(frozen=True)
class Place:
    python: Path = Path(executable)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    program = tmp_path / "stand_in.py"
    program.write_text(STAND_IN)
    return program


@pytest.fixture
def process(stand_in: Path, temporary: Path) -> Iterator[WorkerProcess]:
    with WorkerProcess(Place, worker=stand_in, timeout_s=60) as worker:
        yield worker


def is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().split(") ")[1][0] not in "ZX"


def wait_until_gone(pid: int) -> bool:
    until = time.monotonic() + 120
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.01)
    return not is_alive(pid)


def test_worker_knows_only_what_it_needs(
    process: WorkerProcess, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    reply = process.ask("environment")
    assert reply["environment"].keys() - {"LC_CTYPE"} <= {*INHERITED, *SETTINGS, "HOME", "TMPDIR", "KERAS_HOME"}
    assert "AWS_SECRET_ACCESS_KEY" not in reply["environment"]
    assert Path(reply["environment"]["HOME"]) == Path(reply["folder"]) == process.scratch
    assert process.scratch.parent == temporary


def test_nothing_is_left_once_it_is_closed(process: WorkerProcess, temporary: Path) -> None:
    started, own = process.ask("start")["pid"], process.pid
    assert own is not None
    assert is_alive(started)
    process.close()
    assert process.pid is None
    assert wait_until_gone(started)
    assert wait_until_gone(own)
    assert list(temporary.iterdir()) == []
    process.close()


def test_refusal_is_told_in_its_own_words_and_its_log_is_kept(process: WorkerProcess, temporary: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"onnx-tf can't do this with the model: its own words") as caught:
        process.ask("refused")
    assert caught.value.exit_code == 4
    assert "--engine direct" in caught.value.hint
    process.close()
    (log,) = temporary.iterdir()
    assert str(log) in caught.value.hint
    assert "working on refused" in log.read_text()


@pytest.mark.parametrize(
    ("verb", "kind", "words"),
    [
        pytest.param("broken", RuntimeMissing, "its environment is broken: its own words", id="broken"),
        pytest.param("failed", ConverterError, "its own words", id="failed"),
        pytest.param("die", RuntimeMissing, "was killed by SIGKILL in the midst", id="killed"),
        pytest.param("leave", RuntimeMissing, "ended with code 3 in the midst", id="ended"),
    ],
)
def test_failure_is_an_error_that_names_the_log(
    process: WorkerProcess, temporary: Path, verb: str, kind: type[ConverterError], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        process.ask(verb)
    process.close()
    assert [str(log) in caught.value.hint for log in temporary.iterdir()] == [True]


def test_full_disk_is_told_as_one(process: WorkerProcess) -> None:
    with pytest.raises(OSError, match="its own words") as caught:
        process.ask("no-space")
    assert caught.value.errno == errno.ENOSPC


def test_what_is_too_slow_is_ended(stand_in: Path, temporary: Path) -> None:
    with WorkerProcess(Place, worker=stand_in, timeout_s=0.5) as process:
        process.ask("environment")
        own = process.pid
        assert own is not None
        with pytest.raises(ConverterError, match=r"no answer in 0\.5 s"):
            process.ask("sleep")
        assert wait_until_gone(own)
        assert process.ask("environment")["folder"], "it starts again"


def test_interpreter_that_is_gone_is_a_broken_environment(stand_in: Path, temporary: Path, tmp_path: Path) -> None:
    process = WorkerProcess(lambda: Place(tmp_path / "no-python"), worker=stand_in)
    with pytest.raises(RuntimeMissing, match="its Python can't be run") as caught:
        process.ask("environment")
    assert "engine install onnx-tf" in caught.value.hint
    assert list(temporary.iterdir()) == []


def test_worker_itself_answers_and_ends_with_its_input(temporary: Path) -> None:
    with WorkerProcess(Place) as process:
        with pytest.raises(ConverterError, match="KeyError: 'no-such-verb'"):
            process.ask("no-such-verb")
        own = process.pid
        assert own is not None
        with pytest.raises(RuntimeMissing, match=r"environment is broken: ModuleNotFoundError: .*'tensorflow'"):
            process.ask("versions")
    assert wait_until_gone(own)
    assert [path.suffix for path in temporary.iterdir()] == [".log", ".log"]
