"""Converts models by us and by the peers, each as one process, and says what that took."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import Taken, run
from benchmarks.subjects import CACHE, Subject

HERE = Path(__file__).parent
PEERS = {"onnx-tf": "3.11", "onnx2tf": "3.11", "onnx2tf-2": "3.12"}  # and the Python that each needs
WORKER = HERE / "peers" / "convert.py"
CPU_LIMIT_S = 400
N_OWN_RUNS = 3
COMPAT_EXPORT = Path(sys.executable).with_name("compat-export")


@dataclass(frozen=True)
class Conversion:
    """One conversion: what it took, or why it failed.

    `source` is the ONNX file that was converted. Units: seconds; megabytes of 1e6 bytes; the memory is that of the
    largest process.
    """

    tool: str
    model: str
    source: str
    wall_s: float
    cpu_s: float
    peak_mb: float
    error: str = ""

    @property
    def folder(self) -> Path:
        """Where the TF.js files are."""
        return CACHE / "graphs" / self.model / self.tool

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class _Ended:
    taken: Taken
    output: str

    def of(self, tool: str, subject: Subject, source: Path) -> Conversion:
        taken = self.taken
        error = "" if taken.status == 0 else _reason(self.output, taken.status)
        return Conversion(tool, subject.name, source.name, taken.wall_s, taken.cpu_s, taken.peak_bytes / 1e6, error)


def convert_ours(subject: Subject) -> Conversion:
    """What `compat-export convert` makes of a model, unproved as the peers' are; the median of several runs."""
    with tempfile.TemporaryDirectory() as name:
        runs = []
        for index in range(N_OWN_RUNS):
            store = Path(name, str(index))
            command = [COMPAT_EXPORT, "convert", subject.onnx_file, "--name", "model", "--version", "1.0.0"]
            runs.append(measure([*map(str, command), "--artifacts", str(store), "--no-verify", "--quiet"], Path(name)))
        ended = sorted(runs, key=lambda one: one.taken.cpu_s)[len(runs) // 2]
        conversion = ended.of("ours", subject, subject.onnx_file)
        if not conversion.error:
            _keep(Path(name, "0", "model", "1.0.0", "tfjs"), conversion.folder)
    return conversion


def cached_conversion(peer: str, subject: Subject) -> Conversion | None:
    """What was measured when the peer last converted the model; None where it never did."""
    file = _record(peer, subject)
    return Conversion(**json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None


def convert_by_peer(peer: str, subject: Subject, *, fresh: bool = False) -> Conversion:
    """What a peer makes of a model: of the file that older tools like, else of the new one. Done once, then cached."""
    found = cached_conversion(peer, subject)
    if found is not None and not fresh:
        return found
    for source in dict.fromkeys((subject.old_file, subject.onnx_file)):
        conversion = _by_peer(peer, subject, source)
        if not conversion.error:
            break
    record = _record(peer, subject)
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps(conversion.as_json()), encoding="utf-8")
    return conversion


def _record(peer: str, subject: Subject) -> Path:
    digest = _digest(lock_of(peer).read_bytes() + WORKER.read_bytes())
    return CACHE / "conversions" / f"{peer}-{subject.name}-{digest}-{subject.digest[:12]}.json"


def lock_of(peer: str) -> Path:
    """The pinned packages of a peer's environment."""
    return HERE / "peers" / f"{peer}.txt"


def environment_of(peer: str) -> Path:
    """The folder of a peer's environment, built by uv where it isn't there yet.

    Raises: SystemExit if it can't be built.
    """
    folder = CACHE / "envs" / peer
    if not folder.exists():
        making = ["uv", "venv", "-q", "-p", PEERS[peer], str(folder)]
        filling = ["uv", "pip", "install", "-q", "--no-deps", "-p", str(folder / "bin" / "python")]
        for command in (making, [*filling, "-r", str(lock_of(peer))]):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                shutil.rmtree(folder, ignore_errors=True)
                raise SystemExit(f"the environment of {peer} can't be built:\n{done.stderr}")
    return folder


def measure(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> _Ended:
    """Run a command to its end, and say what it and all that it started took."""
    with tempfile.TemporaryFile() as output:
        taken = run(command, folder=folder, environment=environment, output=output, cpu_limit_s=CPU_LIMIT_S)
        output.seek(0)
        return _Ended(taken, output.read().decode("utf-8", "replace"))


def _by_peer(peer: str, subject: Subject, source: Path) -> Conversion:
    binaries = (environment_of(peer) / "bin").absolute()
    environment = dict(os.environ) | {"PATH": f"{binaries}:{os.environ['PATH']}"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as name:
        copy = shutil.copy(source, Path(name, "model.onnx"))
        command = [str(binaries / "python"), str(WORKER), peer, str(copy), name]
        conversion = measure(command, Path(name), environment).of(peer, subject, source)
        if not conversion.error:
            _keep(Path(name, "tfjs"), conversion.folder)
    return conversion


def _keep(made: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(made, target)


def _reason(output: str, status: int) -> str:
    if status in (-9, -24):  # SIGKILL, SIGXCPU
        return f"stopped after {CPU_LIMIT_S} CPU seconds"
    lines = list(_plain(output))
    for told in (r"^[\w.]*(Error|Exception)\b.*:", r"^ERROR: ", r"error"):
        if found := [line for line in lines if re.search(told, line)]:
            return found[-1][:240]
    return f"ended with status {status}"


def _plain(output: str) -> Iterator[str]:
    for line in re.sub(r"\x1b\[[0-9;]*m", "", output).replace("\r", "\n").splitlines():
        if line.strip():
            yield re.sub(r"(/[^\s:'\"]+)+/", "", line.strip())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
