"""The one process of a command that runs in the engine's environment; `worker.py` is its program."""

import contextlib
import errno
import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NoReturn, Protocol, Self

from converter.errors import ConverterError, InternalError, RuntimeMissing, UnsupportedError

WORKER = Path(__file__).with_name("worker.py")
TIMEOUT_S = 1800.0
CLOSE_TIMEOUT_S = 10.0
LOG_NAME = "worker.log"
INHERITED = ("PATH", "LD_LIBRARY_PATH", "LANG")
SETTINGS = {
    "PYTHONHASHSEED": "0",
    "CUDA_VISIBLE_DEVICES": "-1",
    "TF_CPP_MIN_LOG_LEVEL": "1",
    "TF_ENABLE_ONEDNN_OPTS": "0",  # results must not depend on the processor more than they have to
}
REFUSED_HINT = "--engine direct, which is the default, needs none of these packages and has operators that they lack"
DIED_HINT = "it may have run out of memory; run it again, or use --engine direct"
BROKEN_HINT = "make it anew: compat-export engine remove onnx-tf, then compat-export engine install onnx-tf"


class Environment(Protocol):
    """Where the engine's packages are installed."""

    @property
    def python(self) -> Path:
        """The interpreter that has them."""


class WorkerProcess:
    """Starts the worker at the first request, ends it and all that it started when closed.

    What it prints is kept in a log, which stays in the temporary folder if a request fails: the error says where.
    """

    def __init__(
        self, find: Callable[[], Environment], *, worker: Path = WORKER, timeout_s: float = TIMEOUT_S, name: str = ""
    ) -> None:
        self._find, self._worker, self._timeout_s = find, worker, timeout_s
        self._name = name or "engine onnx-tf"
        self._child: _Child | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The process id, None while it doesn't run."""
        return self._child.process.pid if self._child and self._child.process.poll() is None else None

    @property
    def scratch(self) -> Path:
        """A folder for files that are handed over, which goes with the process; started if it doesn't run."""
        return self._alive_child().scratch

    def ask(self, verb: str, **fields: Any) -> Mapping[str, Any]:
        """Ask for one thing and wait for the answer.

        Raises: UnsupportedError with the words of the package that refuses what was asked; RuntimeMissing if there is
                no environment, it is broken, or the worker died; ConverterError if it fails otherwise or is too slow;
                OSError if the disk is full.
        """
        child = self._alive_child()
        try:
            line = child.ask(json.dumps({"verb": verb, **fields}), self._timeout_s)
        except BaseException:  # an interrupt among them: what answers a request that nobody waits for is of no use
            self.close()
            raise
        if line is None:
            self._raise_silence(child)
        reply: dict[str, Any] = json.loads(line)
        if problem := reply.get("error"):
            self._raise_problem(child, problem)
        return reply

    def close(self) -> None:
        """End the worker and remove what it left in the temporary folder; closing twice is fine."""
        child, self._child = self._child, None
        if child:
            child.end()

    def _alive_child(self) -> "_Child":
        if self._child is None:
            self._child = _Child(self._find().python, self._worker, self._name)
        return self._child

    def _raise_silence(self, child: "_Child") -> NoReturn:
        log, code = child.keep_log(), child.process.poll()
        self.close()
        if code is None:
            what = f"no answer in {self._timeout_s:g} s, so it was ended"
            raise ConverterError(what, where=self._name, hint=f"{DIED_HINT}; its log: {log}")
        ended = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        raise RuntimeMissing(
            f"its worker {ended} in the midst of its work", where=self._name, hint=f"{DIED_HINT}; its log: {log}"
        )

    def _raise_problem(self, child: "_Child", problem: Mapping[str, str]) -> NoReturn:
        message = problem["message"]
        match problem["code"]:
            case "no-space":
                raise OSError(errno.ENOSPC, message)
            case "refused":
                what = f"{problem['by']} can't do this with the model: {message}"
                hint = f"{REFUSED_HINT}; the whole log: {child.keep_log()}"
                raise UnsupportedError(what, where=self._name, hint=hint)
            case "broken":
                hint = f"{BROKEN_HINT}; the whole log: {child.keep_log()}"
                raise RuntimeMissing(f"its environment is broken: {message}", where=self._name, hint=hint)
            case _:
                raise ConverterError(message, where=self._name, hint=f"its log: {child.keep_log()}")


class _Child:
    """One running worker, in a process group of its own; a thread reads what it answers."""

    def __init__(self, python: Path, worker: Path, name: str) -> None:
        self.scratch = Path(tempfile.mkdtemp(prefix="compat-export-engine-"))
        environment = {key: os.environ[key] for key in INHERITED if key in os.environ}
        environment |= SETTINGS | dict.fromkeys(("HOME", "TMPDIR", "KERAS_HOME"), str(self.scratch))
        try:
            with (self.scratch / LOG_NAME).open("wb") as log:
                self.process = subprocess.Popen(
                    [python, "-s", worker, self.scratch],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=environment,
                    cwd=self.scratch,
                    start_new_session=True,
                )
        except OSError as error:
            shutil.rmtree(self.scratch, ignore_errors=True)
            what = f"its Python can't be run: {error.strerror}"
            raise RuntimeMissing(what, where=f"{name}: {python}", hint=BROKEN_HINT) from error
        self._stdin, self._stdout = self._pipes()
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._thread = threading.Thread(target=self._listen, name="engine-listen", daemon=True)
        self._thread.start()

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        stdin, stdout = self.process.stdin, self.process.stdout
        if stdin is None or stdout is None:
            raise InternalError("the worker was started without pipes")
        return stdin, stdout

    def ask(self, request: str, timeout_s: float) -> bytes | None:
        """The line that answers a request; None if there is none in time, or the worker is gone."""
        with contextlib.suppress(OSError):  # the listening thread sees that it is gone, too
            self._stdin.write(request.encode() + b"\n")
            self._stdin.flush()
        try:
            line = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if line is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(CLOSE_TIMEOUT_S)
        return line

    def keep_log(self) -> Path:
        """The log, in a place where it stays."""
        handle, kept = tempfile.mkstemp(prefix="compat-export-engine-", suffix=".log")
        os.close(handle)
        with contextlib.suppress(OSError):
            shutil.copyfile(self.scratch / LOG_NAME, kept)
        return Path(kept)

    def end(self) -> None:
        """Close stdin, which the worker takes as the order to end; then end what is left of its process group."""
        with contextlib.suppress(OSError):
            self._stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(CLOSE_TIMEOUT_S)
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._thread.join(CLOSE_TIMEOUT_S)
        self._stdout.close()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _listen(self) -> None:
        for line in self._stdout:
            self._lines.put(line)
        self._lines.put(None)
