import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from onnx import parser, save

MODEL = """
<ir_version: 8, opset_import: ["" : 12]>
plain (float[batch, 3] x) => (float[batch, 3] y)
{ y = Relu(x) }
"""


def worker_of(pid: int) -> int | None:
    """The worker that a command has started."""
    with suppress(OSError):  # another child, which ended while it was looked at
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in task.read_text().split():
                if b"worker.py" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
    return None


def is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().split(") ")[1][0] not in "ZX"


def wait_for(what, timeout_s: float = 60.0):
    until = time.monotonic() + timeout_s
    while not (found := what()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return found


@pytest.mark.parametrize(
    ("who", "number", "code", "message"),
    [
        pytest.param("worker", signal.SIGKILL, 7, "its worker was killed by SIGKILL in the midst", id="worker-killed"),
        pytest.param("command", signal.SIGTERM, 130, "interrupted", id="command-terminated"),
        pytest.param("command", signal.SIGKILL, -9, "", id="command-killed"),
    ],
)
def test_kill_leaves_nothing(tmp_path: Path, who: str, number: signal.Signals, code: int, message: str) -> None:
    save(parser.parse_model(MODEL), tmp_path / "plain.onnx")
    temporary, artifacts = tmp_path / "temporary", tmp_path / "artifacts"
    temporary.mkdir()
    command = [sys.executable, "-m", "converter", "convert", str(tmp_path / "plain.onnx"), "--engine", "onnx-tf"]
    process = subprocess.Popen(
        [*command, "--no-verify", "--artifacts", str(artifacts)],
        env={**os.environ, "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    worker = wait_for(lambda: worker_of(process.pid))
    wait_for(lambda: list(artifacts.glob("plain/.*/chain/model.onnx")))
    wait_for(lambda: b"tensorflow" in Path(f"/proc/{worker}/maps").read_bytes())  # it is importing its packages
    os.kill(worker if who == "worker" else process.pid, number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == code
    assert message in error
    assert "Traceback" not in error
    wait_for(lambda: not is_alive(worker))
    assert list(artifacts.glob("plain/[0-9]*")) == []
    if who == "command" and number == signal.SIGKILL:
        wait_for(lambda: list(temporary.iterdir()) == [])
        return  # the draft is hidden, and goes with the next command
    assert list(artifacts.iterdir()) == []
    assert [path.suffix for path in temporary.iterdir()] == ([".log"] if who == "worker" else [])
